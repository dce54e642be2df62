"""Puts GraphiQL into the wheel: builds it where npm is; elsewhere the server has its plain page."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

IN_THE_WHEEL = "server/graphiql"
NO_NPM = "npm is not installed (Node 20.19 or later brings it)"
INSTALL = ("ci", "--no-audit", "--no-fund")
BUILD = ("run", "build")
PATIENCE_SECONDS = 600


class GraphiQLHook(BuildHookInterface[BuilderConfig]):
    """Builds `explorer/`; where npm is missing, it packs a bundle that was built before.

    A wheel without GraphiQL is better than none: what keeps npm from building it is a warning.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the bundle to the files of the wheel; an editable install finds it in place."""
        folder = Path(self.root) / "explorer"
        if version == "editable":
            return
        problem = _build(folder)
        bundle = folder / "dist"
        if problem and not (problem is NO_NPM and (bundle / "index.html").is_file()):
            self.app.display_warning(f"The wheel gets no GraphiQL, only the plain page: {problem}")
            return
        build_data["force_include"][str(bundle)] = IN_THE_WHEEL


def _build(folder: Path) -> str | None:
    """Why there is no new bundle; nothing when there is one."""
    npm = shutil.which("npm")
    if npm is None:
        return NO_NPM
    for arguments in (BUILD,) if _is_installed(folder) else (INSTALL, BUILD):
        try:
            # What a build backend says on its standard output belongs to its caller.
            subprocess.run(
                [npm, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                check=True,
                timeout=PATIENCE_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
    return None


def _is_installed(folder: Path) -> bool:
    wanted, installed = folder / "package-lock.json", folder / "node_modules/.package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime
