/** A text editor for rule files. Loaded only where a file is edited. */
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";

export interface Mark {
  line: number | null;
  message: string;
}

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--kind-retriever)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--kind-llm)" },
]);

const look = EditorView.theme({
  "&": { backgroundColor: "var(--surface)", color: "var(--ink)", fontSize: "13px", height: "100%" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-content": {
    fontFamily: "ui-monospace, SF Mono, Menlo, Consolas, monospace",
    caretColor: "var(--ink)",
  },
  ".cm-gutters": {
    backgroundColor: "var(--sunken)",
    color: "var(--muted)",
    borderRight: "1px solid var(--line)",
  },
  ".cm-activeLine, .cm-activeLineGutter": {
    backgroundColor: "color-mix(in oklch, var(--accent) 7%, transparent)",
  },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": {
    backgroundColor: "color-mix(in oklch, var(--accent) 26%, transparent) !important",
  },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-tooltip": {
    backgroundColor: "var(--surface)",
    color: "var(--ink)",
    border: "1px solid var(--strong)",
  },
});

/** `goTo` moves the cursor to a line whenever it is another object. */
export function Editor({
  label,
  text,
  readOnly,
  marks,
  goTo,
  onChange,
  onSave,
}: {
  label: string;
  text: string;
  readOnly: boolean;
  marks: Mark[];
  goTo?: { line: number };
  onChange: (text: string) => void;
  onSave: () => void;
}) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const heard = useRef({ onChange, onSave });
  heard.current = { onChange, onSave };
  const lock = useRef(new Compartment());

  // biome-ignore lint/correctness/useExhaustiveDependencies: made once; later changes are dispatched below
  useEffect(() => {
    const at = host.current as HTMLDivElement;
    // In a shadow root the editor's styles are adopted sheets; the page's policy refuses style elements.
    const root = at.shadowRoot ?? at.attachShadow({ mode: "open" });
    const made = new EditorView({
      parent: root,
      root,
      state: EditorState.create({
        doc: text,
        extensions: [
          lineNumbers(),
          highlightActiveLineGutter(),
          highlightActiveLine(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          lintGutter(),
          yaml(),
          syntaxHighlighting(colours),
          look,
          keymap.of([
            {
              key: "Mod-s",
              preventDefault: true,
              run: () => {
                heard.current.onSave();
                return true;
              },
            },
            {
              key: "Escape",
              run: (it) => {
                it.contentDOM.blur();
                return true;
              },
            },
            indentWithTab,
            ...defaultKeymap,
            ...historyKeymap,
          ]),
          EditorView.contentAttributes.of({ "aria-label": label }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) heard.current.onChange(update.state.doc.toString());
          }),
          lock.current.of([EditorState.readOnly.of(readOnly)]),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, []);

  useEffect(() => {
    const it = view.current;
    if (it && it.state.doc.toString() !== text)
      it.dispatch({ changes: { from: 0, to: it.state.doc.length, insert: text } });
  }, [text]);
  useEffect(
    () => view.current?.dispatch({ effects: lock.current.reconfigure([EditorState.readOnly.of(readOnly)]) }),
    [readOnly],
  );
  useEffect(() => {
    const it = view.current;
    if (!it) return;
    const found = marks.map(({ line, message }) => {
      const at = it.state.doc.line(Math.min(Math.max(line ?? 1, 1), it.state.doc.lines));
      return { from: at.from, to: at.to, severity: "error" as const, message };
    });
    it.dispatch(
      setDiagnostics(
        it.state,
        found.sort((a, b) => a.from - b.from),
      ),
    );
  }, [marks]);
  useEffect(() => {
    const it = view.current;
    if (!it || !goTo) return;
    const at = it.state.doc.line(Math.min(goTo.line, it.state.doc.lines));
    it.dispatch({
      selection: { anchor: at.from },
      effects: EditorView.scrollIntoView(at.from, { y: "center" }),
    });
    it.focus();
  }, [goTo]);

  return <div ref={host} className="h-full min-h-0 overflow-hidden" />;
}
