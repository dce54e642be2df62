/** A profile as it changes, without a gap when the connection is lost. */
import type { Client } from "./client.js";
import { graphql } from "./gql/index.js";

const ProfileChanged = graphql(`
  subscription ProfileChanged($id: ID!, $sinceRev: Int!) {
    profileChanged(id: $id, sinceRev: $sinceRev) {
      rev
      fields
      user {
        bio
        ...UserCard
      }
    }
  }
`);

/**
 * Every revision after `sinceRev`, once.
 *
 * Throws an OperationError with the code REVISIONS_GONE after a very long absence: then read the
 * profile anew and go on from its `rev`.
 */
export async function* profileChanges(client: Client, id: string, sinceRev: number) {
  let rev = sinceRev;
  const variables = {
    id,
    // Read whenever the connection is made, so that a new one goes on where the last one ended.
    get sinceRev() {
      return rev;
    },
  };
  for await (const { profileChanged } of client.subscribe(ProfileChanged, variables)) {
    if (profileChanged.rev <= rev) continue;
    rev = profileChanged.rev;
    yield profileChanged;
  }
}
