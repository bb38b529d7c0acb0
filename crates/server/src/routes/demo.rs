//! The demo: in without an account, read-only, over traces that went through the whole recorder.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use exhibit_capture::{Context, native};
use exhibit_model::{Nanos, TraceId, Workspace};
use exhibit_recorder::{Error, Recorder};
use exhibit_store::Order;
use tokio::sync::Mutex;

use super::account::{Account, Visitor, set};
use crate::{
    app::Shared,
    auth::cookie,
    demo,
    problem::{Problem, ProblemBody},
};

/// Scenes older than this get fresh ones beside them, so that the last day is never empty.
const FRESH_NS: i64 = 12 * 3_600 * 1_000_000_000;
const HOUR_NS: i64 = 3_600 * 1_000_000_000;

/// One visitor at a time makes what is missing.
static MAKING: Mutex<()> = Mutex::const_new(());

/// Look at the demo without an account: sets the cookie of a session that may read the workspace
/// `demo` and nothing else. The first visit fills it; installations without registration have none.
#[utoipa::path(post, path = "/api/v1/auth/demo", tag = "accounts", security(()),
    responses((status = 200, body = Account), (status = 403, body = ProblemBody)))]
pub(crate) async fn enter(
    State(app): State<Shared>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    if !app.config.registration_open {
        return Err(Problem::forbidden(
            "no-demo",
            "This installation takes no visitors; ask its administrator for an account.",
        ));
    }
    app.rates.check_visit(visitor.address())?;
    {
        let _one = MAKING.lock().await;
        let workspace = app.recorder.demo_workspace().await?;
        fill(&app, workspace).await?;
    }
    let (token, login) = app.recorder.demo_session().await?;
    let mut response = (StatusCode::OK, Json(Account::of(&login))).into_response();
    set(&mut response, cookie::open(&token.0, visitor.secure(&app)));
    Ok(response)
}

/// Sends what is missing. The large trace follows in its own time.
async fn fill(app: &Shared, workspace: Workspace) -> Result<(), Problem> {
    let recorder = &app.recorder;
    let now = recorder.now();
    let newest = recorder.traces(workspace.id, "tag = demo", Order::Newest, None, 1).await?;
    let fresh = newest.rows.first().is_some_and(|row| row.first_received.0 > now.0 - FRESH_NS);
    if !fresh {
        let batch = (now.0 / HOUR_NS).to_string();
        let requests = demo::scenes(now, &batch).map_err(|error| Problem::internal(&error))?;
        for request in requests {
            send(recorder, &workspace, &request.to_string()).await?;
        }
    }
    let large = TraceId::new(demo::LARGE).map_err(|error| Problem::internal(&error))?;
    let row = recorder.trace(workspace.id, &large).await?;
    if row.is_none() {
        let recorder = std::sync::Arc::clone(recorder);
        tokio::spawn(async move {
            for request in demo::simulation(Nanos(now.0)) {
                if let Err(error) = send(&recorder, &workspace, &request.to_string()).await {
                    tracing::warn!(%error, "the demo's large trace is not complete");
                    return;
                }
            }
        });
    }
    Ok(())
}

/// Through the door of the native API.
async fn send(
    recorder: &std::sync::Arc<Recorder>,
    workspace: &Workspace,
    body: &str,
) -> Result<(), Error> {
    let limits = recorder.limits();
    let context = Context { received: recorder.now(), limits, labels: &[] };
    let decoded = native::span_batch(body.as_bytes(), &context)
        .map_err(|error| Error::Internal(error.to_string()))?;
    recorder.accept(workspace.id, decoded).await?;
    Ok(())
}
