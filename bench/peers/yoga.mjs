/** GraphQL Yoga on Node's HTTP server. */
import { createServer } from 'node:http';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { createYoga } from 'graphql-yoga';
import { openDocuments } from './documents.mjs';
import { contextOf, resolvers, typeDefs } from './schema.mjs';
import { announce } from './settings.mjs';

const documents = await openDocuments();
const yoga = createYoga({
  schema: buildSubgraphSchema([{ typeDefs: parse(typeDefs), resolvers }]),
  context: ({ request }) => contextOf(documents, request.headers.get('authorization')),
  graphiql: false,
  landingPage: false,
  logging: false,
});
const server = createServer(yoga);
server.listen(0, '127.0.0.1', () => announce(server.address().port));
