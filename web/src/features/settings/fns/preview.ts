/** Sums of a preview of prices. Amounts are billionths of a dollar, as exact as the server has them. */

export interface ModelStep {
  provider: string | null;
  model: string | null;
  calls: number;
  changed: number;
  before_nano_usd: string;
  after_nano_usd: string;
  unknown_before: number;
  unknown_after: number;
}

export interface PreviewStep {
  traces: number;
  calls: number;
  models: ModelStep[];
  next_cursor: string | null;
}

export interface Change {
  provider: string | null;
  model: string | null;
  calls: number;
  changed: number;
  before: bigint;
  after: bigint;
  unknownBefore: number;
  unknownAfter: number;
}

const key = (it: { provider: string | null; model: string | null }) => `${it.provider ?? ""}\u0000${it.model ?? ""}`;

/** The sums with those of a further step; models whose amounts move most come first. */
export function add(sums: Change[], step: ModelStep[]): Change[] {
  const all = new Map(sums.map((it) => [key(it), it]));
  for (const it of step) {
    const held = all.get(key(it));
    all.set(key(it), {
      provider: it.provider,
      model: it.model,
      calls: (held?.calls ?? 0) + it.calls,
      changed: (held?.changed ?? 0) + it.changed,
      before: (held?.before ?? 0n) + BigInt(it.before_nano_usd),
      after: (held?.after ?? 0n) + BigInt(it.after_nano_usd),
      unknownBefore: (held?.unknownBefore ?? 0) + it.unknown_before,
      unknownAfter: (held?.unknownAfter ?? 0) + it.unknown_after,
    });
  }
  const moves = (it: Change) => (it.after > it.before ? it.after - it.before : it.before - it.after);
  return [...all.values()].sort((a, b) => (moves(a) === moves(b) ? b.changed - a.changed || b.calls - a.calls : moves(a) < moves(b) ? 1 : -1));
}
