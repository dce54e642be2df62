// Follows a user with a client library until two changes came: node clients.mjs CLIENT URL USER_ID
// First asks a query twice; prints one JSON line with everything that came.
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { createClient } from "graphql-sse";
import { createHash } from "node:crypto";

const QUERY = "query Name($id: ID!) { user(by: { id: $id }) { displayName } }";
const CHANGES = "subscription Changes($id: ID!) { profileChanged(id: $id, sinceRev: 1) { rev } }";

const clients = {
  "apollo-multipart": apollo,
  "graphql-sse-distinct": (url) => sse({ url }),
  "graphql-sse-single": (url) => sse({ url: `${url}/stream`, singleConnection: true }),
};

const [name, url, id] = process.argv.slice(2);
const client = clients[name](url);
const answers = [await client.ask(QUERY, { id }), await client.ask(QUERY, { id })];
const changes = [];
await client.follow(CHANGES, { id }, (data) => changes.push(data) === 2);
// Apollo Client asks for every __typename.
const withoutTypenames = (key, value) => (key === "__typename" ? undefined : value);
console.log(JSON.stringify({ answers, changes }, withoutTypenames));
process.exit(0);

function apollo(uri) {
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  const link = new PersistedQueryLink({ sha256 }).concat(new HttpLink({ uri }));
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  return {
    async ask(query, variables) {
      const { data } = await client.query({ query: gql(query), variables, fetchPolicy: "no-cache" });
      return data;
    },
    follow(query, variables, isEnough) {
      return new Promise((resolve, reject) => {
        const subscription = client.subscribe({ query: gql(query), variables }).subscribe({
          next: ({ data, error }) => {
            if (error) reject(error);
            else if (isEnough(data)) resolve(subscription.unsubscribe());
          },
          error: reject,
        });
      });
    },
  };
}

function sse(options) {
  const client = createClient({ ...options, retryAttempts: 0 });
  return {
    async ask(query, variables) {
      for await (const { data } of client.iterate({ query, variables })) return data;
    },
    async follow(query, variables, isEnough) {
      for await (const { data } of client.iterate({ query, variables })) {
        if (isEnough(data)) return;
      }
    },
  };
}
