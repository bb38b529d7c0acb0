/** A value as a tree that opens where it is clicked: what is folded does not exist in the page. */
import { useContext, useMemo, useState } from "react";
import { CopyButton, copyText } from "../../ui/controls";
import { Icon } from "../../ui/Icon";
import { holds } from "./fns/sought";
import { LongText, Marked } from "./LongText";
import { SoughtHere, useOpen } from "./useSought";

const PIECE = 100;
const OPEN_DEPTH = 3;

export function JsonTree({ value }: { value: unknown }) {
  if (value !== null && typeof value === "object") {
    return (
      <div className="num text-[13px]">
        <Members value={value} depth={0} path="" />
      </div>
    );
  }
  return <Leaf value={value} />;
}

function Members({ value, depth, path }: { value: object; depth: number; path: string }) {
  const [shown, setShown] = useState(PIECE);
  const isList = Array.isArray(value);
  const keys = isList ? null : Object.keys(value);
  const size = isList ? value.length : (keys?.length ?? 0);
  const sought = useContext(SoughtHere);
  const reach = useMemo(() => (sought === null || size <= PIECE ? 0 : Object.entries(value).findIndex(([key, member]) => holds({ [key]: member }, sought)) + 1), [value, size, sought]);
  if (size === 0) return <span className="text-muted">{isList ? "empty list" : "empty object"}</span>;
  const upTo = Math.min(size, Math.max(shown, reach));
  return (
    <ul className={depth > 0 ? "ml-1.5 border-l pl-3" : ""}>
      {Array.from({ length: upTo }, (_, i) => {
        const key = keys ? (keys[i] as string) : String(i);
        return <Member key={key} name={key} value={isList ? value[i] : (value as Record<string, unknown>)[key]} depth={depth} path={`${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`} />;
      })}
      {upTo < size && (
        <li>
          <button type="button" className="text-accent hover:underline" onClick={() => setShown(upTo + PIECE * 5)}>
            {size - upTo} more
          </button>
        </li>
      )}
    </ul>
  );
}

function Member({ name, value, depth, path }: { name: string; value: unknown; depth: number; path: string }) {
  const nested = value !== null && typeof value === "object";
  const size = nested ? (Array.isArray(value) ? value.length : Object.keys(value).length) : 0;
  const [open, setOpen] = useOpen(nested && depth < OPEN_DEPTH && size <= 20, value);
  if (!nested) {
    return (
      <li className="flex min-w-0 gap-2 py-px">
        <CopyPath name={name} path={path} />
        <div className="min-w-0 flex-1"><Leaf value={value} /></div>
      </li>
    );
  }
  return (
    <li className="py-px">
      <div className="group/member flex items-center gap-1">
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="-ml-4 flex min-w-0 items-center gap-1 rounded text-muted hover:text-ink">
          <Icon name="chevron" size={11} className={open ? "rotate-90" : ""} />
          <span className="truncate"><Marked text={name} name /></span>
          <span className="text-xs">{Array.isArray(value) ? `[${size}]` : `{${size}}`}</span>
        </button>
      </div>
      {open && <Members value={value} depth={depth + 1} path={path} />}
    </li>
  );
}

/** A name that copies its place as a JSON pointer (RFC 6901). */
function CopyPath({ name, path }: { name: string; path: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <button
      type="button"
      tabIndex={-1}
      title={`Copy the path ${path}`}
      className="max-w-[40%] shrink-0 self-start truncate text-left text-muted hover:text-ink"
      onClick={() => {
        void copyText(path);
        setCopied(true);
        setTimeout(() => setCopied(false), 1_200);
      }}
    >
      {copied ? "copied" : <Marked text={name} name />}
    </button>
  );
}

function Leaf({ value }: { value: unknown }) {
  if (typeof value === "string") return <LongText text={value} />;
  if (value === null || value === undefined) return <span className="text-muted">null</span>;
  return <span className="text-accent">{String(value)}</span>;
}

/** A value with its way out. */
export function Payload({ label, value }: { label: string; value: unknown }) {
  const [tree, setTree] = useOpen(true, value);
  const raw = !tree;
  if (value === null || value === undefined || (typeof value === "object" && Object.keys(value as object).length === 0)) return null;
  return (
    <section>
      <header className="mb-1 flex items-center gap-1">
        <h3 className="text-xs font-semibold text-muted">{label}</h3>
        <span className="flex-1" />
        {typeof value === "object" && (
          <button type="button" aria-pressed={raw} className="rounded px-1.5 text-xs text-muted hover:bg-hover" onClick={() => setTree(raw)}>
            {raw ? "Tree" : "JSON"}
          </button>
        )}
        <CopyButton small text={() => text(value)} label="" />
      </header>
      <div className="rounded-md bg-sunken p-3 text-sm">{raw ? <LongText mono text={text(value)} /> : <div className={typeof value === "object" ? "pl-3" : ""}><JsonTree value={value} /></div>}</div>
    </section>
  );
}

export const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
