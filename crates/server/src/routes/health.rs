//! Whether the installation works. Needs no key.

mod metrics;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;

/// How the installation is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` or `degraded`.
    status: &'static str,
    /// Version of the program.
    version: &'static str,
    /// Whether the database answers.
    db_connected: bool,
    /// Rules and detectors in force.
    rules_loaded: usize,
    /// Seconds since the start.
    uptime_seconds: f64,
}

async fn ask(app: &Shared) -> Json<Health> {
    let health = app.recorder.health().await;
    Json(Health {
        status: if health.ok { "ok" } else { "degraded" },
        version: health.version,
        db_connected: health.db_connected,
        rules_loaded: health.rules_loaded,
        uptime_seconds: health.uptime_seconds,
    })
}

/// How the installation is.
#[utoipa::path(get, path = "/api/v1/health", tag = "health", security(()),
    responses((status = 200, body = Health)))]
pub(crate) async fn health(State(app): State<Shared>) -> Json<Health> {
    ask(&app).await
}

/// The same, where clients of other products look for it.
#[utoipa::path(get, path = "/health", tag = "health", security(()),
    responses((status = 200, body = Health)))]
pub(crate) async fn alive(State(app): State<Shared>) -> Json<Health> {
    ask(&app).await
}

/// Seconds after which to ask again while the database does not answer.
const RETRY_AFTER: &str = "2";

/// Whether requests can be answered: for balancers, which leave a node out meanwhile.
#[utoipa::path(get, path = "/api/v1/ready", tag = "health", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn ready(State(app): State<Shared>) -> Response {
    let health = ask(&app).await;
    if health.db_connected {
        health.into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER)], health)
            .into_response()
    }
}

/// The same for Prometheus, in its text format, with what this process has done since it started.
#[utoipa::path(get, path = "/metrics", tag = "health", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(app): State<Shared>) -> Response {
    let Json(health) = ask(&app).await;
    let text = metrics::text(&health, app.recorder.meters(), &app.recorder.gauges());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
