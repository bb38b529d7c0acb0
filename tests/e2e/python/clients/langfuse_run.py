"""Observations recorded with the published Langfuse SDK (OpenTelemetry underneath)."""

import json
import os
import sys

url, key, run = sys.argv[1:4]
os.environ |= {"LANGFUSE_HOST": url, "LANGFUSE_BASE_URL": url, "LANGFUSE_PUBLIC_KEY": "pk-lf-mine",
               "LANGFUSE_SECRET_KEY": key}  # fmt: skip

from langfuse import Langfuse, propagate_attributes  # noqa: E402

client = Langfuse(public_key="pk-lf-mine", secret_key=key, base_url=url)
ids = {"authorised": client.auth_check()}
with client.start_as_current_observation(name="answer", as_type="agent", input={"q": "refund?"}) as agent:
    with propagate_attributes(session_id=f"chat-{run}", user_id="customer-7", tags=["beta"]):
        ids["trace_id"] = client.get_current_trace_id()
        with client.start_as_current_observation(
            name="think", as_type="generation", model="gpt-4o-mini", input=[{"role": "user", "content": "refund?"}],
        ) as generation:  # fmt: skip
            generation.update(
                output="Thirty days.",
                usage_details={"input": 60, "input_cached_tokens": 40, "output": 20},
            )
    agent.update(output={"a": "Thirty days."})
    agent.score(name="helpful", value=1, comment="good")
client.flush()
client.shutdown()
print(json.dumps(ids))
