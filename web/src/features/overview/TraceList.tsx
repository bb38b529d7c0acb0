import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { tracesQuery } from "../../api/queries";
import { duration, money } from "../../ui/format";
import { StatusMark, VerdictMark } from "../../ui/marks";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { Time } from "../../ui/Time";

/** The newest traces that a filter finds. */
export function TraceList({ title, filter, limit = 6, empty }: { title: string; filter: string; limit?: number; empty: string }) {
  const list = useQuery(tracesQuery(filter, limit));
  return (
    <Panel title={title} aside={<Link to="/traces" search={{ filter, all: true } as never} className="text-xs text-accent hover:underline">All</Link>}>
      {list.error ? <div className="p-3"><ErrorNote error={list.error} retry={() => void list.refetch()} /></div> : list.isPending ? <Skeleton rows={5} height={28} /> : list.data.data.length === 0 ? (
        <p className="p-4 text-sm text-muted">{empty}</p>
      ) : (
        <ul>
          {list.data.data.map((trace) => (
            <li key={trace.trace_id} className="border-t first:border-t-0">
              <Link to="/traces/$traceId" params={{ traceId: trace.trace_id }} className="flex h-9 items-center gap-3 px-3 text-sm hover:bg-hover">
                <StatusMark status={trace.status} quiet />
                <span className="min-w-0 flex-1 truncate" dir="auto">{trace.name ?? trace.trace_id}</span>
                {(trace.verdict !== "pass" || trace.findings > 0) && <VerdictMark verdict={trace.verdict} findings={trace.findings} />}
                <span className="hidden num text-muted sm:block">{duration(trace.duration_ms)}</span>
                <span className="hidden num text-muted md:block">{money(trace.cost_nano_usd)}</span>
                <Time at={trace.start_time} className="w-20 text-right text-xs text-muted" />
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
