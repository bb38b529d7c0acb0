// Which span is open here. `AsyncLocalStorage` carries it through promises, timers and callbacks, in
// Node, Bun, Deno and workers with Node compatibility.

import { AsyncLocalStorage } from "node:async_hooks";

import type { Span } from "./span.js";

// Shared by every copy of this package in the process, ES module or CommonJS.
const PLACE = Symbol.for("@exhibit/sdk context 1");
const place = globalThis as unknown as Record<symbol, AsyncLocalStorage<Span | undefined> | undefined>;

/** The innermost open span. */
export const current = (place[PLACE] ??= new AsyncLocalStorage<Span | undefined>());
