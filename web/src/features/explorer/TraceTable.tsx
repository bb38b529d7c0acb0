import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useRef } from "react";
import type { Trace } from "../../api/types";
import { cell, fieldValue } from "./cells";
import { type ColumnId, column, template } from "./fns/columns";

const ROW = 32;

interface Props {
  traces: Trace[];
  columns: ColumnId[];
  peek?: string;
  chosen: ReadonlySet<string>;
  hasMore: boolean;
  loading: boolean;
  scroller: RefObject<HTMLDivElement | null>;
  onMore: () => void;
  onPeek: (id: string) => void;
  onOpen: (id: string) => void;
  onChoose: (id: string, on: boolean) => void;
  onTerm: (field: string, value: string, exclude: boolean) => void;
}

/** The list. Only the rows in sight exist. */
export function TraceTable(p: Props) {
  const { traces, columns, hasMore, loading, onMore } = p;
  const rows = useVirtualizer({ count: traces.length, getScrollElement: () => p.scroller.current, estimateSize: () => ROW, overscan: 8, getItemKey: (i) => traces[i]?.trace_id ?? i });
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && !loading && last >= traces.length - 40) onMore();
  }, [hasMore, loading, last, traces.length, onMore]);

  const at = p.peek ? traces.findIndex((t) => t.trace_id === p.peek) : -1;
  const seen = useRef(-1);
  useEffect(() => {
    if (at >= 0 && at !== seen.current) rows.scrollToIndex(at);
    seen.current = at;
  }, [at, rows]);

  const grid = { gridTemplateColumns: `32px ${template(columns)}` };
  return (
    <div ref={p.scroller} className="h-full overflow-auto" role="grid" aria-label="Traces" aria-rowcount={traces.length + 1}>
      <div className="w-max min-w-full">
        <div role="row" className="sticky top-0 z-10 grid h-8 items-center border-b bg-surface text-xs text-muted" style={grid}>
          <span role="columnheader"><span className="sr-only">Select</span></span>
          {columns.map((id) => (
            <span key={id} role="columnheader" className={`truncate px-2 ${column(id).right ? "text-right" : ""}`}>
              {column(id).label}
            </span>
          ))}
        </div>
        <div className="relative" style={{ height: rows.getTotalSize() }} role="presentation">
          {items.map((item) => {
            const trace = traces[item.index];
            if (!trace) return null;
            const peeked = trace.trace_id === p.peek;
            return (
              <div
                key={item.key}
                role="row"
                tabIndex={-1}
                aria-rowindex={item.index + 2}
                aria-selected={peeked}
                data-trace={trace.trace_id}
                onClick={(event) => {
                  if (event.ctrlKey || event.metaKey) window.open(`/traces/${encodeURIComponent(trace.trace_id)}`, "_blank", "noopener");
                  else p.onPeek(trace.trace_id);
                }}
                onDoubleClick={() => p.onOpen(trace.trace_id)}
                onKeyDown={() => {}}
                className={`absolute inset-x-0 grid cursor-pointer items-center border-b border-line/60 text-sm ${peeked ? "bg-selected" : "hover:bg-hover"}`}
                style={{ ...grid, height: ROW, transform: `translateY(${item.start}px)` }}
              >
                <span role="gridcell" className="flex justify-center">
                  <input
                    type="checkbox"
                    aria-label={`Select ${trace.name ?? trace.trace_id}`}
                    checked={p.chosen.has(trace.trace_id)}
                    onClick={(event) => event.stopPropagation()}
                    onChange={(event) => p.onChoose(trace.trace_id, event.target.checked)}
                  />
                </span>
                {columns.map((id) => {
                  const it = column(id);
                  const value = it.field ? fieldValue(id, trace) : null;
                  return (
                    <span key={id} role="gridcell" className={`group/cell relative min-w-0 truncate px-2 ${it.right ? "text-right" : ""}`}>
                      {id === "name" ? (
                        <a
                          href={`/traces/${encodeURIComponent(trace.trace_id)}`}
                          onClick={(event) => {
                            if (event.ctrlKey || event.metaKey || event.shiftKey) return event.stopPropagation();
                            event.preventDefault();
                            event.stopPropagation();
                            p.onOpen(trace.trace_id);
                          }}
                          className="underline-offset-2 hover:underline"
                          dir="auto"
                        >
                          {cell(id, trace)}
                        </a>
                      ) : (
                        cell(id, trace)
                      )}
                      {it.field && value && (
                        <span className="absolute top-0 right-0.5 hidden rounded border bg-surface text-xs group-hover/cell:flex">
                          {[false, true].map((exclude) => (
                            <button
                              key={String(exclude)}
                              type="button"
                              tabIndex={-1}
                              aria-label={`${exclude ? "Exclude" : "Only"} ${value}`}
                              title={`${exclude ? "Exclude" : "Only"} ${value}`}
                              onClick={(event) => {
                                event.stopPropagation();
                                p.onTerm(it.field as string, value, exclude);
                              }}
                              className="size-5 text-muted hover:text-ink"
                            >
                              {exclude ? "≠" : "="}
                            </button>
                          ))}
                        </span>
                      )}
                    </span>
                  );
                })}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
