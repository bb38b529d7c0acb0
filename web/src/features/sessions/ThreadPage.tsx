import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { api } from "../../api/client";
import { quoted } from "../../api/queries";
import type { Listing, Trace } from "../../api/types";
import { Page } from "../../shell/Page";
import { Button } from "../../ui/controls";
import { duration, money, short } from "../../ui/format";
import { CostBadge, StatusMark, VerdictMark } from "../../ui/marks";
import { Empty, ErrorNote, Skeleton } from "../../ui/notes";
import { Time } from "../../ui/Time";

const PAGE = 50;

/** A conversation: what was asked and what came back, turn by turn, the oldest first. */
export function ThreadPage() {
  const { sessionId } = useParams({ strict: false }) as { sessionId: string };
  const filter = `session = ${quoted(sessionId)}`;
  const list = useInfiniteQuery({
    queryKey: ["thread", sessionId],
    queryFn: ({ pageParam, signal }) => api.get<Listing<Trace>>("/api/v1/traces", { filter, limit: PAGE, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => (page.has_more ? (page.next_cursor ?? undefined) : undefined),
  });
  // The list is newest first; a conversation is read the other way.
  const turns = (list.data?.pages.flatMap((page) => page.data) ?? []).reverse();
  const users = [...new Set(turns.map((turn) => turn.user_id).filter((it) => it != null))];
  const cost = turns.reduce((sum, turn) => sum + Number(turn.cost_nano_usd ?? 0), 0);
  const tokens = turns.reduce((sum, turn) => sum + turn.tokens_total, 0);
  return (
    <Page title="Session" lead={<span dir="auto">{sessionId}</span>} narrow actions={<Link to="/traces" search={{ filter, all: true } as never} className="text-sm text-accent hover:underline">As a list of traces</Link>}>
      {list.error ? <ErrorNote error={list.error} retry={() => void list.refetch()} /> : list.isPending ? <Skeleton rows={10} /> : turns.length === 0 ? (
        <Empty icon="sessions" title="No such session">No trace of this workspace belongs to it.</Empty>
      ) : (
        <>
          <p className="text-sm text-muted">
            <span className="num">{turns.length}</span>{list.hasNextPage ? " latest" : ""} turns · {users.length > 0 && <span dir="auto">{users.join(", ")} · </span>}<span className="num">{short(tokens)}</span> tokens · <span className="num">{money(cost)}</span>
          </p>
          {list.hasNextPage && <div className="text-center"><Button small disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>Earlier turns</Button></div>}
          <ol className="space-y-4">{turns.map((turn) => <Turn key={turn.trace_id} turn={turn} />)}</ol>
        </>
      )}
    </Page>
  );
}

function Turn({ turn }: { turn: Trace }) {
  return (
    <li className="rounded-md border bg-surface">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b px-3 py-1.5 text-sm">
        <StatusMark status={turn.status} quiet />
        <Link to="/traces/$traceId" params={{ traceId: turn.trace_id }} className="font-medium hover:underline" dir="auto">{turn.name ?? turn.trace_id}</Link>
        {(turn.verdict !== "pass" || turn.findings > 0) && <VerdictMark verdict={turn.verdict} findings={turn.findings} />}
        <span className="ml-auto num text-muted">{duration(turn.duration_ms)}</span>
        <span className="inline-flex items-center gap-1.5 num text-muted">{money(turn.cost_nano_usd)}<CostBadge source={turn.cost_source} /></span>
        <Time at={turn.start_time} className="text-xs text-muted" />
      </header>
      <div className="space-y-2 p-3 text-sm">
        <Said who="Asked" text={turn.input_preview} className="bg-sunken" />
        <Said who="Answered" text={turn.output_preview} className="ml-6 bg-info-soft" />
      </div>
    </li>
  );
}

function Said({ who, text, className }: { who: string; text: string | null | undefined; className: string }) {
  return (
    <div className={`rounded-md p-2.5 ${className}`}>
      <p className="mb-0.5 text-xs text-muted">{who}</p>
      <p className="isolate-text whitespace-pre-wrap" dir="auto">{text ?? <span className="text-muted">nothing that was recorded</span>}</p>
    </div>
  );
}
