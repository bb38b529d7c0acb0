import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** The server that `npm run dev` talks to. */
const server = process.env.EXHIBIT_URL ?? "http://127.0.0.1:3000";

const proxy = {
  "/api": server,
  "/docs": server,
  "/ws": { target: server, ws: true },
};

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    target: "es2022",
    // Inlined files would be `data:` addresses, which the Content-Security-Policy allows for images only.
    assetsInlineLimit: 0,
    // The polyfill is an inline script in disguise, and every supported browser preloads modules.
    modulePreload: { polyfill: false },
  },
  server: { proxy },
  preview: { proxy },
  test: { include: ["src/**/*.test.ts"] },
});
