"""Ages: when a band begins where the user is, what it opens, and who sets the birth date."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipelines.repair import repair
from resolvers.ages import GATES, AgeBand, age_of, band_at, moved
from resolvers.choices import STRICTNESS, Choice
from resolvers.viewer import STAFF_SCOPE
from server.tokens import PERSON_SCOPES
from store.ids import new_id
from tests.conftest import Commands
from tests.subgraph import Clock, Subgraph

pytestmark = pytest.mark.one_driver

SET = """mutation ($input: SetBirthDateInput!) {
  setBirthDate(input: $input) {
    user { rev ageBand private { birthDate } }
    errors { code path ... on NotAllowedError { reason } ... on ValidationError { rule } }
    dryRun { changes { field before after } events }
  }
}"""
BAND = "query ($id: ID!) { user(by: {id: $id}) { ageBand } }"
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def midsummer(clock: Clock) -> None:
    """Far from 29 February, and the same day everywhere but at the edges."""
    clock.moment = datetime(2027, 6, 21, 11, tzinfo=UTC)


async def set_birth_date(
    subgraph: Subgraph, token: str, born: str, user_id: str | None = None, **control: Any
) -> Any:
    input = {"birthDate": born, "userId": user_id, "control": control}
    return (await subgraph.data(SET, token=token, input=input))["setBirthDate"]


async def band(subgraph: Subgraph, user_id: str) -> Any:
    data = await subgraph.data(BAND, token=subgraph.token(None), id=user_id)
    return data["user"]["ageBand"]


@pytest.mark.parametrize(
    ("born", "zone", "teen_at", "adult_at"),
    [
        ("2010-05-17", None, "2023-05-17T00:00Z", "2028-05-17T00:00Z"),
        ("2010-05-17", "Europe/Stockholm", "2023-05-16T22:00Z", "2028-05-16T22:00Z"),
        ("2010-01-17", "Europe/Stockholm", "2023-01-16T23:00Z", "2028-01-16T23:00Z"),
        ("2010-05-17", "Pacific/Kiritimati", "2023-05-16T10:00Z", "2028-05-16T10:00Z"),
        ("2010-05-17", "Pacific/Pago_Pago", "2023-05-17T11:00Z", "2028-05-17T11:00Z"),
        ("2008-02-29", None, "2021-03-01T00:00Z", "2026-03-01T00:00Z"),
        ("2008-02-29", "Asia/Tokyo", "2021-02-28T15:00Z", "2026-02-28T15:00Z"),
        # Midnight does not exist: clocks go on from 24:00 to 1:00.
        ("2009-10-17", "America/Asuncion", "2022-10-17T03:00Z", "2027-10-17T03:00Z"),
        ("2004-03-26", "Asia/Beirut", "2017-03-25T22:00Z", "2022-03-25T22:00Z"),
        # The day itself does not exist: Samoa crossed the date line.
        ("1998-12-30", "Pacific/Apia", "2011-12-30T10:00Z", "2016-12-29T10:00Z"),
    ],
)
def test_a_band_begins_at_midnight_of_the_birthday(
    born: str, zone: str | None, teen_at: str, adult_at: str
) -> None:
    birthday = date.fromisoformat(born)
    before = datetime(birthday.year, birthday.month, birthday.day, tzinfo=UTC) + timedelta(days=2)
    age = age_of(birthday, zone, before)
    teen, adult = datetime.fromisoformat(teen_at), datetime.fromisoformat(adult_at)
    assert (age.band, age.teen, age.adult) == ("UNDER_13", teen, adult)
    for moment, expected in (
        (teen - SECOND, AgeBand.UNDER_13),
        (teen, AgeBand.TEEN),
        (adult - SECOND, AgeBand.TEEN),
        (adult, AgeBand.ADULT),
    ):
        assert band_at(age, moment) is expected
        # The same when it is first worked out then, or again after a move there and back.
        assert band_at(age_of(birthday, zone, moment), moment) is expected
        there = moved(age, zone, "Asia/Kathmandu", before)
        assert band_at(moved(there, "Asia/Kathmandu", zone, before), moment) is expected


def test_no_age_is_more_open_than_a_higher_one() -> None:
    for choice in Choice:
        gates = [GATES[age][choice] for age in (AgeBand.UNDER_13, AgeBand.TEEN, AgeBand.ADULT)]
        for younger, older in pairwise(gates):
            assert STRICTNESS[younger.default] >= STRICTNESS[older.default]
            assert STRICTNESS[younger.loosest] >= STRICTNESS[older.loosest]
        assert GATES[AgeBand.UNKNOWN][choice] == GATES[AgeBand.ADULT][choice]
        assert all(STRICTNESS[gate.default] >= STRICTNESS[gate.loosest] for gate in gates)


def born(subgraph: Subgraph, years: int, days: int = 0, zone: str = "UTC") -> str:
    """The birth date of somebody who is `years` old in so many days, where they are."""
    day = subgraph.clock().astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    return date(day.year - years, day.month, day.day).isoformat()


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_a_profile_opens_with_the_second_of_the_birthday(
    subgraph: Subgraph, zone: str
) -> None:
    ada = await subgraph.register("ada", displayName="Ada", timeZone=zone)
    await subgraph.set_birth_date(ada, born(subgraph, 18, 1, zone))
    query = "query ($id: ID!) { user(by: {id: $id}) { displayName joinedYear } }"
    year = subgraph.clock().year
    here = subgraph.clock().astimezone(ZoneInfo(zone))
    tomorrow = (here + timedelta(days=1)).replace(hour=0)
    subgraph.clock.moment = tomorrow.astimezone(UTC) - SECOND
    assert await subgraph.data(query, id=ada) == {"user": {"displayName": None, "joinedYear": None}}
    subgraph.clock.advance(seconds=1)
    opened = {"user": {"displayName": "Ada", "joinedYear": year}}
    assert await subgraph.data(query, id=ada) == opened


async def test_who_moves_has_the_birthday_there(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada", timeZone="Pacific/Pago_Pago")
    await subgraph.set_birth_date(ada, born(subgraph, 18, 1, "Pacific/Pago_Pago"))
    assert await band(subgraph, ada) == "TEEN"
    # 11:00 UTC is midnight in Pago Pago and 1:00 in Kiritimati, a day later.
    await subgraph.update(ada, "moved", timeZone="Pacific/Kiritimati")
    assert await band(subgraph, ada) == "ADULT"


async def test_a_birth_date_is_set_once_and_corrected_by_staff(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    own, staff = subgraph.token(ada), subgraph.token(zoe, [*PERSON_SCOPES, STAFF_SCOPE])
    assert await band(subgraph, ada) == "UNKNOWN"
    payload = await set_birth_date(subgraph, own, "1990-05-17")
    user = {"rev": 2, "ageBand": "ADULT", "private": {"birthDate": "1990-05-17"}}
    assert payload == {"user": user, "errors": [], "dryRun": None}
    assert await set_birth_date(subgraph, own, "1990-05-17") == payload
    before = await subgraph.store.users.by_id(ada)
    refused = await set_birth_date(subgraph, own, "1991-05-17")
    denial = {"code": "NOT_ALLOWED", "path": ["birthDate"], "reason": "ALREADY_SET"}
    assert refused == {"user": None, "errors": [denial], "dryRun": None}
    assert await subgraph.store.users.by_id(ada) == before
    corrected = await set_birth_date(subgraph, staff, "1991-05-17", ada)
    assert corrected["errors"] == []
    assert corrected["user"]["private"] == {"birthDate": "1991-05-17"}


async def test_staff_are_nobody_with_their_own_and_while_they_are_suspended(
    subgraph: Subgraph,
) -> None:
    ada, zoe = await subgraph.register("ada.berg"), await subgraph.register("zoe.lind")
    staff = subgraph.token(zoe, [*PERSON_SCOPES, STAFF_SCOPE])
    assert (await set_birth_date(subgraph, staff, "2012-01-01"))["errors"] == []
    for own in (None, zoe):
        [error] = (await set_birth_date(subgraph, staff, "1987-01-01", own))["errors"]
        assert error["reason"] == "ALREADY_SET"
    await subgraph.set_status(zoe, "SUSPENDED")
    [error] = (await set_birth_date(subgraph, staff, "1991-05-17", ada))["errors"]
    assert error["reason"] == "ACCOUNT_STATUS"


async def test_nobody_but_staff_sets_it_for_others(subgraph: Subgraph, commands: Commands) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    answers = []
    for user_id in (ada, new_id()):
        commands.taken()
        payload = await set_birth_date(subgraph, subgraph.token(zoe), "1990-05-17", user_id)
        answers.append((payload, commands.taken()))
    nobody = {"code": "NOT_FOUND", "path": ["userId"]}
    assert answers == [({"user": None, "errors": [nobody], "dryRun": None}, [])] * 2
    assert await band(subgraph, ada) == "UNKNOWN"


@pytest.mark.parametrize("wrong", ["1899-12-31", "tomorrow"])
async def test_a_birth_date_is_no_day_to_come(subgraph: Subgraph, wrong: str) -> None:
    ada = await subgraph.register("ada")
    day = born(subgraph, 0, 1) if wrong == "tomorrow" else wrong
    payload = await set_birth_date(subgraph, subgraph.token(ada), day)
    rule = {"code": "BAD_USER_INPUT", "path": ["birthDate"], "rule": "BIRTH_DATE"}
    assert payload == {"user": None, "errors": [rule], "dryRun": None}
    for text in ("2001-02-30", "yesterday", ""):
        answer = await subgraph.ask(
            SET, token=subgraph.token(ada), input={"birthDate": text, "control": {}}
        )
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
    assert await subgraph.store.keys.by_user_ids([ada]) == [None]


async def test_a_dry_run_tells_the_band_and_makes_no_key(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    token = subgraph.token(ada)
    before = await subgraph.store.users.by_id(ada)
    payload = await set_birth_date(subgraph, token, "1990-05-17", dryRun=True)
    assert payload["dryRun"] == {
        "changes": [
            {"field": "ageBand", "before": None, "after": "ADULT"},
            {"field": "private.birthDate", "before": None, "after": "1990-05-17"},
            {"field": "rev", "before": 1, "after": 2},
        ],
        "events": ["BIRTH_DATE_SET"],
    }
    assert await subgraph.store.users.by_id(ada) == before
    assert await subgraph.store.keys.by_user_ids([ada]) == [None]
    await set_birth_date(subgraph, token, "1990-05-17")
    staff = subgraph.token(zoe, [*PERSON_SCOPES, STAFF_SCOPE])
    corrected = await set_birth_date(subgraph, staff, "1991-05-17", ada, dryRun=True)
    assert corrected["dryRun"]["changes"] == [
        {"field": "private.birthDate", "before": "1990-05-17", "after": "1991-05-17"},
        {"field": "rev", "before": 2, "after": 3},
    ]


async def test_a_move_within_a_band_is_no_change_of_it(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada", timeZone="Europe/Stockholm")
    born = subgraph.clock().date().replace(day=1) - timedelta(days=15 * 365)
    await subgraph.set_birth_date(ada, born.isoformat())
    change = "changes { field before after }"
    query = f"""mutation ($control: MutationControl) {{
      updateProfile(input: {{timeZone: "Asia/Tokyo", control: $control}}) {{
        dryRun {{ {change} }} user {{ private {{ history {{ edges {{ node {{ {change} }} }} }} }} }}
      }}
    }}"""
    zone = {"field": "private.timeZone", "before": "Europe/Stockholm", "after": "Asia/Tokyo"}
    dry = await subgraph.data(query, ada, control={"dryRun": True})
    rev = {"field": "rev", "before": 2, "after": 3}
    assert dry["updateProfile"]["dryRun"] == {"changes": [zone, rev]}
    done = await subgraph.data(query, ada)
    newest = done["updateProfile"]["user"]["private"]["history"]["edges"][0]["node"]
    assert newest == {"changes": [zone]}


async def test_a_birth_date_is_set_once_under_its_key(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada")
    token = subgraph.token(ada)
    payloads = [
        await set_birth_date(subgraph, token, "1990-05-17", idempotencyKey="k") for _ in range(2)
    ]
    assert payloads[0] == payloads[1]
    assert payloads[0]["user"]["rev"] == 2


async def test_the_date_lies_in_the_database_as_ciphertext_alone(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada")
    await subgraph.set_birth_date(ada, "1990-05-17")
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.stored()["privacy"] == {"age": {"band": "ADULT"}}
    assert b"1990" not in (user.birth_date or b"1990")
    query = "{ viewer { user { private { birthDate } } } }"
    assert (await subgraph.data(query, ada))["viewer"]["user"]["private"] == {
        "birthDate": "1990-05-17"
    }
    await subgraph.store.keys.destroy(ada, now=subgraph.clock())
    assert (await subgraph.data(query, ada))["viewer"]["user"]["private"] == {"birthDate": None}


@pytest.mark.parametrize(
    ("viewer", "sees"),
    [
        ("anonymous", None),
        ("stranger", None),
        ("follower", None),
        ("service without the scope", None),
        ("service", "TEEN"),
        ("owner", "TEEN"),
        ("staff", "TEEN"),
    ],
)
async def test_who_knows_the_age(subgraph: Subgraph, viewer: str, sees: str | None) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    await subgraph.set_birth_date(ada, born(subgraph, 15, -20))
    if viewer == "follower":
        await subgraph.follow(zoe, ada)
    token = {
        "anonymous": None,
        "service without the scope": subgraph.token(None, ["users:profile:read"]),
        "service": subgraph.token(None, ["users:age:read"]),
        "owner": subgraph.token(ada),
        "staff": subgraph.token(zoe, [STAFF_SCOPE]),
    }.get(viewer, subgraph.token(zoe))
    assert await subgraph.data(BAND, token=token, id=ada) == {"user": {"ageBand": sees}}


PROFILE = """query ($id: ID!) { user(by: {id: $id}) {
  id status rev handle displayName joinedYear followerCount followers { edges { cursor } }
} }"""


async def test_a_teenager_is_for_followers_until_they_open_what_they_may(
    subgraph: Subgraph,
) -> None:
    ada, zoe = await subgraph.register("ada", displayName="Ada"), await subgraph.register("zoe")
    await subgraph.set_birth_date(ada, born(subgraph, 15, -20))
    nothing = {"displayName": None, "joinedYear": None, "followerCount": None, "followers": None}
    known = {"id": ada, "status": "ACTIVE", "rev": 2, "handle": "ada"}
    assert await subgraph.data(PROFILE, zoe, id=ada) == {"user": {**known, **nothing}}
    await subgraph.follow(zoe, ada)
    user = (await subgraph.data(PROFILE, zoe, id=ada))["user"]
    assert (user["displayName"], user["followerCount"]) == ("Ada", 1)
    await subgraph.show(ada, DISPLAY_NAME="PUBLIC", BIO="NOBODY")
    user = (await subgraph.data(PROFILE, id=ada))["user"]
    assert user == {**known, **nothing, "rev": 3, "displayName": "Ada"}


async def test_a_minor_cannot_open_more_than_the_age_permits(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada")
    await subgraph.set_birth_date(ada, born(subgraph, 15, -20))
    before = await subgraph.store.users.by_id(ada)
    choose = """mutation ($choices: [VisibilityChoice!]!) {
      setVisibility(input: {choices: $choices}) {
        user { id } errors { code message path ... on NotAllowedError { reason } }
      }
    }"""
    choices = [
        {"field": "DISPLAY_NAME", "visibility": "PUBLIC"},
        {"field": "FOLLOWS", "visibility": "PUBLIC"},
    ]
    assert await subgraph.data(choose, ada, choices=choices) == {
        "setVisibility": {
            "user": None,
            "errors": [
                {
                    "code": "NOT_ALLOWED",
                    "message": "At this age it may be seen by FOLLOWERS at most.",
                    "path": ["choices", "1", "visibility"],
                    "reason": "MINOR",
                }
            ],
        }
    }
    assert await subgraph.store.users.by_id(ada) == before


async def test_what_was_open_before_the_age_was_known_closes(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada", displayName="Ada")
    await subgraph.show(ada, LINKS="NOBODY")
    await subgraph.set_birth_date(ada, born(subgraph, 15, -20))
    listed = """{ viewer { user { private { visibility {
      field visibility default loosest } } } } }"""
    data = await subgraph.data(listed, ada)
    found = {item.pop("field"): item for item in data["viewer"]["user"]["private"]["visibility"]}
    teen = GATES[AgeBand.TEEN]
    assert found == {
        choice.value: {
            "visibility": "NOBODY" if choice is Choice.LINKS else "FOLLOWERS",
            "default": teen[choice].default.value,
            "loosest": teen[choice].loosest.value,
        }
        for choice in Choice
    }


async def test_what_a_minor_chose_stays_chosen(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada", displayName="Ada")
    await subgraph.update(ada, "hello", pronouns="she")
    await subgraph.set_birth_date(ada, born(subgraph, 17, -20))
    await subgraph.show(ada, BIO="FOLLOWERS")
    subgraph.clock.advance(days=366)
    query = "query ($id: ID!) { user(by: {id: $id}) { bio pronouns } }"
    assert await subgraph.data(query, id=ada) == {"user": {"bio": None, "pronouns": "she"}}


async def test_no_earlier_choice_is_looser_than_the_age_permits(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada", displayName="Ada"), await subgraph.register("zoe")
    await subgraph.follow(zoe, ada)
    await subgraph.set_birth_date(ada, born(subgraph, 15, -20))
    await subgraph.show(ada, DISPLAY_NAME="PUBLIC", JOINED_YEAR="FOLLOWERS")
    staff = subgraph.token(zoe, [*PERSON_SCOPES, STAFF_SCOPE])
    child = await set_birth_date(subgraph, staff, born(subgraph, 11, -20), ada)
    assert child["errors"] == []
    query = "query ($id: ID!) { user(by: {id: $id}) { displayName joinedYear } }"
    hidden = {"user": {"displayName": None, "joinedYear": None}}
    for viewer in (None, zoe):
        assert await subgraph.data(query, viewer, id=ada) == hidden


async def test_under_13_there_is_no_public_profile(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada", displayName="Ada"), await subgraph.register("zoe")
    await subgraph.follow(zoe, ada)
    await subgraph.follow(ada, zoe)
    await subgraph.set_birth_date(ada, born(subgraph, 10, -20))
    nothing = dict.fromkeys(["handle", "displayName", "joinedYear", "followerCount", "followers"])
    hidden = {"id": ada, "status": "ACTIVE", "rev": 2, **nothing}
    for token in (None, subgraph.token(zoe), subgraph.token(None, [])):
        assert await subgraph.data(PROFILE, token=token, id=ada) == {"user": hidden}
        search = '{ searchUsers(query: "ada") { edges { node { id } } } }'
        assert await subgraph.data(search, token=token) == {"searchUsers": {"edges": []}}
    own = (await subgraph.data(PROFILE, ada, id=ada))["user"]
    assert (own["handle"], own["displayName"], own["followerCount"]) == ("ada", "Ada", 1)
    followers = """query ($id: ID!) { user(by: {id: $id}) { followers { edges { cursor } } } }"""
    assert await subgraph.data(followers, id=zoe) == {"user": {"followers": {"edges": []}}}


async def test_a_birthday_that_is_over_is_forgotten(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada"), await subgraph.register("ben")
    await subgraph.set_birth_date(ada, born(subgraph, 13, 1))
    await subgraph.set_birth_date(ben, born(subgraph, 18, 1))

    async def ages() -> list[Any]:
        await repair(subgraph.store, subgraph.clock())
        users = await subgraph.store.users.by_ids([ada, ben])
        stored = [user.stored()["privacy"]["age"] for user in users if user is not None]
        return [(age["band"], sorted(age)) for age in stored]

    both = [("UNDER_13", ["adult", "band", "teen"]), ("TEEN", ["adult", "band"])]
    assert await ages() == both
    subgraph.clock.advance(days=366)
    assert await ages() == [("TEEN", ["adult", "band"]), ("ADULT", ["band"])]
    assert [await band(subgraph, user_id) for user_id in (ada, ben)] == ["TEEN", "ADULT"]
    subgraph.clock.advance(days=5 * 366)
    assert await ages() == [("ADULT", ["band"])] * 2
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.rev == 2


async def test_a_crash_after_the_date_was_written_does_not_repeat_the_work(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada")
    token = subgraph.token(ada)
    # What a crash before the write leaves: a key that has sealed nothing yet.
    await subgraph.store.keys.ensure(ada, now=subgraph.clock())
    first = await set_birth_date(subgraph, token, "1990-05-17", idempotencyKey="k", ifRev=1)
    assert first["errors"] == []
    # What a crash after the write leaves: the attempt without its outcome.
    assert await subgraph.store.idempotency.collection.update({}, {"$unset": {"outcome": ""}})
    subgraph.clock.advance(seconds=31)
    again = await set_birth_date(subgraph, token, "1990-05-17", idempotencyKey="k", ifRev=1)
    assert again == first
