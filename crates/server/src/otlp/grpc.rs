//! OTLP over gRPC: the three collector services.
//!
//! tonic does framing, compression and status; messages pass through it as bytes, so that a request
//! is authorised before it is decoded, decoded on a blocking thread, and checked by the same code as
//! over HTTP.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::{Buf, BufMut, Bytes};
use exhibit_capture::Encoding;
use exhibit_recorder::Caller;
use futures_util::StreamExt;
use parking_lot::Mutex;
use prost::Message;
use tonic::{
    Status,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, UnaryService},
};

use super::{
    Signal, http, labels,
    status::{RpcStatus, code},
};
use crate::{
    app::Shared,
    auth::{self, Ask, Ingest, Peer},
    body::{Received, Share},
    problem::Problem,
};

/// Largest request message: far above gRPC's default of 4 MiB, which real exporters exceed.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The services, with gRPC's own answer for unknown ones.
pub(crate) fn router() -> Router<Shared> {
    services().fallback(|| async {
        Status::unimplemented("there is no such service; this is OTLP/gRPC").into_http::<Body>()
    })
}

/// The services alone.
pub(crate) fn services() -> Router<Shared> {
    const BASE: &str = "/opentelemetry.proto.collector";
    Router::new()
        .route(
            &format!("{BASE}.trace.v1.TraceService/Export"),
            post(|app, request| export(app, request, Signal::Traces)),
        )
        .route(
            &format!("{BASE}.logs.v1.LogsService/Export"),
            post(|app, request| export(app, request, Signal::Logs)),
        )
        .route(
            &format!("{BASE}.metrics.v1.MetricsService/Export"),
            post(|app, request| export(app, request, Signal::Metrics)),
        )
}

async fn export(State(app): State<Shared>, request: Request, signal: Signal) -> Response {
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().map(|p| p.0);
    let ask = Ask { headers: &parts.headers, method: &parts.method, uri: None, peer };
    let caller = match auth::authorise::<Ingest>(&app, &ask).await {
        Ok(caller) => caller,
        Err(problem) => return status(&problem).into_http::<Body>().into_response(),
    };
    let max = MESSAGE_BYTES_MAX.min(app.recorder.limits().body_inflated_bytes_max);
    let share = Arc::new(Mutex::new(Some(app.budget.share())));
    let body = metered(body, Arc::clone(&share));
    let service = Export { labels: labels(&parts.headers), app, caller, signal, share };
    let request = axum::http::Request::from_parts(parts, body);
    Grpc::new(Raw)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(max)
        .unary(service, request)
        .await
        .map(Body::new)
}

/// A body that draws on the budget as it arrives.
#[allow(clippy::result_large_err, reason = "tonic looks for its own status in a body's error")]
fn metered(body: Body, share: Arc<Mutex<Option<Share>>>) -> Body {
    Body::from_stream(body.into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(|_| Status::cancelled("the request broke off"))?;
        match share.lock().as_mut().map(|share| share.grow(chunk.len())) {
            Some(Err(problem)) => Err(status(&problem)),
            _ => Ok(chunk),
        }
    }))
}

struct Export {
    app: Shared,
    caller: Caller,
    signal: Signal,
    labels: Vec<(String, String)>,
    share: Arc<Mutex<Option<Share>>>,
}

impl UnaryService<Bytes> for Export {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (app, caller, signal) = (Arc::clone(&self.app), self.caller.clone(), self.signal);
        let labels = std::mem::take(&mut self.labels);
        let share = self.share.lock().take().unwrap_or_else(|| app.budget.share());
        Box::pin(async move {
            let received = Received::whole(request.into_inner(), share).map_err(|p| status(&p))?;
            let outcome =
                super::record(&app, &caller, signal, Encoding::Protobuf, labels, received)
                    .await
                    .map_err(|problem| status(&problem))?;
            Ok(tonic::Response::new(http::encode(signal, outcome).into()))
        })
    }
}

/// A problem as gRPC says it, with `RetryInfo` where asking again makes sense.
fn status(problem: &Problem) -> Status {
    let details = RpcStatus::of(problem);
    let bytes =
        if details.details.is_empty() { Bytes::new() } else { details.encode_to_vec().into() };
    let mut headers = HeaderMap::new();
    if let Ok(name) = HeaderValue::from_str(problem.code) {
        headers.insert("exhibit-problem", name);
    }
    let metadata = tonic::metadata::MetadataMap::from_headers(headers);
    Status::with_details_and_metadata(code(problem), &problem.detail, bytes, metadata)
}

/// Messages as they are on the wire.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = input.remaining();
        Ok(Some(input.copy_to_bytes(length)))
    }
}
