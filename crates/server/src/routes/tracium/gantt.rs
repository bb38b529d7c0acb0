//! A trace as a Gantt chart.

use exhibit_capture::{dialect::tracium, native};
use exhibit_model::{Json, Nanos, Status};
use exhibit_recorder::SpanDetail;
use exhibit_store::TraceRow;
use serde_json::json;

use crate::view::{ms, trace::Trace};

/// The chart: the trace, and its spans in order of start, each with its offset and its length.
pub(super) fn chart(row: &TraceRow, details: &[SpanDetail]) -> Json {
    let trace = Trace::of(row);
    let start = row.summary.start;
    let spans: Vec<Json> = details
        .iter()
        .filter(|detail| detail.span.span_id.as_str() != tracium::ROOT)
        .map(|detail| bar(detail, start))
        .collect();
    json!({
        "trace_id": trace.trace_id,
        "agent_name": trace.agent_name,
        "status": word(row.summary.status()),
        "started_at": trace.start_time,
        "completed_at": trace.end_time,
        "duration_ms": trace.duration_ms,
        "models": trace.models,
        "total_tokens": trace.tokens_total,
        "cost_usd": trace.cost,
        "span_count": spans.len(),
        "spans": spans,
    })
}

fn bar(detail: &SpanDetail, trace_start: Nanos) -> Json {
    let span = &detail.span;
    let raw = |name: &str| tracium::field(span, name).cloned().unwrap_or_default();
    let start = span.start.unwrap_or(span.received);
    let parent = span.parent_id.as_ref().filter(|id| id.as_str() != tracium::ROOT);
    let fields = native::fields(span);
    json!({
        "id": span.span_id,
        "span_id": span.span_id,
        "parent_span_id": parent,
        "name": span.name,
        "span_type": fields.get("span_type"),
        "status": word(span.status),
        "started_at": span.start.map(Nanos::to_rfc3339),
        "completed_at": span.end.map(Nanos::to_rfc3339),
        "start_offset_ms": ms(Nanos(start.0.saturating_sub(trace_start.0))),
        "duration_ms": span.duration().map(ms),
        "depth_level": raw("depth_level"),
        "parallel_group_id": raw("parallel_group_id"),
        "sequence_number": raw("sequence_number"),
        "parent_by": raw("parent_by"),
        "model_id": span.model,
        "input_tokens": span.usage.map(|u| u.input_tokens()),
        "output_tokens": span.usage.map(|u| u.output_tokens()),
        "cost_usd": span.cost.amount.map(exhibit_model::NanoUsd::to_usd),
        "error": span.status_message,
    })
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Running => "in_progress",
        Status::Ok => "completed",
        Status::Error => "failed",
        Status::Incomplete => "incomplete",
    }
}
