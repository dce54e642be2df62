"""The example client: generated, type-checked and run as a frontend team would do it."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schema.roots import build_schema
from schema.sdl import Profile
from server.manifests import read_manifest
from server.settings import Settings
from tests.listening import listening, until
from tests.node import install
from tests.subgraph import Clock, Subgraph

pytestmark = pytest.mark.one_driver

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "client"
MANIFEST = "src/gql/persisted-documents.json"
SHOWN = r"""Signed in as @ben\.ek
Ada Berg \(@ada\.berg\) has 3 followers
- @dan\.falk, @cid\.dahl
- @ben\.ek
Bio: done, revision 2
Handle: Choose another, for example ada\.berg\d+ or ada\.berg\d+ or ada\.berg\d+\.
Revision 2 changed bio: Edited after revision 1
"""


def copied(folder: Path) -> Path:
    """The example and the SDL in another folder, where tests may change them."""
    install(EXAMPLE, "node")
    copy = folder / "docs" / "client"
    left_out = shutil.ignore_patterns("node_modules", "gql", "dist")
    shutil.copytree(EXAMPLE, copy, ignore=left_out)
    shutil.copytree(ROOT / "schema", folder / "schema", ignore=shutil.ignore_patterns("*.py"))
    (copy / "node_modules").symlink_to(EXAMPLE / "node_modules")
    return copy


def built(client: Path) -> tuple[int, str]:
    """Exit code and output of `npm run build`."""
    command = ["npm", "run", "--silent", "build"]
    done = subprocess.run(
        command,
        cwd=client,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built."""
    client = copied(tmp_path_factory.mktemp("client"))
    code, output = built(client)
    assert code == 0, output
    return client


async def started(client: Path, program: str, *arguments: str, **variables: str) -> Process:
    """A program of the example, as its npm script of the same name runs it."""
    command = json.loads((client / "package.json").read_text())["scripts"][program]
    return await asyncio.create_subprocess_exec(
        *command.split(),
        *arguments,
        cwd=client,
        env={**os.environ, "NODE_NO_WARNINGS": "1", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def run(client: Path, address: str, handle: str, *, code: int = 0, **variables: str) -> str:
    """What the example prints."""
    endpoint = f"http://{address}/graphql"
    process = await started(client, "start", endpoint, handle, **variables)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 30)
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
    assert process.returncode == code, output.decode()
    return output.decode()


async def ada_and_her_followers(subgraph: Subgraph) -> str:
    """Makes Ada, and Ben, Cid and Dan who follow her; gives Ben's id."""
    ada = await subgraph.register("ada.berg", displayName="Ada Berg")
    ids = [await subgraph.register(handle) for handle in ("ben.ek", "cid.dahl", "dan.falk")]
    for follower in ids:
        await subgraph.follow(follower, ada)
    return ids[0]


@pytest.mark.parametrize(
    ("file", "before", "after", "says"),
    [
        pytest.param(
            "src/profile.ts",
            "followerCount",
            "folowerCount",
            'Cannot query field "folowerCount" on type "User". Did you mean "followerCount"',
            id="a field that users do not have",
        ),
        pytest.param(
            "src/profile.ts",
            "handle, displayName } = unmask(UserCard, user)",
            "handle, displayName } = user",
            "Property 'handle' does not exist on type",
            id="a field of a fragment that was not unmasked",
        ),
        pytest.param(
            "src/profile.ts",
            "{ by: { handle }, first }",
            "{ by: { handle, id: handle }, first }",
            "is not assignable to type 'UserBy'",
            id="two keys of a oneOf input",
        ),
        pytest.param(
            "src/refusals.ts",
            'case "IdempotencyError":\n',
            "",
            "is not assignable to parameter of type 'never'",
            id="a refusal without a case",
        ),
        pytest.param(
            "../../schema/schema.graphql",
            "type TooSoonError implements UserError {",
            "type TooLateError implements UserError { message: String! code: String! "
            "path: [String!]! }\n\ntype TooSoonError implements UserError {",
            "is not assignable to parameter of type 'never'",
            id="a refusal that is new in the schema",
        ),
        pytest.param(
            "../../schema/schema.graphql",
            "type DryRun {",
            "scalar Bytes\n\ntype DryRun {\n  size: Bytes",
            "Unknown scalar type Bytes",
            id="a scalar without a type",
        ),
    ],
)
def test_a_mistake_does_not_build(
    tmp_path: Path, file: str, before: str, after: str, says: str
) -> None:
    client = copied(tmp_path)
    text = (client / file).read_text()
    assert text.count(before) == 1
    (client / file).write_text(text.replace(before, after))
    code, output = built(client)
    assert code != 0
    assert says in output


def test_its_manifest_is_trusted(client: Path) -> None:
    documents = read_manifest(client / MANIFEST, build_schema(Profile.PORTABLE).graphql)
    names = re.findall(r"(?:query|mutation|subscription) (\w+)", " ".join(documents.values()))
    assert sorted(names) == [
        "ChangeHandle",
        "MoreFollowers",
        "ProfileChanged",
        "ProfilePage",
        "UpdateProfile",
        "Viewer",
    ]


async def test_it_shows_a_profile_and_edits_its_own(client: Path, subgraph: Subgraph) -> None:
    ben = await ada_and_her_followers(subgraph)
    async with listening(subgraph.app) as address:
        told = await run(client, address, "ada.berg", TOKEN=subgraph.token(ben))
    assert re.fullmatch(SHOWN, told), told


async def test_without_a_token_it_shows_what_everybody_sees(
    client: Path, subgraph: Subgraph
) -> None:
    await ada_and_her_followers(subgraph)
    async with listening(subgraph.app) as address:
        told = [await run(client, address, handle) for handle in ("ada.berg", "no.body")]
    assert told == [
        "Not signed in; set TOKEN\nAda Berg (@ada.berg) has 3 followers\n"
        "- @dan.falk, @cid.dahl\n- @ben.ek\n",
        "Not signed in; set TOKEN\nThere is no @no.body\n",
    ]


async def test_only_the_ids_of_its_manifest_travel(
    client: Path, subgraph: Subgraph, clock: Clock
) -> None:
    ben = await ada_and_her_followers(subgraph)
    settings = Settings(
        data_dir=subgraph.settings.data_dir,
        execution=subgraph.settings.execution,
        trusted_documents=client / MANIFEST,
        trusted_documents_only=True,
    )
    strict = Subgraph(settings, subgraph.store, clock)
    token = subgraph.token(ben)
    async with strict.http, listening(strict.app) as address:
        told = await run(client, address, "ada.berg", TOKEN=token, TRUSTED="1")
        refused = await run(client, address, "ada.berg", code=1)
    assert re.fullmatch(SHOWN, told), told
    assert refused == "Error: Only documents of the manifest are carried out.\n"


async def test_a_lost_answer_to_a_mutation_is_asked_for_again_and_it_happens_once(
    client: Path, subgraph: Subgraph
) -> None:
    ben = await ada_and_her_followers(subgraph)
    lost: list[Scope] = []

    async def losing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or lost:
            await subgraph.app(scope, receive, send)
            return
        lost.append(scope)
        await subgraph.app(scope, receive, nowhere)
        await PlainTextResponse("Bad gateway", 502)(scope, receive, send)

    async with listening(losing) as address:
        told = await run(client, address, "ada.berg", TOKEN=subgraph.token(ben))
    assert re.fullmatch(SHOWN, told), told
    assert len(lost) == 1


async def nowhere(_: Message) -> None: ...


async def test_no_change_is_missed_while_the_connection_is_lost(
    client: Path, subgraph: Subgraph
) -> None:
    ben = await ada_and_her_followers(subgraph)
    line = Line(subgraph.app)
    async with listening(line) as address, watching(client, address, "ben.ek") as told:
        assert await told() == "@ben.ek is at revision 1"
        await set_bio(subgraph, ben, "one")
        assert await told() == "Revision 2 changed bio"
        await line.cut()
        await set_bio(subgraph, ben, "two")
        await set_bio(subgraph, ben, "three")
        await until(lambda: line.refused > 0)
        line.is_cut = False
        assert await told() == "Revision 3 changed bio"
        assert await told() == "Revision 4 changed bio"
    assert line.refused > 0


async def set_bio(subgraph: Subgraph, viewer: str, bio: str) -> None:
    mutation = """mutation ($bio: String!) {
      updateProfile(input: {bio: $bio}) { errors { code } } }"""
    assert await subgraph.data(mutation, viewer, bio=bio) == {"updateProfile": {"errors": []}}


class Line:
    """An application whose WebSockets can be cut; new ones are refused meanwhile."""

    def __init__(self, app: ASGIApp) -> None:
        self.is_cut = False
        self.refused = 0
        self._app = app
        self._sends: list[Send] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
        elif self.is_cut:
            self.refused += 1
            await send({"type": "websocket.close", "code": 1013})
        else:
            self._sends.append(send)
            await self._app(scope, receive, send)

    async def cut(self) -> None:
        """Closes every connection."""
        self.is_cut = True
        for send in self._sends:
            await send({"type": "websocket.close", "code": 1012})


@asynccontextmanager
async def watching(
    client: Path, address: str, handle: str
) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """The example's other program while it runs; gives what waits for its next line."""
    process = await started(client, "watch", f"http://{address}/graphql", handle)
    lines = process.stdout
    assert lines is not None

    async def told() -> str:
        return (await asyncio.wait_for(lines.readline(), 20)).decode().rstrip()

    try:
        yield told
    finally:
        process.kill()
        await process.communicate()
