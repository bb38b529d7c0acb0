/** Buttons, fields, copies: the small things people press. */
import { type ButtonHTMLAttributes, type InputHTMLAttributes, type Ref, useEffect, useId, useRef, useState } from "react";
import { Icon, type IconName } from "./Icon";

const LOOK = {
  plain: "border border-strong bg-surface hover:bg-hover",
  main: "border border-transparent bg-accent text-on-accent font-medium hover:opacity-90",
  quiet: "border border-transparent hover:bg-hover text-muted hover:text-ink",
  danger: "border border-strong text-error hover:bg-error-soft",
};

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: keyof typeof LOOK;
  icon?: IconName;
  small?: boolean;
};

export function Button({ look = "plain", icon, small, className = "", children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={`inline-flex shrink-0 items-center justify-center gap-1.5 whitespace-nowrap rounded-md text-sm disabled:opacity-50 ${
        small ? "h-7 px-2" : "h-8 px-3"
      } ${LOOK[look]} ${className}`}
    >
      {icon && <Icon name={icon} size={14} />}
      {children}
    </button>
  );
}

type IconButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & { label: string; icon: IconName };

/** A button that is only an icon; its label is read out and shown on hover. */
export function IconButton({ label, icon, className = "", ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className={`inline-flex size-8 shrink-0 items-center justify-center rounded-md text-muted hover:bg-hover hover:text-ink disabled:opacity-40 ${className}`}
    >
      <Icon name={icon} />
    </button>
  );
}

type FieldProps = InputHTMLAttributes<HTMLInputElement> & { label: string; hint?: string; ref?: Ref<HTMLInputElement> };

export function Field({ label, hint, className = "", ...rest }: FieldProps) {
  const id = useId();
  return (
    <label className={`block ${className}`} htmlFor={id}>
      <span className="mb-1 block text-sm font-medium">{label}</span>
      <input id={id} aria-describedby={hint ? `${id}-hint` : undefined} {...rest} className="control h-9 w-full" />
      {hint && (
        <span id={`${id}-hint`} className="mt-1 block text-xs text-muted">
          {hint}
        </span>
      )}
    </label>
  );
}

/** Copies a text, and says that it did. */
export function CopyButton({ text, label = "Copy", small = true }: { text: string | (() => string); label?: string; small?: boolean }) {
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    await copyText(typeof text === "string" ? text : text());
    setCopied(true);
    timer.current = setTimeout(() => setCopied(false), 1_500);
  };
  return (
    <Button look="quiet" small={small} icon={copied ? "check" : "copy"} onClick={copy} title={label ? undefined : "Copy"}>
      {!label && <span className="sr-only">Copy</span>}
      <span aria-live="polite" className={label ? "" : "contents"}>{copied ? "Copied" : label}</span>
    </Button>
  );
}

/** Over plain HTTP browsers have no clipboard API; the old way still works there. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
}

/** One of a few, all in sight. */
export function Segments<T extends string>({ label, value, options, onChange }: SegmentsProps<T>) {
  return (
    <fieldset className="inline-flex rounded-md border border-strong bg-surface p-0.5" aria-label={label}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
          className={`h-6.5 whitespace-nowrap rounded px-2 text-xs ${
            option.value === value ? "bg-selected font-medium text-ink" : "text-muted hover:text-ink"
          }`}
        >
          {option.label}
        </button>
      ))}
    </fieldset>
  );
}
