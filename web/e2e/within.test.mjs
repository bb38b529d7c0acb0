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
  // What is folded, far down, in another tab, in a name: all of it is opened.
  const turns = [{ role: "system", content: "Be terse about KÜRBIS." }, ...Array.from({ length: 40 }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `turn ${i}. ${"so on ".repeat(60)}` })), { role: "user", content: "And the pumpkin-soup?" }];
  const list = Array.from({ length: 250 }, (_, i) => ({ n: i, ...(i === 240 ? { deep: { deeper: { deepest: "the artichoke" } } } : {}) }));
  const talk = { ...child, span_id: "deep-talk", parent_span_id: root.span_id, name: "talk", span_type: "llm", input: { messages: turns }, output: { messages: [{ role: "assistant", content: "Soon." }] }, metadata: { season: "of rhubarb" } };
  const data = { ...child, span_id: "deep-data", parent_span_id: root.span_id, name: "data", span_type: "custom", input: { list }, output: { okra: 1 } };
  await server.send([root, ...rest, long, tool, talk, data]);
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

test("the panel scrolls to what was found and marks it, wherever it is folded away", async () => {
  const { page } = browser;
  const find = page.getByLabel("Search in this trace");
  const panel = page.getByRole("region", { name: /^Step / });
  for (const [phrase, span, tab] of [
    ["pumpkin-SOUP", "deep-talk", "Content"], ["kürbis", "deep-talk", "Content"], ["rhubarb", "deep-talk", "Attributes"],
    ["artichoke", "deep-data", "Content"], ["okra", "deep-data", "Content"], [NEEDLE, "deep-long", "Content"],
  ]) {
    await page.goto("/traces/deep");
    await page.getByRole("treeitem").first().waitFor();
    await find.fill(phrase);
    await page.getByRole("region", { name: "Places found" }).getByRole("button").first().waitFor();
    await find.press("Enter");
    await page.waitForURL((url) => url.searchParams.get("span") === span);
    const mark = panel.locator("mark[data-sought]").first();
    await mark.waitFor();
    await panel.getByRole("tab", { name: tab, selected: true }).waitFor();
    assert.equal((await mark.textContent()).toLowerCase(), phrase.toLowerCase());
    await eventually(async () => {
      const [at, around] = [await mark.boundingBox(), await panel.getByRole("tabpanel").boundingBox()];
      return at && at.y >= around.y && at.y + at.height <= around.y + around.height;
    }, 3);
  }
  // The next place in the same text: the mark goes on with it.
  const before = () => panel.locator("mark[data-sought]").first().evaluate((mark) => mark.previousSibling?.textContent?.slice(-5));
  assert.equal(await before(), " é é ");
  await page.getByRole("button", { name: "The next place" }).click();
  await page.getByText("2 of 3, 2 found").waitFor();
  await eventually(async () => (await before()) === " and ");
  // Whoever turns to another tab stays there.
  await panel.getByRole("tab", { name: "Attributes" }).click();
  await panel.getByRole("tab", { name: "Attributes", selected: true }).waitFor();
  await panel.getByText("Came through").waitFor();
  assert.deepEqual(await objections(page), []);
  assert.deepEqual(browser.faults, []);
});
