"""`usergraph serve` as a process of its own, which tests may kill."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT, SIGKILL

from server.settings import PREFIX, Settings
from server.tokens import development_token

PATIENCE_SECONDS = 60.0
GREETING = "Usergraph answers at "


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """The environment of a `usergraph` process with these settings.

    Of others it has only how operations are executed, which is chosen for all tests.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(PREFIX) or key == f"{PREFIX}EXECUTION"
    }
    named = {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    return {**kept, f"{PREFIX}DATA_DIR": str(data_dir), **named}


def usergraph(
    *arguments: str, env: Mapping[str, str], cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """What the command line did with these arguments, once it has ended."""
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        env={**env, "PYTHONPATH": str(Path(__file__).parent.parent)},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


class RunningServer:
    """A server with its embedded engine over a data directory; starts again as often as wanted.

    As a context it is started, and no process is left behind.
    """

    def __init__(self, data_dir: Path, *, program: str = "server.cli", **settings: str) -> None:
        self._program = program
        self.data_dir = data_dir
        self.log = data_dir / "server.log"
        self.greeting = ""
        self._env = environment(data_dir, **{"port": "0", **settings})
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "RunningServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()
            self.wait_for_engine()

    @property
    def address(self) -> str:
        """Where it answers GraphQL."""
        return self.greeting.partition(GREETING)[2].split()[0]

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process of the server itself."""
        assert self._process is not None
        return self._process.pid

    @property
    def engine(self) -> tuple[int, int]:
        """Process and port of the engine, as it noted them."""
        note = json.loads((self.data_dir / "engine" / "engine.json").read_text())
        return note["pid"], note["port"]

    @property
    def mongodb_uri(self) -> str:
        """Connects to the engine."""
        return f"mongodb://127.0.0.1:{self.engine[1]}/?serverMonitoringMode=poll"

    def token(self, user_id: str | None) -> str:
        """A token for a person, or for a service when there is no user."""
        return development_token(Settings(data_dir=self.data_dir), user_id, None, days=1)

    def start(self) -> None:
        """Starts it and waits until it answers. Raises: AssertionError with the end of its log."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._program, "serve"],
                env={**self._env, "PYTHONPATH": str(Path(__file__).parent.parent)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.greeting = self._read_greeting(self._process)
        if GREETING not in self.greeting:
            self._end()
            raise AssertionError(f"the server did not start: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """Kills the server; the engine notices and ends a moment later."""
        self._signal(SIGKILL)
        self._end()

    def kill_engine(self) -> None:
        """Kills the engine under the server."""
        os.kill(self.engine[0], SIGKILL)

    def stop(self) -> int:
        """Asks the server to stop, as Ctrl-C does; its exit code."""
        self._signal(SIGINT)
        return self._end()

    def wait_for_engine(self) -> None:
        """Waits until the engine is gone and its directory is free."""
        pid, _ = self.engine
        deadline = time.monotonic() + PATIENCE_SECONDS
        while is_alive(pid):
            assert time.monotonic() < deadline, f"the engine {pid} is still there"
            time.sleep(0.01)

    def _read_greeting(self, process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        lines = []
        watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
        watchdog.start()
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        watchdog.cancel()
        return "".join(lines)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        code = self._process.wait(PATIENCE_SECONDS)
        self._process.stdout.close()
        self._process = None
        return code


def is_alive(pid: int) -> bool:
    """Whether the process still does anything."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # In a container nobody may reap an orphan: then it stays as a zombie.
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not stat.parent.parent.is_dir()  # without /proc, the signal has the last word
