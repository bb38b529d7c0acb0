"""`AuditTrailCallbackHandler` of the quick start, for LangChain and LangGraph."""

from __future__ import annotations

from exhibit.integrations.langchain import ExhibitCallbackHandler

from .traceable import client, open_trace


class AuditTrailCallbackHandler(ExhibitCallbackHandler):
    """Records every run it is given to, in the trace of this id."""

    def __init__(self, trace_id: str | None = None) -> None:
        held = open_trace(trace_id) if trace_id else None
        super().__init__(client(), held._state if held is not None else None, trace_id)
