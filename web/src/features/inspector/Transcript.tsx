import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";
import { spanQuery } from "../../api/queries";
import { duration, short } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { KindGlyph } from "../../ui/marks";
import { spotsByText } from "./fns/findings";
import type { Node, TraceModel } from "./fns/model";
import { type Entry, transcript } from "./fns/transcript";
import { JsonTree } from "./JsonTree";
import { Spots } from "./LongText";
import { Messages } from "./Messages";

interface Props {
  traceId: string;
  model: TraceModel;
  version: number;
  selected: string | undefined;
  onSelect: (id: string) => void;
}

export function Transcript({ traceId, model, version, selected, onSelect }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version has other entries
  const entries = useMemo(() => transcript(model, (id) => open.has(id)), [model, version, open]);
  const rows = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize: (i) => (entries[i]?.type === "agent" ? 44 : 130),
    getItemKey: (i) => entries[i]?.node.id ?? i,
    overscan: 3,
  });
  return (
    <div ref={scroller} className="h-full overflow-auto px-3 py-4 md:px-6">
      {entries.length === 0 && <p className="text-sm text-muted">No step of this trace says anything.</p>}
      <ol className="relative mx-auto max-w-3xl" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((item) => {
          const entry = entries[item.index] as Entry;
          return (
            <li key={item.key} ref={rows.measureElement} data-index={item.index} className="absolute inset-x-0 pb-3" style={{ transform: `translateY(${item.start}px)`, paddingLeft: Math.min(entry.level, 6) * 20 }}>
              {entry.type === "agent" ? (
                <button
                  type="button"
                  aria-expanded={entry.open}
                  onClick={() =>
                    setOpen((now) => {
                      const next = new Set(now);
                      if (!next.delete(entry.node.id)) next.add(entry.node.id);
                      return next;
                    })
                  }
                  className="flex h-8 w-full items-center gap-2 rounded-md border border-dashed px-2.5 text-left text-sm hover:bg-hover"
                >
                  <Icon name="chevron" size={12} className={entry.open ? "rotate-90" : ""} />
                  <KindGlyph kind="agent" size={16} />
                  <span className="truncate font-medium" dir="auto">{entry.node.name}</span>
                  <span className="ml-auto shrink-0 text-xs text-muted">{entry.open ? "fold" : `${short(entry.steps)} steps inside`}</span>
                </button>
              ) : (
                <Step traceId={traceId} node={entry.node} selected={entry.node.id === selected} onSelect={onSelect} />
              )}
            </li>
          );
        })}
      </ol>
    </div>
  );
}

function Step({ traceId, node, selected, onSelect }: { traceId: string; node: Node; selected: boolean; onSelect: (id: string) => void }) {
  // A running step is read again as it changes.
  const span = useQuery(spanQuery(traceId, node.id));
  const it = span.data;
  const spots = useMemo(() => (it ? spotsByText(it) : new Map()), [it]);
  const lastAsked = it?.input_messages.filter((m) => m.role !== "system" && m.role !== "developer").slice(-1) ?? [];
  return (
    <article className={`rounded-md border bg-surface ${selected ? "ring-2 ring-accent" : ""}`} aria-label={node.name}>
      <button type="button" onClick={() => onSelect(node.id)} className="flex w-full items-center gap-2 px-3 pt-2 pb-1 text-left text-sm">
        <KindGlyph kind={node.kind} size={16} />
        <span className={`truncate font-medium ${node.status === "error" ? "text-error" : ""}`} dir="auto">{node.name}</span>
        {node.status === "error" && <span className="text-xs text-error">failed</span>}
        {node.status === "running" && <span className="pulse text-xs text-info">running</span>}
        <span className="ml-auto shrink-0 num text-xs text-muted">{node.model ? `${node.model} · ` : ""}{node.end === null ? "" : duration(node.end - node.start)}</span>
      </button>
      <div className="space-y-2 px-3 pb-3 text-sm">
        {!it ? (
          <>
            <p className="line-clamp-3 text-muted" dir="auto">{node.input}</p>
            <p className="line-clamp-3" dir="auto">{node.output}</p>
          </>
        ) : (
          <Spots.Provider value={spots}>
            {it.status_message && <p className="isolate-text rounded bg-error-soft px-2 py-1 text-sm">{it.status_message}</p>}
            {lastAsked.length > 0 ? <Messages messages={lastAsked} /> : it.input != null && <Half label="asked"><JsonTree value={it.input} /></Half>}
            {it.output_messages.length > 0 ? <Messages messages={it.output_messages} output /> : it.output != null && <Half label="answered"><JsonTree value={it.output} /></Half>}
          </Spots.Provider>
        )}
      </div>
    </article>
  );
}

function Half({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div className="flex gap-3">
      <span className="w-16 shrink-0 pt-px text-xs text-muted">{label}</span>
      <div className="max-h-72 min-w-0 flex-1 overflow-auto pl-3">{children}</div>
    </div>
  );
}
