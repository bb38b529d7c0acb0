//! Sessions: traces that belong to one conversation.

use axum::extract::State;
use exhibit_model::{NanoUsd, Nanos};
use exhibit_store::SessionSummary;
use serde::Serialize;
use utoipa::ToSchema;

use super::traces::{ListParams, query};
use crate::{
    app::Shared,
    auth::{Caller, Read},
    extract::Params,
    problem::{Problem, ProblemBody},
    view::Listing,
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
