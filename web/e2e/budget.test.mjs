// The bytes of the first load, read off what was built.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const DIST = new URL("../dist/", import.meta.url);
const gzip = (path) => gzipSync(readFileSync(new URL(path.replace(/^\//, ""), DIST)), { level: 9 }).length;
const FIRST_LOAD_MAX = 250_000;
const DIST_MAX = 2_000_000;

/** A script and all that it imports before it runs, with what a page of its own needs. */
function closure(path, seen = new Set()) {
  if (seen.has(path)) return seen;
  seen.add(path);
  const text = readFileSync(new URL(path, DIST), "utf8");
  for (const [, name] of text.matchAll(/(?:from|import)\s*["'`]\.\/([\w.-]+\.js)["'`]/g)) closure(`assets/${name}`, seen);
  return seen;
}

test("the first load of every page is at most 250 kB of gzip", (t) => {
  const index = readFileSync(new URL("index.html", DIST), "utf8");
  const files = [...index.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map(([, path]) => path);
  const shell = new Set(files.flatMap((path) => (path.endsWith(".js") ? [...closure(path)] : [path])));
  const pages = readdirSync(new URL("assets/", DIST)).filter((name) => /Page-.*\.js$/.test(name));
  assert.ok(pages.length > 5);
  for (const page of pages) {
    const all = new Set([...shell, ...closure(`assets/${page}`)]);
    const sum = gzip("index.html") + [...all].reduce((bytes, path) => bytes + gzip(path), 0);
    t.diagnostic(`${page}: ${sum} bytes`);
    assert.ok(sum <= FIRST_LOAD_MAX, `${page} needs ${sum} bytes`);
  }
});

test("all that is embedded is at most 2 MB packed", () => {
  const sizes = (folder) => readdirSync(folder, { withFileTypes: true }).map((it) => {
    const path = new URL(it.name + (it.isDirectory() ? "/" : ""), folder);
    return it.isDirectory() ? sizes(path) : it.name.endsWith(".br") ? statSync(path).size : 0;
  }).reduce((a, b) => a + b, 0);
  assert.ok(sizes(DIST) <= DIST_MAX);
});

// Names in licences, messages and formats (in-toto, ours) are no addresses that are asked.
test("no built file names another host to ask", () => {
  const NAMED = /https?:\/\/(?!www\.w3\.org|react\.dev|reactjs\.org|reactflow\.dev|127\.0\.0\.1|localhost|tanstack\.com|github\.com|radix-ui\.com|tailwindcss\.com|in-toto\.io|exhibit\.dev)[\w.-]+/g;
  const found = readdirSync(new URL("assets/", DIST)).filter((name) => /\.(js|css)$/.test(name)).flatMap((name) => readFileSync(new URL(`assets/${name}`, DIST), "utf8").match(NAMED) ?? []);
  assert.deepEqual([...new Set(found)], []);
});
