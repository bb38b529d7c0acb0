import { type ReactNode, useEffect, useRef } from "react";
import { IconButton } from "./controls";

/** A modal dialog: the browser keeps the focus inside and closes it on Escape. */
export function Dialog({
  title,
  onClose,
  children,
  width = "32rem",
}: {
  title: string;
  onClose: () => void;
  children: ReactNode;
  width?: string;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog || dialog.open) return;
    dialog.showModal();
    // By itself the browser takes what comes first, which is the way out.
    dialog.querySelector<HTMLElement>("[data-content] :is(input:not([type=checkbox], [type=radio]), textarea, select):not(:disabled)")?.focus();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-label={title}
      onClose={onClose}
      onClick={(event) => event.target === ref.current && onClose()}
      onKeyDown={(event) => event.stopPropagation()}
      style={{ width: `min(${width}, calc(100vw - 2rem))` }}
      className="m-auto max-h-[85dvh] overflow-auto rounded-md border bg-surface p-0 text-ink shadow-2xl"
    >
      <header className="sticky top-0 flex items-center justify-between border-b bg-surface py-2 pr-2 pl-4">
        <h2 className="text-lg">{title}</h2>
        <IconButton icon="close" label="Close" onClick={onClose} />
      </header>
      <div data-content="" className="p-4">{children}</div>
    </dialog>
  );
}
