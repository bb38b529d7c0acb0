import { Link } from "@tanstack/react-router";
import { type DragEvent, useRef, useState } from "react";
import { blobSource, type Report, verify } from "../../../../verifiers/typescript/src/verify";
import { Logo } from "../../shell/Logo";
import { useTitle } from "../../shell/Page";
import { Button, Field } from "../../ui/controls";
import { count } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { ErrorNote, Panel } from "../../ui/notes";

const SAID: Record<string, string> = {
  "key-self-asserted": "The bundle names its key itself: give the key you pinned to know whose it is.",
  unwitnessed: "No witness has co-signed the checkpoint.",
  redacted: "Some parts are shown by their hash only.",
  "erased-with-certificate": "Records were erased; the log holds the act that took each of them away.",
  "cleared-by-review": "A reviewer had contents of some records redacted or erased; the records say so.",
  "stamp-authority-unknown": "A time stamp holds, by an authority that nobody here vouches for.",
  "stamp-not-checked": "A time stamp uses what this page does not know; nothing is said about it.",
};

const SHOWN = 100;

/** For whoever was handed a bundle, with or without an account: nothing of it leaves the browser. */
export function BundlePage() {
  useTitle("Verify a bundle");
  const [over, setOver] = useState(false);
  const [name, setName] = useState<string | null>(null);
  const [done, setDone] = useState<[number, number] | null>(null);
  const [report, setReport] = useState<Report | null>(null);
  const [error, setError] = useState<unknown>(null);
  const input = useRef<HTMLInputElement>(null);
  const key = useRef<HTMLInputElement>(null);

  const check = async (file: File | undefined) => {
    if (!file || done) return;
    setName(file.name);
    setReport(null);
    setError(null);
    setDone([0, 0]);
    try {
      const pinned = key.current?.value.trim();
      let told = 0;
      const progress = (n: number, all: number) => {
        if (performance.now() - told < 50 && n < all) return;
        told = performance.now();
        setDone([n, all]);
      };
      setReport(await verify(blobSource(file), { ...(pinned ? { key: pinned } : {}), progress }));
    } catch (failure) {
      setError(failure);
    } finally {
      setDone(null);
    }
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void check(event.dataTransfer.files[0]);
  };

  return (
    <main className="mx-auto max-w-3xl space-y-5 px-4 py-8">
      <Link to="/" className="inline-block"><Logo size={22} /></Link>
      <header>
        <h1 className="text-2xl">Verify a bundle</h1>
        <p className="mt-1 max-w-[72ch] text-muted">
          Whoever was handed an evidence bundle can check it here: every record is hashed again, every proof walked,
          every signature checked. The file stays in this browser.
        </p>
      </header>
      <Field ref={key} label="The key you pinned" name="key" placeholder="name+id+base64, optional" hint="As the operator told you on another way. Without it, the bundle's own key is used." />
      <button
        type="button"
        onClick={() => input.current?.click()}
        onDragOver={(event) => { event.preventDefault(); setOver(true); }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
        className={`flex h-40 w-full flex-col items-center justify-center gap-2 rounded-md border-2 border-dashed ${over ? "border-accent bg-selected" : "border-strong bg-surface hover:bg-hover"}`}
      >
        <Icon name="seal" size={26} className="text-accent" />
        <span className="font-medium">Drop a bundle, or choose one</span>
        <span className="text-sm text-muted">a .zip that “Evidence” or <code>exhibit evidence</code> has made</span>
      </button>
      <input ref={input} type="file" accept=".zip,application/zip" aria-label="Bundle" className="sr-only" tabIndex={-1} onChange={(event) => { void check(event.target.files?.[0]); event.target.value = ""; }} />
      {done && <p role="status" className="num text-muted">{done[1] > 0 ? `${count(done[0])} of ${count(done[1])} records` : "Reading"}</p>}
      {error ? <ErrorNote error={error} /> : null}
      {report && <Verdict report={report} name={name ?? ""} />}
    </main>
  );
}

function Verdict({ report, name }: { report: Report; name: string }) {
  const ok = report.verdict === "valid" || report.verdict === "erased-with-certificate";
  return (
    <Panel title={name}>
      <div className="space-y-4 p-4 text-sm">
        <p role="status" data-testid="bundle-verdict" className={`flex items-center gap-2 text-xl font-semibold ${ok ? "text-ok" : "text-error"}`}>
          <Icon name={ok ? "seal" : "broken"} size={24} />
          {report.verdict}
        </p>
        <dl className="grid gap-x-4 gap-y-1.5 sm:grid-cols-[9rem_1fr]">
          <dt className="text-muted">Holds</dt>
          <dd>{count(report.traces)} traces, {count(report.records)} records{report.complete ? "; nothing between them is left out" : ""}</dd>
          <dt className="text-muted">Made</dt><dd>{report.created}</dd>
          <dt className="text-muted">Ledger</dt><dd className="num break-all">{report.log}, {count(report.tree_size)} leaves</dd>
          <dt className="text-muted">Key</dt><dd className="num break-all">{report.key}</dd>
          <dt className="text-muted">Witnesses</dt><dd>{report.witnesses.join(", ") || "none"}</dd>
          {report.stamps.length > 0 && <><dt className="text-muted">Dated</dt><dd>{report.stamps.map((it) => it.time).join(", ")}</dd></>}
        </dl>
        {report.erasures.length > 0 && (
          <ul className="space-y-1" data-testid="bundle-erasures">
            {report.erasures.slice(0, SHOWN).map((it) => (
              <li key={it.index} className="isolate-text">
                <span className="num">{count(it.records)}</span> records erased {it.at}{it.by ? ` by ${it.by}` : ""}: {it.why} <span className="num text-muted">leaf {count(it.index)}</span>
              </li>
            ))}
          </ul>
        )}
        {report.qualifiers.length > 0 && <ul className="space-y-1 text-muted">{report.qualifiers.map((it) => <li key={it}>{SAID[it] ?? it}</li>)}</ul>}
        {report.faults.length > 0 && (
          <ul className="space-y-1 rounded-md bg-error-soft p-3">
            {report.faults.slice(0, SHOWN).map((fault, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: faults are told once, in order
              <li key={i} className="isolate-text"><span className="num">{fault.code}</span> {fault.what}</li>
            ))}
            {report.faults.length > SHOWN && <li>and {count(report.faults.length - SHOWN)} more</li>}
          </ul>
        )}
        <Button small icon="copy" onClick={() => void navigator.clipboard?.writeText(JSON.stringify(report, null, 1))}>Copy the report</Button>
      </div>
    </Panel>
  );
}
