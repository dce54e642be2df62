/** Builds `dist/`: the page is served at `/`, what it loads under `/explorer/assets/`. */
import { defineConfig } from "vite";

export default defineConfig({
  base: "/explorer/",
  logLevel: "warn",
  build: {
    target: "es2022",
    // Fonts travel inside the style sheets, so that only scripts and styles are served as files.
    assetsInlineLimit: (file) => file.endsWith(".ttf"),
    chunkSizeWarningLimit: 2048,
    // "use client" matters to server rendering only; the libraries say it a hundred times.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
  worker: { format: "es" },
});
