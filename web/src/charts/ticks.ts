/** How times are written below a chart of a certain width. */

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });

const DAY_MS = 86_400_000;

/** Clock times for up to a day and a half, days for more than six, both between. */
export function stampFor(widthMs: number): (at: number) => string {
  if (widthMs <= 1.5 * DAY_MS) return (at) => clock.format(at);
  if (widthMs > 6 * DAY_MS) return (at) => day.format(at);
  return (at) => `${day.format(at)} ${clock.format(at)}`;
}
