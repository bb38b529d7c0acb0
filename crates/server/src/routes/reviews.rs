//! The review queue: what waits for people, and what they make of it.

use axum::extract::{Path, State};
use exhibit_model::ReviewState;
use exhibit_recorder::{Error, ReviewAction};
use exhibit_store::ReviewQuery;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::Shared,
    auth::{Caller, Read, Review},
    extract::{Params, Small, trace_id},
    problem::{Problem, ProblemBody},
    view::{Data, Listing, review::ReviewView},
};

/// Rows of a page unless asked otherwise.
const PAGE: usize = 50;

/// Which reviews.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// States, separated by commas: `open`, `claimed`, `approved`, `rejected`, `escalated`, `expired`, `closed`;
    /// `waiting` stands for those that still need somebody.
    state: Option<String>,
    /// The queue.
    queue: Option<String>,
    /// Who has it; `me` for the caller.
    assignee: Option<String>,
    /// The rule that asked.
    rule: Option<String>,
    /// The trace.
    trace_id: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most rows of a page.
    limit: Option<usize>,
    #[serde(rename = "workspace")]
    #[param(ignore)]
    _workspace: Option<String>,
}

fn states(text: &str) -> Result<Vec<ReviewState>, Problem> {
    let mut out = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match (word, ReviewState::parse(word)) {
            ("waiting", _) => {
                out.extend(ReviewState::ALL.iter().copied().filter(|state| state.is_waiting()));
            }
            (_, Some(state)) => out.push(state),
            (_, None) => {
                let detail = format!(
                    "`{word}` is not a state; states are open, claimed, approved, rejected, escalated, expired, closed and waiting."
                );
                return Err(Problem::bad("parameters", detail));
            }
        }
    }
    Ok(out)
}

/// Reviews, newest first.
#[utoipa::path(get, path = "/api/v1/reviews", tag = "reviews", params(Wanted),
    responses((status = 200, body = Listing<ReviewView>), (status = 403, body = ProblemBody)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<Read>,
    Params(wanted): Params<Wanted>,
) -> Result<Listing<ReviewView>, Problem> {
    let query = ReviewQuery {
        states: wanted.state.as_deref().map(states).transpose()?.unwrap_or_default(),
        queue: wanted.queue,
        assignee: wanted.assignee.map(|who| if who == "me" { caller.name() } else { who }),
        rule: wanted.rule,
        trace: wanted.trace_id.as_deref().map(trace_id).transpose()?,
        after: wanted.cursor,
        limit: wanted.limit.unwrap_or(PAGE),
    };
    let page = app.recorder.reviews(caller.workspace, query).await?;
    Ok(Listing::of(page, ReviewView::of))
}

/// One review with all its acts.
#[utoipa::path(get, path = "/api/v1/reviews/{review_id}", tag = "reviews",
    params(("review_id" = String, Path, description = "The review's id")),
    responses((status = 200, body = Data<ReviewView>), (status = 404, body = ProblemBody)))]
pub(crate) async fn one(
    State(app): State<Shared>,
    caller: Caller<Read>,
    Path(id): Path<String>,
) -> Result<Data<ReviewView>, Problem> {
    let review = app.recorder.review(caller.workspace, &id).await?;
    let review = review.ok_or_else(|| Problem::not_found("review"))?;
    Ok(Data { data: ReviewView::of(&review) })
}

/// What somebody does to a review.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body, which the recorder reads")]
pub(crate) struct ActRequest {
    /// `claimed`, `released`, `assigned`, `commented`, `approved`, `rejected`, `escalated`.
    deed: String,
    /// With a decision: `true_positive`, `false_positive`, `accepted_risk`, `remediated`, `other`.
    reason: Option<String>,
    /// In words.
    comment: Option<String>,
    /// To whom, when it is assigned or escalated.
    assignee: Option<String>,
    /// With a decision, what becomes of what is quarantined: `release`, `redact`, `erase`.
    handling: Option<String>,
}

/// Claim, give back, assign, comment on, approve, reject or escalate a review. Each act is a leaf of
/// the workspace's log.
#[utoipa::path(post, path = "/api/v1/reviews/{review_id}/acts", tag = "reviews",
    request_body = ActRequest, params(("review_id" = String, Path, description = "The review's id")),
    responses((status = 200, body = Data<ReviewView>), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody)))]
pub(crate) async fn act(
    State(app): State<Shared>,
    caller: Caller<Review>,
    Path(id): Path<String>,
    Small(action): Small<ReviewAction>,
) -> Result<Data<ReviewView>, Problem> {
    let review = app.recorder.act_on_review(&caller, &id, &action).await?;
    Ok(Data { data: ReviewView::of(&review) })
}

/// One act on many reviews.
#[derive(Deserialize, ToSchema)]
pub(crate) struct BulkRequest {
    /// The reviews, at most 500.
    ids: Vec<String>,
    /// The act, as for one.
    #[schema(value_type = ActRequest)]
    act: ReviewAction,
}

/// What came of one of many.
#[derive(Serialize, ToSchema)]
pub(crate) struct BulkResult {
    /// The review.
    review_id: String,
    /// The review since; null where it failed.
    review: Option<ReviewView>,
    /// Why it failed.
    error: Option<String>,
}

/// The same act on many reviews; each succeeds or fails by itself.
#[utoipa::path(post, path = "/api/v1/reviews/bulk", tag = "reviews", request_body = BulkRequest,
    responses((status = 200, body = Data<Vec<BulkResult>>), (status = 422, body = ProblemBody)))]
pub(crate) async fn bulk(
    State(app): State<Shared>,
    caller: Caller<Review>,
    Small(request): Small<BulkRequest>,
) -> Result<Data<Vec<BulkResult>>, Problem> {
    let done = app.recorder.act_on_reviews(&caller, &request.ids, &request.act).await?;
    let view = |(review_id, result): (String, Result<exhibit_model::Review, Error>)| match result {
        Ok(review) => BulkResult { review_id, review: Some(ReviewView::of(&review)), error: None },
        Err(Error::Internal(_)) => {
            BulkResult { review_id, review: None, error: Some("something went wrong here".into()) }
        }
        Err(Error::NotFound) => {
            let error = Some("there is no such review".to_owned());
            BulkResult { review_id, review: None, error }
        }
        Err(error) => BulkResult { review_id, review: None, error: Some(error.to_string()) },
    };
    Ok(Data { data: done.into_iter().map(view).collect() })
}

/// What reviewers made of one rule's questions.
#[derive(Serialize, ToSchema)]
pub(crate) struct PrecisionView {
    policy: String,
    rule: String,
    /// Reviews it asked for.
    asked: u64,
    /// Of them still waiting.
    waiting: u64,
    /// Expired without a decision.
    expired: u64,
    /// Where reviewers say that the rule was right.
    right: u64,
    /// Where they say that it was wrong.
    wrong: u64,
    /// `right / (right + wrong)`; null where nothing tells yet.
    precision: Option<f64>,
    /// Median time from opening to decision.
    median_decision_ms: Option<i64>,
}

/// How often each rule was right, in the words of reviewers.
#[utoipa::path(get, path = "/api/v1/reviews/precision", tag = "reviews",
    responses((status = 200, body = Data<Vec<PrecisionView>>)))]
pub(crate) async fn precision(
    State(app): State<Shared>,
    caller: Caller<Read>,
) -> Result<Data<Vec<PrecisionView>>, Problem> {
    let all = app.recorder.review_precision(caller.workspace).await?;
    let view = |one: exhibit_recorder::RulePrecision| PrecisionView {
        precision: one.precision(),
        policy: one.policy,
        rule: one.rule,
        asked: one.asked,
        waiting: one.waiting,
        expired: one.expired,
        right: one.right,
        wrong: one.wrong,
        median_decision_ms: one.median_ms,
    };
    Ok(Data { data: all.into_iter().map(view).collect() })
}
