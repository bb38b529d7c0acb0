//! Jobs as the ledger knows them: what a process that ended before, or the command line, has left.

use exhibit_model::{Json, Status, TraceId, WorkspaceId};
use exhibit_store::{Order, TraceRow};

use super::{Job, JobError, JobKind, JobState, run, target};
use crate::{
    Error, Recorder, ablate,
    replay::{Progress, Step, retold},
};

/// Traces that are looked at for one list.
const LISTED: usize = 200;

impl Recorder {
    /// What is recorded of the jobs of a trace, without results.
    pub(super) async fn recorded_jobs(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<Job>, Error> {
        let mut jobs: Vec<Job> = Vec::new();
        for (key, kind) in [("replay_of", JobKind::Replay), ("ablation_of", JobKind::Ablation)] {
            for row in self.marked(workspace, key, trace).await? {
                let id = name(&row, kind);
                let mut job = Self::told(&row, kind, trace);
                match jobs.iter_mut().find(|known| known.job_id == id) {
                    Some(known) => known.traces.append(&mut job.traces),
                    None => jobs.push(Job { job_id: id, ..job }),
                }
            }
        }
        Ok(jobs)
    }

    /// A job with its result.
    pub(super) async fn recorded_job(
        &self,
        workspace: WorkspaceId,
        id: &TraceId,
    ) -> Result<Option<Job>, Error> {
        let Some(row) = self.store.trace(workspace, id).await? else { return Ok(None) };
        let said = |key: &str| row.summary.metadata.get(key).and_then(|t| TraceId::new(t).ok());
        if let Some(of) = said("ablation_of") {
            return Ok(Some(self.recorded_ablation(workspace, &row, &of).await?));
        }
        match said("replay_of") {
            Some(of) => Ok(Some(self.recorded_replay(workspace, &row, &of).await?)),
            None => Ok(None),
        }
    }

    async fn recorded_ablation(
        &self,
        workspace: WorkspaceId,
        row: &TraceRow,
        of: &TraceId,
    ) -> Result<Job, Error> {
        let mut job = Self::told(row, JobKind::Ablation, of);
        let steps = self.steps(workspace, &row.summary.trace_id).await?;
        let root = steps.iter().find(|step| step.parent_id.is_none());
        job.progress = Progress {
            done: steps.iter().filter(|s| s.parent_id.is_some() && s.status == Status::Ok).count(),
            all: 0,
            spent_nano_usd: Some(row.summary.leaf_cost.0),
        };
        match root.filter(|root| root.status == Status::Ok) {
            Some(root) => {
                job.result.clone_from(&root.content.output);
                job.progress.all = job.progress.done;
            }
            None => job.error = root.and_then(failure).or(job.error),
        }
        if job.error.as_ref().is_some_and(|(code, _)| code == "cancelled") {
            job.state = JobState::Cancelled;
        }
        Ok(job)
    }

    async fn recorded_replay(
        &self,
        workspace: WorkspaceId,
        row: &TraceRow,
        of: &TraceId,
    ) -> Result<Job, Error> {
        let mut job = Self::told(row, JobKind::Replay, of);
        let id = row.summary.trace_id.clone();
        let mut rows = self.marked(workspace, "replay_job", &id).await?;
        if rows.is_empty() {
            rows.push(row.clone());
        }
        rows.sort_by_key(|row| row.summary.start);
        let original = match self.steps(workspace, of).await {
            Err(Error::NotFound) => Vec::new(),
            steps => steps?,
        };
        let mut replays = Vec::new();
        for row in &rows {
            let steps = self.steps(workspace, &row.summary.trace_id).await?;
            let tools = match row.summary.metadata.get("replay_tools").map(String::as_str) {
                Some("live") => "live",
                Some("skip") => "skip",
                _ => "captured",
            };
            if let Some(told) = retold(&original, &steps, tools) {
                job.error = job.error.or_else(|| told.failure.clone());
                replays.push(told);
            }
        }
        job.traces = rows.iter().map(|row| row.summary.trace_id.clone()).collect();
        let calls = replays.iter().map(|told| told.steps.len()).sum();
        let spent =
            replays.iter().try_fold(0_i64, |a, r| Some(a.saturating_add(r.spent_nano_usd?)));
        job.progress = Progress { done: calls, all: calls, spent_nano_usd: spent };
        if job.state == JobState::Done && job.error.is_some() {
            job.state = JobState::Failed;
        }
        if job.error.as_ref().is_some_and(|(code, _)| code == "cancelled") {
            job.state = JobState::Cancelled;
        }
        job.result = (!replays.is_empty()).then(|| run::report(&replays));
        Ok(job)
    }

    async fn marked(
        &self,
        workspace: WorkspaceId,
        key: &str,
        trace: &TraceId,
    ) -> Result<Vec<TraceRow>, Error> {
        let text = trace.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        let filter = format!("metadata.{key} = \"{text}\"");
        Ok(self.traces(workspace, &filter, Order::Newest, None, LISTED).await?.rows)
    }

    /// What a list's row says.
    fn told(row: &TraceRow, kind: JobKind, of: &TraceId) -> Job {
        let summary = &row.summary;
        let state = match summary.root_status {
            Some(Status::Ok) => JobState::Done,
            Some(Status::Error) => JobState::Failed,
            _ => JobState::Interrupted,
        };
        let left = "the program ended before this job did";
        let error =
            (state == JobState::Interrupted).then(|| ("interrupted".to_owned(), left.to_owned()));
        Job {
            job_id: summary.trace_id.clone(),
            kind,
            trace_id: of.clone(),
            target: summary.metadata.get("ablation_target").cloned(),
            state,
            progress: Progress { done: 0, all: 0, spent_nano_usd: Some(summary.leaf_cost.0) },
            started: summary.start,
            ended: summary.end,
            traces: vec![summary.trace_id.clone()],
            error,
            result: None,
        }
    }
}

/// The job that a trace belongs to.
fn name(row: &TraceRow, kind: JobKind) -> TraceId {
    let job = row.summary.metadata.get("replay_job").filter(|_| kind == JobKind::Replay);
    job.and_then(|id| TraceId::new(id).ok()).unwrap_or_else(|| row.summary.trace_id.clone())
}

fn failure(root: &Step) -> Option<(String, String)> {
    let code = root.error.clone()?;
    let words = root.message.clone().unwrap_or_else(|| code.clone());
    Some((code, words))
}

/// Takes over how an ablation that was broken off had begun.
pub(super) fn resumed(
    broken: &[Step],
    trace: &TraceId,
    options: &mut ablate::Options,
) -> Result<(), JobError> {
    let wrong = |message: &str| Error::Invalid { field: "resume", message: message.to_owned() };
    let root = broken
        .iter()
        .find(|step| step.parent_id.is_none() && step.metadata.contains_key("ablation_of"))
        .ok_or_else(|| wrong("that trace is no ablation"))?;
    if root.metadata.get("ablation_of").map(String::as_str) != Some(trace.as_str()) {
        return Err(wrong("that is an ablation of another trace").into());
    }
    if root.status == Status::Ok {
        let message = "This ablation is finished; there is nothing to go on with.";
        return Err(Error::Conflict(message.to_owned()).into());
    }
    let begun = root.content.input.as_ref();
    let number = |name: &str| begun.and_then(|input| input.get(name)).and_then(Json::as_u64);
    let small = |name: &str| number(name).and_then(|n| u32::try_from(n).ok());
    options.target = target(root).or_else(|| options.target.clone());
    options.repeats = small("repeats").unwrap_or(options.repeats);
    options.orders = small("orders").unwrap_or(options.orders);
    options.seed = number("seed").unwrap_or(options.seed);
    let measure = begun.and_then(|input| input.get("measure")).cloned();
    let measure = measure.and_then(|measure| serde_json::from_value(measure).ok());
    options.measure = measure.unwrap_or_default();
    Ok(())
}
