import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { Dialog } from "../ui/Dialog";
import { Icon, type IconName } from "../ui/Icon";
import { DESTINATIONS } from "./navigation";
import { applyTheme, isDark } from "./theme";

interface Command {
  label: string;
  icon: IconName;
  run: () => void;
}

/** Ctrl-K: go anywhere by typing. Whatever is typed can also be a trace's id or a filter. */
export function Palette({ onClose, onCheats }: { onClose: () => void; onCheats: () => void }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);

  const commands = useMemo(() => {
    const all: Command[] = [
      ...DESTINATIONS.map((d) => ({ label: d.label, icon: d.icon, run: () => void navigate({ to: d.to }) })),
      { label: "Profile and API keys", icon: "key", run: () => void navigate({ to: "/profile" }) },
      { label: "Quick start: SDKs and templates", icon: "play", run: () => void navigate({ to: "/quick-start" }) },
      { label: "API reference", icon: "book", run: () => location.assign("/docs/") },
      { label: "Switch light and dark", icon: "moon", run: () => applyTheme(isDark() ? "light" : "dark") },
      { label: "Keyboard shortcuts", icon: "menu", run: onCheats },
      { label: "Reload the data of this page", icon: "check", run: () => void queries.invalidateQueries() },
    ];
    const word = text.trim();
    const found = all.filter((c) => c.label.toLowerCase().includes(word.toLowerCase()));
    if (word) {
      found.push({
        label: `Find “${word}” in traces`,
        icon: "search",
        run: () => void navigate({ to: "/traces", search: { filter: word } }),
      });
      if (/^[\w.:-]+$/.test(word)) {
        found.push({
          label: `Open trace ${word}`,
          icon: "traces",
          run: () => void navigate({ to: "/traces/$traceId", params: { traceId: word } }),
        });
      }
    }
    return found;
  }, [text, navigate, queries, onCheats]);

  const chosen = Math.min(at, commands.length - 1);
  const pick = (command: Command | undefined) => {
    onClose();
    command?.run();
  };

  return (
    <Dialog title="Go to" onClose={onClose} width="36rem">
      <input
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={`palette-${chosen}`}
        aria-label="Page, action, trace id or filter"
        placeholder="Page, action, trace id or filter"
        className="control h-10 w-full text-base"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") setAt((chosen + 1) % commands.length);
          else if (event.key === "ArrowUp") setAt((chosen - 1 + commands.length) % commands.length);
          else if (event.key === "Enter") pick(commands[chosen]);
          else return;
          event.preventDefault();
        }}
      />
      <div id="palette-list" role="listbox" aria-label="Matches" className="mt-2 -mx-2">
        {commands.map((command, i) => (
          <div
            key={command.label}
            id={`palette-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === chosen}
            onMouseMove={() => setAt(i)}
            onClick={() => pick(command)}
            onKeyDown={() => {}}
            className={`flex h-9 cursor-pointer items-center gap-2.5 rounded-md px-2.5 text-sm ${i === chosen ? "bg-selected" : ""}`}
          >
            <Icon name={command.icon} className="text-muted" />
            <span className="truncate">{command.label}</span>
          </div>
        ))}
      </div>
    </Dialog>
  );
}
