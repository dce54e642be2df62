"""The servers that are compared: what runs each, and each as a process on the servers' core."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from bench.data import AUDIENCE, ISSUER, Data
from bench.peers.settings import PeerSettings
from tests.running import environment

ROOT = Path(__file__).parent.parent
PEERS = Path(__file__).parent / "peers"
PYTHON_PACKAGES = ROOT / ".data" / "bench" / "python"
"""Where packages are that only peers need; out of the way of the locked ones."""

START_SECONDS = 60
STOP_SECONDS = 10
INSTALL_SECONDS = 600
ADDRESS = re.compile(r" answers at http://127\.0\.0\.1:(\d+)/")


class BenchFault(Exception):
    """The comparison cannot be carried out; the message says why and what to do."""


@dataclass(frozen=True)
class Contender:
    """A server to compare: how it is called, and what runs it."""

    name: str
    title: str
    program: str

    @property
    def is_node(self) -> bool:
        """Whether Node runs it."""
        return self.program.endswith(".mjs")

    @property
    def is_ours(self) -> bool:
        """Whether it is Usergraph."""
        return self.name == "usergraph"


CONTENDERS = (
    Contender("usergraph", "Usergraph", "server.cli"),
    Contender("strawberry", "stock Strawberry", "bench.peers.stock"),
    Contender("ariadne", "Ariadne", "bench.peers.ariadne"),
    Contender("apollo", "Apollo Server", "apollo.mjs"),
    Contender("yoga", "GraphQL Yoga", "yoga.mjs"),
    Contender("mercurius", "Mercurius (JIT)", "mercurius.mjs"),
    Contender("raw", "hand-written, no engine", "bench.peers.raw"),
)


def install(contenders: Sequence[Contender]) -> None:
    """Installs what peers need, where it is not there yet. Raises: BenchFault."""
    if any(contender.is_node for contender in contenders):
        wanted = _digest(PEERS / "package-lock.json")
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        _install(PEERS / "node_modules" / "installed", wanted, command, PEERS)
    if any(contender.name == "ariadne" for contender in contenders):
        requirements = PEERS / "requirements.txt"
        wanted = _digest(requirements)
        if not _is_installed(PYTHON_PACKAGES / "installed", wanted):
            shutil.rmtree(PYTHON_PACKAGES, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--target", str(PYTHON_PACKAGES)]
        command += ["--requirement", str(requirements)]
        _install(PYTHON_PACKAGES / "installed", wanted, command, ROOT)


def _is_installed(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted


def _install(stamp: Path, wanted: str, command: Sequence[str], folder: Path) -> None:
    if _is_installed(stamp, wanted):
        return
    if shutil.which(command[0]) is None:
        raise BenchFault(f"{command[0]} is not installed; leave its peers out with --peers")
    try:
        subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        raise BenchFault(f"the peers could not be installed: {error}") from error
    stamp.write_text(wanted)


def versions() -> dict[str, str]:
    """What was compared, by name of the package."""
    node = json.loads((PEERS / "package.json").read_text())["dependencies"]
    python = "strawberry-graphql graphql-core aiodataloader motor pymongo orjson uvicorn uvloop"
    found = {name: metadata.version(name) for name in python.split()}
    pinned = (PEERS / "requirements.txt").read_text().split()
    runtime = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    return {
        "python": sys.version.split()[0],
        **found,
        **dict(line.split("==") for line in pinned),
        "node": runtime.stdout.strip().removeprefix("v"),
        **node,
    }


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Whatever is started meanwhile stays on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class RunningContender:
    """A server that runs; as a context it is started, and stopped afterwards."""

    def __init__(
        self, contender: Contender, data: Data, folder: Path, core: int, ours: Mapping[str, str]
    ) -> None:
        self.contender = contender
        self._data = data
        self._folder = folder / contender.name
        self._core = core
        self._ours = ours
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> "RunningContender":
        self._folder.mkdir()
        log = self._folder / "log"
        with log.open("w") as errors, on_core(self._core):
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            self.port = self._announced_port(self._process)
        except BaseException:
            self.__exit__()
            raise
        if not self.port:
            self.__exit__()
            end = log.read_text()[-2000:]
            raise BenchFault(f"{self.contender.title} did not start: {end}")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @staticmethod
    def _announced_port(process: "subprocess.Popen[str]") -> int:
        """Where the server says that it answers; 0 when it ends without a word, or is too slow."""
        assert process.stdout is not None
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        try:
            for line in process.stdout:
                if match := ADDRESS.search(line):
                    # What else it says is of no interest, but must not fill the pipe.
                    threading.Thread(target=process.stdout.read, daemon=True).start()
                    return int(match[1])
            return 0
        finally:
            watchdog.cancel()

    @property
    def _command(self) -> list[str]:
        contender = self.contender
        if contender.is_node:
            return ["node", str(PEERS / contender.program)]
        if not contender.is_ours:
            return [sys.executable, "-m", contender.program]
        if self._data.documents is not None:
            return [sys.executable, "-m", "bench.serve_memory"]
        return [sys.executable, "-m", contender.program, "serve"]

    @property
    def _environment(self) -> dict[str, str]:
        paths = [str(ROOT), *([str(PYTHON_PACKAGES)] if self.contender.name == "ariadne" else [])]
        if self.contender.is_ours:
            settings = {
                "port": "0",
                "token_jwks_file": str(self._data.jwks),
                "token_issuer": ISSUER,
                "token_audience": AUDIENCE,
                "log_level": "warning",
                # An embedded engine is slow; how long it takes is not what is measured.
                "mongodb_timeout_seconds": "60",
                "request_timeout_seconds": "30",
                **self._ours,
            }
            if self._data.documents is None:
                settings["mongodb_uri"] = self._data.uri
                settings["mongodb_database"] = self._data.database
            found = environment(self._folder, **settings)
        else:
            told = PeerSettings(
                uri=self._data.uri,
                database=self._data.database,
                is_embedded=self._data.is_embedded,
                documents=str(self._data.documents) if self._data.documents else None,
                jwks=str(self._data.jwks),
                issuer=ISSUER,
                audience=AUDIENCE,
            )
            found = {**os.environ, "NODE_ENV": "production", "BENCH_PEER": json.dumps(asdict(told))}
        return {**found, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
