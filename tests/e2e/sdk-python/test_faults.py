"""Whatever the recorder does, the application never notices, and what is lost is counted."""

import json
import logging
import os
import socket
import subprocess
import sys
import time

import pytest

import exhibit
from fake_recorder import FakeRecorder


def work(client, spans=10):
    """A run that must come to its end."""
    with client.agent_trace("resilient") as trace:
        for n in range(spans):
            with trace.span("tool", f"step {n}") as span:
                span.record_input({"n": n})
    return trace


@pytest.fixture
def quick():
    made = []

    def client(url, **settings):
        made.append(exhibit.Exhibit(url=url, api_key="exk_test", interval=0.01, **settings))
        return made[-1]

    yield client
    for one in made:
        one.shutdown(0.5)


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_recorder_that_is_away_costs_nothing_but_the_record(quick, caplog):
    client = quick(f"http://127.0.0.1:{closed_port()}")
    with caplog.at_level(logging.WARNING, "exhibit"):
        work(client)
        began = time.monotonic()
        assert client.flush(0.5) is False
        assert time.monotonic() - began < 2, "flush comes back in time"
    assert client.stats().waiting == 11
    assert sum("no answer" in record.message for record in caplog.records) == 1, "said once"


def test_a_recorder_that_comes_back_gets_everything(quick):
    port = closed_port()
    client = quick(f"http://127.0.0.1:{port}")
    work(client)
    client.flush(0.2)
    with FakeRecorder(port=port) as fake:
        assert client.flush(10)
        assert len(fake.ended) == 11 and client.stats().delivered == 11


def test_a_recorder_that_hangs_does_not_hold_the_application(quick):
    with FakeRecorder(always=("hang", 3)) as fake:
        client = quick(fake.url, timeout=0.3)
        began = time.monotonic()
        work(client, 1000)
        assert time.monotonic() - began < 2
        client.flush(0.3)
        assert time.monotonic() - began < 4


@pytest.mark.parametrize("status", [429, 503, 507, 500, 502])
def test_a_busy_recorder_is_asked_again(quick, status):
    with FakeRecorder(status, status) as fake:
        client = quick(fake.url)
        work(client)
        assert client.flush(10)
        assert len(fake.ended) == 11 and len(fake.bodies) >= 3


def test_retry_after_is_honoured(quick):
    with FakeRecorder((503, {"Retry-After": "1"})) as fake:
        client = quick(fake.url)
        work(client)
        assert client.flush(10)
        assert fake.times[1] - fake.times[0] >= 1


def test_a_connection_that_breaks_is_made_anew(quick):
    with FakeRecorder(201, ("reset",), ("reset",)) as fake:
        client = quick(fake.url)
        for _ in range(2):
            work(client)
            assert client.flush(10)
        assert {s["span_id"] for s in fake.ended} and len({s["span_id"] for s in fake.ended}) == 22


def test_a_span_that_is_refused_does_not_take_the_others_along(quick, caplog):
    def refuse_third(path, body):
        said = {"detail": "no", "rejected": [{"index": 2, "pointer": "/batch/2", "reason": "no"}]}
        return 422, {}, json.dumps(said)

    with FakeRecorder(refuse_third) as fake, caplog.at_level(logging.WARNING, "exhibit"):
        client = quick(fake.url, live=False)
        work(client)
        assert client.flush(10) is False, "something was lost"
        assert client.stats().rejected == 1 and client.stats().delivered == 10
        assert any("refused" in record.message for record in caplog.records)


def test_a_batch_that_cannot_be_read_is_divided_until_the_bad_one_stands_alone(quick):
    def no_sevens(path, body):
        return (413 if any(s["name"] == "step 7" for s in body["batch"]) else 201), {}, "{}"

    with FakeRecorder(always=no_sevens) as fake:
        client = quick(fake.url, live=False)
        work(client)
        client.flush(10)
        assert client.stats().rejected == 1 and client.stats().delivered == 10
        assert len(fake.ended) == 10


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_said_and_counted(quick, caplog, status):
    with FakeRecorder(always=(status, {}, '{"detail": "what to do"}')) as fake:
        client = quick(fake.url)
        with caplog.at_level(logging.WARNING, "exhibit"):
            work(client)
            assert client.flush(5) is False
        assert client.stats().rejected == 11
        assert any("what to do" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("text", ["<html>", "", "[1]", '{"rejected": 7}'])
def test_an_answer_that_makes_no_sense_is_survived(quick, text):
    with FakeRecorder((422, {}, text), always=(201, {}, text)) as fake:
        client = quick(fake.url)
        work(client)
        client.flush(10)
        assert client.stats().waiting == 0 and len(fake.ended) == 11


def test_a_full_queue_drops_and_counts(quick):
    client = quick(f"http://127.0.0.1:{closed_port()}", queue_spans=50)
    work(client, 500)
    stats = client.stats()
    assert stats.ended == 501 and stats.dropped >= 400
    assert stats.waiting + stats.dropped == 501


def test_the_usual_queue_holds_ten_seconds_of_ten_thousand_spans_while_nobody_answers(quick):
    port = closed_port()
    client = quick(f"http://127.0.0.1:{port}", live=False)
    text = {"messages": [{"role": "user", "content": "x" * 1000}]}
    for _ in range(100):
        with client.agent_trace("burst") as trace:
            for _ in range(999):
                with trace.span("llm", "completion") as span:
                    span.record_input(text)
        # A burst beyond what the packing thread can keep up with would need the room of plain spans.
        while client._delivery._bytes_plain > 64 << 20:
            time.sleep(0.01)
    assert client.stats().ended == 100_000 and client.stats().dropped == 0
    with FakeRecorder(port=port) as fake:
        assert client.flush(60)
        assert client.stats().delivered == 100_000
        assert len({(s["trace_id"], s["span_id"]) for s in fake.ended}) == 100_000
        assert sorted(s["sequence"] for s in fake.ended) == list(range(1, 100_001))


def test_a_flush_tells_of_what_was_dropped_before_it_once(quick):
    with FakeRecorder() as fake:
        client = quick(fake.url, live=False, queue_bytes=50_000)
        with client.agent_trace("too much") as trace, trace.span("llm", "large") as span:
            span.record_input("x" * 100_000)
        assert client.flush(10) is False, "everything that was kept is durable, but something was not kept"
        assert client.stats().dropped == 1 and client.stats().delivered == 1
        work(client)
        assert client.flush(10) is True, "what was told is not told again"


def test_a_flush_does_not_take_later_losses_for_the_delivery_of_earlier_spans(quick):
    with FakeRecorder(("hang", 1.5)) as fake:
        client = quick(fake.url, live=False, queue_bytes=50_000)
        work(client, 3)
        time.sleep(0.3)  # on their way, unanswered
        for _ in range(20):
            with client.span("llm", "large") as span:
                span.record_input("x" * 100_000)
        assert client.flush(0.2) is False
        assert client.stats().waiting == 4 and client.stats().dropped == 20


def test_the_queue_is_bounded_in_bytes_too(quick):
    client = quick(f"http://127.0.0.1:{closed_port()}", queue_bytes=1_000_000)
    with client.agent_trace("large") as trace:
        for _ in range(50):
            with trace.span("llm", "large") as span:
                span.record_input("x" * 100_000)
    assert client.stats().dropped >= 30


def test_the_end_of_a_program_does_not_wait_for_a_recorder_that_is_away():
    program = "import exhibit\nwith exhibit.agent_trace('a'): pass\nprint('done')"
    env = os.environ | {"EXHIBIT_URL": f"http://127.0.0.1:{closed_port()}", "EXHIBIT_API_KEY": "k"}
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stdout == "done\n"
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "settings",
    [{"url": "ftp://nowhere"}, {"url": "http://:x"}, {"queue_spans": 0}, {"timeout": -1}, {"unknown": 1},
     {"api_key": "a\nb: c"}, {"interval": "soon"}],
)  # fmt: skip
def test_settings_that_cannot_be_used_switch_recording_off_or_are_survived(settings):
    settings = {"url": f"http://127.0.0.1:{closed_port()}"} | settings
    client = exhibit.Exhibit(**settings)
    assert work(client, 2) is not None
    client.shutdown(0.2)


def test_names_and_types_that_make_no_sense_are_survived(quick):
    with FakeRecorder() as fake:
        client = quick(fake.url)
        with client.agent_trace(agent_name=None, tags=5, metadata=7, version=object(), trace_id=object()) as t:
            with t.span(None, object()) as span:
                span.record_usage("many", [], cost="much")
                span.record_tool_call(1, 2, 3, selected_from=4)
                span.set_attributes(3)
                span.set_name(None)
            t.add_tags(3)
            t.add_metadata(4)
        client.flush(5)
        with client.agent_trace("fine"):
            pass
        assert client.flush(5)
        assert any(s["name"] == "fine" for s in fake.ended)


def test_every_request_is_compressed_and_carries_the_key(quick):
    with FakeRecorder() as fake:
        client = quick(fake.url)
        work(client)
        client.flush(5)
        assert fake.headers[0]["Authorization"] == "Bearer exk_test"
        assert fake.headers[0]["Content-Encoding"] == "gzip"
        assert fake.headers[0]["User-Agent"].startswith("exhibit-python/")


def test_a_log_handler_that_raises_does_not_reach_the_application(quick, monkeypatch):
    def angry(*_args, **_more):
        raise RuntimeError("no log today")

    monkeypatch.setattr(logging.getLogger("exhibit"), "warning", angry)
    client = quick("http://127.0.0.1:1")
    work(client)
    client.flush(0.1)


# -- asking before acting -----------------------------------------------------------------------


def test_decisions_are_read_and_the_redacted_input_is_handed_back(quick):
    asked = []

    def rule(path, body):
        asked.append((path, body))
        if body["call"].get("tool") == "payments.refund":
            said = {"decision": "block", "allowed": False, "messages": ["refund without approval"]}
        else:
            said = {"decision": "redact", "redacted": True, "input": "IBAN ****", "findings": [{"rule": "iban"}]}
        return 200, {}, json.dumps({"data": said})

    with FakeRecorder(always=rule) as fake:
        client = quick(fake.url, live=False)
        with client.agent_trace("payer", user_id="u-1"):
            kept = client.decide("IBAN DE89", model="gpt-4o", workflow="pay", cost_so_far=0.2)
            refused = client.decide({"amount": 40}, tool="payments.refund")
        assert kept.allowed and kept.input == "IBAN ****" and kept.findings == [{"rule": "iban"}]
        assert not refused.allowed and refused.reason == "refund without approval"
        with pytest.raises(exhibit.Blocked, match="without approval"):
            refused.raise_if_blocked()
        path, body = asked[0]
        assert path == "/api/v1/govern/decide"
        call = body["call"]
        assert call["input"] == "IBAN DE89" and call["agent"] == "payer" and call["user"] == "u-1"
        assert call["metadata"] == {"workflow": "pay"} and body["trace_cost_usd"] == 0.2


@pytest.mark.parametrize("answer", [500, 404, (200, {}, "nonsense"), ("hang", 2), ("reset",)])
def test_rules_that_cannot_be_asked_fail_open_or_closed_as_told(quick, answer):
    with FakeRecorder(always=answer) as fake:
        client = quick(fake.url)
        opened = client.decide("x", timeout=0.3)
        closed = client.decide("x", fail="closed", timeout=0.3)
    assert opened.allowed and opened.input == "x" and not opened.asked
    assert not closed.allowed and not closed.asked
