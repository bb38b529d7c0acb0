/** The list behind a number. */
import { quoteIfNeeded } from "../../explorer/fns/filter";

/** From good to bad. A trace stands as its worst step does. */
const VERDICTS = ["pass", "warning", "fail", "review", "quarantined"];

/**
 * The filter that finds every trace of which a step counts under a value. What a step does not name, another step of
 * its trace may; only a user counts for the whole trace.
 */
export function behind(by: string, value: string | null | undefined): string {
  if (value == null) return by === "user" ? "not has(user)" : "";
  const worse = by === "verdict" ? VERDICTS.slice(VERDICTS.indexOf(value)) : [];
  if (worse.length === VERDICTS.length) return "";
  return worse.length > 1 ? `verdict in (${worse.join(", ")})` : `${by} = ${quoteIfNeeded(value)}`;
}
