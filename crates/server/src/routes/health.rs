//! Whether the installation works. Needs no key.

use axum::{Json, extract::State};
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
