//! What all handlers share.

use std::sync::Arc;

use axum::{body::Body, http::HeaderMap};
use exhibit_capture::{Context, DecodeError};
use exhibit_model::WorkspaceId;
use exhibit_recorder::Recorder;
use tokio::sync::{Semaphore, watch};

use crate::{
    Config,
    auth::rate::Rates,
    body::{self, Budget, Received, Share},
    otlp::labels,
    problem::Problem,
    routes::{proxy, simulations, tracium},
};

/// Exports at once.
const EXPORTS: usize = 3;

/// The state of the server.
pub(crate) struct App {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) config: Config,
    /// Bytes of bodies being worked on.
    pub(crate) budget: Budget,
    /// As many passwords are hashed at once as there are cores.
    pub(crate) hashing: Semaphore,
    /// Live connections that may still be opened.
    pub(crate) watchers: Arc<Semaphore>,
    pub(crate) rates: Rates,
    /// Trees of traces whose client does not send parents.
    pub(crate) trees: tracium::Trees,
    /// The provider proxy.
    pub(crate) proxy: proxy::Proxy,
    /// Exports that may still be begun: each holds a thread while it is read.
    pub(crate) exports: Arc<Semaphore>,
    /// Simulations of rule files.
    pub(crate) simulations: simulations::Simulations,
    /// The OpenAPI document.
    pub(crate) openapi: bytes::Bytes,
    /// Becomes true when the server is to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

pub(crate) type Shared = Arc<App>;

impl App {
    pub(crate) fn new(
        recorder: Arc<Recorder>,
        config: Config,
        openapi: String,
        stop: watch::Receiver<bool>,
    ) -> Shared {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let limits = recorder.limits();
        Arc::new(Self {
            budget: Budget::new(limits.inflight_bytes_max),
            hashing: Semaphore::new(cores),
            watchers: Arc::new(Semaphore::new(limits.live_connections_max)),
            rates: Rates::new(limits),
            trees: tracium::Trees::default(),
            proxy: proxy::Proxy::default(),
            exports: Arc::new(Semaphore::new(EXPORTS)),
            simulations: simulations::Simulations::default(),
            openapi: openapi.into(),
            recorder,
            config,
            stop,
        })
    }

    /// Receives and decodes the body of a request that came to a product's own door.
    pub(crate) async fn intake<T: Send + 'static>(
        &self,
        workspace: WorkspaceId,
        door: &'static str,
        headers: &HeaderMap,
        body: Body,
        decode: impl FnOnce(&[u8], &Context<'_>) -> Result<T, DecodeError> + Send + 'static,
    ) -> Result<(T, Share), Problem> {
        let received = body::receive(&self.budget, self.recorder.limits(), headers, body).await?;
        self.decode(workspace, door, received, labels(headers), decode).await
    }

    /// Inflates and decodes a body on a thread for such work. The share of the budget comes back and is
    /// kept until the request is answered. A body that does not decode leaves a dead letter in the
    /// workspace, under the name of the door.
    pub(crate) async fn decode<T: Send + 'static>(
        &self,
        workspace: WorkspaceId,
        door: &'static str,
        received: Received,
        labels: Vec<(String, String)>,
        decode: impl FnOnce(&[u8], &Context<'_>) -> Result<T, DecodeError> + Send + 'static,
    ) -> Result<(T, Share), Problem> {
        let recorder = Arc::clone(&self.recorder);
        let work = move || {
            let limits = recorder.limits();
            let (body, share) = received.inflate(limits)?;
            let context = Context { received: recorder.now(), limits, labels: &labels };
            let decoded = decode(&body, &context);
            Ok::<_, Problem>((decoded.map_err(|error| (error, body)), share))
        };
        let (decoded, share) = self.recorder.cores().run(work).await??;
        match decoded {
            Ok(decoded) => Ok((decoded, share)),
            Err((error, body)) => {
                let pointer = error.pointer().unwrap_or_default().to_owned();
                let reason = error.to_string();
                self.recorder.bury_undecoded(workspace, door, &body, &reason, &pointer).await;
                Err(error.into())
            }
        }
    }
}

/// Waits until the server is to stop, or nobody can say so any more.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
