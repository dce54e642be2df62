// Runs the first example of the explorer in Chromium: node explorer.mjs BASE_URL [SCREENSHOT_PATH]
import { chromium } from "playwright-core";

const [baseUrl, screenshotPath] = process.argv.slice(2);
const base = new URL(baseUrl);
const browser = await launch();
try {
  const report = await visit(await browser.newPage({ viewport: { width: 1440, height: 900 } }));
  console.log(JSON.stringify(report));
  process.exitCode = isClean(report) ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await browser.close();
}

function launch() {
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

async function visit(page) {
  const { externalUrls, consoleErrors } = watch(page);
  await page.goto(base.href);
  const example = page.locator("#example option, .graphiql-query-editor .view-line").first();
  await within(example.waitFor({ state: "attached" }), "an example", consoleErrors);
  const kind = (await page.locator(".graphiql-container").count()) ? "graphiql" : "plain";
  await page.getByRole("button", { name: /^(Execute query|Run\b)/ }).click();
  const answered = page.locator("#answer, .graphiql-response").filter({ hasText: '"data"' });
  await within(answered.waitFor(), 'an answer with "data"', consoleErrors);
  // Workers and lazy editors come a little later; what they ask for counts too.
  await page.waitForLoadState("networkidle");
  if (screenshotPath) await page.screenshot({ path: screenshotPath });
  const answer = await page.evaluate(shownAnswer);
  return { page: kind, answer, externalRequests: externalUrls.length, consoleErrors };
}

function isClean({ answer, externalRequests, consoleErrors }) {
  return !answer.includes('"errors"') && externalRequests === 0 && consoleErrors.length === 0;
}

function watch(page) {
  const externalUrls = [];
  const consoleErrors = [];
  const note = (url) => {
    const { protocol, host } = new URL(url);
    if (host !== base.host && !["data:", "blob:"].includes(protocol)) {
      externalUrls.push(url);
      console.error(`External request: ${url}`);
    }
  };
  page.on("request", (request) => note(request.url()));
  page.on("websocket", (socket) => note(socket.url()));
  // A violation of the content security policy is a console error too.
  page.on("console", (message) => message.type() === "error" && consoleErrors.push(message.text()));
  page.on("pageerror", (error) => consoleErrors.push(error.message));
  return { externalUrls, consoleErrors };
}

async function within(waiting, expected, consoleErrors) {
  await waiting.catch((error) => {
    throw new Error([`Expected ${expected}; ${error.message}`, ...consoleErrors].join("\n"));
  });
}

/** In the page: what the answer shows, as text; Monaco keeps its lines in no particular order. */
function shownAnswer() {
  const plain = document.querySelector("#answer");
  if (plain) return plain.textContent;
  return [...document.querySelectorAll(".graphiql-response .view-line")]
    .sort((one, other) => parseFloat(one.style.top) - parseFloat(other.style.top))
    .map((line) => line.textContent.replaceAll("\u00a0", " "))
    .join("\n");
}
