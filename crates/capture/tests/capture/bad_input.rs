//! Bodies that are damaged, hostile or of another kind: each has its own answer and none panics.

use exhibit_capture::{DecodeError, Encoding, native, otlp};
use prost::Message;
use serde_json::json;

use crate::{
    otlp::{proto_request, proto_span},
    support::{SPAN, TRACE, with},
};

fn json_error(body: &[u8]) -> DecodeError {
    with(|c| otlp::traces(body, Encoding::Json, c)).unwrap_err()
}

fn proto_error(body: &[u8]) -> DecodeError {
    with(|c| otlp::traces(body, Encoding::Protobuf, c)).unwrap_err()
}

#[test]
fn each_defect_of_json_has_its_own_code_and_says_what_to_do() {
    for (body, code) in [
        (&b""[..], "empty-body"),
        (b"{\"resourceSpans\":[", "malformed-json"),
        (b"{\"resourceSpans\":[]} trailing", "malformed-json"),
        (b"{\"resourceSpans\":NaN}", "malformed-json"),
        (b"{\"resourceSpans\":[],\"resourceSpans\":[]}", "duplicate-key"),
        (b"{\"resourceSpans\":[{\"a\":\"\\ud800\"}]}", "lone-surrogate"),
        (b"{\"resourceSpans\":[{\"a\":\"\xff\xfe\"}]}", "invalid-utf8"),
        (b"[]", "wrong-shape"),
        (b"\"text\"", "wrong-shape"),
        (b"{\"model\":\"gpt\"}", "wrong-shape"),
        (b"{\"resourceSpans\":{}}", "wrong-shape"),
        (b"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":3}]}]}", "wrong-shape"),
        (b"{\"resourceSpans\":[{\"resource\":{\"attributes\":[3]}}]}", "invalid-value"),
    ] {
        let error = json_error(body);
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.to_string().is_empty());
    }
    let deep = format!("{{\"resourceSpans\":{}", "[".repeat(100_000));
    assert_eq!(json_error(deep.as_bytes()).code(), "too-deep");
}

#[test]
fn damaged_protobuf_is_named() {
    let body = proto_request(vec![proto_span()]).encode_to_vec();
    assert_eq!(proto_error(&body[..body.len() / 2]).code(), "malformed-protobuf");
    assert_eq!(proto_error(b"{\"resourceSpans\":[]}").code(), "malformed-protobuf");
    assert_eq!(proto_error(&[0xff; 64]).code(), "malformed-protobuf");
    let mut invalid = body;
    let at = invalid.windows(4).position(|w| w == b"chat").unwrap();
    invalid[at] = 0xff;
    assert_eq!(proto_error(&invalid).code(), "invalid-utf8");
}

#[test]
fn one_damaged_span_does_not_take_the_others_with_it() {
    let mut damaged = proto_span();
    damaged.name = "DAMAGED".into();
    let mut body = proto_request(vec![proto_span(), damaged, proto_span()]).encode_to_vec();
    let at = body.windows(7).position(|w| w == b"DAMAGED").unwrap();
    body[at] = 0xff;
    let decoded = with(|c| otlp::traces(&body, Encoding::Protobuf, c)).unwrap();
    assert_eq!(decoded.spans.len(), 2);
    assert_eq!(decoded.rejected.len(), 1);
    assert_eq!(decoded.rejected[0].index, 1);
    assert_eq!(decoded.rejected[0].pointer, "/resourceSpans/0/scopeSpans/0/spans/1");
    assert!(decoded.rejected[0].reason.contains("UTF-8"));
}

/// A length-delimited protobuf field.
fn field(number: u8, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = inner.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(inner);
    bytes
}

#[test]
fn a_small_body_that_would_fill_the_memory_is_refused() {
    let spans = field(2, &field(2, b"").repeat(200_000));
    assert_eq!(proto_error(&field(1, &spans)).code(), "too-many");
    let attributes = field(9, b"").repeat(3_000_000);
    let spans = field(2, &field(2, &attributes));
    assert_eq!(proto_error(&field(1, &spans)).code(), "too-many");
}

#[test]
fn a_value_nested_a_thousand_times_is_refused() {
    let mut value = field(1, b"x");
    for _ in 0..1_000 {
        value = field(5, &field(1, &value));
    }
    let attribute = [field(1, b"k"), field(2, &value)].concat();
    let body = field(1, &field(2, &field(2, &field(9, &attribute))));
    assert_eq!(proto_error(&body).code(), "too-deep");
}

#[test]
fn nested_json_values_are_bounded() {
    let mut value = json!({"stringValue": "x"});
    for _ in 0..60 {
        value = json!({"arrayValue": {"values": [value]}});
    }
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": TRACE, "spanId": SPAN, "attributes": [{"key": "k", "value": value}]}]}]}]});
    assert_eq!(json_error(body.to_string().as_bytes()).code(), "too-deep");
}

#[test]
fn content_nested_without_end_does_not_exhaust_the_stack() {
    for text in [
        "[".repeat(200_000),
        "{\"messages\":".repeat(50_000),
        format!("{}1{}", "{\"content\":[".repeat(30), "]}".repeat(30)),
        format!("{}1{}", "[{\"role\":\"user\",\"content\":".repeat(20), "}]".repeat(20)),
    ] {
        let span = crate::support::mapped(
            "x",
            "n",
            json!({
                "gen_ai.input.messages": text, "langfuse.observation.usage_details": text,
                "metadata": text, "llm.invocation_parameters": text, "gen_ai.request.model": "m",
            }),
        );
        let _ = exhibit_capture::content(&span);
        let _ = exhibit_capture::previews(&span);
        let _ = native::fields(&span);
    }
}
