import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api } from "../../api/client";
import { membersQuery, meQuery, pricingQuery, rulesQuery } from "../../api/queries";
import { Page } from "../../shell/Page";
import { Button } from "../../ui/controls";
import { count, ends } from "../../ui/format";
import { CostBadge } from "../../ui/marks";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { Keys } from "../accounts/ProfilePage";
import { Budgets } from "../overview/Budgets";
import { Channels } from "./Channels";
import { PriceDialog } from "./PriceDialog";
import { Environments, Projects } from "./Projects";
import { RepriceDialog } from "./RepriceDialog";

/** How this workspace is set up. */
export function SettingsPage() {
  const me = useQuery(meQuery).data;
  const admin = me?.scopes.includes("admin") ?? false;
  return (
    <Page title="Settings" narrow>
      {me && <Projects me={me} />}
      <Environments />
      <Pricing mayEdit={admin && me?.workspace === "default"} />
      <Rules />
      <Budgets most={50} />
      {admin && <Channels />}
      <Keys mayManage={admin} />
      {admin && <Members />}
    </Page>
  );
}

function Pricing({ mayEdit }: { mayEdit: boolean }) {
  const [open, setOpen] = useState<"add" | "again" | null>(null);
  const pricing = useQuery(pricingQuery);
  const [find, setFind] = useState("");
  const it = pricing.data;
  const models = it?.models.filter((m) => m.model.toLowerCase().includes(find.toLowerCase())) ?? [];
  return (
    <Panel title="Model pricing" aside={mayEdit && <span className="flex gap-2"><Button small onClick={() => setOpen("again")}>Price again…</Button><Button small look="main" icon="plus" onClick={() => setOpen("add")}>Add a price</Button></span>}>
      {pricing.error ? <div className="p-3"><ErrorNote error={pricing.error} /></div> : !it ? <Skeleton rows={5} /> : (
        <div className="space-y-4 p-4 text-sm">
          <ol className="space-y-2">
            <li><CostBadge source="agent" /> The client says what a call cost; that is taken as it is.</li>
            <li><CostBadge source="table" /> Tokens times a price: first <span className="num">{it.file}</span>, then the table <span className="num">{it.table.name} {it.table.version}</span> with {count(it.table.models)} models of {it.table.providers.length} providers.</li>
            <li><CostBadge source="default" /> {it.default ? <>A model without a price costs <span className="num">{Object.entries(it.default).map(([k, v]) => `${k} $${v}`).join(", ")}</span> per million tokens.</> : "No default rate is set: a model without a price stays unknown."}</li>
          </ol>
          <div>
            <div className="mb-2 flex flex-wrap items-center gap-2">
              <h3 className="text-sm font-semibold">Own prices</h3><span className="text-muted">{it.unit}</span>
              <input className="control ml-auto w-48" aria-label="Find a model" placeholder="Find a model" value={find} onChange={(event) => setFind(event.target.value)} />
            </div>
            <div role="region" aria-label="Own prices" tabIndex={0} className="relative overflow-x-auto rounded-md border">
              <table className="w-full text-sm">
                <thead className="text-left text-xs text-muted"><tr>{["Model", "Provider", "Rates", "From", "Until"].map((head) => <th key={head} className="px-3 py-1.5 font-normal">{head}</th>)}</tr></thead>
                <tbody>
                  {models.map((m) => (
                    <tr key={`${m.model}${m.from}`} className="border-t">
                      <td className="px-3 py-1.5 num">{m.model}{m.aliases.length > 0 && <span className="text-muted"> also {m.aliases.join(", ")}</span>}</td>
                      <td className="px-3 text-muted">{m.provider ?? "any"}</td>
                      <td className="px-3 num">{Object.entries(m.rates).map(([k, v]) => `${k} ${v}`).join(", ")}</td>
                      <td className="px-3 text-muted">{m.from ?? "always"}</td><td className="px-3 text-muted">{m.until ?? "–"}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </div>
          <p className="text-muted">Prices are kept in <span className="num">{it.file}</span> of the rules directory, so that a change is a change of a file that can be reviewed. It is read again when it changes; what was recorded keeps the price it had until it is priced again. <Link to="/policies" search={{ file: "pricing.yaml" } as never} className="text-accent underline underline-offset-2">Open the file</Link>. Fingerprint of the file: <span className="num">{ends(it.hash)}</span></p>
        </div>
      )}
      {open === "add" && <PriceDialog onClose={() => setOpen(null)} />}
      {open === "again" && <RepriceDialog onClose={() => setOpen(null)} />}
    </Panel>
  );
}

function Rules() {
  const rules = useQuery(rulesQuery);
  const it = rules.data;
  return (
    <Panel title="Rules in force" aside={it && <span className="flex gap-3 text-xs text-muted">{it.loaded} rules <Link to="/policies" className="text-accent hover:underline">Policies</Link></span>}>
      {rules.error ? <div className="p-3"><ErrorNote error={rules.error} /></div> : !it ? <Skeleton rows={4} /> : (
        <>
          {it.warnings.map((warning) => <p key={warning} role="status" className="isolate-text m-3 rounded-md bg-warn-soft p-3 text-sm">{warning}</p>)}
          {it.last_error && <p role="alert" className="isolate-text m-3 rounded-md bg-error-soft p-3 text-sm">The files on disk do not load, the rules before them stay in force: {it.last_error}</p>}
          <details>
            <summary className="px-4 py-2.5 text-sm text-muted">{it.files.length} files with their fingerprints</summary>
            <ul className="border-t text-sm">
              {it.files.map((file) => <li key={file.name} className="flex items-center gap-3 border-t px-4 py-1.5 first:border-t-0"><span className="num">{file.name}</span><span className="ml-auto num text-xs text-muted" title={file.sha256}>{ends(file.sha256)}</span></li>)}
            </ul>
          </details>
        </>
      )}
    </Panel>
  );
}

const ROLES = ["auditor", "reviewer", "member", "admin"];

function Members() {
  const members = useQuery(membersQuery);
  const queries = useQueryClient();
  const put = useMutation({
    mutationFn: (who: { email: string; role: string }) => api.put("/api/v1/members", who),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["members"] }),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    put.mutate({ email: String(form.get("email")), role: String(form.get("role")) });
  };
  return (
    <Panel title="Members">
      {members.error ? <div className="p-3"><ErrorNote error={members.error} /></div> : !members.data ? <Skeleton rows={3} /> : (
        <ul className="text-sm">
          {members.data.map((it) => <li key={it.user_id} className="flex items-center gap-3 border-b px-4 py-2"><span>{it.display_name ?? it.email}</span><span className="text-muted">{it.display_name ? it.email : ""}</span><span className="ml-auto">{it.role}</span></li>)}
        </ul>
      )}
      <form onSubmit={submit} className="flex flex-wrap items-end gap-2 p-4">
        <label className="min-w-0 flex-1"><span className="mb-1 block text-xs text-muted">E-mail of an account</span><input name="email" type="email" required className="control w-full" /></label>
        <label><span className="mb-1 block text-xs text-muted">Role</span><select name="role" className="control" defaultValue="member">{ROLES.map((role) => <option key={role}>{role}</option>)}</select></label>
        <Button type="submit" disabled={put.isPending}>Add, or change the role</Button>
      </form>
      {put.error && <div className="px-4 pb-4"><ErrorNote error={put.error} /></div>}
    </Panel>
  );
}
