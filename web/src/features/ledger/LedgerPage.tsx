import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client";
import { checkpointQuery } from "../../api/queries";
import { Page } from "../../shell/Page";
import { Button, CopyButton } from "../../ui/controls";
import { count } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { Empty, ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { base64, equal, hex } from "../../verify/bytes";
import { isConsistent } from "../../verify/consistency";
import { openCheckpoint, readCheckpoint } from "../../verify/note";

const PIN = "exhibit.pinned-checkpoint";
type Pin = { note: string; key: string; at: string };

const pinned = (): Pin | null => {
  try {
    return JSON.parse(localStorage.getItem(PIN) ?? "null");
  } catch {
    return null;
  }
};

/** The log of this workspace: how far it has grown, and whether it only grew. */
export function LedgerPage() {
  const head = useQuery(checkpointQuery);
  const [pin, setPin] = useState(pinned);
  const [verdict, setVerdict] = useState<{ ok: boolean; text: string } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  if (head.error) {
    return (
      <Page title="Ledger" narrow>
        <Empty icon="ledger" title="No checkpoint yet">The first one is signed with the first record. <div className="mt-3"><ErrorNote error={head.error} retry={() => void head.refetch()} /></div></Empty>
      </Page>
    );
  }
  if (!head.data) return <Skeleton rows={8} />;
  const { note, key } = head.data;
  const now = readCheckpoint(note);

  const check = async () => {
    setBusy(true);
    setError(null);
    setVerdict(null);
    try {
      const current = await openCheckpoint(note, key);
      if (!pin) {
        setVerdict({ ok: true, text: `The signature holds: the log has ${count(current.size)} leaves.` });
      } else {
        if (pin.key !== key) throw new Error("The key is another one than the one you pinned. Ask the operator why before you trust it.");
        const before = await openCheckpoint(pin.note, pin.key);
        if (before.size > current.size) throw new Error("The log is shorter than the one you pinned: records are missing.");
        if (before.size === current.size) {
          if (!equal(before.root, current.root)) throw new Error("A tree of the same size has another root: records were changed.");
          setVerdict({ ok: true, text: "Nothing has been added since you pinned, and nothing was changed." });
        } else {
          const answer = await api.get<{ data: { hashes: string[] } }>("/api/v1/ledger/consistency", { old: before.size, new: current.size });
          const hashes = answer.data.hashes.map(base64);
          const ok = await isConsistent(before.size, current.size, before.root, current.root, hashes);
          if (!ok) throw new Error("The proof does not connect the two checkpoints: the log was rewritten.");
          setVerdict({ ok: true, text: `The log only grew: ${count(current.size - before.size)} leaves were added to the ${count(before.size)} you pinned, and none of those was changed.` });
        }
      }
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Page title="Ledger" narrow>
      <div className="grid gap-px overflow-hidden rounded-md border bg-line sm:grid-cols-3">
        <div className="bg-surface px-4 py-3"><p className="text-xs text-muted">Leaves</p><p className="num text-xl" data-testid="leaves">{count(now.size)}</p></div>
        <div className="bg-surface px-4 py-3 sm:col-span-2"><p className="text-xs text-muted">Log</p><p className="truncate num">{now.origin}</p></div>
      </div>
      <Panel title="Checkpoint" aside={<CopyButton text={note} />}>
        <dl className="grid gap-x-4 gap-y-2 p-4 text-sm sm:grid-cols-[8rem_1fr]">
          <dt className="text-muted">Root</dt><dd className="num break-all">{hex(now.root)}</dd>
          <dt className="text-muted">Key</dt><dd className="num break-all">{key}</dd>
        </dl>
        <pre tabIndex={0} role="region" aria-label="The signed note" className="overflow-x-auto border-t bg-sunken p-4 num text-xs">{note}</pre>
      </Panel>
      <Panel title="Watch it yourself">
        <div className="space-y-3 p-4 text-sm">
          <p className="max-w-[72ch] text-muted">
            Pin this checkpoint in your browser. Later, a proof shows whether the log only grew since then: this browser
            checks it, and a log that was rewritten, shortened or re-signed by another key does not pass.
          </p>
          {pin && <p>Pinned: <span className="num">{count(readCheckpoint(pin.note).size)}</span> leaves, {new Date(pin.at).toLocaleString()}.</p>}
          <div className="flex flex-wrap gap-2">
            <Button look="main" icon="seal" disabled={busy} onClick={check}>{pin ? "Check that it only grew" : "Check the signature"}</Button>
            <Button onClick={() => { const it = { note, key, at: new Date().toISOString() }; localStorage.setItem(PIN, JSON.stringify(it)); setPin(it); setVerdict(null); }}>Pin this checkpoint</Button>
          </div>
          {verdict && <p role="status" className="flex items-center gap-2 font-medium text-ok"><Icon name="seal" />{verdict.text}</p>}
          {error ? <ErrorNote error={error} /> : null}
        </div>
      </Panel>
      <p className="text-sm text-muted">To read every record again: <code className="num">exhibit verify --data-dir …</code> on the machine of the server.</p>
    </Page>
  );
}
