"""What anybody is to see of everybody, as the model expects it, in the shape of the answers."""

from datetime import datetime
from typing import Any

from tests.model.addresses import owner_of
from tests.model.homes import open_invitations, seats, standing
from tests.model.people import ACTIVE, ERASED, SUSPENDED, Household, Person, Platform
from tests.model.ties_seen import count, listed, relation

Viewer = Person | None
"""Who looks: somebody, or a service when there is nobody."""

USER = """
  id status handle mergedInto { id } followerCount followingCount tier
  followers(first: 9) { edges { node { id } } }
  following(first: 9) { edges { node { id } } }
  viewerRelation { isSelf isFollowing isFollowedBy isBlocking canFollow }
  contacts { id kind value verifiedAt primary pending }
  private {
    formerHandles { handle until } handleChangedAt statusReason statusBefore suspendedUntil eraseAt
  }
"""
VIEWER = """viewer {
  blockedUsers(first: 9) { edges { node { id } } }
  subscription { tier state endsAt isShared }
  household { seats members { role user { id } } invitations { id } }
}"""


def query(handles: list[str], addresses: list[tuple[str, str]]) -> str:
    """Asks for everything; who is at an address only for a service, without handles."""
    fields = [f"users(ids: $ids) {{ {USER} }}"]
    fields += [f'h{n}: user(by: {{handle: "{name}"}}) {{ id }}' for n, name in enumerate(handles)]
    fields += [
        f'c{n}: userByContact(kind: {kind}, value: "{value}") {{ id }}'
        for n, (kind, value) in enumerate(addresses)
    ]
    return f"query ($ids: [ID!]!) {{ {' '.join(fields)} {'' if addresses else VIEWER} }}"


def expected(
    platform: Platform, viewer: Viewer, handles: list[str], addresses: list[tuple[str, str]]
) -> dict[str, Any]:
    """The data of the answer to `query`."""
    data: dict[str, Any] = {
        "users": [_user(platform, viewer, person) for person in platform.people]
    }
    for number, handle in enumerate(handles):
        holder = platform.holder(handle)
        data[f"h{number}"] = _named(platform, viewer, holder)
    for number, (_, value) in enumerate(addresses):
        data[f"c{number}"] = _named(platform, viewer, owner_of(platform, value))
    if viewer is not None:
        data["viewer"] = _viewer(platform, viewer)
    return data


def without_order(data: dict[str, Any]) -> dict[str, Any]:
    """The answer, in which those who are blocked have no order: two may be so since one moment."""
    if "viewer" in data:
        data["viewer"]["blockedUsers"]["edges"].sort(key=lambda edge: edge["node"]["id"])
    for user in data["users"]:
        for contact in (user and user["contacts"]) or ():
            contact["verifiedAt"] = contact["verifiedAt"] is not None
    return data


def differences(seen: Any, expected: Any, path: str = "") -> list[str]:
    """Where the two are not the same, and what they say there."""
    if isinstance(seen, dict) and isinstance(expected, dict):
        return [
            told
            for name in {**seen, **expected}
            for told in differences(seen.get(name), expected.get(name), f"{path}.{name}")
        ]
    if isinstance(seen, list) and isinstance(expected, list) and len(seen) == len(expected):
        return [
            told
            for place, pair in enumerate(zip(seen, expected, strict=True))
            for told in differences(*pair, f"{path}[{place}]")
        ]
    return [] if seen == expected else [f"{path} is {seen}, expected {expected}"]


def is_hidden(platform: Platform, viewer: Viewer, person: Person) -> bool:
    """Whether the person is not there for the viewer."""
    return viewer is not None and (person, viewer) in platform.blocks


def _named(platform: Platform, viewer: Viewer, person: Person | None) -> dict[str, str] | None:
    if person is None or is_hidden(platform, viewer, person):
        return None
    return {"id": person.id}


def _user(platform: Platform, viewer: Viewer, person: Person) -> dict[str, Any] | None:
    if is_hidden(platform, viewer, person):
        return None
    is_trusted = viewer in (person, None) and person.status != ERASED
    is_open = person.status == ACTIVE or is_trusted
    return {
        "id": person.id,
        "status": person.status,
        "mergedInto": _merged_into(platform, viewer, person),
        "handle": person.handle if is_open else None,
        "followerCount": count(platform, person, 1) if is_open else None,
        "followingCount": count(platform, person, 0) if is_open else None,
        "followers": _edges(listed(platform, viewer, person, 1)) if is_open else None,
        "following": _edges(listed(platform, viewer, person, 0)) if is_open else None,
        "viewerRelation": relation(platform, viewer, person) if is_open and viewer else None,
        "tier": standing(person, platform.now)[0][0] if is_trusted else None,
        "contacts": _contacts(person) if is_trusted else None,
        "private": _private(platform, person) if is_trusted and viewer else None,
    }


def _merged_into(platform: Platform, viewer: Viewer, person: Person) -> dict[str, str] | None:
    end = person
    while end.merged_into is not None:
        end = end.merged_into
    is_open = end.status == ACTIVE or (end.status != ERASED and viewer in (end, None))
    return _named(platform, viewer, end) if is_open and end is not person else None


def _edges(people: list[Person]) -> dict[str, Any]:
    return {"edges": [{"node": {"id": person.id}} for person in people]}


def _contacts(person: Person) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "kind": one.kind,
            "value": one.value,
            "verifiedAt": one.is_verified,
            "primary": one.is_primary,
            "pending": one.pending,
        }
        for one in person.contacts
    ]


def _private(platform: Platform, person: Person) -> dict[str, Any]:
    is_suspended = SUSPENDED in (person.status, person.status_before)
    cooling = platform.cooling(person)
    return {
        "formerHandles": [
            {"handle": handle, "until": until.isoformat()} for handle, until in cooling.items()
        ],
        "handleChangedAt": _told(person.handle_changed_at),
        "statusReason": person.reason,
        "statusBefore": person.status_before,
        "suspendedUntil": _told(person.suspended_until) if is_suspended else None,
        "eraseAt": _told(person.erase_at),
    }


def _viewer(platform: Platform, viewer: Person) -> dict[str, Any]:
    (tier, state, end), is_shared = standing(viewer, platform.now)
    blocked = [target for source, target in platform.blocks if source is viewer]
    seen = [person for person in blocked if not is_hidden(platform, viewer, person)]
    return {
        "blockedUsers": _edges(sorted(seen, key=lambda person: person.id)),
        "subscription": {
            "tier": tier,
            "state": state,
            "endsAt": _told(end),
            "isShared": is_shared,
        },
        "household": viewer.household and _household(platform, viewer, viewer.household),
    }


def _household(platform: Platform, viewer: Person, home: Household) -> dict[str, Any]:
    invitations = open_invitations(home, platform.now) if home.manager is viewer else {}
    return {
        "seats": seats(home.manager, platform.now),
        "members": [
            {
                "role": "MANAGER" if one is home.manager else "MEMBER",
                "user": _named(platform, viewer, one),
            }
            for one in home.members
        ],
        "invitations": [{"id": name} for name in invitations.values()],
    }


def _told(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
