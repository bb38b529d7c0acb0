"""The official clients, unmodified, through the provider proxy against scripted providers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import openai
import pytest

from exhibit import eventually
from openai_stand_in import ANSWER

PROVIDER_KEY = "-".join(["sk", "of", "the", "caller"])
GREETING = "Salve, munde."


class _Messages(BaseHTTPRequestHandler):
    """Speaks Anthropic's messages protocol; takes the key in either of the client's two headers."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        bearer = (self.headers["authorization"] or "").removeprefix("Bearer ")
        self.server.keys.append(self.headers["x-api-key"] or bearer)
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
        usage = {"input_tokens": 9, "output_tokens": 4}
        if body.get("stream"):
            start = message | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage | {"output_tokens": 1}}
            delta = {"stop_reason": "end_turn", "stop_sequence": None}
            events = [
                {"type": "message_start", "message": start},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                *(
                    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
                    for piece in ("Salve, ", "munde.")
                ),
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 4}},
                {"type": "message_stop"},
            ]
            data = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)
            kind = "text/event-stream"
        else:
            content = [{"type": "text", "text": GREETING}]
            data = json.dumps(message | {"content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage})
            kind = "application/json"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())


@pytest.fixture
def messages_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Messages)
    server.keys = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxied(fresh, openai_server, messages_server):
    exhibit = fresh(
        env={
            "EXHIBIT_PROXY_OPENAI": openai_server.base_url,
            "EXHIBIT_PROXY_ANTHROPIC": f"http://127.0.0.1:{messages_server.server_port}",
        }
    )
    exhibit.start()
    return exhibit


def only_span(exhibit, key):
    with exhibit.client(key) as client:

        def look():
            rows = client.get("/api/v1/traces").json()["data"]
            if not rows:
                return None
            trace = client.get(f"/api/v1/traces/{rows[0]['trace_id']}").json()["data"]
            span = trace["spans"][0]
            return span if span["status"] != "running" else None

        found = eventually(look)
        assert found, "the call was not recorded"
        return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("in_path", [False, True])
def test_the_openai_client_is_recorded_by_its_base_url_alone(proxied, stream, in_path):
    key = proxied.create_key("ingest,read")
    base = f"{proxied.url}/proxy/{key}/openai/v1" if in_path else f"{proxied.url}/proxy/openai/v1"
    headers = {} if in_path else {"X-Exhibit-Key": key}
    client = openai.OpenAI(base_url=base, api_key=PROVIDER_KEY, default_headers=headers)
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Explain transformers"}]}
    if stream:
        chunks = client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **asked)
        said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    else:
        said = client.chat.completions.create(**asked).choices[0].message.content
    assert said.strip() == ANSWER
    span = only_span(proxied, key)
    assert (span["status"], span["provider"], span["tokens_in"]) == ("ok", "openai", 120)
    assert ANSWER in json.dumps(span["output"])
    assert PROVIDER_KEY not in json.dumps(span) and key not in json.dumps(span)
    assert key not in proxied.output() and PROVIDER_KEY not in proxied.output()


@pytest.mark.parametrize("stream", [False, True])
def test_the_anthropic_client_is_recorded_by_its_base_url_alone(proxied, messages_server, stream):
    key = proxied.create_key("ingest,read")
    client = anthropic.Anthropic(
        base_url=f"{proxied.url}/proxy/anthropic",
        api_key=PROVIDER_KEY,
        default_headers={"X-Exhibit-Key": key},
    )
    asked = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Greet the world"}],
    }
    if stream:
        with client.messages.stream(**asked) as events:
            said = "".join(events.text_stream)
    else:
        said = client.messages.create(**asked).content[0].text
    assert said == GREETING
    assert messages_server.keys[-1] == PROVIDER_KEY
    span = only_span(proxied, key)
    assert (span["status"], span["tokens_in"], span["tokens_out"]) == ("ok", 9, 4)
    assert GREETING in json.dumps(span["output"])


def test_errors_reach_the_client_as_the_provider_wrote_them(proxied):
    key = proxied.create_key("ingest,read")
    client = openai.OpenAI(
        base_url=f"{proxied.url}/proxy/openai/v1",
        api_key=PROVIDER_KEY,
        default_headers={"X-Exhibit-Key": key},
        max_retries=0,
    )
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "fail"}])
    assert only_span(proxied, key)["error_type"] == "rate_limit"
    stranger = openai.OpenAI(base_url=f"{proxied.url}/proxy/openai/v1", api_key=PROVIDER_KEY)
    with pytest.raises(openai.AuthenticationError):
        stranger.chat.completions.create(model="gpt-4o", messages=[])
