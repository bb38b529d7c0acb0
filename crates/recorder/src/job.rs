//! Replays and ablations that the recorder runs itself: begun, watched, cancelled.
//!
//! Start at [`Recorder::start_replay`] and [`Recorder::start_ablation`]. A job is named by the trace that
//! it records first, so it is found again after a restart: what it left in the ledger says how far it came
//! (`recorded`). Only what is under way is kept in memory. Providers come from the [`Providers`] that
//! the composition root names, and from what a workspace has set (`provider`).
//!
//! Two jobs never write the same trace; going on with an ablation that is under way is refused.

mod provider;
mod recorded;
mod run;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use exhibit_model::{Json, NanoUsd, Nanos, SpanId, TraceId, WorkspaceId};
use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    Caller, Error, Recorder,
    ablate::{self, AblationError},
    replay::{self, Models, Progress, ReplayError},
};

pub use provider::{OwnProvider, ProviderShown, Providers};

/// Jobs under way at once in an installation: each holds a trace in memory and makes calls.
pub const RUNNING_MAX: usize = 8;
/// Jobs that are over and still remembered.
const REMEMBERED: usize = 64;
/// Most repeats of a replay.
pub const REPEATS_MAX: u32 = 50;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Runs a trace again.
    Replay,
    /// Looks for what an answer depends on.
    Ablation,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Under way.
    Running,
    /// Over, with a result.
    Done,
    /// Over, with an error.
    Failed,
    /// Stopped by somebody.
    Cancelled,
    /// The program ended before it did.
    Interrupted,
}

/// A job as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Job {
    /// The trace that it records first; its name.
    pub job_id: TraceId,
    /// What it does.
    pub kind: JobKind,
    /// The trace in question.
    pub trace_id: TraceId,
    /// Of an ablation: the call in question; none while it is the one of the final answer.
    pub target: Option<String>,
    /// How it stands.
    pub state: JobState,
    /// How far it is.
    pub progress: Progress,
    /// When it began.
    pub started: Nanos,
    /// When it ended.
    pub ended: Option<Nanos>,
    /// Traces that it recorded.
    pub traces: Vec<TraceId>,
    /// Stable name and words of what ended it.
    pub error: Option<(String, String)>,
    /// What came of it: the ablation, or `replays` and `determinism`.
    pub result: Option<Json>,
}

impl Job {
    /// Whether another ablation can go on where this one stopped.
    pub fn is_resumable(&self) -> bool {
        let stopped = [JobState::Failed, JobState::Cancelled, JobState::Interrupted];
        self.kind == JobKind::Ablation && stopped.contains(&self.state)
    }
}

/// What may be spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cap {
    /// No call is begun that could spend more than this.
    At(NanoUsd),
    /// Somebody confirmed that there is no cap.
    None,
}

impl Cap {
    fn budget(self) -> Option<NanoUsd> {
        match self {
            Self::At(budget) => Some(budget),
            Self::None => None,
        }
    }
}

/// A replay to be run.
#[derive(Debug, Clone)]
pub struct NewReplay {
    /// The trace.
    pub trace: TraceId,
    /// How; its budget, repeat and ids are the job's.
    pub options: replay::Options,
    /// How often, 1 to 50.
    pub repeats: u32,
}

/// An ablation to be run.
#[derive(Debug, Clone)]
pub struct NewAblation {
    /// The trace.
    pub trace: TraceId,
    /// How; its budget and id are the job's.
    pub options: ablate::Options,
    /// One that was broken off, to go on with; its own target, repeats, orders and seed hold.
    pub resume: Option<TraceId>,
}

/// Why a job does not begin.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The trace cannot be read.
    #[error(transparent)]
    Recorder(#[from] Error),
    /// The trace was erased.
    #[error(
        "this trace was erased; its messages are gone, so nothing of it can be run again. Its \
         certificate of erasure is at /verification"
    )]
    Erased,
    /// It cannot be run again.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// No causes can be looked for.
    #[error(transparent)]
    Ablation(#[from] AblationError),
    /// It may cost more than it may.
    #[error(
        "this is expected to cost {}, and the budget is ${:.6}; set a larger budget, or do less of it",
        dollars(*expected), budget.0 as f64 / 1e9
    )]
    Budget {
        /// What it is expected to cost; none when a price is not known.
        expected: Option<i64>,
        /// What may be spent.
        budget: NanoUsd,
    },
}

fn dollars(nano: Option<i64>) -> String {
    nano.map_or_else(
        || "an amount nobody knows, since a model has no price".to_owned(),
        |nano| format!("${:.6}", nano as f64 / 1e9),
    )
}

/// A job under way, or over and still remembered.
pub(crate) struct Live {
    job: Mutex<Job>,
    cancel: AtomicBool,
}

/// The jobs that this process knows.
#[derive(Default)]
pub(crate) struct Jobs {
    known: Mutex<HashMap<(WorkspaceId, TraceId), Arc<Live>>>,
    providers: std::sync::OnceLock<Arc<dyn Providers>>,
}

impl Jobs {
    fn find(&self, workspace: WorkspaceId, id: &TraceId) -> Option<Arc<Live>> {
        self.known.lock().get(&(workspace, id.clone())).cloned()
    }

    /// Notes a job that begins.
    fn begin(&self, workspace: WorkspaceId, job: Job) -> Result<Arc<Live>, Error> {
        let mut known = self.known.lock();
        let is_running = |live: &Live| live.job.lock().state == JobState::Running;
        let key = (workspace, job.job_id.clone());
        if known.get(&key).is_some_and(|live| is_running(live)) {
            return Err(Error::Conflict("This ablation is under way already.".to_owned()));
        }
        if known.values().filter(|live| is_running(live)).count() >= RUNNING_MAX {
            return Err(Error::Busy { retry_after_ms: 10_000 });
        }
        while known.len() >= REMEMBERED {
            let over = known.iter().filter(|(_, live)| !is_running(live));
            let Some(oldest) = over.min_by_key(|(_, live)| live.job.lock().ended) else { break };
            let oldest = oldest.0.clone();
            known.remove(&oldest);
        }
        let live = Arc::new(Live { job: Mutex::new(job), cancel: AtomicBool::new(false) });
        known.insert(key, Arc::clone(&live));
        Ok(live)
    }

    /// Those of one trace, or all of a workspace.
    fn of(&self, workspace: WorkspaceId, trace: &TraceId) -> Vec<Job> {
        let known = self.known.lock();
        let here = known.iter().filter(|((place, _), _)| *place == workspace);
        here.map(|(_, live)| live.job.lock().clone()).filter(|j| j.trace_id == *trace).collect()
    }
}

impl Recorder {
    /// Names where providers come from; before that no job can begin. Once per recorder.
    pub fn set_providers(&self, providers: Arc<dyn Providers>) {
        let _ = self.jobs.providers.set(providers);
    }

    /// What a replay would take, all repeats together, and whether its inputs were redacted.
    ///
    /// # Errors
    /// What [`start_replay`](Self::start_replay) refuses before its first call.
    pub async fn estimate_replay(
        &self,
        caller: &Caller,
        wanted: &NewReplay,
    ) -> Result<(replay::Estimate, bool), JobError> {
        let steps = self.steps_to_run(caller.workspace, &wanted.trace).await?;
        let estimate = self.replay_estimate(&steps, wanted)?;
        self.models_for(caller, &steps, wanted.options.model.as_deref()).await?;
        Ok((estimate, steps.iter().any(|step| step.redacted)))
    }

    /// What an ablation would take.
    ///
    /// # Errors
    /// What [`start_ablation`](Self::start_ablation) refuses before its first call.
    pub async fn estimate_ablation(
        &self,
        caller: &Caller,
        wanted: &NewAblation,
    ) -> Result<ablate::Estimate, JobError> {
        let steps = self.steps_to_run(caller.workspace, &wanted.trace).await?;
        let estimate = ablate::estimate(&steps, &wanted.options, self)?;
        self.models_for(caller, &steps, None).await?;
        Ok(estimate)
    }

    /// Begins to run a trace again.
    ///
    /// # Errors
    /// When the trace is unknown, erased, still running or not to be run again, when no provider is
    /// set up for it, when the cap does not cover what it is expected to cost, or when too many jobs
    /// are under way.
    pub async fn start_replay(
        self: &Arc<Self>,
        caller: &Caller,
        mut wanted: NewReplay,
        cap: Cap,
    ) -> Result<Job, JobError> {
        let steps = self.steps_to_run(caller.workspace, &wanted.trace).await?;
        let estimate = self.replay_estimate(&steps, &wanted)?;
        covered(cap, estimate.cost_nano_usd)?;
        let models = self.models_for(caller, &steps, wanted.options.model.as_deref()).await?;
        wanted.options.budget = cap.budget();
        let job = self.new_job(JobKind::Replay, &wanted.trace, None, estimate.calls);
        let live = self.jobs.begin(caller.workspace, job)?;
        let job = live.job.lock().clone();
        tokio::spawn(run::replay(Arc::clone(self), caller.workspace, live, steps, wanted, models));
        Ok(job)
    }

    /// Begins to look for what an answer depends on.
    ///
    /// # Errors
    /// As [`start_replay`](Self::start_replay), and when the trace's inputs were redacted.
    pub async fn start_ablation(
        self: &Arc<Self>,
        caller: &Caller,
        mut wanted: NewAblation,
        cap: Cap,
    ) -> Result<Job, JobError> {
        let steps = self.steps_to_run(caller.workspace, &wanted.trace).await?;
        let mut resumed = Vec::new();
        if let Some(broken) = &wanted.resume {
            resumed = self.steps(caller.workspace, broken).await?;
            recorded::resumed(&resumed, &wanted.trace, &mut wanted.options)?;
        }
        let estimate = ablate::estimate(&steps, &wanted.options, &**self)?;
        // What is measured already is not paid for again; the cap still stops every call.
        if wanted.resume.is_none() {
            covered(cap, estimate.cost_nano_usd)?;
        }
        let models = self.models_for(caller, &steps, None).await?;
        wanted.options.budget = cap.budget();
        let known = wanted.resume.clone();
        let mut job = self.new_job(JobKind::Ablation, &wanted.trace, known, estimate.calls);
        job.target = wanted.options.target.as_ref().map(ToString::to_string);
        wanted.options.trace = Some(job.job_id.clone());
        let live = self.jobs.begin(caller.workspace, job)?;
        let job = live.job.lock().clone();
        tokio::spawn(run::ablation(
            Arc::clone(self),
            caller.workspace,
            live,
            steps,
            wanted.options,
            resumed,
            models,
        ));
        Ok(job)
    }

    /// A job, under way or over.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of that name.
    pub async fn job(&self, workspace: WorkspaceId, id: &TraceId) -> Result<Job, Error> {
        if let Some(live) = self.jobs.find(workspace, id) {
            return Ok(live.job.lock().clone());
        }
        self.recorded_job(workspace, id).await?.ok_or(Error::NotFound)
    }

    /// The jobs of a trace, newest first, those over without their results.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn jobs_of(&self, workspace: WorkspaceId, id: &TraceId) -> Result<Vec<Job>, Error> {
        let mut jobs = self.jobs.of(workspace, id);
        jobs.iter_mut().for_each(|job| job.result = None);
        for old in self.recorded_jobs(workspace, id).await? {
            if !jobs.iter().any(|job| job.job_id == old.job_id) {
                jobs.push(old);
            }
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(job.started));
        Ok(jobs)
    }

    /// Stops a job: calls at hand end, no other begins, and what was made stays recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, [`Error::Conflict`] when it is over.
    pub async fn cancel_job(&self, workspace: WorkspaceId, id: &TraceId) -> Result<Job, Error> {
        let Some(live) = self.jobs.find(workspace, id) else {
            self.job(workspace, id).await?;
            return Err(Error::Conflict("This job is over.".to_owned()));
        };
        let job = live.job.lock().clone();
        if job.state != JobState::Running {
            return Err(Error::Conflict("This job is over.".to_owned()));
        }
        live.cancel.store(true, Ordering::Relaxed);
        Ok(job)
    }

    fn new_job(&self, kind: JobKind, trace: &TraceId, known: Option<TraceId>, calls: u64) -> Job {
        let now = self.now();
        let job_id = known.unwrap_or_else(|| TraceId::mint(now.0, self.entropy()));
        let all = usize::try_from(calls).unwrap_or(usize::MAX);
        Job {
            traces: vec![job_id.clone()],
            job_id,
            kind,
            trace_id: trace.clone(),
            target: None,
            state: JobState::Running,
            progress: Progress { done: 0, all, spent_nano_usd: Some(0) },
            started: now,
            ended: None,
            error: None,
            result: None,
        }
    }

    fn replay_estimate(
        &self,
        steps: &[replay::Step],
        wanted: &NewReplay,
    ) -> Result<replay::Estimate, JobError> {
        if !(1..=REPEATS_MAX).contains(&wanted.repeats) {
            let message = format!("repeats must be 1 to {REPEATS_MAX}");
            return Err(Error::Invalid { field: "repeats", message }.into());
        }
        let one = replay::estimate(steps, &wanted.options, self)?;
        let times = u64::from(wanted.repeats);
        let cost = one.cost_nano_usd.map(|cost| cost.saturating_mul(i64::from(wanted.repeats)));
        Ok(replay::Estimate {
            calls: one.calls.saturating_mul(times),
            tokens_in: one.tokens_in.saturating_mul(times),
            tokens_out: one.tokens_out.saturating_mul(times),
            cost_nano_usd: cost,
            budget_nano_usd: one.budget_nano_usd.zip(one.cost_nano_usd).map(|(budget, cost)| {
                budget.saturating_add(cost.saturating_mul(i64::from(wanted.repeats) - 1))
            }),
            duration_ms: one.duration_ms.saturating_mul(times),
        })
    }

    /// The steps of a trace, or why there are none.
    async fn steps_to_run(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<replay::Step>, JobError> {
        match self.steps(workspace, trace).await {
            Err(Error::NotFound) if self.is_erased(workspace, trace).await? => {
                Err(JobError::Erased)
            }
            steps => Ok(steps?),
        }
    }

    pub(crate) async fn is_erased(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<bool, Error> {
        if !self.vault.has_tombstones() {
            return Ok(false);
        }
        let digest = self.vault.tombstone(workspace, trace);
        Ok(self.store.tombstones(workspace, &[digest]).await?.contains(&true))
    }

    /// The workspace's providers, once the one of every model that is asked is known to be there.
    async fn models_for(
        &self,
        caller: &Caller,
        steps: &[replay::Step],
        instead: Option<&str>,
    ) -> Result<Arc<dyn Models>, JobError> {
        let models = self.models(caller.workspace, &caller.workspace_public).await?;
        let mut asked: Vec<(Option<&str>, &str)> = match instead {
            Some(model) => vec![(None, model)],
            None => steps
                .iter()
                .filter(|step| step.is_call())
                .filter_map(|step| Some((step.provider.as_deref(), step.model_asked()?)))
                .collect(),
        };
        asked.sort_unstable();
        asked.dedup();
        for (provider, model) in asked {
            models.provider(provider, model).map_err(ReplayError::from)?;
        }
        Ok(models)
    }
}

fn covered(cap: Cap, expected: Option<i64>) -> Result<(), JobError> {
    match cap {
        Cap::At(budget) if expected.is_none_or(|cost| cost > budget.0) => {
            Err(JobError::Budget { expected, budget })
        }
        _ => Ok(()),
    }
}

/// The span in question, where one is named.
pub(super) fn target(root: &replay::Step) -> Option<SpanId> {
    SpanId::new(root.metadata.get("ablation_target")?).ok()
}
