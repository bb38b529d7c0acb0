"""What an application hands over becomes plain JSON, at once, so that later changes do not reach it.

Texts are shared and not copied; only containers are. Anything is taken: what JSON has no form for is
described in words, what is too deep or too large is cut with a mark. Nothing here raises.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import types
import uuid
from collections import deque
from collections.abc import Mapping, Set
from typing import Any, Union

Json = Union[None, bool, int, float, str, "list[Json]", "dict[str, Json]"]

# The recorder refuses values nested deeper than 64 in all; the batch around a value takes some.
DEPTH_MAX = 48
# Numbers and texts of one value. Vectors of embeddings reach tens of thousands.
NODES_MAX = 200_000
# Characters of one text; longer ones are cut with a mark.
TEXT_CHARS_MAX = 4 * 1024 * 1024
# Characters of what an object without a JSON form says about itself.
REPR_CHARS_MAX = 2_000
BYTES_MAX = 64 * 1024

_TOO_MANY = "… cut by exhibit: too many values"
_WORDS = (uuid.UUID, decimal.Decimal, fractions.Fraction, pathlib.PurePath)
_OPAQUE = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.GeneratorType,
    types.AsyncGeneratorType,
    types.CoroutineType,
)


def snapshot(value: Any) -> tuple[Json, int]:
    """The value as plain JSON, and about how many bytes it will take."""
    if type(value) is str and len(value) <= TEXT_CHARS_MAX:
        return value, len(value)
    budget = [NODES_MAX, 16]
    return _copy(value, budget, 0), budget[1]


def _copy(value: Any, budget: list[int], depth: int) -> Json:
    kind = type(value)
    if kind is str:
        budget[1] += len(value)
        return str(value) if len(value) <= TEXT_CHARS_MAX else _cut(value)
    if value is None:
        return None
    if kind is bool:
        return bool(value)
    budget[0] -= 1
    budget[1] += 8
    if budget[0] < 0:
        return _TOO_MANY
    if kind is int:
        return value if -(2**63) <= value < 2**64 else _long_number(value)
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if depth >= DEPTH_MAX:
        return _words(value)
    if kind is dict:
        return _copy_dict(value, budget, depth + 1)
    if kind is list or kind is tuple:
        return [_copy(item, budget, depth + 1) for item in value[: max(budget[0], 0) + 1]]
    try:
        return _convert(value, budget, depth)
    except Exception:
        return f"<unrecordable {kind.__name__}>"


def _copy_dict(value: dict[Any, Any], budget: list[int], depth: int) -> Json:
    out: dict[str, Json] = {}
    # Another thread may be changing it: `list` takes the items in one step.
    for key, item in list(value.items()):
        if type(key) is not str:
            key = _key(key)
        budget[1] += len(key) + 4
        if type(item) is str and len(item) <= TEXT_CHARS_MAX:
            budget[1] += len(item)
            out[key] = item
        else:
            out[key] = _copy(item, budget, depth)
        if budget[0] < 0:
            out["…"] = _TOO_MANY
            break
    return out


def _key(key: Any) -> str:
    try:
        return key.value if isinstance(key, enum.Enum) and type(key.value) is str else str(key)
    except Exception:
        return f"<{type(key).__name__}>"


def _convert(value: Any, budget: list[int], depth: int) -> Json:
    if isinstance(value, enum.Enum):
        return _copy(value.value, budget, depth + 1)
    if isinstance(value, str):
        return _copy(str.__str__(value), budget, depth)
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return _copy(int(value), budget, depth)
    if isinstance(value, float):
        return _copy(float(value), budget, depth)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes(bytes(value), budget)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, _WORDS):
        return str(value)
    if isinstance(value, BaseException):
        return _cut(f"{type(value).__name__}: {value}", REPR_CHARS_MAX)
    if isinstance(value, _OPAQUE):
        return _words(value)
    if isinstance(value, Mapping):
        return _copy_dict(dict(value), budget, depth + 1)
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        try:
            dumped = dump(mode="json", warnings=False)
        except TypeError:
            dumped = dump()
        return _copy(dumped, budget, depth + 1)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return _copy_dict({n: getattr(value, n, None) for n in names}, budget, depth + 1)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _copy_dict(value._asdict(), budget, depth + 1)
    if isinstance(value, (list, tuple, Set, deque)):
        return [_copy(item, budget, depth + 1) for item in list(value)]
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # arrays and their numbers
        if getattr(value, "size", 1) <= 10_000:
            return _copy(value.tolist(), budget, depth + 1)
    return _words(value)


def _bytes(value: bytes, budget: list[int]) -> Json:
    if len(value) > BYTES_MAX:
        return f"<{len(value)} bytes>"
    budget[1] += len(value) * 4 // 3
    return {"$bytes": base64.b64encode(value).decode()}


def _long_number(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # longer than Python likes to print
        return hex(value)[:REPR_CHARS_MAX]


def _words(value: Any) -> str:
    if isinstance(value, _OPAQUE):
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
        return f"<{type(value).__name__} {name}>"
    try:
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return f"<{type(value).__name__} of {len(value)}, nested too deep>"
        return _cut(repr(value), REPR_CHARS_MAX)
    except Exception:
        return f"<unrecordable {type(value).__name__}>"


def _cut(value: str, chars: int = TEXT_CHARS_MAX) -> str:
    if len(value) <= chars:
        return value
    return f"{value[:chars]}… cut by exhibit: {len(value)} characters"


def utf8(text: str) -> bytes:
    """Its bytes. Halves of characters, which no encoding has, are joined or replaced."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
