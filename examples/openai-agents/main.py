"""The OpenAI Agents SDK with spans mirrored to JSONL, decision records, and the recorder beside them.

    pip install openai-agents exhibit
    export EXHIBIT_API_KEY=exk_... OPENAI_API_KEY=...
    python main.py "What should an audit of an AI agent contain?"

Writes `agent_spans.jsonl` (start and end of each trace and span) and `decision_records.jsonl` (canonical
JSON with SHA-256 of prompt, response and record).
"""

import asyncio
import datetime
import hashlib
import json
import sys
import time
from typing import Any, Dict, Optional

import exhibit
from agents import Agent, RunConfig, Runner, add_trace_processor, custom_span, trace
from agents.tracing import TracingProcessor


def utc_now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


class JsonlMirrorTraceProcessor(TracingProcessor):
    def __init__(self, file_path: str = "agent_spans.jsonl"):
        self.file_path = file_path

    def _write(self, payload: Dict[str, Any]) -> None:
        with open(self.file_path, "a", encoding="utf-8") as f:
            f.write(json.dumps(payload, ensure_ascii=False) + "\n")

    def on_trace_start(self, trace_obj) -> None:
        self._write({"event": "trace_start", "trace_id": trace_obj.trace_id, "name": trace_obj.name, "at": utc_now()})

    def on_trace_end(self, trace_obj) -> None:
        self._write({"event": "trace_end", "trace_id": trace_obj.trace_id, "name": trace_obj.name, "at": utc_now()})

    def on_span_start(self, span) -> None:
        self._write({
            "event": "span_start",
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_id": span.parent_id,
            "span_type": span.span_data.type,
            "at": utc_now(),
        })  # fmt: skip

    def on_span_end(self, span) -> None:
        self._write({
            "event": "span_end",
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_id": span.parent_id,
            "span_type": span.span_data.type,
            "started_at": span.started_at,
            "ended_at": span.ended_at,
        })  # fmt: skip

    def force_flush(self) -> None:
        return

    def shutdown(self) -> None:
        return


class AgentsTraceabilityWrapper:
    def __init__(
        self,
        store_raw_prompt: bool = True,
        store_raw_response: bool = True,
        decision_log_file: str = "decision_records.jsonl",
    ):
        self.store_raw_prompt = store_raw_prompt
        self.store_raw_response = store_raw_response
        self.decision_log_file = decision_log_file
        add_trace_processor(JsonlMirrorTraceProcessor())

    @staticmethod
    def _canonicalize(data: Any) -> str:
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def _sha256(content: str) -> str:
        return hashlib.sha256(content.encode("utf-8")).hexdigest()

    def _record_decision(self, record: Dict[str, Any]) -> None:
        record["record_hash"] = self._sha256(self._canonicalize(record))
        with open(self.decision_log_file, "a", encoding="utf-8") as f:
            f.write(json.dumps(record, ensure_ascii=False) + "\n")

    async def run(
        self,
        *,
        prompt: str,
        workflow_name: str,
        group_id: Optional[str],
        context: Dict[str, Any],
        model: str = "gpt-4.1-mini",
    ) -> str:
        started = time.perf_counter()
        agent = Agent(name="Traceability Assistant", model=model, instructions="You answer clearly.")

        with trace(workflow_name=workflow_name, group_id=group_id, metadata=context) as opened:
            with custom_span("input_validation", {"prompt_len": len(prompt)}):
                cleaned_prompt = prompt.strip()
            result = await Runner.run(
                agent,
                cleaned_prompt,
                run_config=RunConfig(
                    workflow_name=workflow_name,
                    group_id=group_id,
                    trace_metadata=context,
                    trace_include_sensitive_data=(self.store_raw_prompt and self.store_raw_response),
                ),
            )

        latency_ms = round((time.perf_counter() - started) * 1000, 2)
        response_text = str(result.final_output)
        self._record_decision({
            "trace_id": opened.trace_id,
            "workflow": workflow_name,
            "model": model,
            "context": context,
            "at": utc_now(),
            "latency_ms": latency_ms,
            "prompt_hash": self._sha256(cleaned_prompt),
            "response_hash": self._sha256(response_text),
            "prompt": cleaned_prompt if self.store_raw_prompt else None,
            "response": response_text if self.store_raw_response else None,
        })  # fmt: skip
        return response_text


async def main(prompt: str) -> None:
    # The recorder beside the mirror: everything, live, with tokens and cost.
    client = exhibit.init(auto_instrument=["openai-agents"], environment="development")
    wrapper = AgentsTraceabilityWrapper()
    answer = await wrapper.run(
        prompt=prompt, workflow_name="traceability", group_id="example", context={"team": "audit"}
    )
    print(answer)
    await asyncio.to_thread(client.flush)


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "What should an audit of an AI agent contain?"))
