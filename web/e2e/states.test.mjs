// What opens over a page, in both colour schemes: nothing that axe knows stands in the way, and what is typed arrives.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { objections, setUp, smallTrace, startBrowser, startExhibit } from "./exhibit.mjs";

let server;
let browser;
before(async () => {
  server = await startExhibit();
  browser = await startBrowser(server);
  await server.send([...smallTrace("first"), ...smallTrace("second"), { ...smallTrace("broken")[0], status: "error", status_message: "it fell over" }]);
  await setUp(browser.page, server);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

const button = (name) => (page) => page.getByRole("button", { name }).first().click();
const DIALOGS = [
  ["/", (page) => page.keyboard.press("Control+k")],
  ["/", (page) => page.keyboard.press("?")],
  ["/traces", button("View")],
  ["/traces", button("Export")],
  ["/traces/first?span=first-llm", button("Replay")],
  ["/traces/first?view=sankey&span=first-llm", button("Run Ablation")],
  ["/profile", button("New key")],
  ["/settings", button("Add a price")],
  ["/settings", button("Price again…")],
  ["/vault", button("Place a hold")],
  ["/vault", button("Edit")],
  ["/vault", button("Erase records…")],
  ["/policies", button("New policy")],
];

for (const colorScheme of ["light", "dark"]) {
  test(`no dialog has an obstacle that axe knows, and the page behind it is not reached (${colorScheme})`, async () => {
    const { page } = browser;
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const found = [];
    for (const [path, open] of DIALOGS) {
      await page.goto(path);
      await page.getByRole("main").waitFor();
      await page.getByRole("status", { name: "Loading" }).first().waitFor({ state: "detached" });
      await open(page);
      const dialog = page.getByRole("dialog");
      await dialog.waitFor();
      const name = `${path}, ${await dialog.getAttribute("aria-label")}`;
      found.push(...(await objections(page)).map((text) => `${name}: ${text}`));
      for (let i = 0; i < 3; i++) {
        await page.keyboard.press("Tab");
        if (await page.evaluate(() => document.activeElement !== document.body && !document.activeElement?.closest("dialog"))) found.push(`${name}: the focus leaves it`);
      }
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
    }
    assert.deepEqual(found, []);
  });
}

test("a dialog that asks for something takes what is typed at once", async () => {
  const { page } = browser;
  await page.goto("/traces");
  await page.locator("[data-trace]").first().waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("polic");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/policies/);
  await page.goto("/vault");
  await page.getByRole("button", { name: "Place a hold" }).click();
  await page.keyboard.type("agent = helper");
  assert.equal(await page.getByLabel("Traces").inputValue(), "agent = helper");
});

test("the charts of costs put each source under its own time", async () => {
  const { page } = browser;
  await page.goto("/costs");
  const chart = page.getByRole("img", { name: /Cost over time/ });
  await chart.locator("rect").first().waitFor();
  // All that was sent is from now: nothing may stand in the left half of a day.
  const [left, width] = await chart.evaluate((it) => [Math.min(...[...it.querySelectorAll("rect")].map((r) => Number(r.getAttribute("x")))), it.querySelector("svg").viewBox.baseVal.width]);
  assert.ok(left > width * 0.9, `${left} of ${width}`);
});

test("nothing was asked of another origin, refused by the policy, or thrown", () => {
  assert.deepEqual(browser.faults, []);
});
