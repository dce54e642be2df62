"""The command line, as people and containers use it: each command is a process of its own."""

import base64
import json
import os
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.seed import FIRST_HANDLE, sample_id
from schema.roots import build_schema
from schema.sdl import Profile
from server.examples import FOLLOWERS
from store.engine import start_engine
from store.records import Document
from store.store import Store
from tests.conftest import DRIVERS
from tests.running import RunningServer, environment, is_alive, usergraph

embedded = pytest.mark.skipif(
    "USERGRAPH_MONGODB_URI" in os.environ,
    reason="USERGRAPH_MONGODB_URI is set, and these are about the embedded engine",
)


def claims(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    payload = token.split(".")[1]
    loaded: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return loaded


def ask(server: RunningServer, query: str, token: str, **variables: Any) -> Any:
    """The whole answer to an operation."""
    headers = {"Authorization": f"Bearer {token}"}
    body = {"query": query, "variables": variables}
    return httpx.post(server.address, json=body, headers=headers, timeout=20).json()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory on which a server ran before."""
    data_dir = tmp_path_factory.mktemp("served")
    with RunningServer(data_dir, mongodb_driver=DRIVERS[0]) as server:
        assert server.stop() == 0
    return data_dir


def test_a_token_says_who_it_is_for_and_what_it_permits(tmp_path: Path) -> None:
    user_id = sample_id(7)
    done = usergraph(
        "token",
        "--user",
        user_id,
        "--scope",
        "me:blocks:write,b",
        "--days",
        "2",
        env=environment(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, "No rule asks for the scope 'b'.\n")
    said = claims(done.stdout.strip())
    assert said["exp"] - said["iat"] == 2 * 86_400
    assert {key: said[key] for key in ("iss", "aud", "sub", "client_id", "scope")} == {
        "iss": "http://localhost/usergraph",
        "aud": "usergraph",
        "sub": user_id,
        "client_id": "development",
        "scope": "b me:blocks:write",
    }


def test_a_token_for_nobody_is_a_services(tmp_path: Path) -> None:
    done = usergraph("token", env=environment(tmp_path))
    said = claims(done.stdout.strip())
    assert (said["sub"], said["client_id"]) == ("development-service", "development-service")
    assert "users:register" in said["scope"].split()


@pytest.mark.parametrize("profile", Profile)
def test_the_schema_is_printed_as_a_gateway_gets_it(tmp_path: Path, profile: Profile) -> None:
    done = usergraph("schema", "print", "--profile", profile, env=environment(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, build_schema(profile).sdl, "")


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("serve", "--help"), ("token", "--user", sample_id(0)), ("schema", "print")],
    ids=" ".join,
)
def test_what_needs_no_database_takes_none(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert usergraph(*arguments, env=environment(tmp_path)).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} <= {"development-key.json"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "USERGRAPH_PROT",
            "1",
            "USERGRAPH_PROT: there is no such setting; did you mean USERGRAPH_PORT?",
        ),
        ("USERGRAPH_PORT", "x", "USERGRAPH_PORT: Input should be a valid integer"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    tmp_path: Path, key: str, value: str, message: str
) -> None:
    done = usergraph("serve", env={**environment(tmp_path), key: value})
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = usergraph("serve", env=environment(tmp_path, port=str(port)))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Set USERGRAPH_PORT to another port (0 takes a free one).\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [("seed", "--users", "1"), ("doctor",), ("serve",)], ids=" ".join
)
def test_a_database_that_is_not_there_is_told_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    nowhere = "mongodb://127.0.0.1:1/"
    env = environment(tmp_path, mongodb_uri=nowhere, mongodb_timeout_seconds="0.5", port="0")
    done = usergraph(*arguments, env=env)
    assert done.returncode == 1
    assert "Connection refused" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@embedded
def test_doctor_says_that_the_server_will_make_the_indexes(tmp_path: Path) -> None:
    done = usergraph("doctor", env=environment(tmp_path))
    assert done.returncode == 0
    assert "FAIL" not in done.stdout
    assert "ok   indexes: not made yet: users.handle" in done.stdout
    assert "-> nothing to do: the server makes them when it starts" in done.stdout


@embedded
def test_doctor_is_content_once_a_server_ran(served: Path) -> None:
    done = usergraph("doctor", env=environment(served))
    assert done.returncode == 0
    assert "FAIL" not in done.stdout
    assert "ok   indexes: all there" in done.stdout


@embedded
def test_doctor_looks_at_the_audit_file_and_at_what_the_explorer_is_told(served: Path) -> None:
    settings = {"explorer": "true", "introspection": "false"}
    env = environment(served, audit_file="/nowhere/audit.jsonl", **settings)
    done = usergraph("doctor", env=env)
    assert done.returncode == 1
    assert "FAIL audit: /nowhere/audit.jsonl: No such file or directory" in done.stdout
    assert "-> set USERGRAPH_INTROSPECTION=true, or USERGRAPH_EXPLORER=false" in done.stdout
    env = environment(served, audit_file=str(served / "audit.jsonl"))
    assert f"ok   audit: is added to {served}/audit.jsonl" in usergraph("doctor", env=env).stdout


@embedded
@pytest.mark.parametrize("users", [50, 80])  # of the second number, one is erased
async def test_seeding_twice_is_the_same_as_once(tmp_path: Path, users: int) -> None:
    engine = start_engine(tmp_path / "engine")
    store = Store.connect(engine.uri, "usergraph")
    try:
        once = await seeded(tmp_path, store, users)
        again = await seeded(tmp_path, store, users)
    finally:
        await store.close()
        engine.stop()
    assert len(once["users"]) == users
    assert again == once


async def seeded(data_dir: Path, store: Store, users: int) -> dict[str, list[Document]]:
    """Every document, by collection, once the command has run and told how far it was."""
    done = usergraph("seed", "--users", str(users), env=environment(data_dir))
    collections = [
        store.users.collection,
        store.handles.collection,
        store.follows.following.collection,
        store.follows.followers.collection,
        store.blocks.blocked.collection,
        store.idempotency.collection,
    ]
    found = {each.name: await each.find({}, sort="_id") for each in collections}
    follows = len(found["follows"])
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[:2] == [
        f"seed: {users} of {users} users",
        f"seed: {follows} of {follows} follows",
    ]
    return found


@embedded
def test_serve_brings_samples_and_a_token_and_keeps_what_is_written(tmp_path: Path) -> None:
    with RunningServer(tmp_path, mongodb_driver=DRIVERS[0]) as server:
        token = next(line for line in server.greeting.splitlines() if line.startswith("ey"))
        assert claims(token)["sub"] == sample_id(0)
        profile = ask(server, FOLLOWERS, token, handle=FIRST_HANDLE)["data"]["user"]
        assert len(profile["followers"]["edges"]) == 3
        assert profile["followerCount"] > 100
        update = 'mutation { updateProfile(input: {bio: "Kept."}) { errors { code } } }'
        assert ask(server, update, token) == {"data": {"updateProfile": {"errors": []}}}

        assert server.stop() == 0
        assert not is_alive(server.engine[0])
        server.start()
        assert ask(server, FOLLOWERS, token, handle=FIRST_HANDLE) == {
            "data": {"user": {**profile, "bio": "Kept."}}
        }
    assert server.log.read_text().count("seed: 1000 of 1000 users") == 1


@embedded
def test_a_second_server_shares_the_engine_of_the_first(served: Path) -> None:
    with RunningServer(served) as first:
        engine = first.engine
        with RunningServer(served) as second:
            assert second.engine == engine
            assert second.address != first.address
            write = 'mutation { updateProfile(input: {bio: "Shared."}) { errors { code } } }'
            assert "errors" not in ask(first, write, first.token(sample_id(0)))
            for server in (first, second):
                assert bio(server) == "Shared."
            assert second.stop() == 0
        assert bio(first) == "Shared."


@embedded
def test_the_engine_ends_when_its_server_is_killed(served: Path) -> None:
    with RunningServer(served) as server:
        assert is_alive(server.engine[0])
        server.kill()
        server.wait_for_engine()


@embedded
def test_a_killed_server_starts_again_at_once(served: Path) -> None:
    with RunningServer(served) as server:
        server.kill()
        server.start()
        assert bio(server)


def bio(server: RunningServer) -> str | None:
    """What the first sample user says."""
    answer = ask(server, FOLLOWERS, server.token(None), handle=FIRST_HANDLE)
    said: str | None = answer["data"]["user"]["bio"]
    return said
