import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type RefObject, useEffect, useMemo, useRef, useState } from "react";
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

  const shape = columns.join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same columns in another list are the same
  const grid = useMemo(() => ({ gridTemplateColumns: `32px ${template(columns)}` }), [shape]);
  const latest = useRef(p);
  latest.current = p;
  // Rows are drawn anew only when they change: what they can do stays the same object.
  const acts = useMemo<Acts>(
    () => ({
      peek: (id) => latest.current.onPeek(id),
      open: (id) => latest.current.onOpen(id),
      choose: (id, on) => latest.current.onChoose(id, on),
      term: (field, value, exclude) => latest.current.onTerm(field, value, exclude),
    }),
    [],
  );
  return (
    <div ref={p.scroller} className="h-full overflow-auto" role="grid" aria-label="Traces" aria-rowcount={traces.length + 1}>
      <div style={{ minWidth: 32 + columns.reduce((sum, id) => sum + column(id).width, 0) }}>
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
            return (
              <div key={item.key} role="presentation" className="absolute inset-x-0" style={{ height: ROW, transform: `translateY(${item.start}px)` }}>
                <Row
                  trace={trace}
                  index={item.index}
                  columns={columns}
                  grid={grid}
                  peeked={trace.trace_id === p.peek}
                  chosen={p.chosen.has(trace.trace_id)}
                  acts={acts}
                />
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface Acts {
  peek: (id: string) => void;
  open: (id: string) => void;
  choose: (id: string, on: boolean) => void;
  term: (field: string, value: string, exclude: boolean) => void;
}

interface RowProps {
  trace: Trace;
  index: number;
  columns: ColumnId[];
  grid: { gridTemplateColumns: string };
  peeked: boolean;
  chosen: boolean;
  acts: Acts;
}

const Row = memo(
  function Row({ trace, index, columns, grid, peeked, chosen, acts }: RowProps) {
    const [hovered, setHovered] = useState<ColumnId | null>(null);
    const id = trace.trace_id;
    const href = `/traces/${encodeURIComponent(id)}`;
    return (
      <div
        role="row"
        tabIndex={-1}
        aria-rowindex={index + 2}
        aria-selected={peeked}
        data-trace={id}
        onPointerLeave={() => setHovered(null)}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey) window.open(href, "_blank", "noopener");
          else acts.peek(id);
        }}
        onDoubleClick={() => acts.open(id)}
        onKeyDown={() => {}}
        className={`grid h-full cursor-pointer items-center border-b border-line/60 text-sm ${peeked ? "bg-selected" : "hover:bg-hover"}`}
        style={grid}
      >
        <span role="gridcell" className="flex justify-center">
          <input
            type="checkbox"
            aria-label={`Select ${trace.name ?? id}`}
            checked={chosen}
            onClick={(event) => event.stopPropagation()}
            onChange={(event) => acts.choose(id, event.target.checked)}
          />
        </span>
        {columns.map((name) => {
          const it = column(name);
          const value = hovered === name && it.field ? fieldValue(name, trace) : null;
          return (
            <span key={name} role="gridcell" onPointerEnter={() => setHovered(name)} className={`relative min-w-0 truncate px-2 ${it.right ? "text-right" : ""}`}>
              {name === "name" ? (
                <a
                  href={href}
                  onClick={(event) => {
                    event.stopPropagation();
                    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                    event.preventDefault();
                    acts.open(id);
                  }}
                  className="underline-offset-2 hover:underline"
                  dir="auto"
                >
                  {cell(name, trace)}
                </a>
              ) : (
                cell(name, trace)
              )}
              {it.field && value && (
                <span className="absolute top-0 right-0.5 flex rounded border bg-surface text-xs">
                  {[false, true].map((exclude) => (
                    <button
                      key={String(exclude)}
                      type="button"
                      tabIndex={-1}
                      aria-label={`${exclude ? "Exclude" : "Only"} ${value}`}
                      title={`${exclude ? "Exclude" : "Only"} ${value}`}
                      onClick={(event) => {
                        event.stopPropagation();
                        acts.term(it.field as string, value, exclude);
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
  },
  (a, b) =>
    a.trace === b.trace && a.index === b.index && a.grid === b.grid && a.peeked === b.peeked && a.chosen === b.chosen,
);
