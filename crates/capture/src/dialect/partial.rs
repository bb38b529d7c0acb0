//! Spans that are still open, sent as log records whose body is an OTLP span: JSON text, a JSON
//! value, or base64 protobuf.

use base64::{Engine, engine::general_purpose::STANDARD};
use exhibit_model::{Json, Span, Status};

use super::{
    log::Record,
    rule::{Dialect, Rule},
};
use crate::{Context, Encoding, otlp};

pub(super) static DIALECT: Dialect =
    Dialect { log: Some(log), ..Dialect::new("partial-span", RULES) };

const RULES: &[Rule] = &[];

fn log(record: &Record, context: &Context) -> Option<Vec<Span>> {
    let mark = record.text("partial.event")?;
    let decoded = match record.body.as_ref()? {
        Json::String(text) if text.trim_start().starts_with('{') => {
            otlp::traces(text.as_bytes(), Encoding::Json, context).ok()?
        }
        Json::String(text) => {
            let bytes = STANDARD.decode(text.trim()).ok()?;
            otlp::traces(&bytes, Encoding::Protobuf, context).ok()?
        }
        Json::Object(map) => {
            if let Some(text) = map.get("$bytes").and_then(Json::as_str) {
                let bytes = STANDARD.decode(text).ok()?;
                otlp::traces(&bytes, Encoding::Protobuf, context).ok()?
            } else {
                let text = serde_json::to_vec(map).ok()?;
                otlp::traces(&text, Encoding::Json, context).ok()?
            }
        }
        _ => return None,
    };
    let mut spans = decoded.spans;
    if mark != "stop" {
        for span in &mut spans {
            span.status = Status::Running;
            span.end = None;
        }
    }
    (!spans.is_empty()).then_some(spans)
}
