/** What stands where content will be, is not, or could not be. */
import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import { Button } from "./controls";
import { Icon, type IconName } from "./Icon";

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="mx-auto flex max-w-md flex-col items-center gap-2 px-6 py-16 text-center">
      <span className="mb-1 inline-flex size-10 items-center justify-center rounded-full bg-sunken text-muted">
        <Icon name={icon} size={18} />
      </span>
      <h2 className="text-base">{title}</h2>
      <div className="text-sm text-muted">{children}</div>
    </div>
  );
}

/** What went wrong and what to do about it. */
export function ErrorNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const text = error instanceof Error ? error.message : "Something went wrong on this page.";
  const code = error instanceof ApiError && error.code !== "unknown" ? error.code : null;
  return (
    <div role="alert" className="flex items-start gap-3 rounded-md border border-error/40 bg-error-soft p-3 text-sm">
      <Icon name="failures" className="mt-0.5 text-error" />
      <div className="min-w-0 flex-1">
        <p className="isolate-text">{text}</p>
        {code && <p className="mt-0.5 num text-muted">{code}</p>}
      </div>
      {retry && (
        <Button small onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Rows of the final size while content loads. */
export function Skeleton({ rows = 6, height = 32 }: { rows?: number; height?: number }) {
  return (
    <div role="status" aria-label="Loading" className="space-y-px p-3">
      {Array.from({ length: rows }, (_, i) => i).map((i) => (
        <div key={i} style={{ height }} className="flex items-center">
          <div className="skeleton h-3.5" style={{ width: `${72 - ((i * 17) % 40)}%` }} />
        </div>
      ))}
    </div>
  );
}

export function Panel({
  title,
  aside,
  children,
  className = "",
}: {
  title?: ReactNode;
  aside?: ReactNode;
  children: ReactNode;
  className?: string;
}) {
  return (
    <section className={`min-w-0 rounded-md border bg-surface ${className}`}>
      {title && (
        <header className="flex min-h-10 flex-wrap items-center justify-between gap-x-2 gap-y-1 border-b px-3 py-1">
          <h2 className="min-w-0 truncate">{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}
