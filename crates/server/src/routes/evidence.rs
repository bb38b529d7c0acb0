//! Evidence bundles and other exports, streamed while they are made.

use std::io::{self, Write};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use exhibit_recorder::EvidenceQuery;
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc},
};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Caller, Export},
    export::{self, Format},
    extract::{Small, trace_id},
    problem::{Problem, ProblemBody},
};

/// Pieces of a bundle on their way: about half a megabyte, then the writer waits for the reader.
const PIECES: usize = 8;
const PIECE_BYTES: usize = 64 << 10;
/// How many traces are in the bundle.
const TRACES: HeaderName = HeaderName::from_static("x-exhibit-traces");
/// Where the next bundle of a series begins; absent after the last.
const NEXT: HeaderName = HeaderName::from_static("x-exhibit-next-cursor");

/// What a bundle shall hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BundleRequest {
    /// One trace.
    trace_id: Option<String>,
    /// Else the traces that this filter finds; without one, everything.
    #[serde(default)]
    filter: String,
    /// Parts to show by their hash only: `header`, `input`, `output`, `attributes`, `events`.
    #[serde(default)]
    withhold: Vec<String>,
    /// An earlier checkpoint of the log: the bundle shows that the log only grew since.
    since_checkpoint: Option<String>,
    /// `x-exhibit-next-cursor` of the bundle before.
    cursor: Option<String>,
    /// Most traces; 1,000,000 unless given.
    limit: Option<usize>,
}

/// Make an evidence bundle: records, proofs, keys and a report in one zip that verifies offline.
/// It is streamed while it is made; one that breaks off has no directory and is refused by verifiers.
#[utoipa::path(post, path = "/api/v1/evidence", tag = "ledger", request_body = BundleRequest,
    responses((status = 200, body = Vec<u8>, content_type = "application/zip"),
        (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn bundle(
    State(app): State<Shared>,
    caller: Caller<Export>,
    Small(asked): Small<BundleRequest>,
) -> Result<Response, Problem> {
    let trace = asked.trace_id.as_deref().map(trace_id).transpose()?;
    let query = EvidenceQuery {
        trace,
        filter: asked.filter,
        withheld: asked.withhold,
        since: asked.since_checkpoint,
        cursor: asked.cursor,
        limit: asked.limit,
    };
    stream(&app, &caller, query).await
}

/// What to export.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrailRequest {
    /// One trace.
    trace_id: Option<String>,
    /// Else the traces that this filter finds; without one, everything.
    #[serde(default)]
    filter: String,
}

/// An agent audit trail (draft-sharif-agent-audit-trail-06): sealed records as JSON lines, one hash chain per
/// session, each line with its place in the log.
#[utoipa::path(post, path = "/api/v1/evidence/audit-trail", tag = "ledger", request_body = TrailRequest,
    responses((status = 200, body = Vec<u8>, content_type = "application/jsonl"),
        (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 503, body = ProblemBody)))]
pub(crate) async fn audit_trail(
    State(app): State<Shared>,
    caller: Caller<Export>,
    Small(asked): Small<TrailRequest>,
) -> Result<Response, Problem> {
    let trace = asked.trace_id.as_deref().map(trace_id).transpose()?;
    let query = EvidenceQuery { trace, filter: asked.filter, ..EvidenceQuery::default() };
    let turn = app.exports.clone().try_acquire_owned().map_err(|_| Problem::busy(5_000))?;
    let workspace = workspace_of(&app, &caller).await?;
    let trail = app.recorder.audit_trail(&workspace, query).await?;
    let traces = trail.traces();
    let body = piped(turn, move |pipe, runtime| trail.write(pipe, runtime));
    Ok(answer(body, "application/jsonl", "attachment; filename=\"audit-trail.jsonl\"", traces))
}

/// Which spans to export, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpansRequest {
    /// One trace.
    trace_id: Option<String>,
    /// Else the traces that this filter finds; without one, everything.
    #[serde(default)]
    filter: String,
    /// `jsonl`, `json`, `csv`, `parquet` or `otlp`.
    #[serde(default)]
    format: Format,
    /// `x-exhibit-next-cursor` of the file before.
    cursor: Option<String>,
    /// Most traces; 1,000,000 unless given.
    limit: Option<usize>,
}

/// Export spans as they are shown: JSON lines, JSON, CSV, Parquet or OTLP, streamed while they are read.
/// Oldest first. What is quarantined is in it without its contents.
#[utoipa::path(post, path = "/api/v1/export/spans", tag = "traces", request_body = SpansRequest,
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 503, body = ProblemBody)))]
pub(crate) async fn spans(
    State(app): State<Shared>,
    caller: Caller<Export>,
    Small(asked): Small<SpansRequest>,
) -> Result<Response, Problem> {
    let trace = asked.trace_id.as_deref().map(trace_id).transpose()?;
    let SpansRequest { filter, cursor, limit, format, .. } = asked;
    let query = EvidenceQuery { trace, filter, cursor, limit, ..EvidenceQuery::default() };
    let turn = app.exports.clone().try_acquire_owned().map_err(|_| Problem::busy(5_000))?;
    let workspace = workspace_of(&app, &caller).await?;
    let export = app.recorder.span_export(&workspace, query, format.as_str()).await?;
    let (traces, next) = (export.traces(), export.next().map(str::to_owned));
    let body = piped(turn, move |pipe, runtime| export::write(format, &export, pipe, runtime));
    let answer = answer(body, format.media_type(), format.disposition(), traces);
    Ok(followed(answer, next))
}

/// An in-toto statement about a trace in a DSSE envelope: how verification finds it, and which leaves its
/// subjects are; signed with the key of the log.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/statement", tag = "ledger",
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Object), (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn statement(
    State(app): State<Shared>,
    caller: Caller<Export>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let workspace = workspace_of(&app, &caller).await?;
    let envelope = app.recorder.trace_statement(&workspace, &trace_id(&id)?).await?;
    let media = HeaderValue::from_static("application/vnd.dsse.envelope.v1+json");
    Ok(([(header::CONTENT_TYPE, media)], envelope).into_response())
}

/// The evidence bundle of one trace.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/evidence", tag = "ledger",
    params(("trace_id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Vec<u8>, content_type = "application/zip"),
        (status = 404, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn bundle_of_trace(
    State(app): State<Shared>,
    caller: Caller<Export>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let query = EvidenceQuery { trace: Some(trace_id(&id)?), ..EvidenceQuery::default() };
    stream(&app, &caller, query).await
}

async fn stream(
    app: &Shared,
    caller: &exhibit_recorder::Caller,
    query: EvidenceQuery,
) -> Result<Response, Problem> {
    let turn = app.exports.clone().try_acquire_owned().map_err(|_| Problem::busy(5_000))?;
    let workspace = workspace_of(app, caller).await?;
    let evidence = app.recorder.evidence(&workspace, query).await?;
    let (traces, next) = (evidence.traces(), evidence.next().map(str::to_owned));
    let body = piped(turn, move |pipe, runtime| evidence.write(pipe, runtime));
    let file = "attachment; filename=\"evidence.zip\"";
    Ok(followed(answer(body, "application/zip", file, traces), next))
}

/// The answer with where the next one of the series begins.
fn followed(mut response: Response, next: Option<String>) -> Response {
    let next = next.and_then(|next| HeaderValue::from_str(&next).ok());
    response.headers_mut().extend(next.map(|next| (NEXT, next)));
    response
}

async fn workspace_of(
    app: &Shared,
    caller: &exhibit_recorder::Caller,
) -> Result<exhibit_model::Workspace, Problem> {
    let found = app.recorder.workspace(&caller.workspace_public).await?;
    found.ok_or_else(|| Problem::not_found("workspace"))
}

/// A body that is written on a blocking thread, for as long as `turn` is held.
fn piped(
    turn: OwnedSemaphorePermit,
    write: impl FnOnce(Pipe, &Handle) -> Result<(), exhibit_recorder::Error> + Send + 'static,
) -> Body {
    let (sender, pieces) = mpsc::channel(PIECES);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let failed = sender.clone();
        let pipe = Pipe { sender, piece: Vec::with_capacity(PIECE_BYTES) };
        if let Err(error) = write(pipe, &runtime) {
            tracing::error!(%error, "an export broke off");
            let _ = failed.blocking_send(Err(io::Error::other("the export broke off")));
        }
        drop(turn);
    });
    Body::from_stream(ReceiverStream::new(pieces).map(|piece: io::Result<Bytes>| piece))
}

fn answer(body: Body, media: &'static str, file: &'static str, traces: usize) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(file));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(TRACES, HeaderValue::from(traces));
    response
}

/// Sends what is written, piece by piece; waits while nobody reads.
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads any more");
        self.sender.blocking_send(Ok(piece.into())).map_err(gone)
    }
}
