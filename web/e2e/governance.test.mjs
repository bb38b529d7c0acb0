// Reviews, policies, prices, channels and retention, as a person works with them.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, objections, setUp, startBrowser, startExhibit } from "./exhibit.mjs";

const POLICY = `version: 1
policy: desk
owner: compliance
rules:
  - id: no-iban
    title: An account number leaves the house
    severity: high
    when: {finding: {entity: IBAN_CODE}}
    then: [quarantine]
    tests:
      - given: {span: {input: "Pay to DE89370400440532013000"}}
        expect: [quarantine]
  - id: mail
    title: An address in a prompt
    severity: medium
    when: {finding: {entity: EMAIL_ADDRESS}}
    then: [{review: {queue: desk, sla: 4h}}]
  - id: spend
    title: What a model may cost in a day
    severity: low
    budget: {key: [model], limit_usd: 100, window: day}
    then: {soft: [flag], hard: [flag]}
`;

let server;
let browser;
let rules;
let hook;
const heard = [];
before(async () => {
  hook = createServer((request, answer) => {
    heard.push(request.headers["webhook-id"]);
    answer.statusCode = 204;
    answer.end();
  });
  await new Promise((resolve) => hook.listen(0, "127.0.0.1", resolve));
  rules = mkdtempSync(join(tmpdir(), "exhibit-rules-"));
  mkdirSync(join(rules, "policies"));
  writeFileSync(join(rules, "policies/desk.yaml"), POLICY);
  process.env.OPS_WEBHOOK_SECRET = `whsec_${Buffer.from("a".repeat(32)).toString("base64")}`;
  writeFileSync(join(rules, "notifications.yaml"), `version: 1
channels:
  - name: ops
    kind: webhook
    url: http://127.0.0.1:${hook.address().port}/hook
    secret_env: OPS_WEBHOOK_SECRET
    allow_private: true
    events: [nothing.]
`);
  server = await startExhibit("--rules-dir", rules);
  browser = await startBrowser(server);
  await setUp(browser.page, server);
  await send("iban-1", "Pay 40 EUR to DE89370400440532013000 by Friday");
  await send("iban-2", "Pay 41 EUR to DE89370400440532013000 by Monday");
  for (const n of [1, 2, 3]) await send(`mail-${n}`, "Write to jo.doe@example.com");
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  hook?.close();
  if (rules) rmSync(rules, { recursive: true });
});

const send = (id, content) => {
  const at = (ms) => new Date(Date.now() - 5_000 + ms).toISOString();
  return server.send([
    { trace_id: id, span_id: `${id}-s`, name: "answer", span_type: "llm", status: "ok", start_time: at(0), end_time: at(2_000), model: "gpt-4o-mini", tokens_in: 120, tokens_out: 40, input: { messages: [{ role: "user", content }] } },
  ]);
};
const row = (text) => browser.page.locator("[data-review]").filter({ hasText: text });

test("a reviewer decides with the keyboard, on the text that was found", async () => {
  const { page } = browser;
  await page.goto("/reviews");
  await eventually(async () => (await page.locator("[data-review]").count()) === 5);
  await page.getByRole("link", { name: /Reviews\s*5 waiting/ }).waitFor();
  // What has a deadline comes first.
  await page.keyboard.press("j");
  await page.getByRole("article", { name: "An address in a prompt" }).waitFor();
  assert.match(await page.locator("mark[data-finding]").first().textContent(), /^jo\.doe@example\.com/);
  await page.getByText(/due in (4 h|2\d\d min)/).first().waitFor();
  await page.keyboard.press("c");
  await page.getByRole("article").getByText("claimed").waitFor();
  await page.getByText("took it").waitFor();
  await page.keyboard.press("m");
  await page.keyboard.type("asked the team");
  await page.keyboard.press("Control+Enter");
  await page.getByText("asked the team").waitFor();
  await page.keyboard.press("a");
  await page.getByRole("form", { name: "Approve" }).waitFor();
  await page.keyboard.press("3");
  await page.keyboard.press("Control+Enter");
  await page.getByText("accepted risk").waitFor();
  await page.getByRole("link", { name: /Reviews\s*4 waiting/ }).waitFor();
  assert.deepEqual(await objections(page), []);
});

test("something quarantined is read by the reviewer, and released", async () => {
  const { page } = browser;
  await row("iban-1").getByRole("button").click();
  await page.getByText("only reviewers are shown").waitFor();
  assert.match(await page.locator("mark[data-finding]").first().textContent(), /^DE89370400440532013000/);
  const others = await fetch(`${server.url}/api/v1/traces/iban-1/spans/iban-1-s`, { headers: { authorization: `Bearer ${server.key}` } });
  assert.doesNotMatch(await others.text(), /DE89370400440532013000/);
  await page.keyboard.press("a");
  await page.getByLabel("What becomes of what is quarantined").selectOption("");
  await page.getByRole("form").getByRole("button", { name: "Approve" }).click();
  await page.getByText("false positive").waitFor();
  await eventually(async () => (await page.getByText("only reviewers are shown").count()) === 0);
  await page.goto("/traces/iban-1?view=governance");
  await page.getByText("by Friday").waitFor();
});

test("something quarantined is rejected and erased", async () => {
  const { page } = browser;
  await page.goto("/reviews");
  await row("iban-2").getByRole("button").click();
  await page.keyboard.press("r");
  await page.getByLabel("What becomes of what is quarantined").selectOption("erase");
  await page.getByText("nobody can bring it back").waitFor();
  await page.getByRole("form").getByRole("button", { name: "Reject" }).click();
  await page.getByText("true positive").waitFor();
  await eventually(async () => !(await page.evaluate(async () => (await (await fetch("/api/v1/traces/iban-2/spans/iban-2-s")).text()).includes("DE89370400440532013000"))));
});

test("several are decided at once, and a review that comes meanwhile appears by itself", async () => {
  const { page } = browser;
  await page.goto("/reviews");
  await row("mail-").nth(1).waitFor();
  await send("mail-4", "Write to jo.doe@example.com");
  await row("mail-4").waitFor();
  for (const box of await page.getByRole("checkbox").all()) await box.check();
  await page.getByText("3 chosen").waitFor();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("form", { name: "Approve" }).getByRole("button", { name: "Approve" }).click();
  await page.getByText("3 done").waitFor();
  await page.getByText("Nothing here").waitFor();
  await page.keyboard.press("?");
  await page.getByText("approve, reject").waitFor();
  await page.keyboard.press("Escape");
});

test("a broken policy is refused with line and reason, a good one holds at once", async () => {
  const { page } = browser;
  await page.goto("/policies?file=policies/desk.yaml");
  await page.getByRole("cell", { name: /An account number leaves/ }).waitFor();
  await page.getByRole("button", { name: "Source" }).click();
  const editor = page.getByRole("textbox", { name: "Source of policies/desk.yaml" });
  await editor.waitFor();
  await page.getByText(/It loads: 3 rules, 1 test passed/).waitFor();
  await editor.click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("thne: 1\n");
  await page.getByText("the rules in force stay").waitFor();
  await page.getByRole("list", { name: "Problems" }).getByText(/policies\/desk\.yaml(:\d+)?/).first().waitFor();
  assert.ok(await page.getByRole("button", { name: "Save" }).isDisabled());
  assert.deepEqual(await objections(page), []);
  await page.getByRole("button", { name: "Discard changes" }).click();
  await page.getByRole("button", { name: "shadow", exact: true }).click();
  await page.getByText(/It loads/).waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("link", { name: /desk.*shadow/ }).waitFor();
  assert.match(readFileSync(join(rules, "policies/desk.yaml"), "utf8"), /^mode: shadow$/m);
});

test("a changed policy is simulated over what is recorded", async () => {
  const { page } = browser;
  await page.goto("/policies?file=policies/desk.yaml&part=simulate");
  await page.getByRole("button", { name: "Simulate" }).nth(1).click();
  await page.getByText(/(Nothing would change|decisions would change)/).waitFor({ timeout: 60_000 });
  await page.getByText("in shadow mode").waitFor();
});

test("a pack is switched on and removed again", async () => {
  const { page } = browser;
  await page.goto("/policies?file=policies/gdpr.yaml&part=source");
  await page.getByText(/It loads/).waitFor();
  await page.getByRole("button", { name: "Switch it on" }).click();
  await page.getByRole("link", { name: /gdpr.*own.*enforce|gdpr.*own/ }).waitFor();
  await page.getByRole("button", { name: "Source" }).click();
  await page.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("button", { name: "Remove it" }).click();
  await page.getByText("A pack that comes with Exhibit").waitFor();
});

test("a price is added with a preview, a channel is tested, and budgets burn", async () => {
  const { page } = browser;
  await page.goto("/settings");
  await page.getByRole("button", { name: "Add a price" }).click();
  await page.getByLabel("Model", { exact: false }).last().waitFor();
  await page.getByRole("dialog").getByLabel(/^Model/).fill("gpt-4o-mini");
  await page.getByLabel("Input, USD").fill("7");
  await page.getByLabel("Output, USD").fill("9");
  await page.getByRole("button", { name: "What would change?" }).click();
  await page.getByTestId("price-preview").getByText(/priced: /).waitFor();
  await page.getByRole("region", { name: "What would change" }).getByText("gpt-4o-mini").waitFor();
  await page.getByRole("button", { name: "Add it" }).click();
  await page.getByRole("cell", { name: "input 7, output 9" }).waitFor();
  await page.getByRole("button", { name: "Send a test to ops" }).click();
  await page.getByRole("row", { name: /channel\.test/ }).getByText("taken").waitFor({ timeout: 30_000 });
  assert.equal(heard.length, 1);
  await page.getByRole("meter").first().waitFor();
  assert.deepEqual(await objections(page), []);
  await page.getByRole("button", { name: "Price again…" }).click();
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText(/changed\. Done\./).waitFor({ timeout: 60_000 });
});

test("rules of retention are edited, and an erasure is looked at before it is made", async () => {
  const { page } = browser;
  await page.goto("/vault");
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("button", { name: "Add a rule" }).click();
  await page.getByLabel("1. Name").fill("short");
  await page.getByLabel(/^Traces/).fill("environment = test");
  await page.getByLabel(/^Days/).fill("30");
  assert.deepEqual(await objections(page), []);
  await page.getByRole("button", { name: "Save the rules" }).click();
  await page.getByText("30 days").first().waitFor();
  await page.getByText("Nothing would go.").waitFor();
  await page.getByRole("button", { name: "Erase records…" }).click();
  await page.getByRole("button", { name: "One trace" }).click();
  await page.getByLabel("The trace's id").fill("mail-1");
  await page.getByLabel("Why").fill("asked for");
  await page.getByRole("button", { name: "What would go?" }).click();
  await page.getByText("1 trace would go.").waitFor();
  await page.getByLabel(/to confirm/).fill("erase");
  await page.getByRole("button", { name: "Erase for ever" }).click();
  await page.getByText("1 trace erased.").waitFor();
});

test("nothing was asked of another origin, refused by the policy, or thrown", () => {
  assert.deepEqual(browser.faults, []);
});
