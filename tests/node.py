"""Node programs that tests run, installed from their lock files when need be."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def install(folder: Path, *tools: str) -> None:
    """Runs `npm ci` where needed; skips the test where a tool is missing, but fails in CI."""
    missing = [tool for tool in ("npm", *tools) if shutil.which(tool) is None]
    if missing:
        reason = f"not installed: {', '.join(missing)}"
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    installed = folder / "node_modules" / "installed"
    if not installed.exists() or installed.read_text() != wanted:
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, check=True, timeout=300)
        installed.write_text(wanted)
