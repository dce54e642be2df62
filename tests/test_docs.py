"""The documentation names what the code has."""

import re
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path

import pytest

from resolvers import accounts, consents, contacts, handles, merges, privacy, profiles
from resolvers.errors import (
    REFUSALS,
    Forbidden,
    PurposeRequired,
    RevisionsGoneRefusal,
    Unauthenticated,
)
from store.merges import ABSORBED, MERGE_COMPLETED

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "errors.md").read_text()


ACCESS = (Forbidden, PurposeRequired, RevisionsGoneRefusal, Unauthenticated)


def test_every_code_and_event_is_documented() -> None:
    codes = {refusal.code for refusal in REFUSALS.values()}
    codes |= {error.code for error in ACCESS}
    events = {handles.HANDLE_CHANGED, profiles.REGISTERED, profiles.PROFILE_CHANGED}
    events |= {consents.CONSENT_RECORDED}
    events |= {contacts.ADDED, contacts.CHANGED, contacts.VERIFIED, contacts.REMOVED}
    events |= {contacts.MADE_PRIMARY}
    events |= {*accounts.TRANSITIONS, merges.MERGE_BEGUN, ABSORBED, MERGE_COMPLETED}
    events |= {privacy.VISIBILITY_CHANGED, privacy.BIRTH_DATE_SET}
    sources = [*(ROOT / "server").glob("*.py"), *(ROOT / "schema").glob("*.py")]
    text = "".join(path.read_text() for path in [*sources, ROOT / "store" / "errors.py"])
    for pattern in (r'"code": "([A-Z_]+)"', r'code = "([A-Z_]+)"', r'\d{3},\s*"([A-Z_]+)"'):
        codes |= set(re.findall(pattern, text))
    missing = {name for name in codes | events if f"`{name}`" not in PAGE}
    assert missing == set()
    assert len(codes) > 12


def test_every_rule_is_documented() -> None:
    sources = [*(ROOT / "resolvers").glob("*.py"), *(ROOT / "schema").glob("*.py")]
    text = "".join(path.read_text() for path in sources)
    rules = set(re.findall(r'rule="([A-Z_]+)"', text))
    rules |= set(re.findall(r'refuse\(\s*(?:path|\([^)]*\)),\s*"([A-Z_]+)"', text))
    rules |= set(re.findall(r'_matching\([^)]*"([A-Z_]+)"', text))
    table = PAGE[PAGE.index("## Rules") : PAGE.index("## In `errors`")]
    documented = set(re.findall(r"`([A-Z_]+)`", table.partition("| rule |")[2]))
    assert rules == documented


def test_what_a_request_passes_is_where_the_page_says() -> None:
    page = (ROOT / "docs" / "request.md").read_text()
    named = re.findall(r"`([A-Za-z_.]+)`\s+\(`(\w+)/(\w+)\.py`\)", page)
    for path, folder, module in named:
        assert attrgetter(path)(import_module(f"{folder}.{module}")) is not None
    assert len(named) == 8


def test_the_limits_of_execution_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "execution.md").read_text()
    rows = re.findall(r"\| ([\d,]+) \| `(\w+)`, `(\w+)/(\w+)\.py` \|", page)
    said = {name: int(number.replace(",", "")) for number, name, *_ in rows}
    limits = {
        name: getattr(import_module(f"{folder}.{module}"), name) for _, name, folder, module in rows
    }
    assert said == limits
    assert len(said) == 6


PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [ROOT / folder / "README.md" for folder in ("bench", "docker")]
of_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@of_every_page
def test_links_lead_somewhere_and_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    files = re.findall(
        r"`((?:execution|guard|server|schema|resolvers|loaders|store|tests)/\w+\.py)`", text
    )
    assert [link for link in links if not leads_somewhere(page, link)] == []
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_every_page_is_in_the_index() -> None:
    folder = ROOT / "docs"
    pages = [page.name for page in folder.glob("*.md") if page.name != "README.md"]
    linked = re.findall(r"\]\(([\w.-]+)\)", (folder / "README.md").read_text())
    assert sorted(linked) == sorted([*pages, "client", "decisions"])


@of_every_page
def test_programs_that_are_named_exist(page: Path) -> None:
    programs = re.findall(r"python -m ((?:tests|bench|server)[\w.]*\w)", page.read_text())
    assert [program for program in programs if find_spec(program) is None] == []


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether there is such a file, and in it such a heading."""
    path, _, heading = link.partition("#")
    target = page.parent / path if path else page
    if not heading:
        return target.exists()
    headings = re.findall(r"(?m)^#+ (.+)$", target.read_text())
    return heading in {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}
