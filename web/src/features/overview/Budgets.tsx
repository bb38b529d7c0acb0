import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ApiError, api } from "../../api/client";
import { money, percent, short } from "../../ui/format";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";

interface Burn {
  policy: string;
  rule: string;
  title: string;
  budget: { key: string[]; limit_nano_usd: string | null; limit_tokens: number | null; window: string; soft: number };
  key: string[];
  spent_nano_usd: string;
  spent_tokens: number;
  used: number;
}

const MOST = 6;

/** `the last 24 h`, `this month`. */
function span(window: string): string {
  const seconds = Number(/^(\d+)s$/.exec(window)?.[1]);
  if (!Number.isFinite(seconds)) return window === "day" ? "today" : `this ${window}`;
  return seconds % 86_400 === 0 ? `the last ${seconds / 86_400} d` : seconds % 3_600 === 0 ? `the last ${seconds / 3_600} h` : `the last ${Math.round(seconds / 60)} min`;
}

/** How far budgets are used up, fullest first. */
export function Budgets({ most = MOST }: { most?: number }) {
  const answer = useQuery({ queryKey: ["budgets"], queryFn: async ({ signal }) => (await api.get<{ data: Burn[] }>("/api/v1/govern/budgets", {}, signal)).data, refetchInterval: 15_000, retry: false });
  // A server of before has no such route.
  if (answer.error instanceof ApiError && answer.error.status === 404) return null;
  return (
    <Panel title="Budgets" aside={answer.data && answer.data.length > most && <span className="text-xs text-muted">the fullest {most} of {answer.data.length}</span>}>
      {answer.error ? <div className="p-3"><ErrorNote error={answer.error} retry={() => void answer.refetch()} /></div> : !answer.data ? <Skeleton rows={3} /> : answer.data.length === 0 ? (
        <p className="p-4 text-sm text-muted">No budget is in force. The pack <Link to="/policies" search={{ file: "policies/cost-control.yaml" } as never} className="text-accent underline">cost-control</Link> has some to begin with.</p>
      ) : (
        <ul className="divide-y text-sm">
          {answer.data.slice(0, most).map((it) => {
            const { budget } = it;
            const [word, bar] = it.used >= 1 ? ["used up", "bg-error"] : it.used >= budget.soft ? ["nearly", "bg-warn"] : ["", "bg-ok"];
            const limit = budget.limit_nano_usd ? `${money(it.spent_nano_usd)} of ${money(budget.limit_nano_usd)}` : `${short(it.spent_tokens)} of ${short(budget.limit_tokens ?? 0)} tokens`;
            return (
              <li key={it.policy + it.rule + it.key.join()} className="space-y-1 px-3 py-2">
                <div className="flex flex-wrap items-baseline gap-x-3">
                  <Link to="/policies" search={{ policy: it.policy } as never} className="min-w-0 truncate hover:underline" title={it.title}>{it.key.length > 0 ? it.key.join(" · ") : it.title}</Link>
                  <span className="num text-xs text-muted">{it.rule}</span>
                  <span className="ml-auto tnum">{limit}</span>
                </div>
                <div className="h-1.5 overflow-hidden rounded bg-sunken" role="meter" aria-label={`Used up of ${it.title}`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.min(100, Math.round(it.used * 100))}>
                  <div className={`h-full ${bar}`} style={{ width: `${Math.min(100, it.used * 100)}%` }} />
                </div>
                <p className="flex gap-3 text-xs text-muted"><span>{span(budget.window)}</span><span className="ml-auto tnum">{percent(it.used * 100, 100)}{word && <span className={`ml-1.5 font-medium ${it.used >= 1 ? "text-error" : "text-warn"}`}>{word}</span>}</span></p>
              </li>
            );
          })}
        </ul>
      )}
    </Panel>
  );
}
