"""A span: one step of a run, from when it starts until it ends.

What the application hands over is copied at once; everything else (redaction, encoding, sending) is
done later by the delivery thread. No method raises.
"""

from __future__ import annotations

import functools
import inspect
import json
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from . import _context
from ._faults import internal
from ._ids import new_span_id
from ._values import Json, snapshot

if TYPE_CHECKING:
    from types import TracebackType

    from ._client import Exhibit
    from ._trace import TraceState

F = TypeVar("F", bound=Callable[..., Any])
STACK_CHARS_MAX = 16_000
_time_ns, _perf_ns = time.time_ns, time.perf_counter_ns


class Span:
    """One step. Use it as a context manager (`with` or `async with`), or `start` and `end` it."""

    __slots__ = (
        "id", "name", "span_type", "start_ns", "end_ns", "status", "error", "error_type",
        "input", "output", "model", "usage", "fields", "attributes", "tool_calls", "trace",
        "parent_id", "sequence", "size", "announced", "leaf",
        "_client", "_parent", "_began", "_token", "_output_set",
    )  # fmt: skip

    def __init__(
        self,
        client: Exhibit,
        span_type: str,
        name: str | None,
        trace: TraceState | None = None,
        parent: Span | None = None,
        model: str | None = None,
    ) -> None:
        self._client = client
        self.span_type = span_type
        self.name = name
        self.trace = trace
        self._parent = parent
        self.model = model
        self.id = ""
        self.parent_id: str | None = None
        self.start_ns = 0
        self.end_ns = 0
        self._began = 0
        self.status = "running"
        self.error: str | None = None
        self.error_type: str | None = None
        self.input: Json = None
        self.output: Json = None
        self._output_set = False
        self.usage: dict[str, Any] | None = None
        self.fields: dict[str, Json] | None = None
        self.attributes: dict[str, Json] | None = None
        self.tool_calls: list[Json] | None = None
        self.sequence = 0
        self.size = 1024
        self.announced = False
        #: A model call whose inner calls are the same call, seen again.
        self.leaf = False
        self._token: Any = None

    # -- its life ---------------------------------------------------------------------------------

    def start(self, *, current: bool = True) -> Span:
        """Starts it. With `current`, spans opened from here on are its children."""
        try:
            if self.id:
                return self
            self.id = new_span_id()
            self._began = _perf_ns()
            self.start_ns = _time_ns()
            parent = self._parent
            if parent is None:
                parent = _context.current.get()
                trace = self.trace
                if trace is not None and (parent is None or parent.trace is not trace):
                    parent = trace.root if trace.root is not self else None
            if self.trace is None:
                self.trace = parent.trace if parent is not None else self._client._new_trace(self)
            if parent is not None:
                self.parent_id = parent.id
            if current:
                self._token = _context.current.set(self)
            trace = self.trace
            if trace is not None and not trace.begun:
                if trace.root is self:
                    return self
                trace.begin()
            self._client._delivery.started(self)
        except Exception:
            internal("starting a span")
        return self

    def end(self, error: BaseException | str | None = None) -> None:
        """Ends it; with an error, as failed."""
        try:
            if self.end_ns:
                return
            if self._token is not None:
                self._leave()
            if error is not None:
                self._fail(error)
            if not self.id:
                return
            if self.status == "running":
                self.status = "ok"
            self.end_ns = self.start_ns + (_perf_ns() - self._began)
            self._client._delivery.ended(self)
        except Exception:
            internal("ending a span")

    def _leave(self) -> None:
        token, self._token = self._token, None
        try:
            _context.current.reset(token)
        except ValueError:  # ended in another context than the one it was started in
            if _context.current.get() is self:
                _context.current.set(self._parent)

    def __enter__(self) -> Span:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and _is_failure(error):
            self.end(error)
        else:
            self.end()

    async def __aenter__(self) -> Span:
        return self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """As a decorator: each call of the function is a span like this one."""
        client, kind, name, model = self._client, self.span_type, self.name, self.model
        return wrap_calls(
            function, lambda: client.span(kind, name or function.__qualname__, model_id=model)
        )

    # -- what is recorded -------------------------------------------------------------------------

    def record_input(self, value: Any) -> None:
        """What the step was given: any JSON, or anything that can be described."""
        try:
            self.input, size = snapshot(value)
            self.size += size
            if self.announced and not self.end_ns:
                self._client._delivery.started(self)
        except Exception:
            internal("recording an input")

    def record_output(self, value: Any) -> None:
        """What the step gave back."""
        try:
            self.output, size = snapshot(value)
            self._output_set = True
            self.size += size
        except Exception:
            internal("recording an output")

    def record_usage(
        self,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        *,
        total_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        cost: float | None = None,
    ) -> None:
        """Tokens of a model call. `input_tokens` include cache reads and writes, `output_tokens`
        include reasoning. `cost` is in US dollars and overrides the price table."""
        try:
            usage = dict(self.usage or ())
            for key, value in (
                ("tokens_in", input_tokens),
                ("tokens_out", output_tokens),
                ("tokens_total", total_tokens),
                ("cache_read_tokens", cache_read_tokens),
                ("cache_write_tokens", cache_write_tokens),
                ("reasoning_tokens", reasoning_tokens),
            ):
                if isinstance(value, (int, float)) and 0 <= value <= 1e12:
                    usage[key] = int(value)
            if cost is not None and 0 <= float(cost) < 9e9:
                usage["cost"] = float(cost)
            self.usage = usage
        except Exception:
            internal("recording usage")

    def record_tool_call(
        self,
        tool_name: str,
        arguments: Any = None,
        result: Any = None,
        *,
        selected_from: Iterable[str] | None = None,
        id: str | None = None,
    ) -> None:
        """A tool that a model asked for, or that was run. `selected_from` are the tools it could have
        chosen."""
        try:
            call: dict[str, Json] = {"tool_name": str(tool_name)}
            if id is not None:
                call["id"] = str(id)
            call["arguments"], size = snapshot(_parsed(arguments))
            given, more = snapshot(result)
            call["result"] = given if given is None or isinstance(given, dict) else {"output": given}
            call["selected_from"] = [str(name) for name in selected_from or ()]
            self.size += size + more
            self.tool_calls = [*(self.tool_calls or ()), call]
        except Exception:
            internal("recording a tool call")

    def set_model(self, model: str | None, provider: str | None = None) -> None:
        """The model that answered, or was asked."""
        try:
            if model is not None:
                self.model = str(model)
            if provider is not None:
                self.set_field("provider", str(provider))
        except Exception:
            internal("setting a model")

    def set_name(self, name: str) -> None:
        """Another name."""
        self.name = str(name)

    def set_attribute(self, key: str, value: Any) -> None:
        """Anything else worth keeping, under a key of your own or of a known convention."""
        try:
            kept, size = snapshot(value)
            self.size += size
            self.attributes = {**(self.attributes or {}), str(key): kept}
        except Exception:
            internal("setting an attribute")

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Several at once."""
        try:
            kept, size = snapshot(dict(attributes))
            self.size += size
            if isinstance(kept, dict):
                self.attributes = {**(self.attributes or {}), **kept}
        except Exception:
            internal("setting attributes")

    def set_field(self, name: str, value: Any) -> None:
        """A field of the native API that has no method here: `response_id`, `finish_reason`,
        `ttft_ms`, `parameters`, `session_id`, `user_id`, …"""
        try:
            kept, size = snapshot(value)
            self.size += size
            self.fields = {**(self.fields or {}), str(name): kept}
        except Exception:
            internal("setting a field")

    def set_tools(self, definitions: Any) -> None:
        """The tools a model was offered."""
        self.set_attribute("gen_ai.tool.definitions", definitions)

    def mark_failed(self, error: BaseException | str) -> None:
        """Failed, though no exception left the step."""
        try:
            self._fail(error)
        except Exception:
            internal("marking a failure")

    def _fail(self, error: BaseException | str) -> None:
        self.status = "error"
        if isinstance(error, BaseException):
            kind = type(error)
            self.error_type = kind.__qualname__
            self.error = str(error)[:STACK_CHARS_MAX] or kind.__qualname__
            stack = "".join(traceback.format_exception(kind, error, error.__traceback__))
            self.attributes = {
                **(self.attributes or {}),
                "exception.stacktrace": stack[-STACK_CHARS_MAX:],
            }
        else:
            self.error = str(error)[:STACK_CHARS_MAX]

    # Names that other SDKs use for the same.
    set_token_usage = record_usage
    set_model_id = set_model

    def span(
        self, span_type: str = "custom", name: str | None = None, *, model_id: str | None = None
    ) -> Span:
        """A child of this span."""
        return Span(self._client, str(span_type), name, self.trace, self, model_id)

    @property
    def recording(self) -> bool:
        """Whether anything of it is kept."""
        return True


def _is_failure(error: BaseException) -> bool:
    if isinstance(error, GeneratorExit):
        return False
    return not (isinstance(error, SystemExit) and error.code in (None, 0))


def _parsed(arguments: Any) -> Any:
    if isinstance(arguments, str) and arguments[:1] in "{[":
        try:
            return json.loads(arguments)
        except ValueError:
            return arguments
    return arguments


def wrap_calls(
    function: F,
    open_span: Callable[[], Any],
    capture_input: bool = True,
    capture_output: bool = True,
) -> F:
    """Wraps a function, coroutine function or generator so that each call is a span."""
    try:
        signature: inspect.Signature | None = inspect.signature(function)
    except (TypeError, ValueError):
        signature = None

    def asked(span: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not capture_input or not span.recording:
            return
        try:
            if signature is None:
                span.record_input({"args": args, "kwargs": kwargs})
            else:
                bound = signature.bind_partial(*args, **kwargs).arguments
                span.record_input({k: v for k, v in bound.items() if k not in ("self", "cls")})
        except Exception:
            internal("recording arguments")

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with open_span() as span:
                asked(span, args, kwargs)
                result = await function(*args, **kwargs)
                if capture_output:
                    span.record_output(result)
                return result

        return call_async  # type: ignore[return-value]
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def iterate_async(*args: Any, **kwargs: Any) -> Any:
            with open_span() as span:
                asked(span, args, kwargs)
                said: list[Any] = []
                async for item in function(*args, **kwargs):
                    if len(said) < 10_000:
                        said.append(item)
                    yield item
                if capture_output:
                    span.record_output(_joined(said))

        return iterate_async  # type: ignore[return-value]
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def iterate(*args: Any, **kwargs: Any) -> Any:
            with open_span() as span:
                asked(span, args, kwargs)
                said: list[Any] = []
                for item in function(*args, **kwargs):
                    if len(said) < 10_000:
                        said.append(item)
                    yield item
                if capture_output:
                    span.record_output(_joined(said))

        return iterate  # type: ignore[return-value]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with open_span() as span:
            asked(span, args, kwargs)
            result = function(*args, **kwargs)
            if capture_output:
                span.record_output(result)
            return result

    return call  # type: ignore[return-value]


def _joined(items: list[Any]) -> Any:
    return "".join(items) if items and all(isinstance(item, str) for item in items) else items
