"""The first published AITracer SDK (0.1): it reads one record and verifies it."""

import json
import sys
import time

from aitracer_sdk import AITracerClient

url, key, trace_id = sys.argv[1:4]
client = AITracerClient(url, bearer_token=key)
deadline = time.monotonic() + 20
while not (told := client.verify_attestation(trace_id))["valid"] and time.monotonic() < deadline:
    time.sleep(0.2)
raw = client.get_chat_raw(trace_id)


def refused(act):
    try:
        act()
    except Exception as error:
        return type(error).__name__
    return None


print(json.dumps({
    "service": client.verify_service(),
    "raw": raw,
    "told": told,
    "same": client.verify_attestation(trace_id, raw["integrityHash"]),
    "other": client.verify_attestation(trace_id, "0" * 64),
    "absent": refused(lambda: client.get_chat_raw("nothing-here")),
    "nobody": refused(lambda: AITracerClient(url).get_chat_raw(trace_id)),
}))  # fmt: skip
