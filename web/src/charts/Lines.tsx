/** Lines over time on one scale, with their numbers on hover. Gaps stay gaps. */
import { useRef, useState } from "react";
import { exact } from "../ui/format";
import { Axis } from "./Axis";

export interface Line {
  label: string;
  color: string;
  values: (number | null)[];
  dashed?: boolean;
}

interface Props {
  label: string;
  starts: string[];
  stepMs: number;
  lines: Line[];
  height?: number;
  format: (value: number) => string;
}

const WIDTH = 1_000;

export function Lines({ label, starts, stepMs, lines, height = 120, format }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<number | null>(null);
  const n = Math.max(2, starts.length);
  const top = Math.max(1e-9, ...lines.flatMap((line) => line.values.map((v) => v ?? 0)));
  const x = (i: number) => ((i + 0.5) / n) * WIDTH;
  const y = (value: number) => height - 2 - (value / top) * (height - 18);
  const path = (values: (number | null)[]) => {
    let out = "";
    let pen = false;
    values.forEach((value, i) => {
      if (value === null) {
        pen = false;
        return;
      }
      out += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = true;
    });
    return out;
  };
  /** Points without a neighbour, which no line shows. */
  const alone = (values: (number | null)[]) => {
    const stands = (i: number) => (values[i] ?? null) !== null;
    return values.map((value, i) => (value !== null && !stands(i - 1) && !stands(i + 1) ? `M${x(i).toFixed(1)} ${y(value).toFixed(1)}h0.01` : "")).join("");
  };
  return (
    <div>
      <div
        ref={ref}
        role="img"
        aria-label={`${label}: ${lines.map((line) => line.label).join(", ")}; at most ${format(top)}`}
        className="relative"
        onPointerMove={(event) => {
          const box = ref.current?.getBoundingClientRect();
          if (box)
            setHover(
              Math.max(
                0,
                Math.min(starts.length - 1, Math.floor(((event.clientX - box.left) / box.width) * n)),
              ),
            );
        }}
        onPointerLeave={() => setHover(null)}
      >
        <span aria-hidden="true" className="absolute top-0 left-0 text-[11px] leading-none text-muted tnum">
          {top > 1e-6 ? format(top) : ""}
        </span>
        <svg
          aria-hidden="true"
          viewBox={`0 0 ${WIDTH} ${height}`}
          preserveAspectRatio="none"
          width="100%"
          height={height}
          className="block"
        >
          <line x1="0" x2={WIDTH} y1={height - 0.5} y2={height - 0.5} stroke="var(--line)" />
          {lines.map((line) => (
            <path
              key={line.label}
              d={path(line.values)}
              fill="none"
              stroke={line.color}
              strokeWidth="1.75"
              strokeLinecap="round"
              strokeLinejoin="round"
              strokeDasharray={line.dashed ? "4 3" : undefined}
              vectorEffect="non-scaling-stroke"
            />
          ))}
          {lines.map((line) => (
            <path key={line.label} d={alone(line.values)} fill="none" stroke={line.color} strokeWidth="4" strokeLinecap="round" vectorEffect="non-scaling-stroke" />
          ))}
          {hover !== null && (
            <line
              x1={x(hover)}
              x2={x(hover)}
              y1="0"
              y2={height}
              stroke="var(--strong)"
              vectorEffect="non-scaling-stroke"
            />
          )}
        </svg>
        {hover !== null && starts[hover] && (
          <div
            className="pointer-events-none absolute top-0 z-20 rounded-md border bg-surface px-2 py-1 text-xs whitespace-nowrap shadow-lg"
            style={
              hover < n / 2
                ? { left: `calc(${(hover / n) * 100}% + 14px)` }
                : { right: `calc(${(1 - hover / n) * 100}% + 4px)` }
            }
          >
            <p className="text-muted">{exact(starts[hover]).replace(/\.\d+ .*/, "")}</p>
            {lines.map((line) => (
              <p key={line.label} className="flex items-center gap-1.5">
                <span className="size-2 rounded-sm" style={{ background: line.color }} />
                {line.label}{" "}
                <span className="ml-auto pl-3 num">
                  {line.values[hover] == null ? "–" : format(line.values[hover])}
                </span>
              </p>
            ))}
          </div>
        )}
      </div>
      <Axis starts={starts} stepMs={stepMs} />
    </div>
  );
}
