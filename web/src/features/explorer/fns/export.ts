/** Rows as files. */
import type { Trace } from "../../../api/types";

const HEAD = [
  "trace_id", "name", "status", "verdict", "agent_name", "session_id", "user_id", "environment", "start_time",
  "end_time", "duration_ms", "span_count", "error_count", "tokens_in", "tokens_out", "cost_nano_usd", "cost_source",
  "findings", "models", "agents", "users", "tags", "input_preview", "output_preview",
] as const satisfies readonly (keyof Trace)[];

/** RFC 4180. A cell that a spreadsheet would run as a formula gets an apostrophe before it. */
export function csv(traces: Trace[]): string {
  const cell = (value: unknown): string => {
    if (value === null || value === undefined) return "";
    let text = Array.isArray(value) ? value.join(" ") : String(value);
    if (typeof value !== "number" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[HEAD.join(","), ...traces.map((trace) => HEAD.map((key) => cell(trace[key])).join(","))].join("\r\n")}\r\n`;
}

export function download(name: string, type: string, content: BlobPart) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
