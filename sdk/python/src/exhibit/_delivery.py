"""From ended spans to requests that wait for the recorder: a bounded queue, one thread that packs, and
one that sends, two under load.

The application's side only appends to the queue. The packing thread redacts, encodes and compresses; full
requests are packed ahead of a recorder that is slow or away, where a span takes a small part of the room.
What finds no room any more is dropped and counted; the sequence numbers of what is missing show the
recorder that there was more.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._faults import internal, warn
from ._ids import new_source_id
from ._privacy import Privacy
from ._record import encode
from ._sending import Batch, Sender
from ._settings import Settings
from ._transport import Transport

if TYPE_CHECKING:
    from ._span import Span

#: Running spans that may wait to be announced; older ones give way, their end tells everything.
ANNOUNCEMENTS_MAX = 4_096
#: Requests on their way at once.
SENDERS_MAX = 2


@dataclass(frozen=True)
class Stats:
    """What became of the spans of this process."""

    #: Ended.
    ended: int
    #: Acknowledged by the recorder as durable.
    delivered: int
    #: Waiting, or on their way.
    waiting: int
    #: Dropped because the queue was full, the recorder failed on them, or the process ended.
    dropped: int
    #: Refused by the recorder.
    rejected: int


class Delivery:
    """Takes spans of any thread; packs and sends them by its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
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
        self._packing = threading.Lock()
        #: Guards `_packed`, `_senders`, `_senders_free`, `_closed`.
        self._handing = threading.Condition(threading.Lock())
        self._packed: deque[Batch] = deque()
        self._senders = self._senders_free = 0
        self._closed = False
        #: Packed and not settled, by the first sequence number, oldest first.
        self._open: dict[int, Batch] = {}
        #: The first sequence number of what is being packed.
        self._in_hand = 0
        self._thread: threading.Thread | None = None
        self._ends.clear()
        self._starts.clear()
        self._bytes_plain = self._bytes_packed = 0
        self._ended = self._delivered = self._dropped = self._rejected = 0
        #: Losses that a flush has told of.
        self._told = 0
        self._idle = True
        #: How many wait for a flush.
        self.hurry = 0
        self.stopping = False
        self.failing = False
        self.source = new_source_id()

    # -- the application's side -------------------------------------------------------------------

    def started(self, span: Span) -> None:
        """Announces a running span, soon, unless it ends before."""
        if self.settings.live and not self.stopping:
            self._starts.append(span)
            if self._idle:
                self._rouse()

    def ended(self, span: Span) -> None:
        """Queues an ended span."""
        settings = self.settings
        with self._lock:
            self._ended = span.sequence = self._ended + 1
            waiting = span.sequence - self._delivered - self._dropped - self._rejected
            if (
                self.stopping
                or waiting > settings.queue_spans
                or self._bytes_plain + self._bytes_packed + span.size > settings.queue_bytes
            ):
                self._dropped += 1
                dropped = True
            else:
                self._ends.append(span)
                self._bytes_plain += span.size
                dropped = False
        if dropped:
            warn("dropped", "exhibit: the queue is full; spans are dropped and counted")
        elif self._idle or len(self._ends) == settings.batch_spans:
            self._rouse()

    def _rouse(self) -> None:
        self._idle = False
        if self._thread is None:
            self._begin()
        self._wake.set()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is not None or self.stopping:
                return
            try:
                self._add_sender()
                self._thread = _start(self._run, "exhibit-packing")
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
        """Waits until everything ended before is settled. False when the time was too short, or when
        spans were lost since the last flush told so."""
        try:
            deadline = time.monotonic() + max(0.0, timeout)
            with self._lock:
                self.hurry += 1
                target = self._ended
            try:
                done = self._wait_for(target, deadline)
            finally:
                with self._lock:
                    self.hurry -= 1
            with self._lock:
                lost = self._dropped + self._rejected
                complete = done and lost == self._told
                self._told = lost
            return complete
        except Exception:
            internal("flushing")
            return False

    def _wait_for(self, target: int, deadline: float) -> bool:
        if self._ends or self._starts or self._open:
            self._rouse()
            if self._thread is None or not self._thread.is_alive():
                self._drain(deadline)
        with self._settled_now:
            while self._oldest() <= target and not (self.stopping and self.failing):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._settled_now.wait(min(left, 0.1))
        return self._oldest() > target

    def _oldest(self) -> float:
        """The sequence number of the oldest span that waits."""
        with self._lock:
            for first in self._open:
                return first
            if self._in_hand:
                return self._in_hand
            return self._ends[0].sequence if self._ends else float("inf")

    def shutdown(self, timeout: float) -> bool:
        """Flushes, and takes nothing more."""
        done = self.flush(timeout)
        with self._lock:
            self.stopping = True
        self._wake.set()
        return done

    # -- the packing thread's side ----------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                self._wake.wait()
                self._wake.clear()
                if not self.hurry and not self.stopping:
                    self._linger()
                while self._worth_packing() and (batch := self._pack(self._sender_waits())):
                    self._hand_on(batch)
                self._idle = True
                if self._worth_packing():
                    self._idle = False
                    self._wake.set()
                elif self.stopping:
                    with self._handing:
                        self._closed = True
                        self._handing.notify_all()
                    return
            except Exception:
                internal("the packing thread")
                time.sleep(0.05)

    def _linger(self) -> None:
        until = time.monotonic() + self.settings.interval
        while (left := until - time.monotonic()) > 0:
            if self.hurry or self.stopping or self._full():
                return
            self._wake.wait(left)
            self._wake.clear()

    def _full(self) -> bool:
        """Whether what waits makes a whole request."""
        settings = self.settings
        return len(self._ends) >= settings.batch_spans or self._bytes_plain >= settings.batch_bytes

    def _sender_waits(self) -> bool:
        return self._senders_free > len(self._packed)

    def _worth_packing(self) -> bool:
        """Whole requests are packed ahead; fewer spans wait for a sender and grow meanwhile."""
        if self._ends and (self._full() or self.stopping):
            return True
        return bool(self._ends or self._starts) and self._sender_waits()

    def _hand_on(self, batch: Batch) -> None:
        with self._handing:
            self._packed.append(batch)
            self._handing.notify()
            behind = len(self._packed) > self._senders_free and not self.failing
        if behind and self._senders < SENDERS_MAX and len(self._packed) > 1:
            with contextlib.suppress(RuntimeError):  # no thread to be had: the first one goes on
                self._add_sender()

    def _drain(self, deadline: float) -> None:
        """Packs and sends in the caller's thread, where no other can be started."""
        sender = Sender(self, self._transport)
        while time.monotonic() < deadline:
            batch = self._packed.popleft() if self._packed else self._pack(True)
            if batch is None:
                return
            try:
                sender.deliver(batch, deadline)
            finally:
                self._close(batch)

    def _pack(self, with_starts: bool) -> Batch | None:
        """The next request. None when nothing waits."""
        records: list[bytes] = []
        with self._packing:
            ends, plain = self._take_ends(records)
            if with_starts:
                self._take_starts(records)
            try:
                batch = Batch(records, ends, self._in_hand if ends else 0) if records else None
            except Exception:
                internal("compressing spans")
                self.settle(dropped=ends)
                batch = None
            with self._lock:
                # What is recorded on a span after its end is not in the sum.
                self._bytes_plain = self._bytes_plain - plain if self._ends else 0
                if batch is not None:
                    self._bytes_packed += len(batch.body)
                    if ends:
                        self._open[batch.first] = batch
                self._in_hand = 0
            return batch

    def _take_ends(self, records: list[bytes]) -> tuple[int, int]:
        """Encodes ended spans: how many, and how much room they took in the queue."""
        settings, ends = self.settings, self._ends
        taken = size = plain = 0
        while ends and taken < settings.batch_spans and size < settings.batch_bytes:
            with self._lock:
                if not ends:
                    break
                span = ends.popleft()
                self._in_hand = self._in_hand or span.sequence
            plain += span.size
            try:
                record = encode(span, self.source, self._privacy, ended=True)
            except Exception:
                internal("encoding a span")
                self.settle(dropped=1)
                continue
            records.append(record)
            taken += 1
            size += len(record)
        return taken, plain

    def _take_starts(self, records: list[bytes]) -> None:
        size = 0
        # Only what is there now: a span that is announced may come again with more.
        for _ in range(len(self._starts)):
            if size > self.settings.batch_bytes:
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

    # -- the senders' side ------------------------------------------------------------------------

    def _add_sender(self) -> None:
        with self._handing:
            first = self._senders == 0
            transport = self._transport if first else self._transport.another()
            _start(lambda: self._send(Sender(self, transport), stays=first), "exhibit-sending")
            self._senders += 1

    def _send(self, sender: Sender, stays: bool) -> None:
        while (batch := self._next(stays)) is not None:
            try:
                sender.deliver(batch, None)
            except Exception:
                internal("the sending thread")
            finally:
                self._close(batch)
        sender.transport.close()

    def _next(self, stays: bool) -> Batch | None:
        """The next request, waited for by the sender that stays. None: this sender ends."""
        with self._handing:
            while not self._packed:
                if not stays or self._closed:
                    self._senders -= 1
                    return None
                self._senders_free += 1
                if self._ends or self._starts:
                    self._wake.set()
                self._handing.wait()
                self._senders_free -= 1
            return self._packed.popleft()

    def _close(self, batch: Batch) -> None:
        with self._lock:
            self._bytes_packed -= len(batch.body)
            self._open.pop(batch.first, None)
        self.tell()

    def settle(self, delivered: int = 0, dropped: int = 0, rejected: int = 0) -> None:
        """Counts what became of spans."""
        with self._lock:
            self._delivered += delivered
            self._dropped += dropped
            self._rejected += rejected

    def tell(self) -> None:
        """Wakes who waits for a flush."""
        with self._settled_now:
            self._settled_now.notify_all()


def _start(run: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)
    # In a context of its own: the thread belongs to no span.
    Context().run(thread.start)
    return thread


def _at_exit(reference: weakref.ref[Delivery]) -> None:
    delivery = reference()
    if delivery is None or not delivery.stats().waiting:
        return
    deadline = time.monotonic() + delivery.settings.exit_timeout
    # Who could not be reached so far gets one more second, not the whole time.
    delivery.flush(min(1.0, delivery.settings.exit_timeout))
    while delivery.stats().waiting and not delivery.failing and time.monotonic() < deadline:
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
