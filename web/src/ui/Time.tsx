import { useSyncExternalStore } from "react";
import { exact, relative } from "./format";

const TICK_MS = 15_000;
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let ticks = 0;

/** One clock for all times on the page. */
function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(() => {
    ticks++;
    for (const each of watchers) each();
  }, TICK_MS);
  return () => {
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** A time as people say it, with the exact stamp on hover. */
export function Time({ at, className = "" }: { at: string | null | undefined; className?: string }) {
  useSyncExternalStore(watch, () => ticks);
  if (!at) return <span className={className}>–</span>;
  return (
    <time dateTime={at} onPointerEnter={(event) => { event.currentTarget.title = exact(at); }} className={`tnum whitespace-nowrap ${className}`}>
      {relative(at)}
    </time>
  );
}
