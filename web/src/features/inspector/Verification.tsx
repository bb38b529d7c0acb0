import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useRef, useState } from "react";
import { verificationQuery } from "../../api/queries";
import { Button, CopyButton } from "../../ui/controls";
import { count, ends } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { type Outcome, type TraceOutcome, verifyTrace } from "../../verify/trace";

const WORD: Record<string, { label: string; style: string; icon: "seal" | "broken" | "custom" }> = {
  valid: { label: "valid", style: "text-ok", icon: "seal" },
  failed: { label: "does not hold", style: "text-error", icon: "broken" },
  pending: { label: "pending", style: "text-muted", icon: "custom" },
  unverifiable: { label: "cannot be checked here", style: "text-warn", icon: "custom" },
};

function Verdict({ outcome, large = false }: { outcome: string; large?: boolean }) {
  const known = WORD[outcome] ?? { label: outcome, style: outcome === "valid" ? "text-ok" : "text-error", icon: "broken" as const };
  return (
    <span className={`inline-flex items-center gap-1.5 font-medium ${known.style} ${large ? "text-lg" : "text-sm"}`}>
      <Icon name={known.icon} size={large ? 20 : 14} />
      {known.label}
    </span>
  );
}

/** The receipt of a trace, and its proofs checked by the reader's own browser. */
export function VerificationView({ traceId }: { traceId: string }) {
  const evidence = useQuery(verificationQuery(traceId));
  const [outcome, setOutcome] = useState<TraceOutcome | null>(null);
  const [done, setDone] = useState<[number, number] | null>(null);
  const [error, setError] = useState<unknown>(null);
  if (evidence.error) return <div className="p-4"><ErrorNote error={evidence.error} retry={() => void evidence.refetch()} /></div>;
  if (!evidence.data) return <Skeleton rows={8} />;
  const it = evidence.data;

  const verify = async () => {
    setError(null);
    setOutcome(null);
    try {
      // Read anew: what is on the screen may be older than what the server has.
      const fresh = await evidence.refetch();
      const found = fresh.data ?? it;
      setDone([0, found.records.length]);
      setOutcome(await verifyTrace(found, (n, all) => setDone([n, all])));
    } catch (failure) {
      setError(failure);
    } finally {
      setDone(null);
    }
  };
  const seal = it.seals.at(-1);
  return (
    <div className="h-full overflow-auto p-4">
      <div className="mx-auto max-w-4xl space-y-4">
        <Panel title="In this browser">
          <div className="space-y-3 p-4">
            <p className="max-w-[72ch] text-sm text-muted">
              Hashes every leaf again, walks every proof to the root of the tree, and checks the signature over that
              root. The server is asked for the evidence, not for a verdict.
            </p>
            <div className="flex flex-wrap items-center gap-4">
              <Button look="main" icon="seal" onClick={verify} disabled={done !== null}>Verify in this browser</Button>
              {done && <span role="status" className="num text-sm text-muted">{count(done[0])} of {count(done[1])}</span>}
              {outcome && <span role="status" data-testid="browser-verdict"><Verdict outcome={outcome.outcome} large /></span>}
            </div>
            {error ? <ErrorNote error={error} /> : null}
            {outcome && (
              <dl className="grid gap-x-4 gap-y-1 text-sm sm:grid-cols-[11rem_1fr]">
                <dt className="text-muted">Signature of the checkpoint</dt>
                <dd><Verdict outcome={outcome.signature.outcome} /> {outcome.signature.reason}</dd>
                <dt className="text-muted">Records</dt>
                <dd>{tally(outcome.records.map((r) => r.outcome))}</dd>
                {outcome.checkpoint && <><dt className="text-muted">Tree</dt><dd className="num">{count(outcome.checkpoint.size)} leaves</dd></>}
              </dl>
            )}
          </div>
        </Panel>
        <Panel title="What the server says" aside={<Verdict outcome={it.verdict} />}>
          <dl className="grid gap-x-4 gap-y-2.5 p-4 text-sm sm:grid-cols-[11rem_1fr]">
            <Row name="Fingerprint" copy={it.fingerprint ?? undefined}>{it.fingerprint ?? "none before the first seal"}</Row>
            <Row name="Seal">{seal ? `leaf ${count(seal.index)} over ${count(seal.covered)} records${seal.partial ? ", the trace was not over" : ""}${seal.late ? ", after an earlier one" : ""}` : "not sealed yet; a trace is sealed shortly after its root has ended"}</Row>
            <Row name="Ledger">{it.log}</Row>
            <Row name="Checkpoint" copy={it.checkpoint ?? undefined}><span className="whitespace-pre-wrap">{it.checkpoint?.trim() ?? "none yet"}</span></Row>
            <Row name="Key" copy={it.key}>{it.key}</Row>
            {it.qualifiers.length > 0 && <Row name="Beside that"><span className="font-sans text-sm break-normal">{it.qualifiers.map((q) => SAID[q] ?? q).join("; ")}</span></Row>}
          </dl>
          {it.faults.length > 0 && (
            <ul className="border-t p-4 text-sm text-error">
              {it.faults.map((fault) => <li key={fault.what + fault.index}>{fault.what}</li>)}
            </ul>
          )}
        </Panel>
        <Records evidence={it} outcome={outcome} />
      </div>
    </div>
  );
}

const SAID: Record<string, string> = {
  "key-self-asserted": "the key is the server's own word: compare it with the one you pinned",
  unwitnessed: "no witness has co-signed the checkpoint",
};

function tally(outcomes: Outcome[]): string {
  const counts = new Map<Outcome, number>();
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return [...counts].map(([outcome, n]) => `${count(n)} ${WORD[outcome]?.label ?? outcome}`).join(", ");
}

function Row({ name, copy, children }: { name: string; copy?: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="flex min-w-0 items-start gap-1"><span className="min-w-0 flex-1 num break-all">{children}</span>{copy && <CopyButton small text={copy} label="" />}</dd>
    </>
  );
}

const ROW = 30;

function Records({ evidence, outcome }: { evidence: { records: { span_id: string; index: number | null; fingerprint: string | null; verdict: string }[] }; outcome: TraceOutcome | null }) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: evidence.records.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 8 });
  const here = outcome ? new Map(outcome.records.map((r) => [r.span_id, r])) : null;
  return (
    <Panel title={`Records (${count(evidence.records.length)})`}>
      <div ref={scroller} tabIndex={0} role="group" aria-label="Records" className="max-h-96 overflow-auto">
        <ul className="relative" style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map((item) => {
            const record = evidence.records[item.index];
            if (!record) return null;
            const found = here?.get(record.span_id);
            return (
              <li key={item.key} className="absolute inset-x-0 flex items-center gap-3 border-b px-4 text-sm" style={{ height: ROW, transform: `translateY(${item.start}px)` }}>
                <span className="w-16 shrink-0 text-right num text-muted">{record.index ?? "–"}</span>
                <span className="min-w-0 flex-1 truncate num" title={record.span_id}>{ends(record.span_id, 14)}</span>
                <span className="hidden num text-muted md:block" title={record.fingerprint ?? ""}>{record.fingerprint ? ends(record.fingerprint) : "no leaf yet"}</span>
                <span className="w-40 shrink-0 truncate text-right" title={found?.reason ?? ""}><Verdict outcome={found ? found.outcome : record.verdict} />{found && <span className="text-xs text-muted"> here</span>}</span>
              </li>
            );
          })}
        </ul>
      </div>
    </Panel>
  );
}
