//! What is being recorded right now, told to whoever watches: over WebSocket (`socket`) and as
//! server-sent events (`sse`). Both tell the same events and resume from the same cursor.

pub(crate) mod socket;
pub(crate) mod sse;

use std::collections::HashSet;

use exhibit_model::{Json, Nanos, Status};
use exhibit_recorder::{LiveEvent, LiveSpan};
use serde_json::json;

use crate::view::{ms, review::ReviewView, trace::Trace};

/// Traces remembered as seen by a watcher, to tell a new one from a changed one.
const SEEN_MAX: usize = 10_000;

/// What a watcher has been told.
#[derive(Default)]
pub(crate) struct Teller {
    seen: HashSet<String>,
    /// Only this trace.
    pub(crate) only: Option<String>,
}

impl Teller {
    /// The messages that an event makes: one about the trace, then one for each span.
    pub(crate) fn tell(&mut self, event: &LiveEvent) -> Vec<Json> {
        let id = event.trace.trace_id.as_str();
        if self.only.as_deref().is_some_and(|only| only != id) {
            return Vec::new();
        }
        if self.seen.len() >= SEEN_MAX {
            self.seen.clear();
        }
        let new = self.seen.insert(id.to_owned());
        let trace = json!(Trace::summary(&event.trace));
        if let Some(review) = &event.review {
            let deed = review.acts.last().map_or("opened", |act| act.deed.as_str());
            return vec![json!({
                "type": format!("review.{deed}"), "cursor": event.sequence,
                "at": event.at.to_rfc3339(), "trace_id": id, "review": ReviewView::of(review),
            })];
        }
        let all_new = event.spans.len() as u64 >= event.trace.span_count;
        let kind = if new && all_new { "trace.created" } else { "trace.updated" };
        let at = event.at.to_rfc3339();
        let mut out = vec![json!({
            "type": kind, "cursor": event.sequence, "at": at, "trace": trace,
        })];
        for span in &event.spans {
            let kind = match span.status {
                Status::Running => "span.started",
                Status::Ok | Status::Error => "span.ended",
                Status::Incomplete => "span.updated",
            };
            out.push(json!({
                "type": kind, "cursor": event.sequence, "at": at,
                "trace_id": id, "span": span_json(id, span),
            }));
        }
        out
    }
}

fn span_json(trace_id: &str, span: &LiveSpan) -> Json {
    let duration = span.end.map(|end| ms(Nanos(end.0.saturating_sub(span.start.0))));
    json!({
        "trace_id": trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_id,
        "name": span.name,
        "span_type": span.kind.as_str(),
        "status": span.status.as_str(),
        "start_time": span.start.to_rfc3339(),
        "end_time": span.end.map(Nanos::to_rfc3339),
        "start_ns": span.start.to_string(),
        "end_ns": span.end.map(|t| t.to_string()),
        "duration_ms": duration,
        "model": span.model,
    })
}
