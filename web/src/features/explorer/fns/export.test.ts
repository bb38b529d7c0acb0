import { expect, test } from "vitest";
import type { Trace } from "../../../api/types";
import { csv } from "./export";

test("cells are quoted, and no cell is a formula", () => {
  const trace = { trace_id: "t", name: '=HYPERLINK("x")', status: "ok", duration_ms: -1, models: ["a", "b"], input_preview: "a,\n\"b\"" } as unknown as Trace;
  const line = csv([trace]).split("\r\n")[1] as string;
  expect(line).toContain('"\'=HYPERLINK(""x"")"');
  expect(line).toContain(",-1,");
  expect(line).toContain("a b");
  expect(csv([trace])).toContain('"a,\n""b"""');
});
