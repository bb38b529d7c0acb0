/** The time window of the timeline: changed by wheel, drag and keys, kept in the address. */
import { useCallback, useEffect, useRef, useState } from "react";
import { readWindow, type Window } from "./fns/search";

const SETTLE_MS = 250;

export function useZoom(whole: number, w: string | undefined, keep: (w: string | undefined) => void) {
  const [window, setWindow] = useState<Window | null>(() => readWindow(w));
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const kept = useRef(keep);
  kept.current = keep;
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => setWindow(readWindow(w)), [w]);

  const set = useCallback(
    (next: Window | null) => {
      let clean: Window | null = null;
      if (next) {
        const width = Math.max(next[1] - next[0], Math.max(whole / 1e7, 1e-4));
        const from = Math.max(-whole * 0.02, Math.min(next[0], whole * 1.02 - width));
        clean = width >= whole * 0.999 ? null : [from, from + width];
      }
      setWindow(clean);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => kept.current(clean ? `${clean[0].toFixed(4)}~${clean[1].toFixed(4)}` : undefined), SETTLE_MS);
    },
    [whole],
  );
  const shown: Window = window ?? [0, Math.max(whole, 1e-6)];
  /** Zooms about a place between 0 and 1 of the window. */
  const zoom = useCallback(
    (factor: number, place = 0.5) => {
      const width = shown[1] - shown[0];
      const at = shown[0] + width * place;
      const next = width * factor;
      set([at - next * place, at + next * (1 - place)]);
    },
    [shown[0], shown[1], set],
  );
  const pan = useCallback((share: number) => {
    const by = (shown[1] - shown[0]) * share;
    set([shown[0] + by, shown[1] + by]);
  }, [shown[0], shown[1], set]);
  return { window: shown, zoomed: window !== null, set, zoom, pan };
}

export type Zoom = ReturnType<typeof useZoom>;

const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000];
/** Steps above half a minute, milliseconds: minutes and hours are not counted in tens. */
const CLOCK = [30 * SECOND, ...[1, 2, 5, 10, 20, 30].map((n) => n * MINUTE), ...[1, 2, 3, 6, 12, 24].map((n) => n * HOUR)];

/** Round steps for an axis: at most about so many over the window, milliseconds. */
export function ticks([from, to]: Window, about = 6): number[] {
  const raw = (to - from) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const tens = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
  const step = raw > 20 * SECOND ? (CLOCK.find((s) => s >= raw) ?? tens) : tens;
  const out: number[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to && out.length < 50; at += step) out.push(at);
  return out;
}
