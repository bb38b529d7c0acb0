// Replay and ablation in a browser, against a provider that follows a script.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { eventually, objections, setUp, startBrowser, startExhibit } from "./exhibit.mjs";

const FACT = "The library opens at nine and closes at five on weekdays.";
let provider;
let server;
let browser;

/** Answers by what it is told: with the tool's result the hours, without it that nobody knows. */
async function startProvider() {
  const asked = [];
  const state = { pause: 0 };
  const http = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => { body += piece; });
    request.on("end", () => {
      const wanted = JSON.parse(body);
      asked.push(wanted);
      const knows = wanted.messages.some((message) => String(message.content).includes("opens at nine"));
      const text = knows ? "From nine to five." : "Nobody here can tell when that might be.";
      const part = (choice, more = {}) => `data: ${JSON.stringify({ id: "r1", model: wanted.model, choices: [{ index: 0, ...choice }], ...more })}\n\n`;
      setTimeout(() => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.end(`${part({ delta: { role: "assistant", content: text } })}${part({ delta: {}, finish_reason: "stop" })}data: ${JSON.stringify({ id: "r1", choices: [], usage: { prompt_tokens: 40, completion_tokens: 8 } })}\n\ndata: [DONE]\n\n`);
      }, state.pause);
    });
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { asked, state, url: `http://127.0.0.1:${http.address().port}/v1`, stop: () => new Promise((resolve) => { http.closeAllConnections(); http.close(resolve); }) };
}

function agent(id) {
  const start = Date.now() - 60_000;
  const at = (ms) => new Date(start + ms).toISOString();
  const span = (name, kind, from, to, more) => ({ trace_id: id, span_id: `${id}-${name}`, name, span_type: kind, status: "ok", start_time: at(from), end_time: at(to), ...(name === "helper" ? {} : { parent_span_id: `${id}-helper` }), ...more });
  const call = { id: "c1", type: "function", function: { name: "hours", arguments: "{}" } };
  const question = [{ role: "system", content: "Be brief." }, { role: "user", content: "When does the library open?" }];
  const model = { model: "gpt-4o-mini", provider: "openai", tokens_in: 40, tokens_out: 8 };
  return [
    span("helper", "agent", 0, 3_000, { input: { question: "When does the library open?" }, output: { answer: "From nine to five." } }),
    span("plan", "llm", 100, 600, { ...model, input: { messages: question }, output: { messages: [{ role: "assistant", content: "", tool_calls: [call] }] } }),
    span("hours", "tool", 700, 900, { tool_name: "hours", tool_call_id: "c1", input: {}, output: { result: FACT } }),
    span("answer", "llm", 1_000, 2_900, { ...model, input: { messages: [...question, { role: "assistant", content: "", tool_calls: [call] }, { role: "tool", tool_call_id: "c1", content: FACT }] }, output: { messages: [{ role: "assistant", content: "From nine to five." }] } }),
  ];
}

before(async () => {
  provider = await startProvider();
  server = await startExhibit({ OPENAI_API_KEY: ["sk", "scripted", "0000"].join("-"), OPENAI_BASE_URL: provider.url });
  browser = await startBrowser(server);
  await setUp(browser.page, server);
  await server.send(agent("lib"));
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  await provider?.stop();
});

test("Run Ablation says what it takes, runs, and names the cause", async () => {
  const { page } = browser;
  await page.goto("/traces/lib?view=sankey");
  await page.getByText("No ablation yet").waitFor();
  await page.getByRole("button", { name: "Run Ablation" }).click();
  const dialog = page.getByRole("dialog", { name: "Run Ablation" });
  await dialog.getByText("model calls").waitFor();
  assert.equal(provider.asked.length, 0, "an estimate spends nothing");
  await dialog.getByLabel("Compare answers by").selectOption("Judging model");
  assert.equal(await dialog.getByRole("button", { name: "Start" }).count(), 0, "a judge has a name");
  await dialog.getByLabel("Compare answers by").selectOption("Their words");
  await dialog.getByLabel("Repeats of every variant").fill("3");
  assert.ok(Number(await dialog.getByLabel("Spend at most, USD").inputValue()) > 0);
  await dialog.getByRole("button", { name: "Start" }).click();
  await page.getByTestId("explanation").waitFor();
  assert.match(await page.getByTestId("explanation").textContent(), /depends most on a tool's result.*opens at nine/s);
  const first = page.getByRole("row").nth(1);
  assert.match(await first.textContent(), /Tool result.*yes/);
  assert.match(await page.getByRole("img", { name: /inputs flow into the answer/ }).getAttribute("aria-label"), /1 of them/);
  await first.getByRole("button").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: "Step hours" }).waitFor();
  assert.ok(provider.asked.length > 6);
});

test("Why this tool? asks about the call that asked for it", async () => {
  const { page } = browser;
  await page.goto("/traces/lib?span=lib-hours");
  await page.getByRole("button", { name: "Why this tool?" }).click();
  await page.getByText("What the call “plan” depends on").waitFor();
  await page.getByText("No ablation yet").waitFor();
  assert.match(page.url(), /target=lib-plan/);
});

test("an ablation is cancelled, and goes on where it stopped", async () => {
  const { page } = browser;
  provider.state.pause = 400;
  await page.goto("/traces/lib?view=sankey&target=lib-plan");
  await page.getByRole("button", { name: "Run Ablation" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Start" }).click();
  await page.getByRole("progressbar").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("Ablation cancelled.").waitFor();
  provider.state.pause = 0;
  await page.getByRole("button", { name: "Go on where it stopped" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Go on" }).click();
  await page.getByTestId("explanation").waitFor();
  assert.match(await page.getByTestId("explanation").textContent(), /The call of `hours`/);
});

test("Replay leads to the new trace and the comparison", async () => {
  const { page } = browser;
  await page.goto("/traces/lib?span=lib-answer");
  await page.getByRole("button", { name: "Replay", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Replay" });
  await dialog.getByLabel("Model").fill("gpt-4o");
  await dialog.getByLabel("Repeats").fill("2");
  await dialog.getByLabel("From the chosen step on").check();
  await dialog.getByText("Takes 2 model calls").waitFor();
  assert.deepEqual(await objections(page), [], "the dialog");
  const before = provider.asked.length;
  await dialog.getByRole("button", { name: "Run again" }).click();
  await dialog.getByText("Determinism").waitFor();
  assert.deepEqual(provider.asked.slice(before).map((wanted) => wanted.model), ["gpt-4o", "gpt-4o"]);
  await dialog.getByRole("link", { name: "Compare" }).first().click();
  await page.getByRole("grid", { name: "Steps of both" }).waitFor();
  assert.match(page.url(), /a=lib&b=/);
});

test("who may not spend is not asked to", async () => {
  const { page } = browser;
  const status = await page.evaluate(async () => (await fetch("/api/v1/traces/lib/replays", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" })).status);
  assert.equal(status, 422, "nothing is spent without a budget");
  const visitor = await startBrowser(server);
  await visitor.page.goto("/");
  await visitor.page.getByRole("button", { name: "View demo" }).click();
  await visitor.page.getByRole("heading", { name: "Overview" }).waitFor({ timeout: 60_000 });
  const id = await eventually(async () => visitor.page.evaluate(async () => (await (await fetch("/api/v1/traces?limit=1")).json()).data[0]?.trace_id));
  await visitor.page.goto(`/traces/${id}?view=sankey`);
  await visitor.page.getByText("No ablation yet").waitFor();
  assert.equal(await visitor.page.getByRole("button", { name: "Run Ablation" }).count(), 0);
  assert.equal(await visitor.page.getByRole("button", { name: "Replay", exact: true }).count(), 0);
  await visitor.stop();
});

for (const colorScheme of ["light", "dark"]) {
  test(`the Sankey has no obstacle that axe knows (${colorScheme})`, async () => {
    const { page } = browser;
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.goto("/traces/lib?view=sankey");
    await page.getByTestId("explanation").waitFor();
    await page.waitForTimeout(300);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/sankey-${colorScheme}.png` });
    assert.deepEqual(await objections(page), []);
  });
}

test("on a phone nothing runs off the side", async () => {
  const { page } = browser;
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/traces/lib?view=sankey");
  await page.getByTestId("explanation").waitFor();
  assert.ok(!(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1)));
  await page.setViewportSize({ width: 1440, height: 900 });
});

test("nothing was asked of another origin, refused by the policy, or thrown", () => {
  assert.deepEqual(browser.faults, []);
});
