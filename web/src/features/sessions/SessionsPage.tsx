import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { api } from "../../api/client";
import type { Listing, Session } from "../../api/types";
import { Page } from "../../shell/Page";
import { Button } from "../../ui/controls";
import { duration, money, short } from "../../ui/format";
import { Empty, ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { Time } from "../../ui/Time";
import { listRange, type RangeSearch } from "../overview/fns/range";
import { RangePicker } from "../overview/RangePicker";

/** Conversations: traces that share a session. */
export function SessionsPage() {
  const search = useSearch({ strict: false }) as RangeSearch;
  const navigate = useNavigate();
  const range = listRange(search.range || search.from ? search : { range: "7d" });
  const list = useInfiniteQuery({
    queryKey: ["sessions", "pages", range],
    queryFn: ({ pageParam, signal }) => api.get<Listing<Session>>("/api/v1/sessions", { ...range, limit: 100, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => (page.has_more ? (page.next_cursor ?? undefined) : undefined),
  });
  const sessions = list.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <Page title="Sessions" lead="Threads of traces" actions={<RangePicker search={search.range || search.from ? search : { range: "7d" }} onChange={(next) => void navigate({ to: "/sessions", search: next as never })} />}>
      <Panel>
        {list.error ? <div className="p-3"><ErrorNote error={list.error} retry={() => void list.refetch()} /></div> : list.isPending ? <Skeleton rows={10} /> : sessions.length === 0 ? (
          <Empty icon="sessions" title="No sessions in this time">A trace belongs to a session when a span names one: <code>session_id</code>, <code>session.id</code> or <code>gen_ai.conversation.id</code>.</Empty>
        ) : (
          <div className="overflow-x-auto">
            <table className="w-full text-sm whitespace-nowrap">
              <thead className="text-left text-xs text-muted">
                <tr>{["Session", "Users", "Traces", "Failed", "Tokens", "Cost", "Took", "Last seen"].map((head, i) => <th key={head} className={`px-3 py-2 font-normal ${i >= 2 && i <= 6 ? "text-right" : ""}`}>{head}</th>)}</tr>
              </thead>
              <tbody>
                {sessions.map((it) => (
                  <tr key={it.session_id} className="border-t hover:bg-hover">
                    <td className="max-w-64 truncate px-3 py-1.5"><Link to="/sessions/$sessionId" params={{ sessionId: it.session_id }} className="font-medium hover:underline" dir="auto">{it.session_id}</Link></td>
                    <td className="max-w-40 truncate px-3 text-muted">{it.user_ids.join(", ")}</td>
                    <td className="px-3 text-right num">{short(it.trace_count)}</td>
                    <td className={`px-3 text-right num ${it.error_count ? "text-error" : "text-muted"}`}>{it.error_count}</td>
                    <td className="px-3 text-right num">{short(it.tokens_in + it.tokens_out)}</td>
                    <td className="px-3 text-right num">{money(it.cost_nano_usd)}</td>
                    <td className="px-3 text-right num">{it.end_time ? duration(Date.parse(it.end_time) - Date.parse(it.start_time)) : "–"}</td>
                    <td className="px-3 text-muted"><Time at={it.end_time ?? it.start_time} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {list.hasNextPage && <div className="border-t p-2 text-center"><Button small disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>More</Button></div>}
      </Panel>
    </Page>
  );
}
