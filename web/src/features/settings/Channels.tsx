import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api } from "../../api/client";
import type { Listing } from "../../api/types";
import { Button } from "../../ui/controls";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { Time } from "../../ui/Time";

interface Channel {
  name: string;
  kind: string;
  events?: string[];
  [more: string]: unknown;
}
interface Delivery {
  id: string;
  channel: string;
  event: string;
  created_at: string;
  attempts: number;
  next_at: string | null;
  delivered_at: string | null;
  last: string | null;
}

const HIDDEN = new Set(["name", "kind", "events"]);

/** Who is told of what, and what came of it. */
export function Channels() {
  const queries = useQueryClient();
  const channels = useQuery({ queryKey: ["channels"], queryFn: async ({ signal }) => (await api.get<{ data: Channel[] }>("/api/v1/notifications/channels", {}, signal)).data });
  const test = useMutation({
    mutationFn: (name: string) => api.post(`/api/v1/notifications/channels/${encodeURIComponent(name)}/test`),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["deliveries"] }),
  });
  return (
    <>
      <Panel title="Notification channels" aside={<Link to="/policies" search={{ file: "notifications.yaml", part: "source" } as never} className="text-sm text-accent hover:underline">Edit the file</Link>}>
        {channels.error ? <div className="p-3"><ErrorNote error={channels.error} retry={() => void channels.refetch()} /></div> : !channels.data ? <Skeleton rows={2} /> : channels.data.length === 0 ? (
          <p className="p-4 text-sm text-muted">No channel: nobody is told of reviews and what rules say. Channels stand in <span className="num">notifications.yaml</span>: webhooks, Slack, e-mail.</p>
        ) : (
          <ul className="text-sm">
            {channels.data.map((it) => (
              <li key={it.name} className="flex flex-wrap items-center gap-x-4 gap-y-1 border-t px-4 py-2 first:border-t-0">
                <span className="font-medium">{it.name}</span><span className="text-muted">{it.kind}</span>
                <span className="isolate-text num min-w-0 flex-1 text-xs text-muted">{Object.entries(it).filter(([key, value]) => !HIDDEN.has(key) && value !== null && value !== false).map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(" ") : String(value)}`).join(", ")}</span>
                <span className="text-xs text-muted">{it.events?.length ? `hears ${it.events.join(", ")}` : "hears everything"}</span>
                <Button small disabled={test.isPending} onClick={() => test.mutate(it.name)} aria-label={`Send a test to ${it.name}`}>Send a test</Button>
              </li>
            ))}
          </ul>
        )}
        {test.error ? <div className="p-3"><ErrorNote error={test.error} /></div> : null}
      </Panel>
      {channels.data && channels.data.length > 0 && <Deliveries />}
    </>
  );
}

function Deliveries() {
  const queries = useQueryClient();
  const answer = useInfiniteQuery({
    queryKey: ["deliveries"],
    queryFn: ({ signal, pageParam }) => api.get<Listing<Delivery>>("/api/v1/notifications/deliveries", { cursor: pageParam, limit: 20 }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    // While something is on its way.
    refetchInterval: (query) => (query.state.data?.pages.some((page) => page.data.some((it) => it.next_at !== null)) ? 2_000 : false),
  });
  const retry = useMutation({ mutationFn: (id: string) => api.post(`/api/v1/notifications/deliveries/${encodeURIComponent(id)}/retry`), onSettled: () => queries.invalidateQueries({ queryKey: ["deliveries"] }) });
  const rows = answer.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <Panel title="Deliveries">
      {answer.error ? <div className="p-3"><ErrorNote error={answer.error} retry={() => void answer.refetch()} /></div> : !answer.data ? <Skeleton rows={3} /> : rows.length === 0 ? <p className="p-4 text-sm text-muted">Nothing was told to anybody yet.</p> : (
        <div className="overflow-x-auto">
          <table className="w-full text-sm">
            <thead className="text-left text-xs text-muted"><tr>{["Channel", "About", "When", "Attempts", "What came of it", ""].map((head) => <th key={head} className="px-4 py-1.5 font-normal">{head || <span className="sr-only">Act</span>}</th>)}</tr></thead>
            <tbody>
              {rows.map((it) => (
                <tr key={it.id} className="border-t">
                  <td className="px-4 py-1.5">{it.channel}</td><td className="px-4 num">{it.event}</td><td className="px-4 text-muted"><Time at={it.created_at} /></td><td className="px-4 tnum">{it.attempts}</td>
                  <td className="max-w-80 px-4"><span className={it.delivered_at ? "text-ok" : it.next_at ? "text-muted" : "text-error"}>{it.delivered_at ? "taken" : it.next_at ? "waits" : "given up"}</span>{it.last && <span className="isolate-text text-muted">: {it.last}</span>}{it.next_at && it.attempts > 0 && <span className="text-muted">, again <Time at={it.next_at} /></span>}</td>
                  <td className="px-4 text-right">{!it.delivered_at && <Button small disabled={retry.isPending} onClick={() => retry.mutate(it.id)}>Try now</Button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {retry.error ? <div className="p-3"><ErrorNote error={retry.error} /></div> : null}
      {answer.hasNextPage && <div className="border-t p-2 text-center"><Button small onClick={() => void answer.fetchNextPage()}>Load more</Button></div>}
    </Panel>
  );
}
