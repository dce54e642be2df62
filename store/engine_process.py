"""What the embedded engine's process runs: the engine, until it is told or its parent is gone.

Run as `python -m store.engine_process ARGUMENTS`. The parent holds the other end of standard input
and never writes: when it closes, by whatever death, so does the engine, and frees its directory.
"""

import os
import runpy
import signal
import sys
import threading


def stop_with_parent() -> None:
    """Ends this process in the ordinary way once standard input closes."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=stop_with_parent, daemon=True).start()
    runpy.run_module("secantus", run_name="__main__", alter_sys=True)
