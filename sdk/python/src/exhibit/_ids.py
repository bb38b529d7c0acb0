"""Ids of traces and spans. They are unique, and say nothing about what they name."""

from __future__ import annotations

import os
import random
import time

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_random = random.Random()


def _reseed() -> None:
    # A forked child would otherwise continue the parent's series.
    _random.seed(os.urandom(32))


_reseed()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reseed)


def new_trace_id() -> str:
    """`tr_` and 26 characters that sort by time: 48 bits of milliseconds, 80 random bits."""
    number = (time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF) << 80 | _random.getrandbits(80)
    letters = [""] * 26
    for place in range(25, -1, -1):
        letters[place] = _CROCKFORD[number & 31]
        number >>= 5
    return "tr_" + "".join(letters)


def new_span_id() -> str:
    """64 random bits in hexadecimal."""
    return f"{_random.getrandbits(64):016x}"


def new_source_id() -> str:
    """Names one process's series of sequence numbers."""
    return f"py-{_random.getrandbits(64):016x}"


_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


def usable_id(value: object) -> str | None:
    """The id a caller chose, if the recorder can take it: 1 to 256 of `A-Z a-z 0-9 . _ : -`."""
    text = str(value).strip()
    if 0 < len(text) <= 256 and _ALLOWED.issuperset(text):
        return text
    return None
