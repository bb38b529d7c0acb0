"""From ended spans to a recorder that has them: a bounded queue and one thread, two under load.

The application's side only appends to the queue. The thread redacts, encodes, compresses, sends, and
comes again when the recorder is away or busy. What cannot wait any longer is dropped and counted; the
sequence numbers of what is missing show the recorder that there was more.
"""

from __future__ import annotations

import atexit
import gzip
import json
import os
import random
import sys
import threading
import time
import weakref
from collections import deque
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._faults import internal, warn
from ._ids import new_source_id
from ._privacy import Privacy
from ._record import encode
from ._settings import Settings
from ._transport import Answer, Transport, Unreachable

if TYPE_CHECKING:
    from ._span import Span

PATH = "/api/v1/ingest/spans"
#: Running spans that may wait to be announced; older ones give way, their end tells everything.
ANNOUNCEMENTS_MAX = 4_096
FIRST_RETRY_S, LAST_RETRY_S = 0.25, 30.0
#: How often a batch is tried that the recorder fails on (500) rather than refuses.
FAULTS_MAX = 6
_BUSY = frozenset({408, 425, 429, 502, 503, 504, 507})


@dataclass(frozen=True)
class Stats:
    """What became of the spans of this process."""

    #: Ended.
    ended: int
    #: Acknowledged by the recorder as durable.
    delivered: int
    #: Waiting, or on their way.
    waiting: int
    #: Dropped because the queue was full, or the process ended.
    dropped: int
    #: Refused by the recorder.
    rejected: int


class Delivery:
    """Takes spans of any thread; delivers them by one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._privacy = Privacy(settings)
        self._transport = Transport(settings.url, settings.api_key, settings.timeout)
        self._ends: deque[Span] = deque()
        self._starts: deque[Span] = deque(maxlen=ANNOUNCEMENTS_MAX)
        self._reset()
        delivery = weakref.ref(self)
        atexit.register(_at_exit, delivery)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _in_child(delivery))

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._settled_now = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._relief: threading.Thread | None = None
        self._ends.clear()
        self._starts.clear()
        self._bytes = 0
        self._ended = self._delivered = self._dropped = self._rejected = 0
        self._idle = True
        self._hurry = False
        self._stopping = False
        self._failing = False
        self.source = new_source_id()

    # -- the application's side -------------------------------------------------------------------

    def started(self, span: Span) -> None:
        """Announces a running span, soon, unless it ends before."""
        if self._settings.live and not self._stopping:
            self._starts.append(span)
            if self._idle:
                self._rouse()

    def ended(self, span: Span) -> None:
        """Queues an ended span."""
        with self._lock:
            self._ended += 1
            span.sequence = self._ended
            if (
                self._stopping
                or len(self._ends) >= self._settings.queue_spans
                or self._bytes + span.size > self._settings.queue_bytes
            ):
                self._dropped += 1
                dropped = True
            else:
                self._ends.append(span)
                self._bytes += span.size
                dropped = False
        if dropped:
            warn("dropped", "exhibit: the queue is full; spans are dropped and counted")
        elif self._idle or len(self._ends) == self._settings.batch_spans:
            self._rouse()

    def _rouse(self) -> None:
        self._idle = False
        if self._thread is None:
            self._begin()
        self._wake.set()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is not None or self._stopping:
                return
            thread = threading.Thread(target=self._run, name="exhibit-delivery", daemon=True)
            try:
                # In a context of its own: the thread belongs to no span.
                Context().run(thread.start)
                self._thread = thread
            except RuntimeError:  # the interpreter is ending: `flush` delivers by itself
                self._idle = True

    def stats(self) -> Stats:
        """Counts up to now."""
        with self._lock:
            settled = self._delivered + self._dropped + self._rejected
            return Stats(
                self._ended, self._delivered, self._ended - settled, self._dropped, self._rejected
            )

    def flush(self, timeout: float) -> bool:
        """Waits until everything ended before is settled. False when the time was too short, or some
        of it was lost."""
        try:
            deadline = time.monotonic() + max(0.0, timeout)
            before = self.stats()
            target = before.ended
            if before.waiting or self._starts:
                self._hurry = True
                self._rouse()
                if self._thread is None or not self._thread.is_alive():
                    self._drain(deadline)
                with self._settled_now:
                    while self._settled() < target and not (self._stopping and self._failing):
                        left = deadline - time.monotonic()
                        if left <= 0:
                            break
                        self._settled_now.wait(min(left, 0.1))
            after = self.stats()
            lost = after.dropped + after.rejected > before.dropped + before.rejected
            return self._settled() >= target and not lost
        except Exception:
            internal("flushing")
            return False
        finally:
            self._hurry = False

    def shutdown(self, timeout: float) -> bool:
        """Flushes, and takes nothing more."""
        done = self.flush(timeout)
        with self._lock:
            self._stopping = True
        self._wake.set()
        return done

    def _settled(self) -> int:
        return self._delivered + self._dropped + self._rejected

    # -- the thread's side ------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                self._wake.wait()
                self._wake.clear()
                if not self._hurry and not self._stopping:
                    self._linger()
                while self._work(self._transport, None):
                    self._relieve()
                self._idle = True
                if self._ends or self._starts:
                    self._idle = False
                    self._wake.set()
                elif self._stopping:
                    self._transport.close()
                    return
            except Exception:
                internal("the delivery thread")
                time.sleep(0.05)

    def _linger(self) -> None:
        until = time.monotonic() + self._settings.interval
        while (left := until - time.monotonic()) > 0:
            if self._hurry or self._stopping or len(self._ends) >= self._settings.batch_spans:
                return
            self._wake.wait(left)
            self._wake.clear()

    def _drain(self, deadline: float) -> None:
        while self._work(self._transport, deadline) and time.monotonic() < deadline:
            pass

    def _relieve(self) -> None:
        """A second thread encodes while the first waits for an answer, as long as there is a backlog."""
        backlog = 2 * self._settings.batch_spans
        if len(self._ends) < backlog or self._relief is not None and self._relief.is_alive():
            return

        def relieve() -> None:
            transport = self._transport.another()
            try:
                while len(self._ends) >= self._settings.batch_spans and not self._failing:
                    self._work(transport, None)
            except Exception:
                internal("the second delivery thread")
            finally:
                transport.close()

        self._relief = threading.Thread(target=relieve, name="exhibit-delivery-2", daemon=True)
        Context().run(self._relief.start)

    def _work(self, transport: Transport, deadline: float | None) -> bool:
        """Delivers one batch. False when nothing waits."""
        if not self._ends and not self._starts:
            return False
        records: list[bytes] = []
        ends = self._take_ends(records)
        self._take_starts(records)
        if records:
            self._deliver(transport, records, ends, deadline)
        return True

    def _take_ends(self, records: list[bytes]) -> int:
        taken, size = 0, 0
        while self._ends and taken < self._settings.batch_spans and size < self._settings.batch_bytes:
            with self._lock:
                if not self._ends:
                    break
                span = self._ends.popleft()
                self._bytes -= span.size
            try:
                record = encode(span, self.source, self._privacy, ended=True)
            except Exception:
                internal("encoding a span")
                self._settle(dropped=1)
                continue
            records.append(record)
            taken += 1
            size += len(record)
        return taken

    def _take_starts(self, records: list[bytes]) -> None:
        size = 0
        # Only what is there now: a span that is announced may come again with more.
        for _ in range(len(self._starts)):
            if size > self._settings.batch_bytes:
                return
            try:
                span = self._starts.popleft()
            except IndexError:
                return
            if span.end_ns:
                continue
            try:
                span.announced = True
                record = encode(span, self.source, self._privacy, ended=False)
            except Exception:
                internal("encoding a running span")
                continue
            records.append(record)
            size += len(record)

    def _deliver(
        self, transport: Transport, records: list[bytes], ends: int, deadline: float | None
    ) -> None:
        """Until the recorder has them, refuses them, or there is no more time. The first `ends` of the
        records count."""
        body = gzip.compress(b'{"batch":[' + b",".join(records) + b"]}", 1)
        wait, faults = FIRST_RETRY_S, 0
        while True:
            answer = self._post(transport, body)
            if answer is not None:
                if self._judge(transport, answer, records, ends, deadline):
                    self._failing = False
                    return
                faults += answer.status == 500
                if faults >= FAULTS_MAX:
                    self._settle(dropped=ends)
                    return
            self._failing = True
            with self._settled_now:
                self._settled_now.notify_all()
            if not ends and answer is None:
                return  # nobody is there to watch them run
            pause = wait * random.uniform(0.8, 1.2)
            wait = min(wait * 2, LAST_RETRY_S)
            if not self._pause(pause, _retry_after(answer), deadline):
                warn("gone", "exhibit: the recorder cannot be reached; %d spans are dropped", ends)
                self._settle(dropped=ends)
                return

    def _post(self, transport: Transport, body: bytes) -> Answer | None:
        try:
            return transport.post(PATH, body, "gzip")
        except Unreachable as error:
            warn("away", "exhibit: no answer from %s (%s); spans wait", self._settings.url, error)
            return None

    def _judge(
        self,
        transport: Transport,
        answer: Answer,
        records: list[bytes],
        ends: int,
        deadline: float | None,
    ) -> bool:
        """Settles what the answer settles. False when it has to be tried again."""
        status = answer.status
        if 200 <= status < 300:
            self._settle(delivered=ends)
        elif status in _BUSY or status == 500:
            warn(f"busy {status}", "exhibit: the recorder answered %d; spans wait", status)
            return False
        elif status == 422 and (refused := _refused(answer)) is not None:
            lost = sum(1 for index in refused if index < ends)
            warn("refused", "exhibit: the recorder refused %d spans: %s", len(refused), _why(answer))
            self._settle(delivered=ends - lost, rejected=lost)
        elif status in (400, 413, 422) and len(records) > 1:
            # One of them spoils the batch, or it is too large: the halves tell which.
            half = len(records) // 2
            self._deliver(transport, records[:half], min(ends, half), deadline)
            self._deliver(transport, records[half:], max(0, ends - half), deadline)
        else:
            warn(f"refused {status}", "exhibit: %s answered %d: %s", self._settings.url, status, _why(answer))
            self._settle(rejected=ends)
        return True

    def _pause(self, seconds: float, least: float, deadline: float | None) -> bool:
        """Waits before the next try, `least` seconds at least. False when there is none."""
        began = time.monotonic()
        while True:
            # Somebody who waits for a flush is spared our patience, not the recorder's wish.
            wanted = max(least, min(seconds, FIRST_RETRY_S) if self._hurry else seconds)
            left = began + wanted - time.monotonic()
            if left <= 0:
                return True
            if self._stopping or deadline is not None and time.monotonic() + left > deadline:
                return False
            time.sleep(min(left, 0.05))

    def _settle(self, delivered: int = 0, dropped: int = 0, rejected: int = 0) -> None:
        with self._lock:
            self._delivered += delivered
            self._dropped += dropped
            self._rejected += rejected
        with self._settled_now:
            self._settled_now.notify_all()


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


def _at_exit(reference: weakref.ref[Delivery]) -> None:
    delivery = reference()
    if delivery is None or not delivery.stats().waiting:
        return
    deadline = time.monotonic() + delivery._settings.exit_timeout
    # Who could not be reached so far gets one more second, not the whole time.
    delivery.flush(min(1.0, delivery._settings.exit_timeout))
    while delivery.stats().waiting and not delivery._failing and time.monotonic() < deadline:
        delivery.flush(deadline - time.monotonic())
    left = delivery.stats().waiting
    if left:
        warn("exit", "exhibit: the process ends with %d spans undelivered", left)


def _in_child(reference: weakref.ref[Delivery]) -> None:
    delivery = reference()
    if delivery is None:
        return
    # The parent's thread, queue and connection stay the parent's.
    delivery._transport.forget()
    delivery._reset()
    # Children of multiprocessing end without `atexit`, but with their own finalizers.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:

        def at_end(kept: Delivery) -> None:
            util.Finalize(kept, _at_exit, args=(reference,), exitpriority=10)

        util.register_after_fork(delivery, at_end)
