"""What the embedded engine's process runs: the engine, until it is told or its parent is gone.

Run as `python -m store.engine_process ARGUMENTS`. The parent holds the other end of standard input
and never writes: when it closes, by whatever death, so does the engine, and frees its directory.
"""

import os
import runpy
import signal
import socket
import sys
import threading
import time


def stop_with_parent() -> None:
    """Ends this process in the ordinary way once standard input closes."""
    while os.read(0, 1024):  # not through sys.stdin, whose lock would be in the way at exit
        pass
    port = int(sys.argv[sys.argv.index("--port") + 1])
    os.kill(os.getpid(), signal.SIGTERM)
    while True:  # the engine waits up to two seconds for a last connection unless there is one
        time.sleep(0.02)
        with socket.socket() as knock:
            knock.connect_ex(("127.0.0.1", port))


if __name__ == "__main__":
    threading.Thread(target=stop_with_parent, daemon=True).start()
    runpy.run_module("secantus", run_name="__main__", alter_sys=True)
