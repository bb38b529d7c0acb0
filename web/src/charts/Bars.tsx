/** Columns over time. Dragging across them chooses a range; hovering tells the numbers. */
import { type PointerEvent, useRef, useState } from "react";
import { exact } from "../ui/format";
import { Axis } from "./Axis";

export interface Part {
  label: string;
  color: string;
  values: number[];
}

interface Props {
  label: string;
  /** Start of each column. */
  starts: string[];
  parts: Part[];
  stepMs: number;
  height?: number;
  format?: (value: number) => string;
  onRange?: (from: string, to: string) => void;
}

const WIDTH = 1_000;

export function Bars({ label, starts, parts, stepMs, height = 72, format = String, onRange }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<number | null>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const n = Math.max(1, starts.length);
  const sums = starts.map((_, i) => parts.reduce((sum, part) => sum + (part.values[i] ?? 0), 0));
  const top = Math.max(1e-9, ...sums);
  const at = (event: PointerEvent) => {
    const box = ref.current?.getBoundingClientRect();
    if (!box) return 0;
    return Math.max(0, Math.min(n - 1, Math.floor(((event.clientX - box.left) / box.width) * n)));
  };
  const choose = () => {
    if (drag && onRange) {
      const [a, b] = [Math.min(...drag), Math.max(...drag)];
      const from = starts[a];
      const last = starts[b];
      if (from && last)
        onRange(new Date(from).toISOString(), new Date(Date.parse(last) + stepMs).toISOString());
    }
    setDrag(null);
  };
  const width = WIDTH / n;
  // The label of the highest stands above it.
  const room = height >= 100 ? 16 : 4;
  return (
    <div>
      <div
        ref={ref}
        role="img"
        aria-label={`${label}: ${format(sums.reduce((a, b) => a + b, 0))} in ${starts.length} steps, at most ${format(Math.max(0, ...sums))} in one`}
        className={`relative touch-pan-y select-none ${onRange ? "cursor-crosshair" : ""}`}
        onPointerDown={(event) => {
          if (!onRange || event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag([at(event), at(event)]);
        }}
        onPointerMove={(event) => {
          const here = at(event);
          setHover(here);
          setDrag((now) => (now ? [now[0], here] : now));
        }}
        onPointerUp={choose}
        onPointerCancel={() => setDrag(null)}
        onPointerLeave={() => setHover(null)}
      >
        {height >= 100 && sums.length > 0 && top > 1e-9 && (
          <span
            aria-hidden="true"
            className="pointer-events-none absolute top-0 left-0 z-10 rounded bg-surface/80 pr-1 text-[11px] leading-none text-muted tnum"
          >
            {format(top)}
          </span>
        )}
        <svg
          aria-hidden="true"
          viewBox={`0 0 ${WIDTH} ${height}`}
          preserveAspectRatio="none"
          width="100%"
          height={height}
          className="block"
        >
          <line x1="0" x2={WIDTH} y1={height - 0.5} y2={height - 0.5} stroke="var(--line)" />
          {starts.map((start, i) => {
            let y = height;
            return parts.map((part) => {
              const value = part.values[i] ?? 0;
              const tall = value > 0 ? Math.max(1.5, (value / top) * (height - room)) : 0;
              y -= tall;
              return tall > 0 ? (
                <rect
                  key={start + part.label}
                  x={i * width + width * 0.08}
                  y={y}
                  width={Math.max(0.5, width * 0.84)}
                  height={tall}
                  fill={part.color}
                  opacity={hover === i ? 1 : 0.82}
                />
              ) : null;
            });
          })}
          {drag && (
            <rect
              x={Math.min(...drag) * width}
              width={(Math.abs(drag[1] - drag[0]) + 1) * width}
              y="0"
              height={height}
              fill="var(--accent)"
              opacity="0.16"
            />
          )}
        </svg>
        {hover !== null && starts[hover] && (
          <div
            className="pointer-events-none absolute bottom-full z-20 mb-1 rounded-md border bg-surface px-2 py-1 text-xs whitespace-nowrap shadow-lg"
            style={
              hover < n / 2 ? { left: `${(hover / n) * 100}%` } : { right: `${(1 - (hover + 1) / n) * 100}%` }
            }
          >
            <p className="text-muted">{exact(starts[hover]).replace(/\.\d+ .*/, "")}</p>
            {parts.map((part) => (
              <p key={part.label} className="flex items-center gap-1.5">
                <span className="size-2 rounded-sm" style={{ background: part.color }} />
                {part.label} <span className="ml-auto pl-3 num">{format(part.values[hover] ?? 0)}</span>
              </p>
            ))}
          </div>
        )}
      </div>
      <Axis starts={starts} stepMs={stepMs} />
    </div>
  );
}
