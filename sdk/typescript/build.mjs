// Builds the package twice, as ES modules and as CommonJS, into dist/.

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
const tsc = join(dirname(manifest), "bin", "tsc");
rmSync(join(here, "dist"), { recursive: true, force: true });
for (const [folder, module, type] of [["esm", "ESNext", "module"], ["cjs", "CommonJS", "commonjs"]]) {
  const args = ["-p", here, "--module", module, "--outDir", join(here, "dist", folder)];
  execFileSync(process.execPath, [tsc, ...args], { stdio: "inherit" });
  writeFileSync(join(here, "dist", folder, "package.json"), JSON.stringify({ type }) + "\n");
}
