import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { Button } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { ErrorNote, Skeleton } from "../../ui/notes";
import { checkQuery, type RuleFile, useSave } from "./queries";

const Editor = lazy(async () => ({ default: (await import("./Editor")).Editor }));

/** Typing pauses this long before a text is checked. */
const PAUSE_MS = 500;

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** The text of a rule file: checked while it is typed, saved only when all rules load with it. */
export function Source({
  name,
  file,
  held,
  text,
  mayWrite,
  height = "60dvh",
  onChange,
  onSaved,
}: {
  name: string;
  /** As it is on the server; none for a file that is new. */
  file: RuleFile | undefined;
  held: string;
  text: string;
  mayWrite: boolean;
  height?: string;
  onChange: (text: string | undefined) => void;
  onSaved: () => void;
}) {
  const settled = useSettled(text);
  const check = useQuery({ ...checkQuery(name, settled), enabled: mayWrite });
  const save = useSave();
  const [goTo, setGoTo] = useState<{ line: number }>();
  const [removing, setRemoving] = useState(false);
  const changed = text !== held;
  const isNew = file === undefined;
  const takesOver = file?.origin === "pack";
  const current = settled === text && !check.isFetching ? check.data : undefined;
  const problems = check.data?.problems ?? [];
  const marks = useMemo(
    () =>
      problems
        .filter((it) => it.file === name)
        .map((it) => ({ line: it.line, message: `${it.place ? `${it.place}: ` : ""}${it.message}` })),
    [problems, name],
  );
  const maySave = mayWrite && current?.ok === true && (changed || isNew || takesOver) && !save.isPending;
  const write = () => {
    if (maySave)
      save.mutate(
        { name, text, sha256: file?.origin === "own" ? file.sha256 : undefined },
        { onSuccess: onSaved },
      );
  };
  const tests = current?.policies.flatMap((it) => it.rules).reduce((sum, it) => sum + it.tests, 0) ?? 0;
  const rules = current?.policies.reduce((sum, it) => sum + it.rules.length, 0) ?? 0;
  return (
    <div className="space-y-3">
      <div className="flex flex-wrap items-center gap-2 text-sm">
        {mayWrite ? (
          <>
            <Button look="main" disabled={!maySave} onClick={write}>
              {save.isPending ? "Saving…" : takesOver ? "Switch it on" : "Save"}
            </Button>
            {changed && !isNew && (
              <Button look="quiet" onClick={() => onChange(undefined)}>
                Discard changes
              </Button>
            )}
            {file?.origin === "own" && (
              <Button look="danger" onClick={() => setRemoving(true)}>
                Remove
              </Button>
            )}
            <p role="status" className="flex items-center gap-1.5 text-muted">
              {current === undefined ? (
                "Checking…"
              ) : current.ok ? (
                <>
                  <Icon name="check" size={14} className="text-ok" />
                  It loads{rules > 0 && `: ${rules} rules`}
                  {tests > 0 && `, ${tests} tests passed`}
                  {current.detectors.length > 0 &&
                    `: ${current.detectors.length} detectors with their examples`}
                </>
              ) : (
                <span className="inline-flex items-center gap-1.5 text-error">
                  <Icon name="failures" size={14} />
                  {problems.length === 1 ? "One thing is" : `${problems.length} things are`} wrong; the rules
                  in force stay
                </span>
              )}
            </p>
          </>
        ) : (
          <p className="text-muted">
            Read only: the admins of the workspace “default” change rules, for the whole installation.
          </p>
        )}
      </div>
      {current && problems.length > 0 && (
        <ul
          className="divide-y rounded-md border border-error/40 bg-error-soft text-sm"
          aria-label="Problems"
        >
          {problems.map((it) => (
            <li key={`${it.file}${it.line}${it.place}${it.message}`}>
              <button
                type="button"
                disabled={it.file !== name || it.line === null}
                onClick={() => setGoTo({ line: it.line ?? 1 })}
                className="isolate-text w-full px-3 py-1.5 text-left enabled:hover:underline"
              >
                <span className="num">
                  {it.file}
                  {it.line !== null && `:${it.line}`}
                </span>{" "}
                {it.place && <span className="font-medium">{it.place}: </span>}
                {it.message}
              </button>
            </li>
          ))}
        </ul>
      )}
      {check.error ? <ErrorNote error={check.error} retry={() => void check.refetch()} /> : null}
      {save.error ? <ErrorNote error={save.error} /> : null}
      <div style={{ height }} className="overflow-hidden rounded-md border">
        <Suspense fallback={<Skeleton rows={12} />}>
          <Editor
            label={`Source of ${name}`}
            text={text}
            readOnly={!mayWrite}
            marks={marks}
            goTo={goTo}
            onChange={onChange}
            onSave={write}
          />
        </Suspense>
      </div>
      {removing && file && (
        <Dialog title={`Remove ${name}`} onClose={() => setRemoving(false)}>
          <div className="space-y-4 text-sm">
            <p>
              {file.shipped
                ? "The file goes; the one of this name that comes with Exhibit takes its place."
                : "The file goes, and its rules hold no more. What they said stays recorded."}
            </p>
            {save.error ? <ErrorNote error={save.error} /> : null}
            <Button
              look="danger"
              disabled={save.isPending}
              onClick={() =>
                save.mutate(
                  { name, text: null, sha256: file.sha256 },
                  {
                    onSuccess: () => {
                      setRemoving(false);
                      onSaved();
                    },
                  },
                )
              }
            >
              Remove it
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
