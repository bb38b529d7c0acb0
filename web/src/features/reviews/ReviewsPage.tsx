import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { live } from "../../api/live";
import { meQuery } from "../../api/queries";
import { useKeys } from "../../shell/keys";
import { useTitle } from "../../shell/Page";
import { Button, Segments } from "../../ui/controls";
import { ends } from "../../ui/format";
import { Empty, ErrorNote, Skeleton } from "../../ui/notes";
import { usePane } from "../../ui/Splitter";
import { Time } from "../../ui/Time";
import { ActForm } from "./ActForm";
import {
  byUrgency,
  type Deed,
  isDecidable,
  isOverdue,
  isWaiting,
  type Review,
  type ReviewsSearch,
  TABS,
} from "./fns/review";
import { DueMark, SeverityMark, StateMark } from "./marks";
import { reviewQuery, reviewsQuery, useAct } from "./queries";
import { ReviewDetail } from "./ReviewDetail";
import { usePeople } from "./usePeople";

const LABEL = {
  waiting: "Waiting",
  mine: "Mine",
  escalated: "Escalated",
  expired: "Expired",
  decided: "Decided",
};
const NOTHING = {
  waiting: "Nothing waits. A rule with review, quarantine or block asks people; what it asks stands here.",
  mine: "You have nothing. Claim a review with C.",
  escalated: "Nothing is escalated.",
  expired: "No deadline has passed.",
  decided: "Nothing was decided yet.",
};

/** Decide the next one. */
export function ReviewsPage() {
  useTitle("Reviews");
  const search = useSearch({ strict: false }) as ReviewsSearch;
  const navigate = useNavigate();
  const queries = useQueryClient();
  const tab = search.tab ?? "waiting";
  const answer = useInfiniteQuery(reviewsQuery(search));
  const may = useQuery(meQuery).data?.scopes.includes("review") ?? false;
  const loaded = answer.data?.pages.flatMap((page) => page.data) ?? [];
  const rows = tab === "decided" ? loaded : [...loaded].sort(byUrgency);
  const direct = useQuery({
    ...reviewQuery(search.id ?? ""),
    enabled: search.id !== undefined && !rows.some((it) => it.review_id === search.id),
  });
  const shown = search.id ? (rows.find((it) => it.review_id === search.id) ?? direct.data) : undefined;
  const at = rows.findIndex((it) => it.review_id === search.id);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const [form, setForm] = useState<Deed | null>(null);
  const [bulk, setBulk] = useState<Deed | null>(null);
  const act = useAct();
  const many = useAct();
  const list = useRef<HTMLUListElement>(null);
  const pane = usePane("reviews", "Width of the queue", { width: 400, min: 260, max: 720, grows: "left" });

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = live.listen((event) => {
      if (!event.type.startsWith("review.") && event.type !== "system.lagged") return;
      timer ??= setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: ["reviews"] });
      }, 300);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [queries]);

  const go = (next: ReviewsSearch) => {
    setForm(null);
    act.reset();
    void navigate({ to: "/reviews", search: next as never, replace: true });
  };
  const show = (it: Review | undefined) => it && go({ ...search, id: it.review_id });
  const move = (by: number) => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
    show(next);
    requestAnimationFrame(() =>
      list.current?.querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" }),
    );
  };
  const mark = (id: string) =>
    setMarked((held) => {
      const next = new Set(held);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  const ask = (deed: Deed, fits: (it: Review) => boolean) => () => {
    if (!may) return;
    if (marked.size > 0) setBulk(deed);
    else if (shown && fits(shown)) setForm(deed);
  };
  const send = (deed: Deed) => () => {
    if (!may) return;
    if (marked.size > 0)
      many.mutate({ ids: [...marked], action: { deed } }, { onSuccess: () => setMarked(new Set()) });
    else if (shown && isWaiting(shown)) act.mutate({ ids: [shown.review_id], action: { deed } });
  };
  useKeys({
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    x: () => shown && may && mark(shown.review_id),
    c: send("claimed"),
    u: send("released"),
    a: ask("approved", isDecidable),
    r: ask("rejected", isDecidable),
    e: ask("escalated", isWaiting),
    s: ask("assigned", isWaiting),
    m: ask("commented", () => true),
    t: () =>
      shown &&
      void navigate({
        to: "/traces/$traceId",
        params: { traceId: shown.trace_id },
        search: { view: "governance", span: shown.span_id ?? undefined } as never,
      }),
    Escape: () =>
      form
        ? setForm(null)
        : bulk
          ? setBulk(null)
          : marked.size > 0
            ? setMarked(new Set())
            : search.id
              ? go({ ...search, id: undefined })
              : undefined,
  });
  const overdue = rows.filter((it) => isOverdue(it)).length;

  return (
    <div className="flex h-full min-h-0 flex-col">
      <header className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b px-4 py-3 md:px-6">
        <h1>Reviews</h1>
        <div className="max-w-full overflow-x-auto">
          <Segments
            label="Which reviews"
            value={tab}
            options={TABS.map((value) => ({ value, label: LABEL[value] }))}
            onChange={(next) => {
              setMarked(new Set());
              go({ tab: next });
            }}
          />
        </div>
        <Narrow search={search} rows={rows} go={go} />
        {overdue > 0 && <span className="ml-auto text-sm font-medium text-error">{overdue} overdue</span>}
      </header>
      {marked.size > 0 && (
        <div className="space-y-3 border-b bg-selected px-4 py-2 md:px-6">
          <div className="flex flex-wrap items-center gap-2 text-sm">
            <span className="font-medium">{marked.size} chosen</span>
            <Button small look="main" onClick={() => setBulk("approved")}>
              Approve
            </Button>
            <Button small onClick={() => setBulk("rejected")}>
              Reject
            </Button>
            <Button small onClick={send("claimed")}>
              Claim
            </Button>
            <Button small onClick={() => setBulk("escalated")}>
              Escalate
            </Button>
            <Button small onClick={() => setBulk("assigned")}>
              Assign
            </Button>
            <Button small look="quiet" className="ml-auto" onClick={() => setMarked(new Set())}>
              Choose none
            </Button>
          </div>
          {bulk && (
            <ActForm
              key={bulk}
              deed={bulk}
              many={marked.size}
              quarantined
              busy={many.isPending}
              error={many.error}
              onClose={() => setBulk(null)}
              onSend={(action) =>
                many.mutate(
                  { ids: [...marked], action },
                  {
                    onSuccess: () => {
                      setBulk(null);
                      setMarked(new Set());
                    },
                  },
                )
              }
            />
          )}
          {!bulk && many.error ? <ErrorNote error={many.error} /> : null}
        </div>
      )}
      {many.data && marked.size === 0 && (
        <div role="status" className="flex items-start gap-3 border-b bg-info-soft px-4 py-2 text-sm md:px-6">
          <div className="isolate-text min-w-0 flex-1">
            {many.data.done} done{many.data.failed.length > 0 && `, ${many.data.failed.length} not:`}
            {many.data.failed.slice(0, 5).map((text) => (
              <p key={text} className="text-muted">
                {text}
              </p>
            ))}
          </div>
          <Button small look="quiet" onClick={() => many.reset()}>
            Close
          </Button>
        </div>
      )}
      <div style={pane.style} className="grid min-h-0 flex-1 grid-cols-[minmax(0,1fr)] lg:grid-cols-[var(--pane)_1px_minmax(0,1fr)]">
        <div
          role="region"
          aria-label="Queue"
          tabIndex={0}
          className={`min-h-0 overflow-auto bg-surface ${shown ? "hidden lg:block" : ""}`}
        >
          {answer.error ? (
            <div className="p-3">
              <ErrorNote error={answer.error} retry={() => void answer.refetch()} />
            </div>
          ) : !answer.data ? (
            <Skeleton rows={8} height={56} />
          ) : rows.length === 0 ? (
            <Empty icon="check" title="Nothing here">
              {NOTHING[tab]}
            </Empty>
          ) : (
            <ul ref={list}>
              {rows.map((it) => (
                <Row
                  key={it.review_id}
                  review={it}
                  here={it.review_id === search.id}
                  marked={marked.has(it.review_id)}
                  onMark={may ? () => mark(it.review_id) : undefined}
                  onShow={() => show(it)}
                />
              ))}
            </ul>
          )}
          {answer.hasNextPage && (
            <div className="p-3 text-center">
              <Button small disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>
                Load more
              </Button>
            </div>
          )}
        </div>
        {pane.bar}
        <div className={`min-h-0 min-w-0 ${shown || direct.error ? "" : "hidden lg:block"}`}>
          {direct.error ? (
            <div className="p-4">
              <ErrorNote error={direct.error} />
            </div>
          ) : shown ? (
            <ReviewDetail
              key={shown.review_id}
              review={shown}
              form={form}
              setForm={setForm}
              act={act}
              onBack={() => go({ ...search, id: undefined })}
            />
          ) : (
            <Empty icon="guardrail" title={rows.length === 0 ? "What comes here" : "Choose a review"}>
              {rows.length === 0 ? (
                <>
                  A rule whose answer is “review”, “quarantine” or “block” stops what it found until somebody decides.{" "}
                  <Link to="/policies" className="text-accent underline underline-offset-2">Look at the policies</Link> or switch a pack on.
                </>
              ) : "J and K step through the queue, A approves, R rejects. “?” lists all keys."}
            </Empty>
          )}
        </div>
      </div>
    </div>
  );
}

/** One queue, one rule: what the rows name. */
function Narrow({
  search,
  rows,
  go,
}: {
  search: ReviewsSearch;
  rows: Review[];
  go: (next: ReviewsSearch) => void;
}) {
  const all = (of: (it: Review) => string, held?: string) =>
    [...new Set([...rows.map(of), ...(held ? [held] : [])])].sort();
  const queues = all((it) => it.queue, search.queue);
  const rules = all((it) => it.rule, search.rule);
  return (
    <>
      {queues.length > 1 || search.queue ? (
        <Choice
          label="Queue"
          any="Every queue"
          value={search.queue}
          options={queues}
          onChange={(queue) => go({ ...search, queue, id: undefined })}
        />
      ) : null}
      {rules.length > 1 || search.rule ? (
        <Choice
          label="Rule"
          any="Every rule"
          value={search.rule}
          options={rules}
          onChange={(rule) => go({ ...search, rule, id: undefined })}
        />
      ) : null}
    </>
  );
}

function Choice({
  label,
  any,
  value,
  options,
  onChange,
}: {
  label: string;
  any: string;
  value?: string;
  options: string[];
  onChange: (value?: string) => void;
}) {
  return (
    <select
      aria-label={label}
      className="control max-w-48"
      value={value ?? ""}
      onChange={(event) => onChange(event.target.value || undefined)}
    >
      <option value="">{any}</option>
      {options.map((it) => (
        <option key={it}>{it}</option>
      ))}
    </select>
  );
}

function Row({
  review,
  here,
  marked,
  onMark,
  onShow,
}: {
  review: Review;
  here: boolean;
  marked: boolean;
  onMark?: () => void;
  onShow: () => void;
}) {
  const who = usePeople();
  return (
    <li
      data-review={review.review_id}
      aria-current={here}
      className={`flex items-start gap-2 border-b px-3 py-2.5 ${here ? "bg-selected" : "hover:bg-hover"}`}
    >
      {onMark && (
        <input
          type="checkbox"
          className="mt-1"
          aria-label={`Choose ${review.title}`}
          checked={marked}
          onChange={onMark}
        />
      )}
      <button type="button" onClick={onShow} className="min-w-0 flex-1 text-left">
        <span className="flex items-center gap-2">
          <span className="min-w-0 flex-1 truncate text-sm font-medium">{review.title}</span>
          <StateMark state={review.state} />
        </span>
        <span className="mt-0.5 flex flex-wrap items-center gap-x-3 gap-y-0.5 text-xs text-muted">
          <SeverityMark severity={review.severity} />
          <span className="num truncate">{review.rule}</span>
            <span className="num truncate">{ends(review.trace_id, 6)}</span>
          {review.assignee && <span>{who(review.assignee)}</span>}
          <DueMark review={review} />
          <Time at={review.opened_at} className="ml-auto" />
        </span>
      </button>
    </li>
  );
}
