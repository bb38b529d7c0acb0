//! OTLP in both encodings.

use exhibit_capture::{
    Context, Encoding, map, native,
    otlp::{
        self, ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest,
    },
};
use exhibit_model::{Flag, Limits, Nanos, Span, Status};
use opentelemetry_proto::tonic::{
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
    },
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span as ProtoSpan, Status as ProtoStatus, span},
};
use prost::Message;
use serde_json::json;

use crate::support::{NOW, SPAN, TRACE, otlp_span, request, traces, with};

fn pair(key: &str, v: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(v) }), ..Default::default() }
}

pub(crate) fn proto_span() -> ProtoSpan {
    ProtoSpan {
        trace_id: hex::decode(TRACE).unwrap(),
        span_id: hex::decode(SPAN).unwrap(),
        parent_span_id: vec![0; 8],
        name: "chat".into(),
        kind: 3,
        start_time_unix_nano: 1_800_000_000_000_000_000,
        end_time_unix_nano: 1_800_000_001_500_000_000,
        attributes: vec![
            pair("gen_ai.request.model", Value::StringValue("m".into())),
            pair("n", Value::IntValue(-7)),
            pair("d", Value::DoubleValue(0.5)),
            pair("nan", Value::DoubleValue(f64::NAN)),
            pair("b", Value::BoolValue(true)),
            pair("bytes", Value::BytesValue(vec![1, 2, 255])),
            pair(
                "list",
                Value::ArrayValue(ArrayValue {
                    values: vec![
                        AnyValue { value: Some(Value::StringValue("x".into())) },
                        AnyValue { value: None },
                    ],
                }),
            ),
            pair(
                "map",
                Value::KvlistValue(KeyValueList { values: vec![pair("k", Value::IntValue(1))] }),
            ),
        ],
        events: vec![span::Event {
            time_unix_nano: 1_800_000_000_000_000_007,
            name: "e".into(),
            attributes: vec![pair("a", Value::IntValue(1))],
            ..Default::default()
        }],
        links: vec![span::Link {
            trace_id: vec![7; 16],
            span_id: vec![9; 8],
            ..Default::default()
        }],
        status: Some(ProtoStatus { code: 2, message: "boom".into() }),
        ..Default::default()
    }
}

pub(crate) fn proto_request(spans: Vec<ProtoSpan>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![pair("service.name", Value::StringValue("svc".into()))],
                ..Default::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope { name: "lib".into(), ..Default::default() }),
                spans,
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

fn proto(spans: Vec<ProtoSpan>) -> exhibit_capture::Decoded {
    let body = proto_request(spans).encode_to_vec();
    with(|c| otlp::traces(&body, Encoding::Protobuf, c)).unwrap()
}

fn one(span: ProtoSpan) -> Span {
    let mut span = proto(vec![span]).spans.remove(0);
    map(&mut span);
    span
}

#[test]
fn a_protobuf_span_keeps_everything_it_says() {
    let span = one(proto_span());
    assert_eq!((span.trace_id.as_str(), span.span_id.as_str()), (TRACE, SPAN));
    assert_eq!((span.parent_id.clone(), span.status), (None, Status::Error));
    assert_eq!(span.status_message.as_deref(), Some("boom"));
    assert_eq!(span.duration(), Some(Nanos(1_500_000_000)));
    assert_eq!(span.service.as_deref(), Some("svc"));
    assert_eq!(span.model.as_deref(), Some("m"));
    let attribute = |key: &str| span.attribute(key).cloned().unwrap();
    assert_eq!(attribute("n"), json!(-7));
    assert_eq!(attribute("d"), json!(0.5));
    assert_eq!(attribute("nan"), json!("NaN"));
    assert_eq!(attribute("bytes"), json!({"$bytes": "AQL/"}));
    assert_eq!(attribute("list"), json!(["x", null]));
    assert_eq!(attribute("map"), json!({"k": 1}));
    assert_eq!(attribute("exhibit.otlp_kind"), json!("client"));
    assert_eq!(span.events[0].attributes["a"], 1);
    assert_eq!(span.links[0].trace_id.as_str(), "07".repeat(16));
    assert!(span.flags.is_empty(), "{:?}", span.flags);
}

#[test]
fn json_and_protobuf_give_the_same_span() {
    let text = json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]},
        "scopeSpans": [{"scope": {"name": "lib"}, "spans": [{
            "traceId": TRACE.to_uppercase(), "spanId": SPAN, "parentSpanId": "", "name": "chat",
            "kind": "SPAN_KIND_CLIENT", "startTimeUnixNano": "1800000000000000000",
            "endTimeUnixNano": 1_800_000_001_500_000_000i64,
            "attributes": [
                {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
                {"key": "n", "value": {"intValue": "-7"}},
                {"key": "d", "value": {"doubleValue": 0.5}},
                {"key": "nan", "value": {"doubleValue": "NaN"}},
                {"key": "b", "value": {"boolValue": true}},
                {"key": "bytes", "value": {"bytesValue": "AQL/"}},
                {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {}]}}},
                {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 1}}]}}},
            ],
            "events": [{"timeUnixNano": "1800000000000000007", "name": "e",
                "attributes": [{"key": "a", "value": {"intValue": "1"}}]}],
            "links": [{"traceId": "07".repeat(16), "spanId": "09".repeat(8)}],
            "status": {"code": "STATUS_CODE_ERROR", "message": "boom"},
        }]}]
    }]});
    let mut from_json = traces(&text).spans.remove(0);
    map(&mut from_json);
    let (a, b) = (
        exhibit_model::record::encode(&from_json),
        exhibit_model::record::encode(&one(proto_span())),
    );
    for (a, b) in a.0.iter().zip(&b.0) {
        assert_eq!(String::from_utf8_lossy(a), String::from_utf8_lossy(b));
    }
}

#[test]
fn snake_case_and_base64_ids_are_read_as_well() {
    let text = json!({"resource_spans": [{"scope_spans": [{"spans": [{
        "trace_id": "S/kvNXezTaajzpKdDg5HNg==", "span_id": "APBnqgupArc=", "name": "n",
        "start_time_unix_nano": "1", "end_time_unix_nano": "2",
        "attributes": [{"key": "a", "value": {"string_value": "b"}}]}]}]}]});
    let span = traces(&text).spans.remove(0);
    assert_eq!((span.trace_id.as_str(), span.span_id.as_str()), (TRACE, SPAN));
    assert_eq!(span.attribute("a"), Some(&json!("b")));
}

#[test]
fn missing_ids_are_derived_so_that_a_retry_is_the_same_span() {
    for (trace_id, span_id) in
        [(vec![], vec![]), (vec![0; 16], vec![0; 8]), (vec![1; 3], vec![1; 9])]
    {
        let span = || {
            one(ProtoSpan { trace_id: trace_id.clone(), span_id: span_id.clone(), ..proto_span() })
        };
        let (a, b) = (span(), span());
        assert_eq!((&a.trace_id, &a.span_id), (&b.trace_id, &b.span_id));
        assert_eq!((a.trace_id.as_str().len(), a.span_id.as_str().len()), (32, 16));
        assert!(a.flags.contains(&Flag::TraceIdDerived) && a.flags.contains(&Flag::SpanIdDerived));
    }
    let other = one(ProtoSpan { span_id: vec![], name: "other".into(), ..proto_span() });
    let this = one(ProtoSpan { span_id: vec![], ..proto_span() });
    assert_eq!(this.trace_id.as_str(), TRACE);
    assert_ne!(other.span_id, this.span_id);
}

#[test]
fn of_a_repeated_key_the_last_value_counts() {
    let mut span = proto_span();
    span.attributes.push(pair("n", Value::IntValue(8)));
    let span = one(span);
    assert_eq!(span.attribute("n"), Some(&json!(8)));
    assert_eq!(span.attributes.iter().filter(|a| a.key == "n").count(), 1);
    assert!(span.flags.contains(&Flag::RepeatedKey));
    let many = (0..200).map(|n| pair(&format!("k{n}"), Value::IntValue(n))).collect();
    assert!(
        !one(ProtoSpan { attributes: many, ..proto_span() }).flags.contains(&Flag::RepeatedKey)
    );
}

#[test]
fn a_bad_span_is_named_and_the_others_go_on() {
    let mut request = request("x", json!({}), otlp_span("good", json!({})));
    let spans = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array_mut().unwrap();
    spans.push(json!({"traceId": TRACE, "spanId": SPAN, "attributes": {"a": 1}}));
    spans.push(json!("not a span"));
    spans.push(json!({"traceId": TRACE, "spanId": SPAN, "startTimeUnixNano": -1}));
    spans
        .push(json!({"spanId": SPAN, "attributes": [{"key": "k", "value": {"intValue": "1e99"}}]}));
    spans.push(otlp_span("good too", json!({})));
    let decoded = traces(&request);
    assert_eq!(decoded.spans.len(), 2);
    let at = "/resourceSpans/0/scopeSpans/0/spans";
    let rejected: Vec<_> = decoded.rejected.iter().map(|r| (r.index, r.pointer.clone())).collect();
    assert_eq!(
        rejected,
        [
            (1, format!("{at}/1/attributes")),
            (2, format!("{at}/2")),
            (3, format!("{at}/3/startTimeUnixNano")),
            (4, format!("{at}/4/attributes/0/value/intValue")),
        ]
    );
    assert_eq!(decoded.rejected[0].span_id.as_deref(), Some(SPAN));
}

#[test]
fn a_span_beyond_the_limits_is_rejected_by_name() {
    let limits = Limits {
        attributes_per_span_max: 9,
        span_bytes_max: 10_000,
        events_per_span_max: 2,
        ..Limits::default()
    };
    let context = Context { received: NOW, limits: &limits, labels: &[] };
    let mut many = proto_span();
    many.attributes.extend((0..5).map(|n| pair(&format!("k{n}"), Value::IntValue(n))));
    let mut large = proto_span();
    large.attributes.push(pair("text", Value::StringValue("x".repeat(20_000))));
    let mut eventful = proto_span();
    eventful.events = vec![span::Event::default(); 3];
    let body = proto_request(vec![many, proto_span(), large, eventful]).encode_to_vec();
    let decoded = otlp::traces(&body, Encoding::Protobuf, &context).unwrap();
    assert_eq!(decoded.spans.len(), 1);
    let rejected: Vec<_> = decoded.rejected.iter().map(|r| r.index).collect();
    assert_eq!(rejected, [0, 2, 3]);
    assert!(decoded.rejected[0].pointer.ends_with("/spans/0/attributes"));
}

#[test]
fn a_stated_ok_is_not_overruled_by_evidence_and_an_unset_status_is() {
    let span = |code: i32| {
        one(ProtoSpan {
            status: Some(ProtoStatus { code, message: String::new() }),
            events: vec![span::Event {
                name: "exception".into(),
                attributes: vec![
                    pair("exception.type", Value::StringValue("TimeoutError".into())),
                    pair("exception.message", Value::StringValue("too slow".into())),
                ],
                ..Default::default()
            }],
            ..proto_span()
        })
    };
    let unset = span(0);
    assert_eq!(unset.status, Status::Error);
    assert_eq!(unset.error_type.as_deref(), Some("TimeoutError"));
    assert_eq!(unset.status_message.as_deref(), Some("too slow"));
    assert_eq!(span(1).status, Status::Ok);
}

#[test]
fn labels_of_the_request_become_metadata_of_every_span() {
    let limits = Limits::default();
    let labels = [("project".to_owned(), "blue".to_owned())];
    let context = Context { received: NOW, limits: &limits, labels: &labels };
    let body = proto_request(vec![proto_span()]).encode_to_vec();
    let mut span = otlp::traces(&body, Encoding::Protobuf, &context).unwrap().spans.remove(0);
    map(&mut span);
    assert_eq!(span.metadata["project"], "blue");
    assert!(!span.dialects.contains(&"native".to_owned()));
    assert!(native::fields(&span)["attributes"].get("exhibit.label.project").is_none());
}

#[test]
fn text_with_nul_is_kept_without_it() {
    let mut span = proto_span();
    span.name = "a\0b".into();
    span.attributes.push(pair("k", Value::StringValue("x\0".into())));
    let span = one(span);
    assert_eq!(span.name.as_deref(), Some("a\u{FFFD}b"));
    assert_eq!(span.attribute("k"), Some(&json!("x\u{FFFD}")));
    assert!(span.flags.contains(&Flag::InvalidText));
}

#[test]
fn data_points_are_counted() {
    let points = |n: usize| vec![NumberDataPoint::default(); n];
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![
                    Metric {
                        data: Some(Data::Gauge(Gauge { data_points: points(2) })),
                        ..Default::default()
                    },
                    Metric {
                        data: Some(Data::Sum(Sum { data_points: points(3), ..Default::default() })),
                        ..Default::default()
                    },
                ],
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let body = request.encode_to_vec();
    let decoded = with(|c| otlp::metrics(&body, Encoding::Protobuf, c)).unwrap();
    assert_eq!(decoded.metric_points, 5);
    let text = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "m", "sum": {"dataPoints": [{}, {}]}}, {"gauge": {"dataPoints": [{}]}}]}]}]});
    let decoded = with(|c| otlp::metrics(text.to_string().as_bytes(), Encoding::Json, c)).unwrap();
    assert_eq!(decoded.metric_points, 3);
}

#[test]
fn empty_requests_are_fine() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let body: &[u8] = if encoding == Encoding::Json { b"{}" } else { b"" };
        with(|c| {
            assert!(otlp::traces(body, encoding, c).unwrap().spans.is_empty());
            assert_eq!(otlp::logs(body, encoding, c).unwrap().accepted_other, 0);
            assert_eq!(otlp::metrics(body, encoding, c).unwrap().metric_points, 0);
        });
    }
    let empty = ExportLogsServiceRequest::default();
    assert!(with(|c| otlp::logs_request(empty, c)).unwrap().spans.is_empty());
}
