/** A bar between two panes: drag it, or move it with the arrow keys; a double-click puts it back. */
import { type CSSProperties, type KeyboardEvent, type PointerEvent, useState } from "react";

const STEP_PX = 24;

interface Pane {
  /** For the element that holds both panes: gives `--pane`, the width of the one beside the bar. */
  style: CSSProperties;
  bar: React.ReactNode;
}

/** `name` keeps the width in this browser. `grows` says where the pane lies: left of the bar or right of it. */
export function usePane(name: string, label: string, { width, min, max, grows }: { width: number; min: number; max: number; grows: "left" | "right" }): Pane {
  const key = `exhibit.pane.${name}`;
  const [held, setHeld] = useState(() => Number(localStorage.getItem(key)) || width);
  const now = Math.max(min, Math.min(max, held));
  const set = (next: number) => {
    const bounded = Math.round(Math.max(min, Math.min(max, next)));
    setHeld(bounded);
    localStorage.setItem(key, String(bounded));
  };
  const sign = grows === "left" ? 1 : -1;
  const down = (event: PointerEvent<HTMLDivElement>) => {
    event.preventDefault();
    const bar = event.currentTarget;
    const from = event.clientX;
    bar.setPointerCapture(event.pointerId);
    const move = (moved: globalThis.PointerEvent) => set(now + sign * (moved.clientX - from));
    const up = () => {
      bar.removeEventListener("pointermove", move);
      bar.removeEventListener("pointerup", up);
      bar.removeEventListener("pointercancel", up);
    };
    bar.addEventListener("pointermove", move);
    bar.addEventListener("pointerup", up);
    bar.addEventListener("pointercancel", up);
  };
  const press = (event: KeyboardEvent) => {
    const next = { ArrowLeft: now - sign * STEP_PX, ArrowRight: now + sign * STEP_PX, Home: min, End: max }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    set(next);
  };
  const bar = (
    // A window splitter, which HTML has no element for.
    <div
      role="separator" tabIndex={0} aria-label={label} aria-orientation="vertical" aria-valuenow={now} aria-valuemin={min} aria-valuemax={max}
      onPointerDown={down} onKeyDown={press} onDoubleClick={() => set(width)}
      className="relative z-10 hidden w-px shrink-0 cursor-col-resize touch-none bg-line after:absolute after:inset-y-0 after:-left-1 after:w-2.5 hover:bg-accent focus-visible:bg-accent lg:block"
    />
  );
  return { style: { "--pane": `${now}px` } as CSSProperties, bar };
}
