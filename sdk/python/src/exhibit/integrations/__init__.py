"""Recording what libraries do, without a change in the application.

Each module wraps one library and nothing else; wrapping twice changes nothing. A fault in here is
logged, and the library's call goes on as if nothing were wrapped.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .._faults import internal, log

if TYPE_CHECKING:
    from .._client import Exhibit

#: Name, the library it needs, the module here.
KNOWN = {
    "openai": ("openai", "openai"),
    "anthropic": ("anthropic", "anthropic"),
    "langchain": ("langchain_core", "langchain"),
    "openai-agents": ("agents", "openai_agents"),
}


def instrument(libraries: Iterable[str] | None, client: Exhibit) -> list[str]:
    """Records the calls of these libraries, of all that are installed without names. Gives back those
    that are recorded."""
    done = []
    for name in KNOWN if libraries is None else libraries:
        name = {"langgraph": "langchain", "openai_agents": "openai-agents"}.get(name, name)
        if name not in KNOWN:
            log.warning("exhibit: cannot instrument %r; known: %s", name, ", ".join(KNOWN))
            continue
        library, module = KNOWN[name]
        try:
            if importlib.util.find_spec(library) is None:
                if libraries is not None:
                    log.warning("exhibit: %s is not installed", library)
                continue
            importlib.import_module(f"{__name__}.{module}").install(client)
            done.append(name)
        except Exception:
            internal(f"instrumenting {name}")
    return done
