"""What an application records is what the recorder stores, maps and prices."""

import asyncio
import dataclasses
import datetime
import enum
import hashlib
import hmac
import multiprocessing
import os
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

import exhibit


def test_a_run_is_stored_mapped_and_priced(client, read):
    with client.agent_trace(
        agent_name="support-bot", model_id="gpt-4o-mini", tags=["production"],
        metadata={"customer_tier": "premium"}, version="1.4", session_id="s-1", user_id="u-1",
        environment="staging",
    ) as trace:  # fmt: skip
        trace.record_input("Where is my order?")
        with trace.span(span_type="chain", name="answer") as chain:
            with trace.span(span_type="llm", name="completion") as call:
                call.record_input([{"role": "user", "content": "Where is my order?"}])
                call.record_usage(100, 50, cache_read_tokens=60, reasoning_tokens=10)
                call.record_tool_call("orders", '{"id": 7}', "sent", selected_from=["orders", "refund"])
                call.record_output("It was sent on Monday.")
            assert call.parent_id == chain.id
        trace.add_tags(["urgent", "production"])
        trace.set_summary({"outcome": "success"})
    assert client.flush(10)
    stored = read(trace.id, 3)
    assert stored["status"] == "ok" and stored["agent_name"] == "support-bot"
    assert stored["tags"] == ["production", "urgent"]
    assert stored["metadata"] == {"customer_tier": "premium"}
    assert (stored["version"], stored["session_id"], stored["user_id"]) == ("1.4", "s-1", "u-1")
    assert stored["environment"] == "staging"
    root, call = stored["by_name"]["support-bot"], stored["by_name"]["completion"]
    assert root["parent_span_id"] is None and root["output"] == {"outcome": "success"}
    assert call["model"] == "gpt-4o-mini", "a model call without a model has its trace's"
    assert call["usage"]["input_uncached"] == 40 and call["usage"]["cache_read"] == 60
    # gpt-4o-mini: 0.15 USD per 1 M tokens, 0.075 cached, 0.60 out.
    assert call["cost_nano_usd"] == str(40 * 150 + 60 * 75 + 50 * 600)
    assert call["cost_source"] == "table"
    [tool] = call["tool_calls"]
    assert tool["arguments"] == {"id": 7} and tool["result"] == {"output": "sent"}
    assert tool["selected_from"] == ["orders", "refund"]
    assert call["output_messages"][0]["parts"][0]["content"] == "It was sent on Monday."


def test_a_reported_cost_is_taken_as_it_is(client, read):
    with client.span("llm", "priced") as call:
        call.set_model("a-model-nobody-prices", "acme")
        call.record_usage(10, 10, cost=0.05)
    client.flush(10)
    [stored] = read(call.trace.id)["spans"]
    assert (stored["cost"], stored["cost_source"], stored["provider"]) == (0.05, "agent", "acme")


def test_a_step_can_be_watched_while_it_runs(client, read):
    with client.agent_trace("slow") as trace:
        with trace.span("tool", "wait") as span:
            span.record_input({"seconds": 1})
            running = read(trace.id, 2)
            assert running["status"] == "running"
            assert running["by_name"]["wait"]["status"] == "running"
            assert running["by_name"]["wait"]["end_time"] is None
            span.record_output("done")
    client.flush(10)
    ended = read(trace.id, 2, lambda t: t["status"] == "ok")
    assert ended["by_name"]["wait"]["input"] == {"seconds": 1}
    assert ended["by_name"]["wait"]["output"] == "done" and len(ended["spans"]) == 2


def test_a_lazy_trace_without_a_span_is_never_told(client, absent, read):
    with client.agent_trace("lazy", lazy_start=True) as nothing:
        pass
    with pytest.raises(ValueError), client.agent_trace("lazy", lazy_start=True) as failed:
        raise ValueError
    with client.agent_trace("lazy", lazy_start=True) as something:
        with something.span("llm", "first"):
            pass
    client.flush(10)
    assert len(read(something.id, 2)["spans"]) == 2
    assert absent(nothing.id) and absent(failed.id)
    assert exhibit.current_trace_id() is None


def test_an_exception_marks_the_trace_and_goes_on(client, read):
    with pytest.raises(KeyError, match="lost"):
        with client.agent_trace("failing") as trace:
            with trace.span("tool", "lookup"):
                raise KeyError("lost")
    client.flush(10)
    stored = read(trace.id, 2)
    assert stored["status"] == "error"
    for span in stored["spans"]:
        assert span["status"] == "error" and span["error_type"] == "KeyError"
    assert "test_an_exception" in stored["by_name"]["lookup"]["attributes"]["exception.stacktrace"]


def test_failure_can_be_set_by_hand(client, read):
    with client.agent_trace("by-hand") as trace:
        with trace.span("tool", "partial") as span:
            span.mark_failed("only half of it worked")
        trace.mark_failed("Operation failed: half")
    client.flush(10)
    stored = read(trace.id, 2)
    assert stored["status"] == "error"
    assert stored["by_name"]["partial"]["status_message"] == "only half of it worked"
    assert stored["by_name"]["by-hand"]["status_message"] == "Operation failed: half"


def test_threads_and_pools_find_their_parent(usual, read):
    def step(item):
        with exhibit.span(span_type="tool", name=f"item {item}") as span:
            span.record_input({"item": item})
        return item

    with ThreadPoolExecutor(max_workers=3) as executor:
        executor.submit(step, "outside").result()
        with usual.agent_trace("batch") as trace:
            with trace.span("chain", "fan out") as parent:
                assert sorted(executor.map(step, "abc")) == ["a", "b", "c"]
                thread = threading.Thread(target=step, args=("t",))
                thread.start()
                thread.join()
        later = executor.submit(exhibit.current_trace_id).result()
    assert later is None, "a worker of a pool keeps nothing of what it once ran"
    usual.flush(10)
    stored = read(trace.id, 6)
    assert len(stored["spans"]) == 6, "what ran outside is not in it"
    for item in "abct":
        assert stored["by_name"][f"item {item}"]["parent_span_id"] == parent.id


def test_tasks_find_their_parent_and_do_not_mix(usual, read):
    async def step(name):
        async with exhibit.span("tool", name) as outer:
            await asyncio.sleep(0.01)
            with exhibit.span("custom", f"in {name}") as inner:
                await asyncio.sleep(0.01)
            assert inner.parent_id == outer.id
        return outer

    def blocking():
        with exhibit.span("tool", "blocking"):
            return None

    async def run():
        async with exhibit.agent_trace("tasks") as trace:
            await asyncio.gather(*(step(f"step {n}") for n in range(5)))
            await asyncio.to_thread(blocking)
            await asyncio.get_running_loop().run_in_executor(None, blocking)
        return trace

    traces = asyncio.run(_gather(run(), run()))
    usual.flush(10)
    for trace in traces:
        stored = read(trace.id, 13)
        assert len(stored["spans"]) == 13
        for n in range(5):
            outer = stored["by_name"][f"step {n}"]
            assert outer["parent_span_id"] == trace.root.id
            assert stored["by_name"][f"in step {n}"]["parent_span_id"] == outer["span_id"]


async def _gather(*runs):
    return await asyncio.gather(*runs)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_delivers_its_own(usual, read):
    with usual.agent_trace("forking") as trace:
        with trace.span("tool", "in the parent"):
            pass
        child = os.fork()
        if child == 0:
            with exhibit.span("tool", "in the child"):
                pass
            os._exit(0 if usual.flush(10) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    usual.flush(10)
    stored = read(trace.id, 3)
    spans = stored["by_name"]
    assert spans["in the child"]["parent_span_id"] == trace.root.id
    assert len(stored["spans"]) == 3, "what the parent had queued is sent by the parent alone"
    assert spans["in the child"]["source"] != spans["in the parent"]["source"]


def _work_in_process():
    with exhibit.span("tool", "in a process"):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_processes_of_multiprocessing_deliver_without_being_asked(usual, read):
    with usual.agent_trace("processes") as trace:
        process = multiprocessing.get_context("fork").Process(target=_work_in_process)
        process.start()
        process.join(30)
        assert process.exitcode == 0
    usual.flush(10)
    assert read(trace.id, 2)["by_name"]["in a process"]["parent_span_id"] == trace.root.id


def test_a_program_that_ends_at_once_has_delivered(server, key, read):
    program = (
        "import exhibit\n"
        "with exhibit.agent_trace('short', trace_id='TRACE') as t:\n"
        "    with t.span('tool', 'only'): pass\n"
    )
    trace_id = f"short-{uuid.uuid4()}"
    env = {**os.environ, "EXHIBIT_URL": server.url, "EXHIBIT_API_KEY": key}
    subprocess.run([sys.executable, "-c", program.replace("TRACE", trace_id)], check=True, env=env, timeout=60)
    assert len(read(trace_id, 2)["spans"]) == 2


def test_decorated_functions_are_spans(usual, read):
    @exhibit.observe("tool")
    def add(a, b=2):
        return a + b

    @exhibit.observe("llm", name="stream")
    def words(prompt):
        yield from ("all", " ", "good")

    @exhibit.observe("tool", capture_input=False, capture_output=False)
    async def secret(value):
        return value

    @exhibit.observe("llm", name="async stream")
    async def async_words():
        for word in ("a", "b"):
            yield word

    @exhibit.agent("decorated", tags=["t"])
    async def run():
        assert add(1) == 3
        assert "".join(words("hi")) == "all good"
        assert await secret("hidden") == "hidden"
        assert [word async for word in async_words()] == ["a", "b"]
        return exhibit.current_trace_id()

    trace_id = asyncio.run(run())
    usual.flush(10)
    stored = read(trace_id, 5)
    spans = {name.split(".")[-1]: span for name, span in stored["by_name"].items()}
    assert spans["add"]["input"] == {"a": 1} and spans["add"]["output"] == 3
    assert spans["stream"]["output"] == "all good" and spans["stream"]["input"] == {"prompt": "hi"}
    assert spans["secret"]["input"] is None and spans["secret"]["output"] is None
    assert spans["async stream"]["output"] == "ab"
    assert stored["agent_name"] == "decorated" and stored["tags"] == ["t"]


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    where: object


class Angry:
    def __repr__(self):
        raise RuntimeError("no")


def test_anything_can_be_recorded(client, read):
    loop = []
    loop.append(loop)
    deep = current = {}
    for _ in range(500):
        current["in"] = current = {}
    odd = {
        "nan": float("nan"), "inf": float("-inf"), "huge": 10**5000, "big": 2**70, "bytes": b"\x00\xff",
        "set": {1}, 1: "number as key", "1": "text as key", "colour": Colour.RED, "point": Point(1, Angry()),
        "at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC if hasattr(datetime, "UTC") else None),
        "angry": Angry(), "error": ValueError("no"), "function": len, "half": "\ud83d alone \ude00",
        "pair": "\ud83d\ude00", "nul": "a\x00b", "loop": loop, "deep": deep, "id": uuid.UUID(int=7),
        "generator": (x for x in "abc"),
    }  # fmt: skip
    with client.agent_trace("odd", metadata={"odd": Angry()}) as trace:
        with trace.span("tool", "odd") as span:
            span.record_input(odd)
            span.record_output(object())
            span.set_attribute("angry", Angry())
            span.record_usage(-5, float("nan"), cost=-1)
            span.record_tool_call(None, Angry(), {Angry(): 1})
    assert list(odd["generator"]) == ["a", "b", "c"], "a generator is not used up"
    assert client.flush(10)
    stored = read(trace.id, 2)["spans"]
    [tool] = [s for s in stored if s["span_type"] == "tool"]
    kept = tool["input"]
    assert kept["nan"] == "nan" and kept["colour"] == "red" and kept["set"] == [1]
    assert kept["point"] == {"x": 1, "where": "<unrecordable Angry>"}
    assert kept["pair"] == "😀" and "alone" in kept["half"] and kept["bytes"] == {"$bytes": "AP8="}
    assert kept["error"] == "ValueError: no" and kept["id"].endswith("7")


def test_what_is_recorded_does_not_change_with_the_application(client, read):
    messages = [{"role": "user", "content": "first"}]
    with client.span("llm", "call") as span:
        span.record_input(messages)
        messages[0]["content"] = "changed"
        messages.append({"role": "assistant", "content": "later"})
    client.flush(10)
    [stored] = read(span.trace.id)["spans"]
    assert stored["input"] == [{"role": "user", "content": "first"}]


def test_prompts_and_responses_can_be_withheld_and_still_be_proved(make, read):
    client = make(store_prompts=False, store_responses=False, hash_salt="pepper")
    with pytest.raises(RuntimeError), client.agent_trace("private") as trace:
        with trace.span("llm", "call", model_id="gpt-4o-mini") as call:
            call.record_input("my secret prompt")
            call.record_output({"text": "my secret answer"})
            call.record_usage(10, 10)
            call.record_tool_call("mail", {"to": "secret@example.com"}, {"said": "secret"})
        raise RuntimeError("secret in a message")
    client.flush(10)
    stored = read(trace.id, 2)
    assert "secret" not in str(stored)
    call = stored["by_name"]["call"]
    expected = hmac.new(b"pepper", b"my secret prompt", hashlib.sha256).hexdigest()
    assert call["input"] == {"withheld": True, "hmac_sha256": expected, "length": 16}
    answer = hmac.new(b"pepper", b'{"text":"my secret answer"}', hashlib.sha256).hexdigest()
    assert call["output"]["hmac_sha256"] == answer
    assert call["cost_source"] == "table", "tokens and price stay"
    assert stored["by_name"]["private"]["error_type"] == "RuntimeError"


def test_the_redaction_hook_sees_everything_before_it_leaves(make, read):
    def mask(field, value):
        if field == "output":
            raise RuntimeError("the hook is broken for outputs")
        return eval(repr(value).replace("4111", "****")) if value else value

    client = make(redact=mask)
    with client.agent_trace("masked", metadata={"card": "4111"}) as trace:
        with trace.span("llm", "call") as call:
            call.record_input({"card": "4111"})
            call.record_output("4111")
            call.set_attribute("note", "4111")
            call.record_tool_call("pay", {"card": "4111"})
            call.mark_failed("4111 was refused")
    client.flush(10)
    stored = read(trace.id, 2)
    assert "4111" not in str(stored).replace(trace.id, "")
    assert stored["by_name"]["call"]["input"] == {"card": "****"}
    assert "withheld" in stored["by_name"]["call"]["output"], "a failing hook withholds"


def test_sequence_numbers_have_no_gap_until_something_is_lost(make, read, client):
    with client.agent_trace("numbered") as trace:
        for n in range(20):
            with trace.span("custom", f"n{n}"):
                pass
    client.flush(10)
    stored = read(trace.id, 21)
    assert sorted(s["sequence"] for s in stored["spans"]) == list(range(1, 22))
    assert len({s["source"] for s in stored["spans"]}) == 1
    small = make(queue_spans=5, interval=5)
    with small.agent_trace("lossy") as trace:
        for n in range(20):
            with trace.span("custom", f"n{n}"):
                pass
    small.flush(10)
    stats = small.stats()
    assert stats.dropped == 16 and stats.ended == 21 and stats.delivered == 5
    with small.agent_trace("after", trace_id=trace.id):
        pass
    small.flush(10)
    numbers = sorted(s["sequence"] for s in read(trace.id, 6)["spans"])
    assert numbers[-1] == 22 and len(numbers) == 6, "what is missing between them was lost"


def test_ids_of_ones_own_are_kept_and_impossible_ones_do_not_hurt(client, read):
    mine = f"order-{uuid.uuid4()}"
    with client.agent_trace("mine", trace_id=mine) as trace:
        pass
    with client.agent_trace("theirs", trace_id="no spaces please") as other:
        pass
    client.flush(10)
    assert trace.id == mine and read(mine)["spans"]
    assert read(other.id)["metadata"]["requested_trace_id"] == "no spaces please"


def test_a_disabled_client_records_nothing_and_behaves_the_same(monkeypatch):
    monkeypatch.setenv("EXHIBIT_DISABLED", "1")
    client = exhibit.Exhibit()
    with client.agent_trace("off") as trace:
        with trace.span("llm", "call") as span:
            span.record_input(1)
            span.record_usage(1, 2)
        trace.add_tags(["x"])
        trace.set_summary("y")

    @client.observe("tool")
    def double(x):
        return 2 * x

    assert double(2) == 4 and client.flush(1) and client.stats().ended == 0
    assert client.decide("x").allowed


def test_the_rules_of_the_server_are_asked(make):
    client = make(service="asking")
    card = " ".join(["4111", "1111", "1111", "1111"])
    about = {"model": "gpt-4o", "workflow": "pay", "cost_so_far": 0.2, "fail": "closed"}
    with client.agent_trace("payer", user_id="u-1", session_id="s-1", tags=["a"]):
        said = client.decide(f"my card is {card}", **about)
        assert said.asked, said.reason
        assert said.findings and card not in str(said.findings)
        tool = client.decide("why", tool="payments.refund", arguments={"amount": 40}, **about)
    assert tool.asked and tool.allowed and tool.input == "why"
    assert client.decide(tool="payments.refund", arguments={"amount": 40}).input == {"amount": 40}
