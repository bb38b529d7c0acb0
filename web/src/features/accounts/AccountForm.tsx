import { type FormEvent, type ReactNode, useState } from "react";
import { Logo } from "../../shell/Logo";
import { Button, Field } from "../../ui/controls";
import { ErrorNote } from "../../ui/notes";

export type Values = { email: string; password: string; display_name?: string };

interface Props {
  title: string;
  lead?: ReactNode;
  action: string;
  isNew: boolean;
  submit: (values: Values) => Promise<void>;
  foot?: ReactNode;
}

/** The form of log-in, registration and set-up. */
export function AccountForm({ title, lead, action, isNew, submit, foot }: Props) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  const send = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    setBusy(true);
    setError(null);
    try {
      const name = text("display_name");
      await submit({
        email: text("email"),
        password: String(form.get("password") ?? ""),
        ...(name ? { display_name: name } : {}),
      });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };

  return (
    <AccountFrame title={title} lead={lead} foot={foot}>
      <form onSubmit={send} className="space-y-4">
        <Field label="E-mail" name="email" type="email" required autoComplete="username" />
        {isNew && <Field label="Name to show" name="display_name" autoComplete="name" placeholder="Optional" />}
        <Field
          label="Password"
          name="password"
          type="password"
          required
          minLength={isNew ? 10 : undefined}
          autoComplete={isNew ? "new-password" : "current-password"}
          hint={isNew ? "At least 10 characters." : undefined}
        />
        {error ? <ErrorNote error={error} /> : null}
        <Button type="submit" look="main" disabled={busy} className="h-9 w-full">
          {busy ? "One moment…" : action}
        </Button>
      </form>
    </AccountFrame>
  );
}

export function AccountFrame({
  title,
  lead,
  foot,
  children,
}: {
  title: string;
  lead?: ReactNode;
  foot?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <main className="flex min-h-dvh flex-col items-center px-4 pt-[12dvh] pb-12">
      <a href="/" className="mb-8">
        <Logo size={26} />
      </a>
      <div className="w-full max-w-sm rounded-md border bg-surface p-6">
        <h1>{title}</h1>
        {lead && <p className="mt-1 text-sm text-muted">{lead}</p>}
        <div className="mt-5">{children}</div>
      </div>
      {foot && <p className="mt-4 text-sm text-muted">{foot}</p>}
    </main>
  );
}
