"""Runs recorded with the published LangSmith SDK: the decorator, a chat model's usage, feedback."""

import json
import os
import sys
import uuid

url, key, run = sys.argv[1:4]
os.environ |= {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": url, "LANGSMITH_API_KEY": key,
               "LANGSMITH_PROJECT": "support"}  # fmt: skip

from langsmith import Client, traceable  # noqa: E402
from langsmith.run_helpers import get_current_run_tree  # noqa: E402

client = Client(api_url=url, api_key=key)
seen = {}


@traceable(run_type="llm", metadata={"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}, client=client)
def call_model(messages):
    return {
        "choices": [{"message": {"role": "assistant", "content": "Thirty days."}}],
        "usage_metadata": {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
                           "input_token_details": {"cache_read": 40}},
    }  # fmt: skip


@traceable(run_type="tool", client=client)
def look_up(order):
    raise KeyError("no such order")


@traceable(run_type="chain", name="answer", tags=["beta"], metadata={"session_id": f"thread-{run}"}, client=client)
def answer(question):
    tree = get_current_run_tree()
    seen["trace_id"], seen["run_id"] = str(tree.trace_id), str(tree.id)
    try:
        look_up(7)
    except KeyError:
        pass
    return call_model([{"role": "user", "content": question}])["choices"][0]["message"]["content"]


answer("What is the refund policy?")
client.flush()
client.create_feedback(seen["run_id"], key="helpful", score=1, comment="good", trace_id=seen["trace_id"])
# One by one, as older clients do it.
single = uuid.uuid4()
client_old = Client(api_url=url, api_key=key, auto_batch_tracing=False)
client_old.create_run("single", {"q": 1}, "chain", id=single, project_name="support")
client_old.update_run(single, outputs={"a": 2}, end_time=__import__("datetime").datetime.now(__import__("datetime").timezone.utc))
client.flush()
print(json.dumps(seen | {"single": str(single)}))
