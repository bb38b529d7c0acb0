import { useEffect, useMemo, useRef, useState } from "react";
import { useDark } from "../../shell/theme";
import { Segments } from "../../ui/controls";
import { duration, money, short } from "../../ui/format";
import { KINDS, resolved } from "../../ui/kind";
import { useWidth } from "../../ui/useWidth";
import { type Box, flame, type Weight } from "./fns/flame";
import type { TraceModel } from "./fns/model";

const ROW = 20;
const DEPTH_MAX = 400;

interface Props {
  model: TraceModel;
  version: number;
  whole: number;
  now: number;
  by: Weight;
  selected: string | undefined;
  onBy: (by: Weight) => void;
  onSelect: (id: string) => void;
}

/** Who spends the time, the tokens or the money. One canvas, however many steps. */
export function Flame({ model, version, whole, now, by, selected, onBy, onSelect }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(holder, 800);
  const [hover, setHover] = useState<{ box: Box; x: number; y: number } | null>(null);
  const dark = useDark();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version has other boxes
  const boxes = useMemo(() => flame(model, by, whole, now, 1.2 / width).filter((box) => box.depth < DEPTH_MAX), [model, version, by, whole, now, width]);
  const height = (boxes.reduce((most, box) => Math.max(most, box.depth), 0) + 1) * ROW + 8;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another scheme has other colours
  useEffect(() => {
    const it = canvas.current;
    const pen = it?.getContext("2d");
    if (!it || !pen) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    it.width = width * ratio;
    it.height = height * ratio;
    pen.scale(ratio, ratio);
    const colors = Object.fromEntries(KINDS.map((kind) => [kind, resolved(`kind-${kind}`)]));
    const [error, ink] = [resolved("error"), resolved("ink")];
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (const { node, x, width: share, depth } of boxes) {
      const [left, top, wide] = [x * width, depth * ROW + 4, Math.max(0.6, share * width - 0.8)];
      const color = colors[node.kind] ?? colors.custom ?? "gray";
      pen.globalAlpha = 0.3;
      pen.fillStyle = color;
      pen.fillRect(left, top, wide, ROW - 2);
      pen.globalAlpha = 1;
      pen.fillStyle = node.status === "error" ? error : color;
      pen.fillRect(left, top, Math.min(wide, 3), ROW - 2);
      if (node.id === selected) {
        pen.strokeStyle = ink;
        pen.lineWidth = 1.5;
        pen.strokeRect(left + 0.75, top + 0.75, Math.max(1, wide - 1.5), ROW - 3.5);
      }
      if (wide > 34) {
        pen.save();
        pen.beginPath();
        pen.rect(left, top, wide - 3, ROW);
        pen.clip();
        pen.fillStyle = ink;
        pen.fillText(node.name.slice(0, 80), left + 7, top + ROW / 2 - 1);
        pen.restore();
      }
    }
  }, [boxes, width, height, selected, dark]);

  const find = (x: number, y: number) => {
    const depth = Math.floor((y - 4) / ROW);
    const at = x / width;
    return boxes.findLast((box) => box.depth === depth && at >= box.x && at <= box.x + Math.max(box.width, 2 / width));
  };
  const sum = hover ? model.sums().get(hover.box.node) : undefined;
  return (
    <div className="flex h-full flex-col">
      <div className="flex items-center gap-3 border-b px-3 py-1.5">
        <Segments<Weight> label="Width" value={by} onChange={onBy} options={[{ value: "time", label: "Time" }, { value: "tokens", label: "Tokens" }, { value: "cost", label: "Cost" }]} />
        <span className="truncate text-xs text-muted">The wider, the more. A step stands below the one that called it.</span>
      </div>
      <div ref={holder} className="relative min-h-0 flex-1 overflow-x-hidden overflow-y-auto">
        {boxes.length === 0 && <p className="p-4 text-sm text-muted">No step of this trace has {by === "cost" ? "a known cost" : by}.</p>}
        <canvas
          ref={canvas}
          role="img"
          aria-label={`Steps by ${by}; the Spans view holds the same as a list`}
          className="block cursor-pointer"
          style={{ width, height }}
          onPointerMove={(event) => {
            const box = find(event.nativeEvent.offsetX, event.nativeEvent.offsetY);
            setHover(box ? { box, x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY } : null);
          }}
          onPointerLeave={() => setHover(null)}
          onClick={(event) => {
            const box = find(event.nativeEvent.offsetX, event.nativeEvent.offsetY);
            if (box) onSelect(box.node.id);
          }}
        />
        {hover && (
          <div className="pointer-events-none absolute z-10 max-w-72 rounded-md border bg-surface px-2.5 py-1.5 text-xs shadow-lg" style={{ left: Math.min(hover.x + 12, width - 220), top: hover.y + 14 }}>
            <p className="truncate font-medium">{hover.box.node.name}</p>
            <p className="num text-muted">{duration((hover.box.node.end ?? now) - hover.box.node.start)} · {short(sum?.tokens ?? 0)} tokens · {money(sum?.cost ?? 0)}{sum?.unknown ? " and unknown" : ""}</p>
          </div>
        )}
      </div>
    </div>
  );
}
