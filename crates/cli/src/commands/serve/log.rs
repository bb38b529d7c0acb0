//! What the server says of its own work: a log on standard error and, where asked for, traces.

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt as _, registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::{
    config::{Config, LogFormat},
    failure::Failure,
};

/// What is traced: our own work, at the grain of a batch.
const TRACED: Level = Level::DEBUG;

/// Traces that are on their way out; whoever holds it sends the rest at the end.
#[must_use = "what is not yet sent is lost with it"]
#[derive(Default)]
pub(in crate::commands) struct OwnTraces(Option<SdkTracerProvider>);

impl OwnTraces {
    /// Sends what is waiting, for a few seconds at most.
    pub(in crate::commands) async fn end(self) {
        let Some(provider) = self.0 else { return };
        // The exporter's client blocks.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last traces of the server's own work were not sent");
        }
    }
}

/// Starts logging and tracing.
pub(in crate::commands) fn start(config: &Config) -> Result<OwnTraces, Failure> {
    let filter =
        EnvFilter::try_new(&config.log).map_err(|error| Failure::usage(format!("log: {error}")))?;
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match config.log_format {
        LogFormat::Json => log.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            log.with_ansi(colour).with_filter(filter).boxed()
        }
    };
    let provider = config.own_traces.as_deref().map(provider).transpose()?;
    let traces = provider.as_ref().map(own_traces);
    let started = tracing_subscriber::registry().with(log).with(traces).try_init();
    started.map_err(|error| Failure::new(format!("logging cannot be started: {error}")))?;
    Ok(OwnTraces(provider))
}

/// The layer that turns spans of our crates into OpenTelemetry's. Those of libraries are left out, the
/// exporter's own requests among them.
fn own_traces<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = filter_fn(|meta| {
        meta.is_span() && meta.target().starts_with("exhibit") && *meta.level() <= TRACED
    });
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("exhibit"))
        .with_location(false)
        .with_threads(false)
        .with_filter(filter)
}

fn provider(url: &str) -> Result<SdkTracerProvider, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "own_traces: {error}; name the base URL of a collector, such as http://127.0.0.1:4318"
        ))
    };
    let base = url.parse::<reqwest::Url>().map_err(|error| wrong(&error))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(wrong(&"not an http or https URL"));
    }
    let endpoint = format!("{}/v1/traces", base.as_str().trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client(base.scheme() == "https").map_err(|error| wrong(&error))?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| wrong(&error))?;
    let resource = Resource::builder().with_service_name("exhibit").build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// A client with our trust store. A blocking one cannot be made where asynchronous work is under way.
fn client(encrypted: bool) -> Result<reqwest::blocking::Client, String> {
    let tls = crate::remote::tls(encrypted).map_err(|error| error.to_string())?;
    let make = || reqwest::blocking::Client::builder().tls_backend_preconfigured(tls).build();
    let made = std::thread::spawn(make).join().map_err(|_| "no HTTP client".to_owned())?;
    made.map_err(|error| error.to_string())
}
