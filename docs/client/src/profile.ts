/** A profile page: who somebody is, and the followers page by page. */
import type { Client } from "./client.js";
import { type FragmentType, graphql, unmask } from "./gql/index.js";

export const UserCard = graphql(`
  fragment UserCard on User {
    id
    handle
    displayName
    avatar(size: SMALL) {
      url
    }
  }
`);

const FollowerPage = graphql(`
  fragment FollowerPage on UserConnection {
    edges {
      node {
        ...UserCard
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
`);

const Viewer = graphql(`
  query Viewer {
    viewer {
      scopes
      user {
        rev
        ...UserCard
      }
    }
  }
`);

const ProfilePage = graphql(`
  query ProfilePage($by: UserBy!, $first: Int!) {
    user(by: $by) {
      id
      rev
      bio
      followerCount
      ...UserCard
      followers(first: $first) {
        ...FollowerPage
      }
    }
  }
`);

const MoreFollowers = graphql(`
  query MoreFollowers($id: ID!, $first: Int!, $after: String!) {
    user(by: { id: $id }) {
      followers(first: $first, after: $after) {
        ...FollowerPage
      }
    }
  }
`);

/** What a card shows: the handle, or what is left of an account without one. */
export function cardText(user: FragmentType<typeof UserCard>): string {
  const { id, handle, displayName } = unmask(UserCard, user);
  const name = handle === null ? id : `@${handle}`;
  return displayName === null ? name : `${displayName} (${name})`;
}

/** The signed-in person; null when nobody is. */
export async function viewer(client: Client) {
  return (await client.query(Viewer, {})).viewer;
}

/** The profile of a handle with the first page of followers; null when there is none. */
export async function profilePage(client: Client, handle: string, first: number) {
  return (await client.query(ProfilePage, { by: { handle }, first })).user;
}

type Profile = NonNullable<Awaited<ReturnType<typeof profilePage>>>;

/** The cards of all followers, newest first; asks for the next page when it is wanted. */
export async function* followers(client: Client, { id, ...profile }: Profile, first: number) {
  let page = unmask(FollowerPage, profile.followers);
  while (page) {
    yield page.edges.map(({ node }) => node);
    const { hasNextPage, endCursor } = page.pageInfo;
    if (!hasNextPage || endCursor === null) return;
    const { user } = await client.query(MoreFollowers, { id, first, after: endCursor });
    page = unmask(FollowerPage, user?.followers ?? null);
  }
}
