// Puts our own packages, as they would be published, beside the real libraries.

import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const sdk = join(here, "..", "..", "..", "sdk", "typescript");
for (const folder of [sdk, join(sdk, "packages", "aitracer-openai-agents"), join(sdk, "packages", "aitracer-sdk")]) {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const to = join(here, "node_modules", manifest.name);
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const part of ["package.json", ...(manifest.files ?? ["index.js", "index.d.ts"])]) {
    cpSync(join(folder, part), join(to, part), { recursive: true });
  }
}
