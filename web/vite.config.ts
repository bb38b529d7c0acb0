import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** The server that `npm run dev` talks to. */
const server = process.env.EXHIBIT_URL ?? "http://127.0.0.1:3000";

// The server compares a page's origin with the host that it is asked at: both are made the server's.
const to = { target: server, changeOrigin: true, headers: { origin: server } };
const proxy = { "/api": to, "/docs": to, "/ws": { ...to, ws: true } };

/** Leaves every file of more than a kilobyte packed beside itself, so that the server never packs. */
const packed = {
  name: "packed",
  apply: "build" as const,
  closeBundle() {
    const visit = (folder: string) => {
      for (const name of readdirSync(folder)) {
        const path = join(folder, name);
        if (statSync(path).isDirectory()) visit(path);
        else if (/\.(js|css|html|svg)$/.test(name) && (name === "index.html" || statSync(path).size > 1_024)) {
          const content = readFileSync(path);
          writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
          writeFileSync(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
        }
      }
    };
    visit(join(import.meta.dirname, "dist"));
  },
};

export default defineConfig({
  plugins: [react(), tailwindcss(), packed],
  build: {
    target: "es2022",
    // Inlined files would be `data:` addresses, which the Content-Security-Policy allows for images only.
    assetsInlineLimit: 0,
    // The polyfill is an inline script in disguise, and every supported browser preloads modules.
    modulePreload: { polyfill: false },
  },
  // The verifier of bundles is shared with the command line's; the quick start shows the examples.
  server: { proxy, fs: { allow: [".", "../verifiers/typescript/src", "../examples", "../sdk"] } },
  preview: { proxy },
  test: { include: ["src/**/*.test.ts"] },
});
