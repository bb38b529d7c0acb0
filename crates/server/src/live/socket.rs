//! Live events as a WebSocket, `/ws`.
//!
//! A watcher comes with a session cookie, with a key in a header, with the subprotocol
//! `exhibit.key.<key>` (browsers can set nothing else), or sends the key as its first message. It is
//! told events of one workspace; when it falls behind it is told so, and reads the lists again.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        FromRequestParts, Request, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use exhibit_model::{Json, WorkspaceId};
use exhibit_recorder::{Caller, LiveItem, LiveStream};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::Teller;
use crate::{
    app::{Shared, stopped},
    auth::{self, Ask, Peer, Read},
    problem::Problem,
};

/// What the OpenAPI document says about the protocol.
pub(crate) const PROTOCOL: &str = "Authenticate with the session cookie, a key in a header, the \
subprotocol `exhibit.key.<key>`, or a first message `{\"type\":\"auth\",\"key\":…}` within five \
seconds. The server says `system.connected`, then `trace.created`, `trace.updated`, `span.started`, \
`span.updated` and `span.ended`, each with a `cursor`. Send `{\"type\":\"subscribe\",\"trace_id\"?,\
\"after\"?}` to watch one trace or to resume after a cursor, and `{\"type\":\"ping\",\"ts\"}` for a \
`system.pong`. `system.lagged` means that events were missed: read the lists again.";

/// Seconds for the first message of a watcher that brought no key.
const AUTH_WITHIN: Duration = Duration::from_secs(5);
/// Longest message a watcher may send.
const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// A watcher that does not take its messages for so long is let go.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// Between pings, which keep proxies from closing the connection and find dead peers.
const PING_EVERY: Duration = Duration::from_secs(25);
const SUBPROTOCOL: &str = "exhibit.key.";

/// `GET /ws`
pub(crate) async fn upgrade(State(app): State<Shared>, request: Request) -> Response {
    open(app, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn open(app: Shared, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let caller = caller_of(&app, &parts).await?;
    let permit = Arc::clone(&app.watchers).try_acquire_owned().map_err(|_| Problem::busy(5_000))?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app)
        .await
        .map_err(|rejection| Problem::bad("websocket", rejection.body_text()))?;
    let mut upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    if let Some(protocol) = subprotocol(&parts.headers) {
        upgrade = upgrade.protocols([protocol]);
    }
    Ok(upgrade.on_upgrade(move |socket| serve(app, socket, caller, permit)))
}

/// Who opens the socket. None: the first message will say.
async fn caller_of(
    app: &Shared,
    parts: &axum::http::request::Parts,
) -> Result<Option<Caller>, Problem> {
    let known = if let Some(protocol) = subprotocol(&parts.headers) {
        let key = protocol.strip_prefix(SUBPROTOCOL).unwrap_or_default();
        auth::by_key(app, key).await
    } else {
        let peer = parts.extensions.get::<Peer>().map(|p| p.0);
        let ask =
            Ask { headers: &parts.headers, method: &parts.method, uri: Some(&parts.uri), peer };
        auth::identify(app, &ask, true).await
    };
    match known {
        Ok(caller) => {
            auth::require::<Read>(&caller)?;
            Ok(Some(caller))
        }
        Err(problem) if problem.code == "no-key" => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn subprotocol(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all("sec-websocket-protocol")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .find(|v| v.starts_with(SUBPROTOCOL))
        .map(ToOwned::to_owned)
}

/// What a watcher may say.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Said {
    Auth {
        key: String,
    },
    Ping {
        #[serde(default)]
        ts: Json,
    },
    Subscribe {
        #[serde(default)]
        trace_id: Option<String>,
        #[serde(default)]
        after: Option<u64>,
    },
    #[serde(other)]
    Other,
}

type Out = SplitSink<WebSocket, Message>;
type In = SplitStream<WebSocket>;

/// Sends, or gives up on a watcher that does not take it.
async fn send(out: &mut Out, message: Message) -> Result<(), ()> {
    match tokio::time::timeout(SEND_WITHIN, out.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

async fn say(out: &mut Out, message: &Json) -> Result<(), ()> {
    send(out, Message::Text(message.to_string().into())).await
}

async fn close(out: &mut Out, code: u16, reason: &str) {
    let frame = CloseFrame { code, reason: reason.to_owned().into() };
    let _ = send(out, Message::Close(Some(frame))).await;
}

async fn serve(
    app: Shared,
    socket: WebSocket,
    caller: Option<Caller>,
    permit: OwnedSemaphorePermit,
) {
    let (mut out, mut from) = socket.split();
    let known = match caller {
        Some(caller) => Ok(caller),
        None => first_message(&app, &mut from).await,
    };
    let caller = match known {
        Ok(caller) => caller,
        Err(problem) => {
            let error = json!({
                "type": "system.error", "code": problem.code, "message": problem.detail,
            });
            let _ = say(&mut out, &error).await;
            return close(&mut out, close_code::POLICY, problem.code).await;
        }
    };
    let Ok(events) = app.recorder.live(caller.workspace, None).await else {
        return close(&mut out, close_code::ERROR, "internal").await;
    };
    let mut watch =
        Watch { app, workspace: caller.workspace, events, teller: Teller::default(), cursor: None };
    let hello = json!({
        "type": "system.connected",
        "status": "connected",
        "message": "Live events of this workspace follow.",
        "workspace": caller.workspace_public,
        "cursor": watch.cursor,
    });
    if say(&mut out, &hello).await.is_ok() {
        let _ = watch.run(&mut out, &mut from).await;
    }
    drop(permit);
}

/// Who a watcher without a key says to be.
async fn first_message(app: &Shared, from: &mut In) -> Result<Caller, Problem> {
    let first = tokio::time::timeout(AUTH_WITHIN, from.next()).await;
    let said = match first {
        Ok(Some(Ok(Message::Text(text)))) => serde_json::from_str(&text).ok(),
        _ => None,
    };
    let Some(Said::Auth { key }) = said else {
        return Err(Problem::unauthenticated(
            "no-key",
            "Send {\"type\":\"auth\",\"key\":\"exk_…\"} first, within five seconds.",
        ));
    };
    let caller = auth::by_key(app, &key).await?;
    auth::require::<Read>(&caller)?;
    Ok(caller)
}

/// An open watch.
struct Watch {
    app: Shared,
    workspace: WorkspaceId,
    events: LiveStream,
    teller: Teller,
    cursor: Option<u64>,
}

impl Watch {
    async fn run(&mut self, out: &mut Out, from: &mut In) -> Result<(), ()> {
        let stop = stopped(self.app.stop.clone());
        tokio::pin!(stop);
        let mut ping = tokio::time::interval(PING_EVERY);
        ping.tick().await;
        loop {
            tokio::select! {
                item = self.events.next() => match item {
                    LiveItem::Event(event) => {
                        self.cursor = Some(event.sequence);
                        for message in self.teller.tell(&event) {
                            say(out, &message).await?;
                        }
                    }
                    LiveItem::Lagged { missed } => {
                        let message = json!({
                            "type": "system.lagged", "missed": missed, "resume_from": self.cursor,
                        });
                        say(out, &message).await?;
                    }
                    LiveItem::Closed => {
                        close(out, close_code::AWAY, "the server is stopping").await;
                        return Ok(());
                    }
                },
                said = from.next() => match said {
                    Some(Ok(Message::Text(text))) => self.hear(out, &text).await?,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    Some(Ok(_)) => {}
                },
                _ = ping.tick() => send(out, Message::Ping(bytes::Bytes::new())).await?,
                () = &mut stop => {
                    close(out, close_code::AWAY, "the server is stopping").await;
                    return Ok(());
                }
            }
        }
    }

    async fn hear(&mut self, out: &mut Out, text: &str) -> Result<(), ()> {
        match serde_json::from_str(text) {
            Ok(Said::Ping { ts }) => {
                say(out, &json!({ "type": "system.pong", "timestamp": ts })).await
            }
            Ok(Said::Subscribe { trace_id, after }) => {
                self.teller = Teller { only: trace_id.clone(), ..Teller::default() };
                if after.is_some() {
                    let events = self.app.recorder.live(self.workspace, after).await;
                    self.events = events.map_err(|_| ())?;
                    self.cursor = after;
                }
                let message = json!({
                    "type": "system.subscribed", "trace_id": trace_id, "cursor": self.cursor,
                });
                say(out, &message).await
            }
            // Who the watcher is has been settled.
            Ok(Said::Auth { .. }) => Ok(()),
            Ok(Said::Other) | Err(_) => {
                let message = json!({
                    "type": "system.error", "code": "malformed",
                    "message": "Messages are JSON objects with a type: ping or subscribe.",
                });
                say(out, &message).await
            }
        }
    }
}
