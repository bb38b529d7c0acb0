//! `POST /api/traces`: one model call as one trace, and the shapes in which other products' clients
//! send and read it.
//!
//! The answer holds a `payloadHash`: SHA-256 over the received body in the canonical form that
//! Python clients compute locally, so that an unmodified one can check that it was received as sent.
//! It stands in the answer only; what is sealed is the record.

mod canonical;
pub(crate) mod ledger;
pub(crate) mod side_doors;

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use exhibit_capture::{Context, DecodeError, Decoded, native, native::SimpleTrace};
use exhibit_model::{Json, SpanId, TraceId};
use exhibit_recorder::{Caller as Known, Recorder, SpanDetail};
use exhibit_store::Order;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    ingest::rejection,
    traces::{query, quoted},
};
use crate::{
    app::Shared,
    auth::{Caller, Ingest, ReadTraces},
    extract::{Params, Raw},
    problem::{Problem, ProblemBody},
    view::{ms, trace::Trace},
};

/// Decodes a single call, with fresh ids where it has none.
pub(crate) fn decode(
    recorder: &Recorder,
    body: &[u8],
    context: &Context<'_>,
) -> Result<SimpleTrace, DecodeError> {
    let entropy = recorder.entropy();
    let now = recorder.now().0;
    native::simple_trace(body, context, &mut || {
        (TraceId::mint(now, entropy), SpanId::mint(now, entropy))
    })
}

/// Whether a JSON body of `/v1/traces` is a single call: an object with `model` and without
/// `resourceSpans`.
pub(crate) fn is_simple(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Keys {
        model: Option<serde::de::IgnoredAny>,
        #[serde(alias = "resource_spans", rename = "resourceSpans")]
        resource_spans: Option<serde::de::IgnoredAny>,
    }
    // OTLP starts with its only key; no need to read it all twice.
    let start = body.get(..64).unwrap_or(body);
    if start.windows(13).any(|w| w == b"resourceSpans") {
        return false;
    }
    serde_json::from_slice::<Keys>(body)
        .is_ok_and(|keys| keys.model.is_some() && keys.resource_spans.is_none())
}

/// Records a single call.
async fn commit(
    app: &Shared,
    caller: &Known,
    simple: SimpleTrace,
) -> Result<(TraceId, SpanId), Problem> {
    let (trace_id, span_id) = (simple.span.trace_id.clone(), simple.span.span_id.clone());
    let decoded = Decoded { spans: vec![simple.span], ..Decoded::default() };
    let accepted = app.recorder.accept(caller.workspace, decoded).await?;
    if let Some(refused) = accepted.rejected.first() {
        return Err(rejection(accepted.accepted, &accepted.rejected, &refused.reason));
    }
    Ok((trace_id, span_id))
}

/// The older form of the same: `POST /v1/traces` with `model` and no `resourceSpans`.
pub(crate) async fn record_older(
    app: &Shared,
    caller: &Known,
    simple: SimpleTrace,
) -> Result<Response, Problem> {
    let (trace_id, _) = commit(app, caller, simple).await?;
    let body = json!({ "trace_id": trace_id, "status": "processed" });
    Ok(axum::Json(body).into_response())
}

/// Record one model call as one trace: `model`, `input` (or `prompt`), `output` (or `response`),
/// `metadata`, `metrics`, … With `requestId`, sending it again is the same trace.
#[utoipa::path(post, path = "/api/traces", tag = "ingest",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object), (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn record(
    State(app): State<Shared>,
    caller: Caller<Ingest>,
    raw: Raw,
) -> Result<Response, Problem> {
    let recorder = Arc::clone(&app.recorder);
    let ((simple, hash), _share) = app
        .intake(caller.workspace, "aitracer", &raw.headers, raw.body, move |body, context| {
            let simple = decode(&recorder, body, context)?;
            // It has just been read by a stricter parser, so it reads.
            let json: Json = serde_json::from_slice(body).unwrap_or_default();
            let hash = hex::encode(Sha256::digest(canonical::python_json(&json)));
            Ok((simple, hash))
        })
        .await?;
    let request_id = simple.request_id.clone();
    let (trace_id, span_id) = commit(&app, &caller, simple).await?;
    let (row, details) = app
        .recorder
        .trace_with_spans(caller.workspace, &trace_id, 100)
        .await?
        .ok_or_else(|| Problem::internal(&"a trace was accepted and is not there"))?;
    let trace = Trace::of(&row);
    let detail = details.iter().find(|d| d.span.span_id == span_id);
    let id = trace.trace_id.clone();
    let body = json!({
        "id": id,
        "trace_id": id,
        "trace": {
            "id": id,
            "traceId": id,
            "requestId": request_id,
            "actionName": trace.name,
            "model": trace.models.first(),
            "environment": trace.environment,
            "status": trace.status,
            "createdAt": trace.received_at,
            "metadata": trace.metadata,
            "verdict": trace.verdict,
            "executionRecords": detail.map(|d| vec![execution(d, &hash)]).unwrap_or_default(),
            "verificationRecords": detail.map(|d| vec![verification(d)]).unwrap_or_default(),
        },
    });
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

fn execution(detail: &SpanDetail, payload_hash: &str) -> Json {
    let span = &detail.span;
    let head = exhibit_model::SpanHead::of(span);
    let tokens_in = span.usage.map(|u| u.input_tokens());
    let tokens_out = span.usage.map(|u| u.output_tokens());
    json!({
        "id": span.span_id,
        "traceId": span.trace_id,
        "model": span.model,
        "status": span.status.as_str(),
        "startedAt": span.start.map(exhibit_model::Nanos::to_rfc3339),
        "endedAt": span.end.map(exhibit_model::Nanos::to_rfc3339),
        "metrics": {
            "model": span.model,
            "promptTokens": tokens_in,
            "completionTokens": tokens_out,
            "totalTokens": tokens_in.zip(tokens_out).map(|(i, o)| i.saturating_add(o)),
            "latencyMs": head.duration().map(ms),
            "estimatedCostUsd": span.cost.amount.map(exhibit_model::NanoUsd::to_usd),
            "costNanoUsd": span.cost.amount.map(|a| a.0.to_string()),
            "costSource": span.cost.source.as_str(),
            "finishReason": span.finish_reasons.first(),
        },
        "payloadHash": payload_hash,
        "integrityHash": payload_hash,
    })
}

fn verification(detail: &SpanDetail) -> Json {
    json!({
        "recordId": detail.record.to_string(),
        "algorithm": "SHA-256",
        "fingerprint": detail.leaf_hash.map(hex::encode),
        "logIndex": detail.index,
        "status": if detail.leaf_hash.is_some() { "sealed" } else { "pending" },
        "url": format!("/api/v1/traces/{}/verification", detail.span.trace_id),
    })
}

/// The newest traces in the shapes that other products' clients read: `traces`, and `total` with
/// `items`.
#[utoipa::path(get, path = "/api/traces", tag = "traces",
    params(("limit" = Option<usize>, Query, description = "1 to 200, 50 unless given"),
        ("status" = Option<String>, Query, description = "`success`, `failed`, `warning` or ours"),
        ("model" = Option<String>, Query, description = "Model"),
        ("environment" = Option<String>, Query, description = "Environment"),
        ("latency_min" = Option<f64>, Query, description = "Milliseconds"),
        ("latency_max" = Option<f64>, Query, description = "Milliseconds"),
        ("token_min" = Option<u64>, Query, description = "Tokens"),
        ("token_max" = Option<u64>, Query, description = "Tokens")),
    responses((status = 200, body = Object), (status = 401, body = ProblemBody)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Params(pairs): Params<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let mut limit = 50;
    let mut terms = Vec::new();
    let mut rest = Vec::new();
    for (name, value) in pairs {
        match (name.as_str(), value.as_str()) {
            (_, "") | ("project_id" | "offset" | "page" | "sort", _) => {}
            ("limit", n) => limit = n.parse().unwrap_or(50).clamp(1, 200),
            ("status", "success" | "completed") => terms.push("status = ok".to_owned()),
            ("status", "failed" | "failure") => terms.push("status = error".to_owned()),
            ("status", "warning") => terms.push("verdict = warning".to_owned()),
            ("latency_min", v) => terms.push(format!("latency >= {}", quoted(&format!("{v}ms")))),
            ("latency_max", v) => terms.push(format!("latency <= {}", quoted(&format!("{v}ms")))),
            ("token_min", v) => terms.push(format!("tokens >= {}", quoted(v))),
            ("token_max", v) => terms.push(format!("tokens <= {}", quoted(v))),
            _ => rest.push((name, value)),
        }
    }
    let rest = query(rest)?.filter;
    terms.extend((!rest.is_empty()).then_some(rest));
    let page = app
        .recorder
        .traces(caller.workspace, &terms.join(" and "), Order::Newest, None, limit)
        .await?;
    let items: Vec<Json> = page.rows.iter().map(|row| item(&Trace::of(row))).collect();
    let total = items.len();
    Ok(axum::Json(json!({ "traces": items.clone(), "total": total, "items": items }))
        .into_response())
}

/// A trace with the names of all readers.
fn item(trace: &Trace) -> Json {
    let mut item = serde_json::to_value(trace).unwrap_or_default();
    item["traceId"] = json!(trace.trace_id);
    item["actionName"] = json!(trace.name);
    item["model"] = json!(trace.models.first());
    item["model_name"] = json!(trace.models.first());
    item["prompt"] = json!(trace.input_preview);
    item["response"] = json!(trace.output_preview);
    item["latency"] = json!(trace.duration_ms);
    item["token_count"] = json!(trace.tokens_total);
    item["createdAt"] = json!(trace.received_at);
    item["created_at"] = json!(trace.received_at);
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_call_is_told_from_otlp() {
        assert!(is_simple(br#"{"model":"gpt-4o","input":"hi"}"#));
        assert!(!is_simple(br#"{"resourceSpans":[]}"#));
        assert!(!is_simple(br#"{"model":"m","resource_spans":[]}"#));
        assert!(!is_simple(br#"{"other":1}"#));
        assert!(!is_simple(b"not json"));
    }
}
