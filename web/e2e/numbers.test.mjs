// Every number of the overview leads to the list behind it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually, setUp, smallTrace, startBrowser, startExhibit } from "./exhibit.mjs";

let server;
let browser;
before(async () => {
  server = await startExhibit();
  browser = await startBrowser(server);
  await setUp(browser.page, server);
  // A planner that has a writer write; the call of the writer names neither agent nor user itself.
  const [root, look, llm] = smallTrace("team");
  const call = { ...llm, span_id: "team-draft", parent_span_id: "team-writer", model: "gpt-4o", input: "Write.", output: "Written." };
  await server.send([
    { ...root, agent_name: "planner", user_id: "ann" },
    { ...root, span_id: "team-writer", parent_span_id: root.span_id, name: "write", agent_name: "writer" },
    { ...look, status: "error", status_message: "closed", user_id: "bob" },
    llm,
    call,
  ]);
  const [alone, ...steps] = smallTrace("alone");
  await server.send([{ ...alone, agent_name: "planner", user_id: "ann" }, ...steps]);
  await server.send(smallTrace("nobody").map((span) => ({ ...span, agent_name: undefined })));
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

const rows = (page) => page.locator("[data-trace]").evaluateAll((all) => all.map((row) => row.dataset.trace).sort());
const panel = (page, title) => page.locator("section", { has: page.getByRole("heading", { name: title, exact: true }) });

test("the cost of a sub-agent leads to the trace that it worked in", async () => {
  const { page } = browser;
  for (const [title, value, traces] of [
    ["Cost by agent", "writer", ["team"]],
    ["Cost by agent", "planner", ["alone", "team"]],
    ["Cost by user", "bob", ["team"]],
    ["Cost by user", "ann", ["alone", "team"]],
    ["Cost by user", "none named", ["nobody"]],
  ]) {
    await page.goto("/");
    await panel(page, title).getByRole("link", { name: value, exact: true }).click();
    await page.waitForURL(/\/traces\?/);
    await eventually(async () => assert.deepEqual(await rows(page), traces) === undefined);
  }
  // The list says that there is more than the one it shows, and the trace names all.
  await page.goto("/traces?filter=agent+%3D+writer");
  await page.getByTitle("planner, writer").first().waitFor();
  await page.goto("/traces/team");
  await page.getByRole("banner").or(page.locator("header")).getByRole("link", { name: "writer" }).click();
  await eventually(async () => assert.deepEqual(await rows(page), ["team"]) === undefined);
});

test("a list adds up to the number that leads to it", async () => {
  const { page } = browser;
  await page.goto("/");
  await panel(page, "Cost by agent").getByRole("link", { name: "writer" }).waitFor();
  const links = await page.locator('main a[href^="/traces?"]').evaluateAll((all) => all.map((link) => ({ href: link.href, label: (link.closest("tr") ?? link).innerText.replace(/\s+/g, " ") })));
  const ask = async (path) => (await fetch(server.url + path, { headers: { authorization: `Bearer ${server.key}` } })).json();
  const { totals } = (await ask("/api/v1/analytics?from=-24h")).data;
  const lists = [];
  for (const { href, label } of links) {
    const filter = new URL(href).searchParams.get("filter") ?? "";
    const { data } = await ask(`/api/v1/traces?limit=500&from=-24h&filter=${encodeURIComponent(filter)}`);
    const sum = (name) => data.reduce((all, trace) => all + Number(trace[name] ?? 0), 0);
    lists.push({ label, filter, traces: data.length, spans: sum("span_count"), errors: sum("error_count"), tokens: sum("tokens_total"), cost: sum("cost_nano_usd") });
  }
  const of = (start) => lists.find((it) => it.label.startsWith(start));
  assert.equal(of("Traces").traces, totals.traces);
  assert.equal(of("Failed steps").errors, totals.errors);
  assert.equal(of("Median step").spans, totals.spans);
  assert.equal(of("Tokens").tokens, totals.tokens_total);
  assert.equal(of("Cost").cost, Number(totals.cost_nano_usd));
  assert.ok(lists.length > 15, "rows of the tables lead somewhere too");
  assert.deepEqual(lists.filter((it) => it.traces === 0 && it.label !== "All"), []);
});
