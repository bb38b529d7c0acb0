import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { eventually, objections, setUp, smallTrace, startBrowser, startExhibit } from "./exhibit.mjs";

let server;
let browser;
before(async () => {
  server = await startExhibit();
  browser = await startBrowser(server, { acceptDownloads: true });
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

test("from the landing page to a verified trace", async (t) => {
  const { page, faults } = browser;
  let key;
  let evidence;
  // Each step goes on where the one before it ended.
  let broken = false;
  const step = (name, run) =>
    t.test(name, { skip: broken }, async () => {
      broken = true;
      await run();
      broken = false;
    });

  await step("a visitor sees the landing page, and registers", async () => {
    await page.goto("/");
    await page.getByRole("heading", { name: /flight recorder for\sAI/ }).waitFor();
    await page.getByRole("link", { name: "Create an account" }).click();
    await page.getByLabel("E-mail").fill("new@example.com");
    await page.getByLabel("Password").fill("a long enough password");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByRole("heading", { name: "Send your first trace" }).waitFor();
  });

  await step("the empty dashboard gives a key, once, and puts it into the snippets", async () => {
    await page.getByRole("button", { name: "Create a key" }).click();
    key = (await page.getByTestId("secret").locator("code").textContent()).trim();
    assert.match(key, /^exk_\w{30,}$/);
    assert.ok((await page.getByLabel("curl example").textContent()).includes(key));
    await page.getByRole("button", { name: "OpenTelemetry" }).click();
    assert.ok((await page.getByLabel("OpenTelemetry example").textContent()).includes(key));
  });

  await step("the page turns into the first trace the moment it arrives", async () => {
    await server.send(smallTrace("first"), key);
    await page.waitForURL(/\/traces\/first/);
    await page.getByRole("heading", { name: "helper", level: 1 }).waitFor();
    await page.getByRole("treeitem", { name: /look it up/ }).waitFor();
  });

  await step("a step shows its messages, with the finding marked on the exact text", async () => {
    await page.getByRole("treeitem", { name: /answer/ }).click();
    const mark = page.locator("mark[data-finding]").first();
    await mark.waitFor();
    assert.match(await mark.textContent(), /^jo\.doe@example\.com/);
    await page.getByText("From 9 to 5.").waitFor();
    await page.locator("[data-cost-source=table]").first().waitFor();
  });

  await step("every view opens on the same selection, and the address holds it", async () => {
    for (const view of ["Timeline", "DAG", "Transcript", "Flame", "Governance", "Raw"]) {
      await page.getByRole("tablist", { name: "Views" }).getByRole("tab", { name: view }).click();
      await page.getByRole("tabpanel", { name: view }).first().waitFor();
      assert.equal(new URL(page.url()).searchParams.get("span"), "first-llm");
    }
    await page.reload();
    await page.getByRole("tab", { name: "Raw", selected: true }).waitFor();
  });

  await step("this browser verifies the trace itself, once it is sealed", async () => {
    await page.getByRole("tab", { name: "Verification" }).click();
    await eventually(async () => {
      await page.getByRole("button", { name: "Verify in this browser" }).click();
      return (await page.getByTestId("browser-verdict").textContent({ timeout: 2_000 })) === "valid";
    });
    await eventually(async () => (await page.getByTestId("integrity").textContent()).includes("sealed"));
  });

  await step("its evidence is a file to take away", async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Evidence" }).click()]);
    assert.match(download.suggestedFilename(), /\.zip$/);
    evidence = readFileSync(await download.path());
  });

  await step("the bundle verifies in the browser of somebody without an account, and a changed one does not", async () => {
    const auditor = await startBrowser(server);
    try {
      await auditor.page.goto("/verify");
      const bundle = (buffer) => auditor.page.getByLabel("Bundle", { exact: true }).setInputFiles({ name: "evidence.zip", mimeType: "application/zip", buffer });
      await bundle(evidence);
      await auditor.page.getByTestId("bundle-verdict").getByText("valid", { exact: true }).waitFor();
      const changed = Buffer.from(evidence);
      const at = Math.floor(changed.length / 3);
      changed[at] ^= 1;
      await auditor.page.reload();
      await bundle(changed);
      await eventually(async () => !/^valid$/.test(await auditor.page.getByTestId("bundle-verdict").or(auditor.page.getByRole("alert")).first().textContent({ timeout: 1_000 })));
      assert.deepEqual(await objections(auditor.page), []);
      assert.deepEqual(auditor.faults, []);
    } finally {
      await auditor.stop();
    }
  });

  await step("the list follows live, filters, peeks and exports", async () => {
    await page.goto("/traces?live=true");
    await page.getByRole("grid", { name: "Traces" }).getByText("helper").first().waitFor();
    const began = Date.now();
    await server.send(smallTrace("second", Date.now() - 3_000), key);
    await page.locator('[data-trace="second"]').waitFor({ timeout: 5_000 });
    t.diagnostic(`a trace was in the list ${Date.now() - began} ms after it was sent`);
    await page.getByRole("combobox", { name: "Filter" }).fill("agent = nobody");
    await page.keyboard.press("Enter");
    await page.getByText("No trace fits").waitFor();
    await page.getByRole("combobox", { name: "Filter" }).fill("agnt = x");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText(/agent/).waitFor();
    await page.getByRole("combobox", { name: "Filter" }).fill("");
    await page.keyboard.press("Enter");
    await page.locator('[data-trace="first"]').waitFor();
    await page.locator("body").click({ position: { x: 700, y: 890 } });
    await page.keyboard.press("j");
    await page.getByRole("complementary", { name: "Trace helper" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Export" }).click();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /All that match/ }).click()]);
    assert.equal(download.suggestedFilename(), "traces.csv");
    await page.getByRole("button", { name: "Export" }).click();
    const [bundle] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /Evidence of all/ }).click()]);
    assert.ok(readFileSync(await bundle.path()).subarray(0, 2).equals(Buffer.from("PK")));
  });

  await step("a running step grows while one looks, and ends", async () => {
    const [root, ...rest] = smallTrace("running", Date.now() - 1_000);
    await server.send([{ ...root, status: "running", end_time: undefined }], key);
    await page.goto("/traces/running?view=timeline");
    await page.locator(".running-edge").waitFor();
    const width = async () => Number((await page.getByRole("treeitem").first().textContent()).length > 0 && (await page.locator(".running-edge").first().boundingBox()).width);
    assert.ok((await width()) > 0);
    const began = Date.now();
    await server.send(rest.slice(0, 1), key);
    await page.getByRole("treeitem", { name: /look it up/ }).waitFor();
    t.diagnostic(`a live span was on the screen ${Date.now() - began} ms after it was sent`);
    await server.send([{ ...root, end_time: new Date().toISOString() }], key);
    await page.locator(".running-edge").waitFor({ state: "detached" });
  });

  await step("keys are revoked, and members and prices are shown", async () => {
    await page.goto("/profile");
    await page.getByRole("button", { name: "New key" }).click();
    await page.getByLabel("Name").fill("for AuditTrail");
    await page.getByLabel("Form").selectOption("sk-at-");
    await page.getByRole("button", { name: "Create key" }).click();
    const made = (await page.getByTestId("secret").locator("code").textContent()).trim();
    assert.match(made, /^sk-at-/);
    await server.send(smallTrace("by-audittrail"), made);
    await page.getByRole("button", { name: "I have copied it" }).click();
    await page.getByRole("button", { name: "Revoke" }).first().click();
    await page.getByRole("button", { name: "Revoke for good" }).click();
    await page.getByText("revoked").first().waitFor();
    await page.goto("/settings");
    await page.getByRole("heading", { name: "Model pricing" }).waitFor();
    await page.getByText("Default Rate").first().waitFor();
  });

  await step("a hold is placed and released", async () => {
    await page.goto("/vault");
    await page.getByText("everything is kept").first().waitFor();
    await page.getByRole("button", { name: "Place a hold" }).click();
    await page.getByLabel("Traces").fill("agent = helper");
    await page.getByLabel("Who answers for it").fill("counsel");
    await page.getByLabel("Why, such as").fill("case 4711");
    await page.getByRole("button", { name: "Place it" }).click();
    await page.getByText("case 4711").waitFor();
    await page.getByRole("button", { name: "What would go now?" }).click();
    await page.getByText("Nothing would go.").waitFor();
    await page.getByRole("button", { name: "Release" }).click();
    await page.getByLabel("Why it ends").fill("settled");
    await page.getByRole("button", { name: "Release it" }).click();
    await page.getByText(/^released/).waitFor();
  });

  await step("nothing was asked of another origin, refused by the policy, or thrown", () => {
    assert.deepEqual(faults, []);
  });
});

test("the set-up link makes the owner, who sees what the printed key sends", async () => {
  const owner = await startBrowser(server);
  try {
    await setUp(owner.page, server);
    await owner.page.getByRole("heading", { name: "Send your first trace" }).waitFor();
    await server.send(smallTrace("printed"));
    await owner.page.waitForURL(/\/traces\/printed/);
  } finally {
    await owner.stop();
  }
});

test("the answer's headers keep the page to itself", async () => {
  const answer = await fetch(`${server.url}/traces/some.trace`, { headers: { accept: "text/html", "accept-encoding": "br" } });
  assert.equal(answer.status, 200);
  const policy = answer.headers.get("content-security-policy");
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  assert.equal((await fetch(`${server.url}/api/nothing`)).status, 404);
});
