"""Example operations on the sample data, for the explorer and the command line."""

from pipelines.seed import FIRST_HANDLE, sample_id
from server.explorer import Example

PROFILE = """query Profile($handle: String!) {
  user(by: { handle: $handle }) {
    displayName
    bio
    followerCount
    followers(first: 5) {
      edges { node { handle displayName } }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""

VIEWER = """query Viewer {
  viewer {
    scopes
    user {
      handle
      rev
      private { locale timeZone createdAt }
      followers(first: 3) { edges { at node { handle viewerRelation { isFollowing canFollow } } } }
    }
  }
}"""

ENTITIES = """query Entities($representations: [_Any!]!) {
  _entities(representations: $representations) {
    ... on User { id handle displayName avatar(size: SMALL) { url } }
  }
}"""

UPDATE = """mutation UpdateProfile {
  updateProfile(input: { bio: "Mostly jazz.", control: { dryRun: true } }) {
    errors { code message path }
    dryRun { changes { field before after } events }
    user { rev bio }
  }
}"""

CHANGES = """subscription Changes($id: ID!) {
  profileChanged(id: $id) { rev displayName bio }
}"""


def examples() -> list[Example]:
    """Operations that answer something on the sample data."""
    representations = [{"__typename": "User", "id": sample_id(index)} for index in range(3)]
    return [
        Example("A profile and who follows it", PROFILE, {"handle": FIRST_HANDLE}),
        Example("The signed-in person", VIEWER),
        Example("What a gateway asks", ENTITIES, {"representations": representations}),
        Example("A change, tried out", UPDATE),
        Example("A profile as it changes", CHANGES, {"id": sample_id(0)}),
    ]
