"""A trace: one run of an agent, with the span that is its root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ._faults import internal
from ._span import Span, wrap_calls
from ._values import Json, snapshot

if TYPE_CHECKING:
    from types import TracebackType

    from ._client import Exhibit

F = TypeVar("F", bound=Callable[..., Any])


class TraceState:
    """What all spans of a trace share."""

    __slots__ = ("begun", "common", "id", "metadata", "model", "root", "tags")

    def __init__(
        self, id: str, root: Span | None, common: dict[str, Json], lazy: bool = False
    ) -> None:
        self.id = id
        #: The span that encloses the others; none until a trace that was only named has one.
        self.root = root
        self.common = common
        self.tags: list[str] = []
        self.metadata: dict[str, Json] = {}
        self.model: str | None = None
        self.begun = not lazy

    def begin(self) -> None:
        """A lazy trace has its first span: the root counts from now on."""
        self.begun = True
        if self.root is not None:
            self.root._client._delivery.started(self.root)


class Trace:
    """The handle of a trace. Use it as a context manager (`with` or `async with`)."""

    __slots__ = ("_client", "_options", "_root", "_state")

    def __init__(
        self,
        client: Exhibit,
        state: TraceState,
        root: Span,
        options: dict[str, Any],
    ) -> None:
        self._client = client
        self._state = state
        self._root = root
        self._options = options

    @property
    def id(self) -> str:
        """The id by which the trace is found everywhere."""
        return self._state.id

    @property
    def agent_name(self) -> str | None:
        """The agent it is a run of."""
        name = self._state.common.get("agent_name")
        return name if isinstance(name, str) else None

    @property
    def root(self) -> Span:
        """The span that encloses all others."""
        return self._root

    @property
    def recording(self) -> bool:
        """Whether anything of it is kept."""
        return True

    def add_tags(self, tags: Iterable[str] | str) -> None:
        """More tags."""
        try:
            for tag in [tags] if isinstance(tags, str) else tags:
                if str(tag) not in self._state.tags:
                    self._state.tags = [*self._state.tags, str(tag)]
        except Exception:
            internal("adding tags")

    def add_metadata(self, metadata: Mapping[str, Any]) -> None:
        """More metadata; a key that is there is replaced."""
        try:
            kept, _ = snapshot(dict(metadata))
            if isinstance(kept, dict):
                self._state.metadata = {**self._state.metadata, **kept}
        except Exception:
            internal("adding metadata")

    def set_summary(self, summary: Any) -> None:
        """How it went: text or an object. It stands as the trace's output where none was recorded."""
        try:
            if self._root._output_set:
                self._root.set_attribute("summary", summary)
            else:
                self._root.output, size = snapshot(summary)
                self._root.size += size
        except Exception:
            internal("setting a summary")

    def set_user(self, user_id: str, session_id: str | None = None) -> None:
        """Whom it is for, and in which conversation. Counts for spans that end from now on."""
        common = {**self._state.common, "user_id": str(user_id)}
        if session_id is not None:
            common["session_id"] = str(session_id)
        self._state.common = common

    def record_input(self, value: Any) -> None:
        """What the run was asked."""
        self._root.record_input(value)

    def record_output(self, value: Any) -> None:
        """What the run gave back."""
        self._root.record_output(value)

    def span(
        self, span_type: str = "custom", name: str | None = None, *, model_id: str | None = None
    ) -> Span:
        """A step: child of the span that is open here, else of the root."""
        return Span(self._client, str(span_type), name, self._state, None, model_id)

    def mark_failed(self, error: BaseException | str = "failed") -> None:
        """Failed, though no exception left it."""
        self._root.mark_failed(error)

    def start(self) -> Trace:
        """Starts it, for use without `with`."""
        self._root.start()
        return self

    def end(self, error: BaseException | str | None = None) -> None:
        """Ends it."""
        if not self._state.begun:
            # Nothing happened in a lazy trace: nothing is told.
            self._root._leave() if self._root._token is not None else None
            self._root.end_ns = 1
            return
        self._root.end(error)

    def __enter__(self) -> Trace:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._state.begun:
            self.end()
        else:
            self._root.__exit__(kind, error, trace)

    async def __aenter__(self) -> Trace:
        return self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """As a decorator: each call of the function is a trace like this one."""
        client, options = self._client, self._options
        return wrap_calls(function, lambda: client.agent_trace(**options))
