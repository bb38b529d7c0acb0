// What the dashboard takes, measured in headless Chromium against the real (release) binary, as Markdown:
//
//   EXHIBIT_BIN=target/release/exhibit node web/bench/dashboard.mjs
//
// SIZES names the traces that are opened (10000,100000), TRACES the length of the list (20000).
// First load and time to interactive; opening traces of 10,000 and 100,000 spans; script per frame and
// elements on the page while scrolling and zooming; from the acknowledgement to the screen; typing.

import { eventually, setUp, smallTrace, startBrowser, startExhibit } from "../e2e/exhibit.mjs";

const SIZES = (process.env.SIZES ?? "10000,100000").split(",").map(Number);
const TRACES = Number(process.env.TRACES ?? 20_000);
const rows = [];
const row = (what, value, must) => {
  rows.push([what, value, must]);
  console.error(`${what}: ${value} (must: ${must})`);
};
const percentile = (list, p) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * p))];

const server = await startExhibit("--no-search");
const browser = await startBrowser(server);
const { page, context } = browser;
const cdp = await context.newCDPSession(page);
// The thread's own time: what else the machine does is not counted.
await cdp.send("Performance.enable", { timeDomain: "threadTicks" });

const metric = async (name) => (await cdp.send("Performance.getMetrics")).metrics.find((it) => it.name === name).value;

/** Script and layout per frame while something is done on every frame, milliseconds. */
async function perFrame(frames, act) {
  const [script, layout] = [await metric("ScriptDuration"), await metric("RecalcStyleDuration")];
  const slow = await page.evaluate(
    async ([frames, source]) => {
      const act = new Function("i", source);
      const gaps = [];
      let last = performance.now();
      for (let i = 0; i < frames; i++) {
        act(i);
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        gaps.push(now - last);
        last = now;
      }
      return gaps;
    },
    [frames, act],
  );
  return {
    script: ((await metric("ScriptDuration")) - script) * 1_000 / frames,
    style: ((await metric("RecalcStyleDuration")) - layout) * 1_000 / frames,
    p95: percentile(slow, 0.95),
    elements: await page.evaluate(() => document.querySelectorAll("*").length),
  };
}

async function large(id, spans) {
  const at = (n) => new Date(Date.UTC(2026, 10, 20) + n * 9).toISOString();
  const made = [{ trace_id: id, span_id: `${id}-0`, name: "simulation", span_type: "agent", status: "ok", start_time: at(0), end_time: at(spans) }];
  for (let n = 1; n < spans; n++) {
    const place = (n - 1) % 30;
    made.push({ trace_id: id, span_id: `${id}-${n}`, parent_span_id: place === 0 ? `${id}-0` : `${id}-${n - place}`, name: place === 0 ? `episode ${n}` : "step", span_type: place === 0 ? "chain" : "tool", status: "ok", start_time: at(n), end_time: at(place === 0 ? Math.min(n + 30, spans) : n + 1) });
  }
  for (let n = 0; n < made.length; n += 2_000) await server.send(made.slice(n, n + 2_000));
}

try {
  await setUp(page, server);
  await page.getByText("Waiting for the first trace").waitFor();
  await server.send(smallTrace("first"));
  await page.waitForURL(/first/);
  const fresh = await context.newPage();
  const bytes = [];
  fresh.on("response", async (answer) => bytes.push((await answer.request().sizes().catch(() => null))?.responseBodySize ?? 0));
  const began = Date.now();
  await fresh.goto("/traces");
  await fresh.locator("[data-trace]").first().waitFor();
  row("Explorer: from the address to rows that answer", `${Date.now() - began} ms`, "< 1,000 ms");
  await fresh.waitForTimeout(500);
  row("Explorer: bytes over the wire, data included", `${Math.round(bytes.reduce((a, b) => a + b, 0) / 1_000)} kB`, "≤ 250 kB");
  await fresh.close();

  for (const spans of SIZES) {
    const id = `large-${spans}`;
    await large(id, spans);
    await page.goto("/traces");
    await page.locator("[data-trace]").first().waitFor();
    await page.waitForTimeout(300);
    const start = Date.now();
    await page.goto(`/traces/${id}?view=timeline`);
    await page.getByRole("treeitem").nth(10).waitFor();
    row(`${spans.toLocaleString("en")} spans: open, bars in sight`, `${Date.now() - start} ms`, spans > 50_000 ? "< 2,000 ms" : "< 500 ms");
    await eventually(async () => (await page.getByText(/ of .* steps$/).count()) === 0, 60);
    row(`${spans.toLocaleString("en")} spans: all of them loaded`, `${Date.now() - start} ms`, "");
    const scroll = await perFrame(120, `document.querySelector("[role=tree]").scrollTop = i * 400`);
    row(`${spans.toLocaleString("en")} spans: script per frame, scrolling`, `${scroll.script.toFixed(1)} ms (frames p95 ${scroll.p95.toFixed(0)} ms, ${scroll.elements} elements)`, "≤ 8 ms");
    const zoom = await perFrame(120, `const tree = document.querySelector("[role=tree]"); const box = tree.getBoundingClientRect(); tree.dispatchEvent(new WheelEvent("wheel", { deltaY: i % 40 < 20 ? -100 : 100, ctrlKey: true, clientX: box.left + box.width * 0.7, clientY: box.top + 100, bubbles: true, cancelable: true }))`);
    row(`${spans.toLocaleString("en")} spans: script per frame, zooming`, `${zoom.script.toFixed(1)} ms (frames p95 ${zoom.p95.toFixed(0)} ms)`, "≤ 8 ms");
  }

  // A list to scroll in: one span per trace.
  for (let n = 0; n < TRACES; n += 2_000) {
    await server.send(Array.from({ length: Math.min(2_000, TRACES - n) }, (_, i) => ({ ...smallTrace(`t-${n + i}`, Date.now() - 3_600_000 - (n + i) * 20)[1], parent_span_id: undefined })));
  }
  await page.goto("/traces");
  await page.locator("[data-trace]").first().waitFor();
  const list = await perFrame(240, `const grid = document.querySelector("[role=grid]"); grid.scrollTop += 600`);
  row(`Explorer over ${TRACES.toLocaleString("en")} traces: script per frame, scrolling and reading on`, `${list.script.toFixed(1)} ms (frames p95 ${list.p95.toFixed(0)} ms, ${list.elements} elements)`, "≤ 8 ms");

  const box = page.getByRole("combobox", { name: "Filter" });
  await box.click();
  const keys = [];
  for (const key of "status = error agent = helper") {
    const start = Date.now();
    await page.keyboard.type(key);
    await page.evaluate(() => new Promise(requestAnimationFrame));
    keys.push(Date.now() - start);
  }
  row("Filter: from the key to the next frame, p95", `${percentile(keys, 0.95)} ms`, "never blocks");

  const [root] = smallTrace("live", Date.now());
  await server.send([{ ...root, status: "running", end_time: undefined }]);
  await page.goto("/traces/live?view=timeline");
  await page.locator(".running-edge").waitFor();
  await page.waitForTimeout(500);
  const delays = [];
  for (let n = 0; n < 20; n++) {
    const id = `live-${n}`;
    const seen = page.evaluate((id) => new Promise((resolve) => {
      const look = () => (document.querySelector(`[data-span="${id}"]`) ? resolve(Date.now()) : requestAnimationFrame(look));
      look();
    }), id);
    await server.send([{ trace_id: "live", span_id: id, parent_span_id: root.span_id, name: id, span_type: "tool", status: "running", start_time: new Date().toISOString() }]);
    const acknowledged = Date.now();
    delays.push((await seen) - acknowledged);
  }
  row("Live span on the screen after its acknowledgement, p95 of 20", `${percentile(delays, 0.95)} ms (median ${percentile(delays, 0.5)} ms)`, "< 200 ms");
} finally {
  await browser.stop();
  await server.stop();
}

console.log("| what | measured | must |\n|---|--:|--:|");
for (const cells of rows) console.log(`| ${cells.join(" | ")} |`);
