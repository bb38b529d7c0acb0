import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useRef, useState } from "react";
import { analyticsQuery } from "../../api/queries";
import { Button, Field } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { count, money } from "../../ui/format";
import { ErrorNote, Skeleton } from "../../ui/notes";
import { fileQuery, filesQuery, useSave } from "../policies/queries";
import { costAt, fits, type NewPrice, withPrice } from "./fns/prices";

const FILE = "pricing.yaml";
const TAKEN = "This model has an entry already, or the file is written in another way. Change it in the file itself.";

/** A price of one's own, with what it would have made of the last thirty days. */
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
        <Preview price={price} />
        {error && <div className="space-y-1"><ErrorNote error={error} /><Link to="/policies" search={{ file: FILE, part: "source" } as never} className="text-sm text-accent underline">Open {FILE}</Link></div>}
        {save.error ? <ErrorNote error={save.error} /> : null}
        <div className="flex items-center gap-3"><Button type="submit" look="main" disabled={save.isPending || !files.data.may_write}>{save.isPending ? "Saving…" : "Add it"}</Button><span className="text-sm text-muted">It holds for what is recorded from then on.</span></div>
      </form>
    </Dialog>
  );
}

function Preview({ price }: { price: NewPrice }) {
  const models = useQuery(analyticsQuery({ from: "-30d", group_by: "model", groups: 100 })).data;
  const ready = price.model !== "" && [price.input, price.output].every((it) => it !== "" && Number.isFinite(Number(it)));
  const hit = ready ? (models?.groups ?? []).filter((it) => it.value && fits(price.model, it.value)) : [];
  if (!ready) return <p className="text-sm text-muted">Model and rates give a preview of the last 30 days.</p>;
  if (hit.length === 0) return <p className="text-sm text-muted">No call of the last 30 days was made to such a model.</p>;
  return (
    <table className="w-full rounded-md border text-sm">
      <caption className="mb-1 text-left text-xs text-muted">The last 30 days, about: all input at the input's rate, whatever was cached</caption>
      <thead className="text-left text-xs text-muted"><tr>{["Model", "Tokens", "Recorded", "At this price"].map((head) => <th key={head} className="px-2 py-1 font-normal">{head}</th>)}</tr></thead>
      <tbody>{hit.slice(0, 8).map((it) => <tr key={it.value} className="border-t"><td className="px-2 py-1 num">{it.value}</td><td className="px-2 tnum">{count(it.tokens_total)}</td><td className="px-2 tnum">{money(it.cost_nano_usd)}</td><td className="px-2 tnum">≈ {money(costAt(it, price))}</td></tr>)}</tbody>
    </table>
  );
}
