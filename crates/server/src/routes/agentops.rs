//! What AgentOps' SDK asks before it exports: a token for its key.
//!
//! Nothing is minted here. The token is the key that was shown, once it has been found to be one that may
//! write; the SDK then sends its spans with it, like any other exporter of OTLP.

use axum::{Json, Router, extract::State, routing::post};
use exhibit_model::Json as Value;
use serde::Deserialize;
use serde_json::json;

use super::shape::shaped;
use crate::{
    app::Shared,
    auth::{self, Ingest},
    extract::Small,
    problem::Problem,
};

/// The routes, with errors as that API writes them.
pub(crate) fn router() -> Router<Shared> {
    let router = Router::new().route("/v3/auth/token", post(token));
    shaped!(router, shape)
}

fn shape(problem: &Problem) -> Value {
    json!({ "error": problem.detail, "code": problem.code })
}

#[derive(Deserialize)]
struct Shown {
    api_key: String,
}

async fn token(
    State(app): State<Shared>,
    Small(shown): Small<Shown>,
) -> Result<Json<Value>, Problem> {
    let caller = auth::by_key(&app, &shown.api_key).await?;
    auth::require::<Ingest>(&caller)?;
    app.rates.check(&caller)?;
    Ok(Json(json!({
        "token": shown.api_key,
        "project_id": caller.workspace_public,
        // Any other plan, and the SDK tells its user of a limit that is not there.
        "project_prem_status": "pro",
    })))
}
