"""The command line: `usergraph serve | seed | token | schema | keys | consents | plan | ...`."""

import asyncio
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from loaders.loaders import Loaders
from pipelines.consents import problem_of_receipt, verify
from pipelines.contacts import Reindexed, reindex
from pipelines.erasure import erase_again, erase_due
from pipelines.invalidation import Routers, invalidate_forever
from pipelines.keys import rewrap_all
from resolvers.authorization import AUTHORIZATION
from resolvers.fields import BOOKKEEPING, FIELDS
from resolvers.namespaces import UnusableNamespaces
from resolvers.purposes import UnusablePurposes
from schema.authorization import authorization_page
from schema.check import compare
from schema.elements import UnreadableSDL, elements_of
from schema.personal_data import personal_data_page
from schema.roots import build_schema
from schema.sdl import Profile
from server.app import ENDPOINT, utc_now
from server.archive import archive_lines
from server.audit import UnusableAuditFile
from server.certificates import UnusableProofs, owing, proofs_of
from server.check import FailOn, fails, print_changes, print_json
from server.doctor import examine
from server.encryption import key_encryption_of
from server.examples import examples
from server.explorer import OfferedToken, Session
from server.greeting import greeting
from server.identity import Identity, identity_of
from server.ledger import ledger_key_of
from server.logs import begin_logging
from server.manifests import ManifestError
from server.plan import NotPlanned, plan_lines, variables_of
from server.published import NotPublished, one_line, published_sdl, sdl_in_file, without_credentials
from server.running import run_server
from server.samples import prepare, write_samples
from server.senders import digest_keys_of
from server.settings import Settings, SettingsError, load_settings
from server.supergraph import HANDLER
from server.tokens import KNOWN_SCOPES, TOKEN_DAYS, development_token, offered_tokens
from store.digests import DigestKeys
from store.engine import EngineFault, start_engine
from store.errors import StoreFault
from store.ids import PATTERN as ID
from store.sealing import new_key_text, parse_key_texts
from store.store import Store

Result = TypeVar("Result")

COULD_NOT_COMPARE = 2

app = typer.Typer(
    help="A federated GraphQL User subgraph over MongoDB documents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ProfileOption = Annotated[
    Profile | None,
    typer.Option(
        help="portable composes everywhere, router adds access directives; "
        "by default that of the settings."
    ),
]
schema_app = typer.Typer(help="The schema of the subgraph.", no_args_is_help=True)
app.add_typer(schema_app, name="schema")
contacts_app = typer.Typer(help="The index of contacts.", no_args_is_help=True)
app.add_typer(contacts_app, name="contacts")
keys_app = typer.Typer(help="The keys that wrap the users' data keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
consents_app = typer.Typer(help="The ledger of consents.", no_args_is_help=True)
app.add_typer(consents_app, name="consents")


erasure_app = typer.Typer(help="Erasures and who owes receipts.", no_args_is_help=True)
app.add_typer(erasure_app, name="erasure")


@app.command()
def serve() -> None:
    """Serve the subgraph; without a database of your own, on sample data."""
    settings = _settings()
    logger = begin_logging(settings.log_level, settings.log_format)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listening = _listen(settings)
    port = listening.getsockname()[1]
    identity, tokens = _identity(settings)
    _index_keys(settings)
    token = tokens[0].token if tokens else None
    with _store(settings, keep_running=True) as open_store:
        asyncio.run(prepare(open_store, with_samples=settings.mongodb_uri is None))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{port}{ENDPOINT}"
        session = None
        if settings.serves_explorer:
            # Who reaches the page reads its tokens: only this machine may.
            offered = tokens if settings.is_local else []
            session = Session(ENDPOINT, offered, examples() if tokens else ())
        run_server(
            settings,
            open_store(),
            identity,
            session,
            listening,
            logger=logger,
            greet=lambda: print(greeting(settings, address, token), flush=True),
        )


@app.command()
def invalidate() -> None:
    """Tell routers which users change, so that they forget what they cached; until stopped."""
    settings = _settings()
    routers = _routers(settings)
    begin_logging(settings.log_level, settings.log_format)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _store(settings) as open_store, suppress(KeyboardInterrupt):
        print(f"Telling changes to {', '.join(routers.urls)}; Ctrl-C stops it.", flush=True)
        asyncio.run(_invalidate(open_store(), routers))


@app.command(name="seed")
def seed_command(
    users: Annotated[int, typer.Option(min=1, help="How many sample users there shall be.")],
) -> None:
    """Write sample users; the same ones for the same number, every time."""
    with _store(_settings()) as open_store:
        asyncio.run(write_samples(open_store(), users))


@app.command()
def token(
    user: Annotated[
        str | None, typer.Option(help="Id or handle of a person; without it, a service's token.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope; repeat it, or separate several by commas.")
    ] = None,
    days: Annotated[float, typer.Option(min=0.0001, help="How long it is valid.")] = TOKEN_DAYS,
) -> None:
    """Print a development bearer token, which only this data directory's server accepts."""
    settings = _settings()
    if settings.has_issuer:
        _fail("Tokens come from your issuer, whose keys the settings name.")
    scopes = re.split(r"[,\s]+", ",".join(scope)) if scope else None
    for unknown in sorted({*(scopes or ())} - KNOWN_SCOPES):
        print(f"No rule asks for the scope {unknown!r}.", file=sys.stderr)
    user_id = _user_id(settings, user) if user else None
    try:
        print(development_token(settings, user_id, scopes, days))
    except (OSError, ValueError) as error:
        _fail(f"The development key cannot be used: {error}")


@schema_app.command(name="print")
def schema_print(
    profile: ProfileOption = None,
) -> None:
    """Print the SDL, as a gateway gets it."""
    print(build_schema(profile or _settings().federation_profile).sdl, end="")


@schema_app.command(name="authorization")
def schema_authorization() -> None:
    """Print who may see or ask for what, as the tables of docs/authorization.md."""
    print(authorization_page(AUTHORIZATION), end="")


@schema_app.command(name="personal-data")
def schema_personal_data() -> None:
    """Print what is kept of a user, as the table of docs/personal-data.md."""
    print(personal_data_page(FIELDS, BOOKKEEPING), end="")


@schema_app.command(name="check")
def schema_check(
    against: Annotated[
        str,
        typer.Option(metavar="FILE|URL", help="The published SDL, or a subgraph that runs."),
    ],
    new: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The new SDL; else it is this subgraph's.")
    ] = None,
    profile: ProfileOption = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="Sent to the URL; repeat it.")
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option(help="The mildest change for which it fails.")
    ] = FailOn.BREAKING,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare the SDL with a published one, and say whom each change hurts.

    Of a subgraph that answers its router alone, ask with --header 'x-router-authorization: SECRET'.

    Exits with 0 when nothing fails, with 1 when something does, with 2 when it cannot compare.
    """
    if new is not None and profile is not None:
        _fail("Give --new or --profile: a file has the profile that it has.", COULD_NOT_COMPARE)
    source = against
    try:
        published = elements_of(published_sdl(against, header or ()))
        source = "this subgraph" if new is None else str(new)
        current = elements_of(_current_sdl(profile) if new is None else sdl_in_file(new))
    except (NotPublished, UnreadableSDL) as error:
        why = one_line(error).removesuffix(".")  # a server's own sentence ends with one
        _fail(f"{without_credentials(source)}: {why}.", COULD_NOT_COMPARE)
    changes = compare(published, current)
    (print_json if as_json else print_changes)(changes)
    if fails(changes, fail_on):
        raise typer.Exit(1)


@keys_app.command("new")
def keys_new(
    name: Annotated[str, typer.Argument(help="The key's name, as in 2027.")],
) -> None:
    """Print a new key-encryption key, to be put last in KEY_ENCRYPTION_KEYS."""
    text = new_key_text(name)
    try:
        parse_key_texts((text,))
    except ValueError as error:
        _fail(str(error))
    print(text)


@keys_app.command("rewrap")
def keys_rewrap() -> None:
    """Wrap every data key with the newest key-encryption key, so that older ones may go."""

    async def rewrap(store: Store) -> int:
        return await rewrap_all(store, lambda count: print(f"{count} so far", flush=True))

    print(f"{_run(_settings(), rewrap)} data keys were wrapped anew.")


@contacts_app.command("reindex")
def contacts_reindex() -> None:
    """Write the index of contacts anew with the newest key, so that older ones may go."""
    settings = _settings()
    keys = _index_keys(settings)
    if keys is None:
        _fail("Set USERGRAPH_CONTACT_INDEX_KEYS to the keys of the index: see docs/contacts.md.")

    async def write(store: Store) -> Reindexed:
        return await reindex(
            store, keys, utc_now, lambda done: print(f"{done.seen} so far", flush=True)
        )

    done = _run(settings, write)
    print(f"{done.copied} rows were copied, {done.deleted} deleted, {done.left} left.")


@consents_app.command("verify")
def consents_verify(
    user: Annotated[
        str | None, typer.Option(help="Id or handle of a person; without it, everybody.")
    ] = None,
) -> None:
    """Check that no entry of the ledger was changed, added or taken away; exits with 1 if so."""
    settings = _settings()
    user_id = _user_id(settings, user) if user else None
    done = _run(settings, lambda store: verify(store, user_id))
    for problem in done.problems:
        print(problem)
    print(
        f"{done.chains} chains, {done.entries} entries, {done.users} users, {done.due} due: "
        f"{len(done.problems) or 'no'} problems"
    )
    if done.problems:
        raise typer.Exit(1)


@consents_app.command("receipt")
def consents_receipt(
    receipt: Annotated[str, typer.Argument(metavar="ID", help="The receipt's id.")],
    entry_hash: Annotated[str, typer.Argument(metavar="HASH", help="The receipt's hash.")],
) -> None:
    """Check that a receipt is good; exits with 1 if not."""
    problem = _run(_settings(), lambda store: problem_of_receipt(store, receipt, entry_hash))
    if problem is not None:
        _fail(f"The receipt proves nothing: {problem}.")
    print("The receipt is good.")


@app.command()
def archive(
    user: Annotated[str, typer.Argument(help="Id or handle of a person.")],
) -> None:
    """Print everything that is kept of somebody, as lines of JSON; for an access request."""
    settings = _settings()
    user_id = _user_id(settings, user)

    async def write(store: Store) -> None:
        async for line in archive_lines(store, user_id, utc_now()):
            sys.stdout.buffer.write(line)

    _run(settings, write)


@erasure_app.command("check")
def erasure_check() -> None:
    """Check that every subgraph of SUPERGRAPH_FILE that knows of users says how it forgets one."""
    settings = _settings()
    if settings.supergraph_file is None:
        _fail("Set USERGRAPH_SUPERGRAPH_FILE to the supergraph's SDL.")
    try:
        found = owing(settings)
    except UnusableProofs as error:
        _fail(str(error))
    for holder in found:
        how = holder.handler or f"FAIL: no mutation has the tag {HANDLER!r}"
        print(f"{holder.subgraph}: {how}")
    if any(holder.handler is None for holder in found):
        raise typer.Exit(1)


@erasure_app.command("run")
def erasure_run() -> None:
    """Erase whoever is due now; a running server does it every minute."""
    settings = _settings()

    async def erase(store: Store) -> int:
        await store.ensure_indexes()
        owed = [holder.subgraph for holder in owing(settings)]
        return await erase_due(store, utc_now(), owed, proofs_of(settings).certify)

    print(f"{_run(settings, erase)} users were erased.")


@erasure_app.command("again")
def erasure_again() -> None:
    """After a backup was restored: erase again who was erased since it was made."""
    count = _run(_settings(), lambda store: erase_again(store, utc_now()))
    print(f"{count} users were there again and are erased.")


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="A document with an operation.")],
    operation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which one, when it has several.")
    ] = None,
    variables: Annotated[
        str | None, typer.Option(metavar="JSON", help="What is missing is made up.")
    ] = None,
    source: Annotated[bool, typer.Option(help="The generated Python, too.")] = False,
    profile: ProfileOption = None,
) -> None:
    """Print what would be done for an operation: levels, resolvers, reads, caching."""
    settings = _settings()
    schema = build_schema(profile or settings.federation_profile, limits=settings.limits)
    try:
        given = variables_of(variables)
        text = file.read_text("utf-8-sig")
        lines = plan_lines(schema, settings, text, operation, given, with_source=source)
    except OSError as error:
        _fail(f"{file} cannot be read: {error.strerror}.")
    except UnicodeDecodeError:
        _fail(f"{file} is not UTF-8 text.")
    except NotPlanned as error:
        _fail(str(error))
    print("\n".join(lines))


@app.command()
def doctor() -> None:
    """Check settings, keys, database, indexes and explorer, and say what to do."""
    settings = _settings()
    with _store(settings) as open_store:
        findings = asyncio.run(examine(settings, open_store()))
    for finding in findings:
        print(finding)
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(1)


def _routers(settings: Settings) -> Routers:
    if not settings.invalidation_urls or settings.invalidation_key is None:
        _fail(
            "Set USERGRAPH_INVALIDATION_URLS to the addresses where routers take invalidations, "
            "and USERGRAPH_INVALIDATION_KEY to the key they expect: see docs/caching.md."
        )
    return Routers(
        urls=settings.invalidation_urls,
        key=settings.invalidation_key.get_secret_value(),
        subgraph=settings.invalidation_subgraph,
        delay_seconds=settings.invalidation_delay_seconds,
    )


OpenStore = Callable[[], Store]


@contextmanager
def _store(settings: Settings, *, keep_running: bool = False) -> Iterator[OpenStore]:
    """Opens stores on the database of the settings, on the embedded engine where none is set.

    A store belongs to one event loop, so that each loop opens its own.
    """
    try:
        encryption = key_encryption_of(settings)
    except (OSError, ValueError) as error:
        _fail(f"The key-encryption keys cannot be used: {error}")
    try:
        ledger_key = ledger_key_of(settings)
    except (OSError, ValueError) as error:
        _fail(f"The key of the consent ledger cannot be used: {error}")
    engine = None
    uri = settings.mongodb_uri.get_secret_value() if settings.mongodb_uri else None
    if uri is None:
        try:
            engine = start_engine(settings.data_dir.resolve() / "engine")
        except EngineFault as fault:
            _fail(str(fault))
        if keep_running:
            engine.keep_running()
        uri = engine.uri

    def open_store() -> Store:
        return Store.connect(
            uri,
            settings.mongodb_database,
            driver=settings.mongodb_driver,
            timeout_seconds=settings.mongodb_timeout_seconds,
            encryption=encryption,
            ledger_key=ledger_key,
        )

    try:
        yield open_store
    except StoreFault as fault:
        _fail(f"The database did not do what was asked of it: {fault}")
    except UnusableAuditFile as error:
        _fail(f"The audit file cannot be written: {error}")
    except UnusableProofs as error:
        _fail(f"Erasures cannot be proved: {error}")
    except ManifestError as error:
        _fail(f"The trusted documents cannot be used:\n{error}")
    except UnusablePurposes as error:
        _fail(f"The purposes cannot be used: {error}")
    except UnusableNamespaces as error:
        _fail(f"The namespaces of preferences cannot be used: {error}")
    finally:
        if engine is not None:
            engine.stop()


def _run(settings: Settings, work: Callable[[Store], Awaitable[Result]]) -> Result:
    """What some work on a store of the settings gives; the store is closed after it."""

    async def run(store: Store) -> Result:
        try:
            return await work(store)
        finally:
            await store.close()

    with _store(settings) as open_store:
        return asyncio.run(run(open_store()))


async def _invalidate(store: Store, routers: Routers) -> None:
    sending = asyncio.create_task(invalidate_forever(store, routers))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, sending.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await sending
    finally:
        await store.close()


def _identity(settings: Settings) -> tuple[Identity, list[OfferedToken]]:
    """Who may ask, and the tokens to try it with."""
    try:
        return identity_of(settings), offered_tokens(settings)
    except (OSError, ValueError) as error:
        _fail(f"The keys that verify tokens cannot be used: {error}")


def _index_keys(settings: Settings) -> DigestKeys | None:
    """The keys of the index of contacts, where there are any."""
    try:
        return digest_keys_of(settings)
    except (OSError, ValueError) as error:
        _fail(f"The keys of the index of contacts cannot be used: {error}")


def _user_id(settings: Settings, user: str) -> str:
    if ID.fullmatch(user):
        return user

    async def find(store: Store) -> str | None:
        found = await Loaders(store, utc_now).user_by_handle.load(user.removeprefix("@").lower())
        return found.id if found else None

    user_id = _run(settings, find)
    if user_id is None:
        _fail(f"Nobody has the handle {user!r}.")
    return user_id


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        _fail(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Set USERGRAPH_PORT to another port (0 takes a free one)."
        )
    return listening


def _current_sdl(profile: Profile | None) -> str:
    profile = profile or _settings(COULD_NOT_COMPARE).federation_profile
    return build_schema(profile).sdl


def _settings(exit_code: int = 1) -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        _fail(f"The settings cannot be used:\n{error}", exit_code)


def _fail(message: str, exit_code: int = 1) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(exit_code)


if __name__ == "__main__":
    app()
