/** Every place where a phrase stands, with the text around it; the chosen one is in sight. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import { cut, type Place } from "./fns/hits";

const ROW = 28;
/** Cut at its end, with the spaces that it has. */
const PIECE = "min-w-0 overflow-hidden text-ellipsis whitespace-pre";
const oneLine = (text: string) => text.replace(/\s/g, " ");

export function HitList({ places, at, onChoose }: { places: readonly Place[]; at: number; onChoose: (place: Place) => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: places.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 6 });
  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: "auto" });
  }, [at, virtual]);
  if (places.length === 0) return null;
  return (
    <div ref={scroller} role="region" aria-label="Places found" tabIndex={0} className="max-h-36 shrink-0 overflow-auto border-b bg-surface">
      <div className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const place = places[item.index];
          if (!place) return null;
          const [before, marked, after] = place.match ? cut(place.match).map(oneLine) : [];
          return (
            <button
              key={item.key}
              type="button"
              aria-current={item.index === at ? "true" : undefined}
              onClick={() => onChoose(place)}
              title={place.match ? `${place.match.part}${place.match.pointer}, characters ${place.match.start} to ${place.match.end}` : undefined}
              className={`absolute inset-x-0 flex items-center gap-2 px-3 text-left text-xs ${item.index === at ? "bg-selected" : "hover:bg-hover"}`}
              style={{ height: ROW, transform: `translateY(${item.start}px)` }}
            >
              <span className="isolate-text w-32 shrink-0 truncate font-medium">{place.node.name || place.node.id}</span>
              <span className="w-20 shrink-0 truncate text-muted">{place.match?.part ?? "step"}</span>
              {/* The phrase stays in sight: what is before it gives way. */}
              <span dir="auto" className="isolate-text flex min-w-0 flex-1">
                <span className={`${PIECE} text-muted`}>{before?.slice(-40)}</span>
                <mark className="shrink-0 whitespace-pre rounded-sm bg-warn-soft text-ink">{marked}</mark>
                <span className={`${PIECE} flex-1 text-muted`}>{after}</span>
              </span>
            </button>
          );
        })}
      </div>
    </div>
  );
}
