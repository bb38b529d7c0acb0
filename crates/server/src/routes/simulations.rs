//! Simulations: a proposed rule file over what is recorded, in the background. A simulation lives as long as
//! the server, writes nothing, and ends when it is asked to.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use exhibit_model::{Nanos, RecordId, WorkspaceId};
use exhibit_recorder::{Simulated, SimulationProgress};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;
use utoipa::ToSchema;

use super::rule_files::operator;
use crate::{
    app::Shared,
    auth::{Admin, Caller},
    extract::Small,
    problem::{Problem, ProblemBody},
    view::Data,
};

/// Simulations that run at once.
const AT_ONCE: usize = 2;
/// Simulations that are kept, ended ones included.
const KEPT: usize = 20;

/// The simulations of this server.
#[derive(Default)]
pub(crate) struct Simulations(Mutex<VecDeque<Arc<Job>>>);

struct Job {
    id: String,
    workspace: WorkspaceId,
    name: String,
    progress: Progress,
    end: Mutex<End>,
    abort: Mutex<Option<AbortHandle>>,
}

enum End {
    Running,
    Done(Box<Simulated>),
    Failed(String),
    Cancelled,
}

#[derive(Default)]
struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

impl SimulationProgress for Progress {
    fn total(&self, traces: u64) {
        self.total.store(traces, Ordering::Relaxed);
    }

    fn traces(&self, n: u64) {
        self.done.fetch_add(n, Ordering::Relaxed);
    }
}

/// A simulation.
#[derive(Serialize, ToSchema)]
pub(crate) struct SimulationView {
    /// Its id.
    id: String,
    /// The file.
    name: String,
    /// `running`, `done`, `failed`, `cancelled`.
    state: &'static str,
    /// Traces looked at.
    traces: u64,
    /// Traces known so far; it grows while they are read.
    known: u64,
    /// What would change, once it is done.
    #[schema(value_type = Object)]
    result: Option<Simulated>,
    /// Why it failed.
    error: Option<String>,
}

impl SimulationView {
    fn of(job: &Job) -> Self {
        let (state, result, error) = match &*job.end.lock() {
            End::Running => ("running", None, None),
            End::Done(found) => ("done", Some((**found).clone()), None),
            End::Failed(error) => ("failed", None, Some(error.clone())),
            End::Cancelled => ("cancelled", None, None),
        };
        Self {
            id: job.id.clone(),
            name: job.name.clone(),
            state,
            traces: job.progress.done.load(Ordering::Relaxed),
            known: job.progress.total.load(Ordering::Relaxed),
            result,
            error,
        }
    }
}

impl Simulations {
    fn find(&self, workspace: WorkspaceId, id: &str) -> Result<Arc<Job>, Problem> {
        let jobs = self.0.lock();
        let mut mine = jobs.iter().filter(|job| job.workspace == workspace);
        mine.find(|job| job.id == id).cloned().ok_or_else(|| Problem::not_found("simulation"))
    }

    fn add(&self, job: &Arc<Job>) -> Result<(), Problem> {
        let mut jobs = self.0.lock();
        let running = jobs.iter().filter(|job| matches!(*job.end.lock(), End::Running)).count();
        if running >= AT_ONCE {
            let detail = "As many simulations run as may run at once. Cancel one, or wait.";
            return Err(Problem::too_many(detail, 10));
        }
        jobs.push_back(Arc::clone(job));
        if jobs.len() > KEPT {
            let ended = jobs.iter().position(|job| !matches!(*job.end.lock(), End::Running));
            ended.and_then(|at| jobs.remove(at));
        }
        Ok(())
    }
}

/// What to simulate.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimulationRequest {
    /// Name of the file, such as `policies/gdpr.yaml`.
    name: String,
    /// Its text.
    text: String,
    /// How far back: such as `-90d`, or RFC 3339. Thirty days unless given.
    #[serde(default)]
    from: Option<String>,
}

/// Simulate a rule file over what is recorded in the workspace.
#[utoipa::path(post, path = "/api/v1/govern/simulations", tag = "governance",
    request_body = SimulationRequest,
    responses((status = 202, body = Data<SimulationView>), (status = 422, body = ProblemBody),
        (status = 429, body = ProblemBody)))]
pub(crate) async fn start(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(request): Small<SimulationRequest>,
) -> Result<(StatusCode, Data<SimulationView>), Problem> {
    operator(&caller)?;
    let now = app.recorder.now();
    let text = request.from.as_deref().unwrap_or("-30d");
    let from = exhibit_recorder::duration(text)
        .map(|length| Nanos(now.0.saturating_sub(length.saturating_abs())))
        .or_else(|| Nanos::parse_rfc3339(text));
    let from = from.ok_or_else(|| {
        let detail = "from: must be a length of time such as -90d, or RFC 3339.";
        Problem::unprocessable("invalid", detail).with("field", "from")
    })?;
    let job = Arc::new(Job {
        id: format!("sim_{}", RecordId::mint(app.recorder.entropy())),
        workspace: caller.workspace,
        name: request.name.clone(),
        progress: Progress::default(),
        end: Mutex::new(End::Running),
        abort: Mutex::new(None),
    });
    app.simulations.add(&job)?;
    let (recorder, by, work) = (Arc::clone(&app.recorder), (*caller).clone(), Arc::clone(&job));
    let running = tokio::spawn(async move {
        let file = (request.name, request.text);
        let found = recorder.simulate_here(&by, file, from, &work.progress).await;
        let mut end = work.end.lock();
        if matches!(*end, End::Running) {
            *end = match found {
                Ok(found) => End::Done(Box::new(found)),
                Err(error) => End::Failed(Problem::from(error).detail),
            };
        }
    });
    *job.abort.lock() = Some(running.abort_handle());
    Ok((StatusCode::ACCEPTED, Data { data: SimulationView::of(&job) }))
}

/// How a simulation stands, and once it is done what it found.
#[utoipa::path(get, path = "/api/v1/govern/simulations/{id}", tag = "governance",
    params(("id" = String, Path, description = "The simulation's id")),
    responses((status = 200, body = Data<SimulationView>), (status = 404, body = ProblemBody)))]
pub(crate) async fn one(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
) -> Result<Data<SimulationView>, Problem> {
    let job = app.simulations.find(caller.workspace, &id)?;
    Ok(Data { data: SimulationView::of(&job) })
}

/// Cancel a simulation.
#[utoipa::path(delete, path = "/api/v1/govern/simulations/{id}", tag = "governance",
    params(("id" = String, Path, description = "The simulation's id")),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let job = app.simulations.find(caller.workspace, &id)?;
    let mut end = job.end.lock();
    if matches!(*end, End::Running) {
        *end = End::Cancelled;
    }
    drop(end);
    if let Some(running) = job.abort.lock().take() {
        running.abort();
    }
    Ok(StatusCode::NO_CONTENT)
}
