//! A decoded OTLP span before it is checked, whatever its encoding was.

use std::sync::Arc;

use exhibit_model::{
    Attribute, Door, Event, Flag, InstrumentationScope, Json, JsonMap, Link, Nanos, Resource, Span,
    SpanId, Status, TraceId, limits,
};

use crate::{
    Context, DecodeError, Decoded, Rejected,
    dialect::{native, registry},
    ids, read,
};

/// A span as it stands in the request.
#[derive(Debug, Default)]
pub(super) struct RawSpan {
    pub(super) trace_id: ids::Bytes<16>,
    pub(super) span_id: ids::Bytes<8>,
    pub(super) parent_id: ids::Bytes<8>,
    pub(super) name: String,
    /// Nanoseconds; 0 when absent.
    pub(super) start: u64,
    /// Nanoseconds; 0 when absent.
    pub(super) end: u64,
    /// 0 unset, 1 ok, 2 error.
    pub(super) code: i32,
    pub(super) message: String,
    /// 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub(super) kind: i32,
    pub(super) trace_state: String,
    pub(super) dropped: u32,
    pub(super) attributes: Vec<Attribute>,
    pub(super) events: Vec<Event>,
    pub(super) links: Vec<Link>,
    pub(super) odd: Oddities,
}

/// What was odd and repaired while the values were read.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Oddities {
    pub(super) invalid_text: bool,
    pub(super) repeated_key: bool,
    pub(super) number_as_text: bool,
    /// Bytes of all texts so far.
    pub(super) bytes: usize,
}

/// Collects the spans of a request.
pub(super) struct Collector<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) decoded: Decoded,
    /// Entries seen so far, good or bad.
    index: usize,
    /// The last trace id, shared by the spans of a trace.
    last: Option<([u8; 16], TraceId)>,
    labels: Vec<Attribute>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self { context, decoded: Decoded::default(), index: 0, last: None, labels: labels(context) }
    }

    /// Counts one entry; refuses the request when it has too many.
    pub(super) fn next(&mut self) -> Result<usize, DecodeError> {
        let max = self.context.limits.spans_per_request_max;
        if self.index >= max {
            return Err(DecodeError::TooMany { what: "spans or records", max });
        }
        self.index += 1;
        Ok(self.index - 1)
    }

    /// Takes in a span, or rejects it.
    pub(super) fn take(
        &mut self,
        index: usize,
        pointer: impl FnOnce() -> String,
        raw: RawSpan,
        resource: &Arc<Resource>,
        scope: &Arc<InstrumentationScope>,
    ) {
        let ids = (raw.trace_id, raw.span_id);
        let refused = check(&raw, self.context).err().map(|fault| (fault, raw.sample()));
        let (fault, body) = match refused {
            Some((fault, body)) => (fault, Some(body)),
            None => match self.finish(raw, resource, scope) {
                Ok(span) => return self.decoded.spans.push(span),
                Err(fault) => (fault, None),
            },
        };
        self.reject(index, pointer() + fault.0, fault.1, ids);
        if let Some(last) = self.decoded.rejected.last_mut() {
            last.body = body;
        }
    }

    /// Names an entry that is refused.
    pub(super) fn reject(
        &mut self,
        index: usize,
        pointer: String,
        reason: String,
        ids: (ids::Bytes<16>, ids::Bytes<8>),
    ) {
        self.decoded.rejected.push(Rejected {
            index,
            pointer,
            reason,
            trace_id: ids.0.map(hex::encode),
            span_id: ids.1.map(hex::encode),
            body: None,
        });
    }

    fn trace_id(&mut self, bytes: [u8; 16]) -> Option<TraceId> {
        if let Some((last, id)) = &self.last
            && *last == bytes
        {
            return Some(id.clone());
        }
        let id = ids::trace(bytes)?;
        self.last = Some((bytes, id.clone()));
        Some(id)
    }

    fn finish(
        &mut self,
        raw: RawSpan,
        resource: &Arc<Resource>,
        scope: &Arc<InstrumentationScope>,
    ) -> Result<Span, (&'static str, String)> {
        let trace_id = raw.trace_id.and_then(|id| self.trace_id(id));
        let span_id = raw.span_id.and_then(ids::span);
        let (mut span, derived) = match (trace_id, span_id) {
            (Some(trace_id), Some(span_id)) => (Span::new(trace_id, span_id, Door::Otlp), None),
            (trace_id, span_id) => {
                let flags = (trace_id.is_none(), span_id.is_none());
                let (trace_id, span_id) = derive(&raw, trace_id, span_id).ok_or_else(|| {
                    ("/spanId", "the span has no usable id and none could be derived".to_owned())
                })?;
                (Span::new(trace_id, span_id, Door::Otlp), Some(flags))
            }
        };
        if let Some((trace, span_missing)) = derived {
            if trace {
                span.flag(Flag::TraceIdDerived);
            }
            if span_missing {
                span.flag(Flag::SpanIdDerived);
            }
        }
        self.fill(&mut span, raw, resource, scope);
        registry().recast(&mut span);
        Ok(span)
    }

    fn fill(
        &self,
        span: &mut Span,
        raw: RawSpan,
        resource: &Arc<Resource>,
        scope: &Arc<InstrumentationScope>,
    ) {
        span.received = self.context.received;
        span.parent_id = raw.parent_id.and_then(ids::span);
        span.attributes = raw.attributes;
        span.events = raw.events;
        span.links = raw.links;
        span.resource = Arc::clone(resource);
        span.scope = Arc::clone(scope);
        span.start = stamp(raw.start);
        span.end = stamp(raw.end);
        let mut odd = raw.odd;
        span.name = text(raw.name, &mut odd).map(|name| name_of(name, span));
        span.status_message = text(raw.message, &mut odd);
        span.status = match (raw.code, span.end.is_some()) {
            (2, _) => Status::Error,
            (1, _) | (_, true) => Status::Ok,
            // No end and no status: a snapshot of a span that is still open.
            _ => Status::Running,
        };
        if span.status.is_terminal() && span.end.is_none() {
            span.flag(Flag::EndMissing);
            span.end = Some(self.context.received);
        }
        if raw.code == 1 {
            push(span, native::STATED_STATUS, "ok");
        }
        if let Some(kind) = kind_word(raw.kind) {
            push(span, native::OTLP_KIND, kind);
        }
        if !raw.trace_state.is_empty() {
            push(span, native::OTLP_TRACE_STATE, raw.trace_state);
        }
        if raw.dropped > 0 {
            push(span, native::OTLP_DROPPED, raw.dropped);
        }
        span.attributes.extend(self.labels.iter().cloned());
        for (set, flag) in [
            (odd.invalid_text, Flag::InvalidText),
            (odd.repeated_key, Flag::RepeatedKey),
            (odd.number_as_text, Flag::NumberAsText),
        ] {
            if set {
                span.flag(flag);
            }
        }
    }
}

/// Whether a span keeps within the bounds of one span.
fn check(raw: &RawSpan, context: &Context) -> Result<(), (&'static str, String)> {
    let limits = context.limits;
    if raw.attributes.len() > limits.attributes_per_span_max {
        let max = limits.attributes_per_span_max;
        return Err(("/attributes", format!("a span has at most {max} attributes; send fewer")));
    }
    if raw.events.len() + raw.links.len() > limits.events_per_span_max {
        let max = limits.events_per_span_max;
        return Err(("/events", format!("a span has at most {max} events and links")));
    }
    let bytes = raw.odd.bytes + raw.name.len() + raw.message.len();
    if bytes > limits.span_bytes_max {
        let max = limits.span_bytes_max;
        return Err(("", format!("the span holds {bytes} bytes of text, at most {max} are kept")));
    }
    Ok(())
}

impl RawSpan {
    /// What a dead letter shows of a span that breaks a bound: its name and first attributes.
    fn sample(&self) -> Json {
        const SHOWN: usize = 32;
        let attributes = self.attributes.iter().take(SHOWN);
        let attributes: JsonMap = attributes.map(|a| (a.key.clone(), a.value.clone())).collect();
        serde_json::json!({ "name": self.name, "attributes": attributes })
    }
}

/// What a request's headers say, as attributes of each span.
pub(crate) fn labels(context: &Context) -> Vec<Attribute> {
    context
        .labels
        .iter()
        .map(|(name, value)| {
            let mut value = value.replace('\0', "\u{FFFD}");
            read::cut(&mut value, limits::NAME_CHARS_MAX);
            Attribute::new(format!("{}{name}", native::LABEL_PREFIX), value)
        })
        .collect()
}

fn push(span: &mut Span, key: &str, value: impl Into<exhibit_model::Json>) {
    if span.attribute(key).is_none() {
        span.attributes.push(Attribute::new(key, value));
    }
}

fn text(mut text: String, odd: &mut Oddities) -> Option<String> {
    odd.invalid_text |= read::scrub(&mut text);
    (!text.is_empty()).then_some(text)
}

fn name_of(mut name: String, span: &mut Span) -> String {
    if read::cut(&mut name, limits::NAME_CHARS_MAX) {
        span.flag(Flag::NameCut);
    }
    name
}

/// 0 means unknown; a stamp beyond the year 2262 does not fit and is as good as unknown.
pub(super) fn stamp(nanos: u64) -> Option<Nanos> {
    i64::try_from(nanos).ok().filter(|n| *n > 0).map(Nanos)
}

fn kind_word(kind: i32) -> Option<&'static str> {
    Some(match kind {
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => return None,
    })
}

/// Ids for a span that has none, from what it holds: a retry gives the same ids.
fn derive(
    raw: &RawSpan,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
) -> Option<(TraceId, SpanId)> {
    let content = serde_json::to_string(&serde_json::json!([
        raw.name,
        raw.start,
        raw.end,
        raw.code,
        raw.message,
        raw.parent_id,
        raw.span_id,
        raw.attributes.iter().map(|a| (&a.key, &a.value)).collect::<Vec<_>>(),
        raw.events,
        raw.links,
    ]))
    .unwrap_or_default();
    let trace_id = match trace_id {
        Some(id) => id,
        None => TraceId::new(&ids::digest_hex(&["trace", &content], 16)).ok()?,
    };
    let span_id = match span_id {
        Some(id) => id,
        None => SpanId::new(&ids::digest_hex(&["span", trace_id.as_str(), &content], 8)).ok()?,
    };
    Some((trace_id, span_id))
}
