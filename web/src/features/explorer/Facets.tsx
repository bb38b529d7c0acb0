import { useQueries } from "@tanstack/react-query";
import { analyticsQuery } from "../../api/queries";
import type { Group } from "../../api/types";
import { short } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { hasTerm, quoteIfNeeded } from "./fns/filter";

const FACETS = [
  ["status", "Status"], ["verdict", "Verdict"], ["rule", "Rule"], ["category", "Finding"], ["agent", "Agent"], ["model", "Model"], ["kind", "Kind"],
  ["tool", "Tool"], ["user", "User"], ["environment", "Environment"], ["cost_source", "Source of cost"],
] as const;

/** The largest values of each facet in this time. */
export function useFacets(time: { from: string; to?: string }) {
  const answers = useQueries({
    queries: FACETS.map(([field]) => analyticsQuery({ from: time.from, ...(time.to ? { to: time.to } : {}), group_by: field, groups: 8 })),
  });
  return FACETS.map(([field, label], i) => ({
    field,
    label,
    groups: (answers[i]?.data?.groups ?? []).filter((group): group is Group & { value: string } => group.value != null && group.value !== ""),
  }));
}

export type Facet = ReturnType<typeof useFacets>[number];

interface Props {
  facets: Facet[];
  filter: string;
  onToggle: (field: string, value: string, exclude: boolean) => void;
}

export function Facets({ facets, filter, onToggle }: Props) {
  return (
    <aside aria-label="Facets" className="h-full overflow-auto px-3 pt-2 pb-6 text-sm">
      <p className="pb-1 text-xs text-muted">Steps in this time</p>
      {facets.map(({ field, label, groups }) =>
        groups.length === 0 ? null : (
          <details key={field} open={field !== "cost_source" && field !== "tool"} className="border-t py-1.5">
            <summary className="flex h-7 list-none items-center gap-1 text-xs font-semibold select-none [details[open]>&>svg]:rotate-90">
              <Icon name="chevron" size={12} className="text-muted" />
              {label}
            </summary>
            <ul>
              {groups.map((group) => {
                const on = hasTerm(filter, `${field} = ${quoteIfNeeded(group.value)}`);
                const off = hasTerm(filter, `${field} != ${quoteIfNeeded(group.value)}`);
                return (
                  <li key={group.value} className="group/facet flex items-center">
                    <button
                      type="button"
                      aria-pressed={on}
                      onClick={() => onToggle(field, group.value, false)}
                      title={`${field} = ${group.value}`}
                      className={`flex h-6.5 min-w-0 flex-1 items-center gap-2 rounded px-1.5 text-left hover:bg-hover ${on ? "bg-selected font-medium" : ""} ${off ? "text-muted line-through" : ""}`}
                    >
                      <span className="min-w-0 flex-1 truncate">{group.value}</span>
                      <span className="num text-xs text-muted">{short(group.spans)}</span>
                    </button>
                    <button
                      type="button"
                      aria-pressed={off}
                      aria-label={`Exclude ${group.value}`}
                      title={`Exclude ${group.value}`}
                      onClick={() => onToggle(field, group.value, true)}
                      className="size-6 shrink-0 rounded text-muted opacity-0 group-hover/facet:opacity-100 hover:bg-hover focus-visible:opacity-100"
                    >
                      ≠
                    </button>
                  </li>
                );
              })}
            </ul>
          </details>
        ),
      )}
    </aside>
  );
}
