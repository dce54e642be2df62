"""Redactions: why a field is null, told the same whether or not it has a value."""

from typing import Any

import pytest

from resolvers.authorization import AUTHORIZATION, PROFILE_SCOPE
from resolvers.viewer import STAFF_SCOPE
from store.ids import new_id
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

QUERY = """query ($id: ID!) { user(by: {id: $id}) { redactions { field reason fixable } } }"""
ENTITY = """query ($r: [_Any!]!) {
  _entities(representations: $r) { ... on User { redactions { field reason fixable } } } }"""

USER_FIELDS = [
    field.removeprefix("User.") for field in AUTHORIZATION.rules if field.startswith("User.")
]
GUARDED = ("consents", "contacts", "tier", "entitlements")
OWNERS = ("country", "ageBand", "private", *GUARDED)
FOLLOWS = ("followerCount", "followingCount", "followers", "following")
PROFILE = (
    *("displayName", "avatar", "bio", "pronouns", "links", "profileColor", "joinedYear"),
    *FOLLOWS,
)


async def redactions(subgraph: Subgraph, token: str | None, user_id: str) -> Any:
    """(Reason, fixable) by field; the same by both ways to the user."""
    data = await subgraph.data(QUERY, token=token, id=user_id)
    representations = [{"__typename": "User", "id": user_id}]
    entity = await subgraph.data(ENTITY, token=token, r=representations)
    assert entity["_entities"] == [data["user"]]
    if data["user"] is None or data["user"]["redactions"] is None:
        return data["user"]
    found = data["user"]["redactions"]
    names = [redaction["field"] for redaction in found]
    assert names == [name for name in USER_FIELDS if name in names]
    return {redaction["field"]: (redaction["reason"], redaction["fixable"]) for redaction in found}


OWNERS_ALONE = dict.fromkeys(OWNERS, ("OWNER_ONLY", False))


async def test_a_person_is_told_what_was_chosen_and_what_following_opens(
    subgraph: Subgraph,
) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    person = subgraph.token(zoe)
    assert await redactions(subgraph, person, ada) == OWNERS_ALONE
    await subgraph.show(ada, BIO="FOLLOWERS", LINKS="NOBODY", FOLLOWS="FOLLOWERS")
    opened = dict.fromkeys(["bio", *FOLLOWS], ("PRIVATE", True))
    hidden = {"links": ("PRIVATE", False)}
    assert await redactions(subgraph, person, ada) == {**OWNERS_ALONE, **opened, **hidden}
    await subgraph.follow(zoe, ada)
    assert await redactions(subgraph, person, ada) == {**OWNERS_ALONE, **hidden}


@pytest.mark.parametrize("bio", [None, "something"])
async def test_whether_there_is_a_value_is_not_told(subgraph: Subgraph, bio: str | None) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    if bio:
        await subgraph.update(ada, bio)
    query = "query ($id: ID!) { user(by: {id: $id}) { bio redactions { field reason fixable } } }"
    open_ = (await subgraph.data(query, zoe, id=ada))["user"]
    assert open_["bio"] == bio
    await subgraph.show(ada, BIO="NOBODY")
    hidden = (await subgraph.data(query, zoe, id=ada))["user"]
    private = {"field": "bio", "reason": "PRIVATE", "fixable": False}
    assert hidden == {"bio": None, "redactions": [private, *open_["redactions"]]}


async def test_the_owner_and_staff_see_everything_and_nobody_signed_out_is_told(
    subgraph: Subgraph,
) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    await subgraph.show(ada, BIO="NOBODY")
    assert await redactions(subgraph, subgraph.token(ada), ada) == {}
    assert await redactions(subgraph, subgraph.token(zoe, [STAFF_SCOPE]), ada) == {}
    assert await redactions(subgraph, None, ada) == {"redactions": None}


async def test_a_service_is_told_of_scopes(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada")
    await subgraph.show(ada, BIO="NOBODY", LINKS="FOLLOWERS")
    missing = ("SCOPE_MISSING", True)
    always = dict.fromkeys(["viewerRelation", *GUARDED], missing)
    always["private"] = ("OWNER_ONLY", False)
    for scopes, more in (
        ([], ["country", "ageBand", "bio", "links"]),
        ([PROFILE_SCOPE], ["country", "ageBand"]),
        (["users:age:read"], ["country", "bio", "links"]),
        ([PROFILE_SCOPE, "users:age:read", "users:country:read"], []),
    ):
        token = subgraph.token(None, scopes)
        expected = {**always, **dict.fromkeys(more, missing)}
        assert await redactions(subgraph, token, ada) == expected


async def test_only_who_may_know_the_age_is_told_that_it_hides(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    today = subgraph.clock().date()
    await subgraph.set_birth_date(ada, today.replace(year=today.year - 15, day=1).isoformat())
    person = await redactions(subgraph, subgraph.token(zoe), ada)
    assert person == {**OWNERS_ALONE, **dict.fromkeys(PROFILE, ("PRIVATE", True))}
    always = {"viewerRelation": ("SCOPE_MISSING", True), "private": ("OWNER_ONLY", False)}
    for scopes, reason in ((["users:age:read"], "MINOR"), ([], "SCOPE_MISSING")):
        found = await redactions(subgraph, subgraph.token(None, scopes), ada)
        lacking = ["country", *GUARDED, *(["ageBand"] if not scopes else [])]
        assert found == {
            **always,
            **dict.fromkeys(lacking, ("SCOPE_MISSING", True)),
            **dict.fromkeys(PROFILE, (reason, True)),
        }
    await subgraph.show(ada, BIO="NOBODY")
    found = await redactions(subgraph, subgraph.token(None, ["users:age:read"]), ada)
    assert (found["bio"], found["links"]) == (("SCOPE_MISSING", True), ("MINOR", True))


LEFT = {"id", "status", "rev", "mergedInto", "redactions"}
"""What is seen of everybody."""


@pytest.mark.parametrize("status", ["SUSPENDED", "DEACTIVATED", "ERASURE_SCHEDULED"])
async def test_an_account_that_is_not_active_is_a_reason(subgraph: Subgraph, status: str) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    await subgraph.show(ada, BIO="FOLLOWERS")
    await subgraph.set_status(ada, status)
    hidden = dict.fromkeys(set(USER_FIELDS) - LEFT, ("NOT_ACTIVE", False))
    assert await redactions(subgraph, subgraph.token(zoe), ada) == {**hidden, **OWNERS_ALONE}
    assert await redactions(subgraph, subgraph.token(ada), ada) == {}
    service = await redactions(subgraph, subgraph.token(None), ada)
    assert set(service) == {"viewerRelation", "private"}


async def test_of_an_erased_account_everybody_is_told_so(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    await subgraph.show(ada, BIO="FOLLOWERS")
    await subgraph.set_status(ada, "ERASED")
    hidden = dict.fromkeys(set(USER_FIELDS) - LEFT, ("ERASED", False))
    staff = subgraph.token(zoe, [STAFF_SCOPE])
    for token in (subgraph.token(zoe), subgraph.token(ada), subgraph.token(None), staff):
        assert await redactions(subgraph, token, ada) == hidden


async def test_no_redaction_tells_blocked_from_absent(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    await subgraph.show(ada, BIO="FOLLOWERS", FOLLOWS="NOBODY")
    await subgraph.block(ada, zoe)
    answers = []
    for user_id in (ada, new_id()):
        headers = {"Authorization": f"Bearer {subgraph.token(zoe)}", "X-Request-Id": "same"}
        body = {"query": QUERY, "variables": {"id": user_id}}
        answer = await subgraph.http.post("/graphql", json=body, headers=headers)
        answers.append((answer.status_code, dict(answer.headers), answer.content))
    assert answers[0] == answers[1]
    assert answers[0][2] == b'{"data":{"user":null}}'
