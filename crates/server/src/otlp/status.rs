//! `google.rpc.Status`, the body of an OTLP/HTTP error (OTLP specification, "Failures").

use axum::http::StatusCode;
use exhibit_model::Json;
use prost::Message;
use serde_json::json;

use crate::problem::Problem;

/// <https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto>
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `google.rpc.RetryInfo`
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

impl RpcStatus {
    pub(crate) fn of(problem: &Problem) -> Self {
        let retry = problem.retry_after_s.map(|seconds| {
            let delay = Delay { seconds: i64::try_from(seconds).unwrap_or(60), nanos: 0 };
            let info = RetryInfo { retry_delay: Some(delay) };
            Any { type_url: RETRY_INFO.to_owned(), value: info.encode_to_vec() }
        });
        Self {
            code: code(problem) as i32,
            message: problem.detail.clone(),
            details: retry.into_iter().collect(),
        }
    }

    /// The same as protobuf JSON.
    pub(crate) fn json(problem: &Problem) -> Json {
        let mut body = json!({ "code": code(problem) as i32, "message": problem.detail });
        if let Some(seconds) = problem.retry_after_s {
            body["details"] = json!([{ "@type": RETRY_INFO, "retryDelay": format!("{seconds}s") }]);
        }
        body
    }
}

/// The gRPC code that says the same as an HTTP status. Busy is retryable for every exporter; too
/// large is not.
pub(crate) fn code(problem: &Problem) -> tonic::Code {
    match problem.status {
        StatusCode::UNAUTHORIZED => tonic::Code::Unauthenticated,
        StatusCode::FORBIDDEN => tonic::Code::PermissionDenied,
        StatusCode::NOT_FOUND => tonic::Code::NotFound,
        StatusCode::TOO_MANY_REQUESTS => tonic::Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => tonic::Code::Unavailable,
        StatusCode::REQUEST_TIMEOUT => tonic::Code::DeadlineExceeded,
        StatusCode::NOT_IMPLEMENTED => tonic::Code::Unimplemented,
        status if status.is_server_error() => tonic::Code::Internal,
        _ => tonic::Code::InvalidArgument,
    }
}
