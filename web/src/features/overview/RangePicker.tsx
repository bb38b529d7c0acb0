import { Button, Segments } from "../../ui/controls";
import { RANGE_DEFAULT, RANGES, type RangeName, type RangeSearch } from "./fns/range";

const clock = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });

/** One of the usual ranges, or what was dragged on a chart. */
export function RangePicker({ search, onChange }: { search: RangeSearch; onChange: (next: RangeSearch) => void }) {
  return (
    <div className="flex flex-wrap items-center gap-2">
      {search.from && (
        <Button small icon="close" onClick={() => onChange({})} title="Back to the last 24 hours">
          {clock.format(new Date(search.from))} – {search.to ? clock.format(new Date(search.to)) : "now"}
        </Button>
      )}
      <Segments<string>
        label="Time range"
        value={search.from ? "" : (search.range ?? RANGE_DEFAULT)}
        options={RANGES.map((name) => ({ value: name, label: name.replace("h", " h").replace("d", " d") }))}
        onChange={(range) => onChange({ range: range as RangeName })}
      />
    </div>
  );
}
