"""What the repository promises about itself: names, locks, layers of files."""

import re
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = tuple("schema resolvers loaders store execution guard server pipelines".split())


def test_no_other_distribution_owns_one_of_our_names() -> None:
    owners = packages_distributions()
    assert {name: set(owners.get(name, ["usergraph"])) for name in PACKAGES} == {
        name: {"usergraph"} for name in PACKAGES
    }


def test_locks_pin_hashes_and_name_no_index() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        text = lock.read_text()
        assert "://" not in text
        assert "--index-url" not in text
        pins = re.findall(r"^[\w.-]+==\S+", text, re.MULTILINE)
        assert len(pins) > 20
        assert len(re.findall(r"^[\w.-]+==.*\\$", text, re.MULTILINE)) == len(pins)
    for lock in ROOT.glob("*/**/package-lock.json"):
        if "node_modules" not in lock.parts:
            assert '"resolved"' not in lock.read_text()


def test_the_embedded_engine_is_not_in_what_production_installs() -> None:
    assert "secantus" not in (ROOT / "requirements" / "run.lock").read_text().lower()
    for source in [path for name in PACKAGES for path in (ROOT / name).glob("*.py")]:
        assert not re.search(r"^\s*(import|from) secantus", source.read_text(), re.MULTILINE)
