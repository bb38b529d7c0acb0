/** The pages of the side bar. A new page is a line here and a route in `router.tsx`. */
import type { IconName } from "../ui/Icon";

export interface Destination {
  to: string;
  label: string;
  icon: IconName;
  group: "look" | "account for" | "run";
}

export const DESTINATIONS: Destination[] = [
  { to: "/", label: "Overview", icon: "overview", group: "look" },
  { to: "/traces", label: "Traces", icon: "traces", group: "look" },
  { to: "/sessions", label: "Sessions", icon: "sessions", group: "look" },
  { to: "/failures", label: "Failures", icon: "failures", group: "look" },
  { to: "/reviews", label: "Reviews", icon: "check", group: "look" },
  { to: "/costs", label: "Costs", icon: "cost", group: "account for" },
  { to: "/users", label: "Users", icon: "users", group: "account for" },
  { to: "/ledger", label: "Ledger", icon: "ledger", group: "account for" },
  { to: "/vault", label: "Vault", icon: "guardrail", group: "account for" },
  { to: "/policies", label: "Policies", icon: "book", group: "run" },
  { to: "/settings", label: "Settings", icon: "settings", group: "run" },
];
