"""LangChain and LangGraph: every run becomes a span, through their own callbacks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler

from .._faults import internal
from .._span import Span
from .._trace import TraceState

if TYPE_CHECKING:
    from .._client import Exhibit

#: Runs that never ended are forgotten beyond this many.
RUNS_MAX = 20_000
_HIDDEN = "langsmith:hidden"


class ExhibitCallbackHandler(BaseCallbackHandler):  # type: ignore[misc]
    """Give it as a callback, or let [`install`] add it to every run."""

    # In the caller's thread and context, so that what a tool does becomes a child of the tool.
    run_inline = True
    raise_error = False

    def __init__(
        self,
        client: Exhibit | None = None,
        trace: TraceState | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Runs without a parent go into `trace`, or into one of this id, or into what is open."""
        super().__init__()
        if client is None:
            import exhibit

            client = exhibit.client()
        self._client = client
        self._trace = trace
        self._trace_id = trace_id
        self._spans: OrderedDict[Any, Span] = OrderedDict()
        self._hidden: OrderedDict[Any, Span] = OrderedDict()
        self._lock = threading.Lock()

    # -- starts -----------------------------------------------------------------------------------

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        kind = "agent" if kwargs.get("parent_run_id") is None else "chain"
        self._start(run_id, kind, _name(serialized, kwargs, kind), inputs, kwargs)

    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: Any, **kwargs: Any) -> None:
        given = kwargs.get("inputs")
        if given is None:
            given = input_str
        span = self._start(run_id, "tool", _name(serialized, kwargs, "tool"), given, kwargs)
        if span is not None and kwargs.get("tool_call_id"):
            span.set_field("tool_call_id", kwargs["tool_call_id"])

    def on_retriever_start(self, serialized: Any, query: str, *, run_id: Any, **kwargs: Any) -> None:
        name = _name(serialized, kwargs, "retriever")
        self._start(run_id, "retriever", name, {"query": query}, kwargs)

    def on_llm_start(self, serialized: Any, prompts: list[str], *, run_id: Any, **kwargs: Any) -> None:
        asked = prompts[0] if len(prompts) == 1 else prompts
        self._model(self._start(run_id, "llm", _name(serialized, kwargs, "llm"), asked, kwargs), kwargs)

    def on_chat_model_start(
        self, serialized: Any, messages: list[list[Any]], *, run_id: Any, **kwargs: Any
    ) -> None:
        asked = [_message(message) for batch in messages for message in batch]
        self._model(self._start(run_id, "llm", _name(serialized, kwargs, "llm"), asked, kwargs), kwargs)

    def _start(self, run_id: Any, kind: str, name: str, given: Any, more: dict[str, Any]) -> Span | None:
        try:
            above = more.get("parent_run_id")
            parent = self._spans.get(above) or self._hidden.get(above)
            if _HIDDEN in (more.get("tags") or ()):
                # Plumbing: what is inside belongs to what is around it.
                if parent is not None:
                    self._remember(self._hidden, run_id, parent)
                return None
            if not self._client.enabled:
                return None
            if parent is None and self._trace is None and self._trace_id is not None:
                self._trace = self._client._new_trace(None, self._trace_id)
            trace = self._trace if parent is None else parent.trace
            span = Span(self._client, kind, name, trace, parent)
            if trace is not None and trace.root is None:
                trace.root = span
            span.record_input(_plain(given))
            metadata = more.get("metadata") or {}
            if parent is None and metadata.get("thread_id") is not None:
                span.set_field("session_id", str(metadata["thread_id"]))
            if metadata.get("langgraph_node"):
                span.set_attribute("langgraph.node", metadata["langgraph_node"])
                span.set_attribute("langgraph.step", metadata.get("langgraph_step"))
            span.start()
            self._remember(self._spans, run_id, span)
            return span
        except Exception:
            internal("recording a LangChain run")
            return None

    def _remember(self, runs: OrderedDict[Any, Span], run_id: Any, span: Span) -> None:
        with self._lock:
            runs[run_id] = span
            while len(runs) > RUNS_MAX:
                runs.popitem(last=False)

    def _model(self, span: Span | None, more: dict[str, Any]) -> None:
        if span is None:
            return
        try:
            # The provider's own client makes the same call once more inside.
            span.leaf = True
            asked = more.get("invocation_params") or {}
            metadata = more.get("metadata") or {}
            model = asked.get("model") or asked.get("model_name") or metadata.get("ls_model_name")
            span.set_model(model, metadata.get("ls_provider"))
            if asked.get("tools"):
                span.set_tools(asked["tools"])
            known = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed")
            span.set_field("parameters", {k: asked[k] for k in known if asked.get(k) is not None})
        except Exception:
            internal("recording a LangChain model")

    # -- ends -------------------------------------------------------------------------------------

    def on_chain_end(self, outputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._end(run_id, _plain(outputs))

    def on_tool_end(self, output: Any, *, run_id: Any, **kwargs: Any) -> None:
        if hasattr(output, "content") and hasattr(output, "tool_call_id"):
            output = output.content
        self._end(run_id, _plain(output))

    def on_retriever_end(self, documents: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._end(
            run_id,
            [
                {
                    "content": getattr(document, "page_content", str(document)),
                    "metadata": getattr(document, "metadata", None),
                }
                for document in documents
            ],
        )

    def on_llm_end(self, response: Any, *, run_id: Any, **kwargs: Any) -> None:
        span = self._spans.get(run_id)
        if span is None:
            return
        try:
            self._answer(span, response)
        except Exception:
            internal("recording a LangChain answer")
        self._end(run_id)

    def _answer(self, span: Span, response: Any) -> None:
        generations = [g for batch in response.generations for g in batch]
        messages = [getattr(g, "message", None) for g in generations]
        told = [_message(m) if m is not None else g.text for m, g in zip(messages, generations)]
        span.record_output(told[0] if len(told) == 1 else told)
        about = getattr(messages[0], "response_metadata", None) if messages else None
        about = {**(response.llm_output or {}), **(about or {})}
        model = about.get("model_name") or about.get("model")
        if model:
            span.set_model(model)
        for field, names in (("response_id", ("id",)), ("finish_reason", ("finish_reason", "stop_reason"))):
            value = next((about[name] for name in names if about.get(name)), None)
            if value:
                span.set_field(field, value)
        usage = getattr(messages[0], "usage_metadata", None) if messages else None
        if usage:
            read, told_details = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}
            span.record_usage(
                usage.get("input_tokens"),
                usage.get("output_tokens"),
                total_tokens=usage.get("total_tokens"),
                cache_read_tokens=read.get("cache_read"),
                cache_write_tokens=read.get("cache_creation"),
                reasoning_tokens=told_details.get("reasoning"),
            )
        elif about.get("token_usage"):
            from .openai import record_usage

            record_usage(span, about["token_usage"])

    def on_llm_new_token(self, token: str, *, run_id: Any, **kwargs: Any) -> None:
        span = self._spans.get(run_id)
        if span is not None and (span.fields is None or "ttft_ms" not in span.fields):
            import time

            span.set_field("ttft_ms", (time.perf_counter_ns() - span._began) / 1e6)

    def on_chain_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        # A graph that waits for a person is not broken.
        waiting = type(error).__name__ in ("GraphInterrupt", "GraphBubbleUp", "NodeInterrupt")
        self._end(run_id, error=None if waiting else error)

    def on_tool_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        self._end(run_id, error=error)

    def on_retriever_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        self._end(run_id, error=error)

    def on_llm_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        self._end(run_id, error=error)

    def _end(self, run_id: Any, output: Any = None, error: BaseException | None = None) -> None:
        try:
            with self._lock:
                self._hidden.pop(run_id, None)
                span = self._spans.pop(run_id, None)
            if span is None:
                return
            if output is not None:
                span.record_output(output)
            span.end(error)
        except Exception:
            internal("recording the end of a LangChain run")


_installed: list[ExhibitCallbackHandler] = []


def install(client: Exhibit) -> None:
    """Adds a handler to every run of LangChain and LangGraph in this process."""
    if _installed:
        _installed[0]._client = client
        return
    from langchain_core.tracers.context import register_configure_hook

    handler = ExhibitCallbackHandler(client)
    _installed.append(handler)
    # The default of a context variable holds in every thread and task.
    everywhere: ContextVar[ExhibitCallbackHandler | None] = ContextVar(
        "exhibit_langchain_everywhere", default=handler
    )
    register_configure_hook(everywhere, inheritable=True)


def _name(serialized: Any, more: dict[str, Any], otherwise: str) -> str:
    name = more.get("name")
    if not name and isinstance(serialized, dict):
        name = serialized.get("name") or (serialized.get("id") or [None])[-1]
    return str(name or otherwise)


_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}


def _message(message: Any) -> Any:
    """A message of LangChain in the shape of chat completions."""
    kind = getattr(message, "type", None)
    if kind is None or not hasattr(message, "content"):
        return message
    plain: dict[str, Any] = {
        "role": _ROLES.get(kind) or getattr(message, "role", None) or str(kind),
        "content": message.content,
    }
    if getattr(message, "name", None):
        plain["name"] = message.name
    if getattr(message, "tool_call_id", None):
        plain["tool_call_id"] = message.tool_call_id
    if getattr(message, "tool_calls", None):
        plain["tool_calls"] = [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": call.get("args")},
            }
            for call in message.tool_calls
        ]
    return plain


def _plain(value: Any, depth: int = 0) -> Any:
    """Messages inside states, in the shape of chat completions."""
    if depth > 6:
        return value
    if isinstance(value, dict):
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    return _message(value)


__all__ = ["ExhibitCallbackHandler", "install"]
