import { useState } from "react";
import { Button, IconButton } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { COLUMNS, type ColumnId } from "./fns/columns";
import { columnsOf, type ExplorerSearch, SETS } from "./fns/search";

const STORE = "exhibit.views";
type Saved = { name: string; search: ExplorerSearch }[];

function read(): Saved {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}

/** Columns and the views saved in this browser. */
export function ViewMenu({ search, onChange }: { search: ExplorerSearch; onChange: (next: ExplorerSearch) => void }) {
  const [open, setOpen] = useState(false);
  const [saved, setSaved] = useState(read);
  const [name, setName] = useState("");
  const columns = columnsOf(search);
  const set = (ids: ColumnId[]) => onChange({ ...search, cols: ids.join(",") === SETS.Default?.join(",") ? undefined : ids.join(",") });
  const keep = (next: Saved) => {
    setSaved(next);
    localStorage.setItem(STORE, JSON.stringify(next));
  };
  return (
    <>
      <Button icon="columns" onClick={() => setOpen(true)}>View</Button>
      {open && (
        <Dialog title="View" onClose={() => setOpen(false)} width="34rem">
          <div className="grid gap-6 sm:grid-cols-2">
            <section>
              <h3 className="mb-2 text-sm font-semibold">Columns</h3>
              <div className="mb-2 flex flex-wrap gap-1">
                {Object.entries(SETS).map(([label, ids]) => (
                  <Button key={label} small onClick={() => set(ids)}>{label}</Button>
                ))}
              </div>
              {COLUMNS.map((column) => (
                <label key={column.id} className="flex h-7 items-center gap-2 text-sm">
                  <input
                    type="checkbox"
                    checked={columns.includes(column.id)}
                    disabled={columns.length === 1 && columns[0] === column.id}
                    onChange={(event) =>
                      set(COLUMNS.map((c) => c.id).filter((id) => (id === column.id ? event.target.checked : columns.includes(id))))
                    }
                  />
                  {column.label}
                </label>
              ))}
            </section>
            <section>
              <h3 className="mb-2 text-sm font-semibold">Saved views</h3>
              <p className="mb-2 text-sm text-muted">Filter, time and columns, kept in this browser. The address of the page is the same as a link.</p>
              <ul className="mb-3">
                {saved.map((view) => (
                  <li key={view.name} className="flex items-center">
                    <button type="button" className="h-8 min-w-0 flex-1 truncate rounded px-2 text-left text-sm hover:bg-hover" onClick={() => { onChange(view.search); setOpen(false); }}>
                      {view.name}
                    </button>
                    <IconButton icon="close" label={`Forget ${view.name}`} onClick={() => keep(saved.filter((v) => v !== view))} />
                  </li>
                ))}
              </ul>
              <form
                className="flex gap-2"
                onSubmit={(event) => {
                  event.preventDefault();
                  const { peek: _, ...rest } = search;
                  if (name.trim()) keep([...saved.filter((v) => v.name !== name.trim()), { name: name.trim(), search: rest }]);
                  setName("");
                }}
              >
                <input className="control min-w-0 flex-1" aria-label="Name of this view" placeholder="Name of this view" value={name} onChange={(event) => setName(event.target.value)} />
                <Button type="submit">Save</Button>
              </form>
            </section>
          </div>
        </Dialog>
      )}
    </>
  );
}
