//! What rules look at: whoever replays history reads no more of it than that.

use serde::Serialize;

/// What of a record must be at hand for rules to say what they would say of the whole of it. Findings,
/// kind, status, times, tokens and cost always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Reads {
    /// Names: of the span, its model, its provider, its tool, its ids.
    pub names: bool,
    /// What spans of a trace mostly share: agent, session, user, environment, version, service, tags,
    /// metadata.
    pub context: bool,
    /// Everything: raw attributes, inputs and outputs, when it was received.
    pub whole: bool,
    /// Whole traces.
    pub traces: bool,
}

impl Reads {
    /// What both look at.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            names: self.names || other.names,
            context: self.context || other.context,
            whole: self.whole || other.whole,
            traces: self.traces || other.traces,
        }
    }

    /// Notes a field of a span or trace by the name that expressions give it. Fields of traces come from
    /// summaries, which are at hand wherever traces are looked at.
    pub(crate) fn field(&mut self, name: &str) {
        match name {
            "kind" | "status" | "findings" | "cost_usd" | "tokens" | "tokens_in" | "tokens_out"
            | "latency_ms" | "spans" | "models" | "providers" | "tools" | "span_count"
            | "error_count" => {}
            "id" | "trace_id" | "parent_id" | "name" | "model" | "provider" | "tool" | "depth" => {
                self.names = true;
            }
            "agent" | "session" | "environment" | "version" | "service" | "tags" | "metadata" => {
                self.context = true;
            }
            _ => self.whole = true,
        }
    }
}
