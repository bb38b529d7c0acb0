// What can be wrong with a bundle, by name. The names are the same in all verifiers.

/** From best to worst. */
export const VERDICTS = [
  "valid", "erased-with-certificate", "unverifiable", "reordered", "truncated", "missing", "altered",
  "forked", "wrong-key", "bad-proof", "refused",
] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Where {
  file?: string;
  trace_id?: string;
  index?: number;
}

export class Fault extends Error {
  constructor(
    readonly verdict: Verdict,
    readonly code: string,
    readonly what: string,
    readonly where: Where = {},
  ) {
    super(what);
  }
}

export function refused(code: string, what: string, where: Where = {}): Fault {
  return new Fault("refused", code, what, where);
}

export function malformed(file: string, what: string): Fault {
  return refused("malformed-file", what, { file });
}

/** Faults that are kept of one run. */
export const FAULTS_MAX = 1_000;

/** Does some work and keeps the fault that it ends with, unless that is one to stop at. */
export async function gather(
  faults: Fault[],
  work: () => Promise<void>,
  stop: (fault: Fault) => boolean = () => false,
) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Fault) || stop(error)) throw error;
    if (faults.length < FAULTS_MAX) faults.push(error);
  }
}
