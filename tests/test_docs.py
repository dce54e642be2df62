"""The documentation of errors names what the code gives."""

import re
from pathlib import Path

from resolvers import handles, profiles
from resolvers.errors import REFUSALS, Forbidden, RevisionsGoneRefusal, Unauthenticated

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "errors.md").read_text()


def test_every_code_and_event_is_documented() -> None:
    codes = {refusal.code for refusal in REFUSALS.values()}
    codes |= {error.code for error in (Forbidden, RevisionsGoneRefusal, Unauthenticated)}
    events = {handles.HANDLE_CHANGED, profiles.REGISTERED, profiles.PROFILE_CHANGED}
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
