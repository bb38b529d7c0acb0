import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../../api/client";
import { Button } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { count } from "../../ui/format";
import { ErrorNote } from "../../ui/notes";

export interface RetentionRule {
  name: string;
  filter: string;
  keep_days: number | null;
}
export interface Preset {
  name: string;
  keep_days: number;
  duty: string;
}

interface Row extends RetentionRule {
  id: number;
}

let made = 0;

/** The rules in their order; the first that finds a trace decides. Saving takes nothing away by itself. */
export function RetentionEditor({ rules, presets, onClose, onSaved }: { rules: RetentionRule[]; presets: Preset[]; onClose: () => void; onSaved: () => void }) {
  const queries = useQueryClient();
  const [rows, setRows] = useState<Row[]>(() => rules.map((it) => ({ ...it, id: made++ })));
  const save = useMutation({
    mutationFn: () => api.put("/api/v1/retention/rules", rows.map(({ name, filter, keep_days }) => ({ name: name.trim(), filter: filter.trim(), keep_days }))),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["vault"] });
      onSaved();
    },
  });
  const change = (id: number, more: Partial<Row>) => setRows((all) => all.map((it) => (it.id === id ? { ...it, ...more } : it)));
  const move = (at: number, by: number) => setRows((all) => { const next = [...all]; const [it] = next.splice(at, 1); if (it) next.splice(at + by, 0, it); return next; });
  const add = (more: Partial<RetentionRule> = {}) => setRows((all) => [...all, { name: "", filter: "", keep_days: 180, ...more, id: made++ }]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <Dialog title="Retention rules" onClose={onClose} width="52rem">
      <form onSubmit={submit} className="space-y-4 text-sm">
        <p className="text-muted">The first rule that finds a trace decides how long it is kept after it was last added to; what none finds is kept. The change is entered into the log. Nothing goes before the next run.</p>
        {rows.length === 0 && <p>No rule: everything is kept.</p>}
        <ol className="space-y-3">
          {rows.map((it, at) => (
            <li key={it.id} className="grid items-end gap-2 rounded-md border p-3 sm:grid-cols-[1fr_1.4fr_8rem_auto]">
              <label><span className="mb-1 block text-xs text-muted">{at + 1}. Name</span><input required maxLength={200} className="control w-full" value={it.name} onChange={(event) => change(it.id, { name: event.target.value })} /></label>
              <label><span className="mb-1 block text-xs text-muted">Traces (empty: all)</span><input className="control num w-full" placeholder="environment = prod" value={it.filter} onChange={(event) => change(it.id, { filter: event.target.value })} /></label>
              <label><span className="mb-1 block text-xs text-muted">Days (empty: for ever)</span><input type="number" min={1} max={100_000} className="control w-full" value={it.keep_days ?? ""} onChange={(event) => change(it.id, { keep_days: event.target.value === "" ? null : Number(event.target.value) })} /></label>
              <span className="flex gap-1">
                <Button small disabled={at === 0} aria-label={`Move rule ${at + 1} up`} onClick={() => move(at, -1)}>↑</Button>
                <Button small disabled={at === rows.length - 1} aria-label={`Move rule ${at + 1} down`} onClick={() => move(at, 1)}>↓</Button>
                <Button small look="danger" aria-label={`Remove rule ${at + 1}`} onClick={() => setRows((all) => all.filter((other) => other.id !== it.id))}>Remove</Button>
              </span>
            </li>
          ))}
        </ol>
        <div className="flex flex-wrap gap-2">
          <Button small icon="plus" onClick={() => add()}>Add a rule</Button>
          <select aria-label="Add a preset" className="control h-7" value="" onChange={(event) => { const it = presets.find((preset) => preset.name === event.target.value); if (it) add({ name: it.name, keep_days: it.keep_days }); }}>
            <option value="">Add a preset…</option>
            {presets.map((it) => <option key={it.name} value={it.name} title={it.duty}>{it.name}, {count(it.keep_days)} days: {it.duty}</option>)}
          </select>
        </div>
        {save.error ? <ErrorNote error={save.error} /> : null}
        <Button type="submit" look="main" disabled={save.isPending}>{save.isPending ? "Saving…" : "Save the rules"}</Button>
      </form>
    </Dialog>
  );
}
