"""A provider that follows a script instead of a model, so that every example runs without a key.

    python examples/scripted_provider.py            # http://127.0.0.1:9099/v1
    export OPENAI_BASE_URL=http://127.0.0.1:9099/v1 OPENAI_API_KEY=scripted

It speaks chat completions, responses and embeddings of OpenAI and messages of Anthropic, plain and
streamed. It calls each tool it is offered that the prompt speaks of, at most three in one turn, and
answers in one sentence when all have answered. A prompt that says "please fail" gets a 429.
"""

import argparse
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = "Here is what I found: the work is done, and every step is on record."
CALLS_PER_TURN = 3
# Words in a prompt that ask for a tool of this name, besides the words of the name itself.
WORDS = {
    "search": ("research", "latest", "find"),
    "time": ("clock", "now"),
    "database": ("reports", "query"),
    "file": ("read", ".json"),
    "calculator": ("calculate",),
    "comparison": ("compare",),
    "summary": ("summarize", "summary"),
    "refund": ("money back",),
    "weather": ("weather",),
}
# Arguments worth showing; others are made from the tool's schema.
ARGUMENTS = {
    "query": "climate change impacts",
    "timezone": "UTC",
    "table": "reports",
    "path": "agent_config.json",
    "expression": "100 * (1 - 0.08)",
    "actual": 92,
    "target": 100,
    "city": "Köln",
    "amount": 40,
}
USAGE = {"input": 120, "cached": 100, "output": 40, "reasoning": 15}


def wanted_calls(prompt, tools, answered):
    """(name, arguments) of the tools that the prompt speaks of and that have not answered."""
    prompt, calls = prompt.lower(), []
    for name, schema in tools:
        words = [word for word in re.split(r"[^a-z]+", name.lower()) if len(word) > 3]
        words += [more for word in words for more in WORDS.get(word, ())]
        if name not in answered and any(word in prompt for word in words):
            calls.append((name, arguments_for(schema or {})))
    return calls[:CALLS_PER_TURN]


def arguments_for(schema):
    made = {}
    for key, about in (schema.get("properties") or {}).items():
        kinds = {"number": 1, "integer": 1, "boolean": True, "array": [], "object": {}}
        made[key] = ARGUMENTS.get(key, kinds.get(about.get("type"), "the findings so far"))
    return made


def texts(content):
    """The words of a message's content, whatever its shape."""
    if isinstance(content, list):
        return " ".join(texts(part.get("text", "")) if isinstance(part, dict) else "" for part in content)
    return content if isinstance(content, str) else ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        self.number = len(self.server.requests)
        for end, answer in (
            ("/chat/completions", self.answer_chat),
            ("/responses", self.answer_responses),
            ("/messages", self.answer_messages),
            ("/embeddings", self.answer_embeddings),
        ):
            if self.path.split("?")[0].endswith(end):
                if "please fail" in json.dumps(body).lower():
                    return self.send(429, {"error": {"message": "slow down", "type": "rate_limit"}})
                return answer(body)
        return self.send(404, {"error": {"message": f"no script for {self.path}"}})

    # -- OpenAI, chat completions -----------------------------------------------------------------

    def answer_chat(self, body):
        messages = body["messages"]
        prompt = " ".join(texts(m.get("content")) for m in messages if m["role"] == "user")
        named = {c["id"]: c["function"]["name"] for m in messages for c in m.get("tool_calls") or ()}
        answered = {named.get(m.get("tool_call_id")) for m in messages if m["role"] == "tool"}
        tools = [(t["function"]["name"], t["function"].get("parameters")) for t in body.get("tools") or ()]
        calls = [
            {"id": f"call_{self.number}_{n}", "type": "function",
             "function": {"name": name, "arguments": json.dumps(arguments)}}
            for n, (name, arguments) in enumerate(wanted_calls(prompt, tools, answered))
        ]  # fmt: skip
        usage = {
            "prompt_tokens": USAGE["input"], "completion_tokens": USAGE["output"],
            "total_tokens": USAGE["input"] + USAGE["output"],
            "prompt_tokens_details": {"cached_tokens": USAGE["cached"]},
            "completion_tokens_details": {"reasoning_tokens": USAGE["reasoning"]},
        }  # fmt: skip
        head = {"id": f"chatcmpl-{self.server.server_port}-{self.number}", "created": 1700000000,
                "model": body["model"]}  # fmt: skip
        reason = "tool_calls" if calls else "stop"
        if not body.get("stream"):
            message = {"role": "assistant", "content": None if calls else ANSWER}
            if calls:
                message["tool_calls"] = calls
            choice = {"index": 0, "message": message, "finish_reason": reason}
            return self.send(200, head | {"object": "chat.completion", "choices": [choice], "usage": usage})
        head["object"] = "chat.completion.chunk"
        deltas = [{"role": "assistant", "content": ""}]
        if calls:
            deltas += [{"tool_calls": [call | {"index": n}]} for n, call in enumerate(calls)]
        else:
            deltas += [{"content": word} for word in re.findall(r"\S+\s*", ANSWER)]
        events = [head | {"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
        events.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            events.append(head | {"choices": [], "usage": usage})
        self.stream([(None, event) for event in events], done=True)

    # -- OpenAI, responses ------------------------------------------------------------------------

    def answer_responses(self, body):
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
        prompt = " ".join(texts(i.get("content")) for i in items if i.get("role") == "user")
        named = {i["call_id"]: i["name"] for i in items if i.get("type") == "function_call"}
        answered = {named.get(i.get("call_id")) for i in items if i.get("type") == "function_call_output"}
        tools = [(t["name"], t.get("parameters")) for t in body.get("tools") or () if t.get("name")]
        tag = f"{self.server.server_port}_{self.number}"
        output = [
            {"type": "function_call", "id": f"fc_{tag}_{n}", "call_id": f"call_{tag}_{n}",
             "status": "completed", "name": name, "arguments": json.dumps(arguments)}
            for n, (name, arguments) in enumerate(wanted_calls(prompt, tools, answered))
        ] or [
            {"type": "message", "id": f"msg_{tag}", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": ANSWER, "annotations": []}]}
        ]  # fmt: skip
        whole = {
            "id": f"resp_{tag}", "object": "response", "created_at": 1700000000, "status": "completed",
            "model": body["model"], "output": output, "error": None, "incomplete_details": None,
            "instructions": body.get("instructions"), "metadata": {}, "parallel_tool_calls": True,
            "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": body.get("tools") or [],
            "usage": {
                "input_tokens": USAGE["input"], "output_tokens": USAGE["output"],
                "total_tokens": USAGE["input"] + USAGE["output"],
                "input_tokens_details": {"cached_tokens": USAGE["cached"], "cache_write_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": USAGE["reasoning"]},
            },
        }  # fmt: skip
        if not body.get("stream"):
            return self.send(200, whole)
        events = [{"type": "response.created", "response": whole | {"status": "in_progress", "output": []}}]
        for n, item in enumerate(output):
            at = {"output_index": n, "item_id": item["id"]}
            events.append({"type": "response.output_item.added", "output_index": n, "item": item})
            if item["type"] == "message":
                for word in re.findall(r"\S+\s*", ANSWER):
                    events.append({"type": "response.output_text.delta", "content_index": 0,
                                   "delta": word, "logprobs": [], **at})  # fmt: skip
            events.append({"type": "response.output_item.done", "output_index": n, "item": item})
        events.append({"type": "response.completed", "response": whole})
        self.stream([(e["type"], e | {"sequence_number": n}) for n, e in enumerate(events)])

    # -- OpenAI, embeddings -----------------------------------------------------------------------

    def answer_embeddings(self, body):
        given = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data = [{"object": "embedding", "index": n, "embedding": [0.1, 0.2, 0.3]} for n in range(len(given))]
        self.send(200, {"object": "list", "data": data, "model": body["model"],
                        "usage": {"prompt_tokens": 8, "total_tokens": 8}})  # fmt: skip

    # -- Anthropic, messages ----------------------------------------------------------------------

    def answer_messages(self, body):
        blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
        prompt = " ".join(texts(m["content"]) for m in body["messages"] if m["role"] == "user")
        named = {b["id"]: b["name"] for b in blocks if b.get("type") == "tool_use"}
        answered = {named.get(b.get("tool_use_id")) for b in blocks if b.get("type") == "tool_result"}
        tools = [(t["name"], t.get("input_schema")) for t in body.get("tools") or ()]
        content = [
            {"type": "tool_use", "id": f"toolu_{self.number}_{n}", "name": name, "input": arguments}
            for n, (name, arguments) in enumerate(wanted_calls(prompt, tools, answered))
        ]
        reason = "tool_use" if content else "end_turn"
        content = content or [{"type": "text", "text": ANSWER}]
        usage = {"input_tokens": USAGE["input"] - USAGE["cached"], "output_tokens": USAGE["output"],
                 "cache_read_input_tokens": USAGE["cached"], "cache_creation_input_tokens": 0}  # fmt: skip
        whole = {"id": f"msg_{self.server.server_port}_{self.number}", "type": "message",
                 "role": "assistant", "model": body["model"], "content": content,
                 "stop_reason": reason, "stop_sequence": None, "usage": usage}  # fmt: skip
        if not body.get("stream"):
            return self.send(200, whole)
        start = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
        events = [{"type": "message_start", "message": start}]
        for n, block in enumerate(content):
            empty = block | ({"text": ""} if block["type"] == "text" else {"input": {}})
            events.append({"type": "content_block_start", "index": n, "content_block": empty})
            if block["type"] == "text":
                deltas = [{"type": "text_delta", "text": word} for word in re.findall(r"\S+\s*", ANSWER)]
            else:
                deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
            events += [{"type": "content_block_delta", "index": n, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": n})
        events.append({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None},
                       "usage": {"output_tokens": USAGE["output"]}})  # fmt: skip
        events.append({"type": "message_stop"})
        self.stream([(event["type"], event) for event in events])

    # -- both -------------------------------------------------------------------------------------

    def send(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, events, done=False):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for name, event in events:
            self.wfile.write(f"event: {name}\n".encode() if name else b"")
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        if done:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True


class ScriptedProvider:
    """The server on a thread; port 0 takes a free one. Use as a context manager."""

    def __init__(self, port=0):
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.requests = []
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.openai_url = f"{self.url}/v1"

    @property
    def requests(self):
        return self._server.requests

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="A provider that follows a script")
    options.add_argument("--port", type=int, default=9099)
    provider = ScriptedProvider(options.parse_args().port)
    print(f"The scripted provider answers at {provider.openai_url}", flush=True)
    try:
        provider._server.serve_forever()
    except KeyboardInterrupt:
        pass
