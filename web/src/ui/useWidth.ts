import { type RefObject, useEffect, useState } from "react";

/** The width of an element in CSS pixels; `first` until it is measured. `there` says when it comes and goes. */
export function useWidth(element: RefObject<HTMLElement | null>, first: number, there = true): number {
  const [width, setWidth] = useState(first);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another element may be there
  useEffect(() => {
    const it = element.current;
    if (!it) return;
    const watch = new ResizeObserver(() => setWidth(it.clientWidth));
    watch.observe(it);
    return () => watch.disconnect();
  }, [element, there]);
  return width;
}
