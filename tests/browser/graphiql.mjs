// GraphiQL's page as somebody at the keyboard uses it.

export async function open(page, base) {
  await page.goto(base.href);
  await lines(page, "query").first().waitFor();
}

export async function openTab(page, name) {
  await page.getByRole("tab", { name }).click();
  // GraphiQL reads the operation's name a tenth of a second later, by the page's own clock.
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
}

export function askAs(page, who) {
  return page.getByLabel("Ask as").selectOption(who);
}

/** Runs the open tab's operation; gives the answer once it is shown as it came. */
export async function run(page) {
  const answered = page.waitForResponse((response) => isOfAnOperation(response.request()));
  await execute(page);
  const answer = await (await answered).json();
  await until(async () => same(await shown(page), answer), "the answer to be shown");
  return answer;
}

export function execute(page) {
  return page.getByRole("button", { name: /^Execute query/ }).click();
}

/** The JSON of the answer, or undefined while there is none. */
export async function shown(page) {
  try {
    return JSON.parse(await text(page, "response"));
  } catch {
    return undefined;
  }
}

/** What an editor shows; Monaco keeps its lines in no particular order. */
export async function text(page, editor) {
  const shownLines = await lines(page, editor).evaluateAll((found) =>
    found.map((line) => [parseFloat(line.style.top), line.textContent.replaceAll("\u00a0", " ")]),
  );
  return shownLines.sort(([one], [other]) => one - other).map(([, line]) => line).join("\n");
}

/** Puts something else into the editor of the variables or headers. */
export async function write(page, tool, value) {
  await page.getByRole("button", { name: tool, exact: true }).click();
  await page.locator(`.graphiql-editor-tool .graphiql-editor:visible .view-lines`).click();
  await page.keyboard.press("Control+A");
  await page.keyboard.insertText(JSON.stringify(value));
  // The editor closes quotes and brackets that are closed already.
  await page.keyboard.press("Control+Shift+End");
  await page.keyboard.press("Delete");
}

/** Waits until the page and what is written in its editors have the colours of a theme. */
export function seeTheme(page, name) {
  const isDark = name === "dark";
  return until(async () => {
    const background = await lightness(page.locator(".graphiql-container"), "backgroundColor");
    const ink = await lightness(lines(page, "query").locator(".mtk1").first(), "color");
    return background < 0.5 === isDark && ink > 0.5 === isDark && name;
  }, `a ${name} page`);
}

export async function chooseTheme(page, name) {
  await page.getByRole("button", { name: "Open settings dialog" }).click();
  await page.getByRole("button", { name, exact: true }).click();
  await page.keyboard.press("Escape");
}

/** Asks again and again, for at most ten seconds. */
export async function until(condition, expected) {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    const found = await condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Expected ${expected}.`);
}

function lines(page, editor) {
  return page.locator(`.graphiql-${editor === "query" ? "query-editor" : editor} .view-line`);
}

/** GraphiQL asks for the schema too. */
function isOfAnOperation(request) {
  if (!request.url().endsWith("/graphql")) return false;
  return request.postDataJSON()?.operationName !== "IntrospectionQuery";
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** From 0, black, to 1, white. */
async function lightness(locator, property) {
  const read = (element, name) => getComputedStyle(element)[name];
  const [red, green, blue] = (await locator.evaluate(read, property)).match(/[\d.]+/g) ?? [];
  return (Math.max(red, green, blue) + Math.min(red, green, blue)) / 510;
}
