import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, workspace } from "../../api/client";
import { keysQuery, meQuery } from "../../api/queries";
import type { Key } from "../../api/types";
import { Page } from "../../shell/Page";
import { Button } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { Empty, ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { Time } from "../../ui/Time";
import { KeyMaker } from "./KeyMaker";

/** Who I am here, and the keys of the workspace. */
export function ProfilePage() {
  const me = useQuery(meQuery).data;
  if (!me) return <Skeleton />;
  const place = me.workspaces.find((w) => w.id === me.workspace);
  const leave = async () => {
    await api.post("/api/v1/auth/logout");
    workspace.set(null);
    location.assign("/login");
  };
  return (
    <Page title="Profile" narrow actions={me.kind === "user" && <Button onClick={leave}>Log out</Button>}>
      <Panel>
        <dl className="grid gap-x-6 gap-y-3 p-4 text-sm sm:grid-cols-[8rem_1fr]">
          <dt className="text-muted">Name</dt>
          <dd>{me.display_name ?? "–"}</dd>
          <dt className="text-muted">E-mail</dt>
          <dd className="isolate-text">{me.email ?? "–"}</dd>
          <dt className="text-muted">Workspace</dt>
          <dd>
            {place?.name ?? me.workspace} <span className="num text-muted">{me.workspace}</span>
          </dd>
          <dt className="text-muted">Role</dt>
          <dd>{me.role ?? me.kind}</dd>
          <dt className="text-muted">May</dt>
          <dd className="num">{me.scopes.join(", ")}</dd>
        </dl>
      </Panel>
      <Keys mayManage={me.scopes.includes("admin")} />
    </Page>
  );
}

export function Keys({ mayManage }: { mayManage: boolean }) {
  const keys = useQuery({ ...keysQuery, enabled: mayManage });
  const [making, setMaking] = useState(false);
  return (
    <Panel
      title="API keys"
      aside={
        mayManage && (
          <Button small look="main" icon="plus" onClick={() => setMaking(true)}>
            New key
          </Button>
        )
      }
    >
      {!mayManage && (
        <p className="p-4 text-sm text-muted">Keys are made by an admin of this workspace. Ask one for a key.</p>
      )}
      {keys.error && (
        <div className="p-3">
          <ErrorNote error={keys.error} retry={keys.refetch} />
        </div>
      )}
      {mayManage && keys.isPending && <Skeleton rows={3} />}
      {keys.data?.length === 0 && (
        <Empty icon="key" title="No keys yet">
          A key lets a program send its traces to this workspace.
        </Empty>
      )}
      {keys.data && keys.data.length > 0 && (
        <div className="relative overflow-x-auto">
          <table className="w-full text-sm">
            <thead className="text-left text-xs text-muted">
              <tr>
                {["Name", "Key", "Scopes", "Last used", "Expires", ""].map((head) => (
                  <th key={head} className="px-3 py-2 font-normal">
                    {head || <span className="sr-only">Actions</span>}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {keys.data.map((key) => (
                <KeyRow key={key.id} it={key} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {making && (
        <Dialog title="New key" onClose={() => setMaking(false)}>
          <KeyMaker onDone={() => setMaking(false)} />
        </Dialog>
      )}
    </Panel>
  );
}

function KeyRow({ it }: { it: Key }) {
  const queries = useQueryClient();
  const [sure, setSure] = useState(false);
  const revoke = useMutation({
    mutationFn: () => api.delete(`/api/v1/keys/${encodeURIComponent(it.id)}`),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  const gone = it.status !== "active";
  return (
    <tr className={`border-t ${gone ? "text-muted" : ""}`}>
      <td className="max-w-48 truncate px-3 py-2" title={it.name}>
        {it.name}
      </td>
      <td className="px-3 py-2 num">{it.prefix}…</td>
      <td className="px-3 py-2 num">{it.scopes.join(", ")}</td>
      <td className="px-3 py-2">{it.last_used_at ? <Time at={it.last_used_at} /> : "never"}</td>
      <td className="px-3 py-2">{it.expires_at ? <Time at={it.expires_at} /> : "never"}</td>
      <td className="px-3 py-2 text-right">
        {gone ? (
          it.status
        ) : sure ? (
          <span className="inline-flex gap-1">
            <Button small look="danger" disabled={revoke.isPending} onClick={() => revoke.mutate()}>
              Revoke for good
            </Button>
            <Button small look="quiet" onClick={() => setSure(false)}>
              Keep
            </Button>
          </span>
        ) : (
          <Button small look="quiet" onClick={() => setSure(true)}>
            Revoke
          </Button>
        )}
        {revoke.error && <ErrorNote error={revoke.error} />}
      </td>
    </tr>
  );
}
