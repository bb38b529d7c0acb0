//! Reads from a 2xx answer how many spans were refused.

/// Spans rejected by an `ExportTraceServiceResponse` in protobuf: field 1 `partial_success`, in it
/// field 1 `rejected_spans`. An answer that cannot be read rejects nothing.
pub fn rejected_otlp(body: &[u8]) -> u64 {
    field(body, 1)
        .and_then(|value| match value {
            Value::Bytes(partial) => field(partial, 1),
            Value::Number(_) => None,
        })
        .map_or(0, |value| match value {
            Value::Number(rejected) => rejected,
            Value::Bytes(_) => 0,
        })
}

/// Spans rejected by the native API: the length of `rejected`, or its number.
pub fn rejected_native(body: &[u8]) -> u64 {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let rejected = answer.get("rejected").or_else(|| answer.get("data")?.get("rejected"));
    match rejected {
        Some(serde_json::Value::Array(list)) => list.len() as u64,
        Some(number) => number.as_u64().unwrap_or(0),
        None => 0,
    }
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The first field of that number in a protobuf message.
fn field(mut message: &[u8], wanted: u64) -> Option<Value<'_>> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => Value::Bytes(split(&mut message, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(split(&mut message, length)?)
            }
            5 => Value::Bytes(split(&mut message, 4)?),
            _ => return None,
        };
        if tag >> 3 == wanted {
            return Some(value);
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn split<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message;

    use super::{rejected_native, rejected_otlp};

    #[test]
    fn rejected_spans_are_read_from_either_protocol() {
        let answer = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: 300,
                error_message: "two names".into(),
            }),
        };
        assert_eq!(rejected_otlp(&answer.encode_to_vec()), 300);
        assert_eq!(rejected_otlp(b""), 0);
        assert_eq!(rejected_native(br#"{"accepted":1,"rejected":[{"index":0},{"index":2}]}"#), 2);
        assert_eq!(rejected_native(br#"{"data":{"rejected":3}}"#), 3);
        assert_eq!(rejected_native(b"no json"), 0);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_fail(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            rejected_otlp(&body);
            rejected_native(&body);
        }
    }
}
