import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { api } from "../../api/client";
import { live } from "../../api/live";
import { meQuery } from "../../api/queries";
import type { CreatedKey } from "../../api/types";
import { useTitle } from "../../shell/Page";
import { Button, CopyButton, Segments } from "../../ui/controls";
import { ErrorNote } from "../../ui/notes";
import { SecretBox } from "../accounts/KeyMaker";
import { snippets } from "./snippets";

const NO_KEY = "exk_…";

/** An empty workspace: how to send the first trace. It opens the moment it arrives. */
export function FirstRun() {
  useTitle("First trace");
  const navigate = useNavigate();
  const me = useQuery(meQuery).data;
  const [language, setLanguage] = useState("curl");
  const key = useMutation({
    mutationFn: () => api.post<CreatedKey>("/api/v1/keys", { name: "first trace", scopes: ["ingest", "read"] }),
  });

  useEffect(
    () =>
      live.listen((event) => {
        if (event.type !== "trace.created" && event.type !== "trace.updated") return;
        void navigate({ to: "/traces/$traceId", params: { traceId: event.trace.trace_id } });
      }),
    [navigate],
  );

  const all = snippets(location.origin, key.data?.key ?? NO_KEY);
  const shown = all.find((snippet) => snippet.id === language) ?? all[0];
  const mayMakeKeys = me?.scopes.includes("admin") ?? false;

  return (
    <div className="mx-auto max-w-3xl space-y-6 p-4 py-10 md:p-10">
      <header>
        <h1 className="text-2xl">Send your first trace</h1>
        <p className="mt-1 text-muted">Two steps. This page opens the trace the moment it arrives.</p>
      </header>
      <section className="space-y-3">
        <h2>1. A key</h2>
        {key.data ? (
          <SecretBox secret={key.data.key} />
        ) : mayMakeKeys ? (
          <Button look="main" icon="key" onClick={() => key.mutate()} disabled={key.isPending}>
            Create a key
          </Button>
        ) : (
          <p className="text-sm text-muted">Ask an admin of this workspace for a key with the scope “ingest”.</p>
        )}
        {key.error && <ErrorNote error={key.error} />}
      </section>
      <section className="space-y-3">
        <h2>2. A program that uses it</h2>
        <Segments
          label="Language"
          value={language}
          onChange={setLanguage}
          options={all.map((snippet) => ({ value: snippet.id, label: snippet.label }))}
        />
        <div className="relative rounded-md border bg-sunken">
          <div className="absolute top-1.5 right-1.5 rounded bg-sunken">
            <CopyButton text={shown?.code ?? ""} />
          </div>
          <pre tabIndex={0} role="region" aria-label={`${shown?.label} example`} className="overflow-x-auto p-4 pr-24 num leading-relaxed">{shown?.code}</pre>
        </div>
      </section>
      <p className="text-sm text-muted">With a framework? The <Link to="/quick-start" className="text-accent underline underline-offset-2">quick start</Link> has the SDKs and a template for each.</p>
      <p role="status" className="flex items-center gap-2.5 text-sm text-muted">
        <span className="pulse size-2 rounded-full bg-info" />
        Waiting for the first trace
      </p>
    </div>
  );
}
