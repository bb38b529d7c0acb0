//! OTLP: traces, logs and metrics, as protobuf or JSON.
//!
//! Both encodings become the same decoded span (`raw`), which is then checked and finished once. Spans
//! that break a rule are rejected by index and pointer; what real clients get wrong is repaired and
//! flagged. Log records that carry a span's content are joined to it by way of a running span that
//! holds nothing but that content; metrics are counted.

mod json;
mod logs;
mod proto;
mod raw;
mod value;
mod wire;

pub use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};

use prost::Message;

pub(crate) use raw::labels;

use crate::{Context, DecodeError, Decoded, Encoding};

/// Decodes an `ExportTraceServiceRequest`.
///
/// Of a protobuf body that is damaged inside single spans, the undamaged spans are kept.
pub fn traces(body: &[u8], encoding: Encoding, context: &Context) -> Result<Decoded, DecodeError> {
    match encoding {
        Encoding::Json => json::traces(body, context),
        Encoding::Protobuf => {
            wire::survey(body, &wire::TRACES, context.limits)?;
            match ExportTraceServiceRequest::decode(body) {
                Ok(request) => traces_request(request, context),
                Err(error) => proto::salvage(body, context).ok_or_else(|| refusal(&error)),
            }
        }
    }
}

/// The same for a request that a gRPC stack has already decoded.
pub fn traces_request(
    request: ExportTraceServiceRequest,
    context: &Context,
) -> Result<Decoded, DecodeError> {
    proto::traces(request, context)
}

/// Decodes an `ExportLogsServiceRequest`.
pub fn logs(body: &[u8], encoding: Encoding, context: &Context) -> Result<Decoded, DecodeError> {
    match encoding {
        Encoding::Json => json::logs(body, context),
        Encoding::Protobuf => {
            wire::survey(body, &wire::LOGS, context.limits)?;
            let request = ExportLogsServiceRequest::decode(body).map_err(|e| refusal(&e))?;
            logs_request(request, context)
        }
    }
}

/// The same for a request that a gRPC stack has already decoded.
pub fn logs_request(
    request: ExportLogsServiceRequest,
    context: &Context,
) -> Result<Decoded, DecodeError> {
    proto::logs(request, context)
}

/// Decodes an `ExportMetricsServiceRequest` and counts its data points.
pub fn metrics(body: &[u8], encoding: Encoding, context: &Context) -> Result<Decoded, DecodeError> {
    match encoding {
        Encoding::Json => json::metrics(body, context),
        Encoding::Protobuf => {
            wire::survey(body, &wire::METRICS, context.limits)?;
            let request = ExportMetricsServiceRequest::decode(body).map_err(|e| refusal(&e))?;
            Ok(metrics_request(&request, context))
        }
    }
}

/// The same for a request that a gRPC stack has already decoded.
pub fn metrics_request(request: &ExportMetricsServiceRequest, _: &Context) -> Decoded {
    Decoded { metric_points: proto::points(request), ..Decoded::default() }
}

fn refusal(error: &prost::DecodeError) -> DecodeError {
    let reason = error.to_string();
    let reason = reason.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&reason);
    if reason.contains("UTF-8") {
        DecodeError::InvalidUtf8 { at: 0 }
    } else if reason.contains("recursion limit") {
        DecodeError::TooDeep { max: 100 }
    } else {
        DecodeError::Protobuf { reason: reason.to_owned() }
    }
}
