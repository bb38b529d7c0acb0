"""What may leave the process: switched-off content becomes a salted hash, the rest passes the hook."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from typing import Any

from ._faults import internal
from ._settings import Settings
from ._values import Json, snapshot, utf8

_WITHHELD = "withheld: the redaction hook failed"


class Privacy:
    """Decides over one value at a time. Used by the delivery thread, and before `decide` asks."""

    def __init__(self, settings: Settings) -> None:
        self._redact = settings.redact
        self.store_prompts = settings.store_prompts
        self.store_responses = settings.store_responses
        # Without a salt of its own nobody can test guesses, and processes cannot be compared.
        self._salt = utf8(settings.hash_salt) if settings.hash_salt else os.urandom(32)
        self.active = bool(settings.redact) or not (self.store_prompts and self.store_responses)

    def input(self, value: Json) -> Json:
        """A prompt, or what else a step was given."""
        return self.field("input", value) if self.store_prompts else self.withheld(value)

    def output(self, value: Json) -> Json:
        """A response, or what else a step gave back."""
        return self.field("output", value) if self.store_responses else self.withheld(value)

    def tool_calls(self, calls: list[Json]) -> Json:
        """Arguments came out of a model, results go into one."""
        kept: list[Json] = []
        for call in calls:
            if isinstance(call, dict):
                call = dict(call)
                if not self.store_responses:
                    call["arguments"] = self.withheld(call.get("arguments"))
                if not self.store_prompts and call.get("result") is not None:
                    call["result"] = self.withheld(call["result"])
            kept.append(call)
        return self.field("tool_calls", kept)

    def error(self, message: str) -> Json:
        """Messages of providers quote what they were sent."""
        if self.store_prompts and self.store_responses:
            return self.field("error", message)
        return f"withheld, {len(message)} characters"

    def field(self, name: str, value: Json) -> Json:
        """Through the hook. When it fails, the value is withheld, never sent as it was."""
        if self._redact is None or value is None:
            return value
        try:
            return snapshot(self._redact(name, value))[0]
        except Exception:
            internal("the redaction hook")
            return {"withheld": _WITHHELD} if name != "error" else _WITHHELD

    def withheld(self, value: Json) -> Json:
        """Its HMAC-SHA-256 under the salt, and its length in bytes: a text as it is, else JSON with
        sorted keys."""
        if value is None:
            return None
        text: Any = value
        if not isinstance(value, str):
            text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        data = utf8(text)
        digest = hmac.new(self._salt, data, hashlib.sha256).hexdigest()
        return {"withheld": True, "hmac_sha256": digest, "length": len(data)}
