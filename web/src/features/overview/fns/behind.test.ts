import { expect, test } from "vitest";
import { behind } from "./behind";

test("the list behind a sum has every trace of which a step counts there", () => {
  expect(behind("agent", "price researcher")).toBe('agent = "price researcher"');
  expect(behind("verdict", "warning")).toBe("verdict in (warning, fail, review, quarantined)");
  expect(behind("verdict", "quarantined")).toBe("verdict = quarantined");
  expect(behind("verdict", "pass")).toBe("");
  expect(behind("user", null)).toBe("not has(user)");
  expect(behind("tool", null)).toBe("");
});
