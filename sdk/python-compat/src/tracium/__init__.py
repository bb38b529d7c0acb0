"""The documents of Tracium as they print it, recorded by Exhibit.

```python
import tracium

client = tracium.init()
with client.agent_trace(agent_name="support-bot", model_id="gpt-4") as trace:
    with trace.span(span_type="llm", name="completion") as span:
        span.record_input({"item": 1})
```
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import exhibit
from exhibit import agent_trace, current_span, flush, shutdown, span
from exhibit import Exhibit as TraciumClient
from exhibit import agent as trace
from exhibit import observe as agent_span

__all__ = [
    "TraciumClient", "agent_span", "agent_trace", "current_span", "flush", "get_client", "init",
    "shutdown", "span", "trace",
]  # fmt: skip

get_client = exhibit.client


def init(
    api_key: str | None = None,
    base_url: str | None = None,
    *,
    default_tags: Iterable[str] | None = None,
    default_version: str | None = None,
    auto_instrument: bool | Iterable[str] = False,
    **settings: Any,
) -> TraciumClient:
    """Makes the client that `tracium.span` and the rest use."""
    return exhibit.init(
        api_key or os.environ.get("TRACIUM_API_KEY"),
        base_url or os.environ.get("TRACIUM_BASE_URL"),
        tags=tuple(default_tags) if default_tags else None,
        version=default_version,
        auto_instrument=auto_instrument,
        **settings,
    )
