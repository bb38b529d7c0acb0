"""Full LangGraph agent: seven tools, parallel rounds, a decision graph worth looking at.

    python agent.py "Research climate change impacts, check current time, look up reports from the
    database, read the agent_config.json file, calculate crop yield at 8 percent per degree, compare output
    of 92 tons against target of 100, and summarize findings"

The run is planned, acted out in rounds of parallel tools, reviewed after each round, and put together:
every phase is a chain of its own, so that the graph shows how a tool came to be called.
"""

import ast
import json
import operator
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph

from template import MODEL, AuditTrailIngestor, ask, call_tool

AGENT_NAME = "research-agent"
HERE = Path(__file__).resolve().parent
PROMPT = (
    "Research climate change impacts, check current time, look up reports from the database, read the "
    "agent_config.json file, calculate crop yield at 8 percent per degree, compare output of 92 tons "
    "against target of 100, and summarize findings"
)


@tool
def web_search(query: str) -> str:
    """Search the web."""
    return f"3 results for {query!r}: yields fall with heat, rain shifts, adaptation pays."


@tool
def current_time(timezone: str = "UTC") -> str:
    """The current time."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@tool
def query_database(table: str) -> str:
    """Look up reports in the database."""
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE reports (year INTEGER, title TEXT)")
        db.executemany("INSERT INTO reports VALUES (?, ?)", [(2024, "Harvest"), (2025, "Heat and harvest")])
        return "; ".join(f"{year}: {title}" for year, title in db.execute("SELECT * FROM reports"))


@tool
def read_file(path: str) -> str:
    """Read a file beside this agent."""
    return (HERE / Path(path).name).read_text()


_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


@tool
def calculator(expression: str) -> str:
    """Calculate an arithmetic expression."""

    def value(node):
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
        raise ValueError(f"cannot calculate {expression!r}")

    return str(value(ast.parse(expression, mode="eval").body))


@tool
def comparison(actual: float, target: float) -> str:
    """Compare an actual value with a target."""
    return f"{actual} is {100 * actual / target:.0f} % of the target of {target}"


@tool
def summary(text: str) -> str:
    """Summarize the findings."""
    return f"In short: {text[:80]}"


TOOLS = {
    made.name: made
    for made in (web_search, current_time, query_database, read_file, calculator, comparison, summary)
}


def build(ingestor, root):
    model = ChatOpenAI(model=MODEL).bind_tools(list(TOOLS.values()))

    def plan(state):
        with ingestor.step("planning", "chain", root, input={"tools": list(TOOLS)}) as phase:
            answer = ask(ingestor, model, state["messages"], phase["span_id"], "plan")
            phase["output"] = {"calls": [call["name"] for call in answer.tool_calls]}
        return {"messages": [answer]}

    def act(state):
        calls = state["messages"][-1].tool_calls
        number = sum(1 for message in state["messages"] if message.type == "ai")
        with ingestor.step(f"round {number}", "chain", root, input={"calls": len(calls)}) as phase:
            with ThreadPoolExecutor(len(calls)) as pool:
                run = lambda call: call_tool(ingestor, TOOLS, call, phase["span_id"])  # noqa: E731
                said = list(pool.map(run, calls))
            answer = ask(ingestor, model, [*state["messages"], *said], phase["span_id"], "review")
            phase["output"] = {"answers": len(said), "next": [call["name"] for call in answer.tool_calls]}
        return {"messages": [*said, answer]}

    def synthesize(state):
        with ingestor.step("synthesis", "chain", root) as phase:
            facts = {m.tool_call_id: m.content for m in state["messages"] if m.type == "tool"}
            with ingestor.step("gather facts", "retriever", phase["span_id"]) as gather:
                gather["output"] = {"documents": [{"content": text} for text in facts.values()]}
            phase["output"] = {"response": state["messages"][-1].content, "facts": len(facts)}
        return {}

    more = lambda state: "act" if state["messages"][-1].tool_calls else "synthesize"  # noqa: E731
    graph = StateGraph(MessagesState)
    for node in (plan, act, synthesize):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", more)
    graph.add_conditional_edges("act", more)
    graph.add_edge("synthesize", END)
    return graph.compile()


def main(prompt):
    ingestor = AuditTrailIngestor(AGENT_NAME)
    config = json.loads((HERE / "agent_config.json").read_text())
    ingestor.register_trace({"user_prompt": prompt, "config": config})
    with ingestor.step(AGENT_NAME, "agent", input={"prompt": prompt}) as root:
        start = [SystemMessage("You research with tools and say only what they gave."), HumanMessage(prompt)]
        answer = build(ingestor, root["span_id"]).invoke({"messages": start})["messages"][-1].content
        root["output"] = {"response": answer}
    print(answer)
    ingestor.close()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or PROMPT)
