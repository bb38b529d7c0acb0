import { type ReactNode, useEffect } from "react";

/** A page with a heading; the document takes its title. */
export function Page({
  title,
  lead,
  actions,
  narrow = false,
  children,
}: {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  narrow?: boolean;
  children: ReactNode;
}) {
  useTitle(title);
  return (
    <div className={`mx-auto space-y-4 p-4 md:px-6 md:py-5 ${narrow ? "max-w-4xl" : "max-w-[96rem]"}`}>
      <header className="flex min-h-8 flex-wrap items-center gap-x-4 gap-y-2">
        <h1>{title}</h1>
        {lead && <p className="text-sm text-muted">{lead}</p>}
        <div className="ml-auto flex flex-wrap items-center gap-2">{actions}</div>
      </header>
      {children}
    </div>
  );
}

export function useTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · Exhibit`;
  }, [title]);
}
