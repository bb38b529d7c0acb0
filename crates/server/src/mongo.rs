//! MongoDB's wire protocol, as far as TraceLLM's client and readers of its `traces` collection need it.
//!
//! Opt-in. Without TLS it answers loopback alone, and a client that shows no key acts in one named
//! workspace; with TLS every client has to authenticate (PLAIN, the key as password) and acts in its
//! key's workspace. Traces are written
//! through the recorder like all others and read as documents; nothing can be changed or deleted.
//! Whatever else is asked is a clear error.

mod commands;
mod query;
mod reading;
mod value;
mod wire;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use exhibit_recorder::SpanDetail;
use exhibit_store::TraceRow;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;

use self::{
    commands::Session,
    wire::{HEAD, Head, Malformed, Request},
};
use crate::{
    app::{Shared, stopped},
    tracellm::documents,
};

/// The document of a trace, as a reader of the collection `traces` gets it.
pub fn trace_document(row: &TraceRow, spans: &[SpanDetail]) -> bson::Document {
    value::Found::of(documents::document(row, spans)).whole()
}

/// MongoDB's own bound on a message.
const MESSAGE_BYTES_MAX: usize = 48_000_000;
/// A connection that has nothing to say for so long is let go; drivers open another.
const IDLE: Duration = Duration::from_mins(30);
/// TLS must be agreed on within this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A message must arrive, and an answer be taken, within this time.
const PATIENCE: Duration = Duration::from_mins(1);

/// Takes connections until the server stops.
pub(crate) async fn serve(listener: TcpListener, app: Shared) {
    let places = Arc::new(Semaphore::new(app.config.connections_max.max(1)));
    let stop = stopped(app.stop.clone());
    tokio::pin!(stop);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let stop = stopped(app.stop.clone());
            tokio::select! {
                ended = enter(stream, peer, &app) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, %peer, "a connection ended");
                    }
                }
                () = stop => {}
            }
            drop(place);
        });
    }
}

/// Why a connection is cut.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("it took too long")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("it does not come from this machine")]
    Foreign,
    #[error("too much is being worked on at once")]
    Busy,
}

async fn enter(stream: TcpStream, peer: SocketAddr, app: &Shared) -> Result<(), Cut> {
    stream.set_nodelay(true)?;
    if let Some(tls) = &app.config.mongo_tls {
        let shake = TlsAcceptor::from(Arc::clone(tls)).accept(stream);
        let stream = tokio::time::timeout(HANDSHAKE, shake).await??;
        return connection(stream, Session::that_needs_a_key(), app).await;
    }
    if !peer.ip().to_canonical().is_loopback() {
        return Err(Cut::Foreign);
    }
    connection(stream, Session::default(), app).await
}

async fn connection(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut session: Session,
    app: &Shared,
) -> Result<(), Cut> {
    loop {
        let mut head = [0; HEAD];
        tokio::time::timeout(IDLE, stream.read_exact(&mut head)).await??;
        let head = Head::read(&head, MESSAGE_BYTES_MAX.min(app.recorder.limits().body_bytes_max))?;
        let mut share = app.budget.share();
        share.grow(head.length).map_err(|_| Cut::Busy)?;
        let mut body = vec![0; head.length - HEAD];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut body)).await??;
        let request = Request::read(head, &body)?;
        let answer = commands::run(app, &mut session, &request.command).await;
        drop(share);
        if request.answered {
            let bytes = request.answer(&answer);
            tokio::time::timeout(PATIENCE, stream.write_all(&bytes)).await??;
            // TLS keeps what is written until it is told to send it.
            tokio::time::timeout(PATIENCE, stream.flush()).await??;
        }
    }
}
