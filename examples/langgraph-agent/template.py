"""Minimal LangGraph agent with live tracing: copy it, replace the tools, set AGENT_NAME.

    export AUDITTRAIL_API_KEY=sk-at-...
    export OPENAI_API_KEY=...
    python template.py "Search for the latest AI developments and summarize them"

Nothing but httpx is needed for the tracing: `AuditTrailIngestor` is all there is.
"""

import contextlib
import os
import sys
from datetime import UTC, datetime
from uuid import uuid4

import httpx
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph

AGENT_NAME = "template-agent"
MODEL = os.environ.get("MODEL", "gpt-4o-mini")
API = os.environ.get("AUDITTRAIL_API_URL", "http://localhost:8000")
DASHBOARD = os.environ.get("AUDITTRAIL_DASHBOARD_URL", "http://localhost:3000")
PROMPT = "Search for the latest AI developments and summarize them"


def now():
    return datetime.now(UTC).isoformat()


class AuditTrailIngestor:
    """Sends spans when they start (`running`) and again when they end, under the same id.

    The agent goes on whatever happens here: a recorder that is away is said once.
    """

    def __init__(self, agent_name=AGENT_NAME, environment="development", api_key=None, api=API):
        self.api_key = api_key or os.environ.get("AUDITTRAIL_API_KEY", "")
        self.agent_name, self.environment = agent_name, environment
        self.trace_id = str(uuid4())
        self._open, self._said = {}, False
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        self._http = httpx.Client(base_url=api, headers=headers, timeout=10)
        if self.api_key:
            print(f"[OK] API key configured ({self.api_key[:12]}...)")
        else:
            print("[WARN] AUDITTRAIL_API_KEY is not set: create a key under Profile -> API Keys")

    def register_trace(self, metadata=None):
        trace = {
            "trace_id": self.trace_id,
            "agent_name": self.agent_name,
            "environment": self.environment,
            "metadata": metadata or {},
        }
        if self._post("/api/v1/ingest/traces", {"trace": trace}):
            print(f"[OK] Trace registered: {self.trace_id}")
            print(f"[LIVE] Open {DASHBOARD}/traces/{self.trace_id} to watch live")
        return self.trace_id

    def send_running(self, name, span_type, parent=None, **fields):
        """A step starts; gives its span id."""
        span = {
            "span_id": str(uuid4()), "trace_id": self.trace_id, "parent_span_id": parent, "name": name,
            "span_type": span_type, "start_time": now(), "end_time": None, "status": "running", **fields,
        }  # fmt: skip
        self._open[span["span_id"]] = span
        self._post("/api/v1/ingest/spans", {"batch": [span]})
        return span["span_id"]

    def send_complete(self, span_id, status="ok", **fields):
        """The step has ended. A trace is complete when its root span is."""
        span = self._open.pop(span_id) | {"end_time": now(), "status": status} | fields
        self._post("/api/v1/ingest/spans", {"batch": [span]})

    @contextlib.contextmanager
    def step(self, name, span_type, parent=None, **fields):
        """A step as a `with` block. Put what it gives back into the dictionary: `output`, `model`, …"""
        done = {"span_id": self.send_running(name, span_type, parent, **fields)}
        try:
            yield done
        except BaseException as error:
            self.send_complete(done.pop("span_id"), "error", error=f"{type(error).__name__}: {error}")
            raise
        self.send_complete(done.pop("span_id"), **done)

    def close(self):
        self._http.close()
        print("[LIVE] All spans sent incrementally. Trace complete.")

    def _post(self, path, body):
        try:
            self._http.post(path, json=body).raise_for_status()
            return True
        except httpx.HTTPError as error:
            if not self._said:
                print(f"[WARN] {error}. The agent goes on without tracing.")
            self._said = True
            return False


def plain(message):
    """A message as chat completions show it."""
    role = {"human": "user", "ai": "assistant"}.get(message.type, message.type)
    return {"role": role, "content": message.content}


def ask(ingestor, model, messages, parent, name="think"):
    """Calls the model as an `llm` span, with tokens: the cost is the recorder's to find."""
    asked = {"messages": [plain(message) for message in messages]}
    with ingestor.step(name, "llm", parent, input=asked, model=MODEL) as span:
        answer = model.invoke(messages)
        usage = answer.usage_metadata or {}
        span["output"] = {"response": answer.content}
        span["tokens_in"], span["tokens_out"] = usage.get("input_tokens"), usage.get("output_tokens")
        span["cache_read_tokens"] = (usage.get("input_token_details") or {}).get("cache_read")
        span["tool_calls"] = [
            {"tool_name": call["name"], "arguments": call["args"], "result": None} for call in answer.tool_calls
        ] or None
    return answer


def call_tool(ingestor, tools, call, parent):
    """Runs a tool as a `tool` span. Its result must be an object: {"output": …}."""
    with ingestor.step(call["name"], "tool", parent, input=call["args"]) as span:
        result = tools[call["name"]].invoke(call["args"])
        span["output"] = {"output": result}
        span["tool_calls"] = [
            {"tool_name": call["name"], "arguments": call["args"], "result": {"output": result},
             "selected_from": list(tools)}
        ]  # fmt: skip
    return ToolMessage(str(result), tool_call_id=call["id"])


# -- replace from here ----------------------------------------------------------------------------


@tool
def web_search(query: str) -> str:
    """Search the web."""
    return f"3 results for {query!r}: models got cheaper, agents got longer, audits got stricter."


@tool
def summary(text: str) -> str:
    """Summarize a text in one sentence."""
    return f"In short: {text[:80]}"


TOOLS = {made.name: made for made in (web_search, summary)}


def build(ingestor, root):
    model = ChatOpenAI(model=MODEL).bind_tools(list(TOOLS.values()))

    def think(state):
        return {"messages": [ask(ingestor, model, state["messages"], root)]}

    def act(state):
        # A chain around each round keeps the graph from being flat.
        calls = state["messages"][-1].tool_calls
        with ingestor.step("tools", "chain", root, input={"calls": [c["name"] for c in calls]}) as round_:
            said = [call_tool(ingestor, TOOLS, call, round_["span_id"]) for call in calls]
            round_["output"] = {"answers": len(said)}
        return {"messages": said}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("act", act)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", lambda state: "act" if state["messages"][-1].tool_calls else END)
    graph.add_edge("act", "think")
    return graph.compile()


def main(prompt):
    ingestor = AuditTrailIngestor()
    ingestor.register_trace({"user_prompt": prompt})
    with ingestor.step(AGENT_NAME, "agent", input={"prompt": prompt}) as root:
        graph = build(ingestor, root["span_id"])
        start = [SystemMessage("You are a helpful research agent."), HumanMessage(prompt)]
        answer = graph.invoke({"messages": start})["messages"][-1].content
        root["output"] = {"response": answer}
    print(answer)
    ingestor.close()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or PROMPT)
