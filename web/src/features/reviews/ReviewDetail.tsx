import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api } from "../../api/client";
import { meQuery, spanQuery } from "../../api/queries";
import { Button } from "../../ui/controls";
import { VerdictMark } from "../../ui/marks";
import { ErrorNote, Skeleton } from "../../ui/notes";
import { Time } from "../../ui/Time";
import { SpanFindings } from "../inspector/Governance";
import { ActForm } from "./ActForm";
import { DEED_WORD, type Deed, isDecidable, isWaiting, type Review } from "./fns/review";
import { DueMark, SeverityMark, StateMark } from "./marks";
import type { useAct } from "./queries";
import { usePeople } from "./usePeople";

interface Ruling {
  span_id: string | null;
  name: string | null;
  verdict: string;
  evaluations: { policy: string; rule: string; outcome: string; message: string }[];
  findings: unknown[];
}

/** One review: what the rule found, on the text it found it in, and what can be done about it. */
export function ReviewDetail({
  review,
  form,
  setForm,
  act,
  onBack,
}: {
  review: Review;
  form: Deed | null;
  setForm: (deed: Deed | null) => void;
  act: ReturnType<typeof useAct>;
  onBack: () => void;
}) {
  const me = useQuery(meQuery).data;
  const may = me?.scopes.includes("review") ?? false;
  const who = usePeople();
  const span = useQuery({
    ...spanQuery(review.trace_id, review.span_id ?? ""),
    enabled: review.span_id !== null,
  });
  const decision = (span.data?.decision ?? []) as string[];
  const quarantined = decision.some((it) => it === "quarantine" || it === "block");
  const send = (deed: Deed) => act.mutate({ ids: [review.review_id], action: { deed } });
  return (
    <article aria-label={review.title} className="flex h-full min-h-0 flex-col">
      <header className="space-y-2 border-b p-4">
        <Button look="quiet" small className="-ml-2 lg:hidden" onClick={onBack}>
          ← All reviews
        </Button>
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <h2 className="isolate-text text-lg">{review.title}</h2>
          <StateMark state={review.state} />
          <SeverityMark severity={review.severity} />
          <DueMark review={review} />
        </div>
        <dl className="flex flex-wrap gap-x-5 gap-y-1 text-xs">
          <Fact label="Rule">
            <Link
              to="/policies"
              search={{ policy: review.policy } as never}
              className="num text-accent underline-offset-2 hover:underline"
            >
              {review.policy}/{review.rule}
            </Link>
          </Fact>
          <Fact label="Queue">{review.queue}</Fact>
          <Fact label="Opened">
            <Time at={review.opened_at} />
          </Fact>
          <Fact label="With">{review.assignee ? who(review.assignee) : "nobody"}</Fact>
          {review.four_eyes && <Fact label="Four eyes">two people must approve</Fact>}
          <Fact label="Trace">
            <Link
              to="/traces/$traceId"
              params={{ traceId: review.trace_id }}
              search={{ view: "governance", span: review.span_id ?? undefined } as never}
              className="num text-accent underline-offset-2 hover:underline"
            >
              {review.trace_id}
            </Link>
          </Fact>
        </dl>
        {may && (
          <div className="flex flex-wrap gap-2 pt-1">
            {isDecidable(review) && (
              <>
                <Act letter="A" main onClick={() => setForm("approved")}>
                  Approve
                </Act>
                <Act letter="R" onClick={() => setForm("rejected")}>
                  Reject
                </Act>
              </>
            )}
            {isWaiting(review) && (
              <>
                {review.assignee ? (
                  <Act letter="U" onClick={() => send("released")}>
                    Give back
                  </Act>
                ) : (
                  <Act letter="C" onClick={() => send("claimed")}>
                    Claim
                  </Act>
                )}
                <Act letter="E" onClick={() => setForm("escalated")}>
                  Escalate
                </Act>
                <Act letter="S" onClick={() => setForm("assigned")}>
                  Assign
                </Act>
              </>
            )}
            <Act letter="M" onClick={() => setForm("commented")}>
              Comment
            </Act>
          </div>
        )}
        {!may && <p className="text-sm text-muted">Deciding needs the role reviewer or admin.</p>}
      </header>
      <div
        className="min-h-0 flex-1 space-y-4 overflow-auto p-4"
        role="region"
        aria-label="The review"
        tabIndex={0}
      >
        {form && (
          <ActForm
            key={form}
            deed={form}
            many={1}
            quarantined={quarantined}
            busy={act.isPending}
            error={act.error}
            onClose={() => setForm(null)}
            onSend={(action) =>
              act.mutate({ ids: [review.review_id], action }, { onSuccess: () => setForm(null) })
            }
          />
        )}
        {!form && act.error ? <ErrorNote error={act.error} /> : null}
        {quarantined && (
          <p className="rounded-md bg-warn-soft p-3 text-sm">
            {may
              ? "Quarantined: only reviewers are shown what it holds. The decision releases, redacts or erases it."
              : "Quarantined: what it holds is shown to reviewers only."}
          </p>
        )}
        <section aria-label="What was found">
          <h3 className="mb-2 text-sm font-semibold">
            {review.span_id ? <>In the step “{span.data?.name ?? "…"}”</> : "In the trace as a whole"}
          </h3>
          {review.span_id === null ? (
            <WholeTrace trace={review.trace_id} />
          ) : span.error ? (
            <ErrorNote error={span.error} retry={() => void span.refetch()} />
          ) : span.data ? (
            <SpanFindings span={span.data} />
          ) : (
            <Skeleton rows={4} />
          )}
        </section>
        <section aria-label="History">
          <h3 className="mb-2 text-sm font-semibold">What was done</h3>
          <ol className="space-y-2 text-sm">
            {review.acts.map((it) => (
              <li key={`${it.at}${it.deed}`} className="border-l-2 pl-3">
                <p>
                  <span className="font-medium">{who(it.by)}</span> {DEED_WORD[it.deed] ?? it.deed}
                  {it.reason && <>: {it.reason.replaceAll("_", " ")}</>}{" "}
                  <Time at={it.at} className="text-xs text-muted" />
                </p>
                {it.comment && (
                  <p className="isolate-text whitespace-pre-wrap text-muted" dir="auto">
                    {it.comment}
                  </p>
                )}
              </li>
            ))}
          </ol>
        </section>
      </div>
    </article>
  );
}

function Fact({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div className="flex min-w-0 gap-1.5">
      <dt className="text-muted">{label}</dt>
      <dd className="isolate-text">{children}</dd>
    </div>
  );
}

function Act({
  letter,
  main = false,
  onClick,
  children,
}: {
  letter: string;
  main?: boolean;
  onClick: () => void;
  children: React.ReactNode;
}) {
  return (
    <Button small look={main ? "main" : "plain"} onClick={onClick} aria-keyshortcuts={letter.toLowerCase()}>
      {children}{" "}
      {/* biome-ignore lint/a11y/noAriaHiddenOnFocusable: a letter takes no focus */}
      <kbd aria-hidden="true" className="hidden font-sans text-xs sm:inline">
        {letter}
      </kbd>
    </Button>
  );
}

/** What is said of a trace, for rules that look at it as a whole. */
function WholeTrace({ trace }: { trace: string }) {
  const answer = useQuery({
    queryKey: ["span", trace, "evaluations"],
    queryFn: async ({ signal }) =>
      (
        await api.get<{ data: { trace: Ruling | null; spans: Ruling[] } }>(
          `/api/v1/traces/${encodeURIComponent(trace)}/evaluations`,
          {},
          signal,
        )
      ).data,
  });
  if (answer.error) return <ErrorNote error={answer.error} retry={() => void answer.refetch()} />;
  if (!answer.data) return <Skeleton rows={3} />;
  const { trace: whole, spans } = answer.data;
  return (
    <div className="space-y-3 text-sm">
      {whole && (
        <ul className="divide-y rounded-md border">
          {whole.evaluations.map((it) => (
            <li key={it.policy + it.rule} className="isolate-text px-3 py-2">
              <span className="num font-medium">
                {it.policy}/{it.rule}
              </span>{" "}
              <span className="text-muted">
                {it.outcome} · {it.message}
              </span>
            </li>
          ))}
        </ul>
      )}
      <ul className="divide-y rounded-md border">
        {spans.slice(0, 50).map((it) => (
          <li key={it.span_id} className="flex flex-wrap items-center gap-2 px-3 py-1.5">
            <Link
              to="/traces/$traceId"
              params={{ traceId: trace }}
              search={{ view: "governance", span: it.span_id ?? undefined } as never}
              className="min-w-0 truncate hover:underline"
            >
              {it.name}
            </Link>
            <span className="ml-auto">
              <VerdictMark verdict={it.verdict} findings={it.findings.length} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
