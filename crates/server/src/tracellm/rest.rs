//! TraceLLM's REST API and WebSocket, in its own shapes.
//!
//! It knows no authentication: it answers loopback alone, about one workspace. Keys are neither listed
//! nor made here.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json as Body, Router,
    extract::{Path, Query, Request, State, WebSocketUpgrade, ws::Message, ws::WebSocket},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use exhibit_model::{Json, JsonMap, Nanos, WorkspaceId};
use exhibit_recorder::LiveItem;
use serde_json::json;

use super::documents::{self, LOOKED_AT_MAX};
use crate::{app::Shared, auth::Peer, problem::Problem, routes::shape};

type Params = Query<Vec<(String, String)>>;

/// All routes.
pub(crate) fn router(app: &Shared) -> Router {
    Router::new()
        .route("/", get(|| async { Body(json!({ "message": "TraceLLM backend running" })) }))
        .route("/traces", get(list))
        .route("/traces/{id}", get(one))
        .route("/analytics", get(analytics))
        .route("/failures", get(failures))
        .route("/projects", get(projects).post(no_keys))
        .route("/api-keys", get(no_keys))
        .route("/ws", get(socket))
        .layer(middleware::map_response(|response: Response| async move {
            shape::write(response, |problem| json!({ "detail": problem.detail }))
        }))
        .layer(middleware::from_fn(loopback_only))
        .with_state(Arc::clone(app))
}

/// The protocol knows no authentication, so nobody else is answered, and no web page either.
async fn loopback_only(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let near = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let foreign = request.headers().get("origin").is_some_and(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        !["http://localhost", "http://127.0.0.1"].iter().any(|near| {
            origin.strip_prefix(near).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        })
    });
    if near && !foreign {
        return next.run(request).await;
    }
    Problem::forbidden("loopback-only", "This listener answers programs on its own machine only.")
        .into_response()
}

async fn workspace(app: &Shared) -> Result<WorkspaceId, Problem> {
    let named = app.config.tracellm_workspace.as_deref();
    let found = app.recorder.workspace(named.unwrap_or("default")).await?;
    found.map(|workspace| workspace.id).ok_or_else(|| Problem::not_found("workspace"))
}

fn text<'a>(document: &'a JsonMap, name: &str) -> &'a str {
    document.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn number(document: &JsonMap, name: &str) -> f64 {
    document.get(name).and_then(Json::as_f64).unwrap_or(0.0)
}

fn truth(document: &JsonMap, name: &str) -> bool {
    document.get(name).and_then(Json::as_bool).unwrap_or(false)
}

/// A filter as its query parameters write it.
struct Filter(Vec<(String, String)>);

impl Filter {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, v)| v.as_str())
    }

    fn number(&self, name: &str) -> Result<Option<f64>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number: Option<f64> = value.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0);
        let wrong =
            || Problem::unprocessable("parameters", format!("{name} must be a number, 0 or more."));
        number.map(Some).ok_or_else(wrong)
    }

    fn limit(&self, default: usize) -> Result<usize, Problem> {
        Ok(self.number("limit")?.map_or(default, |n| n as usize).clamp(1, 200))
    }

    async fn documents(&self, app: &Shared) -> Result<Vec<JsonMap>, Problem> {
        let mut all =
            documents::recent(&app.recorder, workspace(app).await?, LOOKED_AT_MAX).await?;
        for (field, parameter) in [
            ("status", "status"),
            ("model_name", "model"),
            ("project_id", "project_id"),
            ("environment", "environment"),
        ] {
            if let Some(wanted) = self.get(parameter) {
                all.retain(|d| text(d, field) == wanted);
            }
        }
        for (field, low, high) in
            [("latency", "latency_min", "latency_max"), ("token_count", "token_min", "token_max")]
        {
            if let Some(low) = self.number(low)? {
                all.retain(|d| number(d, field) >= low);
            }
            if let Some(high) = self.number(high)? {
                all.retain(|d| number(d, field) <= high);
            }
        }
        Ok(all)
    }
}

async fn list(State(app): State<Shared>, Query(pairs): Params) -> Result<Response, Problem> {
    let filter = Filter(pairs);
    let limit = filter.limit(50)?;
    let mut items = filter.documents(&app).await?;
    let total = items.len();
    items.truncate(limit);
    Ok(Body(json!({ "total": total, "items": items })).into_response())
}

async fn one(State(app): State<Shared>, Path(id): Path<String>) -> Result<Response, Problem> {
    let found = documents::one(&app.recorder, workspace(&app).await?, &id).await?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, "not-found", "Trace not found");
    Ok(Body(found.ok_or_else(missing)?).into_response())
}

async fn analytics(State(app): State<Shared>, Query(pairs): Params) -> Result<Response, Problem> {
    let documents = Filter(pairs).documents(&app).await?;
    Ok(Body(summary(&documents, app.recorder.now())).into_response())
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn summary(documents: &[JsonMap], now: Nanos) -> Json {
    let count = documents.len();
    let with = |status: &str| documents.iter().filter(|d| text(d, "status") == status).count();
    let mut latencies: Vec<f64> = documents.iter().map(|d| number(d, "latency")).collect();
    latencies.sort_by(f64::total_cmp);
    let mean = |values: &[f64]| match values.len() {
        0 => 0.0,
        n => rounded(values.iter().sum::<f64>() / n as f64),
    };
    let rank = ((count as f64 * 0.95).ceil() as usize).saturating_sub(1);
    let p95 = rounded(latencies.get(rank).copied().unwrap_or(0.0));
    let day = Nanos(now.0.saturating_sub(86_400_000_000_000)).to_rfc3339();
    let mut hours: BTreeMap<String, Vec<&JsonMap>> = BTreeMap::new();
    for document in documents.iter().filter(|d| text(d, "created_at") >= day.as_str()) {
        let hour = text(document, "created_at").get(11..13).unwrap_or("00").to_owned();
        hours.entry(format!("{hour}:00")).or_default().push(document);
    }
    let charts: Vec<Json> = hours
        .iter()
        .map(|(label, of)| {
            let latencies: Vec<f64> = of.iter().map(|d| number(d, "latency")).collect();
            let tokens: f64 = of.iter().map(|d| number(d, "token_count")).sum();
            json!({ "label": label, "latency": mean(&latencies), "tokens": tokens as u64, "traces": of.len() })
        })
        .collect();
    let breakdown = |field: &str| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for document in documents {
            *counts.entry(text(document, field)).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        counts.iter().map(|(key, n)| json!({ "key": key, "count": n })).collect::<Vec<_>>()
    };
    let odd = |d: &&JsonMap| {
        matches!(text(d, "status"), "failed" | "warning")
            || truth(d, "slow_request")
            || number(d, "retry_count") > 0.0
    };
    let success = if count == 0 { 0.0 } else { with("success") as f64 / count as f64 * 100.0 };
    let tokens: f64 = documents.iter().map(|d| number(d, "token_count")).sum();
    let retries: f64 = documents.iter().map(|d| number(d, "retry_count")).sum();
    json!({
        "summary": {
            "total_traces": count,
            "success_rate": rounded(success),
            "average_latency": mean(&latencies),
            "p95_latency": p95,
            "total_token_usage": tokens as u64,
            "failed_traces": with("failed"),
            "warning_traces": with("warning"),
            "retries": retries as u64,
            "slow_requests": documents.iter().filter(|d| truth(d, "slow_request")).count(),
        },
        "charts": charts,
        "status_breakdown": breakdown("status"),
        "model_breakdown": breakdown("model_name"),
        "project_breakdown": breakdown("project_id"),
        "recent_failures": documents.iter().filter(odd).take(5).collect::<Vec<_>>(),
    })
}

async fn failures(State(app): State<Shared>, Query(pairs): Params) -> Result<Response, Problem> {
    let filter = Filter(pairs);
    let limit = filter.limit(25)?;
    let all = filter.documents(&app).await?;
    let pick = |wanted: &dyn Fn(&JsonMap) -> bool| {
        let found: Vec<&JsonMap> = all.iter().filter(|d| wanted(d)).collect();
        (found.len(), json!(found.iter().take(limit).collect::<Vec<_>>()))
    };
    let failed = pick(&|d| text(d, "status") == "failed");
    let retried = pick(&|d| number(d, "retry_count") > 0.0);
    let slow = pick(&|d| truth(d, "slow_request"));
    Ok(Body(json!({
        "failed_traces": failed.1, "retries": retried.1, "slow_requests": slow.1,
        "totals": { "failed_traces": failed.0, "retries": retried.0, "slow_requests": slow.0 },
    }))
    .into_response())
}

/// The projects that traces name.
async fn projects(State(app): State<Shared>) -> Result<Response, Problem> {
    let all = Filter(Vec::new()).documents(&app).await?;
    let mut found: BTreeMap<String, Json> = BTreeMap::new();
    for document in all.iter().rev() {
        let id = text(document, "project_id");
        found.entry(id.to_owned()).or_insert_with(|| {
            let name = document.get("project_name").and_then(Json::as_str).unwrap_or(id);
            json!({ "project_id": id, "name": name, "description": "",
                "created_at": document.get("created_at") })
        });
    }
    Ok(Body(found.into_values().collect::<Vec<_>>()).into_response())
}

async fn no_keys() -> Problem {
    let detail = "Keys are neither listed nor made here, since nobody has to prove who they are; make \
                  one with `exhibit keys create` or in the dashboard.";
    Problem::forbidden("authentication-needed", detail)
}

async fn socket(State(app): State<Shared>, upgrade: WebSocketUpgrade) -> Result<Response, Problem> {
    let workspace = workspace(&app).await?;
    let permit = Arc::clone(&app.watchers).try_acquire_owned().map_err(|_| Problem::busy(5_000))?;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        watch(&app, socket, workspace).await;
        drop(permit);
    }))
}

/// Longest message a watcher may send: pings are all they say.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

async fn watch(app: &Shared, mut socket: WebSocket, workspace: WorkspaceId) {
    let hello = json!({ "type": "system.connected", "status": "connected",
        "message": "TraceLLM websocket active" });
    let Ok(mut events) = app.recorder.live(workspace, None).await else { return };
    if say(&mut socket, &hello).await.is_err() {
        return;
    }
    let stop = crate::app::stopped(app.stop.clone());
    tokio::pin!(stop);
    loop {
        let told = tokio::select! {
            () = &mut stop => return,
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => {
                    let said: Json = serde_json::from_str(&text).unwrap_or_default();
                    let ping = said.get("type").and_then(Json::as_str) == Some("ping");
                    ping.then(|| json!({ "type": "system.pong", "timestamp": said.get("ts") }))
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => None,
            },
            item = events.next() => match item {
                LiveItem::Event(event) => {
                    let id = event.trace.trace_id.as_str();
                    let ended = event.trace.running_count == 0;
                    let found = documents::one(&app.recorder, workspace, id).await.ok().flatten();
                    found.filter(|_| ended).map(|trace| json!({ "type": "trace.created", "trace": trace }))
                }
                LiveItem::Lagged { .. } => None,
                LiveItem::Closed => return,
            },
        };
        if let Some(told) = told
            && say(&mut socket, &told).await.is_err()
        {
            return;
        }
    }
}

async fn say(socket: &mut WebSocket, message: &Json) -> Result<(), ()> {
    let patience = std::time::Duration::from_secs(30);
    let sent = socket.send(Message::Text(message.to_string().into()));
    match tokio::time::timeout(patience, sent).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}
