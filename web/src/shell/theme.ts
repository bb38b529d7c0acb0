/** Light, dark, or as the system has it. */
import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const STORE = "exhibit.theme";
const watchers = new Set<() => void>();

export function theme(): Theme {
  const stored = localStorage.getItem(STORE);
  return stored === "light" || stored === "dark" ? stored : "system";
}

export function applyTheme(next: Theme = theme()) {
  if (next === "system") {
    localStorage.removeItem(STORE);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(STORE, next);
    document.documentElement.dataset.theme = next;
  }
  for (const watcher of watchers) watcher();
}

const system = matchMedia("(prefers-color-scheme: dark)");
system.addEventListener("change", () => watchers.forEach((watcher) => void watcher()));

export const isDark = () => (theme() === "system" ? system.matches : theme() === "dark");

/** Whether the page is dark right now; charts draw themselves anew when it changes. */
export function useDark(): boolean {
  return useSyncExternalStore((watcher) => {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }, isDark);
}
