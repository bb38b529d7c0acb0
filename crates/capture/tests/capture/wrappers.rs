//! Spans that stand about a call and repeat it, and costs that are none: as the published packages send
//! them.

use exhibit_model::{Flag, NanoUsd, SpanKind};
use serde_json::json;

use crate::support::{NOW, mapped};

fn usage() -> String {
    json!({
        "message": {"role": "model", "content": [{"text": "out"}]},
        "usage": {"inputTokens": 120, "outputTokens": 40, "cachedContentTokens": 100},
    })
    .to_string()
}

#[test]
fn genkits_generate_repeats_the_call_below_it_and_is_no_call() {
    let around = json!({
        "genkit:type": "util", "genkit:name": "generate", "genkit:output": usage(),
        "genkit:input": "{\"model\":\"openai/gpt-4o-mini\",\"messages\":[]}",
    });
    let span = mapped("genkit-tracer", "generate", around);
    assert_eq!((span.kind(), span.model.as_deref()), (SpanKind::Chain, None));
    assert!(span.flags.contains(&Flag::AggregateUsage), "{:?}", span.flags);
    let call = json!({
        "genkit:type": "action", "genkit:metadata:subtype": "model",
        "genkit:name": "openai/gpt-4o-mini", "genkit:output": usage(),
    });
    let span = mapped("genkit-tracer", "openai/gpt-4o-mini", call);
    assert_eq!((span.kind(), span.model.as_deref()), (SpanKind::Llm, Some("gpt-4o-mini")));
    assert!(!span.flags.contains(&Flag::AggregateUsage));
    let usage = span.usage.unwrap();
    assert_eq!((usage.input_uncached, usage.cache_read, usage.output_text), (20, 100, 40));
    let flow = json!({
        "genkit:type": "action", "genkit:metadata:subtype": "flow", "genkit:name": "forecast",
        "genkit:output": usage,
    });
    assert_eq!(mapped("genkit-tracer", "forecast", flow).kind(), SpanKind::Chain);
}

#[test]
fn openlits_cost_of_zero_says_that_it_knew_no_price() {
    let priced = |cost: f64, scope: &str| {
        let attributes = json!({
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 120, "gen_ai.usage.output_tokens": 40, "gen_ai.usage.cost": cost,
        });
        let span = mapped(scope, "chat gpt-4o", attributes);
        assert_eq!(span.received, NOW);
        (span.cost_reported, span.provenance.contains_key("cost_reported"))
    };
    assert_eq!(priced(0.0, "openlit.otel.tracing"), (None, false));
    assert_eq!(priced(0.000_5, "openlit.otel.tracing"), (Some(NanoUsd(500_000)), true));
    assert_eq!(priced(0.0, "another"), (Some(NanoUsd(0)), true), "a free model costs nothing");
}

#[test]
fn agentops_decorators_name_their_agents_and_tools() {
    let decorated = |kind: &str, name: &str| {
        let attributes = json!({"agentops.span.kind": kind, "operation.name": name});
        mapped("agentops.sdk.core", &format!("{name}.{kind}"), attributes)
    };
    assert_eq!(decorated("tool", "look_up").tool.as_deref(), Some("look_up"));
    assert_eq!(decorated("agent", "explainer").agent.as_deref(), Some("explainer"));
    let task = decorated("task", "explain");
    assert_eq!((task.kind(), task.tool, task.agent), (SpanKind::Task, None, None));
}
