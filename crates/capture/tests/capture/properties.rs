//! What holds for every input.

use exhibit_capture::{Encoding, content, map, native, otlp, previews};
use exhibit_model::{Attribute, Door, Event, Nanos, Span, SpanId, TraceId, record};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Map, Value, json};

use crate::{
    otlp::{proto_request, proto_span},
    support::{NOW, with},
};

fn all_doors(body: &[u8]) {
    with(|c| {
        let mut mint = || (TraceId::new("t").unwrap(), SpanId::new("s").unwrap());
        let simple = native::simple_trace(body, c, &mut mint).map(|s| vec![s.span]);
        let mut spans: Vec<Span> = simple.unwrap_or_default();
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            for door in [otlp::traces, otlp::logs, otlp::metrics] {
                spans.extend(door(body, encoding, c).map(|d| d.spans).unwrap_or_default());
            }
        }
        for door in [native::span_batch, native::trace_registration] {
            spans.extend(door(body, c).map(|d| d.spans).unwrap_or_default());
        }
        for mut span in spans {
            map(&mut span);
            let _ = (content(&span), previews(&span), native::fields(&span));
        }
    });
}

/// JSON of any shape, with words that the decoders look for.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 64.0)),
        "\\PC{0,8}".prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(WORDS).prop_map(str::to_owned), "[a-z.]{1,6}".prop_map(|s| s)]
}

const WORDS: &[&str] = &[
    "resourceSpans",
    "scopeSpans",
    "spans",
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    "attributes",
    "key",
    "value",
    "stringValue",
    "intValue",
    "arrayValue",
    "values",
    "kvlistValue",
    "traceId",
    "spanId",
    "name",
    "status",
    "code",
    "events",
    "links",
    "batch",
    "trace",
    "trace_id",
    "span_id",
    "tool_calls",
    "result",
    "tokens_in",
    "cost",
    "start_time",
    "end_time",
    "messages",
    "role",
    "content",
    "parts",
    "type",
    "text",
    "tool_call",
    "function",
    "arguments",
    "choices",
    "message",
    "metrics",
    "promptTokens",
    "requestId",
    "model",
    "input",
    "output",
    "metadata",
    "kwargs",
    "id",
    "body",
    "event.name",
    "gen_ai.choice",
    "running",
    "ok",
    "1800000000",
];

const KEYS: &[&str] = &[
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.prompt.0.content",
    "gen_ai.prompt.10.role",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "llm.input_messages.0.message.content",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id",
    "llm.invocation_parameters",
    "metadata",
    "tag.tags",
    "input.value",
    "output.value",
    "langfuse.observation.usage_details",
    "langfuse.observation.type",
    "ai.response.providerMetadata",
    "ai.response.toolCalls",
    "mlflow.chat.tokenUsage",
    "openinference.span.kind",
    "tool.name",
    "error.type",
    "session.id",
    "exhibit.span_type",
    "exhibit.tool_calls",
    "events",
    "span.type",
    "mcp.method.name",
    "custom.key",
    "retrieval.documents.0.document.content",
];

fn any_span() -> impl Strategy<Value = Span> {
    let attributes = prop::collection::btree_map(
        prop::sample::select(KEYS),
        prop_oneof![any_json(), any_json().prop_map(|v| Value::String(v.to_string()))],
        0..12,
    );
    let events = prop::collection::vec(
        (
            prop::sample::select(
                &[
                    "gen_ai.user.message",
                    "gen_ai.choice",
                    "exception",
                    "gen_ai.client.inference.operation.details",
                    "x",
                ][..],
            ),
            any_json(),
        ),
        0..4,
    );
    (attributes, events, any::<i64>(), any::<i64>()).prop_map(|(attributes, events, start, end)| {
        let mut span = Span::new(TraceId::new("t").unwrap(), SpanId::new("s").unwrap(), Door::Otlp);
        span.attributes = attributes.into_iter().map(|(k, v)| Attribute::new(k, v)).collect();
        span.events = events
            .into_iter()
            .map(|(name, body)| Event {
                name: name.to_owned(),
                time: Nanos(1),
                attributes: body.as_object().cloned().unwrap_or_default(),
                body: Some(body),
            })
            .collect();
        (span.start, span.end, span.received) = (Some(Nanos(start)), Some(Nanos(end)), NOW);
        span
    })
}

proptest! {
    #[test]
    fn no_door_panics_on_bytes(body in prop::collection::vec(any::<u8>(), 0..400)) {
        all_doors(&body);
    }

    #[test]
    fn no_door_panics_on_json(body in any_json()) {
        all_doors(body.to_string().as_bytes());
    }

    #[test]
    fn no_door_panics_on_spans_of_any_shape(entry in any_json()) {
        for body in [
            json!({"resourceSpans": [{"scopeSpans": [{"spans": [entry]}]}]}),
            json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [entry]}]}]}),
            json!({"batch": [entry]}),
            json!({"trace": entry}),
        ] {
            all_doors(body.to_string().as_bytes());
        }
    }

    #[test]
    fn no_door_panics_on_a_damaged_request(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = proto_request(vec![proto_span(), proto_span()]).encode_to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        all_doors(&body);
        all_doors(&body[..at]);
    }

    #[test]
    fn mapping_is_idempotent_and_survives_storage(mut span in any_span()) {
        map(&mut span);
        let once = record::encode(&span);
        map(&mut span);
        prop_assert_eq!(&once, &record::encode(&span));
        let mut stored = record::decode(once.slices()).unwrap();
        map(&mut stored);
        prop_assert_eq!(&once.0[0], &record::encode(&stored).0[0]);
        prop_assert_eq!(content(&stored), content(&span));
    }

    #[test]
    fn mapping_does_not_depend_on_the_order_of_attributes(mut span in any_span()) {
        let mut turned = span.clone();
        turned.attributes.reverse();
        map(&mut span);
        map(&mut turned);
        prop_assert_eq!(&record::encode(&span).0[0], &record::encode(&turned).0[0]);
    }

    #[test]
    fn native_fields_read_back_as_they_were_sent(
        span_type in "[a-z_]{1,10}", model in "[ -~]{1,20}", input in any_json(), output in any_json(),
        tokens_in in 0u64..1_000_000, tokens_out in 0u64..1_000_000, cents in 0u32..100_000,
        attributes in prop::collection::btree_map("[a-z]{1,5}\\.[a-z]{1,5}", any_json(), 0..5),
    ) {
        let cost = f64::from(cents) / 10_000.0;
        let sent = json!({
            "span_id": "s", "trace_id": "t", "name": "n", "span_type": span_type, "model": model,
            "input": input, "output": output, "tokens_in": tokens_in, "tokens_out": tokens_out,
            "cost": cost, "status": "error", "attributes": attributes,
        });
        let body = json!({"batch": [sent]}).to_string();
        let sent: Value = serde_json::from_str::<Value>(&body).unwrap()["batch"][0].clone();
        let mut decoded = with(|c| native::span_batch(body.as_bytes(), c)).unwrap();
        let mut span = decoded.spans.remove(0);
        map(&mut span);
        let back = native::fields(&span);
        for (name, value) in sent.as_object().unwrap() {
            prop_assert_eq!(back.get(name), Some(value), "{}", name);
        }
    }
}
