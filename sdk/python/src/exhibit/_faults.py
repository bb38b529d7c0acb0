"""Where the SDK's own faults go: to the log, each kind at most once a minute, and nowhere else."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("exhibit")
_said: dict[str, float] = {}


def warn(kind: str, message: str, *args: object) -> None:
    """Logs a warning of this kind unless one was logged within the last minute."""
    now = time.monotonic()
    if now - _said.get(kind, -60.0) < 60.0:
        return
    _said[kind] = now
    try:
        log.warning(message, *args)
    except Exception:
        pass


def internal(where: str) -> None:
    """Logs the exception being handled. For use in `except` of code that an application calls."""
    now = time.monotonic()
    if now - _said.get(where, -60.0) < 60.0:
        return
    _said[where] = now
    try:
        log.warning("exhibit: %s failed; the application goes on", where, exc_info=True)
    except Exception:
        pass
