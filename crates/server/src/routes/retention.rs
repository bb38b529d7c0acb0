//! How long records are kept: rules, runs, legal holds, erasure, and what all of it shows for the
//! duties of record keeping.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use exhibit_model::TraceId;
use exhibit_recorder::{Erase, NewHold, PRESETS, RetentionRule};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Admin, Caller, Read},
    extract::{Small, trace_id},
    problem::{Problem, ProblemBody},
    view::Data,
};

type Value = serde_json::Value;

fn shown(value: impl Serialize) -> Result<Data<Value>, Problem> {
    let data = serde_json::to_value(value).map_err(|error| Problem::internal(&error))?;
    Ok(Data { data })
}

/// A rule of retention.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Its name.
    name: String,
    /// Which traces, in the filter language without full text; empty for all.
    #[serde(default)]
    filter: String,
    /// How many days they are kept after they were last added to; null: for ever.
    keep_days: Option<u32>,
}

/// The rules in force (the first that finds a trace decides; what none finds is kept), and presets.
#[utoipa::path(get, path = "/api/v1/retention/rules", tag = "retention",
    responses((status = 200, body = Data<Object>)))]
pub(crate) async fn rules(
    State(app): State<Shared>,
    caller: Caller<Read>,
) -> Result<Data<Value>, Problem> {
    let rules = app.recorder.retention_rules(caller.workspace).await?;
    shown(serde_json::json!({ "rules": rules, "presets": PRESETS }))
}

/// Set the rules of retention. The change is an entry of the log; nothing goes before the next run.
#[utoipa::path(put, path = "/api/v1/retention/rules", tag = "retention", request_body = Vec<Rule>,
    responses((status = 204), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn set_rules(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(rules): Small<Vec<Rule>>,
) -> Result<StatusCode, Problem> {
    let rules = rules.into_iter().map(|rule| RetentionRule {
        name: rule.name,
        filter: rule.filter,
        keep_days: rule.keep_days,
    });
    app.recorder.set_retention_rules(caller.workspace, rules.collect()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How to run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// Only say what would go.
    #[serde(default)]
    dry_run: bool,
}

/// Take away what the rules no longer keep.
#[utoipa::path(post, path = "/api/v1/retention/run", tag = "retention", request_body = Run,
    responses((status = 200, body = Data<Object>), (status = 403, body = ProblemBody)))]
pub(crate) async fn run(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(run): Small<Run>,
) -> Result<Data<Value>, Problem> {
    let missing = || Problem::not_found("workspace");
    let workspace = app.recorder.workspace(&caller.workspace_public).await?.ok_or_else(missing)?;
    shown(app.recorder.run_retention(&workspace, &caller.name(), run.dry_run).await?)
}

/// A hold to be placed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedHold {
    /// Which traces, in the filter language without full text; empty for all.
    #[serde(default)]
    filter: String,
    /// Or one trace.
    trace_id: Option<String>,
    /// Why, such as the name of a case.
    reason: String,
    /// Who answers for it.
    owner: String,
}

/// Legal holds, released ones included.
#[utoipa::path(get, path = "/api/v1/holds", tag = "retention",
    responses((status = 200, body = Data<Object>)))]
pub(crate) async fn holds(
    State(app): State<Shared>,
    caller: Caller<Read>,
) -> Result<Data<Value>, Problem> {
    shown(app.recorder.holds(caller.workspace).await?)
}

/// Place a legal hold. It beats every rule and every erasure until it is released.
#[utoipa::path(post, path = "/api/v1/holds", tag = "retention", request_body = WantedHold,
    responses((status = 201, body = Data<Object>), (status = 403, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn place_hold(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(wanted): Small<WantedHold>,
) -> Result<Response, Problem> {
    let trace_id = wanted.trace_id.as_deref().map(trace_id).transpose()?;
    let WantedHold { filter, reason, owner, .. } = wanted;
    let new = NewHold { filter, trace_id, reason, owner };
    let hold = app.recorder.place_hold(caller.workspace, new).await?;
    Ok((StatusCode::CREATED, shown(hold)?).into_response())
}

/// Why a hold ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Release {
    /// Why, and who says so.
    reason: String,
}

/// Release a legal hold.
#[utoipa::path(post, path = "/api/v1/holds/{id}/release", tag = "retention",
    params(("id" = String, Path, description = "The hold's id")), request_body = Release,
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn release_hold(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
    Small(release): Small<Release>,
) -> Result<StatusCode, Problem> {
    app.recorder.release_hold(caller.workspace, &id, &release.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What to erase: exactly one of `trace_id`, `user`, `filter`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    /// One trace.
    trace_id: Option<String>,
    /// Everything of an end user.
    user: Option<String>,
    /// What a filter finds.
    filter: Option<String>,
    /// Why; name no person here, it stays in the certificate.
    reason: String,
    /// Only say what would go.
    #[serde(default)]
    dry_run: bool,
}

/// Erase records for ever, with a certificate. Their leaves stay, so everything else still proves.
#[utoipa::path(post, path = "/api/v1/erasures", tag = "retention", request_body = Erasure,
    responses((status = 200, body = Data<Object>), (status = 403, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn erase(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(asked): Small<Erasure>,
) -> Result<Data<Value>, Problem> {
    let what = match (&asked.trace_id, asked.user, asked.filter) {
        (Some(id), None, None) => Erase::Trace(trace_id(id)?),
        (None, Some(user), None) => Erase::User(user),
        (None, None, Some(filter)) => Erase::Filter(filter),
        _ => {
            let detail = "Send exactly one of trace_id, user and filter.";
            return Err(Problem::unprocessable("invalid", detail).with("field", "trace_id"));
        }
    };
    let missing = || Problem::not_found("workspace");
    let workspace = app.recorder.workspace(&caller.workspace_public).await?.ok_or_else(missing)?;
    let asked_by = (&*asked.reason, &*caller.name());
    shown(app.recorder.erase(&workspace, what, asked_by, asked.dry_run).await?)
}

/// What Exhibit can show now for each duty of record keeping, and what it cannot.
#[utoipa::path(get, path = "/api/v1/compliance", tag = "retention",
    responses((status = 200, body = Data<Object>)))]
pub(crate) async fn compliance(
    State(app): State<Shared>,
    caller: Caller<Read>,
) -> Result<Data<Value>, Problem> {
    shown(app.recorder.compliance(caller.workspace).await?)
}

/// The verification of a trace that was erased: its certificate, and the way from that to the checkpoint.
pub(crate) async fn erasure(
    app: &Shared,
    workspace: exhibit_model::WorkspaceId,
    id: &TraceId,
) -> Result<Option<Value>, Problem> {
    let found = app.recorder.erasure_verification(workspace, id).await?;
    found.map(|found| shown(found).map(|data| data.data)).transpose()
}
