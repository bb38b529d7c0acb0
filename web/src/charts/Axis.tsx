import { stampFor } from "./ticks";

/** A few times below a chart, so that it reads without a pointer. */
export function Axis({ starts, stepMs }: { starts: string[]; stepMs: number }) {
  const [first, last] = [starts[0], starts.at(-1)];
  if (!first || !last) return <div aria-hidden="true" className="h-4" />;
  const [from, to] = [Date.parse(first), Date.parse(last) + stepMs];
  const format = stampFor(to - from);
  return (
    <div
      aria-hidden="true"
      className="flex h-4 items-end justify-between text-[11px] leading-none text-muted tnum"
    >
      {[0, 0.25, 0.5, 0.75, 1].map((share) => (
        <span key={share} className={share === 0.25 || share === 0.75 ? "max-sm:hidden" : ""}>
          {format(from + (to - from) * share)}
        </span>
      ))}
    </div>
  );
}
