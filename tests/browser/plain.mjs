// Uses the plain page from end to end and tells what it saw, as JSON: node plain.mjs BASE_URL
import { launch, watch } from "./chromium.mjs";

const base = new URL(process.argv[2]);
const browser = await launch(base);
try {
  const page = await browser.newPage();
  const { externalUrls, consoleErrors } = watch(page, base);
  await page.goto(base.href);
  const followers = await run(page);
  await page.getByLabel("Example").selectOption("The person who asks");
  const asFirst = await run(page);
  const second = await page.getByLabel("Ask as").locator("option").nth(2).getAttribute("value");
  await page.getByLabel("Ask as").selectOption(second);
  await page.reload();
  await page.getByLabel("Example").selectOption("The person who asks");
  const asSecond = await run(page);
  await page.getByLabel("Ask as").selectOption("nobody");
  const asNobody = await run(page);
  const viewers = [asFirst, asSecond, asNobody].map(({ data }) => data.viewer?.user.handle ?? null);
  console.log(JSON.stringify({ followers, viewers, externalUrls, consoleErrors }));
} finally {
  await browser.close();
}

async function run(page) {
  const answered = page.waitForResponse((response) => response.url().endsWith("/graphql"));
  await page.getByRole("button", { name: /^Run/ }).click();
  await (await answered).finished();
  await page.locator("#run:enabled").waitFor();
  return JSON.parse(await page.locator("#answer").textContent());
}
