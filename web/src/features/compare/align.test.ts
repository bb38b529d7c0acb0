import { expect, test } from "vitest";
import type { Node } from "../inspector/fns/model";
import { align, diff } from "./align";

const steps = (text: string) => [...text].map((name, index) => ({ name, kind: "tool", depth: 0, index }) as unknown as Node);
const shape = (a: string, b: string) => align(steps(a), steps(b)).map((p) => `${p.left?.name ?? "-"}${p.right?.name ?? "-"}`);

test("equal steps stand beside one another, others alone", () => {
  expect(shape("abcd", "abxd")).toEqual(["aa", "bb", "c-", "-x", "dd"]);
  expect(shape("", "ab")).toEqual(["-a", "-b"]);
});

test("a difference of texts puts both texts together again", () => {
  const words = diff("the red cat", "the blue cat");
  expect(words.filter((w) => w.side !== "right").map((w) => w.text).join("")).toBe("the red cat");
  expect(words.filter((w) => w.side !== "left").map((w) => w.text).join("")).toBe("the blue cat");
  expect(words[0]).toEqual({ text: "the ", side: "both" });
});
