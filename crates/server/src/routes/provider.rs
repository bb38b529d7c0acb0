//! The provider that a workspace's replays and ablations call.

use axum::{extract::State, http::StatusCode};
use exhibit_recorder::{OwnProvider, ProviderShown};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Admin, Caller, Read},
    extract::Small,
    problem::{Problem, ProblemBody},
    view::Data,
};

/// Which provider is called. Its key is never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderView {
    /// `workspace`: set here; `environment`: the server's; `none`.
    source: &'static str,
    /// Its name.
    provider: Option<String>,
    /// The model that is called when nothing else is said.
    model: Option<String>,
    /// Why no provider can be used, and what to set; null when one can.
    missing: Option<String>,
}

impl From<ProviderShown> for ProviderView {
    fn from(shown: ProviderShown) -> Self {
        let ProviderShown { source, provider, model, missing } = shown;
        Self { source, provider, model, missing }
    }
}

/// A provider of the workspace's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderRequest {
    /// `openai`, `openai-responses`, `anthropic`, `gemini` or `openrouter`.
    provider: String,
    /// Its key. It is kept encrypted under the installation's keys and never given back.
    api_key: String,
    /// The model to call when nothing else is said.
    #[serde(default)]
    model: Option<String>,
}

/// Which provider replays and ablations call.
#[utoipa::path(get, path = "/api/v1/settings/provider", tag = "settings",
    responses((status = 200, body = Data<ProviderView>), (status = 403, body = ProblemBody)))]
pub(crate) async fn show(
    State(app): State<Shared>,
    caller: Caller<Read>,
) -> Result<Data<ProviderView>, Problem> {
    let shown = app.recorder.provider_shown(caller.workspace, &caller.workspace_public).await?;
    Ok(Data { data: shown.into() })
}

/// Set the provider of this workspace.
#[utoipa::path(put, path = "/api/v1/settings/provider", tag = "settings",
    request_body = ProviderRequest,
    responses((status = 204), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn set(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(wanted): Small<ProviderRequest>,
) -> Result<StatusCode, Problem> {
    let model = wanted.model.map(|m| m.trim().to_owned()).filter(|m| !m.is_empty());
    let own = OwnProvider::new(wanted.provider, wanted.api_key, model);
    app.recorder.set_own_provider(&caller, &own).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget the provider of this workspace and its key.
#[utoipa::path(delete, path = "/api/v1/settings/provider", tag = "settings",
    responses((status = 204), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(crate) async fn drop(
    State(app): State<Shared>,
    caller: Caller<Admin>,
) -> Result<StatusCode, Problem> {
    if app.recorder.drop_own_provider(&caller).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("provider"))
    }
}
