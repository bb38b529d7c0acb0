"""The OpenAI Agents SDK: its traces and spans, through its own processor interface."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from agents.tracing import TracingProcessor

from .._faults import internal
from .._ids import usable_id
from .._span import Span
from .._trace import Trace
from ._http_client import plain
from .openai import record_usage

if TYPE_CHECKING:
    from .._client import Exhibit

#: Its types of span, and ours.
_KINDS = {
    "agent": "agent",
    "task": "chain",
    "turn": "chain",
    "function": "tool",
    "generation": "llm",
    "response": "llm",
    "handoff": "handoff",
    "guardrail": "guardrail",
    "custom": "custom",
    "mcp_tools": "tool",
    "transcription": "llm",
    "speech": "llm",
    "speech_group": "chain",
}


class ExhibitTracingProcessor(TracingProcessor):  # type: ignore[misc]
    """Add it with `agents.add_trace_processor`, or let [`install`] do so."""

    def __init__(self, client: Exhibit | None = None) -> None:
        if client is None:
            import exhibit

            client = exhibit.client()
        self._client = client
        self._traces: dict[str, Trace] = {}
        self._spans: dict[str, Span] = {}
        self._lock = threading.Lock()

    def on_trace_start(self, trace: Any) -> None:
        try:
            if not self._client.enabled:
                return
            opened = self._client.agent_trace(
                trace.name,
                trace_id=usable_id(trace.trace_id),
                session_id=getattr(trace, "group_id", None),
                metadata=getattr(trace, "metadata", None),
            )
            opened.start()
            with self._lock:
                self._traces[trace.trace_id] = opened
        except Exception:
            internal("recording a trace of the Agents SDK")

    def on_trace_end(self, trace: Any) -> None:
        try:
            with self._lock:
                opened = self._traces.pop(trace.trace_id, None)
            if opened is not None:
                opened.end()
        except Exception:
            internal("recording a trace of the Agents SDK")

    def on_span_start(self, span: Any) -> None:
        try:
            trace = self._traces.get(span.trace_id)
            if trace is None:
                return
            data = span.span_data
            kind = _KINDS.get(data.type, "custom")
            parent = self._spans.get(span.parent_id) or trace.root
            opened = Span(self._client, kind, _name(data), parent.trace, parent)
            opened.leaf = kind == "llm"
            opened.start()
            with self._lock:
                self._spans[span.span_id] = opened
        except Exception:
            internal("recording a span of the Agents SDK")

    def on_span_end(self, span: Any) -> None:
        with self._lock:
            opened = self._spans.pop(span.span_id, None)
        if opened is None:
            return
        try:
            _fill(opened, span.span_data)
            self._lift(opened, span)
        except Exception:
            internal("recording a span of the Agents SDK")
        failure = span.error
        if failure:
            message = str(failure.get("message") or "failed")
            data = failure.get("data")
            opened.end(f"{message}: {data}" if data else message)
        else:
            opened.end()

    def _lift(self, opened: Span, span: Any) -> None:
        """The first question and the last answer are the trace's own."""
        trace = self._traces.get(span.trace_id)
        if trace is None or opened.span_type != "llm":
            return
        root = trace.root
        if root.input is None:
            root.record_input(opened.input)
        root.record_output(opened.output)

    def force_flush(self) -> None:
        self._client.flush(5.0)

    def shutdown(self) -> None:
        self._client.flush(5.0)


def _name(data: Any) -> str:
    if data.type == "handoff":
        return f"handoff to {data.to_agent}" if data.to_agent else "handoff"
    if data.type == "turn":
        return f"turn {data.turn}"
    return str(getattr(data, "name", None) or data.type)


def _fill(span: Span, data: Any) -> None:
    kind = data.type
    if kind == "response":
        answer = plain(data.response) if data.response is not None else {}
        asked: Any = data.input
        if answer.get("instructions"):
            asked = {"instructions": answer["instructions"], "input": asked}
        span.record_input(asked)
        span.record_output(answer.get("output"))
        span.set_model(answer.get("model"), "openai")
        if answer.get("model"):
            span.set_name(f"response {answer['model']}")
        if answer.get("id"):
            span.set_field("response_id", answer["id"])
        if answer.get("status"):
            span.set_field("finish_reason", answer["status"])
        if answer.get("tools"):
            span.set_tools(answer["tools"])
        record_usage(span, answer.get("usage") or data.usage)
    elif kind == "generation":
        span.record_input(data.input)
        output = data.output
        span.record_output(output[0] if isinstance(output, (list, tuple)) and len(output) == 1 else output)
        span.set_model(data.model)
        if data.model:
            span.set_name(f"generation {data.model}")
        settings = {k: v for k, v in dict(data.model_config or {}).items() if v is not None}
        span.set_field("parameters", settings)
        record_usage(span, data.usage)
    elif kind == "function":
        span.record_input(_json(data.input))
        span.record_output(data.output)
        if data.mcp_data:
            span.set_attribute("mcp", data.mcp_data)
    elif kind == "agent":
        span.set_field("agent_name", data.name)
        about = {"handoffs": data.handoffs, "tools": data.tools, "output_type": data.output_type}
        span.set_attributes({key: value for key, value in about.items() if value is not None})
    elif kind == "handoff":
        span.record_input({"from": data.from_agent})
        span.record_output({"to": data.to_agent})
    elif kind == "guardrail":
        span.record_output({"triggered": data.triggered})
    elif kind == "custom":
        span.record_input(data.data)
    else:
        span.set_attributes({k: v for k, v in data.export().items() if k != "type" and v is not None})


def _json(text: Any) -> Any:
    import json

    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


_installed: list[ExhibitTracingProcessor] = []


def install(client: Exhibit) -> None:
    """Adds the processor beside those that are there."""
    if _installed:
        _installed[0]._client = client
        return
    from agents import add_trace_processor

    _installed.append(ExhibitTracingProcessor(client))
    add_trace_processor(_installed[0])


__all__ = ["ExhibitTracingProcessor", "install"]
