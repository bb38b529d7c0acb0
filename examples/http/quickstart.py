"""Any language, any framework: register a trace, send a span, read it back. Only httpx is used.

    export AUDITTRAIL_API_KEY=sk-at-...      # or any key with the scope `ingest`
    python quickstart.py
"""

import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx

API = os.environ.get("AUDITTRAIL_API_URL", "http://localhost:8000")
headers = {"Authorization": f"Bearer {os.environ['AUDITTRAIL_API_KEY']}"}
trace_id = str(uuid4())

httpx.post(f"{API}/api/v1/ingest/traces", json={
    "trace": {
        "trace_id": trace_id,
        "agent_name": "my-agent",
        "environment": "development",
        "metadata": {"user_prompt": "..."},
    }
}, headers=headers).raise_for_status()  # fmt: skip

spans = [{
    "span_id": str(uuid4()),
    "trace_id": trace_id,
    "parent_span_id": None,
    "name": "my_llm_call",
    "span_type": "llm",            # llm | tool | agent | chain | retriever | custom
    "start_time": datetime.now(UTC).isoformat(),
    "end_time": (datetime.now(UTC) + timedelta(milliseconds=500)).isoformat(),
    "status": "ok",                # ok | error | running
    "input": {"prompt": "..."},
    "output": {"response": "..."},
    "model": "gpt-4o-mini",
    "tokens_in": 100,
    "tokens_out": 50,
    "tool_calls": None,
    "attributes": {},
}]  # fmt: skip
httpx.post(f"{API}/api/v1/ingest/spans", json={"batch": spans}, headers=headers).raise_for_status()

resp = httpx.get(f"{API}/api/v1/traces/{trace_id}", headers=headers)
trace = resp.json()["data"]  # NOT resp.json()
print(f"{trace['trace_id']}: {trace['status']}, {trace['cost']} USD ({trace['cost_source']})")
