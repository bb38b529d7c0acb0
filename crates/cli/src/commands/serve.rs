//! `exhibit serve`: the composition root. Opens the data directory, binds the addresses, says what a
//! newcomer needs, and runs until it is told to stop.

mod check;
pub(super) mod log;
mod tls;
mod welcome;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use exhibit_server::{BindError, Config as ServerConfig, Listener, Server};
use tokio::sync::watch;

use crate::{
    args::ServeArgs,
    config::{
        Address, Config, Loaded, LogFormat, Override, StoreKind, parse_address, parse_duration_ms,
    },
    control::Control,
    courier::Carrier,
    data_dir::{DataDir, Running},
    failure::{Exit, Failure},
    installation::{Installation, discovered_rules},
    output::Output,
    outside::Web,
    port_holder::port_holder,
    rerun::ServerProviders,
    sink,
};

pub(crate) use check::run as check;

/// The settings that flags override.
pub(crate) fn overrides(args: &ServeArgs) -> anyhow::Result<Vec<Override>> {
    let mut overrides = Vec::new();
    let mut set = |key: &'static str, flag: &'static str, value: Option<toml::Value>| {
        overrides.extend(value.map(|value| Override { key, value, flag }));
    };
    let list = |items: &[String]| {
        let items: Vec<_> = items.iter().cloned().map(toml::Value::String).collect();
        (!items.is_empty()).then_some(toml::Value::Array(items))
    };
    let text = |item: &Option<String>| item.clone().map(toml::Value::String);
    let duration = |flag: &str, item: &Option<String>| -> Result<Option<toml::Value>, Failure> {
        let Some(text) = item else { return Ok(None) };
        let ms = parse_duration_ms(text).map_err(|e| Failure::usage(format!("{flag}: {e}")))?;
        Ok(Some(i64::try_from(ms).unwrap_or(i64::MAX).into()))
    };
    set("listen", "--listen", list(&args.listen));
    set("otlp.http", "--otlp-http", text(&args.otlp_http));
    set("otlp.grpc", "--otlp-grpc", text(&args.otlp_grpc));
    let rules = args.rules_dir.as_ref().map(|dir| dir.to_str().context("--rules-dir: not UTF-8"));
    set("rules_dir", "--rules-dir", rules.transpose()?.map(Into::into));
    let store = args.store.map(|store| match store {
        StoreKind::Embedded => "embedded",
        StoreKind::Cluster => "cluster",
    });
    set("store", "--store", store.map(Into::into));
    set("postgres_url", "--postgres-url", text(&args.postgres_url));
    set("clickhouse_url", "--clickhouse-url", text(&args.clickhouse_url));
    set("search", "--no-search", args.no_search.then_some(false.into()));
    set("keyless_ingest", "--keyless-ingest", text(&args.keyless_ingest));
    set("mongo_listen", "--mongo-listen", text(&args.mongo_listen));
    set("mongo_sink", "--mongo-sink", text(&args.mongo_sink));
    set("tracellm_listen", "--tracellm-listen", text(&args.tracellm_listen));
    set("cors_origins", "--cors-origin", list(&args.cors_origin));
    set("log", "--log", text(&args.log));
    let format = args.log_format.map(|format| match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    });
    set("log_format", "--log-format", format.map(Into::into));
    set("limits.stale_after_ms", "--stale-after", duration("--stale-after", &args.stale_after)?);
    set("limits.seal_after_root_ms", "--seal-after", duration("--seal-after", &args.seal_after)?);
    Ok(overrides)
}

/// The addresses of a configuration, read.
struct Addresses {
    main: Vec<SocketAddr>,
    otlp_http: Address,
    otlp_grpc: Address,
    mongo: Address,
    tracellm: Address,
}

impl Addresses {
    fn of(config: &Config) -> Result<Self, Failure> {
        let read = |key: &str, text: &str| {
            parse_address(text).map_err(|error| Failure::usage(format!("{key}: {error}")))
        };
        let mut main = Vec::new();
        for text in &config.listen {
            if let Address::At(address) = read("listen", text)? {
                main.push(address);
            }
        }
        if main.is_empty() {
            return Err(Failure::usage("listen: the server needs at least one address"));
        }
        let otlp_http = read("otlp.http", &config.otlp.http)?;
        let otlp_grpc = read("otlp.grpc", &config.otlp.grpc)?;
        let near = |key: &str, text: &str, guarded: bool| match read(key, text)? {
            Address::At(address) if !guarded && !address.ip().is_loopback() => {
                let message = format!(
                    "{key}: {address} is not on this machine alone, and nobody has to show a key there"
                );
                let hint = "use a loopback address; with mongo_tls_cert and mongo_tls_key, \
                            mongo_listen may be elsewhere";
                Err(Failure::usage(message).hint(hint))
            }
            address => Ok(address),
        };
        let mongo = near("mongo_listen", &config.mongo_listen, config.mongo_tls_cert.is_some())?;
        let tracellm = near("tracellm_listen", &config.tracellm_listen, false)?;
        Ok(Self { main, otlp_http, otlp_grpc, mongo, tracellm })
    }

    /// What the server is told: the first main address must be free, the others may be taken.
    fn listeners(&self, loaded: &Loaded) -> Result<ServerConfig, Failure> {
        let mut main: Vec<Listener> = self
            .main
            .iter()
            .enumerate()
            .map(|(n, address)| {
                let text = address.to_string();
                if n == 0 { Listener::required(text) } else { Listener::optional(text) }
            })
            .collect();
        // Commands come through loopback; on a server without one they get a port of their own.
        if !self.main.iter().any(|a| a.ip().is_loopback() || a.ip().is_unspecified()) {
            main.push(Listener::optional("127.0.0.1:0"));
        }
        let optional = |address: Address| match address {
            Address::Off => Vec::new(),
            Address::At(address) => vec![Listener::optional(address.to_string())],
        };
        // Asked for by name, so a taken address is an error.
        let required = |address: Address| match address {
            Address::Off => Vec::new(),
            Address::At(address) => vec![Listener::required(address.to_string())],
        };
        let tls = (&loaded.config.mongo_tls_cert, &loaded.config.mongo_tls_key);
        Ok(ServerConfig {
            main,
            otlp_http: optional(self.otlp_http),
            otlp_grpc: optional(self.otlp_grpc),
            mongo: required(self.mongo),
            mongo_tls: tls::of(tls.0.as_deref(), tls.1.as_deref())?,
            mongo_workspace: Some(loaded.config.mongo_workspace.clone()),
            tracellm: required(self.tracellm),
            tracellm_workspace: Some(loaded.config.tracellm_workspace.clone()),
            cors_origins: loaded.config.cors_origins.clone(),
            secure_cookies: loaded.config.secure_cookies,
            registration_open: loaded.config.registration,
            keyless_workspace: loaded.config.keyless_ingest.clone(),
            proxy: exhibit_server::Proxy {
                openai: loaded.config.proxy.openai.clone(),
                anthropic: loaded.config.proxy.anthropic.clone(),
                gemini: loaded.config.proxy.gemini.clone(),
                ..exhibit_server::Proxy::default()
            },
            ..ServerConfig::default()
        })
    }
}

/// The URL by which programs on this machine reach an address.
fn local_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// Runs the server until it is told to stop.
pub(crate) async fn run(mut loaded: Loaded, output: Output) -> anyhow::Result<Exit> {
    let own_traces = log::start(&loaded.config)?;
    let addresses = Addresses::of(&loaded.config)?;
    // The server decides anew where its rules are; commands then follow it.
    if loaded.config.rules_dir.is_none() {
        loaded.config.rules_dir = discovered_rules(&loaded);
    }
    // Signals count from here on: a stop during the start is a stop.
    let mut signals = Signals::listen()?;
    let installation = Installation::open(&loaded).await?;
    let recorder = Arc::clone(&installation.recorder);
    recorder.set_providers(Arc::new(ServerProviders(loaded.clone())));
    recorder.set_courier(Carrier::new().context("TLS cannot be set up")?);
    if let Some(workspace) = &loaded.config.keyless_ingest
        && recorder.workspace(workspace).await?.is_none()
    {
        return Err(
            Failure::usage(format!("keyless_ingest: there is no workspace {workspace}")).into()
        );
    }

    let sink = sink::rule(&loaded.config, &recorder).await?;
    let config = addresses.listeners(&loaded)?;
    let server = Server::bind(config, Arc::clone(&recorder)).await.map_err(taken)?;
    let bound = server.addresses().clone();
    for skipped in &bound.skipped {
        output.warn(format!("{} is not served: {}", named(&skipped.address), skipped.reason));
    }
    let (control, control_address) = Control::bind().await?;
    let data = DataDir::new(&loaded.config.data_dir);
    let texts =
        |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = bound.main.first().copied().context("no main address was bound")?;
    let first_start = data.last_server().is_none();
    let reachable =
        bound.main.iter().copied().find(|a| a.ip().is_loopback() || a.ip().is_unspecified());
    data.announce(&Running {
        pid: std::process::id(),
        url: local_url(reachable.unwrap_or(first)),
        listen: texts(&bound.main),
        otlp_http: texts(&bound.otlp_http),
        otlp_grpc: texts(&bound.otlp_grpc),
        control: Some(control_address),
        rules_dir: loaded.config.rules_dir.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })?;

    let (stop, stopped) = watch::channel(false);
    let (stop_clocks, clocks_stopped) = watch::channel(false);
    let clocks = tokio::spawn(Arc::clone(&recorder).run(clocks_stopped.clone()));
    let web = Arc::new(Web::new()?);
    tokio::spawn(Arc::clone(&recorder).run_outside(web, clocks_stopped.clone()));
    if let Some(rule) = sink {
        tokio::spawn(Arc::clone(&recorder).run_sink(rule, clocks_stopped.clone()));
    }
    let mut serving = tokio::spawn(server.serve(stopped));
    let control =
        tokio::spawn(control.serve(Arc::clone(&recorder), installation.opened.embedded().ok()));
    #[cfg(feature = "cluster")]
    installation.opened.hear_others(&recorder);
    let welcome =
        welcome::Welcome::prepare(&installation, local_url(first), bound, first_start).await?;
    welcome.print(&loaded, output)?;

    let ended = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "stopping");
            let _ = stop.send(true);
            // A second signal does not wait.
            tokio::select! {
                ended = &mut serving => Some(ended),
                _ = signals.next() => None,
            }
        }
        ended = &mut serving => Some(ended),
    };
    let _ = stop.send(true);
    let Some(ended) = ended else {
        tracing::warn!("stopped at once; open requests were broken off");
        return Ok(Exit::Failed);
    };
    // In this order: no more requests, no more clocks, the last checkpoint.
    control.abort();
    let _ = stop_clocks.send(true);
    clocks.await.context("the recorder's clocks failed")?;
    ended.context("the server failed")?;
    installation.close().await?;
    own_traces.end().await;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// The main address cannot be taken.
fn taken(error: BindError) -> Failure {
    let address = named(&error.address);
    Failure::new(format!("cannot listen on {address}: {}", error.reason))
        .hint("name another address with --listen, or stop what holds this one")
}

/// An address, and who holds it where that can be told.
fn named(address: &str) -> String {
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
    match port.and_then(port_holder) {
        Some(holder) => format!("{address}, held by {holder},"),
        None => address.to_owned(),
    }
}

/// The signals that ask the server to stop.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?,
        })
    }

    #[cfg(unix)]
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) -> &'static str {
        let _ = tokio::signal::ctrl_c().await;
        "Ctrl-C"
    }
}
