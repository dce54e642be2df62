"""The gateways that run in front of the subgraph, and what each of them is shown to do."""

import asyncio
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schema.roots import build_schema
from schema.sdl import Profile
from tests.node import install

FOLDER = Path(__file__).parent
HIVE_FOLDER = FOLDER / "hive"
PATIENCE_SECONDS = 60.0
SUBGRAPHS = ["users", "playlists", "likes"]
FEATURES = "query entities @requires @provides @interfaceObject APQ ws SSE callback".split()


@dataclass(frozen=True)
class Setup:
    """A gateway and how it is run.

    `row` is its row in docs/gateways.md, and `shows` are the columns that tests ask of this setup.
    """

    row: str
    shows: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    profile: Profile = Profile.PORTABLE


APOLLO = "@apollo/gateway"
HIVE = "@graphql-hive/gateway"
HIVE_ROUTER = "@graphql-hive/router-runtime"
ALL_OF_FEDERATION = ("query", "entities", "@requires", "@provides", "@interfaceObject")
TOKEN = {"Authorization": "{context.headers.authorization}"}
WEBSOCKET = {
    "subscriptions": {
        "kind": "ws",
        # Tests exchange what is behind the address, so that no connection may outlive its test.
        "options": {"connectionParams": TOKEN, "lazyCloseTimeout": 0},
    }
}
CALLBACK = {
    "subscriptions": {
        "kind": "http-callback",
        "options": {"public_url": "http://127.0.0.1:{port}/callback"},
    }
}

SETUPS = {
    "apollo-introspecting": Setup(APOLLO, ALL_OF_FEDERATION, {"introspects": True}),
    "apollo": Setup(APOLLO, ALL_OF_FEDERATION),
    "apollo-apq": Setup(APOLLO, ("APQ",), {"apq": True}),
    "hive": Setup(HIVE, ("query", "entities", "@requires", "ws"), WEBSOCKET),
    "hive-sse": Setup(HIVE, ("SSE",)),
    "hive-callback": Setup(HIVE, ("APQ", "callback"), {"apq": True, **CALLBACK}),
    "hive-router": Setup(
        HIVE_ROUTER, (*ALL_OF_FEDERATION, "SSE"), env={"HIVE_ROUTER_RUNTIME": "true"}
    ),
    # The federation profile with access directives; no feature of its own.
    "apollo-guarded": Setup(APOLLO, (), profile=Profile.ROUTER),
    "hive-guarded": Setup(HIVE, (), profile=Profile.ROUTER),
}


def showing(feature: str) -> list[str]:
    """The setups of which the feature is asked."""
    assert feature in FEATURES
    return [name for name, setup in SETUPS.items() if feature in setup.shows]


class Program:
    """A Node program that tells where it is listening; ended with the session, or with us."""

    def __init__(self, command: list[str], log: Path, env: Mapping[str, str]) -> None:
        self._log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
            )

    async def addresses(self, count: int = 1) -> list[str]:
        """Where it is listening, once it is. Raises: AssertionError with its log."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = re.findall(r"Listening on (http://127\.0\.0\.1:\d+)", self._log.read_text())
            if len(found) == count:
                return found
            in_vain = self._process.poll() is not None or time.monotonic() > deadline
            assert not in_vain, self._log.read_text()
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        """Ends it; what does not end is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Gateways:
    """Starts each gateway when it is asked for first, in front of the same three subgraphs."""

    def __init__(self, folder: Path, users_address: str, callback_port: int) -> None:
        install(FOLDER)
        self._folder = folder
        self._callback_port = callback_port
        self._subgraphs = {"users": f"{users_address}/graphql"}
        self._programs: list[Program] = []
        self._addresses: dict[str, str] = {}

    async def subgraphs(self) -> dict[str, str]:
        """The addresses of the subgraphs by name, all of them listening."""
        if len(self._subgraphs) == 1:
            program = self._program("subgraphs", ["node", str(FOLDER / "subgraphs.mjs")])
            playlists, likes = await program.addresses(2)
            self._subgraphs |= {"playlists": playlists, "likes": likes}
        return self._subgraphs

    async def address(self, name: str) -> str:
        """Where the gateway of this setup answers GraphQL."""
        if name not in self._addresses:
            start = self._apollo if SETUPS[name].row == APOLLO else self._hive
            self._addresses[name] = await start(name)
        return self._addresses[name]

    def stop(self) -> None:
        """Ends all that was started."""
        for program in reversed(self._programs):
            program.stop()

    async def _apollo(self, name: str) -> str:
        options = dict(SETUPS[name].options)
        subgraphs = await self.subgraphs()
        if options.pop("introspects", False):
            options["subgraphs"] = [{"name": key, "url": url} for key, url in subgraphs.items()]
        else:
            options["supergraph"] = str(await self._supergraph(SETUPS[name].profile))
        command = ["node", str(FOLDER / "apollo.mjs"), json.dumps(options)]
        [address] = await self._program(name, command).addresses()
        return address

    async def _hive(self, name: str) -> str:
        install(HIVE_FOLDER)
        supergraph = await self._supergraph(SETUPS[name].profile)
        takes_callbacks = "callback" in SETUPS[name].shows
        port = self._callback_port if takes_callbacks else free_port()
        transport = json.dumps(SETUPS[name].options).replace("{port}", str(port))
        env = {**SETUPS[name].env, "USERS_TRANSPORT": transport}
        command = [
            str(HIVE_FOLDER / "node_modules" / ".bin" / "hive-gateway"),
            "supergraph",
            str(supergraph),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--config-path", str(HIVE_FOLDER / "gateway.config.mjs")),
        ]
        [address] = await self._program(name, command, env).addresses()
        return f"{address}/graphql"

    async def _supergraph(self, profile: Profile) -> Path:
        """The file with the supergraph, composed with @apollo/composition."""
        supergraph = self._folder / f"supergraph-{profile}.graphql"
        if not supergraph.exists():
            sdls = {"users": build_schema(profile).sdl, "playlists": playlists_for(profile)}
            compose(self._folder, supergraph, await self.subgraphs(), sdls)
        return supergraph

    def _program(
        self, name: str, command: list[str], env: Mapping[str, str] | None = None
    ) -> Program:
        program = Program(command, self._folder / f"{name}.log", env or {})
        self._programs.append(program)
        return program


def playlists_for(profile: Profile) -> str:
    """The SDL of playlists; what requires a field that a router guards is guarded as well."""
    sdl = (FOLDER / "playlists.graphql").read_text()
    if profile is Profile.ROUTER:
        sdl = sdl.replace('import: ["@external"', 'import: ["@authenticated", "@external"')
        sdl = sdl.replace("canDownload: Boolean", "canDownload: Boolean @authenticated")
    return sdl


def compose(
    folder: Path, supergraph: Path, addresses: Mapping[str, str], sdls: Mapping[str, str]
) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and what each composer says; SDL that is not given is the file of that name."""
    sources = []
    for name, address in addresses.items():
        path = FOLDER / f"{name}.graphql"
        if name in sdls:
            path = folder / f"{name}.graphql"
            path.write_text(sdls[name])
        sources.append(f"{name}={address}={path}")
    command = ["node", str(FOLDER / "compose.mjs"), *sources, str(supergraph)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
