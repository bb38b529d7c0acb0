import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually, setUp, startBrowser, startExhibit } from "./exhibit.mjs";

const SCRIPT = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>`;
const LINK = "javascript:window.pwned=1";
const RIGHT_TO_LEFT = "مرحبا \u202Egnp.exe بالعالم";
const at = (ms) => new Date(Date.now() - 60_000 + ms).toISOString();
const ok = { status: "ok", start_time: at(0), end_time: at(900) };

let server;
let browser;
before(async () => {
  server = await startExhibit();
  browser = await startBrowser(server);
  await server.send([
    { ...ok, trace_id: "hostile", span_id: "root", name: SCRIPT, span_type: "agent", agent_name: SCRIPT, user_id: LINK, session_id: RIGHT_TO_LEFT, tags: [SCRIPT, "🙂👩‍👩‍👧‍👦"], metadata: { [SCRIPT]: SCRIPT } },
    { ...ok, trace_id: "hostile", span_id: "said", parent_span_id: "root", name: RIGHT_TO_LEFT, span_type: "llm", model: SCRIPT,
      input: { messages: [{ role: SCRIPT, content: SCRIPT }, { role: "user", content: [{ type: "image_url", image_url: { url: "http://192.0.2.1/pixel.png" } }, { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }, { type: "image_url", image_url: { url: `data:image/svg+xml;base64,${btoa(SCRIPT)}` } }, { type: "text", text: LINK }] }] },
      output: { messages: [{ role: "assistant", content: `[click](${LINK}) ![x](http://192.0.2.1/p.png) ${SCRIPT}` }] } },
    { ...ok, trace_id: "hostile", span_id: "lost", parent_span_id: "never-sent", name: "lost", span_type: "tool" },
    { ...ok, trace_id: "hostile", span_id: "deep", parent_span_id: "root", name: "deep", span_type: "tool", input: { a: JSON.parse("[".repeat(60) + "]".repeat(60)) } },
    { ...ok, status: "error", status_message: SCRIPT, trace_id: "hostile", span_id: "failed", parent_span_id: "root", name: "failed", span_type: "tool" },
  ]);
  await server.send([{ ...ok, trace_id: "long", span_id: "long", name: "long", span_type: "tool", output: { text: "word ".repeat(2_000_000) } }]);
  await server.send([{ ...ok, trace_id: "chain", span_id: "c0", name: "c0", span_type: "chain" },
    ...Array.from({ length: 1_500 }, (_, i) => ({ ...ok, trace_id: "chain", span_id: `c${i + 1}`, parent_span_id: `c${i}`, name: `c${i + 1}`, span_type: "chain" }))]);
  await server.send([
    { ...ok, trace_id: "odd", span_id: "nul", name: "nul\u0000name", span_type: "llm", model: "m\u0000\u001b[31m", input: { messages: [{ role: "user", content: "a\u0000b\u0007\u202e" }] } },
    { ...ok, trace_id: "odd", span_id: "proto", parent_span_id: "nul", name: "toString", span_type: "constructor", tool_name: "__proto__", input: JSON.parse('{"__proto__": {"a": 1}, "constructor": {"prototype": 1}}') },
    { ...ok, trace_id: "odd", span_id: "named", parent_span_id: "nul", name: "N".repeat(200_000), span_type: "tool" },
  ]);
  await setUp(browser.page, server);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

const inert = async (page) => {
  assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
  assert.equal(await page.locator("img[src=x], #root script, a[href^=javascript]").count(), 0);
};

test("markup, scripts and addresses in a record stay text in every view", async () => {
  const { page } = browser;
  for (const view of ["spans", "timeline", "dag", "transcript", "flame", "governance", "verification", "raw"]) {
    for (const tab of ["content", "attributes"]) {
      await page.goto(`/traces/hostile?view=${view}&span=said&tab=${tab}`);
      await page.getByRole("tabpanel").first().waitFor();
      await page.waitForTimeout(150);
      await inert(page);
    }
  }
  await page.goto("/traces/hostile?span=said");
  await page.getByText("window.pwned=1", { exact: false }).first().waitFor();
  assert.equal(await page.getByRole("treeitem").count(), 5, "a span whose parent never came is shown too");
});

test("an image that is not in the record is named, not fetched; one that does not decode says so", async () => {
  const { page } = browser;
  await page.goto("/traces/hostile?span=said");
  await page.getByText("http://192.0.2.1/pixel.png").first().waitFor();
  await page.getByText(/An image that does not decode/).waitFor();
  assert.equal(await page.locator("img").count(), 0, "an SVG is no image here");
});

test("letters that no font has, names of objects and endless names are shown as they are", async () => {
  const { page } = browser;
  for (const query of ["span=nul", "span=proto&tab=attributes", "span=named&view=dag", "span=nothing-like-it&w=x&by=y&fold=%25&view=__proto__"]) {
    await page.goto(`/traces/odd?${query}`);
    await page.getByRole("tabpanel").first().waitFor();
    await page.waitForTimeout(150);
    await inert(page);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), query);
  }
  for (const address of ["/traces?range=x&from=y&to=z", "/traces?cols=constructor,__proto__", "/?from=9&to=1", "/compare?a=odd&b=hostile&at=1e9", "/policies?file=../../etc/passwd"]) {
    await page.goto(address);
    await page.getByRole("main").waitFor();
    await page.waitForTimeout(150);
    assert.equal(await page.getByText(/Invalid|undefined|is not a function/).count(), 0, address);
  }
});

test("the list, the overview and the other pages show them as text too", async () => {
  const { page } = browser;
  for (const path of ["/", "/traces?peek=hostile", "/sessions", "/users", "/costs", "/failures"]) {
    await page.goto(path);
    await page.waitForTimeout(400);
    await inert(page);
  }
});

test("ten megabytes of text show their head, and the page stays light", async () => {
  const { page } = browser;
  await page.goto("/traces/long?span=long");
  await page.getByRole("button", { name: "Load more" }).first().waitFor();
  assert.ok((await page.evaluate(() => document.body.innerText.length)) < 60_000);
  await page.getByRole("button", { name: "Load more" }).first().click();
  assert.ok((await page.evaluate(() => document.body.innerText.length)) < 200_000);
});

test("a chain of 1,500 calls is shown without running off the page", async () => {
  const { page } = browser;
  await page.goto("/traces/chain?view=timeline");
  await page.getByRole("treeitem").first().waitFor();
  await eventually(async () => {
    await page.getByRole("tree").evaluate((tree) => tree.scrollTo(0, tree.scrollHeight));
    return page.getByText("c1500", { exact: true }).isVisible();
  });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
});

test("nothing was asked of another origin, refused by the policy, or thrown", () => {
  assert.deepEqual(browser.faults, []);
});
