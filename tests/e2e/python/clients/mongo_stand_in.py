"""A small server that speaks MongoDB's wire protocol and keeps documents in a file: no MongoDB, but
strict where MongoDB is, so that what passes here is not refused there.

    python mongo_stand_in.py PORT FILE [PASSWORD]

Known: replacing updates with upsert, deletes, inserts, find with equality and comparison, count, and
the aggregate by which drivers count. Written documents are durable before the answer. With a password,
clients authenticate by PLAIN. Of a trace whose id starts with `refused` no document is taken.
"""

import json
import os
import socketserver
import struct
import sys
import threading
from pathlib import Path

import bson

LARGEST = 16 * 1024 * 1024


class Store:
    def __init__(self, path):
        self.path, self.lock, self.collections = Path(path), threading.Lock(), {}
        self.written = 0
        if self.path.exists():
            self.collections = bson.decode(self.path.read_bytes())["collections"]
            self.collections = {name: {d["_id"]: d for d in held} for name, held in self.collections.items()}

    def save(self):
        whole = {"collections": {name: list(held.values()) for name, held in self.collections.items()}}
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(bson.encode(whole))
        os.replace(fresh, self.path)


def fault(code, message, **more):
    return {"code": code, "errmsg": message, **more}


def dollars(value):
    """Names that versions before 5.0 refuse, and DBRefs that later ones take for something else."""
    if isinstance(value, dict):
        return any(key.startswith("$") for key in value) or any(dollars(v) for v in value.values())
    return isinstance(value, list) and any(dollars(v) for v in value)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def refused(document):
    if len(bson.encode(document)) > LARGEST:
        return fault(10334, "BSONObj size is invalid")
    if dollars(document):
        return fault(52, "The dollar ($) prefixed field is not valid for storage.")
    if depth(document) > 100:
        return fault(15, "exceeded maximum nested object depth")
    if str(document.get("trace_id", "")).startswith("refused"):
        return fault(121, "Document failed validation")
    return None


def holds(document, query):
    orders = {"$gt": lambda a, b: a > b, "$gte": lambda a, b: a >= b, "$lt": lambda a, b: a < b,
              "$lte": lambda a, b: a <= b, "$ne": lambda a, b: a != b, "$in": lambda a, b: a in b,
              "$eq": lambda a, b: a == b}  # fmt: skip
    for key, wanted in query.items():
        if key == "$or":
            if not any(holds(document, one) for one in wanted):
                return False
            continue
        held = document.get(key)
        if isinstance(wanted, dict) and wanted and all(k.startswith("$") for k in wanted):
            if not all(held is not None and orders[k](held, v) for k, v in wanted.items()):
                return False
        elif held != wanted:
            return False
    return True


class Session(socketserver.BaseRequestHandler):
    def setup(self):
        self.known = self.server.password is None

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.request.recv(min(count - len(data), 1 << 20))
            if not piece:
                raise EOFError
            data += piece
        return data

    def handle(self):
        try:
            while True:
                length, number, _, code = struct.unpack("<iiii", self.exactly(16))
                assert 16 <= length <= 48_000_000, length
                body = self.exactly(length - 16)
                if code == 2004:  # OP_QUERY, for the handshake alone
                    start = body.index(b"\0", 4) + 9
                    answer = self.run(bson.decode(body[start:]))
                    head, code = struct.pack("<iqii", 8, 0, 0, 1), 1
                else:
                    assert code == 2013, code
                    answer = self.run(self.message(body))
                    head = struct.pack("<iB", 0, 0)
                data = head + bson.encode({"ok": 1.0} | answer)
                self.request.sendall(struct.pack("<iiii", 16 + len(data), 0, number, code) + data)
        except (EOFError, OSError):
            pass

    def message(self, body):
        at, command = 4, None
        more = {}
        while at < len(body):
            kind, at = body[at], at + 1
            size = struct.unpack_from("<i", body, at)[0]
            if kind == 0:
                command = bson.decode(body[at : at + size])
            else:
                name_end = body.index(b"\0", at + 4)
                more[body[at + 4 : name_end].decode()] = bson.decode_all(body[name_end + 1 : at + size])
            at += size
        assert len(bson.encode(command)) <= LARGEST + 16 * 1024, "the command is too large"
        return command | more

    def run(self, command):
        name = next(iter(command))
        free = ("hello", "ismaster", "isMaster", "saslStart", "saslContinue", "endSessions", "buildInfo")
        if not self.known and name not in free:
            return {"ok": 0.0, **fault(13, "command requires authentication", codeName="Unauthorized")}
        action = getattr(self, f"do_{name}", None)
        if action is None:
            return {"ok": 0.0, **fault(59, f"no such command: '{name}'", codeName="CommandNotFound")}
        with self.server.store.lock:
            return action(command)

    def do_hello(self, _):
        return {"ismaster": True, "isWritablePrimary": True, "helloOk": True, "maxBsonObjectSize": LARGEST,
                "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "minWireVersion": 0,
                "maxWireVersion": 21, "readOnly": False, "logicalSessionTimeoutMinutes": 30}  # fmt: skip

    do_ismaster = do_isMaster = do_hello

    def do_saslStart(self, command):
        password = command["payload"].split(b"\0")[2].decode()
        if command["mechanism"] != "PLAIN" or password != self.server.password:
            return {"ok": 0.0, **fault(18, "Authentication failed.", codeName="AuthenticationFailed")}
        self.known = True
        return {"conversationId": 1, "done": True, "payload": b""}

    def do_ping(self, _):
        return {}

    do_endSessions = do_buildInfo = do_createIndexes = do_ping

    def held(self, command, name):
        key = f"{command['$db']}.{command[name]}"
        return self.server.store.collections.setdefault(key, {})

    def do_update(self, command):
        held, errors, changed, fresh = self.held(command, "update"), [], 0, []
        assert command["writeConcern"]["w"] != 0
        for index, one in enumerate(command["updates"]):
            assert not one.get("multi") and not any(k.startswith("$") for k in one["u"]), "a replacement"
            assert list(one["q"]) == ["_id"] and one["u"]["_id"] == one["q"]["_id"]
            wrong = refused(one["u"])
            if wrong:
                errors.append({"index": index} | wrong)
                continue
            if one["q"]["_id"] not in held:
                fresh.append({"index": index, "_id": one["q"]["_id"]})
            held[one["q"]["_id"]] = one["u"]
            changed += 1
        self.server.store.written += changed
        self.server.store.save()
        return {"n": changed, "nModified": changed - len(fresh), "upserted": fresh, "writeErrors": errors}

    def do_delete(self, command):
        held, gone = self.held(command, "delete"), 0
        for one in command["deletes"]:
            for key in [k for k, d in held.items() if holds(d, one["q"])]:
                del held[key]
                gone += 1
        self.server.store.save()
        return {"n": gone}

    def do_insert(self, command):
        held = self.held(command, "insert")
        held.update({d["_id"]: d for d in command["documents"]})
        self.server.store.save()
        return {"n": len(command["documents"])}

    def found(self, command, name, query):
        documents = [d for d in self.held(command, name).values() if holds(d, query)]
        for key, way in reversed(list(command.get("sort", {}).items())):
            documents.sort(key=lambda d, key=key: d.get(key), reverse=way < 0)
        documents = documents[command.get("skip", 0) :]
        return documents[: abs(command["limit"])] if command.get("limit") else documents

    def cursor(self, command, name, batch):
        return {"cursor": {"firstBatch": batch, "id": 0, "ns": f"{command['$db']}.{command[name]}"}}

    def do_find(self, command):
        return self.cursor(command, "find", self.found(command, "find", command.get("filter", {})))

    def do_count(self, command):
        return {"n": len(self.found(command, "count", command.get("query", {})))}

    def do_aggregate(self, command):
        match = next((s["$match"] for s in command["pipeline"] if "$match" in s), {})
        count = len(self.found(command, "aggregate", match))
        return self.cursor(command, "aggregate", [{"_id": 1, "n": count}] if count else [])

    def do_written(self, _):
        return {"n": self.server.store.written}


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Session) as server:
        server.store = Store(sys.argv[2])
        server.password = sys.argv[3] if len(sys.argv) > 3 else None
        print(json.dumps({"port": server.server_address[1]}), flush=True)
        server.serve_forever()
