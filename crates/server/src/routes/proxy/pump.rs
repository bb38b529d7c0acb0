//! Passes an answer on while it arrives, keeps a copy, and records the call when it ended.
//!
//! Each call has a task of its own, so that it is recorded however it ends: in order, broken off by
//! the provider, or left by its client (which also ends the provider's work).

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use exhibit_model::{Nanos, WorkspaceId};
use exhibit_recorder::proxy::{Exchange, Incoming, ProviderError};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::{app::Shared, body::Share, layers::Foreign};

/// Pieces of an answer that a slow client may lag behind.
const PIECES: usize = 32;
/// A call that takes longer is shown as running.
const SHOWN_AFTER: Duration = Duration::from_millis(400);
/// Most bytes of an answer that are kept.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// A call on its way.
pub(crate) struct Call {
    pub(crate) app: Shared,
    pub(crate) workspace: WorkspaceId,
    pub(crate) exchange: Exchange,
    pub(crate) begun: Instant,
    pub(crate) recorded: bool,
    /// The call's share of the memory for bodies.
    pub(crate) share: Share,
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl Call {
    /// Records a call that got no answer.
    pub(crate) async fn failed(mut self, error: &ProviderError, status: u16) {
        self.exchange.status = Some(status);
        self.exchange.failure = Some((error.code().to_owned(), error.to_string()));
        self.end().await;
    }

    /// Keeps a copy of a piece, within bounds.
    fn copy(&mut self, piece: &[u8]) {
        if !self.recorded {
            return;
        }
        self.exchange.first_byte.get_or_insert_with(|| {
            Nanos(i64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(i64::MAX))
        });
        let fits = self.exchange.answer.len() + piece.len() <= KEPT_BYTES_MAX;
        if fits && self.share.grow(piece.len()).is_ok() {
            self.exchange.answer.extend_from_slice(piece);
        }
    }

    async fn end(mut self) {
        if !self.recorded {
            return;
        }
        self.exchange.end = Some(self.app.recorder.now());
        let trace = self.exchange.trace_id.clone();
        let recorder = Arc::clone(&self.app.recorder);
        if let Err(error) = recorder.keep_call(self.workspace, self.exchange).await {
            tracing::error!(%trace, %error, "a proxied call could not be recorded");
        }
    }

    /// Shows a call that takes its time as running.
    fn show(&self) {
        if self.recorded {
            let (recorder, exchange) = (Arc::clone(&self.app.recorder), self.exchange.clone());
            let exchange = Exchange { answer: Vec::new(), ..exchange };
            let workspace = self.workspace;
            tokio::spawn(async move {
                // The ended call is recorded in any case.
                let _ = recorder.keep_call(workspace, exchange).await;
            });
        }
    }
}

/// Answers with the provider's head, and its body as it comes.
pub(crate) fn pass_on(mut call: Call, mut incoming: Incoming) -> Response {
    let status = StatusCode::from_u16(incoming.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = std::mem::take(&mut incoming.headers);
    call.exchange.status = Some(incoming.status);
    let kind = headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    call.exchange.content_type = kind.to_ascii_lowercase();
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Broken>>(PIECES);
    tokio::spawn(pump(call, incoming, sender));
    let mut response = Body::from_stream(ReceiverStream::new(receiver)).into_response();
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(Foreign);
    response
}

/// The provider broke off: the client's connection breaks as well.
#[derive(Debug, thiserror::Error)]
#[error("the provider broke off")]
struct Broken;

async fn pump(mut call: Call, mut incoming: Incoming, sender: mpsc::Sender<Result<Bytes, Broken>>) {
    let mut shown = false;
    let show_at = call.begun + SHOWN_AFTER;
    loop {
        let piece = tokio::select! {
            biased;
            piece = incoming.next_piece() => piece,
            () = sender.closed() => {
                left(&mut call);
                break;
            }
            () = tokio::time::sleep_until(show_at), if !shown => {
                shown = true;
                call.show();
                continue;
            }
        };
        match piece {
            Ok(Some(piece)) => {
                let kept = piece.clone();
                if sender.send(Ok(piece)).await.is_err() {
                    left(&mut call);
                    break;
                }
                call.copy(&kept);
            }
            Ok(None) => break,
            Err(error) => {
                call.exchange.failure = Some((error.code().to_owned(), error.to_string()));
                let _ = sender.send(Err(Broken)).await;
                break;
            }
        }
    }
    drop((incoming, sender));
    call.end().await;
}

/// The client went away. A streamed answer whose last event had come is whole all the same.
fn left(call: &mut Call) {
    let tail = call.exchange.answer.len().saturating_sub(256);
    let tail = String::from_utf8_lossy(&call.exchange.answer[tail..]).into_owned();
    let whole = ["[DONE]", "message_stop", "response.completed"].iter().any(|e| tail.contains(e));
    if !whole {
        let words = "the client went away before the answer was complete";
        call.exchange.failure = Some(("cancelled".to_owned(), words.to_owned()));
    }
}
