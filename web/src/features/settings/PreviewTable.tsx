import { Button } from "../../ui/controls";
import { count, money } from "../../ui/format";
import { ErrorNote } from "../../ui/notes";
import type { Preview } from "./usePreview";

const SHOWN = 12;

/** What would change, model by model, while the server goes through the records. */
export function PreviewTable({ preview, onStop }: { preview: Preview; onStop: () => void }) {
  const changed = preview.changes.filter((it) => it.changed > 0);
  const calls = changed.reduce((sum, it) => sum + it.changed, 0);
  const by = preview.changes.reduce((sum, it) => sum + it.after - it.before, 0n);
  const over = preview.state === "done";
  return (
    <div className="space-y-2 text-sm" data-testid="price-preview">
      <p role="status" className="flex flex-wrap items-center gap-3 tnum">
        <span>
          {count(preview.calls)} calls in {count(preview.traces)} traces priced{over ? "" : " so far"}:{" "}
          {calls === 0 ? (over ? "no recorded amount would change." : "nothing changes yet.") : <><b>{count(calls)} would change</b>, {by === 0n ? "the sum stays" : `by ${by > 0n ? "+" : "−"}${money(Number(by > 0n ? by : -by))} in all`}.</>}
        </span>
        {preview.state === "running" && <Button small onClick={onStop}>Stop</Button>}
      </p>
      {preview.state === "running" && <progress className="h-1.5 w-full" aria-label="Pricing for trial" />}
      {changed.length > 0 && (
        <div className="relative max-h-72 overflow-auto rounded-md border" role="region" aria-label="What would change" tabIndex={0}>
          <table className="w-full text-sm">
            <thead className="text-xs text-muted"><tr>{["Model", "Calls that change", "Recorded", "Then", "Difference"].map((head, i) => <th key={head} className={`px-2 py-1 font-normal ${i ? "text-right" : "text-left"}`}>{head}</th>)}</tr></thead>
            <tbody>
              {changed.slice(0, SHOWN).map((it) => {
                const delta = it.after - it.before;
                return (
                  <tr key={`${it.provider}/${it.model}`} className="border-t">
                    <td className="max-w-56 truncate px-2 py-1 num" title={it.model ?? ""}>{it.model ?? "others"}{it.provider && <span className="text-muted"> {it.provider}</span>}</td>
                    <td className="px-2 text-right num">{count(it.changed)}<span className="text-muted"> of {count(it.calls)}</span></td>
                    <td className="px-2 text-right num" title={`${it.before} billionths of a dollar`}>{money(Number(it.before))}{it.unknownBefore > 0 && <span className="text-muted"> +{count(it.unknownBefore)} unknown</span>}</td>
                    <td className="px-2 text-right num" title={`${it.after} billionths of a dollar`}>{money(Number(it.after))}{it.unknownAfter > 0 && <span className="text-muted"> +{count(it.unknownAfter)} unknown</span>}</td>
                    <td className={`px-2 text-right num ${delta > 0n ? "text-error" : delta < 0n ? "text-ok" : ""}`}>{delta === 0n ? "0" : `${delta > 0n ? "+" : "−"}${money(Number(delta > 0n ? delta : -delta))}`}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
          {changed.length > SHOWN && <p className="border-t px-2 py-1 text-xs text-muted">and {count(changed.length - SHOWN)} more models</p>}
        </div>
      )}
      {preview.error ? <ErrorNote error={preview.error} /> : null}
    </div>
  );
}
