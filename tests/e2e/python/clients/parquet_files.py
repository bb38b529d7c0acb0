"""Writes tables as Phoenix' `get_spans_dataframe().to_parquet()` and LangSmith's bulk export do."""

import datetime
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq

phoenix, langsmith, run = sys.argv[1:4]
start = datetime.datetime(2026, 11, 21, 7, 0, tzinfo=datetime.timezone.utc)
later = start + datetime.timedelta(seconds=2)
trace = f"{int(run, 16):032x}"
time = pa.timestamp("ns", tz="UTC")
messages = pa.list_(pa.struct([("message.role", pa.string()), ("message.content", pa.string())]))
rows = pa.table({
    "name": ["answer", "chat"],
    "span_kind": ["CHAIN", "LLM"],
    "parent_id": pa.array([None, "00000000000000a1"], pa.string()),
    "start_time": pa.array([start, start], time),
    "end_time": pa.array([later, later], time),
    "status_code": ["OK", "ERROR"],
    "status_message": ["", "overloaded"],
    "events": pa.array([[], [{"name": "exception", "timestamp": later, "attributes": {"exception.message": "overloaded"}}]],
                       pa.list_(pa.struct([("name", pa.string()), ("timestamp", pa.timestamp("us", tz="UTC")),
                                           ("attributes", pa.struct([("exception.message", pa.string())]))]))),
    "context.span_id": ["00000000000000a1", "00000000000000a2"],
    "context.trace_id": [trace, trace],
    "attributes.llm.model_name": pa.array([None, "gpt-4o-mini"], pa.string()),
    "attributes.llm.token_count.prompt": [float("nan"), 100.0],
    "attributes.llm.token_count.completion": [float("nan"), 20.0],
    "attributes.llm.input_messages": pa.array(
        [None, [{"message.role": "user", "message.content": "What is the refund policy?"}]], messages),
    "attributes.llm.output_messages": pa.array(
        [None, [{"message.role": "assistant", "message.content": "Thirty days."}]], messages),
    "attributes.session.id": ["chat-" + run, "chat-" + run],
    "attributes.metadata": pa.array([{"tier": "gold"}, None], pa.struct([("tier", pa.string())])),
})  # fmt: skip
pq.write_table(rows, phoenix)

root, child = f"00000000-0000-4000-8000-{int(run, 16):012x}", f"00000000-0000-4000-8001-{int(run, 16):012x}"
usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
pq.write_table(pa.table({
    "id": [root, child], "trace_id": [root, root], "parent_run_id": pa.array([None, root], pa.string()),
    "name": ["answer", "call_model"], "run_type": ["chain", "llm"], "status": ["success", "success"],
    "start_time": pa.array([start, start], pa.timestamp("us", tz="UTC")),
    "end_time": pa.array([later, later], pa.timestamp("us", tz="UTC")),
    "inputs": ['{"q": "refund?"}', '{"messages": [{"role": "user", "content": "refund?"}]}'],
    "outputs": ['{"a": "Thirty days."}', json.dumps({"content": "Thirty days.", "usage_metadata": usage})],
    "extra": ["{}", json.dumps({"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}})],
    "error": pa.array([None, None], pa.string()),
}), langsmith, compression="zstd")  # fmt: skip
print(json.dumps({"phoenix": trace, "langsmith": root}))
