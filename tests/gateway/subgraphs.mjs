// Serves the subgraphs of other teams, playlists and likes, from memory; tells their addresses once
// they answer and ends when its standard input does.
import { readFileSync } from "node:fs";

import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginInlineTraceDisabled } from "@apollo/server/plugin/disabled";
import { startStandaloneServer } from "@apollo/server/standalone";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { parse } from "graphql";

const playlists = new Map();
const likes = new Map();

const resolversOf = {
  playlists: {
    Query: {
      playlist: (_, { id }) => playlists.get(id),
      playlists: (_, { ids }) => ids.map((id) => playlists.get(id)),
    },
    Mutation: {
      createPlaylist(_, { name, ownerId, ownerColor }) {
        const id = `playlist${playlists.size + 1}`;
        const owner = { id: ownerId, profileColor: ownerColor };
        playlists.set(id, { __typename: "Playlist", id, name, owner });
        return playlists.get(id);
      },
    },
    Media: { __resolveReference: ({ id }) => playlists.get(id) },
    Playlist: { __resolveReference: ({ id }) => playlists.get(id) },
    User: {
      playlists: ({ id }) => [...playlists.values()].filter(({ owner }) => owner.id === id),
      mixName: ({ displayName }) => displayName && `${displayName}'s mix`,
      canDownload: ({ tier }) => tier && tier !== "FREE",
    },
  },
  likes: {
    Query: { likedMedia: (_, { id }) => (likes.has(id) ? { id } : null) },
    Mutation: {
      like(_, { mediaId, userId }) {
        likes.set(mediaId, [...(likes.get(mediaId) ?? []), userId]);
        return { id: mediaId };
      },
    },
    Media: { likedBy: ({ id }) => (likes.get(id) ?? []).map((userId) => ({ id: userId })) },
  },
};

for (const [name, resolvers] of Object.entries(resolversOf)) {
  const typeDefs = parse(readFileSync(new URL(`${name}.graphql`, import.meta.url), "utf8"));
  const server = new ApolloServer({
    schema: buildSubgraphSchema([{ typeDefs, resolvers }]),
    plugins: [ApolloServerPluginInlineTraceDisabled()],
  });
  const { url } = await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: 0 } });
  console.log(`${name}: Listening on ${url}`);
}
process.stdin.resume().on("end", () => process.exit());
