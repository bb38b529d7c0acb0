"""The walk-through of AITracer as its page prints it, recorded by Exhibit.

```python
from aitracer import AITracer

client = AITracer(api_key="your-api-key")
trace = client.trace(
    model="gpt-4o",
    input="Summarize this quarterly report",
    metadata={"workflow": "finance-review"},
)
print(trace.id)
```
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import exhibit

__all__ = ["AITracer", "RecordedTrace"]


@dataclass(frozen=True)
class RecordedTrace:
    """A call that is on record, or on its way there."""

    #: By which it is found everywhere.
    id: str


class AITracer:
    """One workspace key."""

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        environment: str | None = None,
        **settings: Any,
    ) -> None:
        self._client = exhibit.Exhibit(
            api_key=api_key or os.environ.get("AITRACER_API_KEY"),
            url=base_url or os.environ.get("AITRACER_BASE_URL"),
            environment=environment,
            **settings,
        )

    def trace(
        self,
        model: str | None = None,
        input: Any = None,
        output: Any = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        tool_calls: Iterable[Mapping[str, Any]] = (),
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost: float | None = None,
        trace_id: str | None = None,
        user_id: str | None = None,
    ) -> RecordedTrace:
        """Records one call of a model as a trace of its own. The id holds at once."""
        workflow = str((metadata or {}).get("workflow") or (f"chat {model}" if model else "chat"))
        trace = self._client.agent_trace(
            workflow, model, metadata=metadata, trace_id=trace_id, user_id=user_id
        )
        with trace:
            trace.record_input(input)
            with trace.span("llm", f"chat {model}" if model else "chat", model_id=model) as call:
                call.record_input(input)
                if output is not None:
                    call.record_output(output)
                    trace.record_output(output)
                if input_tokens is not None or output_tokens is not None or cost is not None:
                    call.record_usage(input_tokens, output_tokens, cost=cost)
                for one in tool_calls:
                    call.record_tool_call(
                        str(one.get("tool_name") or one.get("name") or "tool"),
                        one.get("arguments"),
                        one.get("result"),
                        selected_from=one.get("selected_from"),
                    )
        return RecordedTrace(trace.id)

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until everything is durable."""
        return self._client.flush(timeout)
