import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { IconButton } from "../../ui/controls";
import { Icon } from "../../ui/Icon";
import { complete } from "./fns/filter";

interface Props {
  value: string;
  error: string | null;
  known: Record<string, string[]>;
  onApply: (filter: string) => void;
}

/** The query box. What is typed stays here until Enter, so typing never waits for a list. */
export function FilterBox({ value, error, known, onApply }: Props) {
  const [text, setText] = useState(value);
  const [at, setAt] = useState(value.length);
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => setText(value), [value]);

  const offers = useMemo(() => (open ? complete(text, at, known) : []), [open, text, at, known]);

  const take = (index: number) => {
    const offer = offers[index];
    if (!offer) return;
    const next = text.slice(0, offer.from) + offer.text + text.slice(offer.to);
    const place = offer.from + offer.text.length;
    setText(next);
    setAt(place);
    setChosen(-1);
    requestAnimationFrame(() => input.current?.setSelectionRange(place, place));
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" && offers.length > 0) setChosen((chosen + 1) % offers.length);
    else if (event.key === "ArrowUp" && offers.length > 0) setChosen((chosen - 1 + offers.length) % offers.length);
    else if (event.key === "Tab" && !event.shiftKey && open && chosen >= 0) take(chosen);
    else if (event.key === "Enter" && chosen >= 0) take(chosen);
    else if (event.key === "Enter") {
      setOpen(false);
      onApply(text.trim());
    } else if (event.key === "Escape") {
      if (open && offers.length > 0) setOpen(false);
      else input.current?.blur();
    } else return;
    event.preventDefault();
  };

  return (
    <div className="relative min-w-0 flex-1">
      <div className={`flex h-9 items-center rounded-md border bg-surface focus-within:outline-2 focus-within:outline-accent ${error ? "border-error" : "border-strong"}`}>
        <Icon name="search" className="ml-2.5 text-muted" size={15} />
        <input
          ref={input}
          id="filter"
          role="combobox"
          aria-label="Filter"
          aria-expanded={open && offers.length > 0}
          aria-controls={id}
          aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
          aria-invalid={error !== null}
          aria-autocomplete="list"
          autoComplete="off"
          spellCheck={false}
          placeholder='status = error cost > 0.25 "connection reset"'
          className="h-full min-w-0 flex-1 bg-transparent px-2 num outline-none"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setAt(event.target.selectionStart ?? event.target.value.length);
            setOpen(true);
            setChosen(-1);
          }}
          onSelect={(event) => setAt(event.currentTarget.selectionStart ?? 0)}
          onFocus={() => setOpen(true)}
          onBlur={() => setTimeout(() => setOpen(false), 120)}
          onKeyDown={onKeyDown}
        />
        {text && (
          <IconButton
            icon="close"
            label="Clear the filter"
            onClick={() => {
              setText("");
              onApply("");
            }}
          />
        )}
        {!text && <kbd className="mr-2 rounded border px-1 font-sans text-xs text-muted">/</kbd>}
      </div>
      {open && offers.length > 0 && (
        <div id={id} role="listbox" aria-label="Completions" className="absolute top-full left-0 z-30 mt-1 w-80 max-w-full rounded-md border bg-surface p-1 shadow-xl">
          {offers.map((offer, i) => (
            <div
              key={offer.text}
              id={`${id}-${i}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === chosen}
              onPointerDown={(event) => {
                event.preventDefault();
                take(i);
              }}
              className={`flex h-7 cursor-pointer items-center gap-3 rounded px-2 text-sm hover:bg-hover ${i === chosen ? "bg-selected" : ""}`}
            >
              <span className="truncate num">{offer.text}</span>
              <span className="ml-auto truncate text-xs text-muted">{offer.hint}</span>
            </div>
          ))}
        </div>
      )}
      {error && (
        <p role="alert" className="mt-1 isolate-text text-sm text-error">
          {error}
        </p>
      )}
    </div>
  );
}
