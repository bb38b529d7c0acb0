import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { Logo } from "../../shell/Logo";
import { useTitle } from "../../shell/Page";
import { Button, CopyButton } from "../../ui/controls";
import { Panel } from "../../ui/notes";
import { download } from "../explorer/fns/export";
import { SDKS, TEMPLATES, type Template } from "./templates";

/** How programs send here: settings, SDKs with their versions, templates to begin with. No account needed. */
export function QuickStartPage() {
  useTitle("Quick start");
  const [id, setId] = useState("openai");
  const shown = TEMPLATES.find((it) => it.id === id) ?? (TEMPLATES[0] as Template);
  const settings = `export EXHIBIT_URL=${location.origin}\nexport EXHIBIT_API_KEY=exk_…`;
  const otel = `export OTEL_EXPORTER_OTLP_ENDPOINT=${location.origin}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\nexport OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20exk_…`;
  return (
    <div className="mx-auto min-h-dvh max-w-4xl space-y-5 px-4 py-6 md:px-6">
      <header className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <Link to="/" aria-label="Exhibit, start"><Logo size={24} /></Link>
        <nav aria-label="Beside this" className="ml-auto flex gap-1 text-sm">
          <a href="/docs/" className="rounded-md px-3 py-1.5 text-muted hover:bg-hover">API reference</a>
          <a href="/profile" className="rounded-md px-3 py-1.5 text-muted hover:bg-hover">Your keys</a>
        </nav>
      </header>
      <main className="space-y-5">
        <div>
          <h1 className="text-2xl">Quick start</h1>
          <p className="mt-1 max-w-[72ch] text-muted">A key, two settings, and the program you have. What already speaks OpenTelemetry needs no package of ours.</p>
        </div>
        <Panel title="Whatever speaks OpenTelemetry"><Code label="OpenTelemetry settings" text={otel} /></Panel>
        <Panel title="SDKs">
          <div className="relative overflow-x-auto">
            <table className="w-full text-sm">
              <thead className="text-left text-xs text-muted"><tr>{["SDK", "Version", "Needs", "From a clone of the repository"].map((head) => <th key={head} className="px-4 py-1.5 font-normal">{head}</th>)}</tr></thead>
              <tbody>
                {SDKS.map((it) => (
                  <tr key={it.name} className="border-t align-top">
                    <td className="px-4 py-2 font-medium">{it.name}</td><td className="px-4 py-2 num" data-testid="sdk-version">{it.version}</td><td className="px-4 py-2 text-muted">{it.needs}</td>
                    <td className="px-4 py-1.5"><span className="flex items-start gap-1"><code className="num py-1 whitespace-pre">{it.install}</code><CopyButton text={it.install} label="" /></span></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <div className="border-t"><Code label="SDK settings" text={settings} /></div>
        </Panel>
        <Panel title="Starter templates">
          <div className="grid md:grid-cols-[14rem_1fr]">
            <ul className="border-b p-2 md:border-r md:border-b-0">
              {TEMPLATES.map((it) => (
                <li key={it.id}>
                  <button type="button" aria-pressed={it.id === id} onClick={() => setId(it.id)} className={`w-full rounded-md px-2 py-1.5 text-left text-sm ${it.id === id ? "bg-selected font-medium" : "text-muted hover:bg-hover hover:text-ink"}`}>{it.label}</button>
                </li>
              ))}
            </ul>
            <div className="min-w-0">
              <div className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 pt-3 text-sm">
                <p className="min-w-0 flex-1">{shown.what}</p>
                <Button small icon="download" onClick={() => download(shown.path.split("/").at(-1) ?? "template", "text/plain", shown.code)}>Download</Button>
              </div>
              <p className="px-4 num text-xs text-muted">{shown.path}</p>
              <Code label={`${shown.label} template`} text={shown.code} tall />
            </div>
          </div>
        </Panel>
      </main>
    </div>
  );
}

function Code({ label, text, tall = false }: { label: string; text: string; tall?: boolean }): ReactNode {
  return (
    <div className="relative">
      <div className="flex justify-end px-3 pt-2 sm:absolute sm:top-2 sm:right-3 sm:rounded sm:bg-surface sm:p-0"><CopyButton text={text} /></div>
      <pre tabIndex={0} role="region" aria-label={label} className={`overflow-auto p-4 pr-24 max-sm:pt-1 max-sm:pr-4 num text-[13px] leading-relaxed ${tall ? "max-h-[28rem]" : ""}`}>{text}</pre>
    </div>
  );
}
