"""`init_tracer`, `start_trace`, `shutdown_tracer` of the quick start.

```python
await init_tracer()
async with start_trace("my-agent", "development") as trace_id:
    handler = AuditTrailCallbackHandler(trace_id=trace_id)
    result = await graph.ainvoke(…, config={"callbacks": [handler]})
await shutdown_tracer()
```
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import exhibit
from exhibit import Exhibit, Trace

DEFAULT_URL = "http://127.0.0.1:8000"
_client: Exhibit | None = None
_open: dict[str, Trace] = {}


def client() -> Exhibit:
    """The client of `init_tracer`, or one from the environment."""
    global _client
    if _client is None:
        _client = _make(None, None)
    return _client


def _make(api_key: str | None, base_url: str | None) -> Exhibit:
    key = api_key or os.environ.get("AUDITTRAIL_API_KEY")
    url = base_url or os.environ.get("AUDITTRAIL_API_URL") or os.environ.get("EXHIBIT_URL")
    return exhibit.init(key, url or DEFAULT_URL)


async def init_tracer(api_key: str | None = None, base_url: str | None = None) -> None:
    """Before the first trace."""
    global _client
    _client = _make(api_key, base_url)


@asynccontextmanager
async def start_trace(
    agent_name: str = "agent",
    environment: str = "development",
    metadata: Mapping[str, Any] | None = None,
) -> AsyncIterator[str]:
    """A run of an agent; gives the id of its trace."""
    trace = client().agent_trace(agent_name, environment=environment, metadata=metadata)
    async with trace:
        _open[trace.id] = trace
        try:
            yield trace.id
        finally:
            _open.pop(trace.id, None)


def open_trace(trace_id: str) -> Trace | None:
    """The trace of this id, while it is open in this process."""
    return _open.get(trace_id)


async def shutdown_tracer(timeout: float = 10.0) -> None:
    """Waits, without holding up the event loop, until everything is delivered."""
    if _client is not None:
        await asyncio.to_thread(_client.flush, timeout)
