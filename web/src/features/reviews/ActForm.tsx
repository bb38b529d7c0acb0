import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { membersQuery } from "../../api/queries";
import { Button } from "../../ui/controls";
import { ErrorNote } from "../../ui/notes";
import { type Deed, HANDLING, REASONS } from "./fns/review";
import type { Action } from "./queries";

const TITLE: Record<string, string> = {
  approved: "Approve",
  rejected: "Reject",
  escalated: "Escalate",
  commented: "Comment",
  assigned: "Assign",
};

/** Reason, comment and the rest of an act. Digits choose the reason, Ctrl and Enter send, Esc gives up. */
export function ActForm({
  deed,
  many,
  quarantined,
  busy,
  error,
  onSend,
  onClose,
}: {
  deed: Deed;
  /** How many reviews it is for. */
  many: number;
  /** Whether something quarantined hangs on the decision. */
  quarantined: boolean;
  busy: boolean;
  error: unknown;
  onSend: (action: Action) => void;
  onClose: () => void;
}) {
  const id = useId();
  const form = useRef<HTMLFormElement>(null);
  const decides = deed === "approved" || deed === "rejected";
  const [reason, setReason] = useState<string>(deed === "approved" ? "false_positive" : "true_positive");
  const [handling, setHandling] = useState("");
  useEffect(() => {
    const first = form.current?.querySelector<HTMLElement>("input:checked, select, textarea");
    first?.focus();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const text = (name: string) =>
      String(new FormData(form.current as HTMLFormElement).get(name) ?? "").trim() || undefined;
    onSend({
      deed,
      comment: text("comment"),
      assignee: text("assignee"),
      ...(decides ? { reason, handling: handling || undefined } : {}),
    });
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.preventDefault();
      onClose();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.current?.requestSubmit();
    } else if (decides && !(event.target instanceof HTMLTextAreaElement) && /^[1-5]$/.test(event.key)) {
      event.preventDefault();
      setReason(REASONS[Number(event.key) - 1]?.[0] ?? reason);
    }
    event.stopPropagation();
  };
  const needsComment = deed === "commented" || (decides && reason === "other");
  return (
    <form
      ref={form}
      onSubmit={submit}
      onKeyDown={press}
      aria-label={TITLE[deed]}
      className="space-y-3 rounded-md border border-strong bg-surface p-3 text-sm"
    >
      {decides && (
        <fieldset className="space-y-1">
          <legend className="mb-1 font-medium">
            {TITLE[deed]}
            {many > 1 ? ` ${many} reviews` : ""}, because
          </legend>
          {REASONS.map(([value, label], i) => (
            <label key={value} className="flex items-center gap-2">
              <input
                type="radio"
                name="reason"
                value={value}
                checked={reason === value}
                onChange={() => setReason(value)}
              />
              <kbd className="rounded border px-1 font-sans text-xs text-muted">{i + 1}</kbd>
              {label}
            </label>
          ))}
        </fieldset>
      )}
      {decides && quarantined && (
        <label className="block" htmlFor={`${id}-h`}>
          <span className="mb-1 block font-medium">What becomes of what is quarantined</span>
          <select
            id={`${id}-h`}
            className="control w-full"
            value={handling}
            onChange={(event) => setHandling(event.target.value)}
          >
            {HANDLING[deed].map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
          {handling && (
            <span className="mt-1 block text-xs text-warn">
              This destroys what was there before; nobody can bring it back.
            </span>
          )}
        </label>
      )}
      {(deed === "assigned" || deed === "escalated") && <Assignee required={deed === "assigned"} />}
      <label className="block" htmlFor={`${id}-c`}>
        <span className="mb-1 block font-medium">
          Comment{needsComment ? "" : <span className="font-normal text-muted"> (if you like)</span>}
        </span>
        <textarea
          id={`${id}-c`}
          name="comment"
          rows={2}
          maxLength={4_000}
          required={needsComment}
          className="control h-auto w-full py-1.5"
        />
      </label>
      {error ? <ErrorNote error={error} /> : null}
      <div className="flex flex-wrap items-center gap-2">
        <Button
          type="submit"
          look={deed === "rejected" || handling === "erase" ? "danger" : "main"}
          disabled={busy}
        >
          {busy ? "Sending…" : TITLE[deed]}
        </Button>
        <Button look="quiet" onClick={onClose}>
          Cancel
        </Button>
        <span className="ml-auto hidden text-xs text-muted sm:inline">Ctrl Enter sends, Esc gives up</span>
      </div>
    </form>
  );
}

function Assignee({ required }: { required: boolean }) {
  const id = useId();
  const members = useQuery({ ...membersQuery, retry: false });
  return (
    <label className="block" htmlFor={id}>
      <span className="mb-1 block font-medium">
        To whom{required ? "" : <span className="font-normal text-muted"> (if you like)</span>}
      </span>
      {members.data ? (
        <select id={id} name="assignee" required={required} className="control w-full" defaultValue="">
          <option value="">{required ? "Choose somebody" : "Nobody in particular"}</option>
          {members.data
            .filter((it) => it.role === "admin" || it.role === "reviewer")
            .map((it) => (
              <option key={it.user_id} value={`user:${it.user_id}`}>
                {it.display_name ? `${it.display_name} (${it.email})` : it.email}
              </option>
            ))}
        </select>
      ) : (
        <input
          id={id}
          name="assignee"
          required={required}
          maxLength={200}
          className="control w-full"
          placeholder="A name or team"
        />
      )}
    </label>
  );
}
