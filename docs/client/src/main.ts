/** Shows everything once: `TOKEN=... npm start -- http://127.0.0.1:8000/graphql somebodys.handle`. */
import { profileChanges } from "./changes.js";
import { Client } from "./client.js";
import { changeHandle, type Outcome, updateProfile } from "./edit.js";
import { cardText, followers, profilePage, UserCard, viewer } from "./profile.js";
import { unmask } from "./gql/index.js";

const PAGE_SIZE = 2;
const PAGES = 3;

const [endpoint = "http://127.0.0.1:8000/graphql", handle = "ada"] = process.argv.slice(2);
const trusted = process.env["TRUSTED"] === "1";
const client = new Client({ endpoint, trusted, token: () => process.env["TOKEN"] });

try {
  await showViewer();
  await showProfile(handle);
  await edit();
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
}

async function showViewer(): Promise<void> {
  const me = await viewer(client);
  console.log(me ? `Signed in as ${cardText(me.user)}` : "Not signed in; set TOKEN");
}

async function showProfile(handle: string): Promise<void> {
  const profile = await profilePage(client, handle, PAGE_SIZE);
  if (!profile) return console.log(`There is no @${handle}`);
  console.log(`${cardText(profile)} has ${profile.followerCount} followers`);
  let pages = 0;
  for await (const page of followers(client, profile, PAGE_SIZE)) {
    if (page.length) console.log("-", page.map(cardText).join(", "));
    if (++pages === PAGES) return;
  }
}

async function edit(): Promise<void> {
  const me = await viewer(client);
  if (!me) return;
  const { id } = unmask(UserCard, me.user);
  const rev = me.user.rev ?? 0;
  const edited = await updateProfile(client, { bio: `Edited after revision ${rev}` });
  console.log("Bio:", told(edited));
  // Tried out only: a handle that was given up cannot be had back for days.
  console.log("Handle:", told(await changeHandle(client, { handle }, true)));
  if ("advice" in edited) return;
  // From the revision that was seen, so that it does not matter how late this is.
  for await (const change of profileChanges(client, id, rev)) {
    return console.log(`Revision ${change.rev} changed ${change.fields}: ${change.user.bio}`);
  }
}

function told(outcome: Outcome): string {
  return "advice" in outcome ? outcome.advice.join(" ") : `done, revision ${outcome.rev}`;
}
