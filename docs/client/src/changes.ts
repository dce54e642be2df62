/** A profile as it changes. */
import type { Client } from "./client.js";
import { graphql } from "./gql/index.js";

const ProfileChanged = graphql(`
  subscription ProfileChanged($id: ID!) {
    profileChanged(id: $id) {
      rev
      bio
      ...UserCard
    }
  }
`);

/** The user after each change from now on. */
export async function* profileChanges(client: Client, id: string) {
  for await (const { profileChanged } of client.subscribe(ProfileChanged, { id })) {
    yield profileChanged;
  }
}
