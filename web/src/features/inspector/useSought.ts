/** What the search has led to, for whatever shows it: to open, to mark, to be scrolled to. */
import { createContext, useContext, useMemo, useState } from "react";
import { holds, type Sought } from "./fns/sought";

export const SoughtHere = createContext<Sought | null>(null);

/** Whether something is open: as it is left, and opened when what is looked for is in it. */
export function useOpen(initial: boolean, value: unknown): [open: boolean, set: (open: boolean) => void] {
  const sought = useContext(SoughtHere);
  const inside = useMemo(() => sought !== null && holds(value, sought), [value, sought]);
  const [state, setState] = useState({ open: initial || inside, of: sought });
  if (state.of !== sought) setState({ open: state.open || inside, of: sought });
  return [state.open, (open) => setState({ open, of: sought })];
}
