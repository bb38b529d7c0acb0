//! Sessions: traces that belong to one conversation.

use axum::extract::{Path, State};
use exhibit_model::{NanoUsd, Nanos};
use exhibit_store::SessionSummary;
use serde::Serialize;
use utoipa::ToSchema;

use super::traces::{ListParams, query};
use crate::{
    app::Shared,
    auth::{Caller, Read, ReadTraces},
    extract::Params,
    problem::{Problem, ProblemBody},
    view::{Data, Listing},
};

/// A session.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// Its id.
    session_id: String,
    /// Its traces.
    trace_count: u64,
    /// Its spans.
    span_count: u64,
    /// Traces that failed.
    error_count: u64,
    /// Earliest start, RFC 3339.
    start_time: String,
    /// Latest end, RFC 3339.
    end_time: Option<String>,
    /// Input tokens.
    tokens_in: u64,
    /// Output tokens.
    tokens_out: u64,
    /// Known cost, US dollars.
    cost: f64,
    /// Known cost, billionths of a US dollar.
    cost_nano_usd: String,
    /// End users seen.
    user_ids: Vec<String>,
}

impl SessionView {
    fn of(session: &SessionSummary) -> Self {
        Self {
            session_id: session.session.clone(),
            trace_count: session.trace_count,
            span_count: session.span_count,
            error_count: session.error_count,
            start_time: session.start.to_rfc3339(),
            end_time: session.end.map(Nanos::to_rfc3339),
            tokens_in: session.tokens_in,
            tokens_out: session.tokens_out,
            cost: NanoUsd(session.cost_nano_usd).to_usd(),
            cost_nano_usd: session.cost_nano_usd.to_string(),
            user_ids: session.users.clone(),
        }
    }
}

/// Sessions, newest first, of the traces that a filter finds.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "traces", params(ListParams),
    responses((status = 200, body = Listing<SessionView>), (status = 400, body = ProblemBody)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<Read>,
    Params(pairs): Params<Vec<(String, String)>>,
) -> Result<Listing<SessionView>, Problem> {
    let query = query(pairs)?;
    let page =
        app.recorder.sessions(caller.workspace, &query.filter, query.cursor, query.limit).await?;
    Ok(Listing::of(page, SessionView::of))
}

/// The numbers of a session's events.
#[derive(Serialize, ToSchema)]
pub(crate) struct SequenceBody {
    /// How many events with a number there are.
    seen: u64,
    /// The smallest number; null where events have none.
    first: Option<u64>,
    /// The largest number.
    last: Option<u64>,
    /// How many numbers between them are missing: events that were lost.
    missing_count: u64,
    /// Ranges of missing numbers.
    missing: Vec<Missing>,
}

/// A range of missing numbers.
#[derive(Serialize, ToSchema)]
struct Missing {
    from: u64,
    to: u64,
}

/// Which events of a coding agent's session never arrived: its events are numbered.
#[utoipa::path(get, path = "/api/v1/sessions/{session_id}/sequence", tag = "traces",
    params(("session_id" = String, Path, description = "The session's id")),
    responses((status = 200, body = Data<SequenceBody>), (status = 401, body = ProblemBody)))]
pub(crate) async fn sequence(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(session): Path<String>,
) -> Result<Data<SequenceBody>, Problem> {
    let found = app.recorder.session_sequence(caller.workspace, &session).await?;
    let missing = found.missing.iter().map(|(from, to)| Missing { from: *from, to: *to }).collect();
    let missing_count = found.missing.iter().map(|(from, to)| to - from + 1).sum();
    let (seen, first, last) = (found.seen, found.first, found.last);
    Ok(Data { data: SequenceBody { seen, first, last, missing_count, missing } })
}
