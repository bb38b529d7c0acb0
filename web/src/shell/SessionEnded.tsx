import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../api/client";
import { session } from "../api/session";
import type { Me } from "../api/types";
import { Button, Field } from "../ui/controls";
import { Dialog } from "../ui/Dialog";
import { ErrorNote } from "../ui/notes";

/** In again without leaving the page: what was typed on it stays. */
export function SessionEnded({ me }: { me: Me }) {
  const queries = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const leave = () => location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      await api.post("/api/v1/auth/login", { email: String(form.get("email")).trim(), password: String(form.get("password")) });
      const now = await api.get<Me>("/api/v1/auth/me");
      // Somebody else's pages are read anew.
      if (now.user_id !== me.user_id) return location.assign("/");
      session.set(false);
      await queries.invalidateQueries();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title="Your session has ended" onClose={leave} width="24rem">
      {me.email ? (
        <form onSubmit={submit} className="space-y-4">
          <p className="text-sm text-muted">Log in again, and this page goes on where it is. What you typed on it stays.</p>
          <Field label="E-mail" name="email" type="email" required autoComplete="username" defaultValue={me.email} />
          <Field label="Password" name="password" type="password" required autoComplete="current-password" />
          {error ? <ErrorNote error={error} /> : null}
          <Button type="submit" look="main" disabled={busy} className="h-9 w-full">{busy ? "One moment…" : "Log in"}</Button>
        </form>
      ) : (
        <div className="space-y-4 text-sm">
          <p className="text-muted">The demo's sessions are short. It opens again from the start page.</p>
          <Button look="main" onClick={() => location.assign("/")}>To the start page</Button>
        </div>
      )}
    </Dialog>
  );
}
