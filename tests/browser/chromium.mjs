// A headless Chromium that can reach nothing but the page's own host, and what it noticed there.
import { chromium } from "playwright-core";

export function launch(base) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      // No other host can be found, so that nothing works by luck of being online.
      `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${base.hostname}`,
    ],
  });
}

/** Collects, from now on, what a page loads from elsewhere, its errors, and who subscribes. */
export function watch(page, base) {
  const noticed = { externalUrls: [], consoleErrors: [], subscribers: [] };
  const note = (url) => {
    const { protocol, host } = new URL(url);
    if (host !== base.host && !["data:", "blob:"].includes(protocol)) noticed.externalUrls.push(url);
  };
  page.on("request", (request) => note(request.url()));
  page.on("websocket", (socket) => {
    note(socket.url());
    socket.on("framesent", ({ payload }) => {
      const { type, payload: params } = JSON.parse(payload);
      if (type === "connection_init") noticed.subscribers.push(params?.Authorization ?? null);
    });
  });
  // A violation of the content security policy is a console error too.
  page.on("console", (message) => {
    if (message.type() === "error") noticed.consoleErrors.push(message.text());
  });
  page.on("pageerror", (error) => noticed.consoleErrors.push(error.message));
  return noticed;
}
