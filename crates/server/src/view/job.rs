//! Jobs in JSON.

use exhibit_model::Json;
use exhibit_recorder::Job;
use serde::Serialize;
use utoipa::ToSchema;

/// A replay or an ablation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// Its name: the trace that it records first.
    job_id: String,
    /// `replay` or `ablation`.
    #[schema(value_type = String)]
    kind: exhibit_recorder::JobKind,
    /// The trace in question.
    trace_id: String,
    /// Of an ablation: the model call in question; null while it is the one of the final answer.
    target: Option<String>,
    /// `running`, `done`, `failed`, `cancelled`, or `interrupted`: the program ended before it did.
    #[schema(value_type = String)]
    state: exhibit_recorder::JobState,
    /// How far it is.
    progress: ProgressView,
    /// When it began.
    started_at: String,
    /// When it ended.
    ended_at: Option<String>,
    /// Traces that it recorded.
    traces: Vec<String>,
    /// What ended it before its end.
    error: Option<JobErrorView>,
    /// Whether an ablation can go on where this one stopped: start one with `resume` set to its id.
    resumable: bool,
    /// What came of it. Of a replay: `replays` (the comparison of each repeat with the original),
    /// `determinism` (1: all answers equal) and `distinct_answers`. Of an ablation: `effects`,
    /// `sankey`, `explanation` and how they were measured. Null in lists.
    #[schema(value_type = Object)]
    result: Option<Json>,
}

/// How far a job is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProgressView {
    /// Calls or variants that are done.
    done: usize,
    /// All of them.
    all: usize,
    /// Spent so far, billionths of a US dollar; null when a price is not known.
    spent_nano_usd: Option<String>,
}

/// What ended a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobErrorView {
    /// Stable name, such as `budget`, `timeout`, `rate_limited`, `interrupted`.
    code: String,
    /// For people.
    message: String,
}

impl JobView {
    pub(crate) fn of(job: Job) -> Self {
        Self {
            resumable: job.is_resumable(),
            job_id: job.job_id.to_string(),
            kind: job.kind,
            trace_id: job.trace_id.to_string(),
            target: job.target,
            state: job.state,
            progress: ProgressView {
                done: job.progress.done,
                all: job.progress.all,
                spent_nano_usd: job.progress.spent_nano_usd.map(|nano| nano.to_string()),
            },
            started_at: job.started.to_rfc3339(),
            ended_at: job.ended.map(exhibit_model::Nanos::to_rfc3339),
            traces: job.traces.iter().map(ToString::to_string).collect(),
            error: job.error.map(|(code, message)| JobErrorView { code, message }),
            result: job.result,
        }
    }
}
