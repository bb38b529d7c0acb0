/** Keyboard commands of a page: one listener, not while somebody types. */
import { useEffect, useRef } from "react";

export type Keys = Record<string, (event: KeyboardEvent) => void>;

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Names are `event.key`, with `mod+` before it for Ctrl or Cmd. */
export function useKeys(keys: Keys, active = true) {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    if (!active) return;
    const hear = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey) return;
      const mod = event.ctrlKey || event.metaKey;
      // Inside an editor the target is its host; the path begins where somebody types.
      if (!mod && typing(event.composedPath()[0] ?? null)) return;
      const run = current.current[mod ? `mod+${event.key.toLowerCase()}` : event.key];
      if (!run) return;
      event.preventDefault();
      run(event);
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  }, [active]);
}

/** What the cheat-sheet lists. */
export const CHEATS: { where: string; keys: [string, string][] }[] = [
  {
    where: "Everywhere",
    keys: [
      ["Ctrl K", "go to a page, trace or action"],
      ["?", "this list"],
      ["Esc", "close what is open"],
    ],
  },
  {
    where: "Traces",
    keys: [
      ["/", "filter"],
      ["J  K", "next and previous trace"],
      ["Enter", "open the trace"],
      ["L", "live on and off"],
    ],
  },
  {
    where: "Reviews",
    keys: [
      ["J  K", "next and previous review"],
      ["A  R", "approve, reject"],
      ["1 … 5", "the reason, Ctrl Enter sends"],
      ["C  U", "claim, give back"],
      ["E  S", "escalate, assign"],
      ["M", "comment"],
      ["X", "choose several"],
      ["T", "open the trace"],
    ],
  },
  {
    where: "One trace",
    keys: [
      ["J  K", "next and previous span"],
      ["H  ←", "fold, or go to the parent"],
      ["→", "unfold"],
      ["[  ]", "fold all, unfold all"],
      ["W  S", "zoom in and out"],
      ["A  D", "move left and right"],
      ["F", "fit the span"],
      ["0", "the whole trace"],
      ["/", "search in the whole trace, Enter goes to the next place"],
      ["n  N", "next and previous place found"],
      ["1 … 9", "the views"],
    ],
  },
];
