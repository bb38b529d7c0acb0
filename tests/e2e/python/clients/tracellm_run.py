"""TraceLLM's published SDK and MongoDB's own driver against the listener, unmodified."""

import json
import os
import sys

mongo, run = sys.argv[1:3]
os.environ |= {"MONGO_URL": mongo, "DB_NAME": "tracellm"}

import asyncio  # noqa: E402

import pymongo  # noqa: E402
from app.database.project_service import create_project, get_project_by_api_key, list_projects  # noqa: E402
from app.database.trace_service import get_trace_by_id, list_traces  # noqa: E402
from app.models.trace_model import TraceFilters  # noqa: E402
from tracellm.integrations.tool_tracer import trace_tool  # noqa: E402
from tracellm.tracer import trace  # noqa: E402

answer = {}


@trace_tool()
async def look_up(order):
    return {"order": order, "state": "paid"}


@trace(prompt=f"where is {run}?", model_name="gpt-4o-mini", environment="staging")
async def ask():
    await look_up("A-7")
    return "On its way."


@trace(prompt=f"fails {run}", model_name="gpt-4o-mini")
async def fail():
    raise ValueError("no such order")


async def stored(count):
    """Its client stores in the background: waits until so many are there."""
    for _ in range(150):
        page = await list_traces(TraceFilters(limit=10))
        if sum(run in trace.prompt for trace in page.items) >= count:
            return
        await asyncio.sleep(0.1)


async def main():
    made = await create_project(name=f"shop-{run}", description="tests", environment="staging")
    answer["key"] = made.api_key.key
    answer["projects"] = [p.name for p in await list_projects()]
    answer["key resolves"] = (await get_project_by_api_key(made.api_key.key)).project_id == made.project.project_id
    await ask()
    await stored(1)
    try:
        await fail()
    except ValueError:
        pass
    await stored(2)
    page = await list_traces(TraceFilters(limit=10))
    answer["recent"] = [t.trace_id for t in page.items]
    read = [await get_trace_by_id(t.trace_id) for t in page.items]
    answer["read back"] = [t.response for t in read]


asyncio.run(main())
client = pymongo.MongoClient(mongo)
traces = client["tracellm"]["traces"]
found = traces.find_one({"prompt": f"where is {run}?"})
answer["document"] = {k: v for k, v in found.items() if k not in ("_id", "created_at", "updated_at")}
answer["document"]["steps"] = [{k: v for k, v in s.items() if k != "timestamp"} for s in found["steps"]]
answer["at"] = found["created_at"].isoformat()
answer["failed"] = traces.find_one({"prompt": f"fails {run}"})["trace_id"]
traces.insert_one({"trace_id": f"keyed-{run}", "prompt": "p", "api_key": answer["key"], "steps": []})
answer["keyed"] = sorted(traces.find_one({"trace_id": f"keyed-{run}"}))
answer["count"] = traces.count_documents({"$or": [{"prompt": f"where is {run}?"}, {"prompt": f"fails {run}"}]})
answer["slow"] = traces.count_documents({"latency": {"$gte": 1e9}})
answer["sorted"] = [t["status"] for t in traces.find({"prompt": {"$ne": "p"}}, sort=[("created_at", -1)], limit=2)]


def refusal(act):
    try:
        act()
    except pymongo.errors.PyMongoError as error:
        return str(error)
    return None


answer["refused"] = {
    "delete": refusal(lambda: traces.delete_many({})),
    "update": refusal(lambda: traces.update_one({}, {"$set": {"prompt": "x"}})),
    "regex": refusal(lambda: traces.find_one({"prompt": {"$regex": "x"}})),
    "stage": refusal(lambda: list(traces.aggregate([{"$lookup": {}}]))),
    "bad": refusal(lambda: traces.insert_one({"trace_id": f"bad-{run}", "steps": "none"})),
    "elsewhere": refusal(lambda: client["tracellm"]["secrets"].insert_one({"a": 1})),
    "key": refusal(lambda: pymongo.MongoClient(
        mongo, username="x", password="wrong", authMechanism="PLAIN").tracellm.traces.find_one({})),
}  # fmt: skip
answer["keys in the clear"] = list(client["tracellm"]["api_keys"].find({}))
print(json.dumps(answer, default=str))
