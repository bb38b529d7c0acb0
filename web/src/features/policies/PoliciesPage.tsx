import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { analyticsQuery } from "../../api/queries";
import { Spark } from "../../charts/Spark";
import { useTitle } from "../../shell/Page";
import { Button, Field, Segments } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { count, duration, percent } from "../../ui/format";
import { Empty, ErrorNote, Skeleton } from "../../ui/notes";
import { usePane } from "../../ui/Splitter";
import { quoteIfNeeded } from "../explorer/fns/filter";
import { beside } from "../overview/fns/series";
import { SeverityMark } from "../reviews/marks";
import { precisionQuery } from "../reviews/queries";
import {
  fileQuery,
  filesQuery,
  type ListedDetector,
  type ListedPolicy,
  listingQuery,
  type RuleFile,
  type RuleFiles,
} from "./queries";
import { Simulate } from "./Simulate";
import { Source } from "./Source";
import type { Part, PoliciesSearch } from "./search";

const PART_LABEL: Record<Part, string> = { rules: "Rules", source: "Source", simulate: "Simulate" };
const START = (name: string) => `version: 1
policy: ${name}
owner:                       # who answers for it
mode: shadow                 # enforce | shadow (says what it would do) | off
rules:
  - id: first-rule
    title: What it is about, in a sentence
    severity: medium
    when: {finding: {category: pii}}
    then: [flag]
    tests:
      - given: {span: {input: "write to jo.doe@example.com"}}
        expect: [flag]
`;

/** Which rules hold, what they say, and what another text would change. */
export function PoliciesPage() {
  useTitle("Policies");
  const search = useSearch({ strict: false }) as PoliciesSearch;
  const navigate = useNavigate();
  const files = useQuery(filesQuery);
  const listing = useQuery(listingQuery);
  const [drafts, setDrafts] = useState<Readonly<Record<string, string>>>({});
  const [asking, setAsking] = useState(false);
  const pane = usePane("policies", "Width of the list of files", { width: 288, min: 200, max: 560, grows: "left" });
  const unsaved = Object.keys(drafts).length > 0;
  useEffect(() => {
    if (!unsaved) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [unsaved]);

  const chosen =
    search.file ??
    (search.policy ? listing.data?.policies.find((it) => it.name === search.policy)?.file : undefined);
  const go = (next: PoliciesSearch) => void navigate({ to: "/policies", search: next as never });
  const draft = (name: string, text: string | undefined) =>
    setDrafts(({ [name]: _, ...rest }) => (text === undefined ? rest : { ...rest, [name]: text }));
  if (files.error)
    return (
      <div className="p-6">
        <ErrorNote error={files.error} retry={() => void files.refetch()} />
      </div>
    );
  if (!files.data || listing.isPending) return <Skeleton rows={10} />;
  const fresh = Object.keys(drafts).filter((name) => !files.data.files.some((it) => it.name === name));
  return (
    <div className="flex h-full min-h-0 flex-col">
      <header className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b px-4 py-3 md:px-6">
        <h1>Policies</h1>
        <p className="text-sm text-muted">Every step passes these rules before anything is stored.</p>
        {files.data.may_write && (
          <Button small look="main" icon="plus" className="ml-auto" onClick={() => setAsking(true)}>
            New policy
          </Button>
        )}
      </header>
      {listing.data?.last_error && (
        <p
          role="alert"
          className="isolate-text border-b bg-error-soft px-4 py-2 text-sm whitespace-pre-wrap md:px-6"
        >
          The files on disk do not load, the rules before them stay in force: {listing.data.last_error}
        </p>
      )}
      {(listing.data?.warnings ?? []).map((warning) => (
        <p key={warning} role="status" className="isolate-text border-b bg-warn-soft px-4 py-2 text-sm md:px-6">
          {warning}
        </p>
      ))}
      {files.data.not_writable && (
        <p className="border-b bg-info-soft px-4 py-2 text-sm md:px-6">{files.data.not_writable}</p>
      )}
      <div style={pane.style} className="grid min-h-0 flex-1 grid-cols-[minmax(0,1fr)] lg:grid-cols-[var(--pane)_1px_minmax(0,1fr)]">
        <nav
          aria-label="Rule files"
          className={`min-h-0 overflow-auto bg-surface py-2 ${chosen ? "hidden lg:block" : ""}`}
        >
          {fresh.length > 0 && (
            <Group title="Not saved yet">
              {fresh.map((name) => (
                <FileLink key={name} name={name} here={name === chosen} unsaved />
              ))}
            </Group>
          )}
          <Files files={files.data} policies={listing.data?.policies ?? []} chosen={chosen} drafts={drafts} />
        </nav>
        {pane.bar}
        <div
          role="region"
          aria-label="Rule file"
          tabIndex={0}
          className={`min-h-0 min-w-0 overflow-auto ${chosen ? "" : "hidden lg:block"}`}
        >
          {chosen ? (
            <File
              key={chosen}
              name={chosen}
              file={files.data.files.find((it) => it.name === chosen)}
              mayWrite={files.data.may_write}
              part={search.part ?? (fresh.includes(chosen) ? "source" : undefined)}
              draft={drafts[chosen]}
              policy={listing.data?.policies.find((it) => it.file === chosen)}
              detectors={listing.data?.detectors.filter((it) => it.file === chosen) ?? []}
              onPart={(part) => go({ file: chosen, part })}
              onDraft={(text) => draft(chosen, text)}
              onBack={() => go({})}
            />
          ) : (
            <Empty icon="book" title="Choose a rule file">
              Policies say what is to follow; detectors find. What comes with Exhibit is in force until a file
              of your own takes its place, and packs wait to be switched on.
            </Empty>
          )}
        </div>
      </div>
      {asking && (
        <NewPolicy
          taken={(name) => files.data.files.some((it) => it.name === name)}
          onClose={() => setAsking(false)}
          onName={(name) => {
            const file = `policies/${name}.yaml`;
            draft(file, START(name));
            setAsking(false);
            go({ file, part: "source" });
          }}
        />
      )}
    </div>
  );
}

function Files({
  files,
  policies,
  chosen,
  drafts,
}: {
  files: RuleFiles;
  policies: ListedPolicy[];
  chosen?: string;
  drafts: Readonly<Record<string, string>>;
}) {
  const of = (fits: (it: RuleFile) => boolean) => files.files.filter(fits);
  const isPolicy = (it: RuleFile) => !it.name.startsWith("detectors/") && it.name.includes("/");
  const link = (it: RuleFile) => (
    <FileLink
      key={it.name}
      name={it.name}
      file={it}
      here={it.name === chosen}
      unsaved={drafts[it.name] !== undefined}
      mode={policies.find((p) => p.file === it.name)?.mode}
    />
  );
  return (
    <>
      <Group title="Policies in force">{of((it) => isPolicy(it) && it.in_force).map(link)}</Group>
      <Group title="Packs to switch on">{of((it) => it.origin === "pack").map(link)}</Group>
      <Group title="Prices and channels">{of((it) => !it.name.includes("/")).map(link)}</Group>
      <Group title="Detectors">{of((it) => it.name.startsWith("detectors/")).map(link)}</Group>
    </>
  );
}

function Group({ title, children }: { title: string; children: React.ReactNode[] }) {
  if (children.length === 0) return null;
  return (
    <section className="mb-3">
      <h2 className="px-4 py-1 text-xs text-muted">{title}</h2>
      <ul>{children}</ul>
    </section>
  );
}

const MODE: Record<string, [style: string, why: string]> = {
  enforce: ["bg-ok-soft text-ok", "It acts."],
  shadow: ["bg-info-soft text-info", "It says what it would do, and does nothing."],
  off: ["bg-hover text-muted", "It is not looked at."],
};

function ModeMark({ mode }: { mode: string }) {
  const [style, why] = MODE[mode] ?? ["bg-hover", mode];
  return (
    <span title={why} className={`rounded px-1.5 text-xs leading-5 ${style}`}>
      {mode}
    </span>
  );
}

function FileLink({
  name,
  file,
  here,
  unsaved,
  mode,
}: {
  name: string;
  file?: RuleFile;
  here: boolean;
  unsaved: boolean;
  mode?: string;
}) {
  const short = name.replace(/^(policies|detectors)\//, "").replace(/\.ya?ml$/, "");
  return (
    <li>
      <Link
        to="/policies"
        search={{ file: name } as never}
        aria-current={here ? "page" : undefined}
        className={`flex h-8 items-center gap-2 px-4 text-sm ${here ? "bg-selected font-medium" : "hover:bg-hover"}`}
      >
        <span className="min-w-0 truncate">{short}</span>
        {unsaved && <span className="text-xs text-warn">unsaved</span>}
        <span className="ml-auto flex items-center gap-1.5">
          {file?.origin === "own" && <span className="text-xs text-muted">own</span>}
          {mode && <ModeMark mode={mode} />}
        </span>
      </Link>
    </li>
  );
}

interface FileProps {
  name: string;
  file: RuleFile | undefined;
  mayWrite: boolean;
  part?: Part;
  draft: string | undefined;
  policy: ListedPolicy | undefined;
  detectors: ListedDetector[];
  onPart: (part: Part) => void;
  onDraft: (text: string | undefined) => void;
  onBack: () => void;
}

const FROM = {
  own: "Your own file",
  shipped: "Comes with Exhibit",
  pack: "A pack that comes with Exhibit, not in force",
};

function File({ name, file, mayWrite, part, draft, policy, detectors, onPart, onDraft, onBack }: FileProps) {
  const answer = useQuery({ ...fileQuery(name), enabled: file !== undefined });
  const held = answer.data?.text;
  const text = draft ?? held;
  const hasRules = policy !== undefined || detectors.length > 0;
  const parts: Part[] = [
    ...(hasRules ? ["rules" as const] : []),
    "source",
    ...(mayWrite && name.startsWith("policies/") ? ["simulate" as const] : []),
  ];
  const shown = part && parts.includes(part) ? part : (parts[0] ?? "source");
  return (
    <div className="space-y-4 p-4 md:px-6">
      <Button look="quiet" small className="-ml-2 lg:hidden" onClick={onBack}>
        ← All files
      </Button>
      <header className="space-y-1">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <h2 className="text-lg">{policy?.name ?? name}</h2>
          {policy && <ModeMark mode={policy.mode} />}
          <span className="num text-sm text-muted">{name}</span>
        </div>
        <p className="max-w-[72ch] text-sm text-muted">
          {file ? FROM[file.origin] : "A new file, not saved yet"}
          {policy?.owner && ` · answers for it: ${policy.owner}`}
          {policy?.description && ` · ${policy.description}`}
        </p>
      </header>
      {parts.length > 1 && (
        <Segments
          label="Part"
          value={shown}
          options={parts.map((value) => ({ value, label: PART_LABEL[value] }))}
          onChange={onPart}
        />
      )}
      {answer.error ? <ErrorNote error={answer.error} retry={() => void answer.refetch()} /> : null}
      {shown === "rules" && policy && <Rules policy={policy} />}
      {shown === "rules" && detectors.length > 0 && <Detectors detectors={detectors} />}
      {shown === "source" &&
        (text === undefined ? (
          <Skeleton rows={10} />
        ) : (
          <>
            {mayWrite && name.startsWith("policies/") && <ModeChoice text={text} onText={onDraft} />}
            <Source
              name={name}
              file={file}
              held={held ?? ""}
              text={text}
              mayWrite={mayWrite}
              onChange={(next) => onDraft(next === held ? undefined : next)}
              onSaved={() => {
                onDraft(undefined);
                onPart(name.startsWith("policies/") ? "rules" : "source");
              }}
            />
          </>
        ))}
      {shown === "simulate" && text !== undefined && (
        <Simulate name={name} text={text} shadow={/^mode:\s*shadow/m.test(text)} />
      )}
    </div>
  );
}

const MODES = ["enforce", "shadow", "off"] as const;

/** The policy's mode, changed in the text. */
function ModeChoice({ text, onText }: { text: string; onText: (text: string) => void }) {
  const line = /^mode:[ \t]*(\w+)/m;
  const mode = MODES.find((it) => it === line.exec(text)?.[1]) ?? "enforce";
  const set = (next: string) =>
    onText(
      line.test(text)
        ? text.replace(line, `mode: ${next}`)
        : text.replace(/^(policy:.*)$/m, `$1\nmode: ${next}`),
    );
  return (
    <div className="flex flex-wrap items-center gap-3 text-sm">
      <Segments
        label="Mode"
        value={mode}
        options={MODES.map((value) => ({ value, label: value }))}
        onChange={set}
      />
      <span className="text-muted">{MODE[mode]?.[1]}</span>
    </div>
  );
}

/** How far back it is shown when a rule spoke. */
const SPOKE_RANGE = "30d";
const SPOKE_RULES_MAX = 500;

function Rules({ policy }: { policy: ListedPolicy }) {
  const precision = useQuery(precisionQuery).data;
  const spoke = useQuery(analyticsQuery({ from: `-${SPOKE_RANGE}`, group_by: "rule", groups: SPOKE_RULES_MAX })).data;
  const starts = spoke?.series.map((step) => step.start) ?? [];
  return (
    <div role="region" aria-label="What it holds" tabIndex={0} className="relative overflow-x-auto rounded-md border bg-surface">
      <table className="w-full text-sm">
        <thead className="text-left text-xs text-muted">
          <tr>
            {["Rule", "Grave", "What follows", "Looks at", "Tests", "Spoke in 30 days", "Right, say reviewers"].map(
              (head) => (
                <th key={head} className="px-3 py-1.5 font-normal">
                  {head}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {policy.rules.map((rule) => {
            const told = precision?.find((it) => it.policy === policy.name && it.rule === rule.id);
            const name = `${policy.name}/${rule.id}`;
            const times = spoke?.groups.find((it) => it.value === name);
            return (
              <tr key={rule.id} className="border-t align-top">
                <td className="min-w-60 px-3 py-2">
                  <p>{rule.title}</p>
                  <p className="num text-xs text-muted">
                    {rule.id}
                    {rule.refs.length > 0 && ` · ${rule.refs.join(", ")}`}
                  </p>
                </td>
                <td className="px-3 py-2">
                  <SeverityMark severity={rule.severity} />
                </td>
                <td className="px-3 py-2">{rule.then.join(", ") || "–"}</td>
                <td className="px-3 py-2 text-muted">{rule.scope}</td>
                <td className="px-3 py-2 tnum">{rule.tests > 0 ? `${rule.tests} passed` : "none"}</td>
                <td className="px-3 py-2 whitespace-nowrap tnum">
                  {times ? (
                    <Link to="/traces" search={{ filter: `rule = ${quoteIfNeeded(name)}`, range: SPOKE_RANGE } as never} className="inline-flex items-center gap-2 hover:underline" title="Against these steps; shows their traces">
                      <Spark values={beside(starts, times.series, (step) => step.spans)} label={`When ${rule.id} spoke`} />
                      {count(times.spans)}
                    </Link>
                  ) : (
                    <span className="text-muted">{spoke ? "never" : "–"}</span>
                  )}
                </td>
                <td className="px-3 py-2 tnum">
                  {told?.precision != null ? (
                    <span
                      title={`${told.right} right, ${told.wrong} wrong; median time to a decision ${duration(told.median_decision_ms)}`}
                    >
                      {percent(told.precision * 100, 100)} of {told.right + told.wrong}
                    </span>
                  ) : (
                    "–"
                  )}
                  {told && told.waiting > 0 && (
                    <Link
                      to="/reviews"
                      search={{ rule: rule.id } as never}
                      className="ml-2 text-accent hover:underline"
                    >
                      {told.waiting} wait
                    </Link>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Detectors({ detectors }: { detectors: ListedDetector[] }) {
  return (
    <div role="region" aria-label="What it holds" tabIndex={0} className="relative overflow-x-auto rounded-md border bg-surface">
      <table className="w-full text-sm">
        <thead className="text-left text-xs text-muted">
          <tr>
            {["Finds", "As", "About", "Grave"].map((head) => (
              <th key={head} className="px-3 py-1.5 font-normal">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {detectors.map((it) => (
            <tr key={it.id} className="border-t">
              <td className="px-3 py-1.5">
                {it.title}
                <span className="ml-2 num text-xs text-muted">{it.id}</span>
              </td>
              <td className="px-3 num">{it.entity}</td>
              <td className="px-3 text-muted">{it.category}</td>
              <td className="px-3">
                <SeverityMark severity={it.severity} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function NewPolicy({
  taken,
  onClose,
  onName,
}: {
  taken: (file: string) => boolean;
  onClose: () => void;
  onName: (name: string) => void;
}) {
  const [error, setError] = useState<string>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    if (!/^[a-z0-9][a-z0-9-]{0,60}$/.test(name))
      setError("Use small letters, digits and dashes, such as customer-data.");
    else if (taken(`policies/${name}.yaml`)) setError("There is a file of this name; open it in the list.");
    else onName(name);
  };
  return (
    <Dialog title="New policy" onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        <Field
          label="Name"
          name="name"
          required
          placeholder="customer-data"
          hint="It becomes policies/<name>.yaml, and begins in shadow mode: it says what it would do, and does nothing."
        />
        {error && <ErrorNote error={new Error(error)} />}
        <Button type="submit" look="main">
          Write it
        </Button>
      </form>
    </Dialog>
  );
}
