"""Exhibit: records what agents do, and never gets in their way.

```python
import exhibit

client = exhibit.init()  # EXHIBIT_URL, EXHIBIT_API_KEY
with client.agent_trace(agent_name="support-bot") as trace:
    with trace.span(span_type="tool", name="lookup") as span:
        span.record_input({"customer": 7})
        span.record_output({"tier": "gold"})
```

Nothing here raises because of the recorder: when it is away, slow or broken, the application goes on,
and what could not be delivered is counted in `client.stats()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from . import _context
from ._client import Exhibit
from ._decide import Blocked, Decision
from ._delivery import Stats
from ._disabled import NOTHING
from ._settings import Settings
from ._span import Span, wrap_calls
from ._trace import Trace
from ._version import VERSION as __version__

__all__ = [
    "Blocked", "Decision", "Exhibit", "Settings", "Span", "Stats", "Trace", "__version__",
    "agent", "agent_trace", "client", "current_span", "current_trace_id", "decide", "flush", "init",
    "instrument", "observe", "shutdown", "span",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])
_client: Exhibit | None = None


def init(
    api_key: str | None = None,
    url: str | None = None,
    *,
    auto_instrument: bool | Iterable[str] = False,
    **settings: Any,
) -> Exhibit:
    """Makes the client that the functions of this module use, and gives it back.

    `auto_instrument` records the calls of libraries by itself: `True` for all that are installed, or
    names out of `openai`, `anthropic`, `langchain`, `openai-agents`. Everything else: [`Settings`].
    """
    global _client
    previous, _client = _client, Exhibit(api_key=api_key, url=url, **settings)
    if previous is not None and previous.enabled:
        previous.shutdown(timeout=2.0)
    if auto_instrument and _client.enabled:
        from .integrations import instrument as _instrument

        _instrument(None if auto_instrument is True else auto_instrument, client=_client)
    return _client


def client() -> Exhibit:
    """The client of `init`; the first use without one makes it from the environment."""
    return _client if _client is not None else init()


def agent_trace(
    agent_name: str = "agent",
    model_id: str | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    trace_id: str | None = None,
    version: str | None = None,
    lazy_start: bool = False,
    **more: Any,
) -> Trace:
    """[`Exhibit.agent_trace`] of the usual client."""
    return client().agent_trace(
        agent_name, model_id, tags, metadata, trace_id, version, lazy_start, **more
    )


def span(span_type: str = "custom", name: str | None = None, *, model_id: str | None = None) -> Span:
    """A step of whatever is open here; the parent is found by itself."""
    return (_client if _client is not None else init()).span(span_type, name, model_id=model_id)


def agent(agent_name: str | None = None, **options: Any) -> Callable[[F], F]:
    """Decorator: each call of the function is a trace. May be used before `init`."""

    def decorate(function: F) -> F:
        name = agent_name or function.__qualname__
        return wrap_calls(function, lambda: client().agent_trace(name, **options))

    return decorate


def observe(
    span_type: str = "custom",
    name: str | None = None,
    *,
    capture_input: bool = True,
    capture_output: bool = True,
) -> Callable[[F], F]:
    """Decorator: each call of the function is a span. May be used before `init`."""

    def decorate(function: F) -> F:
        return wrap_calls(
            function,
            lambda: client().span(span_type, name or function.__qualname__),
            capture_input,
            capture_output,
        )

    return decorate


def decide(input: Any = None, **question: Any) -> Decision:
    """[`Exhibit.decide`] of the usual client."""
    return client().decide(input, **question)


def current_span() -> Span:
    """The innermost open span; a stand-in that keeps nothing where none is open."""
    held = _context.current.get()
    return held if held is not None else NOTHING  # type: ignore[return-value]


def current_trace_id() -> str | None:
    """The id of the trace that is open here."""
    held = _context.current.get()
    return held.trace.id if held is not None and held.trace is not None else None


def instrument(*libraries: str) -> list[str]:
    """Records the calls of these libraries (all that are installed, without names); gives back which."""
    from .integrations import instrument as _instrument

    return _instrument(libraries or None, client=client())


def flush(timeout: float = 10.0) -> bool:
    """[`Exhibit.flush`] of the usual client."""
    return True if _client is None else _client.flush(timeout)


def shutdown(timeout: float = 10.0) -> bool:
    """[`Exhibit.shutdown`] of the usual client."""
    return True if _client is None else _client.shutdown(timeout)
