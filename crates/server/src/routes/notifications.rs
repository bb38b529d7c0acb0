//! Channels, and what became of what was told to them.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use exhibit_model::{Json, Nanos};
use exhibit_store::Delivery;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::Shared,
    auth::{Admin, Caller},
    extract::Params,
    problem::{Problem, ProblemBody},
    view::{Data, Listing},
};

/// Rows of a page unless asked otherwise.
const PAGE: usize = 50;

/// The channels in force, without what is secret about them.
#[utoipa::path(get, path = "/api/v1/notifications/channels", tag = "governance",
    responses((status = 200, body = Data<Vec<Object>>), (status = 403, body = ProblemBody)))]
pub(crate) async fn channels(State(app): State<Shared>, _caller: Caller<Admin>) -> Data<Vec<Json>> {
    Data { data: app.recorder.channels() }
}

/// Send a test message to a channel; what becomes of it stands in the delivery log.
#[utoipa::path(post, path = "/api/v1/notifications/channels/{name}/test", tag = "governance",
    params(("name" = String, Path, description = "The channel's name")),
    responses((status = 202), (status = 404, body = ProblemBody)))]
pub(crate) async fn test(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    app.recorder.test_channel(caller.workspace, &name).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Try a delivery again now.
#[utoipa::path(post, path = "/api/v1/notifications/deliveries/{id}/retry", tag = "governance",
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 202), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(crate) async fn retry(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.recorder.retry_delivery(caller.workspace, &id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// One message to one channel.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// Its id, the same on every attempt.
    id: String,
    /// The channel.
    channel: String,
    /// What it is about.
    event: String,
    /// What was or will be sent.
    #[schema(value_type = Object)]
    body: Json,
    /// When it came up, RFC 3339.
    created_at: String,
    /// Attempts so far.
    attempts: u32,
    /// When it is tried next; null when it is done or given up.
    next_at: Option<String>,
    /// When it was taken.
    delivered_at: Option<String>,
    /// What came of the last attempt.
    last: Option<String>,
}

impl DeliveryView {
    fn of(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.clone(),
            channel: delivery.channel.clone(),
            event: delivery.event.clone(),
            body: serde_json::from_str(&delivery.body).unwrap_or_default(),
            created_at: delivery.created.to_rfc3339(),
            attempts: delivery.attempts,
            next_at: delivery.next.map(Nanos::to_rfc3339),
            delivered_at: delivery.delivered.map(Nanos::to_rfc3339),
            last: delivery.last.clone(),
        }
    }
}

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Window {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most rows of a page.
    limit: Option<usize>,
    #[serde(rename = "workspace")]
    #[param(ignore)]
    _workspace: Option<String>,
}

/// What was told to channels, newest first, and what came of it.
#[utoipa::path(get, path = "/api/v1/notifications/deliveries", tag = "governance", params(Window),
    responses((status = 200, body = Listing<DeliveryView>), (status = 403, body = ProblemBody)))]
pub(crate) async fn deliveries(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Params(window): Params<Window>,
) -> Result<Listing<DeliveryView>, Problem> {
    let limit = window.limit.unwrap_or(PAGE);
    let page = app.recorder.deliveries(caller.workspace, window.cursor, limit).await?;
    Ok(Listing::of(page, DeliveryView::of))
}
