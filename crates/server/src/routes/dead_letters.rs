//! What was refused, for people to read.

use axum::extract::State;
use exhibit_model::Json;
use exhibit_store::DeadLetter;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::Shared,
    auth::{Admin, Caller, Read},
    extract::Params,
    problem::{Problem, ProblemBody},
    view::{Data, Listing},
};

/// Rows of a page unless asked otherwise.
const PAGE: usize = 50;

/// A refused entry of a request, or a request that could not be decoded.
#[derive(Serialize, ToSchema)]
pub(crate) struct Letter {
    /// Its number.
    id: String,
    /// When it came, RFC 3339.
    received_at: String,
    /// The door it came to.
    door: String,
    /// Position in its request, from 0; null for a whole request.
    index: Option<u64>,
    /// JSON pointer (RFC 6901) into the request.
    pointer: String,
    /// What is wrong and what to do about it.
    reason: String,
    /// Its trace id, where it could be read.
    trace_id: Option<String>,
    /// Its span id, where it could be read.
    span_id: Option<String>,
    /// The entry after the rules went through it; null when it could not be decoded; text where it
    /// was cut.
    #[schema(value_type = Object)]
    body: Option<Json>,
    /// Whether the body was cut or left out for its size.
    cut: bool,
    /// Its length as it came, bytes.
    bytes: u64,
    /// Keyed digest: equal for entries that came again, hex.
    digest: String,
}

impl Letter {
    fn of(letter: &DeadLetter) -> Self {
        let body = letter
            .body
            .as_ref()
            .map(|text| serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone())));
        Self {
            id: letter.id.clone(),
            received_at: letter.received.to_rfc3339(),
            door: letter.door.clone(),
            index: letter.index,
            pointer: letter.pointer.clone(),
            reason: letter.reason.clone(),
            trace_id: letter.trace_id.clone(),
            span_id: letter.span_id.clone(),
            body,
            cut: letter.cut,
            bytes: letter.bytes,
            digest: hex::encode(letter.digest),
        }
    }
}

/// Which letters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Window {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most rows of a page.
    limit: Option<usize>,
    #[serde(rename = "workspace")]
    #[param(ignore)]
    _workspace: Option<String>,
}

/// Entries that were refused at any door, newest first, with where and why.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "ingest", params(Window),
    responses((status = 200, body = Listing<Letter>), (status = 403, body = ProblemBody)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<Read>,
    Params(window): Params<Window>,
) -> Result<Listing<Letter>, Problem> {
    let limit = window.limit.unwrap_or(PAGE);
    let page = app.recorder.dead_letters(caller.workspace, window.cursor, limit).await?;
    Ok(Listing::of(page, Letter::of))
}

/// Remove all of them. They are no evidence; nothing that was recorded is touched.
#[utoipa::path(delete, path = "/api/v1/dead-letters", tag = "ingest",
    responses((status = 200, body = Data<Object>), (status = 403, body = ProblemBody)))]
pub(crate) async fn clear(
    State(app): State<Shared>,
    caller: Caller<Admin>,
) -> Result<Data<Json>, Problem> {
    let removed = app.recorder.clear_dead_letters(caller.workspace).await?;
    Ok(Data { data: json!({ "removed": removed }) })
}
