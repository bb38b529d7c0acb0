import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, workspace } from "../../api/client";
import { analyticsQuery } from "../../api/queries";
import type { Me, Place } from "../../api/types";
import { Button, CopyButton, Field } from "../../ui/controls";
import { count, money, percent } from "../../ui/format";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { quoteIfNeeded } from "../explorer/fns/filter";

/** Projects are workspaces: records, keys, members and the log of each are its own. Environments divide one. */
export function Projects({ me }: { me: Me }) {
  const enter = (id: string) => {
    workspace.set(id);
    location.assign("/settings");
  };
  return (
    <Panel title="Projects">
      <ul className="text-sm">
        {me.workspaces.map((it) => (
          <li key={it.id} className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b px-4 py-2">
            <span className="font-medium">{it.name}</span>
            <span className="inline-flex items-center num text-xs text-muted">{it.id}<CopyButton text={it.id} label="" /></span>
            <span className="ml-auto text-muted">{it.role}</span>
            {it.id === me.workspace ? <span className="w-20 text-right text-xs text-ok">you are here</span> : <span className="w-20 text-right"><Button small onClick={() => enter(it.id)} aria-label={`Enter ${it.name}`}>Enter</Button></span>}
          </li>
        ))}
        {me.workspaces.length === 0 && <li className="border-b px-4 py-2"><span className="num">{me.workspace}</span></li>}
      </ul>
      {me.workspaces.some((it) => it.role === "admin") && <NewProject onMade={enter} />}
      <p className="max-w-[80ch] p-4 text-sm text-muted">
        A project is a workspace: its records, keys, members, budgets and log are its own, and a key opens one of them. Every new account comes with a workspace; its admin adds members below. Programs name none: the key decides.
      </p>
    </Panel>
  );
}

function NewProject({ onMade }: { onMade: (id: string) => void }) {
  const make = useMutation({
    mutationFn: (name: string) => api.post<{ data: Place }>("/api/v1/workspaces", { name }),
    onSuccess: (made) => onMade(made.data.id),
  });
  return (
    <form className="flex flex-wrap items-end gap-2 border-b p-4" onSubmit={(event) => { event.preventDefault(); make.mutate(String(new FormData(event.currentTarget).get("name"))); }}>
      <Field label="New project" name="name" required maxLength={100} placeholder="Claims assistant" className="w-64" />
      <Button icon="plus" type="submit" disabled={make.isPending}>Make it</Button>
      {make.error && <ErrorNote error={make.error} />}
    </form>
  );
}

export function Environments() {
  const sums = useQuery(analyticsQuery({ from: "-90d", group_by: "environment", groups: 100 }));
  const groups = sums.data?.groups ?? [];
  const named = groups.filter((it) => it.value != null);
  return (
    <Panel title="Environments" aside={<span className="text-xs text-muted">seen in 90 days</span>}>
      {sums.error ? <div className="p-3"><ErrorNote error={sums.error} retry={() => void sums.refetch()} /></div> : !sums.data ? <Skeleton rows={3} /> : (
        <>
          {named.length > 0 && (
            <div className="relative overflow-x-auto">
              <table className="w-full text-sm">
                <thead className="text-xs text-muted"><tr>{["Environment", "Traces", "Steps", "Failed", "Cost"].map((head, i) => <th key={head} className={`py-1.5 font-normal ${i ? "px-2 text-right sm:px-4" : "pr-2 pl-4 text-left sm:pr-4"}`}>{head}</th>)}</tr></thead>
                <tbody>
                  {named.map((it) => (
                    <tr key={it.value} className="border-t">
                      <td className="max-w-64 truncate py-1.5 pr-2 pl-4 sm:pr-4"><Link to="/traces" search={{ filter: `environment = ${quoteIfNeeded(it.value ?? "")}`, range: "90d" } as never} className="font-medium hover:underline" dir="auto">{it.value}</Link></td>
                      <td className="px-2 text-right num sm:px-4">{count(it.traces)}</td><td className="px-2 text-right num sm:px-4">{count(it.spans)}</td>
                      <td className={`px-2 text-right num whitespace-nowrap sm:px-4 ${it.errors > 0 ? "text-error" : "text-muted"}`}>{it.errors > 0 ? percent(it.errors, it.spans) : "0"}</td>
                      <td className="px-2 text-right num sm:px-4">{money(it.cost_nano_usd)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          <p className={`max-w-[80ch] p-4 text-sm text-muted ${named.length > 0 ? "border-t" : ""}`}>
            {named.length === 0 && "No step has named one yet. "}
            An environment comes into being when a step names it: <code className="num">environment</code> in the native API, <code className="num">deployment.environment.name</code> in OpenTelemetry, <code className="num">EXHIBIT_ENVIRONMENT</code> for our SDKs. Steps count under the one they name themselves.
          </p>
        </>
      )}
    </Panel>
  );
}
