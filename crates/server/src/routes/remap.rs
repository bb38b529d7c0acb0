//! Mapping and pricing what is stored again, and what that would change.

use axum::extract::State;
use exhibit_model::Json;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Admin, Caller},
    extract::Small,
    problem::{Problem, ProblemBody},
    view::Data,
};

/// Traces of one step unless asked otherwise: well within a request's patience.
const STEP: usize = 100;

/// How far to go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct Step {
    /// `next_cursor` of the step before.
    cursor: Option<String>,
    /// Traces of this step; 100 unless given.
    limit: Option<usize>,
    /// Map those as well that today's version has mapped.
    all: bool,
}

/// Map stored spans again with today's mapping, some traces at a time, newest first: call it again
/// with `next_cursor` until that is null. What reads otherwise becomes a new revision.
#[utoipa::path(post, path = "/api/v1/remap", tag = "traces", request_body = Step,
    responses((status = 200, body = Data<Object>), (status = 403, body = ProblemBody)))]
pub(crate) async fn step(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(step): Small<Step>,
) -> Result<Data<Json>, Problem> {
    let limit = step.limit.unwrap_or(STEP).clamp(1, STEP * 10);
    let done = app.recorder.remap(caller.workspace, step.cursor, limit, step.all).await?;
    Ok(Data {
        data: json!({
            "traces": done.traces,
            "spans": done.spans,
            "mapped": done.mapped,
            "mapping_version": exhibit_capture::MAPPING_VERSION,
            "next_cursor": done.next,
        }),
    })
}

/// Which prices, and how far to go.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PreviewStep {
    /// `next_cursor` of the step before.
    cursor: Option<String>,
    /// Traces of this step; 100 unless given.
    limit: Option<usize>,
    /// A text in place of `pricing.yaml`; the prices in force unless given.
    file: Option<String>,
}

/// What pricing again would change, some traces at a time, newest first; nothing is written. Call it
/// again with `next_cursor` until that is null, and add up what the steps say of a model.
#[utoipa::path(post, path = "/api/v1/settings/pricing/preview", tag = "settings",
    request_body = PreviewStep,
    responses((status = 200, body = Data<Object>), (status = 403, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn preview(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(step): Small<PreviewStep>,
) -> Result<Data<Json>, Problem> {
    let limit = step.limit.unwrap_or(STEP).clamp(1, STEP * 10);
    let file = step.file.as_deref();
    let done = app.recorder.preview_prices(caller.workspace, step.cursor, limit, file).await?;
    let models: Vec<Json> = done
        .models
        .into_iter()
        .map(|it| {
            json!({
                "provider": it.provider,
                "model": it.model,
                "calls": it.calls,
                "changed": it.changed,
                "before_nano_usd": it.before.to_string(),
                "after_nano_usd": it.after.to_string(),
                "unknown_before": it.unknown_before,
                "unknown_after": it.unknown_after,
            })
        })
        .collect();
    Ok(Data {
        data: json!({
            "traces": done.traces,
            "calls": done.calls,
            "models": models,
            "next_cursor": done.next,
        }),
    })
}
