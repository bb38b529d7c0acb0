//! The cold archive: how it stands, and moving payloads there now.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Admin, Caller, Read},
    extract::Small,
    problem::{Problem, ProblemBody},
    view::Data,
};

type Value = serde_json::Value;

fn shown(value: impl Serialize) -> Result<Data<Value>, Problem> {
    let data = serde_json::to_value(value).map_err(|error| Problem::internal(&error))?;
    Ok(Data { data })
}

/// Where payloads of old traces go, after how many days, and how much is there.
#[utoipa::path(get, path = "/api/v1/archive", tag = "retention",
    responses((status = 200, body = Data<Object>)))]
pub(crate) async fn status(
    State(app): State<Shared>,
    caller: Caller<Read>,
) -> Result<Data<Value>, Problem> {
    shown(app.recorder.archive_status(caller.workspace).await?)
}

/// What to move.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchiveRun {
    /// Only traces that were last added to this many days ago or earlier; as configured where absent.
    older_than_days: Option<u32>,
    /// Only say what would go.
    #[serde(default)]
    dry_run: bool,
}

/// Move payloads of sealed, old traces to the archive. They are still listed, found by what lists hold,
/// read and verified.
#[utoipa::path(post, path = "/api/v1/archive/run", tag = "retention", request_body = ArchiveRun,
    responses((status = 200, body = Data<Object>), (status = 403, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn run(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(run): Small<ArchiveRun>,
) -> Result<Data<Value>, Problem> {
    let missing = || Problem::not_found("workspace");
    let workspace = app.recorder.workspace(&caller.workspace_public).await?.ok_or_else(missing)?;
    shown(app.recorder.run_archive(&workspace, run.older_than_days, run.dry_run).await?)
}
