"""For programs with OpenTelemetry: spans of its SDK, sent to the recorder as they are.

Needs the extra `otel`. Spans of `exhibit` itself do not pass through here; use one or the other.
"""

from __future__ import annotations

import os
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from ._settings import DEFAULT_URL


class ExhibitSpanExporter(OTLPSpanExporter):  # type: ignore[misc]
    """An OTLP exporter that knows where the recorder is, and its key."""

    def __init__(self, url: str | None = None, api_key: str | None = None, **more: Any) -> None:
        base = (url or os.environ.get("EXHIBIT_URL") or DEFAULT_URL).rstrip("/")
        key = api_key or os.environ.get("EXHIBIT_API_KEY")
        headers = dict(more.pop("headers", None) or {})
        if key:
            headers["authorization"] = f"Bearer {key}"
        super().__init__(endpoint=f"{base}/v1/traces", headers=headers, **more)


def add_to(provider: Any, url: str | None = None, api_key: str | None = None) -> Any:
    """Makes a `TracerProvider` send to the recorder, in batches. Gives back the processor."""
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    processor = BatchSpanProcessor(ExhibitSpanExporter(url, api_key))
    provider.add_span_processor(processor)
    return processor
