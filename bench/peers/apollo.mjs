/** Apollo Server on its own HTTP server. */
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { openDocuments } from './documents.mjs';
import { contextOf, resolvers, typeDefs } from './schema.mjs';
import { announce } from './settings.mjs';

const documents = await openDocuments();
const server = new ApolloServer({
  schema: buildSubgraphSchema([{ typeDefs: parse(typeDefs), resolvers }]),
});
const { url } = await startStandaloneServer(server, {
  listen: { host: '127.0.0.1', port: 0 },
  context: ({ req }) => contextOf(documents, req.headers.authorization),
});
announce(new URL(url).port);
