"""What an application holds when nothing is recorded: the same names, and no work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Nothing:
    """Stands in for a trace or span. One object serves all."""

    __slots__ = ()

    id = ""
    name = None
    agent_name = None
    model = None
    trace = None
    parent_id = None
    leaf = False
    recording = False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def __call__(self, function: F) -> F:
        return function

    def span(self, *_: Any, **__: Any) -> Any:
        return self

    def start(self, *_: Any, **__: Any) -> Any:
        return self

    @property
    def root(self) -> Any:
        return self

    def _ignore(self, *_: Any, **__: Any) -> None:
        return None

    end = record_input = record_output = record_usage = set_token_usage = _ignore
    record_tool_call = set_model = set_model_id = set_name = _ignore
    set_attribute = set_attributes = set_field = set_tools = mark_failed = _ignore
    add_tags = add_metadata = set_summary = set_user = _ignore


NOTHING = Nothing()
