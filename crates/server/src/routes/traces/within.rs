//! Search inside one trace.

use axum::extract::{Path, State};
use exhibit_model::Scope;
use exhibit_recorder::{Hit, Phrase, SpanHits};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::Shared,
    auth::{Caller, ReadTraces},
    extract::{Params, trace_id},
    problem::{Problem, ProblemBody},
    view::Listing,
};

/// Longest phrase, code points.
const PHRASE_MAX: usize = 1_000;

/// What to look for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Within {
    /// The phrase, as it stands in the text; case, accents and width do not matter. At most 1,000
    /// characters.
    q: String,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[serde(rename = "workspace")]
    #[param(ignore)]
    _workspace: Option<String>,
}

/// The places of one span where the phrase stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct SpanMatches {
    /// The span.
    span_id: String,
    /// How many places there are.
    count: usize,
    /// The first of them, at most 20.
    hits: Vec<Match>,
}

/// A place where the phrase stands.
#[derive(Serialize, ToSchema)]
struct Match {
    /// The part of the record: `header`, `input`, `output`, `attributes`, `events`.
    part: &'static str,
    /// JSON pointer (RFC 6901) to the text in that part, as findings have it. It goes on into JSON that
    /// a text holds; a `#` at its end says that the name itself is meant.
    pointer: String,
    /// Code point offset of the match in that text.
    start: usize,
    /// Code point offset after the match.
    end: usize,
    /// A piece of the text around it.
    excerpt: String,
    /// Code point offset of the match in the excerpt.
    excerpt_start: usize,
    /// Code point offset after the match in the excerpt.
    excerpt_end: usize,
}

impl Match {
    fn of(hit: &Hit) -> Self {
        Self {
            part: hit.part.as_str(),
            pointer: hit.pointer.clone(),
            start: hit.start,
            end: hit.end,
            excerpt: hit.excerpt.clone(),
            excerpt_start: hit.excerpt_start,
            excerpt_end: hit.excerpt_end,
        }
    }
}

fn view(found: &SpanHits) -> SpanMatches {
    let hits = found.hits.iter().map(Match::of).collect();
    SpanMatches { span_id: found.span_id.to_string(), count: found.count, hits }
}

/// The spans of a trace in which a phrase stands, in order of start: in the whole of what they hold,
/// inputs, outputs, attributes, tool calls and events. A page ends after a bounded amount of work and
/// may be empty while `has_more` is true.
#[utoipa::path(get, path = "/api/v1/traces/{trace_id}/search", tag = "traces",
    params(("trace_id" = String, Path, description = "The trace's id"), Within),
    responses((status = 200, body = Listing<SpanMatches>), (status = 400, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn search(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(id): Path<String>,
    Params(within): Params<Within>,
) -> Result<Listing<SpanMatches>, Problem> {
    let id = trace_id(&id)?;
    let phrase = Phrase::new(&within.q).filter(|_| within.q.chars().count() <= PHRASE_MAX);
    let phrase = phrase.ok_or_else(|| exhibit_recorder::Error::Invalid {
        field: "q",
        message: format!("a phrase of 1 to {PHRASE_MAX} characters"),
    })?;
    let to_reviewer = caller.scopes.has(Scope::Review);
    let page = app
        .recorder
        .search_trace(caller.workspace, &id, &phrase, within.cursor.as_deref(), to_reviewer)
        .await?;
    Ok(Listing::of(page.ok_or_else(|| Problem::not_found("trace"))?, view))
}
