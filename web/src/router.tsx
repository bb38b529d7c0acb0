/** The addresses. What a page shows is in its address, so a link shows the same again. */
import { useQuery } from "@tanstack/react-query";
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Navigate,
  Outlet,
  parseSearchWith,
  redirect,
  stringifySearchWith,
  useRouterState,
} from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { meQuery } from "./api/queries";
import { session } from "./api/session";
import type { Me } from "./api/types";
import { LoginPage, RegisterPage, SetupPage } from "./features/accounts/EntryPages";
import { readCompareSearch } from "./features/compare/search";
import { readExplorerSearch } from "./features/explorer/fns/search";
import { readInspectorSearch } from "./features/inspector/fns/search";
import { readRangeSearch } from "./features/overview/fns/range";
import { readPoliciesSearch } from "./features/policies/search";
import { readReviewsSearch } from "./features/reviews/fns/review";
import { Shell } from "./shell/Shell";
import { Empty, ErrorNote } from "./ui/notes";

const root = createRootRoute({
  component: Outlet,
  notFoundComponent: () => (
    <Empty icon="search" title="There is nothing at this address">
      <a href="/" className="text-accent underline">
        To the overview
      </a>
    </Empty>
  ),
  errorComponent: ({ error, reset }) => (
    <div className="mx-auto max-w-xl p-8">
      <ErrorNote error={error} retry={reset} />
    </div>
  ),
});

const login = createRoute({ getParentRoute: () => root, path: "/login", component: LoginPage });
const register = createRoute({ getParentRoute: () => root, path: "/register", component: RegisterPage });
const setup = createRoute({ getParentRoute: () => root, path: "/setup", component: SetupPage });

/** Outside: an auditor needs no account. */
const verify = createRoute({
  getParentRoute: () => root,
  path: "/verify",
  component: lazyRouteComponent(() => import("./features/bundle/BundlePage"), "BundlePage"),
});

/** Outside as well: who integrates reads it before there is an account. */
const start = createRoute({
  getParentRoute: () => root,
  path: "/quick-start",
  component: lazyRouteComponent(() => import("./features/start/QuickStartPage"), "QuickStartPage"),
});

/** The landing page for visitors at `/`, the log-in for visitors elsewhere, the shell for users. */
function Entrance() {
  const me = useQuery(meQuery);
  // Whoever was in stays on the page when the session ends; the shell asks to log in again.
  const [known, setKnown] = useState<Me>();
  useEffect(() => {
    if (me.data) setKnown(me.data);
    else if (me.data === null && known) session.set(true);
  }, [me.data, known]);
  // The address that is shown, not one that is on its way: until that is there, this is drawn on.
  const location = useRouterState({ select: (state) => state.resolvedLocation ?? state.location });
  if (me.isPending) return null;
  if (me.error) {
    return (
      <div className="mx-auto max-w-xl p-8">
        <ErrorNote error={me.error} retry={me.refetch} />
      </div>
    );
  }
  if (me.data ?? known) return <Shell me={(me.data ?? known) as Me} />;
  if (location.pathname === "/") return <Landing />;
  return <Navigate to="/login" search={{ next: location.href } as never} replace />;
}
const Landing = lazyRouteComponent(() => import("./features/landing/LandingPage"), "LandingPage");

const inside = createRoute({ getParentRoute: () => root, id: "inside", component: Entrance });

const overview = createRoute({
  getParentRoute: () => inside,
  path: "/",
  validateSearch: readRangeSearch,
  component: lazyRouteComponent(() => import("./features/overview/OverviewPage"), "OverviewPage"),
});
const traces = createRoute({
  getParentRoute: () => inside,
  path: "/traces",
  validateSearch: readExplorerSearch,
  component: lazyRouteComponent(() => import("./features/explorer/ExplorerPage"), "ExplorerPage"),
});
const trace = createRoute({
  getParentRoute: () => inside,
  path: "/traces/$traceId",
  validateSearch: readInspectorSearch,
  component: lazyRouteComponent(() => import("./features/inspector/InspectorPage"), "InspectorPage"),
});
const sessions = createRoute({
  getParentRoute: () => inside,
  path: "/sessions",
  validateSearch: readRangeSearch,
  component: lazyRouteComponent(() => import("./features/sessions/SessionsPage"), "SessionsPage"),
});
const thread = createRoute({
  getParentRoute: () => inside,
  path: "/sessions/$sessionId",
  component: lazyRouteComponent(() => import("./features/sessions/ThreadPage"), "ThreadPage"),
});
const failures = createRoute({
  getParentRoute: () => inside,
  path: "/failures",
  validateSearch: readRangeSearch,
  component: lazyRouteComponent(() => import("./features/failures/FailuresPage"), "FailuresPage"),
});
const costs = createRoute({
  getParentRoute: () => inside,
  path: "/costs",
  validateSearch: readRangeSearch,
  component: lazyRouteComponent(() => import("./features/costs/CostsPage"), "CostsPage"),
});
const users = createRoute({
  getParentRoute: () => inside,
  path: "/users",
  validateSearch: readRangeSearch,
  component: lazyRouteComponent(() => import("./features/users/UsersPage"), "UsersPage"),
});
const ledger = createRoute({
  getParentRoute: () => inside,
  path: "/ledger",
  component: lazyRouteComponent(() => import("./features/ledger/LedgerPage"), "LedgerPage"),
});
const vault = createRoute({
  getParentRoute: () => inside,
  path: "/vault",
  component: lazyRouteComponent(() => import("./features/vault/VaultPage"), "VaultPage"),
});
const settings = createRoute({
  getParentRoute: () => inside,
  path: "/settings",
  component: lazyRouteComponent(() => import("./features/settings/SettingsPage"), "SettingsPage"),
});
const reviews = createRoute({
  getParentRoute: () => inside,
  path: "/reviews",
  validateSearch: readReviewsSearch,
  component: lazyRouteComponent(() => import("./features/reviews/ReviewsPage"), "ReviewsPage"),
});
const policies = createRoute({
  getParentRoute: () => inside,
  path: "/policies",
  validateSearch: readPoliciesSearch,
  component: lazyRouteComponent(() => import("./features/policies/PoliciesPage"), "PoliciesPage"),
});
const compare = createRoute({
  getParentRoute: () => inside,
  path: "/compare",
  validateSearch: readCompareSearch,
  component: lazyRouteComponent(() => import("./features/compare/ComparePage"), "ComparePage"),
});
const profile = createRoute({
  getParentRoute: () => inside,
  path: "/profile",
  component: lazyRouteComponent(() => import("./features/accounts/ProfilePage"), "ProfilePage"),
});
/** The address that the server's notices name. */
const keys = createRoute({
  getParentRoute: () => inside,
  path: "/keys",
  beforeLoad: () => {
    throw redirect({ to: "/profile" });
  },
});

/**
 * What stands in an address is text. Only what this page itself writes as JSON is read as such: an id that looks
 * like a number (`?span=4127e12`, sixteen digits) stays what it is.
 */
const readSearch = (text: string) => {
  if (/^(["[{]|(true|false|null)$)/.test(text)) return JSON.parse(text);
  throw new SyntaxError("text");
};

export const router = createRouter({
  // Within the frame: what breaks is one page.
  defaultErrorComponent: ({ error, reset }) => (
    <div className="mx-auto max-w-xl p-8">
      <ErrorNote error={error} retry={reset} />
    </div>
  ),
  parseSearch: parseSearchWith(readSearch),
  stringifySearch: stringifySearchWith(JSON.stringify, readSearch),
  routeTree: root.addChildren([
    login,
    register,
    setup,
    verify,
    start,
    inside.addChildren([overview, traces, trace, sessions, thread, failures, costs, users, ledger, vault, reviews, policies, settings, compare, profile, keys]),
  ]),
  defaultPreload: "intent",
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
