// Runs @apollo/gateway over the subgraphs or the supergraph that its argument, a JSON object,
// names: { subgraphs | supergraph, apq }. Tells its address once it answers and ends when its
// standard input does.
import { readFileSync } from "node:fs";

import { ApolloGateway, IntrospectAndCompose, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";

const { subgraphs, supergraph, apq = false } = JSON.parse(process.argv[2]);

class DataSource extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    if (context.authorization) request.http.headers.set("authorization", context.authorization);
  }
}

const gateway = new ApolloGateway({
  supergraphSdl: supergraph
    ? readFileSync(supergraph, "utf8")
    : new IntrospectAndCompose({ subgraphs }),
  // The default fetcher keeps idle connections for longer than servers do, and then fails now and
  // then with "socket hang up".
  buildService: ({ url }) => new DataSource({ url, apq, fetcher: fetch }),
});
const server = new ApolloServer({ gateway, includeStacktraceInErrorResponses: false });
const { url } = await startStandaloneServer(server, {
  listen: { host: "127.0.0.1", port: 0 },
  context: async ({ req }) => ({ authorization: req.headers.authorization }),
});
console.log(`Listening on ${url}`);
process.stdin.resume().on("end", () => process.exit());
