// Search inside one trace: in the whole of what was recorded, from place to place, kept in the address.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually, objections, setUp, smallTrace, startBrowser, startExhibit } from "./exhibit.mjs";

/** Where the needle stands, in code points: far beyond any preview. */
const DEEP = 1_000_000;
const NEEDLE = "Die Straße nach Ñandú";

let server;
let browser;
before(async () => {
  server = await startExhibit();
  browser = await startBrowser(server);
  const [root, ...rest] = smallTrace("deep");
  const child = rest[0] ?? root;
  const long = { ...child, span_id: "deep-long", parent_span_id: root.span_id, name: "long answer", output: { response: `${"é ".repeat(DEEP / 2)}${NEEDLE} <img src=x onerror=alert(1)> and ${NEEDLE}.` } };
  const tool = { ...child, span_id: "deep-tool", parent_span_id: root.span_id, name: "look up", span_type: "tool", input: {}, output: {}, tool_calls: [{ tool_name: "find", arguments: { query: NEEDLE.toUpperCase() }, result: null }] };
  await server.send([root, ...rest, long, tool]);
  await setUp(browser.page, server);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

test("a phrase is found a million characters in, shown in order, stepped through and linked to", async () => {
  const { page } = browser;
  await page.goto("/traces/deep");
  await page.getByRole("treeitem").first().waitFor();
  const find = page.getByLabel("Search in this trace");
  await find.fill("die strasse nach ñandú");
  await page.getByText("2 found").waitFor();
  const places = page.getByRole("region", { name: "Places found" });
  assert.equal(await places.getByRole("button").count(), 3);
  assert.equal(await places.locator("mark").first().textContent().then((text) => text.toLowerCase().replace("strasse", "straße")), NEEDLE.toLowerCase());
  await find.press("Enter");
  await page.getByText("1 of 3, 2 found").waitFor();
  await find.press("Enter");
  await find.press("Enter");
  await page.getByText("3 of 3, 2 found").waitFor();
  const title = await places.locator('[aria-current="true"]').getAttribute("title");
  await find.press("Enter");
  await page.getByText("1 of 3, 2 found").waitFor();
  await page.getByRole("button", { name: "The place before" }).click();
  await page.getByText("3 of 3, 2 found").waitFor();
  assert.match(page.url(), /q=/);
  // The address is the same place for whoever gets it.
  await page.reload();
  await page.getByText("3 of 3, 2 found").waitFor();
  assert.equal(await places.locator('[aria-current="true"]').getAttribute("title"), title);
  await eventually(async () => (await places.getByText("<img src=x").count()) > 0);
  assert.deepEqual(await objections(page), []);
  await find.fill("stands nowhere");
  await page.getByText("0 found").waitFor();
  assert.equal(await places.count(), 0);
  assert.deepEqual(browser.faults, []);
});
