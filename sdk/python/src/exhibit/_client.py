"""The client: opens traces and spans, hands them to delivery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from . import _context
from ._decide import Decision, Fail, Governor
from ._delivery import Delivery, Stats
from ._disabled import NOTHING
from ._faults import internal, log
from ._ids import new_trace_id, usable_id
from ._privacy import Privacy
from ._settings import Settings, SettingsError, gather
from ._span import Span, wrap_calls
from ._trace import Trace, TraceState
from ._values import Json, snapshot

F = TypeVar("F", bound=Callable[..., Any])


class Exhibit:
    """One recorder and one key. [`exhibit.init`] makes the usual one; further ones may stand beside it.

    The arguments are the fields of [`Settings`]; each also comes from `EXHIBIT_` and its name in
    capitals. Settings that cannot be used switch recording off, with an error in the log.
    """

    def __init__(self, **settings: Any) -> None:
        try:
            self.settings = gather(settings)
        except SettingsError as error:
            log.error("exhibit: nothing is recorded: %s", error)
            self.settings = Settings(enabled=False)
        except Exception:
            log.error("exhibit: nothing is recorded", exc_info=True)
            self.settings = Settings(enabled=False)
        self.enabled = self.settings.enabled
        self._common = self._shared_fields()
        self._delivery = Delivery(self.settings)
        self._governor = Governor(self.settings, Privacy(self.settings))
        if self.enabled and self.settings.propagate_threads:
            try:
                _context.propagate_to_threads()
            except Exception:
                internal("propagation to threads")

    def _shared_fields(self) -> dict[str, Json]:
        s = self.settings
        fields = {"environment": s.environment, "service": s.service, "version": s.version}
        return {name: value for name, value in fields.items() if value}

    # -- traces and spans -------------------------------------------------------------------------

    def agent_trace(
        self,
        agent_name: str = "agent",
        model_id: str | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
        version: str | None = None,
        lazy_start: bool = False,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        environment: str | None = None,
        input: Any = None,
    ) -> Trace:
        """A run of an agent: everything opened inside belongs to it.

        With `lazy_start`, nothing is sent unless a span is opened. A `trace_id` of your own has up to
        256 characters of `A-Z a-z 0-9 . _ : -`; another is replaced, and kept as metadata.
        """
        if not self.enabled:
            return NOTHING  # type: ignore[return-value]
        try:
            options = {
                "agent_name": agent_name, "model_id": model_id, "tags": tags, "metadata": metadata,
                "version": version, "lazy_start": lazy_start, "session_id": session_id,
                "user_id": user_id, "environment": environment,
            }  # fmt: skip
            common: dict[str, Json] = {**self._common, "agent_name": str(agent_name)}
            for name, value in (
                ("version", version),
                ("session_id", session_id),
                ("user_id", user_id),
                ("environment", environment),
            ):
                if value is not None:
                    common[name] = str(value)
            root = Span(self, "agent", str(agent_name), model=model_id)
            chosen = usable_id(trace_id) if trace_id is not None else None
            state = TraceState(chosen or new_trace_id(), root, common, lazy_start)
            root.trace = state
            state.model = model_id
            state.tags = [*self.settings.tags, *(str(tag) for tag in tags or ())]
            if metadata:
                kept, size = snapshot(dict(metadata))
                state.metadata = kept if isinstance(kept, dict) else {}
                root.size += size
            if trace_id is not None and chosen is None:
                log.warning("exhibit: the trace id %.80r cannot be used; it is kept as metadata", trace_id)
                state.metadata = {**state.metadata, "requested_trace_id": str(trace_id)[:512]}
            if input is not None:
                root.record_input(input)
            return Trace(self, state, root, options)
        except Exception:
            internal("opening a trace")
            return NOTHING  # type: ignore[return-value]

    def span(
        self, span_type: str = "custom", name: str | None = None, *, model_id: str | None = None
    ) -> Span:
        """A step. Its parent is the span that is open here; without one it is a trace of its own."""
        if not self.enabled:
            return NOTHING  # type: ignore[return-value]
        return Span(self, span_type, name, None, None, model_id)

    def _new_trace(self, root: Span | None, trace_id: str | None = None) -> TraceState:
        chosen = usable_id(trace_id) if trace_id is not None else None
        state = TraceState(chosen or new_trace_id(), root, self._common)
        state.tags = list(self.settings.tags)
        return state

    def agent(self, agent_name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Decorator: each call of the function is a trace. Options as [`agent_trace`]."""

        def decorate(function: F) -> F:
            name = agent_name or function.__qualname__
            return wrap_calls(function, lambda: self.agent_trace(name, **options))

        return decorate

    def observe(
        self,
        span_type: str = "custom",
        name: str | None = None,
        *,
        capture_input: bool = True,
        capture_output: bool = True,
    ) -> Callable[[F], F]:
        """Decorator: each call of the function is a span with its arguments and its result."""

        def decorate(function: F) -> F:
            return wrap_calls(
                function,
                lambda: self.span(span_type, name or function.__qualname__),
                capture_input,
                capture_output,
            )

        return decorate

    # -- governance -------------------------------------------------------------------------------

    def decide(
        self,
        input: Any = None,
        *,
        model: str | None = None,
        provider: str | None = None,
        tool: str | None = None,
        arguments: Any = None,
        workflow: str | None = None,
        cost_so_far: float | None = None,
        fail: Fail = "open",
        timeout: float = 2.0,
    ) -> Decision:
        """Asks the rules before a model or tool is called. Never raises.

        `arguments` of a tool are judged like an input. `cost_so_far` is in US dollars. `fail` says what
        holds when the rules cannot be asked: `"open"` goes on, `"closed"` blocks.
        """
        if not self.enabled:
            return Decision("allow", True, input, "recording is switched off", asked=False)
        span = _context.current.get()
        trace = span.trace if span is not None else None
        common = trace.common if trace is not None else self._common
        question = {
            "model": model,
            "provider": provider,
            "tool": tool,
            "kind": "tool" if tool is not None else None,
            "metadata": {"workflow": workflow} if workflow is not None else None,
            "agent": common.get("agent_name"),
            "environment": common.get("environment"),
            "service": common.get("service"),
            "user": common.get("user_id"),
            "session": common.get("session_id"),
            "tags": list(trace.tags) if trace is not None and trace.tags else None,
        }
        beside = {
            "trace_id": trace.id if trace is not None else None,
            "trace_cost_usd": cost_so_far,
        }
        return self._governor.ask(question, beside, input, arguments, fail, timeout)

    # -- delivery ---------------------------------------------------------------------------------

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until everything recorded before is durable at the recorder. Returns after `timeout`
        seconds at the latest; False when it took longer, or when spans were dropped or refused since
        the last flush: [`stats`] says how many."""
        return True if not self.enabled else self._delivery.flush(timeout)

    def shutdown(self, timeout: float = 10.0) -> bool:
        """Flushes, and records nothing more."""
        self.enabled = False
        return self._delivery.shutdown(timeout)

    def stats(self) -> Stats:
        """How many spans ended, were delivered, wait, were dropped or refused."""
        return self._delivery.stats()
