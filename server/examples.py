"""Example operations on the sample data, for the explorer."""

from pipelines.seed import FIRST_HANDLE, sample_id
from server.explorer import Example

FOLLOWERS = """query Followers($handle: String!) {
  user(by: { handle: $handle }) {
    displayName
    bio
    followerCount
    followers(first: 3) {
      edges {
        at
        node {
          handle
          displayName
          followerCount
        }
      }
      pageInfo { hasNextPage }
    }
  }
}"""

VIEWER = """query Viewer {
  viewer {
    scopes
    user {
      handle
      displayName
      rev
      private { locale timeZone }
      followers(first: 3) {
        edges {
          at
          node {
            handle
            viewerRelation { isFollowing }
          }
        }
      }
    }
  }
}"""

ENTITIES = """query Entities($representations: [_Any!]!) {
  _entities(representations: $representations) {
    ... on User {
      id
      handle
      displayName
      avatar(size: SMALL) { url }
    }
  }
}"""

UPDATE_PROFILE = """mutation UpdateProfile($bio: String!, $dryRun: Boolean!) {
  updateProfile(
    input: { bio: $bio, control: { dryRun: $dryRun } }
  ) {
    user { handle rev bio }
    dryRun {
      changes { field before after }
      events
    }
    errors { code message path }
  }
}"""

PROFILE_CHANGES = """subscription ProfileChanges($id: ID!, $sinceRev: Int) {
  profileChanged(id: $id, sinceRev: $sinceRev) {
    rev
    at
    fields
    user { displayName bio }
  }
}"""


def examples() -> list[Example]:
    """Operations that answer something on the sample data."""
    representations = [
        *({"__typename": "User", "id": sample_id(index)} for index in (1, 2)),
        {"__typename": "User", "handle": FIRST_HANDLE},
    ]
    return [
        Example("A profile and who follows it", FOLLOWERS, {"handle": FIRST_HANDLE}),
        Example("The person who asks", VIEWER),
        Example(
            "What a gateway asks",
            ENTITIES,
            {"representations": representations},
        ),
        Example(
            "A change, tried out; dryRun: false makes it",
            UPDATE_PROFILE,
            {"bio": "Mostly jazz.", "dryRun": True},
        ),
        Example(
            "A profile, again after each change",
            PROFILE_CHANGES,
            {"id": sample_id(0)},
        ),
    ]
