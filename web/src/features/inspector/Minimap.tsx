import { useEffect, useRef } from "react";
import { useDark } from "../../shell/theme";
import { KINDS, resolved } from "../../ui/kind";
import type { TraceModel } from "./fns/model";
import type { Zoom } from "./useZoom";

const HEIGHT = 46;

/** The whole trace in a strip; its window is dragged and resized. */
export function Minimap({ model, version, whole, zoom }: { model: TraceModel; version: number; whole: number; zoom: Zoom }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const grip = useRef<{ mode: "move" | "from" | "to" | "new"; at: number; window: [number, number] } | null>(null);
  const dark = useDark();

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version or scheme is a new drawing
  useEffect(() => {
    const it = canvas.current;
    const width = box.current?.clientWidth ?? 0;
    if (!it || !width) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    it.width = width * ratio;
    it.height = HEIGHT * ratio;
    const pen = it.getContext("2d");
    if (!pen) return;
    pen.scale(ratio, ratio);
    const colors = Object.fromEntries(KINDS.map((kind) => [kind, resolved(`kind-${kind}`)]));
    const error = resolved("error");
    const rows = model.all();
    const row = Math.max(1, Math.min(5, (HEIGHT - 4) / Math.max(1, rows.length)));
    // Many rows share a pixel: each pixel is drawn once.
    const drawn = new Set<number>();
    rows.forEach((node, i) => {
      const x = Math.round((node.start / whole) * width);
      const w = Math.max(1, Math.round((((node.end ?? whole) - node.start) / whole) * width));
      const y = Math.floor(2 + (i / Math.max(1, rows.length)) * (HEIGHT - 4));
      const key = (y * 4096 + x) * 4096 + w;
      if (drawn.has(key) && node.status !== "error") return;
      drawn.add(key);
      pen.fillStyle = node.status === "error" ? error : (colors[node.kind] ?? colors.custom ?? "gray");
      pen.globalAlpha = 0.75;
      pen.fillRect(x, y, w, Math.max(1, row * 0.8));
    });
  }, [model, version, whole, dark]);

  const share = (x: number) => {
    const rect = box.current?.getBoundingClientRect();
    return rect ? Math.max(0, Math.min(1, (x - rect.left) / rect.width)) * whole : 0;
  };
  const [from, to] = zoom.window;
  const left = Math.max(0, (from / whole) * 100);
  const right = Math.max(0, (1 - to / whole) * 100);
  return (
    <div
      ref={box}
      className="relative touch-none border-b bg-sunken select-none"
      style={{ height: HEIGHT }}
      role="group"
      aria-label="Window of the timeline"
      title="Drag to choose a window; double-click for the whole trace"
      onDoubleClick={() => zoom.set(null)}
      onPointerDown={(event) => {
        const rect = event.currentTarget.getBoundingClientRect();
        const at = share(event.clientX);
        const near = (value: number) => Math.abs((value / whole) * rect.width - (event.clientX - rect.left)) < 6;
        const mode = !zoom.zoomed ? "new" : near(from) ? "from" : near(to) ? "to" : at > from && at < to ? "move" : "new";
        grip.current = { mode, at, window: [from, to] };
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        const held = grip.current;
        if (!held) return;
        const at = share(event.clientX);
        const by = at - held.at;
        if (held.mode === "move") zoom.set([held.window[0] + by, held.window[1] + by]);
        else if (held.mode === "from") zoom.set([Math.min(at, held.window[1]), held.window[1]]);
        else if (held.mode === "to") zoom.set([held.window[0], Math.max(at, held.window[0])]);
        else if (Math.abs(by) > whole / 300) zoom.set([Math.min(held.at, at), Math.max(held.at, at)]);
      }}
      onPointerUp={() => { grip.current = null; }}
      onPointerCancel={() => { grip.current = null; }}
    >
      <canvas ref={canvas} aria-label="The whole trace" role="img" className="absolute inset-0 size-full" />
      {zoom.zoomed && (
        <>
          <div className="absolute inset-y-0 left-0 bg-bg/70" style={{ width: `${left}%` }} />
          <div className="absolute inset-y-0 right-0 bg-bg/70" style={{ width: `${right}%` }} />
          <div className="absolute inset-y-0 cursor-grab border-x-2 border-accent" style={{ left: `${left}%`, right: `${right}%` }} />
        </>
      )}
    </div>
  );
}
