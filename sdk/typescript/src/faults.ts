// Where the SDK's own faults go: to the console, each kind at most once a minute, and nowhere else.

const said = new Map<string, number>();

/** Says it unless it was said within the last minute. */
export function warn(kind: string, message: string, error?: unknown): void {
  try {
    const now = Date.now();
    if (now - (said.get(kind) ?? 0) < 60_000) return;
    said.set(kind, now);
    if (error === undefined) console.warn(`exhibit: ${message}`);
    else console.warn(`exhibit: ${message}`, error);
  } catch {
    // A console that cannot be written to is not the application's trouble.
  }
}

/** Runs `work`; whatever it throws is said and goes no further. */
export function guarded(where: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    warn(where, `${where} failed; the application goes on`, error);
  }
}
