"""A look at every line that any test makes us log: none holds what belongs to somebody."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from server.logs import LEFT_OUT, OURS, as_json, formatter
from tests.canaries import MARK

PERSONAL = re.compile(
    # Canaries, tokens, passwords in addresses, e-mail addresses; then what tests call people.
    rf"{MARK}|Bearer |\beyJ[\w-]+\.|://[^/\s\"]*@|[\w.]+@[\w-]+\.[a-z]"
    r"|hunter2|ada\.berg|ben\.ek|Ada B",
    re.IGNORECASE,
)


class Watch(logging.Handler):
    """Makes each record the line that a server would write, and keeps those that are wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(formatter(as_json))
        self.wrong: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        said: dict[str, Any] = orjson.loads(line)
        is_ours = record.name.partition(".")[0] in OURS
        if PERSONAL.search(line) or (is_ours and ("redacted" in said or LEFT_OUT in line)):
            self.wrong.append(line)


@pytest.fixture(scope="session")
def _watch() -> Iterator[Watch]:
    watch = Watch()
    logging.getLogger().addHandler(watch)
    yield watch
    logging.getLogger().removeHandler(watch)


@pytest.fixture(autouse=True)
def no_line_holds_what_belongs_to_somebody(_watch: Watch) -> Iterator[None]:
    """Fails a test during which such a line was logged, or one of ours that lost a value."""
    yield
    wrong, _watch.wrong = _watch.wrong, []
    assert wrong == []
