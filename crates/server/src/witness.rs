//! The door of a witness (C2SP tlog-witness): `POST /add-checkpoint`, and its key for people who
//! configure logs. It shares nothing with the recorder's doors.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use exhibit_model::Clock;
use exhibit_recorder::witness::Witness;
use tokio::{net::TcpListener, sync::watch};
use tower_http::timeout::TimeoutLayer;

/// Longest request; the ledger's bound is the same.
const BODY_BYTES_MAX: usize = 256 << 10;
/// A request that takes longer than this is cut.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(15);
/// Requests at once; more wait.
const AT_ONCE: usize = 64;

#[derive(Clone)]
struct Door {
    witness: Arc<Witness>,
    clock: Arc<dyn Clock>,
    turns: Arc<tokio::sync::Semaphore>,
}

/// Answers for a witness on a listener until `stop` becomes true.
///
/// # Errors
/// The listener fails.
pub async fn serve_witness(
    listener: TcpListener,
    witness: Arc<Witness>,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/key", get(key))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, WITHIN))
        .with_state(Door { witness, clock, turns });
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            let _ = stop.wait_for(|stop| *stop).await;
        })
        .await
}

async fn add_checkpoint(State(door): State<Door>, body: Bytes) -> Response {
    let busy = || StatusCode::SERVICE_UNAVAILABLE.into_response();
    let Ok(_turn) = door.turns.acquire().await else { return busy() };
    let now = door.clock.now();
    let witness = Arc::clone(&door.witness);
    let answer = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, now)).await;
    let Ok(answer) = answer else { return busy() };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, answer.content_type)], answer.body).into_response()
}

/// The verifier key, as policies name it.
async fn key(State(door): State<Door>) -> String {
    format!("{}\n", door.witness.key())
}
