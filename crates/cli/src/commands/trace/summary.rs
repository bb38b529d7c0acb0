//! What `exhibit trace` prints about the call.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::output::{Output, Style, clipped, dollars};

use super::{Call, Draft, Outcome};

/// The measurements of a recorded call.
pub(super) struct Summary {
    trace_id: String,
    model: Option<String>,
    provider: Option<String>,
    latency_s: f64,
    tokens: (Option<u64>, Option<u64>),
    cost_nano: Option<i64>,
    cost_source: String,
    success: bool,
}

impl Summary {
    /// Puts together what the call gave and what was recorded of it.
    pub(super) fn new(draft: &Draft, call: &Call, recorded: Option<&Value>) -> Self {
        let field = |name: &str| recorded.and_then(|r| find(r, name));
        let cost_nano = field("cost_nano_usd").and_then(|v| match v {
            Value::String(text) => text.parse().ok(),
            other => other.as_i64(),
        });
        let cost_source = field("cost_source").and_then(Value::as_str).unwrap_or("none");
        Self {
            trace_id: draft.trace_id.to_string(),
            model: call.model().map(str::to_owned).or_else(|| draft.model.clone()),
            provider: draft.provider.clone(),
            latency_s: call.took.as_secs_f64(),
            tokens: call.tokens(),
            cost_nano,
            cost_source: cost_source.to_owned(),
            success: matches!(call.outcome, Outcome::Answered(_)),
        }
    }

    /// For people: the labels of the quick start.
    pub(super) fn text(&self, output: Output) -> String {
        let count = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
        let model = self.model.as_deref().map_or_else(|| "unknown".to_owned(), |m| clipped(m, 200));
        let (style, status) =
            if self.success { (Style::Green, "success") } else { (Style::Red, "failed") };
        let mut text = String::new();
        let _ = writeln!(text, "Trace ID:     {}", self.trace_id);
        let _ = writeln!(text, "Model:        {model}");
        let _ = writeln!(text, "Latency:      {:.2}s", self.latency_s);
        let _ = writeln!(text, "Prompt Tokens:  {}", count(self.tokens.0));
        let _ = writeln!(text, "Completion Tokens: {}", count(self.tokens.1));
        let _ = writeln!(text, "Cost:         {}", self.cost());
        let _ = writeln!(text, "Status:       {}", output.styled(style, status));
        text
    }

    /// An amount and the words of its badge.
    fn cost(&self) -> String {
        let badge = match self.cost_source.as_str() {
            "agent" => "Agent",
            "table" => "Estimated",
            "default" => "Default Rate",
            _ => "",
        };
        match self.cost_nano.filter(|_| !badge.is_empty()) {
            Some(nano) => format!("{} ({badge})", dollars(nano)),
            None => "unknown".to_owned(),
        }
    }

    /// For programs.
    pub(super) fn json(&self, call: &Call) -> Value {
        let known = self.cost_source != "none";
        let cost = self.cost_nano.filter(|_| known);
        let error = match &call.outcome {
            Outcome::Failed { code, message } => json!({"type": code, "message": message}),
            Outcome::Answered(_) => Value::Null,
        };
        json!({
            "trace_id": self.trace_id,
            "model": self.model,
            "provider": self.provider,
            "latency_ms": (self.latency_s * 1e3 * 1e3).round() / 1e3,
            "prompt_tokens": self.tokens.0,
            "completion_tokens": self.tokens.1,
            "cost_usd": cost.map(|nano| nano as f64 / 1e9),
            "cost_nano_usd": cost.map(|nano| nano.to_string()),
            "cost_source": self.cost_source,
            "status": if self.success { "success" } else { "failed" },
            "answer": call.text,
            "error": error,
        })
    }
}

/// A field of the recorded span: of the first span where the trace comes with spans, else of the trace.
fn find<'a>(trace: &'a Value, name: &str) -> Option<&'a Value> {
    let span = trace.get("spans").and_then(|spans| spans.get(0));
    span.and_then(|s| s.get(name)).or_else(|| trace.get(name)).filter(|v| !v.is_null())
}
