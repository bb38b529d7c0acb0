//! OTLP: traces, logs and metrics, over HTTP and gRPC.
//!
//! Both transports bring bytes to [`record`], which decodes and records them; they differ in how the
//! outcome is written. `status` is the `google.rpc.Status` that OTLP/HTTP answers errors with.

pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod status;

use std::fmt::Write;

use axum::http::HeaderMap;
use exhibit_capture::{Context, DecodeError, Decoded, Encoding, Rejected, otlp};
use exhibit_recorder::Caller;

use crate::{app::Shared, body::Received, problem::Problem};

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// What became of a request.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Entries that were refused.
    pub(crate) rejected: i64,
    /// Why, for people; empty when nothing was.
    pub(crate) message: String,
}

/// Decodes and records a request.
pub(crate) async fn record(
    app: &Shared,
    caller: &Caller,
    signal: Signal,
    encoding: Encoding,
    labels: Vec<(String, String)>,
    received: Received,
) -> Result<Outcome, Problem> {
    let decode = move |body: &[u8], context: &Context<'_>| decode(body, context, signal, encoding);
    let (decoded, _share) = app.decode(caller.workspace, "otlp", received, labels, decode).await?;
    accept(app, caller, decoded).await
}

/// Decodes a request.
pub(crate) fn decode(
    body: &[u8],
    context: &Context<'_>,
    signal: Signal,
    encoding: Encoding,
) -> Result<Decoded, DecodeError> {
    match signal {
        Signal::Traces => otlp::traces(body, encoding, context),
        Signal::Logs => otlp::logs(body, encoding, context),
        Signal::Metrics => otlp::metrics(body, encoding, context),
    }
}

/// Whether a body in JSON is an export of traces, as its first words tell.
pub(crate) fn is_json(body: &[u8]) -> bool {
    const LOOK: usize = 256;
    let start = body.get(..LOOK).unwrap_or(body);
    [&b"\"resourceSpans\""[..], b"\"resource_spans\""]
        .iter()
        .any(|name| memchr::memmem::find(start, name).is_some())
}

/// Records a decoded request.
pub(crate) async fn accept(
    app: &Shared,
    caller: &Caller,
    decoded: Decoded,
) -> Result<Outcome, Problem> {
    if decoded.spans.is_empty() && decoded.rejected.is_empty() {
        return Ok(Outcome::default());
    }
    let accepted = app.recorder.accept(caller.workspace, decoded).await?;
    Ok(Outcome {
        rejected: i64::try_from(accepted.rejected.len()).unwrap_or(i64::MAX),
        message: explain(&accepted.rejected),
    })
}

/// Names the first refusals; clients print this into their log.
fn explain(rejected: &[Rejected]) -> String {
    const NAMED: usize = 5;
    let mut text = String::new();
    for one in rejected.iter().take(NAMED) {
        if !text.is_empty() {
            text.push_str("; ");
        }
        let _ = write!(text, "#{} at {}: {}", one.index, one.pointer, one.reason);
    }
    if rejected.len() > NAMED {
        let _ = write!(text, "; and {} more", rejected.len() - NAMED);
    }
    text
}

/// Headers by which clients name a tenant, project or experiment. They never route: the key does.
const LABELS: &[(&str, &str)] = &[
    ("x-tenant-id", "tenant"),
    ("x-project-name", "project"),
    ("langsmith-project", "project"),
    ("projectname", "project"),
    ("comet-workspace", "workspace"),
    ("x-bt-parent", "parent"),
    ("x-mlflow-experiment-id", "experiment"),
];

/// The labels of a request.
pub(crate) fn labels(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for (header, label) in LABELS {
        let value = headers.get(*header).and_then(|v| v.to_str().ok()).map(str::trim);
        if let Some(value) = value.filter(|v| !v.is_empty())
            && !out.iter().any(|(held, _)| held == label)
        {
            out.push(((*label).to_owned(), value.to_owned()));
        }
    }
    out
}
