"""The wheel carries GraphiQL where npm can build it, and is built all the same elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.node import install

ROOT = Path(__file__).parent.parent
PAGE = "server/graphiql/index.html"
BUILD = "from hatchling.build import build_{kind} as build; build({folder!r})"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the project in which nothing was built."""
    ignored = shutil.ignore_patterns(".*", "node_modules", "dist", "__pycache__")
    return Path(shutil.copytree(ROOT, tmp_path / "source", ignore=ignored))


@pytest.fixture
def npm(source: Path) -> str:
    """The PATH, on which npm is; with what the explorer needs installed in the copy."""
    install(ROOT / "explorer")
    (source / "explorer/node_modules").symlink_to(ROOT / "explorer/node_modules")
    return os.environ["PATH"]


def build(source: Path, path: str, kind: str = "wheel") -> tuple[ZipFile, str]:
    """The wheel that is built when this is the PATH, and what the build said."""
    folder = source.parent / "wheels"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind=kind, folder=str(folder))],
        cwd=source,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [wheel] = folder.iterdir()
    return ZipFile(wheel), done.stdout + done.stderr


def found_bundle(wheel: ZipFile, place: Path) -> str:
    """Where the server looks for GraphiQL once the wheel is unpacked there."""
    wheel.extractall(place)
    code = "from server.explorer import BUNDLE; print(BUNDLE)"
    command = [sys.executable, "-P", "-c", code]
    env = {**os.environ, "PYTHONPATH": str(place)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_a_wheel_carries_graphiql_and_the_server_finds_it(
    source: Path, npm: str, tmp_path: Path
) -> None:
    wheel, said = build(source, npm)
    names = wheel.namelist()
    assert PAGE in names
    loaded = re.findall(r'"/explorer/(assets/[^"]+)"', wheel.read(PAGE).decode())
    assert loaded
    assert {f"server/graphiql/{file}" for file in loaded} <= {*names}
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {
        *("schema", "resolvers", "loaders", "store", "execution", "guard", "server", "pipelines"),
    }
    place = tmp_path / "place"
    assert found_bundle(wheel, place) == f"{place / 'server' / 'graphiql'}\n"
    assert "no GraphiQL" not in said


def test_without_npm_the_wheel_is_built_with_the_plain_page(source: Path, tmp_path: Path) -> None:
    wheel, said = build(source, str(tmp_path / "empty"))
    assert PAGE not in wheel.namelist()
    assert "server/plain_page/index.html" in wheel.namelist()
    assert "The wheel gets no GraphiQL, only the plain page: npm is not installed" in said


def test_without_npm_a_bundle_that_is_there_is_packed(source: Path, tmp_path: Path) -> None:
    (source / "explorer/dist").mkdir()
    (source / "explorer/dist/index.html").write_text("built elsewhere")
    wheel, said = build(source, str(tmp_path / "empty"))
    assert wheel.read(PAGE) == b"built elsewhere"
    assert "no GraphiQL" not in said


def test_when_npm_fails_an_old_bundle_is_not_packed(source: Path, tmp_path: Path) -> None:
    (source / "explorer/dist").mkdir()
    (source / "explorer/dist/index.html").write_text("old")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "npm").write_text("#!/bin/sh\nexit 7\n")
    (broken / "npm").chmod(0o755)
    wheel, said = build(source, str(broken))
    assert PAGE not in wheel.namelist()
    assert "returned non-zero exit status 7" in said


def test_an_editable_install_builds_nothing(source: Path, npm: str) -> None:
    wheel, _ = build(source, npm, "editable")
    assert PAGE not in wheel.namelist()
    assert not (source / "explorer/dist").exists()
