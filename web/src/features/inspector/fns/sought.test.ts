import { expect, test } from "vitest";
import type { Span } from "../../../api/types";
import { holds, seek } from "./sought";

const answer = "😀 the needle stands here, and a needle there";
const message = { role: "assistant", parts: [{ type: "text", content: answer }] };
const span = {
  name: "answer", model: "m", error_type: "Odd", status_message: "broke on a thorn", input: null, output: null, input_messages: [], output_messages: [message],
  documents: null, tool_calls: [], events: [], finish_reasons: [], tags: ["x", "urgent"], dialects: [], flags: [], door: "native", agent_name: "helper",
  attributes: { "a/b": { deep: ["leaf"] } }, links: [],
  raw: [
    { key: "gen_ai.output", part: "output", value: JSON.stringify([{ content: answer }]) },
    { key: "a/b", part: "attributes", value: { deep: ["leaf"] } },
  ],
} as unknown as Span;
const match = (part: string, pointer: string, start: number, words: string) => ({ part, pointer, start, end: start + Array.from(words).length, excerpt: words, excerpt_start: 0, excerpt_end: Array.from(words).length });

test("a place in JSON that a text holds is the shown text, in UTF-16", () => {
  const found = seek(span, match("output", "/gen_ai.output/0/content", 6, "needle"), "");
  expect(found).toEqual({ tab: "content", sought: { text: answer, from: 7, to: 13, name: false } });
  expect(found && holds(message, found.sought)).toBe(true);
  expect(found && holds(span.attributes, found.sought)).toBe(false);
});

test("a name, an attribute and what stands above the tabs are found where they are shown", () => {
  expect(seek(span, match("attributes", "/a~1b#", 0, "a/b"), "")).toEqual({ tab: "attributes", sought: { text: "a/b", from: 0, to: 3, name: true } });
  expect(seek(span, match("attributes", "/a~1b/deep/0", 0, "leaf"), "")?.tab).toBe("attributes");
  expect(seek(span, match("header", "/name", 0, "answer"), "")).toEqual({ tab: undefined, sought: { text: "answer", from: 0, to: 6, name: false } });
});

test("what is shown otherwise than recorded is found by its words", () => {
  expect(seek(span, match("header", "/status_message", 11, "thorn"), "")?.sought).toEqual({ text: "Odd: broke on a thorn", from: 16, to: 21, name: false });
  expect(seek(span, match("header", "/tags/1", 0, "urgent"), "")).toEqual({ tab: "attributes", sought: { text: "x · urgent", from: 4, to: 10, name: false } });
  expect(seek(span, match("output", "/nowhere", 0, "not shown at all"), "")).toBeNull();
  expect(seek(span, null, " DEEP")).toEqual({ tab: "attributes", sought: { text: "deep", from: 0, to: 4, name: true } });
});
