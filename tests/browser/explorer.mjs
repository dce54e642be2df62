// Uses GraphiQL from end to end and tells what it saw, as JSON: node explorer.mjs BASE_URL
import { launch, watch } from "./chromium.mjs";
import * as graphiql from "./graphiql.mjs";

const base = new URL(process.argv[2]);
const { tokens } = await (await fetch(new URL("/explorer/session.json", base))).json();
const browser = await launch(base);
try {
  const context = await browser.newContext({
    viewport: { width: 1800, height: 1600 },
    colorScheme: "dark",
  });
  const page = await context.newPage();
  const { externalUrls, consoleErrors, subscribers } = watch(page, base);
  try {
    const told = {};
    await graphiql.open(page, base);
    told.theme = await themes(page);
    told.followers = await graphiql.run(page);
    told.viewers = await viewers(page);
    told.reloaded = await reloaded(page);
    told.mutation = await mutation(page);
    told.changes = await changes(page);
    told.subscribers = subscribers.map(nameOf);
    told.explored = await explored(page);
    told.anotherWindow = await anotherWindow(context);
    told.refused = await refused(context);
    console.log(JSON.stringify({ ...told, externalUrls, consoleErrors }));
  } catch (error) {
    console.error([error.message, ...consoleErrors].join("\n"));
    process.exitCode = 1;
  }
} finally {
  await browser.close();
}

/** The system's theme at first, then when the system changes, then one that was chosen. */
async function themes(page) {
  const seen = [await graphiql.seeTheme(page, "dark")];
  await page.emulateMedia({ colorScheme: "light" });
  seen.push(await graphiql.seeTheme(page, "light"));
  await graphiql.chooseTheme(page, "Dark");
  seen.push(await graphiql.seeTheme(page, "dark"));
  return seen;
}

/** Who the subgraph takes the page for, under each choice. */
async function viewers(page) {
  await graphiql.openTab(page, "Viewer");
  const seen = {};
  for (const who of ["nobody", ...tokens.map(({ label }) => label)]) {
    await graphiql.askAs(page, who);
    seen[who] = handleIn(await graphiql.run(page));
  }
  await graphiql.askAs(page, "pasted");
  await page.getByLabel("Token", { exact: true }).fill(`Bearer ${tokens[1].token} `);
  seen.pasted = handleIn(await graphiql.run(page));
  await graphiql.write(page, "Headers", { authorization: `Bearer ${tokens[2].token}` });
  await page.getByText("this tab’s own header wins").waitFor();
  seen.ownHeader = handleIn(await graphiql.run(page));
  return seen;
}

/** What a reload keeps: the choice and the tab; headers written by hand go. */
async function reloaded(page) {
  await graphiql.askAs(page, tokens[1].label);
  await page.reload();
  const handle = handleIn(await graphiql.run(page));
  const onDisk = await page.evaluate(() => ({ ...localStorage }));
  return { handle, who: await page.getByLabel("Ask as").inputValue(), onDisk };
}

async function mutation(page) {
  await graphiql.askAs(page, tokens[0].label);
  await graphiql.openTab(page, "UpdateProfile");
  await graphiql.write(page, "Variables", { bio: "Written in GraphiQL.", dryRun: false });
  return graphiql.run(page);
}

/** What two subscribers, one after the other, are shown of changes made elsewhere. */
async function changes(page) {
  await graphiql.openTab(page, "ProfileChanges");
  const seen = [];
  for (const { label } of [tokens[1], tokens[2]]) {
    // Choosing somebody else ends what still runs for the one before.
    await graphiql.askAs(page, label);
    await graphiql.execute(page);
    await page.getByRole("button", { name: /^Stop query/ }).waitFor();
    const bio = `Seen by ${label}.`;
    seen.push(await graphiql.until(() => changed(page, bio), `a change of the bio to ${bio}`));
  }
  await graphiql.askAs(page, "nobody");
  await page.getByRole("button", { name: /^Execute query/ }).waitFor();
  return seen;
}

/** Changes the profile until the page shows it, because nobody tells when a subscription began. */
async function changed(page, bio) {
  const attempt = `${bio.slice(0, -1)} ${Date.now()}.`;
  const query = `mutation ($bio: String!) { updateProfile(input: { bio: $bio }) { errors { code } } }`;
  await fetch(new URL("/graphql", base), {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${tokens[0].token}` },
    body: JSON.stringify({ query, variables: { bio: attempt } }),
  });
  await page.waitForTimeout(200);
  const shown = JSON.stringify((await graphiql.shown(page)) ?? null);
  return shown.includes(bio.slice(0, -1)) && JSON.parse(shown.replace(/ \d+\./, "."));
}

/** The query after a field was chosen in the explorer. */
async function explored(page) {
  await graphiql.openTab(page, "Followers");
  await page.getByRole("button", { name: "Show GraphiQL Explorer" }).click();
  const field = page.locator(".graphiql-explorer-root [data-field-name=pronouns]").first();
  await field.locator("span").first().click();
  return graphiql.until(
    async () => (await graphiql.text(page, "query")).includes("pronouns"),
    "the chosen field in the query",
  );
}

/** What a new window knows: the theme, but not who asked before. */
async function anotherWindow(context) {
  const page = await context.newPage();
  await page.emulateMedia({ colorScheme: "light" });
  await graphiql.open(page, base);
  return { theme: await graphiql.seeTheme(page, "dark"), who: await page.getByLabel("Ask as").inputValue() };
}

/** What a subscriber with a bad token is told, at once. */
async function refused(context) {
  const page = await context.newPage();
  await graphiql.open(page, base);
  await graphiql.askAs(page, "pasted");
  await page.getByLabel("Token", { exact: true }).fill("nonsense");
  await graphiql.openTab(page, "ProfileChanges");
  await graphiql.execute(page);
  const told = async () => (await graphiql.text(page, "response")).match(/"message": "(.*?)"/)?.[1];
  return graphiql.until(told, "an answer");
}

function handleIn({ data, errors }) {
  return data?.viewer?.user.handle ?? errors?.map(({ extensions }) => extensions.code) ?? null;
}

function nameOf(authorization) {
  return tokens.find(({ token }) => authorization === `Bearer ${token}`)?.label ?? authorization;
}
