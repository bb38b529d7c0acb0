/** Series of groups beside that of all. */

interface Step {
  start: string;
}

/** The values of a group at the steps of all: a group's series leaves out the steps in which it has nothing. */
export function beside<T extends Step>(starts: readonly string[], series: readonly T[], value: (step: T) => number): number[] {
  const at = new Map(series.map((step) => [Date.parse(step.start), value(step)]));
  return starts.map((start) => at.get(Date.parse(start)) ?? 0);
}
