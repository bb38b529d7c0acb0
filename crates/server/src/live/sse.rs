//! Live events as server-sent events, for clients behind proxies that know no WebSocket.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use exhibit_recorder::LiveItem;
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::Teller;
use crate::{
    app::{Shared, stopped},
    auth::{Caller, Read},
    extract::Params,
    problem::{Problem, ProblemBody},
};

/// Where to go on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Resume {
    /// Events after this cursor; the header `Last-Event-ID` says the same.
    after: Option<u64>,
    /// Only this trace.
    trace_id: Option<String>,
    #[serde(rename = "workspace")]
    #[param(ignore)]
    _workspace: Option<String>,
}

/// Live events as server-sent events: the messages of `/ws`, with the cursor as id.
#[utoipa::path(get, path = "/api/v1/live", tag = "live", params(Resume),
    responses((status = 200, body = String, content_type = "text/event-stream"),
        (status = 503, body = ProblemBody)))]
pub(crate) async fn live(
    State(app): State<Shared>,
    caller: Caller<Read>,
    headers: HeaderMap,
    Params(from): Params<Resume>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let permit = Arc::clone(&app.watchers).try_acquire_owned().map_err(|_| Problem::busy(5_000))?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()?.parse().ok());
    let events = app.recorder.live(caller.workspace, last.or(from.after)).await?;
    let teller = Teller { only: from.trace_id, ..Teller::default() };
    let stop = app.stop.clone();
    let state = (events, teller, stop, permit);
    let messages = stream::unfold(state, |(mut events, mut teller, stop, permit)| async move {
        let item = tokio::select! {
            item = events.next() => item,
            () = stopped(stop.clone()) => LiveItem::Closed,
        };
        let out: Vec<Result<Event, Infallible>> = match item {
            LiveItem::Event(event) => {
                let id = event.sequence.to_string();
                let written = |message: &exhibit_model::Json| {
                    let kind = message["type"].as_str().unwrap_or("message");
                    Event::default().id(&id).event(kind).data(message.to_string())
                };
                teller.tell(&event).iter().map(written).map(Ok).collect()
            }
            LiveItem::Lagged { missed } => {
                let message = json!({ "type": "system.lagged", "missed": missed });
                vec![Ok(Event::default().event("system.lagged").data(message.to_string()))]
            }
            LiveItem::Closed => return None,
        };
        Some((stream::iter(out), (events, teller, stop, permit)))
    });
    let hello = json!({ "type": "system.connected", "status": "connected" }).to_string();
    let hello =
        stream::once(async move { Ok(Event::default().event("system.connected").data(hello)) });
    Ok(Sse::new(hello.chain(messages.flatten())).keep_alive(KeepAlive::default()))
}
