"""The embedded engine: SecantusDB as a child process on this machine, for development and tests.

It is GPL-2.0-only, an optional extra, its own process and never imported.
"""

import importlib.util
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

STARTUP_SECONDS = 30.0
STOP_SECONDS = 10.0
WATCH_SECONDS = 0.5

logger = logging.getLogger(__name__)


class EngineFault(Exception):
    """The embedded engine could not be started; the message says why and what to do."""


class Engine:
    """A running embedded engine; `uri` connects to it.

    Processes that use one data directory at the same time share the engine of the first. The one
    that started it stops it; when that one dies, so does the engine.
    """

    def __init__(
        self, directory: Path, port: int, process: "subprocess.Popen[bytes] | None"
    ) -> None:
        self.port = port
        self._directory = directory
        self._process = process
        self._stopping = threading.Event()
        self._keeper: threading.Thread | None = None
        # Without `poll`, a not-primary error costs ten seconds.
        self.uri = f"mongodb://127.0.0.1:{port}/?serverMonitoringMode=poll"

    def keep_running(self) -> None:
        """Sees to it that there is an engine at this address until `stop`.

        It may die, or the process that started it may end: then a new one takes its place.
        """
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Ends the engine if this process started it, and waits for it."""
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.join()
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _keep(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            if not _answers(self.port):
                logger.warning("the embedded engine is gone; starting it again")
                try:
                    started = start_engine(self._directory, port=self.port)
                    self._process = started._process or self._process
                except EngineFault as fault:
                    logger.error("the embedded engine did not start", exc_info=fault)


def start_engine(
    directory: Path, *, test_commands: bool = False, port: int | None = None
) -> Engine:
    """The engine of this directory: the one that runs already, else a new one.

    A new one listens on `port`, or on a free one. Raises: EngineFault.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineFault(f"the data directory cannot be used: {error}") from error
    note = directory / "engine.json"
    shared = _shared_port(note)
    if shared is not None:
        return Engine(directory, shared, None)
    if importlib.util.find_spec("secantus") is None:
        raise EngineFault(
            "the embedded engine is not installed: install the extra `embedded`, "
            "or set USERGRAPH_MONGODB_URI to a MongoDB server"
        )
    port = port or _free_port()
    log = directory / "engine.log"
    process = _spawn(directory, port, log, test_commands=test_commands)
    deadline = time.monotonic() + STARTUP_SECONDS
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
            shared = _shared_port(note)  # somebody else may have started it at the same moment
            if shared is not None:
                return Engine(directory, shared, None)
            raise EngineFault(f"the embedded engine did not start; its log is {log}")
        time.sleep(0.05)
    note.write_text(json.dumps({"pid": process.pid, "port": port, "owner": os.getpid()}))
    return Engine(directory, port, process)


def _spawn(
    directory: Path, port: int, log: Path, *, test_commands: bool
) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "store.engine_process"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--storage-path", str(directory / "data")),
                # With 64 MB, a bulk load into an indexed collection was seen to stall for good.
                *("--cache-size", "256M", "--log-level", "WARNING"),
                # kill -9 must lose no acknowledged write, whatever concern a client asked for.
                "--sync-on-commit",
                *(["--enable-test-commands"] if test_commands else []),
            ],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            # Ctrl-C is for the parent: the engine stays until the parent has finished.
            start_new_session=True,
        )


def _shared_port(note: Path) -> int | None:
    """The port of an engine that somebody else keeps; waits for one that is about to end."""
    try:
        known = json.loads(note.read_text())
        port, pid, owner = known["port"], known["pid"], known["owner"]
    except (OSError, ValueError, KeyError):
        return None
    if _lives(owner) and _lives(pid) and _answers(port):
        return int(port)
    deadline = time.monotonic() + STOP_SECONDS
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:  # where nobody collects the dead, they stay in the list of processes
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
