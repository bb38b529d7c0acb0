//! The logs, in the C2SP text formats: checkpoints, proofs, tiles. First the caller's workspace's,
//! then the installation's.

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use exhibit_store::LogId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::Shared,
    auth::{Caller, ReadTraces},
    extract::Params,
    problem::{Problem, ProblemBody},
    view::Data,
};

/// Two sizes of a log.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Sizes {
    /// The older size.
    old: u64,
    /// The newer size.
    new: u64,
    /// The workspace.
    #[serde(default, rename = "workspace")]
    #[param(ignore)]
    _workspace: Option<String>,
}

/// A consistency proof.
#[derive(Serialize, ToSchema)]
pub(crate) struct Consistency {
    /// The older size.
    old: u64,
    /// The newer size.
    new: u64,
    /// The proof (RFC 9162, section 2.1.4), base64.
    hashes: Vec<String>,
}

const PLAIN: &str = "text/plain; charset=utf-8";
/// Full tiles never change; partial ones are replaced, but what they hold stays true.
const TILE_CACHE: &str = "private, max-age=31536000, immutable";

fn text(body: String) -> Response {
    ([(header::CONTENT_TYPE, PLAIN)], body).into_response()
}

async fn checkpoint_of(app: &Shared, log: LogId) -> Result<Response, Problem> {
    let note = app.recorder.checkpoint(log).await?;
    note.map(text).ok_or_else(|| Problem::not_found("checkpoint yet"))
}

async fn proof_of(app: &Shared, log: LogId, index: &str) -> Result<Response, Problem> {
    let missing = || Problem::not_found("entry under a checkpoint");
    let index = index.parse().map_err(|_| missing())?;
    app.recorder.proof(log, index).await?.map(text).ok_or_else(missing)
}

async fn consistency_of(
    app: &Shared,
    log: LogId,
    Sizes { old, new, .. }: Sizes,
) -> Result<Data<Consistency>, Problem> {
    let hashes = app.recorder.consistency(log, old, new).await?;
    let hashes = hashes.ok_or_else(|| Problem::not_found("pair of sizes in this log"))?;
    let mut texts = Vec::with_capacity(hashes.len());
    for hash in &hashes {
        texts.push(hash.to_base64());
    }
    Ok(Data { data: Consistency { old, new, hashes: texts } })
}

async fn tile_of(app: &Shared, log: LogId, path: &str) -> Result<Response, Problem> {
    let tile = app.recorder.tile(log, path).await?;
    let tile = tile.ok_or_else(|| Problem::not_found("tile"))?;
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, TILE_CACHE)];
    Ok((headers, tile).into_response())
}

/// The latest signed checkpoint of the workspace's log (C2SP tlog-checkpoint).
#[utoipa::path(get, path = "/api/v1/ledger/checkpoint", tag = "ledger",
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 404, body = ProblemBody)))]
pub(crate) async fn checkpoint(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
) -> Result<Response, Problem> {
    checkpoint_of(&app, LogId::Workspace(caller.workspace)).await
}

/// The verifier key of the workspace's log (C2SP signed-note).
#[utoipa::path(get, path = "/api/v1/ledger/key", tag = "ledger",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn key(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
) -> Result<Response, Problem> {
    Ok(text(app.recorder.verifier_key(LogId::Workspace(caller.workspace))? + "\n"))
}

/// The way from an entry to the latest checkpoint (C2SP tlog-proof).
#[utoipa::path(get, path = "/api/v1/ledger/proof/{index}", tag = "ledger",
    params(("index" = u64, Path, description = "Index of the entry")),
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 404, body = ProblemBody)))]
pub(crate) async fn proof(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(index): Path<String>,
) -> Result<Response, Problem> {
    proof_of(&app, LogId::Workspace(caller.workspace), &index).await
}

/// That the log only grew between two sizes.
#[utoipa::path(get, path = "/api/v1/ledger/consistency", tag = "ledger", params(Sizes),
    responses((status = 200, body = Data<Consistency>), (status = 404, body = ProblemBody)))]
pub(crate) async fn consistency(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Params(sizes): Params<Sizes>,
) -> Result<Data<Consistency>, Problem> {
    consistency_of(&app, LogId::Workspace(caller.workspace), sizes).await
}

/// A tile or entry bundle (C2SP tlog-tiles), by its path below `tile/`.
#[utoipa::path(get, path = "/api/v1/ledger/tile/{*path}", tag = "ledger",
    params(("path" = String, Path, description = "Such as 0/000 or entries/000.p/17")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, body = ProblemBody)))]
pub(crate) async fn tile(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    tile_of(&app, LogId::Workspace(caller.workspace), &path).await
}

/// The latest signed checkpoint of the installation's log.
#[utoipa::path(get, path = "/api/v1/ledger/installation/checkpoint", tag = "ledger",
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 404, body = ProblemBody)))]
pub(crate) async fn installation_checkpoint(
    State(app): State<Shared>,
    _caller: Caller<ReadTraces>,
) -> Result<Response, Problem> {
    checkpoint_of(&app, LogId::Installation).await
}

/// The verifier key of the installation's log.
#[utoipa::path(get, path = "/api/v1/ledger/installation/key", tag = "ledger",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn installation_key(
    State(app): State<Shared>,
    _caller: Caller<ReadTraces>,
) -> Result<Response, Problem> {
    Ok(text(app.recorder.verifier_key(LogId::Installation)? + "\n"))
}

/// The way from an entry of the installation's log to its latest checkpoint.
#[utoipa::path(get, path = "/api/v1/ledger/installation/proof/{index}", tag = "ledger",
    params(("index" = u64, Path, description = "Index of the entry")),
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 404, body = ProblemBody)))]
pub(crate) async fn installation_proof(
    State(app): State<Shared>,
    _caller: Caller<ReadTraces>,
    Path(index): Path<String>,
) -> Result<Response, Problem> {
    proof_of(&app, LogId::Installation, &index).await
}

/// That the installation's log only grew between two sizes.
#[utoipa::path(get, path = "/api/v1/ledger/installation/consistency", tag = "ledger", params(Sizes),
    responses((status = 200, body = Data<Consistency>), (status = 404, body = ProblemBody)))]
pub(crate) async fn installation_consistency(
    State(app): State<Shared>,
    _caller: Caller<ReadTraces>,
    Params(sizes): Params<Sizes>,
) -> Result<Data<Consistency>, Problem> {
    consistency_of(&app, LogId::Installation, sizes).await
}

/// A tile or entry bundle of the installation's log.
#[utoipa::path(get, path = "/api/v1/ledger/installation/tile/{*path}", tag = "ledger",
    params(("path" = String, Path, description = "Such as 0/000 or entries/000.p/17")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, body = ProblemBody)))]
pub(crate) async fn installation_tile(
    State(app): State<Shared>,
    _caller: Caller<ReadTraces>,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    tile_of(&app, LogId::Installation, &path).await
}

/// Notes by which signing keys of the installation handed over to the next, oldest first.
#[utoipa::path(get, path = "/api/v1/ledger/installation/successions", tag = "ledger",
    responses((status = 200, body = Data<Vec<String>>)))]
pub(crate) async fn successions(
    State(app): State<Shared>,
    _caller: Caller<ReadTraces>,
) -> Data<Vec<String>> {
    Data { data: app.recorder.successions().into_iter().map(|one| one.note).collect() }
}

/// A COSE receipt of inclusion (RFC 9942) of an entry of the workspace's log, under its latest checkpoint.
#[utoipa::path(get, path = "/api/v1/ledger/receipt/{index}", tag = "ledger",
    params(("index" = u64, Path, description = "Index of the entry")),
    responses((status = 200, body = Vec<u8>, content_type = "application/cose"),
        (status = 404, body = ProblemBody)))]
pub(crate) async fn receipt(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(index): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("entry");
    let index = index.parse().map_err(|_| missing())?;
    let found = app.recorder.receipt(LogId::Workspace(caller.workspace), index).await?;
    let receipt = found.ok_or_else(missing)?;
    let media = HeaderValue::from_static("application/cose; cose-type=\"cose-sign1\"");
    Ok(([(header::CONTENT_TYPE, media)], receipt).into_response())
}

/// Records that clients numbered (`source`, `sequence`) and that never arrived, as the workspace's log says.
#[utoipa::path(get, path = "/api/v1/ledger/gaps", tag = "ledger",
    responses((status = 200, body = Data<Vec<Object>>)))]
pub(crate) async fn gaps(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
) -> Result<Data<serde_json::Value>, Problem> {
    let gaps = app.recorder.gaps(caller.workspace).await?;
    let data = serde_json::to_value(gaps).map_err(|error| Problem::internal(&error))?;
    Ok(Data { data })
}

/// How it stands with witnesses and time-stamp authorities of the installation's log.
#[utoipa::path(get, path = "/api/v1/ledger/anchors", tag = "ledger",
    responses((status = 200, body = Data<Object>)))]
pub(crate) async fn anchors(
    State(app): State<Shared>,
    _caller: Caller<ReadTraces>,
) -> Result<Data<serde_json::Value>, Problem> {
    let status = app.recorder.outside_status();
    let data = serde_json::to_value(status).map_err(|error| Problem::internal(&error))?;
    Ok(Data { data })
}
