"""From a batch to an answer: sent, sent again while the recorder is away or busy, divided when one span
spoils it, and counted in the end, whatever became of it."""

from __future__ import annotations

import gzip
import json
import random
import time
from array import array
from typing import TYPE_CHECKING

from ._faults import warn
from ._transport import Answer, Transport, Unreachable

if TYPE_CHECKING:
    from ._delivery import Delivery

PATH = "/api/v1/ingest/spans"
FIRST_RETRY_S, LAST_RETRY_S = 0.25, 30.0
#: How often a batch is tried that the recorder fails on (500) rather than refuses.
FAULTS_MAX = 6
_BUSY = frozenset({408, 425, 429, 502, 503, 504, 507})
_OPEN, _CLOSE = b'{"batch":[', b"]}"


class Batch:
    """One request, compressed. The first `ends` of its records are ended spans, which count."""

    __slots__ = ("body", "ends", "first", "sizes")

    def __init__(self, records: list[bytes], ends: int, first: int) -> None:
        self.body = gzip.compress(_OPEN + b",".join(records) + _CLOSE, 1)
        self.sizes = array("L", map(len, records))
        self.ends = ends
        #: The sequence number of its first ended span; 0 without one.
        self.first = first

    def halves(self) -> tuple[Batch, Batch]:
        """The same records in two requests."""
        plain, records, at = gzip.decompress(self.body), [], len(_OPEN)
        for size in self.sizes:
            records.append(plain[at : at + size])
            at += size + 1
        half = len(records) // 2
        return (
            Batch(records[:half], min(self.ends, half), self.first),
            Batch(records[half:], max(0, self.ends - half), self.first),
        )


class Sender:
    """One connection, and what is decided by the answers that it brings."""

    def __init__(self, delivery: Delivery, transport: Transport) -> None:
        self._delivery = delivery
        self._settings = delivery.settings
        self.transport = transport

    def deliver(self, batch: Batch, deadline: float | None) -> None:
        """Until the recorder has it, refuses it, or there is no more time."""
        delivery, ends = self._delivery, batch.ends
        wait, faults = FIRST_RETRY_S, 0
        while True:
            answer = self._post(batch.body)
            if answer is not None:
                if self._judge(answer, batch, deadline):
                    delivery.failing = False
                    return
                faults += answer.status == 500
                if faults >= FAULTS_MAX:
                    delivery.settle(dropped=ends)
                    return
            delivery.failing = True
            delivery.tell()
            if not ends and answer is None:
                return  # nobody is there to watch them run
            pause = wait * random.uniform(0.8, 1.2)
            wait = min(wait * 2, LAST_RETRY_S)
            if not self._pause(pause, _retry_after(answer), deadline):
                warn("gone", "exhibit: the recorder cannot be reached; %d spans are dropped", ends)
                delivery.settle(dropped=ends)
                return

    def _post(self, body: bytes) -> Answer | None:
        try:
            return self.transport.post(PATH, body, "gzip")
        except Unreachable as error:
            warn("away", "exhibit: no answer from %s (%s); spans wait", self._settings.url, error)
            return None

    def _judge(self, answer: Answer, batch: Batch, deadline: float | None) -> bool:
        """Settles what the answer settles. False when it has to be tried again."""
        status, ends, settle = answer.status, batch.ends, self._delivery.settle
        if 200 <= status < 300:
            settle(delivered=ends)
        elif status in _BUSY or status == 500:
            warn(f"busy {status}", "exhibit: the recorder answered %d; spans wait", status)
            return False
        elif status == 422 and (refused := _refused(answer)) is not None:
            lost = sum(1 for index in refused if index < ends)
            warn("refused", "exhibit: the recorder refused %d spans: %s", len(refused), _why(answer))
            settle(delivered=ends - lost, rejected=lost)
        elif status in (400, 413, 422) and len(batch.sizes) > 1:
            # One of them spoils the batch, or it is too large: the halves tell which.
            for half in batch.halves():
                self.deliver(half, deadline)
        else:
            warn(f"refused {status}", "exhibit: %s answered %d: %s", self._settings.url, status, _why(answer))
            settle(rejected=ends)
        return True

    def _pause(self, seconds: float, least: float, deadline: float | None) -> bool:
        """Waits before the next try, `least` seconds at least. False when there is none."""
        began, delivery = time.monotonic(), self._delivery
        while True:
            # Somebody who waits for a flush is spared our patience, not the recorder's wish.
            wanted = max(least, min(seconds, FIRST_RETRY_S) if delivery.hurry else seconds)
            left = began + wanted - time.monotonic()
            if left <= 0:
                return True
            if delivery.stopping or deadline is not None and time.monotonic() + left > deadline:
                return False
            time.sleep(min(left, 0.05))


def _refused(answer: Answer) -> list[int] | None:
    try:
        return [int(one["index"]) for one in json.loads(answer.body)["rejected"]]
    except (ValueError, KeyError, TypeError):
        return None


def _why(answer: Answer) -> str:
    try:
        said = json.loads(answer.body)
        return str(said.get("detail") or said.get("title") or said)[:500]
    except (ValueError, AttributeError):
        return answer.body[:200].decode(errors="replace")


def _retry_after(answer: Answer | None) -> float:
    if answer is None or not answer.retry_after:
        return 0.0
    try:
        return min(max(float(answer.retry_after), 0.0), 300.0)
    except ValueError:
        pass
    try:
        from email.utils import parsedate_to_datetime

        at = parsedate_to_datetime(answer.retry_after).timestamp()
        return min(max(at - time.time(), 0.0), 300.0)
    except (TypeError, ValueError):
        return 0.0
