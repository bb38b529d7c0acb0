"""Calls of the real libraries, recorded without a change in the program."""

import asyncio
import json
import logging

import pytest

import exhibit

MODEL = "gpt-4o-mini"
# 120 tokens in, 100 of them cached, 40 out: 0.15, 0.075 and 0.60 USD per 1 M tokens.
COST = str(20 * 150 + 100 * 75 + 40 * 600)
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


@pytest.fixture
def recording(usual):
    """Everything that is installed is recorded."""
    done = exhibit.instrument()
    assert set(done) == {"openai", "anthropic", "langchain", "openai-agents"}
    return usual


def only(trace, kind):
    [found] = [s for s in trace["spans"] if s["span_type"] == kind]
    return found


def check_call(call, model=MODEL, cost=COST):
    assert call["model"] == model and call["status"] == "ok"
    assert call["usage"]["input_uncached"] == 20 and call["usage"]["cache_read"] == 100
    assert call["tokens_out"] == 40
    assert call["cost_source"] == "table"
    if cost:
        assert call["cost_nano_usd"] == cost
    assert call["response_id"] and call["finish_reasons"]


# -- openai -------------------------------------------------------------------------------------


@pytest.fixture
def openai_client(provider):
    from openai import OpenAI

    return OpenAI(base_url=provider.openai_url, api_key="scripted", max_retries=0)


@pytest.fixture
def async_openai(provider):
    from openai import AsyncOpenAI

    return AsyncOpenAI(base_url=provider.openai_url, api_key="scripted", max_retries=0)


ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How are you?"}]


def chat_plain(client):
    return client.chat.completions.create(model=MODEL, messages=ASK, temperature=0.5).choices[0].message.content


def chat_streamed(client):
    stream = client.chat.completions.create(
        model=MODEL, messages=ASK, temperature=0.5, stream=True, stream_options={"include_usage": True}
    )
    return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def chat_raw(client):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK, temperature=0.5)
    return raw.parse().choices[0].message.content


def chat_helper(client):
    with client.chat.completions.stream(
        model=MODEL, messages=ASK, temperature=0.5, stream_options={"include_usage": True}
    ) as stream:
        return stream.get_final_completion().choices[0].message.content


@pytest.mark.parametrize("ask", [chat_plain, chat_streamed, chat_raw, chat_helper])
def test_chat_completions_are_recorded(recording, openai_client, read, ask):
    with recording.agent_trace("openai") as trace:
        answer = ask(openai_client)
    recording.flush(10)
    call = only(read(trace.id, 2), "llm")
    check_call(call)
    assert call["parent_span_id"] == trace.root.id and call["provider"] == "openai"
    assert call["input_messages"][1]["parts"][0]["content"] == "How are you?"
    assert call["output_messages"][0]["parts"][0]["content"] == answer
    assert call["parameters"]["temperature"] == 0.5


def test_asynchronous_calls_and_streams_are_recorded(recording, async_openai, read):
    async def run():
        async with recording.agent_trace("async") as trace:
            await async_openai.chat.completions.create(model=MODEL, messages=ASK)
            stream = await async_openai.chat.completions.create(
                model=MODEL, messages=ASK, stream=True, stream_options={"include_usage": True}
            )
            said = [c.choices[0].delta.content or "" async for c in stream if c.choices]
            answer = await async_openai.responses.create(model=MODEL, input="How are you?")
            return trace.id, "".join(said), answer.output_text

    trace_id, said, answered = asyncio.run(run())
    recording.flush(10)
    calls = [s for s in read(trace_id, 4)["spans"] if s["span_type"] == "llm"]
    assert len(calls) == 3
    for call in calls:
        check_call(call)
        assert call["output_messages"][0]["parts"][0]["content"] == said == answered
    assert sorted(call["ttft_ms"] is not None for call in calls) == [False, False, True]


def test_tool_calls_of_a_model_are_recorded(recording, openai_client, read):
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]
    for more in ({}, {"stream": True, "stream_options": {"include_usage": True}}):
        with recording.agent_trace("tools") as trace:
            answer = openai_client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "The weather?"}], tools=tools, **more
            )
            if more:
                list(answer)
        recording.flush(10)
        call = only(read(trace.id, 2), "llm")
        [asked] = call["tool_calls"]
        assert asked["tool_name"] == "get_weather" and asked["arguments"] == {"city": "Köln"}
        assert "get_weather" in json.dumps(call["tool_definitions"])


def test_responses_are_recorded_plain_and_streamed(recording, openai_client, read):
    with recording.agent_trace("responses") as trace:
        openai_client.responses.create(model=MODEL, instructions="Be brief.", input="How are you?")
        events = list(openai_client.responses.create(model=MODEL, input="How are you?", stream=True))
    assert events[-1].type == "response.completed"
    recording.flush(10)
    calls = [s for s in read(trace.id, 3)["spans"] if s["span_type"] == "llm"]
    assert len(calls) == 2
    for call in calls:
        check_call(call)
        assert call["output_messages"][0]["parts"][0]["content"].startswith("Here is what I found")


def test_embeddings_are_recorded_without_their_numbers(recording, openai_client, read):
    with recording.agent_trace("embeddings") as trace:
        openai_client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    recording.flush(10)
    call = only(read(trace.id, 2), "embedding")
    assert call["output"]["embeddings"] == 2 and call["tokens_in"] == 8
    assert call["cost_source"] == "table"


def test_an_error_of_the_provider_is_recorded_and_raised(recording, openai_client, read):
    import openai

    with pytest.raises(openai.RateLimitError), recording.agent_trace("limited") as trace:
        openai_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "please fail"}])
    recording.flush(10)
    call = only(read(trace.id, 2), "llm")
    assert call["status"] == "error" and call["error_type"] == "RateLimitError"
    assert call["input_messages"], "what was asked is there"


def test_a_stream_that_is_left_early_keeps_what_was_read(recording, openai_client, read):
    with recording.agent_trace("left") as trace:
        stream = openai_client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
        for _, _chunk in zip(range(3), stream):
            pass
        stream.close()
        del stream, _chunk
    recording.flush(10)
    call = only(read(trace.id, 2, lambda t: t["status"] != "running"), "llm")
    assert call["output_messages"][0]["parts"][0]["content"].startswith("Here")


def test_a_fault_of_the_recording_does_not_reach_the_call(recording, openai_client, monkeypatch, caplog):
    from exhibit.integrations import openai as recorded

    def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(recorded._Chat, "finish", broken)
    monkeypatch.setattr(recorded._Chat, "chunk", broken)
    with caplog.at_level(logging.WARNING, "exhibit"):
        assert chat_plain(openai_client) == chat_streamed(openai_client)


# -- anthropic ----------------------------------------------------------------------------------

CLAUDE = "claude-3-5-haiku-20241022"


@pytest.fixture
def anthropic_client(provider):
    import anthropic

    return anthropic.Anthropic(base_url=provider.url, api_key="scripted", max_retries=0)


def test_messages_of_anthropic_are_recorded_in_every_form(recording, anthropic_client, provider, read):
    import anthropic

    asked = {"model": CLAUDE, "max_tokens": 100, "system": "Be brief.",
             "messages": [{"role": "user", "content": "How are you?"}]}  # fmt: skip

    async def ask_async():
        client = anthropic.AsyncAnthropic(base_url=provider.url, api_key="scripted")
        await client.messages.create(**asked)
        async for _ in await client.messages.create(**asked, stream=True):
            pass

    with recording.agent_trace("anthropic") as trace:
        anthropic_client.messages.create(**asked)
        list(anthropic_client.messages.create(**asked, stream=True))
        with anthropic_client.messages.stream(**asked) as stream:
            said = "".join(stream.text_stream)
        asyncio.run(ask_async())
    recording.flush(10)
    calls = [s for s in read(trace.id, 6)["spans"] if s["span_type"] == "llm"]
    assert len(calls) == 5
    for call in calls:
        # Per 1 M tokens: 0.80 in, 0.08 cached, 4.00 out.
        check_call(call, CLAUDE, str(20 * 800 + 100 * 80 + 40 * 4000))
        assert call["provider"] == "anthropic"
        assert call["input_messages"][0]["role"] == "system"
        assert call["output_messages"][0]["parts"][0]["content"] == said


def test_tools_of_anthropic_are_recorded(recording, anthropic_client, read):
    tools = [{"name": "get_weather", "input_schema": WEATHER}]
    with recording.agent_trace("tools") as trace:
        list(anthropic_client.messages.create(
            model=CLAUDE, max_tokens=10, tools=tools, stream=True,
            messages=[{"role": "user", "content": "The weather?"}],
        ))  # fmt: skip
    recording.flush(10)
    [asked] = only(read(trace.id, 2), "llm")["tool_calls"]
    assert asked["tool_name"] == "get_weather" and asked["arguments"] == {"city": "Köln"}


# -- langchain, langgraph -----------------------------------------------------------------------


def make_graph(provider):
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, MessagesState, StateGraph

    @tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        with exhibit.span("retriever", "weather station"):
            return f"sunny in {city}"

    model = ChatOpenAI(model=MODEL, base_url=provider.openai_url, api_key="scripted")
    bound = model.bind_tools([get_weather])

    def think(state: MessagesState):
        return {"messages": [bound.invoke(state["messages"])]}

    def act(state: MessagesState):
        last = state["messages"][-1]
        return {
            "messages": [
                ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in last.tool_calls
            ]
        }

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("act", act)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", lambda s: "act" if s["messages"][-1].tool_calls else END)
    graph.add_edge("act", "think")
    return graph.compile()


def check_graph(trace):
    names = trace["by_name"]
    calls = [s for s in trace["spans"] if s["span_type"] == "llm"]
    assert len(calls) == 2, "the provider's own client is not recorded a second time"
    for call in calls:
        check_call(call)
        assert call["parent_span_id"] in {s["span_id"] for s in trace["spans"] if s["name"] == "think"}
    tool = names["get_weather"]
    assert tool["span_type"] == "tool" and tool["input"] == {"city": "Köln"}
    assert tool["parent_span_id"] == names["act"]["span_id"]
    assert names["weather station"]["parent_span_id"] == tool["span_id"], "what a tool does is inside it"
    assert names["act"]["attributes"]["langgraph.node"] == "act"


def test_a_graph_is_recorded_with_its_nodes_models_and_tools(recording, provider, read):
    with recording.agent_trace("graph") as trace:
        make_graph(provider).invoke({"messages": [("user", "The weather?")]})
        assert exhibit.current_trace_id() == trace.id
    assert exhibit.current_trace_id() is None, "nothing stays open"
    recording.flush(10)
    stored = read(trace.id, 8)
    check_graph(stored)
    assert stored["by_name"]["LangGraph"]["parent_span_id"] == trace.root.id


def test_an_asynchronous_graph_without_a_trace_is_a_trace_of_its_own(recording, provider, read, server, key):
    async def run():
        await make_graph(provider).ainvoke(
            {"messages": [("user", "The weather?")]}, {"configurable": {"thread_id": "thread-async"}}
        )

    asyncio.run(run())
    recording.flush(10)
    with server.client(key) as api:
        found = api.get("/api/v1/traces", params={"session_id": "thread-async"}).json()["data"]
    rows = found["items"] if isinstance(found, dict) else found
    check_graph(read(rows[0]["trace_id"], 7))


def test_a_tool_that_fails_is_recorded_and_raises(recording, read):
    from langchain_core.tools import tool

    @tool
    def broken(x: int) -> str:
        """Never works."""
        raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError), recording.agent_trace("broken") as trace:
        broken.invoke({"x": 1})
    recording.flush(10)
    assert only(read(trace.id, 2), "tool")["error_type"] == "ZeroDivisionError"


# -- openai agents ------------------------------------------------------------------------------


def test_a_run_of_the_agents_sdk_is_recorded(recording, provider, async_openai, read):
    from agents import Agent, OpenAIResponsesModel, RunConfig, Runner, custom_span, function_tool, trace

    @function_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    async def run():
        model = OpenAIResponsesModel(model=MODEL, openai_client=async_openai)
        agent = Agent(name="Forecaster", model=model, instructions="Be brief.", tools=[get_weather])
        with trace(workflow_name="forecast", group_id="g-1", metadata={"tier": "gold"}) as opened:
            with custom_span("input_validation", {"prompt_len": 12}):
                pass
            result = await Runner.run(agent, "The weather?", run_config=RunConfig(workflow_name="forecast"))
        return opened.trace_id, result.final_output

    trace_id, answer = asyncio.run(run())
    recording.flush(10)
    stored = read(trace_id, 6, lambda t: t["status"] == "ok")
    assert stored["name"] == "forecast" and stored["session_id"] == "g-1"
    assert stored["metadata"] == {"tier": "gold"}
    calls = [s for s in stored["spans"] if s["span_type"] == "llm"]
    assert len(calls) == 2, "the provider's own client is not recorded a second time"
    for call in calls:
        check_call(call)
    names = stored["by_name"]
    assert names["input_validation"]["input"] == {"prompt_len": 12}
    assert names["get_weather"]["input"] == {"city": "Köln"}
    assert names["get_weather"]["output"] == "sunny in Köln"
    assert names["Forecaster"]["span_type"] == "agent"
    [root] = [s for s in stored["spans"] if s["span_id"] == stored["root_span_id"]]
    assert answer in json.dumps(root["output"]) and "The weather?" in json.dumps(root["input"])


# -- opentelemetry ------------------------------------------------------------------------------


def test_spans_of_opentelemetry_are_exported(server, key, read):
    from opentelemetry.sdk.trace import TracerProvider

    from exhibit.otel import add_to

    provider = TracerProvider()
    add_to(provider, server.url, key)
    with provider.get_tracer("test").start_as_current_span("chat gpt-4o-mini") as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.request.model", MODEL)
        span.set_attribute("gen_ai.usage.input_tokens", 100)
        span.set_attribute("gen_ai.usage.output_tokens", 50)
        trace_id = f"{span.get_span_context().trace_id:032x}"
    provider.shutdown()
    call = only(read(trace_id), "llm")
    assert call["cost_nano_usd"] == str(100 * 150 + 50 * 600)
