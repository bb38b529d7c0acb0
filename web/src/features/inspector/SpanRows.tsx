/** The tree of spans, with numbers beside it or with its time bars: Spans and Timeline are one list. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import { duration, money, short } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { kindColor } from "../../ui/kind";
import { KindGlyph } from "../../ui/marks";
import { useWidth } from "../../ui/useWidth";
import { criticalPath, type Piece } from "./fns/critical";
import type { Node, Sum, TraceModel } from "./fns/model";
import { Minimap } from "./Minimap";
import { ticks, type Zoom } from "./useZoom";

const ROW = 26;
const INDENT = 14;
/** Room for a time on the axis, CSS pixels. */
const TICK = 64;
const NARROW = 3;
/** Depths that are indented fully, and those that are indented a little. */
const FULL = 8;
const SOME = 20;

interface Props {
  model: TraceModel;
  version: number;
  rows: Node[];
  selected: string | undefined;
  hits: ReadonlySet<string> | null;
  isFolded: (id: string) => boolean;
  timeline: boolean;
  whole: number;
  now: number;
  zoom: Zoom;
  ttft: { id: string; ms: number } | null;
  onSelect: (id: string) => void;
  onFold: (id: string) => void;
}

export function SpanRows(p: Props) {
  const { model, version, rows, timeline, zoom, selected } = p;
  const scroller = useRef<HTMLDivElement>(null);
  const bars = useRef<HTMLDivElement>(null);
  const [needle, setNeedle] = useState<number | null>(null);
  const [brush, setBrush] = useState<[number, number] | null>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 6 });

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version is another tree
  const critical = useMemo(() => (timeline ? criticalPath(model.all()[0], p.now) : new Map<string, Piece[]>()), [model, version, timeline, p.now]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version has other sums
  const sums = useMemo(() => (timeline ? null : model.sums()), [model, version, timeline]);

  const shown = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (!selected || shown.current === selected) return;
    const at = rows.findIndex((node) => node.id === selected);
    if (at < 0) return;
    shown.current = selected;
    virtual.scrollToIndex(at, { align: "auto" });
  }, [selected, rows, virtual]);

  useEffect(() => {
    const it = scroller.current;
    if (!it || !timeline) return;
    const wheel = (event: WheelEvent) => {
      const rect = bars.current?.getBoundingClientRect();
      if (!rect || event.clientX < rect.left) return;
      if (event.ctrlKey || event.metaKey || event.altKey) {
        event.preventDefault();
        zoom.zoom(event.deltaY > 0 ? 1.18 : 1 / 1.18, (event.clientX - rect.left) / rect.width);
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        zoom.pan((event.shiftKey ? event.deltaY : event.deltaX) / rect.width);
      }
    };
    it.addEventListener("wheel", wheel, { passive: false });
    return () => it.removeEventListener("wheel", wheel);
  }, [timeline, zoom]);

  const [from, to] = zoom.window;
  const width = to - from;
  const place = (x: number) => {
    const rect = bars.current?.getBoundingClientRect();
    return rect ? from + Math.max(0, Math.min(1, (x - rect.left) / rect.width)) * width : from;
  };
  const grid = timeline ? "timeline-grid" : "spans-grid";
  const room = useWidth(bars, 600, timeline);
  const marks = timeline ? ticks(zoom.window, Math.max(1, Math.min(6, room / TICK))) : [];
  const percent = (at: number) => ((at - from) / width) * 100;
  /** Whether the time fits between its line and the end. */
  const labelled = (at: number) => (1 - percent(at) / 100) * room > TICK;

  return (
    <div className="flex h-full flex-col">
      {timeline && <Minimap model={model} version={version} whole={p.whole} zoom={zoom} />}
      <div className={`grid h-7 shrink-0 items-center border-b text-xs text-muted ${grid}`}>
        <span className="px-3">Step</span>
        {timeline ? (
          <div
            ref={bars}
            className="relative h-full cursor-col-resize touch-none overflow-hidden border-l"
            title="Drag to zoom; Ctrl and wheel zoom at the pointer; W A S D"
            onPointerDown={(event) => {
              event.currentTarget.setPointerCapture(event.pointerId);
              setBrush([place(event.clientX), place(event.clientX)]);
            }}
            onPointerMove={(event) => setBrush((b) => b && [b[0], place(event.clientX)])}
            onPointerUp={() => {
              if (brush && Math.abs(brush[1] - brush[0]) > width / 200) zoom.set([Math.min(...brush), Math.max(...brush)]);
              setBrush(null);
            }}
          >
            {marks.filter(labelled).map((at) => (
              <span key={at} className="absolute top-1.5 num whitespace-nowrap" style={{ left: `calc(${percent(at)}% + 3px)` }}>{duration(at).replace(/ 00 (s|min)$/, "")}</span>
            ))}
            {brush && <div className="absolute inset-y-0 bg-accent/20" style={{ left: `${percent(Math.min(...brush))}%`, width: `${(Math.abs(brush[1] - brush[0]) / width) * 100}%` }} />}
          </div>
        ) : (
          <>
            <span className="px-2 text-right">Duration</span>
            <span className="px-2 text-right max-sm:hidden">Tokens</span>
            <span className="px-2 text-right max-sm:hidden">Cost</span>
          </>
        )}
      </div>
      <div
        ref={scroller}
        className="relative min-h-0 flex-1 overflow-auto"
        role="tree"
        aria-label="Steps"
        tabIndex={0}
        aria-activedescendant={selected && rows.some((row) => row.id === selected) ? `row-${selected}` : undefined}
        onPointerMove={(event) => timeline && setNeedle(event.clientX)}
        onPointerLeave={() => setNeedle(null)}
      >
        <div className="relative" style={{ height: virtual.getTotalSize() }} role="presentation">
          {timeline && (
            <div aria-hidden="true" className={`pointer-events-none absolute inset-0 grid ${grid}`}>
              <span />
              <div className="relative overflow-hidden border-l">
                {marks.map((at) => <div key={at} className="absolute inset-y-0 border-l border-line/70" style={{ left: `${percent(at)}%` }} />)}
                <Needle x={needle} bars={bars} from={from} width={width} top={scroller.current?.scrollTop ?? 0} />
              </div>
            </div>
          )}
          {virtual.getVirtualItems().map((item) => {
            const node = rows[item.index];
            if (!node) return null;
            return (
              <div key={node.id} className="absolute inset-x-0" style={{ height: ROW, transform: `translateY(${item.start}px)` }} role="presentation">
                <Row
                  node={node}
                  grid={grid}
                  rowIndex={item.index}
                  selected={node.id === selected}
                  hit={p.hits?.has(node.id) ?? false}
                  folded={node.children.length > 0 && p.isFolded(node.id)}
                  onSelect={p.onSelect}
                  onFold={p.onFold}
                  status={node.status}
                  sum={sums?.get(node)}
                  version={version}
                >
                  {timeline ? (
                    <Bar
                      node={node}
                      from={from}
                      to={to}
                      now={p.now}
                      critical={critical.get(node.id)}
                      ttft={p.ttft?.id === node.id ? p.ttft.ms : null}
                    />
                  ) : undefined}
                </Row>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface RowProps {
  node: Node;
  grid: string;
  rowIndex: number;
  selected: boolean;
  /** The search found something in it. */
  hit: boolean;
  folded: boolean;
  status: string;
  sum: Sum | undefined;
  version: number;
  onSelect: (id: string) => void;
  onFold: (id: string) => void;
  children?: React.ReactNode;
}

const Row = memo(function Row({ node, grid, rowIndex, selected, hit, folded, sum, onSelect, onFold, children }: RowProps) {
  const parent = node.children.length > 0;
  const indent = Math.min(node.depth, FULL) * INDENT + Math.min(Math.max(node.depth - FULL, 0), SOME) * NARROW;
  return (
    <div
      id={`row-${node.id}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={node.depth + 1}
      aria-posinset={rowIndex + 1}
      aria-expanded={parent ? !folded : undefined}
      aria-selected={selected}
      data-span={node.id}
      onClick={() => onSelect(node.id)}
      onKeyDown={() => {}}
      className={`grid h-full cursor-pointer items-center text-sm ${grid} ${selected ? "bg-selected" : "hover:bg-hover/70"} ${hit ? "shadow-[inset_3px_0_0_var(--color-accent)]" : ""}`}
    >
      <div className="flex h-full min-w-0 items-center gap-1.5 pr-2" style={{ paddingLeft: `min(${6 + indent}px, 45%)` }}>
        {parent ? (
          <button
            type="button"
            tabIndex={-1}
            aria-label={folded ? "Unfold" : "Fold"}
            onClick={(event) => {
              event.stopPropagation();
              onFold(node.id);
            }}
            className={`inline-flex size-4.5 shrink-0 items-center justify-center rounded text-muted hover:bg-hover ${folded ? "" : "rotate-90"}`}
          >
            <Icon name="chevron" size={11} />
          </button>
        ) : (
          <span className="w-4.5 shrink-0" />
        )}
        <KindGlyph kind={node.kind} size={16} />
        <span className={`min-w-0 truncate ${node.status === "error" ? "text-error" : ""}`} dir="auto" title={node.name}>{node.name}</span>
        {node.status === "error" && <span className="text-error" title="error"><Icon name="failures" size={12} /><span className="sr-only">error</span></span>}
        {node.status === "running" && <span className="pulse size-1.5 shrink-0 rounded-full bg-info" title="running"><span className="sr-only">running</span></span>}
        {node.status === "incomplete" && <span className="text-xs text-warn">incomplete</span>}
        {node.findings > 0 && <span className="shrink-0 rounded bg-warn-soft px-1 num text-xs text-warn" title={`${node.findings} findings`}>{node.findings}</span>}
        {folded && <span className="shrink-0 num text-xs text-muted">+{node.children.length}</span>}
        {!children && node.model && <span className="ml-auto hidden truncate pl-2 num text-xs text-muted xl:block">{node.model}</span>}
      </div>
      {children ?? (
        <>
          <span className="px-2 text-right num">{node.end === null ? "–" : duration(node.end - node.start)}</span>
          <span className="px-2 text-right num text-muted max-sm:hidden" title={parent ? "This step and all below" : undefined}>{sum && sum.tokens > 0 ? `${parent ? "Σ " : ""}${short(sum.tokens)}` : ""}</span>
          <span className="px-2 text-right num text-muted max-sm:hidden">{sum && (sum.cost > 0 || node.cost !== null) ? `${parent ? "Σ " : ""}${money(parent ? sum.cost : (node.cost ?? 0))}${sum.unknown ? " +?" : ""}` : ""}</span>
        </>
      )}
    </div>
  );
});

interface BarProps {
  node: Node;
  from: number;
  to: number;
  now: number;
  critical: Piece[] | undefined;
  ttft: number | null;
}

/** One bar. Its label stands inside when there is room, beside it otherwise. */
function Bar({ node, from, to, now, critical, ttft }: BarProps) {
  const width = to - from;
  const running = node.end === null && node.status === "running";
  const end = node.end ?? (running ? Math.max(now, node.start) : node.start);
  const left = ((node.start - from) / width) * 100;
  const right = ((end - from) / width) * 100;
  const out = right < 0 || left > 100;
  const a = Math.max(-1, Math.min(101, left));
  const b = Math.max(a, Math.min(101, right));
  const text = node.end === null ? (running ? "running" : node.status) : duration(end - node.start);
  const inside = b - a > 14;
  const after = b < 84;
  return (
    <div className="relative h-full overflow-hidden border-l">
      {!out && (
        <>
          <div
            className={`absolute top-1.5 h-3.5 rounded-[3px] ${running ? "running-edge" : ""}`}
            style={{ left: `${a}%`, width: `max(2px, ${b - a}%)`, backgroundColor: kindColor(node.kind), outline: node.status === "error" ? "1.5px solid var(--error)" : undefined, outlineOffset: 1 }}
          />
          {critical?.map((piece) => {
            const x = Math.max(0, ((piece.from - from) / width) * 100);
            const y = Math.min(100, ((piece.to - from) / width) * 100);
            return y > x ? <div key={piece.from} title="On the critical path" className="absolute top-5 h-[2px] bg-ink" style={{ left: `${x}%`, width: `${y - x}%` }} /> : null;
          })}
          {ttft !== null && <div title={`First token after ${duration(ttft)}`} className="absolute top-1 h-4.5 w-0.5 bg-surface ring-1 ring-ink" style={{ left: `${((node.start + ttft - from) / width) * 100}%` }} />}
          <span
            className={`absolute top-[5px] num text-[11px] leading-4 whitespace-nowrap ${inside ? "rounded-sm bg-surface/85 px-1 text-ink" : "text-muted"}`}
            style={inside ? { left: `calc(${Math.max(a, 0)}% + 4px)` } : after ? { left: `calc(${b}% + 6px)` } : { right: `calc(${100 - a}% + 6px)` }}
          >
            {text}
          </span>
        </>
      )}
      {out && <span aria-hidden="true" className={`absolute top-1 text-xs text-muted ${left > 100 ? "right-1" : "left-1"}`}>{left > 100 ? "›" : "‹"}</span>}
    </div>
  );
}

function Needle({ x, bars, from, width, top }: { x: number | null; bars: React.RefObject<HTMLDivElement | null>; from: number; width: number; top: number }) {
  const rect = bars.current?.getBoundingClientRect();
  if (x === null || !rect || x < rect.left) return null;
  return (
    <div className="absolute inset-y-0 w-px bg-strong" style={{ left: x - rect.left - 1 }}>
      <span className="absolute ml-1 rounded bg-surface px-1 num text-[11px] text-muted" style={{ top: top + 2 }}>{duration(from + ((x - rect.left) / rect.width) * width)}</span>
    </div>
  );
}
