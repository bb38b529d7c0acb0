"""OpenAI's own package, recorded without a change in the calls.

    pip install openai exhibit
    export EXHIBIT_API_KEY=exk_... OPENAI_API_KEY=...
    python main.py "Explain transformers"
"""

import sys

import exhibit
from openai import OpenAI

client = exhibit.init(auto_instrument=["openai"])
prompt = " ".join(sys.argv[1:]) or "Explain transformers"

with client.agent_trace(agent_name="explainer", tags=["example"], input=prompt) as trace:
    decision = client.decide(prompt, model="gpt-4o-mini")  # the rules are asked before the model
    if decision.allowed:
        stream = OpenAI().chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": decision.input}],
            stream=True,
            stream_options={"include_usage": True},
        )
        answer = "".join(part.choices[0].delta.content or "" for part in stream if part.choices)
        trace.record_output(answer)
        print(answer)
    else:
        trace.mark_failed(decision.reason or "blocked")

client.flush()
print(f"Trace: {client.settings.url}/traces/{trace.id}")
