"""What a collection `traces` holds, read with pymongo: `mongo_look.py URL DATABASE`."""

import json
import sys

import pymongo


def shown(value):
    return {"at": value.isoformat()} if hasattr(value, "isoformat") else {"id": str(value)}


with pymongo.MongoClient(sys.argv[1], serverSelectionTimeoutMS=10_000) as client:
    database = client[sys.argv[2]]
    if sys.argv[3:] == ["drop"]:
        client.drop_database(database)
    documents = list(database.traces.find({}))
    counted = database.traces.count_documents({})
    print(json.dumps({"documents": documents, "count": counted}, default=shown))
