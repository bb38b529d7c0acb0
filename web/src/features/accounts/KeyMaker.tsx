import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../../api/client";
import type { CreatedKey } from "../../api/types";
import { Button, CopyButton, Field } from "../../ui/controls";
import { ErrorNote } from "../../ui/notes";

const SCOPES: [scope: string, may: string][] = [
  ["ingest", "write traces and read them back"],
  ["read", "read the workspace"],
  ["review", "act on reviews"],
  ["export", "export"],
  ["replay", "run traces again, which costs money"],
  ["admin", "keys and members"],
];

/** Makes a key; its secret is shown here once and nowhere again. */
export function KeyMaker({ onDone }: { onDone: () => void }) {
  const queries = useQueryClient();
  const create = useMutation({
    mutationFn: (wanted: { name: string; scopes: string[]; expires_in_days?: number; prefix?: string }) =>
      api.post<CreatedKey>("/api/v1/keys", wanted),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  const [scopes, setScopes] = useState(["ingest", "read"]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const days = Number(form.get("days"));
    create.mutate({
      name: String(form.get("name")).trim(),
      scopes,
      ...(days > 0 ? { expires_in_days: days } : {}),
      prefix: String(form.get("prefix")),
    });
  };

  if (create.data) {
    return (
      <div className="space-y-4">
        <SecretBox secret={create.data.key} />
        <Button look="main" onClick={onDone}>
          I have copied it
        </Button>
      </div>
    );
  }
  return (
    <form onSubmit={submit} className="space-y-4">
      <Field label="Name" name="name" required maxLength={100} placeholder="claims-reviewer, production" />
      <fieldset>
        <legend className="mb-1 text-sm font-medium">Scopes</legend>
        {SCOPES.map(([scope, may]) => (
          <label key={scope} className="flex h-7 items-center gap-2 text-sm">
            <input
              type="checkbox"
              checked={scopes.includes(scope)}
              onChange={(event) =>
                setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((s) => s !== scope))
              }
            />
            <span className="w-14 num">{scope}</span>
            <span className="text-muted">{may}</span>
          </label>
        ))}
      </fieldset>
      <label className="block">
        <span className="mb-1 block text-sm font-medium">Expires</span>
        <select name="days" className="control h-9" defaultValue="0">
          <option value="0">never</option>
          <option value="7">in 7 days</option>
          <option value="30">in 30 days</option>
          <option value="90">in 90 days</option>
          <option value="365">in a year</option>
        </select>
      </label>
      <label className="block">
        <span className="mb-1 block text-sm font-medium">Form</span>
        <select name="prefix" className="control h-9" defaultValue="exk_">
          <option value="exk_">exk_…</option>
          <option value="akt_">akt_…, for AITracer's clients</option>
          <option value="sk-at-">sk-at-…, for AuditTrail's clients</option>
        </select>
      </label>
      {create.error && <ErrorNote error={create.error} />}
      <Button type="submit" look="main" disabled={scopes.length === 0 || create.isPending}>
        Create key
      </Button>
    </form>
  );
}

/** The yellow box that a secret is shown in once. */
export function SecretBox({ secret }: { secret: string }) {
  return (
    <div data-testid="secret" className="rounded-md border border-warn/50 bg-warn-soft p-3">
      <p className="text-sm font-medium">Copy this key now. It is not shown again.</p>
      <div className="mt-2 flex items-center gap-2 rounded border border-warn/30 bg-surface py-1 pr-1 pl-2">
        <code className="min-w-0 flex-1 break-all num select-all">{secret}</code>
        <CopyButton text={secret} />
      </div>
    </div>
  );
}
