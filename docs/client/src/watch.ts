/** Tells every change of a profile until Ctrl-C: `npm run watch -- http://... somebodys.handle`. */
import { profileChanges } from "./changes.js";
import { Client } from "./client.js";
import { profilePage } from "./profile.js";

const [endpoint = "http://127.0.0.1:8000/graphql", handle = "ada"] = process.argv.slice(2);
const client = new Client({ endpoint, token: () => process.env["TOKEN"] });

const profile = await profilePage(client, handle, 0);
console.log(profile ? `@${handle} is at revision ${profile.rev}` : `There is no @${handle}`);
if (profile?.rev != null) {
  for await (const { rev, fields } of profileChanges(client, profile.id, profile.rev)) {
    console.log(`Revision ${rev} changed ${fields.join(", ")}`);
  }
}
