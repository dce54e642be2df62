"""What is declared of a user's fields, held against the record, the schema and the database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import ObjectTypeDefinitionNode, parse, print_ast
from typer.testing import CliRunner

from pipelines.archive import archive_of
from resolvers import fields
from resolvers.authorization import AUTHORIZATION, EVERYBODY, OWNER, SERVICES, ViewerKind
from resolvers.fields import (
    BOOKKEEPING,
    FIELDS,
    SEALED,
    SHOWN,
    Audience,
    Erasure,
    PersonalData,
    Sealing,
    Writer,
    check_writers,
    cleaning,
    exported_fields,
    masked,
)
from resolvers.viewer import STAFF_SCOPE
from schema.personal_data import personal_data_page
from schema.profiles import RegisterUserInput, UpdateProfileInput
from schema.roots import build_schema
from schema.sdl import Profile
from server.cli import app
from server.tokens import PERSON_SCOPES
from store import records
from store.records import PATHS, Document, Status
from store.store import Store
from store.users import SETTABLE, UNSEARCHED
from tests.contacts import added, mutate, verify
from tests.subgraph import Subgraph

PAGE = (Path(__file__).parent.parent / "docs" / "personal-data.md").read_text()
GENERATED = "<!-- Generated: usergraph schema personal-data -->\n"
OF_THE_DOCUMENT = {name: field for name, field in FIELDS.items() if field.kept_in == "users"}
SECRET = {PersonalData.CONTACT, PersonalData.SENSITIVE}

of_each = pytest.mark.parametrize("name", FIELDS)


@pytest.mark.one_driver
def test_every_attribute_of_a_user_is_declared_or_bookkeeping() -> None:
    assert PATHS.keys() == OF_THE_DOCUMENT.keys() | BOOKKEEPING.keys()
    assert not FIELDS.keys() & BOOKKEEPING.keys()
    assert all(BOOKKEEPING.values())
    assert set(SETTABLE) <= OF_THE_DOCUMENT.keys()


@pytest.mark.one_driver
def test_every_field_that_shows_something_of_a_user_is_declared() -> None:
    of_users = {
        field for field in AUTHORIZATION.rules if field.startswith(("User.", "UserPrivate."))
    }
    others = {"User.rev", "User.viewerRelation", "User.redactions", "User.private"}
    assert of_users == (SHOWN.keys() - {"Viewer.blockedUsers", "Viewer.preferences"}) | others


@pytest.mark.one_driver
@pytest.mark.parametrize("field", SHOWN)
def test_the_table_of_authorization_says_the_same(field: str) -> None:
    kinds = {
        Audience.EVERYBODY: EVERYBODY,
        Audience.SERVICES: OWNER | SERVICES,
        Audience.OWNER: OWNER,
        Audience.OWNER_ALONE: {ViewerKind.SELF},
    }
    rule, declared = AUTHORIZATION.rules[field], SHOWN[field]
    assert rule.kinds == kinds[declared.audience]
    assert rule.choice is declared.choice
    others_see = declared.audience in (Audience.SERVICES, Audience.OWNER)
    assert rule.personal is (declared.personal is not PersonalData.NONE and others_see)


@pytest.mark.one_driver
@of_each
def test_what_harms_people_is_sealed(name: str) -> None:
    field = FIELDS[name]
    assert (field.sealing is not Sealing.NONE) is (field.personal in SECRET)
    assert (field.erasure is Erasure.UNREADABLE) is (field.sealing is not Sealing.NONE)
    assert (name in SEALED) is (name in records.SEALED) is (field.sealing is Sealing.WHOLE)


@pytest.mark.one_driver
def test_what_is_kept_elsewhere_has_a_collection(store: Store) -> None:
    collections = {part.collection.name for part in store._parts()}
    assert {field.kept_in for field in FIELDS.values()} < collections


BIRTH_DATE, ADDRESS, PENDING = "1990-05-17", "zoe.berg@example.com", "other.zoe@example.com"


@pytest.fixture
async def zoe(subgraph: Subgraph) -> str:
    """Somebody of whom there is everything that mutations can put there."""
    zoe, other = await subgraph.register("zoe", country="SE"), await subgraph.register("other")
    values: dict[str, Any] = {"displayName": "Zoe", "pronouns": "they", "profileColor": "#010203"}
    links = [{"url": "https://zoe.example"}]
    zone = {"locale": "sv-SE", "timeZone": "Europe/Stockholm"}
    await subgraph.update(zoe, "a bio", links=links, **values, **zone)
    change = """mutation { changeHandle(input: {handle: "zoe.berg"}) { errors { code } } }"""
    assert await subgraph.data(change, zoe) == {"changeHandle": {"errors": []}}
    await subgraph.show(zoe, BIO="FOLLOWERS")
    await subgraph.set_birth_date(zoe, BIRTH_DATE)
    await subgraph.follow(zoe, other)
    await subgraph.follow(other, zoe)
    contact, code = await added(subgraph, zoe, ADDRESS)
    await verify(subgraph, zoe, contact, code)
    changed = await mutate(subgraph, zoe, "changeContact", contactId=contact, value=PENDING)
    assert changed["errors"] == []
    picture = {"url": "https://p.example", "width": 64, "height": 64}
    await subgraph.store.users.collection.update(
        {"_id": zoe}, {"$set": {"profile.avatar": [picture]}}
    )
    return zoe


async def document_of(subgraph: Subgraph, user_id: str) -> Document:
    found = await subgraph.store.users.collection.find_one(user_id)
    assert found is not None
    return found


async def test_what_is_sealed_lies_nowhere_as_it_is(subgraph: Subgraph, zoe: str) -> None:
    database = subgraph.store._database
    names: list[str] = await database._database.list_collection_names()
    kept = "".join([repr(await database.collection(name).find({})) for name in names])
    assert "a bio" in kept
    assert [value for value in (BIRTH_DATE, ADDRESS, PENDING) if value in kept] == []


def paths_in(document: Document) -> Iterator[str]:
    """The paths of what is in a user's document, of as many steps as attributes have."""
    for step, value in document.items():
        if step in PATHS.values() and step not in ("tier", "privacy"):
            yield step
        else:
            yield from (f"{step}.{name}" for name in value) if isinstance(value, dict) else [step]


@pytest.mark.one_driver
async def test_an_archive_holds_all_that_the_document_holds(subgraph: Subgraph, zoe: str) -> None:
    exported = {PATHS[name] for name in exported_fields() if name in PATHS}
    bookkeeping = {*UNSEARCHED, *(PATHS[name] for name in BOOKKEEPING)}
    found = set(paths_in(await document_of(subgraph, zoe)))
    assert found - bookkeeping <= exported
    assert len(found & exported) > 18


@pytest.mark.one_driver
async def test_the_archive_holds_what_is_exported_and_nothing_else(
    subgraph: Subgraph, zoe: str
) -> None:
    [user, *others] = [entry async for entry in archive_of(subgraph.store, zoe)]
    opened = {"birth_date": PATHS["birth_date"]}
    held = {opened.get(path, path) for path in paths_in({**user.value})}
    exported = {PATHS[name] for name in exported_fields() if name in PATHS}
    in_document = set(paths_in(await document_of(subgraph, zoe)))
    assert held - {"rev"} == in_document & exported
    assert {"change", "following", "follower"} <= {entry.kind for entry in others}


@pytest.mark.one_driver
def test_what_is_not_exported_can_be_worked_out_from_what_is() -> None:
    assert exported_fields().items() < FIELDS.items()
    assert FIELDS.keys() - exported_fields().keys() == {"joined_year", "tier", "entitlements"}


@pytest.mark.one_driver
async def test_what_stays_in_a_tombstone_is_declared(subgraph: Subgraph, zoe: str) -> None:
    at = subgraph.clock()
    due = {"value": Status.ERASURE_SCHEDULED.value, "eraseAt": at, "at": at}
    await subgraph.store.users.collection.update({"_id": zoe}, {"$set": {"status": due}})
    user = await subgraph.store.users.by_id(zoe)
    assert user is not None
    assert await subgraph.store.users.erase(user, operation="o", event="ERASED", at=at)
    stays = {PATHS[name] for name, field in FIELDS.items() if field.erasure is Erasure.STAYS}
    left = set(paths_in(await document_of(subgraph, zoe)))
    assert left == stays | {"rev", "schemaVersion", "outbox"}


@pytest.mark.one_driver
def test_inputs_take_what_their_writers_may_write() -> None:
    def taken(input: type) -> set[str]:
        return set(input.__annotations__) - {"control", "pending"}

    assert taken(RegisterUserInput) == cleaning(Writer.SERVICE).keys()
    assert taken(UpdateProfileInput) == cleaning(Writer.OWNER).keys() - {"handle"}


@pytest.mark.one_driver
@pytest.mark.parametrize("writer", Writer)
@pytest.mark.parametrize("name", OF_THE_DOCUMENT)
def test_only_its_writers_write_a_field(name: str, writer: Writer) -> None:
    if writer in FIELDS[name].writers:
        check_writers([name, *BOOKKEEPING], frozenset({writer}))
        return
    with pytest.raises(PermissionError, match=f"^{name} is not to be written by {writer}$"):
        check_writers([name], frozenset({writer}))


@pytest.mark.one_driver
async def test_a_mutation_that_writes_what_its_viewer_may_not_is_a_fault(
    subgraph: Subgraph, zoe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await document_of(subgraph, zoe)
    bio = FIELDS["bio"]._replace(writers=frozenset({Writer.SERVICE, Writer.STAFF}))
    monkeypatch.setattr(fields, "FIELDS", {**FIELDS, "bio": bio})
    query = 'mutation { updateProfile(input: {bio: "new"}) { errors { code } } }'
    [error] = (await subgraph.ask(query, zoe))["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert await document_of(subgraph, zoe) == before


@pytest.mark.one_driver
async def test_staff_write_what_is_for_staff_and_not_what_is_for_owners(
    subgraph: Subgraph, zoe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = subgraph.token(await subgraph.register("susan"), [*PERSON_SCOPES, STAFF_SCOPE])
    query = """mutation ($id: ID!, $born: Date!) {
      setBirthDate(input: {birthDate: $born, userId: $id}) { errors { code } } }"""
    done = await subgraph.data(query, token=token, id=zoe, born="1991-01-01")
    assert done == {"setBirthDate": {"errors": []}}
    for_owners = FIELDS["birth_date"]._replace(writers=frozenset({Writer.OWNER}))
    monkeypatch.setattr(fields, "FIELDS", {**FIELDS, "birth_date": for_owners})
    before = await document_of(subgraph, zoe)
    [error] = (await subgraph.ask(query, token=token, id=zoe, born="1992-02-02"))["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert await document_of(subgraph, zoe) == before


@pytest.mark.one_driver
async def test_what_is_bookkeeping_is_told_by_no_dry_run_and_no_history(
    subgraph: Subgraph, zoe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subgraph.update(zoe, "newer", pronouns="she")
    monkeypatch.setattr(fields, "BOOKKEEPING", {**BOOKKEEPING, "bio": "for once"})
    declared = {name: field for name, field in FIELDS.items() if name != "bio"}
    monkeypatch.setattr(fields, "FIELDS", declared)
    query = """mutation {
      updateProfile(input: {bio: "newest", pronouns: "he", control: {dryRun: true}}) {
        dryRun { changes { field } }
        user { private { history(first: 1) { edges { node { changes { field } } } } } }
      }
    }"""
    payload = (await subgraph.data(query, zoe))["updateProfile"]
    assert payload["dryRun"]["changes"] == [{"field": "pronouns"}, {"field": "rev"}]
    [edge] = payload["user"]["private"]["history"]["edges"]
    assert edge["node"]["changes"] == [{"field": "pronouns"}]


@pytest.mark.one_driver
@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("contacts", ("EMAIL", "ada@example.com"), "a•••@example.com"),
        ("contacts", ("PHONE", "+46701234567"), "+46•••67"),
        ("birth_date", "1990-05-17", "•••"),
        ("birth_date", None, None),
        ("profile_color", "#010203", "#010203"),
    ],
)
def test_a_mask_tells_that_there_is_a_value(name: str, value: Any, shown: Any) -> None:
    assert masked(name, value) == shown


@pytest.mark.one_driver
@pytest.mark.parametrize("profile", Profile)
def test_the_sdl_tags_what_is_personal_data(profile: Profile) -> None:
    tags = {
        f"{type_.name.value}.{field.name.value}": print_ast(argument.value).strip('"')
        for type_ in parse(build_schema(profile).sdl).definitions
        if isinstance(type_, ObjectTypeDefinitionNode)
        for field in type_.fields or ()
        for directive in field.directives or ()
        if directive.name.value == "tag"
        for argument in directive.arguments or ()
    }
    assert tags == {
        field: f"pii-{declared.personal.lower()}"
        for field, declared in SHOWN.items()
        if declared.personal is not PersonalData.NONE
    }
    assert tags["User.bio"] == "pii-identity"


@pytest.mark.one_driver
def test_the_page_is_what_is_declared() -> None:
    """`usergraph schema personal-data` prints what comes behind the comment in the page."""
    printed = CliRunner().invoke(app, ["schema", "personal-data"])
    assert printed.stdout == personal_data_page(FIELDS, BOOKKEEPING)
    assert PAGE.partition(GENERATED)[2] == printed.stdout


@pytest.mark.one_driver
@of_each
def test_every_declaration_is_on_the_page(name: str) -> None:
    field = FIELDS[name]
    for changed in (
        field._replace(personal=next(one for one in PersonalData if one is not field.personal)),
        field._replace(audience=next(one for one in Audience if one is not field.audience)),
        field._replace(writers=field.writers ^ {Writer.STAFF}),
        field._replace(sealing=next(one for one in Sealing if one is not field.sealing)),
        field._replace(erasure=next(one for one in Erasure if one is not field.erasure)),
        field._replace(is_exported=not field.is_exported),
        field._replace(kept_for="ever"),
    ):
        page = personal_data_page({**FIELDS, name: changed}, BOOKKEEPING)
        assert page not in PAGE
