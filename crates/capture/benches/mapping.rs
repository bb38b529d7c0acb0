//! How long the mapping of one span takes, per convention, on one core: `cargo bench -p exhibit-capture`.
//!
//! Spans of about 3 KB of content. Prints microseconds, median of many rounds; judges nothing. Each
//! round maps the same span again, which costs what a first mapping costs: mapped fields are made anew.

#[allow(dead_code, clippy::unwrap_used, reason = "the tests' own way to build requests")]
#[path = "../tests/capture/support.rs"]
mod support;

use std::{hint::black_box, time::Instant};

use exhibit_capture::map;
use exhibit_model::Span;
use serde_json::{Value, json};
use support::{logs, otlp_span, pairs, request, traces};

const ROUNDS: usize = 400;
const SPANS_A_ROUND: u32 = 50;
const CONVENTIONS: usize = 16;

fn main() {
    println!("{:<16} {:>10} {:>10}", "convention", "median µs", "p95 µs");
    let mut slowest = 0.0_f64;
    let spans = spans();
    assert_eq!(spans.len(), CONVENTIONS, "every convention's span is taken");
    for (name, mut span) in spans {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let begin = Instant::now();
                for _ in 0..SPANS_A_ROUND {
                    map(black_box(&mut span));
                }
                begin.elapsed().as_secs_f64() * 1e6 / f64::from(SPANS_A_ROUND)
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        let (median, p95) = (rounds[ROUNDS / 2], rounds[ROUNDS * 95 / 100]);
        slowest = slowest.max(median);
        println!("{name:<16} {median:>10.2} {p95:>10.2}");
    }
    println!("{:<16} {slowest:>10.2}", "slowest");
}

fn text() -> String {
    "The refund policy allows thirty days from delivery. ".repeat(28)
}

fn messages(role: &str) -> String {
    json!([{ "role": role, "content": text() }]).to_string()
}

/// One span per convention.
fn spans() -> Vec<(&'static str, Span)> {
    let model = "gpt-4o-mini";
    let mut out: Vec<(&'static str, Span)> = [
        ("genai", "opentelemetry.genai", json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": model,
            "gen_ai.response.model": model, "gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 300,
            "gen_ai.usage.cache_read.input_tokens": 100, "gen_ai.input.messages": messages("user"),
            "gen_ai.output.messages": messages("assistant"), "gen_ai.response.id": "r",
            "gen_ai.response.finish_reasons": ["stop"], "gen_ai.request.temperature": 0.2 })),
        ("openinference", "openinference.instrumentation.openai", json!({
            "openinference.span.kind": "LLM", "llm.model_name": model, "llm.provider": "openai",
            "llm.token_count.prompt": 900, "llm.token_count.completion": 300, "llm.token_count.total": 1200,
            "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": text(),
            "llm.input_messages.1.message.role": "user", "llm.input_messages.1.message.content": "Which?",
            "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": text(),
            "llm.invocation_parameters": "{\"temperature\":0.2}", "input.value": text(), "output.value": text() })),
        ("traceloop", "opentelemetry.instrumentation.openai", json!({
            "traceloop.workflow.name": "w", "llm.request.type": "chat", "gen_ai.system": "OpenAI",
            "gen_ai.request.model": model, "gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 300,
            "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": text(),
            "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": text() })),
        ("vercel", "ai", json!({
            "ai.operationId": "ai.generateText.doGenerate", "ai.model.id": model, "ai.model.provider": "openai.chat",
            "ai.prompt.messages": messages("user"), "ai.response.text": text(), "ai.usage.inputTokens": 900,
            "ai.usage.outputTokens": 300, "ai.telemetry.metadata.sessionId": "s" })),
        ("langfuse", "langfuse-sdk", json!({
            "langfuse.observation.type": "generation", "langfuse.observation.model.name": model,
            "langfuse.observation.input": messages("user"), "langfuse.observation.output": text(),
            "langfuse.observation.usage_details": "{\"input\":900,\"output\":300}", "langfuse.session.id": "s" })),
        ("langsmith", "langsmith", json!({
            "langsmith.span.kind": "llm", "gen_ai.request.model": model, "gen_ai.prompt": messages("user"),
            "gen_ai.completion": messages("assistant"), "gen_ai.usage.input_tokens": 900,
            "gen_ai.usage.output_tokens": 300, "langsmith.span.tags": "a,b" })),
        ("mlflow", "mlflow", json!({
            "mlflow.spanType": "\"CHAT_MODEL\"", "mlflow.llm.model": "\"gpt-4o-mini\"",
            "mlflow.spanInputs": messages("user"), "mlflow.spanOutputs": messages("assistant"),
            "mlflow.chat.tokenUsage": "{\"input_tokens\":900,\"output_tokens\":300}" })),
        ("laminar", "lmnr", json!({
            "lmnr.span.type": "LLM", "lmnr.span.input": messages("user"), "lmnr.span.output": messages("assistant"),
            "gen_ai.request.model": model, "gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 300 })),
        ("pydantic-ai", "pydantic-ai", json!({
            "logfire.msg": "chat", "gen_ai.operation.name": "chat", "gen_ai.request.model": model,
            "events": json!([{"event.name": "gen_ai.user.message", "content": text(), "role": "user"},
                {"event.name": "gen_ai.choice", "message": {"role": "assistant", "content": text()}}]).to_string(),
            "gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 300, "operation.cost": 0.01 })),
        ("openlit", "openlit", json!({
            "gen_ai.operation.name": "chat", "gen_ai.system": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5",
            "gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 300, "gen_ai.usage.cost": 0.01 })),
        ("agentops", "agentops", json!({
            "agentops.span.kind": "llm", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": text(),
            "gen_ai.completion.0.content": text(), "gen_ai.request.model": model,
            "gen_ai.usage.prompt_tokens": 900, "gen_ai.usage.completion_tokens": 300 })),
        ("litellm", "litellm", json!({
            "gen_ai.request.model": model, "gen_ai.system": "openai", "gen_ai.usage.prompt_tokens": 900,
            "gen_ai.usage.completion_tokens": 300, "hidden_params": "{\"response_cost\":0.01}",
            "gen_ai.prompt.0.content": text(), "gen_ai.completion.0.content": text() })),
        ("google-adk", "gcp.vertex.agent", json!({
            "gcp.vertex.agent.llm_request": json!({"contents": [{"role": "user", "parts": [{"text": text()}]}]}).to_string(),
            "gcp.vertex.agent.llm_response": json!({"content": {"parts": [{"text": text()}]},
                "usage_metadata": {"prompt_token_count": 900, "candidates_token_count": 300}}).to_string(),
            "gen_ai.request.model": "gemini-2.5-pro", "gcp.vertex.agent.tool_call_args": "{}" })),
        ("genkit", "genkit-tracer", json!({
            "genkit:name": "gemini", "genkit:metadata:subtype": "model", "genkit:input": messages("user"),
            "genkit:output": json!({"message": text(), "usage": {"inputTokens": 900, "outputTokens": 300}}).to_string() })),
        ("braintrust", "braintrust", json!({
            "braintrust.span_attributes": "{\"type\":\"llm\"}", "braintrust.input_json": messages("user"),
            "braintrust.output_json": messages("assistant"), "braintrust.metrics": "{\"prompt_tokens\":900}" })),
    ]
    .into_iter()
    .filter_map(|(name, scope, attributes)| Some((name, one(scope, attributes)?)))
    .collect();
    let step = json!({"session.id": "s", "prompt.id": "p", "event.name": "api_request", "event.sequence": 3,
        "model": "claude-sonnet-4-5", "input_tokens": 9, "output_tokens": 300, "cache_read_tokens": 900,
        "cost_usd": 0.01, "duration_ms": 900});
    let record = json!({"timeUnixNano": support::END, "body": {"stringValue": "claude_code.api_request"},
        "attributes": pairs(&step)});
    let log = json!({"resourceLogs": [{"resource": {"attributes": pairs(&json!({"service.name": "claude-code"}))},
        "scopeLogs": [{"logRecords": [record]}]}]});
    out.extend(logs(&log).spans.into_iter().take(1).map(|span| ("claude-code", span)));
    out
}

fn one(scope: &str, attributes: Value) -> Option<Span> {
    let span = otlp_span("chat", attributes);
    let decoded = traces(&request(scope, json!({"service.name": "bench"}), span));
    decoded.spans.into_iter().next()
}
