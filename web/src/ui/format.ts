/** Numbers, times and amounts as people read them. */

const plain = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (n: number) => plain.format(n);
export const short = (n: number) => (Math.abs(n) < 10_000 ? plain.format(n) : compact.format(n));

/** `420 ms`, `1.28 s`, `4 min 05 s`, `2 h 10 min`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  if (ms < 1) return ms === 0 ? "0 ms" : `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** US dollars from billionths, exact where it matters: small amounts keep their digits. */
export function money(nanoUsd: string | number | null | undefined): string {
  if (nanoUsd === null || nanoUsd === undefined) return "–";
  const usd = Number(nanoUsd) / 1e9;
  if (usd === 0) return "$0";
  const size = Math.abs(usd);
  if (size >= 100) return `$${plain.format(Math.round(usd))}`;
  if (size >= 1) return `$${usd.toFixed(2)}`;
  if (size >= 0.01) return `$${usd.toFixed(3)}`;
  return `$${Number(usd.toPrecision(2)).toFixed(Math.min(9, 1 - Math.floor(Math.log10(size))))}`;
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return "0 %";
  const share = (part / whole) * 100;
  return `${share === 0 || share >= 10 ? share.toFixed(0) : share.toFixed(share < 0.1 ? 2 : 1)} %`;
}

export function bytes(n: number): string {
  if (n < 1_024) return `${n} B`;
  return n < 1_048_576 ? `${(n / 1_024).toFixed(1)} KiB` : `${(n / 1_048_576).toFixed(1)} MiB`;
}

const stamp = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "medium",
});
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The exact stamp in the viewer's zone. */
export function exact(time: string): string {
  const date = new Date(time);
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${stamp.format(date)}.${ms} (${ZONE})`;
}

/** `just now`, `3 min ago`, `yesterday 14:02:11`, `12 Nov 14:02:11`. */
export function relative(time: string, now = Date.now()): string {
  const date = new Date(time);
  const seconds = Math.round((now - date.getTime()) / 1_000);
  if (seconds < -5) return `${day.format(date)} ${clock.format(date)}`;
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`;
  return `${day.format(date)} ${clock.format(date).slice(0, 5)}`;
}

/** A long id with its ends kept. */
export function ends(id: string, keep = 8): string {
  return id.length <= keep * 2 + 1 ? id : `${id.slice(0, keep)}…${id.slice(-keep)}`;
}
