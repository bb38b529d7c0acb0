import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { Button, Field } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { ErrorNote, Skeleton } from "../../ui/notes";
import { fileQuery, filesQuery, useSave } from "../policies/queries";
import { type NewPrice, withPrice } from "./fns/prices";
import { PreviewTable } from "./PreviewTable";
import { usePreview } from "./usePreview";

const FILE = "pricing.yaml";
const TAKEN = "This model has an entry already, or the file is written in another way. Change it in the file itself.";

/** A price of one's own, with what it would make of what is recorded. */
export function PriceDialog({ onClose }: { onClose: () => void }) {
  const files = useQuery(filesQuery);
  const file = useQuery(fileQuery(FILE));
  const save = useSave();
  const form = useRef<HTMLFormElement>(null);
  const [price, setPrice] = useState<NewPrice>({ model: "", input: "", output: "" });
  const [error, setError] = useState<Error>();
  const read = (): NewPrice => {
    const data = new FormData(form.current as HTMLFormElement);
    const text = (name: string) => String(data.get(name) ?? "").trim();
    return { model: text("model"), input: text("input"), output: text("output"), provider: text("provider") || undefined, cache_read: text("cache_read") || undefined, from: text("from") || undefined, until: text("until") || undefined };
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const held = file.data;
    const text = held ? withPrice(held.text, read()) : null;
    if (!held || text === null) return setError(new Error(TAKEN));
    setError(undefined);
    save.mutate({ name: FILE, text, sha256: held.origin === "own" ? held.sha256 : undefined }, { onSuccess: onClose });
  };
  if (!files.data || !file.data) return <Dialog title="Add a price" onClose={onClose}>{file.error ? <ErrorNote error={file.error} /> : <Skeleton rows={5} />}</Dialog>;
  const rate = { inputMode: "decimal" as const, pattern: "[0-9]+(\\.[0-9]+)?", title: "A number such as 0.15" };
  return (
    <Dialog title="Add a price" onClose={onClose} width="36rem">
      <form ref={form} onSubmit={submit} onChange={() => setPrice(read())} className="space-y-4">
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Model" name="model" required placeholder="my-model or gpt-4o*" hint="A name, or a pattern with *" />
          <Field label="Provider" name="provider" placeholder="any" />
          <Field label="Input, USD per 1 M tokens" name="input" required {...rate} />
          <Field label="Output, USD per 1 M tokens" name="output" required {...rate} />
          <Field label="Cached input" name="cache_read" placeholder="as input" {...rate} />
          <span />
          <Field label="Holds from" name="from" type="date" hint="Always, when left empty" />
          <Field label="Until" name="until" type="date" />
        </div>
        <Preview text={file.data ? withPrice(file.data.text, price) : null} ready={price.model !== "" && [price.input, price.output].every((it) => it !== "" && Number.isFinite(Number(it)))} />
        {error && <div className="space-y-1"><ErrorNote error={error} /><Link to="/policies" search={{ file: FILE, part: "source" } as never} className="text-sm text-accent underline">Open {FILE}</Link></div>}
        {save.error ? <ErrorNote error={save.error} /> : null}
        <div className="flex items-center gap-3"><Button type="submit" look="main" disabled={save.isPending || !files.data.may_write}>{save.isPending ? "Saving…" : "Add it"}</Button><span className="text-sm text-muted">It holds for what is recorded from then on.</span></div>
      </form>
    </Dialog>
  );
}

/** What the price would make of every recorded call, as pricing again would do it. Nothing is written. */
function Preview({ text, ready }: { text: string | null; ready: boolean }) {
  const { preview, start, stop } = usePreview();
  // Another price makes what was found a thing of the past.
  // biome-ignore lint/correctness/useExhaustiveDependencies: stopped when the text changes
  useEffect(() => stop, [text, stop]);
  const [of, setOf] = useState<string | null>(null);
  if (!ready) return <p className="text-sm text-muted">Model and rates give a preview of what is recorded.</p>;
  return (
    <div className="space-y-2 rounded-md bg-sunken p-3">
      {of === text && preview.state !== "idle" ? <PreviewTable preview={preview} onStop={stop} /> : (
        <div className="flex flex-wrap items-center gap-3 text-sm">
          <Button small disabled={text === null} onClick={() => { setOf(text); void start(text ?? undefined); }}>What would change?</Button>
          <span className="text-muted">Prices every recorded call for trial, nothing is written.</span>
        </div>
      )}
    </div>
  );
}
