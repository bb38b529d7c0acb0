"""Calls of the `anthropic` package: messages; sync, async and streamed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._span import Span
from . import _http_client
from .openai import parameters

if TYPE_CHECKING:
    from .._client import Exhibit


def install(client: Exhibit) -> None:
    """Wraps the library's clients, also those that exist already."""
    from anthropic import _base_client

    _http_client.install(_base_client, client, _open)


def _open(
    client: Exhibit, api: Any, path: str, body: dict[str, Any]
) -> tuple[Span, _http_client.Call] | None:
    if not path.endswith("/messages"):
        return None
    model = body.get("model")
    span = client.span("llm", f"messages {model}" if model else "messages")
    span.leaf = True
    span.set_model(str(model) if model else None, "anthropic")
    asked: Any = body.get("messages")
    if body.get("system"):
        asked = {"system": body["system"], "messages": asked}
    span.record_input(asked)
    if body.get("tools"):
        span.set_tools(body["tools"])
    span.set_field("parameters", parameters(body))
    span.start(current=False)
    return span, _Message()


class _Message:
    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._arguments: dict[int, str] = {}

    def finish(self, span: Span, result: Any) -> None:
        if not isinstance(result, dict):
            return
        span.record_output({"role": "assistant", "content": result.get("content")})
        if result.get("model"):
            span.set_model(result["model"])
        if result.get("id"):
            span.set_field("response_id", result["id"])
        if result.get("stop_reason"):
            span.set_field("finish_reason", result["stop_reason"])
        usage = result.get("usage")
        if not isinstance(usage, dict):
            return
        read = usage.get("cache_read_input_tokens") or 0
        written = usage.get("cache_creation_input_tokens") or 0
        if usage.get("service_tier"):
            span.set_field("service_tier", usage["service_tier"])
        span.record_usage(
            # Its input leaves the cached tokens out; ours include them.
            (usage.get("input_tokens") or 0) + read + written,
            usage.get("output_tokens"),
            cache_read_tokens=read or None,
            cache_write_tokens=written or None,
        )

    def chunk(self, event: Any) -> None:
        if not isinstance(event, dict):
            return
        kind, at = event.get("type"), event.get("index", 0)
        if kind == "message_start":
            self._message = dict(event.get("message") or {})
        elif kind == "content_block_start":
            self._blocks[at] = dict(event.get("content_block") or {})
        elif kind == "content_block_delta":
            delta, block = event.get("delta") or {}, self._blocks.setdefault(at, {})
            for key in ("text", "thinking"):
                if isinstance(delta.get(key), str):
                    block[key] = (block.get(key) or "") + delta[key]
            if isinstance(delta.get("partial_json"), str):
                self._arguments[at] = self._arguments.get(at, "") + delta["partial_json"]
        elif kind == "message_delta":
            delta = event.get("delta") or {}
            self._message.update({k: v for k, v in delta.items() if v is not None})
            told = {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
            self._message["usage"] = {**(self._message.get("usage") or {}), **told}

    def finish_stream(self, span: Span) -> None:
        for at, text in self._arguments.items():
            try:
                self._blocks[at]["input"] = json.loads(text)
            except (ValueError, KeyError):
                self._blocks.setdefault(at, {})["input"] = text
        content = [block for _, block in sorted(self._blocks.items())]
        self.finish(span, {**self._message, "content": content})
