"""The table of gateways says what the tests show, with the versions that are installed."""

import json
import re

from tests.gateway.gateways import FEATURES, FOLDER, HIVE_FOLDER, SETUPS

PAGE = (FOLDER.parent.parent / "docs" / "gateways.md").read_text()


def cells(line: str) -> list[str]:
    """The cells of a line of a table, without marks of code and numbers of notes."""
    return [re.sub(r"`| \(\d\)", "", cell).strip() for cell in line.strip().strip("|").split(" | ")]


def test_the_table_says_what_is_shown() -> None:
    heading, _, *lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert cells(heading) == ["gateway", *FEATURES]
    table = {row[0]: row[1:] for row in map(cells, lines)}
    versions: dict[str, str] = {}
    for folder in (FOLDER, HIVE_FOLDER):
        versions |= json.loads((folder / "package.json").read_text())["dependencies"]
    run = {setup.row for setup in SETUPS.values()}
    assert {name for name, row in table.items() if set(row) != {"not run"}} == {
        f"{row} {versions[row]}" for row in run
    }
    for row in run:
        shown = {
            feature for setup in SETUPS.values() if setup.row == row for feature in setup.shows
        }
        said = dict(zip(FEATURES, table[f"{row} {versions[row]}"], strict=True))
        assert {feature for feature in FEATURES if said[feature] == "yes"} == shown
        assert set(said.values()) <= {"yes", "no", "not run"}
