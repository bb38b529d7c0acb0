//! Traces as the documents that TraceLLM's programs read: those they wrote come back as they were
//! written, all others in the same shape.

use std::sync::Arc;

use exhibit_capture::dialect::tracellm;
use exhibit_model::{Json, JsonMap, SpanKind, Status, TraceId, WorkspaceId};
use exhibit_recorder::{Recorder, SpanDetail};
use exhibit_store::{Order, TraceRow};
use serde_json::json;

use crate::{problem::Problem, view::ms};

/// Traces that a question over all documents looks at, newest first.
pub(crate) const LOOKED_AT_MAX: usize = 1_000;
/// Spans of one trace that become steps.
const STEPS_MAX: usize = 200;
/// Slower traces are slow, milliseconds: the client's own threshold.
const SLOW_MS: f64 = 1_500.0;

/// The newest documents.
pub(crate) async fn recent(
    recorder: &Arc<Recorder>,
    workspace: WorkspaceId,
    most: usize,
) -> Result<Vec<JsonMap>, Problem> {
    let mut out = Vec::new();
    let mut keep = |document| {
        out.push(document);
        true
    };
    walk(recorder, workspace, most, &mut keep).await?;
    Ok(out)
}

/// Shows the newest documents one after the other, until `visit` has enough.
pub(crate) async fn walk(
    recorder: &Arc<Recorder>,
    workspace: WorkspaceId,
    most: usize,
    visit: &mut (dyn FnMut(JsonMap) -> bool + Send),
) -> Result<(), Problem> {
    let (mut looked_at, mut after) = (0, None);
    while looked_at < most {
        let rows = (most - looked_at).min(200);
        let page = recorder.traces(workspace, "", Order::Newest, after, rows).await?;
        looked_at += page.rows.len();
        for row in &page.rows {
            let id = row.summary.trace_id.clone();
            let found = recorder.trace_with_spans(workspace, &id, STEPS_MAX).await?;
            if found.is_some_and(|(row, details)| !visit(document(&row, &details))) {
                return Ok(());
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

/// One document.
pub(crate) async fn one(
    recorder: &Arc<Recorder>,
    workspace: WorkspaceId,
    id: &str,
) -> Result<Option<JsonMap>, Problem> {
    let Ok(id) = TraceId::new(id) else { return Ok(None) };
    let found = recorder.trace_with_spans(workspace, &id, STEPS_MAX).await?;
    Ok(found.map(|(row, details)| document(&row, &details)))
}

/// The document of a trace and its first spans.
pub(crate) fn document(row: &TraceRow, details: &[SpanDetail]) -> JsonMap {
    if let Some(map) = details.iter().find_map(|detail| tracellm::document(&detail.span)) {
        return map;
    }
    let trace = &row.summary;
    let usage = trace.usage();
    let latency = trace
        .end
        .map_or(0.0, |end| ms(exhibit_model::Nanos(end.0.saturating_sub(trace.start.0).max(0))));
    let status = match trace.status() {
        Status::Error => "failed",
        Status::Incomplete | Status::Running => "warning",
        Status::Ok => "success",
    };
    let steps: Vec<Json> =
        details.iter().filter(|d| d.span.kind() != SpanKind::Llm).map(step).collect();
    let failed = details.iter().find(|d| d.span.status == Status::Error);
    let root = details.iter().find(|d| Some(&d.span.span_id) == trace.root.as_ref());
    let whole = |pick: fn(&SpanDetail) -> Option<&Json>, short: &Option<String>| {
        let whole = root.and_then(pick).map(|value| match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        });
        whole.or_else(|| short.clone())
    };
    let prompt = whole(|d| d.content.input.as_ref(), &trace.input_preview);
    let response = whole(|d| d.content.output.as_ref(), &trace.output_preview);
    let map = json!({
        "trace_id": trace.trace_id,
        "prompt": prompt.unwrap_or_default(),
        "response": response,
        "latency": latency,
        "token_count": usage.input_tokens().saturating_add(usage.output_tokens()),
        "model_name": trace.models.first().cloned().unwrap_or_else(|| "unknown".to_owned()),
        "project_id": trace.service.clone().unwrap_or_else(|| "default".to_owned()),
        "project_name": trace.service,
        "environment": trace.environment.clone().unwrap_or_else(|| "development".to_owned()),
        "status": status,
        "steps": steps,
        "retry_count": 0,
        "slow_request": latency >= SLOW_MS,
        "failure_reason": failed.and_then(|d| d.span.status_message.clone()),
        "created_at": trace.start.to_rfc3339(),
        "updated_at": row.last_received.to_rfc3339(),
    });
    match map {
        Json::Object(map) => map,
        _ => JsonMap::new(),
    }
}

fn step(detail: &SpanDetail) -> Json {
    let span = &detail.span;
    let object = |value: Option<&Json>| match value {
        Some(Json::Object(map)) => Json::Object(map.clone()),
        Some(other) => json!({ "value": other }),
        None => json!({}),
    };
    json!({
        "step_id": span.span_id,
        "tool_name": span.tool.clone().or_else(|| span.name.clone()).unwrap_or_default(),
        "input": object(detail.content.input.as_ref()),
        "output": object(detail.content.output.as_ref()),
        "duration": span.duration().map_or(0.0, ms),
        "success": span.status != Status::Error,
        "timestamp": span.start.unwrap_or(span.received).to_rfc3339(),
    })
}
