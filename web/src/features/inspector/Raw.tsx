import { useQuery } from "@tanstack/react-query";
import { spanQuery } from "../../api/queries";
import type { Trace } from "../../api/types";
import { CopyButton } from "../../ui/controls";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { JsonTree, text } from "./JsonTree";

/** What the API holds, as it holds it: the trace, and the chosen step with the attributes it came with. */
export function Raw({ trace, spanId }: { trace: Trace; spanId: string | undefined }) {
  const span = useQuery({ ...spanQuery(trace.trace_id, spanId ?? ""), enabled: spanId !== undefined });
  return (
    <div className="h-full space-y-4 overflow-auto p-4">
      <Panel title="Trace" aside={<CopyButton text={() => text(trace)} />}><div className="p-4 pl-7"><JsonTree value={trace} /></div></Panel>
      {spanId && (
        <Panel title="Chosen step" aside={span.data && <CopyButton text={() => text(span.data)} />}>
          <div className="p-4 pl-7">{span.error ? <ErrorNote error={span.error} /> : span.data ? <JsonTree value={span.data} /> : <Skeleton rows={4} />}</div>
        </Panel>
      )}
    </div>
  );
}
