import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { Suspense, useState, useSyncExternalStore } from "react";
import { workspace } from "../api/client";
import { live } from "../api/live";
import { healthQuery } from "../api/queries";
import { session } from "../api/session";
import type { Me } from "../api/types";
import { waitingQuery } from "../features/reviews/queries";
import { IconButton } from "../ui/controls";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { Skeleton } from "../ui/notes";
import { CHEATS, useKeys } from "./keys";
import { Logo } from "./Logo";
import { DESTINATIONS } from "./navigation";
import { Palette } from "./Palette";
import { SessionEnded } from "./SessionEnded";
import { applyTheme, useDark } from "./theme";

/** The frame of every page behind the log-in: side bar, top bar on small screens, overlays. */
export function Shell({ me }: { me: Me }) {
  const [open, setOpen] = useState<"palette" | "cheats" | null>(null);
  const [menu, setMenu] = useState(false);
  const ended = useSyncExternalStore(session.watch, () => session.ended);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useKeys({
    "mod+k": () => setOpen("palette"),
    "?": () => setOpen("cheats"),
  });
  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-surface focus:p-2">
        Skip to content
      </a>
      <div className="flex h-12 shrink-0 items-center gap-2 border-b bg-surface px-3 md:hidden">
        <IconButton icon="menu" label="Menu" aria-expanded={menu} onClick={() => setMenu(!menu)} />
        <Logo />
        <span className="flex-1" />
        <IconButton icon="search" label="Go to" onClick={() => setOpen("palette")} />
      </div>
      <aside
        className={`${menu ? "flex" : "hidden"} max-h-[70dvh] w-full shrink-0 flex-col overflow-auto border-b bg-surface md:flex md:max-h-none md:w-52 md:border-r md:border-b-0`}
      >
        <div className="hidden h-13 items-center px-4 md:flex">
          <Logo />
        </div>
        <Workspace me={me} />
        <nav aria-label="Main" className="flex-1 space-y-4 px-2 py-2">
          {(["look", "account for", "run"] as const).map((group) => (
            <ul key={group} className="space-y-px">
              {DESTINATIONS.filter((d) => d.group === group).map((d) => {
                const here = d.to === "/" ? path === "/" : path.startsWith(d.to);
                return (
                  <li key={d.to}>
                    <Link
                      to={d.to}
                      onClick={() => setMenu(false)}
                      aria-current={here ? "page" : undefined}
                      className={`flex h-8 items-center gap-2.5 rounded-md px-2 text-sm ${
                        here ? "bg-selected font-medium" : "text-muted hover:bg-hover hover:text-ink"
                      }`}
                    >
                      <Icon name={d.icon} className={here ? "text-accent" : ""} />
                      {d.label}
                      {d.to === "/reviews" && me.scopes.includes("read") && <WaitingCount />}
                    </Link>
                  </li>
                );
              })}
              {group === "account for" && (
                <li>
                  <Link to="/verify" className="flex h-8 items-center gap-2.5 rounded-md px-2 text-sm text-muted hover:bg-hover hover:text-ink">
                    <Icon name="seal" />
                    Verify a bundle
                  </Link>
                </li>
              )}
              {group === "run" && (
                <li>
                  <Link to="/quick-start" className="flex h-8 items-center gap-2.5 rounded-md px-2 text-sm text-muted hover:bg-hover hover:text-ink">
                    <Icon name="play" />
                    Quick start
                  </Link>
                </li>
              )}
              {group === "run" && (
                <li>
                  <a href="/docs/" className="flex h-8 items-center gap-2.5 rounded-md px-2 text-sm text-muted hover:bg-hover hover:text-ink">
                    <Icon name="book" />
                    API reference
                  </a>
                </li>
              )}
            </ul>
          ))}
        </nav>
        <Foot me={me} onPalette={() => setOpen("palette")} />
      </aside>
      <main id="main" tabIndex={-1} className="flex min-h-0 min-w-0 flex-1 flex-col outline-none">
        {me.workspace === "demo" && (
          <p className="flex flex-wrap items-center gap-x-3 border-b bg-info-soft px-4 py-1.5 text-sm">
            The demo: recorded runs to look at. Nothing here can be changed.
            <Link to="/register" className="text-accent underline underline-offset-2">Create an account</Link>
          </p>
        )}
        {/* In the order of focus, so that a page without a link or button scrolls by keyboard too. */}
        <div role="region" aria-label="Page" tabIndex={0} className="min-h-0 flex-1 overflow-auto">
          <Suspense fallback={<Skeleton rows={8} />}>
            <Outlet />
          </Suspense>
        </div>
      </main>
      {open === "palette" && <Palette onClose={() => setOpen(null)} onCheats={() => setOpen("cheats")} />}
      {ended && <SessionEnded me={me} />}
      {open === "cheats" && <Cheats onClose={() => setOpen(null)} />}
    </div>
  );
}

/** How many reviews wait for somebody. */
function WaitingCount() {
  const waiting = useQuery({ ...waitingQuery, retry: false }).data;
  if (!waiting || waiting === "0") return null;
  return <span className="ml-auto rounded-full bg-info-soft px-1.5 text-xs text-info tnum">{waiting}<span className="sr-only"> waiting</span></span>;
}

function Workspace({ me }: { me: Me }) {
  if (me.workspaces.length === 0) return null;
  return (
    <div className="px-2 pt-2 md:pt-0">
      <label>
        <span className="sr-only">Workspace</span>
        <select
          className="control w-full font-medium"
          value={me.workspace}
          onChange={(event) => {
            workspace.set(event.target.value);
            location.assign("/");
          }}
        >
          {me.workspaces.map((place) => (
            <option key={place.id} value={place.id}>
              {place.name}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

function Foot({ me, onPalette }: { me: Me; onPalette: () => void }) {
  const dark = useDark();
  const health = useQuery(healthQuery);
  const state = useSyncExternalStore(live.watchState, () => live.state);
  return (
    <div className="border-t p-2">
      <button
        type="button"
        onClick={onPalette}
        className="mb-1 hidden h-8 w-full items-center gap-2.5 rounded-md px-2 text-sm text-muted hover:bg-hover hover:text-ink md:flex"
      >
        <Icon name="search" />
        Go to
        <kbd className="ml-auto rounded border px-1 font-sans text-xs">Ctrl K</kbd>
      </button>
      <div className="flex items-center gap-1">
        <Link
          to="/profile"
          className="flex h-8 min-w-0 flex-1 items-center gap-2.5 rounded-md px-2 text-sm text-muted hover:bg-hover hover:text-ink"
        >
          <Icon name="user" />
          <span className="truncate">{me.display_name || me.email || "This machine"}</span>
        </Link>
        <IconButton
          icon={dark ? "sun" : "moon"}
          label={dark ? "Light colours" : "Dark colours"}
          onClick={() => applyTheme(dark ? "light" : "dark")}
        />
      </div>
      <p className="px-2 pt-1 text-xs text-muted">
        {state === "lost" ? <span className="text-warn">Live connection lost, trying again</span> : `Exhibit ${health.data?.version ?? ""}`}
      </p>
    </div>
  );
}

function Cheats({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose} width="60rem">
      <div className="grid gap-6 sm:grid-cols-2 lg:grid-cols-4">
        {CHEATS.map(({ where, keys }) => (
          <section key={where}>
            <h3 className="mb-2 text-sm font-semibold">{where}</h3>
            <dl className="space-y-1.5 text-sm">
              {keys.map(([key, what]) => (
                <div key={key} className="flex gap-2">
                  <dt className="w-14 shrink-0 num">{key}</dt>
                  <dd className="text-muted">{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
