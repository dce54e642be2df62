// Takes the README's picture of a server that runs: node picture.mjs BASE_URL PATH.png
import { launch } from "./chromium.mjs";
import * as graphiql from "./graphiql.mjs";

const [address, path] = process.argv.slice(2);
const base = new URL(address);
const browser = await launch(base);
try {
  const page = await browser.newPage({
    viewport: { width: 1440, height: 900 },
    colorScheme: "dark",
  });
  await graphiql.open(page, base);
  await page.getByRole("button", { name: "Show GraphiQL Explorer" }).click();
  await page.locator("[data-field-name=displayName]").first().waitFor();
  await graphiql.execute(page);
  await page.locator(".graphiql-response").filter({ hasText: "followerCount" }).waitFor();
  // Nothing is to look chosen, pointed at or half drawn.
  await page.evaluate(() => document.activeElement?.blur());
  await page.mouse.move(720, 880);
  await page.waitForTimeout(1000);
  await page.screenshot({ path });
} finally {
  await browser.close();
}
