"""Asking the recorder's rules before acting."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from ._faults import internal, warn
from ._privacy import Privacy
from ._settings import Settings
from ._transport import Transport, Unreachable
from ._values import snapshot, utf8

PATH = "/api/v1/govern/decide"
#: What happens when the rules cannot be asked.
Fail = Literal["open", "closed"]
_STOPS = frozenset({"block", "quarantine"})


class Blocked(Exception):
    """The rules forbid the step. Raised by [`Decision.raise_if_blocked`] only."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.reason or "blocked by a rule")
        self.decision = decision


@dataclass(frozen=True)
class Decision:
    """What the rules say about a step that has not happened yet."""

    #: `allow`, `tag`, `notify`, `redact`, `flag`, `review`, `quarantine` or `block`.
    action: str
    #: Whether the step may happen.
    allowed: bool
    #: The input (without one, the arguments) to go on with: redacted where a rule says so, else as given.
    input: Any = None
    #: Why, in the words of the rules.
    reason: str | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    #: False when the rules could not be asked and `fail` decided.
    asked: bool = True
    #: The recorder's whole answer.
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def needs_review(self) -> bool:
        """Whether a person should look at it."""
        return self.action == "review"

    def raise_if_blocked(self) -> Decision:
        """Raises [`Blocked`] unless the step may happen; else gives itself back."""
        if not self.allowed:
            raise Blocked(self)
        return self


class Governor:
    """Asks over one connection per thread."""

    def __init__(self, settings: Settings, privacy: Privacy) -> None:
        self._settings = settings
        self._privacy = privacy
        self._local = threading.local()

    def ask(
        self,
        question: dict[str, Any],
        beside: dict[str, Any],
        input: Any,
        arguments: Any,
        fail: Fail,
        timeout: float,
    ) -> Decision:
        """The rules' decision; when they cannot be asked, what `fail` says. Never raises."""
        try:
            both = input is not None and arguments is not None
            given, _ = snapshot(
                {"input": input, "arguments": arguments} if both else arguments if input is None else input
            )
            # The rules judge what would be sent to a model, so switched-off storage does not apply;
            # the redaction hook does.
            call = {"input": self._privacy.field("input", given)}
            call.update({key: snapshot(value)[0] for key, value in question.items() if value is not None})
            body = {"call": call}
            body.update({key: value for key, value in beside.items() if value is not None})
            answer = self._transport().post(PATH, utf8(json.dumps(body, ensure_ascii=False)), None, timeout)
            if answer.status != 200:
                warn(f"decide {answer.status}", "exhibit: the rules answered %d", answer.status)
                return _unasked(input, fail, f"the rules answered {answer.status}")
            said = json.loads(answer.body)
            return _read(said.get("data", said), input, arguments, both)
        except Unreachable as error:
            warn("decide", "exhibit: the rules cannot be asked: %s", error)
            return _unasked(input, fail, "the rules cannot be asked")
        except Exception:
            internal("asking the rules")
            return _unasked(input, fail, "the rules cannot be asked")

    def _transport(self) -> Transport:
        import os

        held = getattr(self._local, "transport", None)
        if held is None or self._local.process != os.getpid():
            held = Transport(self._settings.url, self._settings.api_key, self._settings.timeout)
            self._local.transport, self._local.process = held, os.getpid()
        return held


def _read(said: dict[str, Any], input: Any, arguments: Any, both: bool) -> Decision:
    action = str(said.get("decision", "allow"))
    kept, words = said.get("input"), said.get("messages")
    if not said.get("redacted") or kept is None:
        kept = input if input is not None else arguments
    elif both and isinstance(kept, dict):
        kept = kept.get("input")
    return Decision(
        action=action,
        allowed=bool(said.get("allowed", action not in _STOPS)),
        input=kept,
        reason="; ".join(map(str, words)) if isinstance(words, list) and words else None,
        findings=_objects(said.get("findings")),
        evaluations=_objects(said.get("evaluations")),
        raw=said,
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _unasked(input: Any, fail: Fail, reason: str) -> Decision:
    if fail == "closed":
        return Decision("block", False, input, reason, asked=False)
    return Decision("allow", True, input, reason, asked=False)
