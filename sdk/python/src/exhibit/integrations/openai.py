"""Calls of the `openai` package: chat completions, responses, embeddings; sync, async and streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._span import Span
from . import _http_client

if TYPE_CHECKING:
    from .._client import Exhibit

#: Hosts that speak the same protocol under a name of their own.
_PROVIDERS = {
    "openai.azure.com": "azure.ai.openai",
    "groq.com": "groq",
    "deepseek.com": "deepseek",
    "mistral.ai": "mistral_ai",
    "x.ai": "x_ai",
    "openrouter.ai": "openrouter",
    "together.xyz": "together_ai",
    "fireworks.ai": "fireworks_ai",
    "perplexity.ai": "perplexity",
    "googleapis.com": "gcp.gemini",
}


def install(client: Exhibit) -> None:
    """Wraps the library's clients, also those that exist already."""
    from openai import _base_client

    _http_client.install(_base_client, client, _open)


def provider_of(base_url: Any) -> str:
    """Who answers at this address."""
    host = urlsplit(str(base_url or "")).hostname or ""
    for suffix, name in _PROVIDERS.items():
        if host == suffix or host.endswith("." + suffix):
            return name
    return "openai"


def _open(
    client: Exhibit, api: Any, path: str, body: dict[str, Any]
) -> tuple[Span, _http_client.Call] | None:
    model = body.get("model")
    if path.endswith("/chat/completions"):
        call: _http_client.Call = _Chat()
        kind, name, asked = "llm", "chat", body.get("messages")
    elif path.endswith("/responses"):
        call = _Responses()
        kind, name = "llm", "responses"
        asked = body.get("input")
        if body.get("instructions") is not None:
            asked = {"instructions": body["instructions"], "input": asked}
    elif path.endswith("/embeddings"):
        call = _Embeddings()
        kind, name, asked = "embedding", "embeddings", body.get("input")
    else:
        return None
    span = client.span(kind, f"{name} {model}" if model else name)
    span.leaf = True
    span.set_model(str(model) if model else None, provider_of(getattr(api, "base_url", "")))
    span.record_input(asked)
    if body.get("tools"):
        span.set_tools(body["tools"])
    span.set_field("parameters", parameters(body))
    span.start(current=False)
    return span, call


_NOT_PARAMETERS = frozenset({"model", "messages", "input", "instructions", "tools", "system", "stream"})


def parameters(body: dict[str, Any]) -> dict[str, Any]:
    """What was asked besides the content."""
    return {
        key: value
        for key, value in body.items()
        if key not in _NOT_PARAMETERS and not callable(value)
    }


def record_usage(span: Span, usage: Any) -> None:
    """Usage of either API. Its input includes cached tokens, its output includes reasoning."""
    if not isinstance(usage, dict):
        return
    read = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    told = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    span.record_usage(
        usage.get("prompt_tokens", usage.get("input_tokens")),
        usage.get("completion_tokens", usage.get("output_tokens")),
        total_tokens=usage.get("total_tokens"),
        cache_read_tokens=read.get("cached_tokens"),
        reasoning_tokens=told.get("reasoning_tokens"),
    )


def _common(span: Span, answer: dict[str, Any]) -> None:
    if answer.get("model"):
        span.set_model(answer["model"])
    if answer.get("id"):
        span.set_field("response_id", answer["id"])
    if answer.get("service_tier"):
        span.set_field("service_tier", answer["service_tier"])
    record_usage(span, answer.get("usage"))


class _Chat:
    def __init__(self) -> None:
        self._answer: dict[str, Any] = {}
        self._messages: dict[int, dict[str, Any]] = {}
        self._reasons: dict[int, str] = {}

    def finish(self, span: Span, result: Any) -> None:
        if not isinstance(result, dict):
            return
        choices = result.get("choices") or []
        messages = [choice.get("message") for choice in choices]
        span.record_output(messages[0] if len(messages) == 1 else messages)
        reasons = [c["finish_reason"] for c in choices if c.get("finish_reason")]
        if reasons:
            span.set_field("finish_reason", reasons[0] if len(reasons) == 1 else reasons)
        _common(span, result)

    def chunk(self, event: Any) -> None:
        if not isinstance(event, dict):
            return
        for key in ("id", "model", "service_tier", "usage"):
            if event.get(key):
                self._answer[key] = event[key]
        for choice in event.get("choices") or ():
            at = choice.get("index", 0)
            message = self._messages.setdefault(at, {"role": "assistant", "content": None})
            delta = choice.get("delta") or {}
            for key in ("content", "refusal", "reasoning_content"):
                if delta.get(key):
                    message[key] = (message.get(key) or "") + delta[key]
            for part in delta.get("tool_calls") or ():
                _merge_call(message.setdefault("tool_calls", []), part)
            if choice.get("finish_reason"):
                self._reasons[at] = choice["finish_reason"]

    def finish_stream(self, span: Span) -> None:
        choices = [
            {"message": message, "finish_reason": self._reasons.get(at)}
            for at, message in sorted(self._messages.items())
        ]
        self.finish(span, {**self._answer, "choices": choices})


def _merge_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    at = part.get("index", len(calls))
    while len(calls) <= at:
        calls.append({"type": "function", "function": {"name": "", "arguments": ""}})
    call = calls[at]
    if part.get("id"):
        call["id"] = part["id"]
    function = part.get("function") or {}
    for key in ("name", "arguments"):
        if function.get(key):
            call["function"][key] += function[key]


class _Responses:
    def __init__(self) -> None:
        self._last: Any = None
        self._text = ""

    def finish(self, span: Span, result: Any) -> None:
        if not isinstance(result, dict):
            return
        span.record_output(result.get("output"))
        status = result.get("status")
        if status:
            span.set_field("finish_reason", status)
        failure = result.get("error")
        if status == "failed" and isinstance(failure, dict):
            span.mark_failed(str(failure.get("message") or failure.get("code")))
        _common(span, result)

    def chunk(self, event: Any) -> None:
        if not isinstance(event, dict):
            return
        if event.get("type") == "response.output_text.delta":
            self._text += str(event.get("delta", ""))
        if isinstance(event.get("response"), dict):
            self._last = event["response"]

    def finish_stream(self, span: Span) -> None:
        self.finish(span, self._last)
        if self._text and not (self._last or {}).get("output"):
            span.record_output(self._text)


class _Embeddings:
    def finish(self, span: Span, result: Any) -> None:
        if not isinstance(result, dict):
            return
        data = result.get("data") or []
        first = data[0].get("embedding") if data else None
        # The vectors themselves can be made again; how many and how long they are is worth keeping.
        size = len(first) if isinstance(first, list) else None
        span.record_output({"embeddings": len(data), "dimensions": size})
        _common(span, result)

    def chunk(self, event: Any) -> None:
        return None

    def finish_stream(self, span: Span) -> None:
        return None
