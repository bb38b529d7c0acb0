//! Connections: accepted, bounded in number, cut when they are slow, drained at the end.
//!
//! A client has a fixed time to send its request head; until then it costs a socket and nothing else.
//! Whether it speaks HTTP/1 or HTTP/2 is looked up in its first bytes without taking them, so that a
//! client that sends half a preface is cut like any other.

mod guard;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tower::ServiceExt;

use self::guard::Guarded;
use crate::{
    app::{Shared, stopped},
    auth::Peer,
};

/// What an HTTP/2 connection starts with (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A connection on which nothing can be written for so long is cut.
const WRITE_WITHIN: Duration = Duration::from_mins(1);
/// HTTP/2 pings after so much silence, and waits as long for the answer.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Request heads are at most so large.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;

/// Serves all listeners until `stop`, then drains.
pub(crate) async fn serve(
    listeners: Vec<(TcpListener, Router)>,
    app: &Shared,
    stop: watch::Receiver<bool>,
) {
    let graceful = Arc::new(GracefulShutdown::new());
    let connections = Arc::new(Semaphore::new(app.config.connections_max.max(1)));
    let head_within = Duration::from_secs(app.recorder.limits().header_timeout_s.max(1));
    let mut accepting = tokio::task::JoinSet::new();
    for (listener, router) in listeners {
        let door = Door {
            router,
            connections: Arc::clone(&connections),
            head_within,
            builder: builder(head_within),
        };
        let graceful = Arc::clone(&graceful);
        let stop = stop.clone();
        accepting.spawn(async move {
            tokio::select! {
                () = door.accept(listener, &graceful) => {}
                () = stopped(stop) => {}
            }
        });
    }
    while accepting.join_next().await.is_some() {}
    // Every other holder was an accepting task, and those have ended.
    let Some(graceful) = Arc::into_inner(graceful) else { return };
    if tokio::time::timeout(app.config.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections were still open and have been cut");
    }
}

fn builder(head_within: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
        .max_buf_size(HEAD_BYTES_MAX.max(16 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_AFTER)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}

struct Door {
    router: Router,
    connections: Arc<Semaphore>,
    head_within: Duration,
    builder: Builder<TokioExecutor>,
}

impl Door {
    async fn accept(&self, listener: TcpListener, graceful: &GracefulShutdown) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause(&error).await;
                    continue;
                }
            };
            let (router, builder) = (self.router.clone(), self.builder.clone());
            let (head_within, watcher) = (self.head_within, graceful.watcher());
            tokio::spawn(async move {
                connection(stream, peer, router, builder, head_within, watcher).await;
                drop(permit);
            });
        }
    }
}

/// A connection that was gone before it was taken is no matter; anything else (no more files) is, and
/// trying again at once would only burn time.
async fn pause(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "a connection could not be taken");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    builder: Builder<TokioExecutor>,
    head_within: Duration,
    watcher: Watcher,
) {
    // Small answers should not wait for more to send.
    let _ = stream.set_nodelay(true);
    let speaks = tokio::time::timeout(head_within, speaks_http2(&stream)).await;
    let Ok(Ok(http2)) = speaks else { return };
    let builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    let service =
        TowerToHyperService::new(router.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request.map(Body::new)
        }));
    let io = TokioIo::new(Guarded::new(stream, WRITE_WITHIN));
    let connection = builder.serve_connection_with_upgrades(io, service);
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%error, %peer, "a connection ended");
    }
}

/// Looks at the first bytes without taking them.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    loop {
        let n = stream.peek(&mut seen).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if seen[..n] != PREFACE[..n] {
            return Ok(false);
        }
        if n == PREFACE.len() {
            return Ok(true);
        }
        // Peeking returns at once while the rest is on its way.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
