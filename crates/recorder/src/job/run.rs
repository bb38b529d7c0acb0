//! The tasks in which jobs run.

use std::sync::{Arc, atomic::Ordering};

use exhibit_model::{NanoUsd, TraceId, WorkspaceId};
use serde_json::json;

use super::{Job, JobState, Live, NewReplay};
use crate::{
    Recorder,
    ablate::{self, Distances, effect},
    replay::{self, Around, Models, Progress, Replayed, Step},
};

/// Runs a trace again, as often as wanted.
pub(super) async fn replay(
    recorder: Arc<Recorder>,
    workspace: WorkspaceId,
    live: Arc<Live>,
    steps: Vec<Step>,
    mut wanted: NewReplay,
    models: Arc<dyn Models>,
) {
    let desk = recorder.desk(workspace);
    let first = live.job.lock().job_id.clone();
    wanted.options.job = Some(first.clone());
    let mut replays: Vec<Replayed> = Vec::new();
    let mut error = None;
    for repeat in 0..wanted.repeats {
        let trace = if repeat == 0 {
            first.clone()
        } else {
            TraceId::mint(recorder.now().0, recorder.entropy())
        };
        wanted.options.repeat = repeat;
        wanted.options.trace = Some(trace.clone());
        if repeat > 0 {
            live.job.lock().traces.push(trace);
        }
        let before = live.job.lock().progress;
        let progress = |now: Progress| {
            let mut job = live.job.lock();
            job.progress.done = before.done.saturating_add(now.done);
            let sum = before.spent_nano_usd.zip(now.spent_nano_usd);
            job.progress.spent_nano_usd = sum.map(|(a, b)| a.saturating_add(b));
        };
        let around = Around {
            models: &*models,
            pricer: &*recorder,
            desk: &*desk,
            clock: &*recorder.clock,
            entropy: &*recorder.entropy,
            cancel: &live.cancel,
            progress: &progress,
        };
        match replay::run(&steps, &wanted.options, around).await {
            Ok(told) => {
                // The cap holds over all repeats.
                let spent = told.spent_nano_usd.unwrap_or(i64::MAX);
                wanted.options.budget =
                    wanted.options.budget.map(|budget| NanoUsd(budget.0.saturating_sub(spent)));
                error.clone_from(&told.failure);
                replays.push(told);
            }
            Err(refused) => error = Some((refused.code().to_owned(), refused.to_string())),
        }
        if error.is_some() {
            break;
        }
    }
    let result = (!replays.is_empty()).then(|| report(&replays));
    end(&recorder, &live, error, result);
}

/// What came of the repeats of a replay.
pub(super) fn report(replays: &[Replayed]) -> exhibit_model::Json {
    let answers: Vec<String> = replays.iter().map(|told| told.answer.clone()).collect();
    let mut distinct = answers.clone();
    distinct.sort_unstable();
    distinct.dedup();
    json!({
        "replays": replays,
        "determinism": 1.0 - effect::noise(&Distances::default(), &answers),
        "distinct_answers": distinct.len(),
    })
}

/// Looks for what an answer depends on.
pub(super) async fn ablation(
    recorder: Arc<Recorder>,
    workspace: WorkspaceId,
    live: Arc<Live>,
    steps: Vec<Step>,
    options: ablate::Options,
    resumed: Vec<Step>,
    models: Arc<dyn Models>,
) {
    let desk = recorder.desk(workspace);
    let progress = |now: Progress| live.job.lock().progress = now;
    let around = Around {
        models: &*models,
        pricer: &*recorder,
        desk: &*desk,
        clock: &*recorder.clock,
        entropy: &*recorder.entropy,
        cancel: &live.cancel,
        progress: &progress,
    };
    match ablate::run(&steps, &options, around, &resumed).await {
        Ok(found) => end(&recorder, &live, None, serde_json::to_value(found).ok()),
        Err(error) => {
            let said = (error.code().to_owned(), error.to_string());
            end(&recorder, &live, Some(said), None);
        }
    }
}

fn end(
    recorder: &Recorder,
    live: &Live,
    error: Option<(String, String)>,
    result: Option<exhibit_model::Json>,
) {
    let cancelled = live.cancel.load(Ordering::Relaxed);
    let mut job: parking_lot::MutexGuard<'_, Job> = live.job.lock();
    job.state = match &error {
        None => JobState::Done,
        Some(_) if cancelled => JobState::Cancelled,
        Some(_) => JobState::Failed,
    };
    job.error = error;
    job.result = result;
    job.ended = Some(recorder.now());
}
