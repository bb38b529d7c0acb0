// What happens to somebody at work: the session ends, the server goes away, another tab acts elsewhere.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import { eventually, objections, setUp, smallTrace, startBrowser, startExhibit } from "./exhibit.mjs";

let server;
let browser;
before(async () => {
  server = await startExhibit();
  browser = await startBrowser(server);
  await server.send(smallTrace("first"));
  await setUp(browser.page, server);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

const filterOf = (page) => page.getByRole("combobox", { name: "Filter" });

test("whoever is logged out by time logs in on the page, and what was typed stays", async () => {
  const { page, context } = browser;
  await page.goto("/traces");
  await page.locator("[data-trace=first]").waitFor();
  await context.clearCookies();
  await filterOf(page).fill("agent = helper");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  await dialog.waitFor();
  assert.deepEqual(await objections(page), []);
  await dialog.getByLabel("Password").fill("a wrong password");
  await dialog.getByRole("button", { name: "Log in" }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByLabel("Password").fill("a long enough password");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await filterOf(page).inputValue(), "agent = helper");
  await page.locator("[data-trace=first]").waitFor();
});

test("a server that is away is said to be, and the page goes on when it is back", async () => {
  const { page } = browser;
  await page.goto("/traces/first?span=first-llm");
  await page.getByText("From 9 to 5.").waitFor();
  await server.end();
  await page.getByText("Live connection lost").waitFor();
  await page.getByRole("treeitem", { name: /look it up/ }).click();
  const note = page.getByRole("alert").filter({ hasText: "The server does not answer. Check that it runs" });
  await note.first().waitFor({ timeout: 20_000 });
  assert.deepEqual(await objections(page), []);
  await server.start();
  await note.first().getByRole("button", { name: "Try again" }).click();
  await page.getByText("opening hours").first().waitFor();
  await eventually(async () => (await page.getByText("Live connection lost").count()) === 0, 30);
  await server.send([{ ...smallTrace("first")[1], span_id: "first-late", name: "came late" }]);
  await page.getByRole("treeitem", { name: /came late/ }).waitFor();
});

test("the address of a trace that has not arrived shows it the moment it does", async () => {
  const { page } = browser;
  await page.goto("/traces/awaited");
  await page.getByRole("heading", { name: "There is no such trace here" }).waitFor();
  assert.deepEqual(await objections(page), []);
  await server.send(smallTrace("awaited"));
  await page.getByRole("treeitem", { name: /look it up/ }).waitFor();
});

test("two tabs may act in two workspaces, and neither moves the other", async () => {
  const { page, context } = browser;
  const other = await context.newPage();
  await page.goto("/traces");
  await page.locator("[data-trace=first]").waitFor();
  await other.goto("/");
  await other.getByLabel("Workspace").waitFor();
  const personal = (await other.getByLabel("Workspace").locator("option").evaluateAll((all) => all.map((it) => it.value))).find((id) => id !== "default");
  await other.getByLabel("Workspace").selectOption(personal);
  await other.getByRole("heading", { name: "Send your first trace" }).waitFor();
  await filterOf(page).fill("agent = helper");
  await page.keyboard.press("Enter");
  await page.locator("[data-trace=first]").waitFor();
  await page.reload();
  await page.locator("[data-trace=first]").waitFor();
  assert.equal(await page.getByLabel("Workspace").inputValue(), "default");
  await other.close();
});

test("the log-in leads back to where one was, and to no other origin", async () => {
  const { page, context } = browser;
  for (const [next, lands] of [["/traces?filter=agent+%3D+helper", "/traces"], ["/\t/192.0.2.1/", "/"], ["/.//192.0.2.1/", null], ["javascript:alert(1)", "/"]]) {
    await context.clearCookies();
    await page.goto(`/login?next=${encodeURIComponent(next)}`);
    await page.getByLabel("E-mail").fill("owner@example.com");
    await page.getByLabel("Password").fill("a long enough password");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("navigation", { name: "Main" }).or(page.getByText("There is nothing at this address")).waitFor();
    assert.equal(new URL(page.url()).origin, server.url, next);
    if (lands) assert.equal(new URL(page.url()).pathname, lands);
  }
});

test("the keyboard alone leads from the log-in to a verified trace", async () => {
  const { page, context } = browser;
  const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  const focused = () => page.evaluate(() => document.activeElement?.textContent || document.activeElement?.getAttribute("aria-label") || document.activeElement?.getAttribute("name"));
  const tabTo = (name) => eventually(async () => {
    await page.keyboard.press("Tab");
    return name.test((await focused()) ?? "");
  });
  await context.clearCookies();
  await page.goto("/login");
  await tabTo(/^email$/);
  await page.keyboard.type("owner@example.com");
  await press("Tab");
  await page.keyboard.type("a long enough password");
  await press("Enter");
  await page.getByRole("navigation", { name: "Main" }).waitFor();
  await press("Control+k");
  await page.keyboard.type("trac");
  await press("Enter");
  await page.waitForURL(/\/traces$/);
  await page.evaluate(() => document.activeElement?.blur());
  // The personal workspace is empty: the owner's traces are in the other one.
  await page.getByLabel("Workspace").focus();
  await page.getByLabel("Workspace").press("d");
  await page.waitForURL((url) => url.pathname === "/");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await press("Control+k");
  await page.keyboard.type("Traces");
  await press("Enter");
  await page.locator("[data-trace]").first().waitFor();
  await press("j", "Enter");
  await page.getByRole("treeitem").first().waitFor();
  await press("/");
  await page.keyboard.type("look it");
  await page.getByText("1 found").waitFor();
  await press("Enter");
  await page.getByRole("treeitem", { selected: true, name: /look it up/ }).waitFor();
  await press("Escape", "8");
  await page.getByRole("button", { name: "Verify in this browser" }).waitFor();
  await page.getByRole("tab", { name: "Verification" }).focus();
  await tabTo(/^Verify in this browser$/);
  await eventually(async () => {
    await press("Enter");
    return (await page.getByTestId("browser-verdict").textContent({ timeout: 2_000 })) === "valid";
  });
});

test("two runs of one program are compared step by step, whatever the runs are called", async () => {
  const { page } = browser;
  const [root, look, llm] = smallTrace("other-run");
  await server.send([...smallTrace("one-run"), { ...smallTrace("one-run")[1], span_id: "more", name: "look again" }]);
  await server.send([{ ...root, name: "helper, again" }, look, { ...llm, output: { messages: [{ role: "assistant", content: "We are closed." }] } }]);
  await page.goto("/compare?a=one-run&b=other-run");
  await page.getByRole("status").filter({ hasText: "differ" }).waitFor();
  assert.equal(await page.getByText("only here").count(), 1, "only one step has no other");
  await page.getByLabel("Only what differs").check();
  assert.equal(await page.getByRole("row", { name: /look it up/ }).count(), 0);
  await page.getByRole("row", { name: /answer/ }).click();
  await page.locator("ins").filter({ hasText: "closed" }).waitFor();
  assert.deepEqual(await objections(page), []);
});

/** A picture of one colour. */
function png() {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.from([0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 0]);
  const rows = Buffer.alloc(8 * 25, 90);
  for (let y = 0; y < 8; y++) rows[y * 25] = 0;
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]).toString("base64");
}

test("an image in the record is shown small, and large when asked for", async () => {
  const { page } = browser;
  const [root, , llm] = smallTrace("picture");
  await server.send([root, { ...llm, input: { messages: [{ role: "user", content: [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${png()}` } }] }] } }]);
  await page.goto("/traces/picture?span=picture-llm");
  const image = page.getByRole("img", { name: "In the message" });
  await eventually(async () => (await image.evaluate((it) => it.naturalWidth)) === 8);
  const before = (await image.boundingBox()).width;
  await page.getByRole("button", { name: "Make the image larger" }).click();
  assert.ok((await image.boundingBox()).width > before);
  assert.deepEqual(await objections(page), []);
});

test("settings show projects and environments, the quick start versions and templates", async () => {
  const { page } = browser;
  await server.send([{ ...smallTrace("staged")[0], environment: "staging" }]);
  await page.goto("/settings");
  await page.getByText("you are here").waitFor();
  await page.getByRole("row", { name: /staging/ }).getByText("1", { exact: true }).first().waitFor();
  await page.getByRole("link", { name: "Quick start" }).click();
  for (const version of await page.getByTestId("sdk-version").allTextContents()) assert.match(version, /^\d+\.\d+\.\d+/);
  await page.getByRole("button", { name: "TypeScript, AI SDK" }).click();
  await page.getByLabel("TypeScript, AI SDK template").getByText("exhibitMiddleware").first().waitFor();
});

test("a project is made in the settings and entered at once", async () => {
  const { page } = browser;
  await page.goto("/settings");
  await page.getByLabel("New project").fill("Claims assistant");
  await page.getByRole("button", { name: "Make it" }).click();
  const here = page.getByRole("listitem").filter({ hasText: "Claims assistant" });
  await here.getByText("you are here").waitFor();
  await here.getByText("admin").waitFor();
  assert.deepEqual(await objections(page), []);
});

test("nothing was asked of another origin, refused by the policy, or thrown", () => {
  assert.deepEqual(browser.faults, []);
});
