/** Mercurius on Fastify: its JIT compiles an operation when it comes again; its own loaders batch lists. */
import { buildFederationSchema } from '@mercuriusjs/federation';
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { openDocuments } from './documents.mjs';
import { connectionOf, contextOf, firstPages, resolvers, typeDefs } from './schema.mjs';
import { announce } from './settings.mjs';

const { followers: _, ...rest } = resolvers.User;
const User = { ...rest, __resolveReference: ({ id }, __, { users }) => users.load(id) };

// Its cache would turn every user into JSON for a key; a request asks for a list once anyway.
const followers = {
  opts: { cache: false },
  async loader(queries, { documents, users }) {
    const keys = queries.map(({ obj, params }) => ({ owner: obj.id, limit: params.first + 1 }));
    const pages = await firstPages(documents, keys);
    const nodes = await Promise.all(
      pages.map((ids, index) => users.loadMany(ids.slice(0, queries[index].params.first))),
    );
    return queries.map(({ obj, params }, index) =>
      obj.isVisible ? connectionOf(nodes[index], pages[index].length > params.first) : null,
    );
  },
};

const documents = await openDocuments();
const app = Fastify();
app.register(mercurius, {
  schema: buildFederationSchema(typeDefs),
  resolvers: { ...resolvers, User },
  loaders: { User: { followers } },
  context: (request) => contextOf(documents, request.headers.authorization),
  jit: 1,
});
await app.listen({ host: '127.0.0.1', port: 0 });
announce(app.server.address().port);
