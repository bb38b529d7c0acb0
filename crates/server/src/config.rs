//! How the server is set up. The binary reads files, environment and flags; here only values arrive.

use std::{sync::Arc, time::Duration};

use tokio_rustls::rustls::ServerConfig;

/// The server's settings. Bounds on requests are the recorder's [`Limits`](exhibit_model::Limits).
#[derive(Debug, Clone)]
pub struct Config {
    /// Where dashboard, API and WebSocket are served.
    pub main: Vec<Listener>,
    /// Where OTLP over HTTP is served besides.
    pub otlp_http: Vec<Listener>,
    /// Where OTLP over gRPC is served.
    pub otlp_grpc: Vec<Listener>,
    /// Where MongoDB's wire protocol is spoken; beyond loopback only with `mongo_tls`.
    pub mongo: Vec<Listener>,
    /// Public id of the workspace that clients of it without a key write to and read.
    pub mongo_workspace: Option<String>,
    /// TLS for it. With it every client has to show a key; without it nobody has to.
    pub mongo_tls: Option<Arc<ServerConfig>>,
    /// Where TraceLLM's REST API and WebSocket are served; loopback only.
    pub tracellm: Vec<Listener>,
    /// Public id of the workspace they are about.
    pub tracellm_workspace: Option<String>,
    /// Origins (`https://host[:port]`) of other pages that may call the API from a browser.
    pub cors_origins: Vec<String>,
    /// Whether session cookies are marked `Secure` even on plain connections. They always are when a
    /// proxy says that the client came over TLS.
    pub secure_cookies: bool,
    /// Public id of the workspace into which requests without any key are taken, from loopback only.
    /// None: no such requests are taken.
    pub keyless_workspace: Option<String>,
    /// Whether anybody may make an account. The set-up link works either way.
    pub registration_open: bool,
    /// Connections at once over all listeners; more wait in the kernel's backlog.
    pub connections_max: usize,
    /// How long open requests may go on after a stop was asked for.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            main: vec![Listener::required("127.0.0.1:3000"), Listener::optional("127.0.0.1:8000")],
            otlp_http: vec![Listener::optional("127.0.0.1:4318")],
            otlp_grpc: vec![Listener::optional("127.0.0.1:4317")],
            mongo: Vec::new(),
            mongo_workspace: None,
            mongo_tls: None,
            tracellm: Vec::new(),
            tracellm_workspace: None,
            cors_origins: Vec::new(),
            secure_cookies: false,
            keyless_workspace: None,
            registration_open: true,
            connections_max: 4_096,
            drain: Duration::from_secs(10),
        }
    }
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `host:port`; port 0 takes any free one.
    pub address: String,
    /// Whether the server starts without it when the address is taken.
    pub optional: bool,
}

impl Listener {
    /// The server does not start without it.
    pub fn required(address: impl Into<String>) -> Self {
        Self { address: address.into(), optional: false }
    }

    /// The server starts without it and says so.
    pub fn optional(address: impl Into<String>) -> Self {
        Self { address: address.into(), optional: true }
    }
}
