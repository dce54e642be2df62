/** The peers' schema and resolvers, and the loaders of one request. */
import { readFileSync } from 'node:fs';
import DataLoader from 'dataloader';
import { requireUser, viewerOf } from './identity.mjs';
import { updateProfile } from './profiles.mjs';

const MIN_WIDTH = { SMALL: 64, MEDIUM: 300, LARGE: 640 };

export const typeDefs = readFileSync(new URL('schema.graphql', import.meta.url), 'utf8');

/** What resolvers are given for one request. */
export async function contextOf(documents, authorization) {
  const viewer = await viewerOf(authorization);
  const users = new DataLoader(async (ids) => {
    const found = await documents.byIds(ids);
    return ids.map((id) => userOf(found.get(id)));
  });
  const followers = new DataLoader((keys) => firstPages(documents, keys), {
    cacheKeyFn: ({ owner, limit }) => `${owner}:${limit}`,
  });
  return { documents, viewer, users, followers };
}

export const resolvers = {
  Query: {
    user: (_, { by }, { users }) => users.load(by.id),
    users: (_, { ids }, { users }) => users.loadMany(ids),
  },
  Mutation: {
    updateProfile: async (_, { input }, { documents, viewer }) => {
      const id = requireUser(viewer, 'me:profile:write');
      const { document, errors } = await updateProfile(documents, id, input);
      return { user: userOf(document), errors };
    },
  },
  User: {
    __resolveReference: ({ id }, { users }) => users.load(id),
    avatar: (user, { size }) => avatarOf(user, size),
    followers: async (user, { first }, { users, followers }) => {
      if (!user.isVisible) return null;
      const ids = await followers.load({ owner: user.id, limit: first + 1 });
      return connectionOf(await users.loadMany(ids.slice(0, first)), ids.length > first);
    },
  },
  UserError: { __resolveType: (error) => error.__typename },
};

/** Pages for keys of { owner, limit }: one read for each size that is asked for. */
export async function firstPages(documents, keys) {
  const limits = [...new Set(keys.map(({ limit }) => limit))];
  const pages = await Promise.all(
    limits.map((limit) => {
      const owners = keys.filter((key) => key.limit === limit).map(({ owner }) => owner);
      return documents.firstPages(owners, limit);
    }),
  );
  return keys.map(({ owner, limit }) => pages[limits.indexOf(limit)].get(owner) ?? []);
}

export function connectionOf(nodes, hasNextPage) {
  return { edges: nodes.filter(Boolean).map((node) => ({ node })), pageInfo: { hasNextPage } };
}

/** A stored document as the type User; others see no profile of an account that is not active. */
export function userOf(document) {
  if (!document) return null;
  const { _id: id, rev } = document;
  const status = document.status.value;
  if (status !== 'ACTIVE') return { __typename: 'User', id, rev, status, isVisible: false };
  const { profile = {}, counts = {} } = document;
  return {
    __typename: 'User',
    id,
    rev,
    status,
    isVisible: true,
    handle: document.handle,
    displayName: profile.displayName,
    bio: profile.bio,
    pronouns: profile.pronouns,
    links: profile.links ?? [],
    profileColor: profile.color,
    joinedYear: document.createdAt.getUTCFullYear(),
    followerCount: counts.followers ?? 0,
    followingCount: counts.following ?? 0,
    images: profile.avatar ?? [],
  };
}

function avatarOf({ images }, size) {
  if (!images?.length) return null;
  const byWidth = [...images].sort((one, other) => one.width - other.width);
  return byWidth.find((image) => image.width >= MIN_WIDTH[size]) ?? byWidth.at(-1);
}
