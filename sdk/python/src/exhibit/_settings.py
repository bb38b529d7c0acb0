"""What can be set, where it comes from, and what holds without it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:3000"

#: Gets the name of a field (`input`, `output`, `tool_calls`, `metadata`, `attributes`, `error`) and
#: its value as plain JSON; gives back what may leave the process.
Redact = Callable[[str, Any], Any]

_OFF = frozenset({"0", "false", "no", "off"})
_ON = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True)
class Settings:
    """Everything a client was told. Arguments win over the environment."""

    url: str = DEFAULT_URL
    api_key: str | None = None
    enabled: bool = True
    environment: str | None = None
    service: str | None = None
    version: str | None = None
    tags: tuple[str, ...] = ()
    store_prompts: bool = True
    store_responses: bool = True
    hash_salt: str | None = None
    redact: Redact | None = None
    propagate_threads: bool = True
    #: Finished spans that may wait; beyond it new ones are dropped and counted.
    queue_spans: int = 1_000_000
    #: Bytes that may wait: content and 1 KiB for each span, until it is packed; then compressed.
    queue_bytes: int = 128 * 1024 * 1024
    #: Spans of one request.
    batch_spans: int = 1_000
    #: Bytes of one request, before compression.
    batch_bytes: int = 4 * 1024 * 1024
    #: Seconds that spans are gathered before they are sent.
    interval: float = 0.2
    #: Seconds one request may take.
    timeout: float = 10.0
    #: Seconds that the end of the process waits for what is still on its way.
    exit_timeout: float = 5.0
    #: Sends running spans when they start, so that they can be watched.
    live: bool = True


class SettingsError(ValueError):
    """A setting cannot be used; the message says which and why."""


def gather(given: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Arguments over `EXHIBIT_*` over defaults. Raises [`SettingsError`]."""
    env = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for field, kind in Settings.__annotations__.items():
        value = given.get(field)
        if value is None:
            value = _from_text(field, str(kind), env.get(f"EXHIBIT_{field.upper()}"))
        if value is not None:
            values[field] = value
    unknown = set(given) - set(Settings.__annotations__)
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(sorted(unknown))}")
    if _from_text("disabled", "bool", env.get("EXHIBIT_DISABLED")) and "enabled" not in given:
        values["enabled"] = False
    if "tags" in values:
        values["tags"] = tuple(str(tag) for tag in values["tags"])
    values["url"] = _url(str(values.get("url", DEFAULT_URL)))
    settings = Settings(**values)
    for field in ("queue_spans", "queue_bytes", "batch_spans", "batch_bytes", "timeout"):
        if not getattr(settings, field) > 0:
            raise SettingsError(f"{field} must be above 0")
    for field in ("interval", "exit_timeout"):
        if not getattr(settings, field) >= 0:
            raise SettingsError(f"{field} must be 0 or more")
    return settings


def _url(text: str) -> str:
    text = text.strip().rstrip("/")
    if "://" not in text:
        text = f"http://{text}"
    parts = urlsplit(text)
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"the address {text!r} is not one like {DEFAULT_URL}")
    return text


def _from_text(field: str, kind: str, text: str | None) -> Any:
    if text is None or not text.strip() or "Callable" in kind or kind == "Redact | None":
        return None
    text = text.strip()
    name = f"EXHIBIT_{field.upper()}"
    if kind.startswith("bool"):
        word = text.lower()
        if word in _OFF or word in _ON:
            return word in _ON
        raise SettingsError(f"{name} must be 1 or 0, not {text!r}")
    if kind.startswith("tuple"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        if kind.startswith("int"):
            return int(text)
        if kind.startswith("float"):
            return float(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number, not {text!r}") from None
    return text
