"""From a span to the bytes of its record in `POST /api/v1/ingest/spans`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._privacy import Privacy
from ._values import utf8

if TYPE_CHECKING:
    from ._span import Span

_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode
_SENSITIVE_ATTRIBUTES = ("gen_ai.input.messages", "gen_ai.output.messages", "summary")


def encode(span: Span, source: str, privacy: Privacy, ended: bool) -> bytes:
    """One record: `running`, or as it ended with its sequence number."""
    record = _fields(span, ended)
    if ended:
        record["source"] = source
        record["sequence"] = span.sequence
    if privacy.active:
        _protect(record, privacy)
    return utf8(_encode(record))


def _fields(span: Span, ended: bool) -> dict[str, Any]:
    trace = span.trace
    assert trace is not None, "only started spans are queued"
    record: dict[str, Any] = {
        "trace_id": trace.id,
        "span_id": span.id,
        "parent_span_id": span.parent_id,
        "name": span.name or span.span_type,
        "span_type": span.span_type,
        "start_time": span.start_ns,
        "status": "running",
        **trace.common,
    }
    if span.fields:
        record.update(span.fields)
    if ended:
        record["end_time"] = span.end_ns
        record["status"] = span.status
    model = span.model
    if model is None and span.span_type == "llm":
        model = trace.model
    if model is not None:
        record["model"] = model
    if span.usage:
        record.update(span.usage)
    if span.input is not None:
        record["input"] = span.input
    if span.output is not None and ended:
        record["output"] = span.output
    if span.tool_calls:
        record["tool_calls"] = span.tool_calls
    if span.span_type == "tool":
        record.setdefault("tool_name", record["name"])
    if span.error is not None and ended:
        record["error"] = record["status_message"] = span.error
    if span.error_type is not None:
        record["error_type"] = span.error_type
    if span.attributes:
        record["attributes"] = span.attributes
    if trace.root is span:
        if trace.tags:
            record["tags"] = trace.tags
        if trace.metadata:
            record["metadata"] = trace.metadata
    return record


def _protect(record: dict[str, Any], privacy: Privacy) -> None:
    if "input" in record:
        record["input"] = privacy.input(record["input"])
    if "output" in record:
        record["output"] = privacy.output(record["output"])
    if "tool_calls" in record:
        record["tool_calls"] = privacy.tool_calls(record["tool_calls"])
    if "error" in record:
        record["error"] = record["status_message"] = privacy.error(record["error"])
    if "attributes" in record:
        attributes = dict(record["attributes"])
        if not (privacy.store_prompts and privacy.store_responses):
            # A stack's last line is the message.
            attributes.pop("exception.stacktrace", None)
            for key in _SENSITIVE_ATTRIBUTES:
                if key in attributes:
                    attributes[key] = privacy.withheld(attributes[key])
        record["attributes"] = privacy.field("attributes", attributes)
        if not isinstance(record["attributes"], dict):
            record["attributes"] = {"attributes": record["attributes"]}
    if "metadata" in record:
        record["metadata"] = privacy.field("metadata", record["metadata"])
