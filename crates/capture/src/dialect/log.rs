//! Log records that stand for spans: coding agents report their steps as events without span ids.
//!
//! Such steps get a synthetic trace per session and prompt. All of them name the same parent, the
//! turn. Nobody sends it, so each step brings its part of it along: merged, the turn reaches from the
//! first step to the last (see [`Flag::Gathered`]).

use std::sync::Arc;

use exhibit_model::{
    Attribute, Door, Flag, InstrumentationScope, Json, Nanos, Resource, Span, SpanId, Status,
    TraceId,
};

use crate::{Context, ids, read};

/// A log record, decoded.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The event's name, wherever it stood; empty when it has none.
    pub(crate) name: String,
    /// When it happened, by the client's clock; 0 when unknown.
    pub(crate) time: Nanos,
    /// Its attributes.
    pub(crate) attributes: Vec<Attribute>,
    /// Its body.
    pub(crate) body: Option<Json>,
    /// The trace it was written in.
    pub(crate) trace_id: Option<TraceId>,
    /// The span it was written in.
    pub(crate) span_id: Option<SpanId>,
    /// What describes the sender.
    pub(crate) resource: Arc<Resource>,
    /// The instrumentation.
    pub(crate) scope: Arc<InstrumentationScope>,
    /// Some of its text was not valid and was replaced.
    pub(crate) invalid_text: bool,
}

/// Makes spans of a record, or declines it.
pub(crate) type LogReader = fn(&Record, &Context) -> Option<Vec<Span>>;

impl Record {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, key: &str) -> Option<&Json> {
        self.attributes.iter().find(|a| a.key == key).map(|a| &a.value)
    }

    /// The text of an attribute, numbers included.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.attribute(key).and_then(read::text)
    }

    /// The text of an attribute of the resource.
    pub(crate) fn resource_text(&self, key: &str) -> Option<&str> {
        self.resource.attributes.get(key).and_then(Json::as_str)
    }

    /// The time that stands for the record.
    pub(crate) fn at(&self, context: &Context) -> Nanos {
        if self.time.0 > 0 { self.time } else { context.received }
    }
}

/// A finished step of a turn, as a span of the turn's synthetic trace.
pub(crate) struct Step<'a> {
    /// The dialect: keeps the ids of two agents apart.
    pub(crate) dialect: &'static str,
    /// The session or conversation.
    pub(crate) session: &'a str,
    /// The prompt within it; empty where the agent does not say.
    pub(crate) turn: &'a str,
    /// The span's name.
    pub(crate) name: String,
    /// How long it took, where it says so.
    pub(crate) duration_ms: Option<f64>,
    /// Whether it failed.
    pub(crate) failed: bool,
    /// Why.
    pub(crate) message: Option<String>,
}

impl Step<'_> {
    /// The step and its part of the turn.
    pub(crate) fn spans(self, record: &Record, context: &Context) -> Option<Vec<Span>> {
        let (dialect, session) = (self.dialect, self.session.to_owned());
        let step = self.span(record, context)?;
        // A record written inside a real span hangs on that.
        if record.span_id.is_some() {
            return Some(vec![step]);
        }
        let mut turn = Span::new(step.trace_id.clone(), step.parent_id.clone()?, Door::Otlp);
        turn.name = Some(format!("{dialect} turn"));
        (turn.start, turn.end) = (step.start, step.end);
        turn.status = Status::Ok;
        turn.received = context.received;
        for (name, value) in
            [("span_type", "agent"), ("agent_name", dialect), ("session_id", session.as_str())]
        {
            let key = format!("{}{name}", super::native::PREFIX);
            turn.attributes.push(Attribute::new(key, value));
        }
        turn.resource = Arc::clone(&record.resource);
        turn.flag(Flag::Gathered);
        Some(vec![step, turn])
    }

    /// The span. Its id is derived from the record, so that a retry is the same span.
    fn span(self, record: &Record, context: &Context) -> Option<Span> {
        let end = record.at(context);
        let trace_id = match &record.trace_id {
            Some(id) => id.clone(),
            None => {
                TraceId::new(&ids::digest_hex(&[self.dialect, self.session, self.turn], 16)).ok()?
            }
        };
        let parent = if let Some(id) = &record.span_id {
            id.clone()
        } else {
            let turn = [self.dialect, "turn", self.session, self.turn];
            SpanId::new(&ids::digest_hex(&turn, 8)).ok()?
        };
        let seed = serde_json::to_string(&serde_json::json!([
            self.dialect,
            self.session,
            self.turn,
            record.name,
            record.time.0,
            record.attributes.iter().map(|a| (&a.key, &a.value)).collect::<Vec<_>>(),
        ]))
        .unwrap_or_default();
        let span_id = SpanId::new(&ids::digest_hex(&[&seed], 8)).ok()?;
        let mut span = Span::new(trace_id, span_id, Door::Otlp);
        span.parent_id = Some(parent);
        span.name = Some(self.name);
        let nanos = self.duration_ms.filter(|d| d.is_finite() && *d >= 0.0).unwrap_or(0.0) * 1e6;
        span.start = Some(Nanos(end.0.saturating_sub(nanos as i64)));
        span.end = Some(end);
        span.status = if self.failed { Status::Error } else { Status::Ok };
        span.status_message = self.message;
        span.received = context.received;
        span.attributes.clone_from(&record.attributes);
        if record.attribute("event.name").is_none() {
            span.attributes.push(Attribute::new("event.name", record.name.clone()));
        }
        span.resource = Arc::clone(&record.resource);
        span.scope = Arc::clone(&record.scope);
        if record.invalid_text {
            span.flag(Flag::InvalidText);
        }
        Some(span)
    }
}

/// A number of milliseconds.
pub(crate) fn millis(record: &Record, key: &str) -> Option<f64> {
    record.attribute(key).and_then(read::number)
}

/// Whether the record says `success=false`.
pub(crate) fn unsuccessful(record: &Record) -> bool {
    record.text("success").is_some_and(|s| s.eq_ignore_ascii_case("false"))
}

/// The number that a coding agent gives each event of a session: a missing one is a lost event.
pub(crate) fn sequence(span: &Span) -> Option<u64> {
    read::count(span.attribute("event.sequence")?).ok().flatten()
}
