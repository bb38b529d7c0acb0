import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually, objections, startBrowser, startExhibit } from "./exhibit.mjs";

const SPANS = 30_000;
let server;
let browser;
let happy;
before(async () => {
  server = await startExhibit();
  browser = await startBrowser(server);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

test("a visitor without an account sees the demo", async () => {
  const { page } = browser;
  await page.goto("/");
  assert.deepEqual(await objections(page), [], "the landing page");
  await page.getByRole("button", { name: "View demo" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor({ timeout: 60_000 });
  await page.getByText("Nothing here can be changed.").waitFor();
  const found = await page.evaluate(async () => (await (await fetch('/api/v1/traces?filter=tag%20%3D%20"happy path"&limit=1')).json()).data);
  happy = found[0].trace_id;
  for (const tag of ["happy path", "constitutional violation", "debugging"]) {
    await page.goto(`/traces?filter=${encodeURIComponent(`tag = "${tag}"`)}`);
    await page.locator("[data-trace]").first().waitFor();
  }
});

test("the visitor can change nothing", async () => {
  const { page } = browser;
  const answers = await page.evaluate(async () => {
    const ask = async (method, path, body) => (await fetch(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).status;
    return [
      await ask("POST", "/api/v1/keys", { name: "mine", scopes: ["read"] }),
      await ask("PUT", "/api/v1/members", { email: "x@example.com", role: "admin" }),
      await ask("POST", "/api/v1/ingest/spans", { batch: [] }),
      await ask("POST", "/api/v1/auth/login", { email: "demo", password: "demo demo demo" }),
    ];
  });
  assert.ok(answers.every((status) => status === 401 || status === 403 || status === 422), String(answers));
  const other = await page.evaluate(async () => (await fetch("/api/v1/traces", { headers: { "x-exhibit-workspace": "default" } })).status);
  assert.equal(other, 404);
});

test("30,000 spans: every view, a bounded page, and the last span in sight", async () => {
  const { page } = browser;
  await eventually(async () => {
    const answer = await page.evaluate(async () => (await (await fetch("/api/v1/traces?filter=id%20%3D%20demo-simulation")).json()).data[0]?.span_count);
    return answer === SPANS;
  }, 120);
  await page.goto("/traces/demo-simulation?view=timeline");
  await page.getByRole("treeitem").first().waitFor();
  await eventually(async () => (await page.getByText("of 30K steps").count()) + (await page.getByText("of 30,000 steps").count()) === 0, 60);
  const tree = page.getByRole("tree");
  await tree.evaluate((it) => it.scrollTo(0, it.scrollHeight));
  await eventually(async () => Number(await page.getByRole("treeitem").last().getAttribute("aria-posinset")) === SPANS);
  const count = () => page.evaluate(() => document.querySelectorAll("*").length);
  assert.ok((await count()) < 3_000, `${await count()} elements`);
  for (const view of ["DAG", "Transcript", "Flame", "Sankey", "Governance", "Raw", "Spans"]) {
    await page.getByRole("tab", { name: view, exact: true }).click();
    await page.waitForTimeout(500);
    assert.ok((await count()) < 5_000, `${view}: ${await count()} elements`);
  }
  await page.getByLabel("Search in this trace").fill("episode 999");
  await page.getByText("1 found").waitFor();
});

test("a session reads as a conversation", async () => {
  const { page } = browser;
  await page.goto("/sessions");
  await page.locator("main tbody a").first().click();
  await page.getByRole("heading", { name: "Session" }).waitFor();
  const turns = page.getByRole("main").getByRole("listitem");
  await turns.first().getByText("Asked").waitFor();
  await turns.first().getByText("Answered").waitFor();
  assert.deepEqual(await objections(page), []);
  await page.getByRole("link", { name: "As a list of traces" }).click();
  await page.locator("[data-trace]").first().waitFor();
});

const PAGES = ["/", "/traces", "/sessions", "/failures", "/costs", "/users", "/ledger", "/vault", "/reviews", "/policies", "/policies?file=policies/default.yaml", "/policies?file=policies/gdpr.yaml&part=source", "/settings", "/profile", "/compare", "/verify", "/quick-start"];
const VIEWS = ["spans", "timeline", "dag", "transcript", "flame", "sankey", "governance", "verification", "raw"];

for (const colorScheme of ["light", "dark"]) {
  test(`no page has an obstacle that axe knows (${colorScheme})`, async () => {
    const { page } = browser;
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const found = [];
    for (const path of [...PAGES, ...VIEWS.map((view) => `/traces/${happy}?view=${view}&span=${happy}-decide`)]) {
      await page.goto(path);
      await page.getByRole("main").waitFor();
      await page.waitForTimeout(500);
      found.push(...(await objections(page)).map((text) => `${path}: ${text}`));
    }
    assert.deepEqual(found, []);
  });
}

for (const [name, width, height] of [["a phone", 390, 844], ["200 % zoom", 720, 450]]) {
  test(`no page runs off the side on ${name}`, async () => {
    const { page } = browser;
    await page.setViewportSize({ width, height });
    const wide = [];
    for (const path of [...PAGES, ...VIEWS.map((view) => `/traces/${happy}?view=${view}`)]) {
      await page.goto(path);
      await page.getByRole("main").waitFor();
      await page.waitForTimeout(250);
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1)) wide.push(path);
    }
    assert.deepEqual(wide, []);
  });
}

test("nothing was asked of another origin, refused by the policy, or thrown", () => {
  assert.deepEqual(browser.faults, []);
});
