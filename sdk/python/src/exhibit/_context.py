"""Which span is open here: per thread, per task, and handed on to threads that are started.

`asyncio` hands context on by itself. Threads do not, so starting a thread and submitting to a
`ThreadPoolExecutor` are wrapped once; only our own variable is handed on, nothing of anybody else.
"""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.thread
import functools
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._span import Span

#: The innermost open span.
current: ContextVar[Span | None] = ContextVar("exhibit_span", default=None)

_pool_worker = getattr(concurrent.futures.thread, "_worker", None)
_wrapped = False


def with_current(span: Span | None, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls with `span` open, and restores what was."""
    token = current.set(span)
    try:
        return call(*args, **kwargs)
    finally:
        current.reset(token)


def propagate_to_threads() -> None:
    """Wraps `Thread.start` and `ThreadPoolExecutor.submit`, once per process."""
    global _wrapped
    if _wrapped:
        return
    _wrapped = True
    start = threading.Thread.start
    submit: Any = concurrent.futures.ThreadPoolExecutor.submit

    @functools.wraps(start)
    def start_with_span(self: threading.Thread) -> None:
        span = current.get()
        # Workers of a pool outlive the span; what they are given carries its own.
        if span is not None and getattr(self, "_target", None) is not _pool_worker:
            self.run = functools.partial(with_current, span, self.run)  # type: ignore[method-assign]
        start(self)

    @functools.wraps(submit)
    def submit_with_span(
        self: concurrent.futures.ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        span = current.get()
        if span is None:
            return submit(self, fn, *args, **kwargs)
        return submit(self, with_current, span, fn, *args, **kwargs)

    threading.Thread.start = start_with_span  # type: ignore[method-assign]
    concurrent.futures.ThreadPoolExecutor.submit = submit_with_span  # type: ignore[method-assign,assignment]
