//! OTLP over gRPC, with tonic's client.

use bytes::{Buf, BufMut, Bytes};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::{
    Code, Request, Response, Status,
    client::Grpc,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

use crate::{bench::Bench, otlp::request};

#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        *self
    }
    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;
    fn encode(&mut self, message: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(&message[..]);
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

async fn channel(bench: &Bench) -> Channel {
    Endpoint::from_shared(format!("http://{}", bench.grpc)).unwrap().connect().await.unwrap()
}

async fn export(
    channel: Channel,
    service: &str,
    metadata: (&'static str, &str),
    body: Vec<u8>,
    compression: Option<CompressionEncoding>,
) -> Result<Response<Bytes>, Status> {
    let mut client = Grpc::new(channel);
    if let Some(encoding) = compression {
        client = client.send_compressed(encoding);
    }
    client.ready().await.unwrap();
    let path = format!("/opentelemetry.proto.collector.{service}/Export");
    let mut request = Request::new(body);
    request.metadata_mut().insert(metadata.0, metadata.1.parse().unwrap());
    client.unary(request, path.parse::<PathAndQuery>().unwrap(), Raw).await
}

#[tokio::test]
async fn traces_logs_and_metrics_are_taken_plain_and_compressed() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let bearer = format!("Bearer {key}");
    for (n, compression) in
        [(1, None), (2, Some(CompressionEncoding::Gzip)), (3, Some(CompressionEncoding::Zstd))]
    {
        let body = request(n, 3).encode_to_vec();
        let channel = channel(&bench).await;
        let answer =
            export(channel, "trace.v1.TraceService", ("authorization", &bearer), body, compression)
                .await
                .unwrap();
        let answer = ExportTraceServiceResponse::decode(answer.into_inner()).unwrap();
        assert_eq!(answer.partial_success, None);
        let id = format!("{n:02x}").repeat(16);
        let trace = bench.get(&format!("/api/v1/traces/{id}")).key(&key).send().await.expect(200);
        assert_eq!(trace["data"]["span_count"], 3);
    }
    for service in ["logs.v1.LogsService", "metrics.v1.MetricsService"] {
        let answer =
            export(channel(&bench).await, service, ("x-api-key", &key), Vec::new(), None).await;
        answer.unwrap();
    }
}

#[tokio::test]
async fn refusals_have_the_codes_that_exporters_know() {
    let bench = Bench::start().await;
    let (key, reader) = (bench.key("ingest").await, bench.key("read").await);
    let body = request(1, 1).encode_to_vec();
    let service = "trace.v1.TraceService";
    for (metadata, body, code) in [
        (("x-api-key", "wrong"), body.clone(), Code::Unauthenticated),
        (("x-other", "nothing"), body.clone(), Code::Unauthenticated),
        (("x-api-key", reader.as_str()), body.clone(), Code::PermissionDenied),
        (("x-api-key", key.as_str()), b"\xff\xff".to_vec(), Code::InvalidArgument),
    ] {
        let status =
            export(channel(&bench).await, service, metadata, body, None).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().len() > 10);
    }
    let unknown = export(channel(&bench).await, "x.v1.X", ("x-api-key", &key), body, None).await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_message_far_above_four_mebibytes_is_taken_and_a_busy_server_says_when_to_come_again() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let mut large = request(1, 1);
    let span = &mut large.resource_spans[0].scope_spans[0].spans[0];
    span.name = "x".into();
    span.trace_state = "y".repeat(6 << 20);
    let service = "trace.v1.TraceService";
    let header = ("x-api-key", key.as_str());
    export(channel(&bench).await, service, header, large.encode_to_vec(), None).await.unwrap();

    let busy = Bench::with(|_, limits| limits.key_requests_per_s = 1).await;
    let key = busy.key("ingest").await;
    let channel = channel(&busy).await;
    let mut refused = None;
    for _ in 0..10 {
        let body = request(1, 1).encode_to_vec();
        let answer = export(channel.clone(), service, ("x-api-key", &key), body, None).await;
        refused = refused.or(answer.err());
    }
    let refused = refused.unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(String::from_utf8_lossy(refused.details()).contains("google.rpc.RetryInfo"));
}
