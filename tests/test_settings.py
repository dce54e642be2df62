"""Settings: documented, and refused with a helpful word when they cannot be used."""

import re
from pathlib import Path

import pytest

from server.settings import PREFIX, Settings, SettingsError, load_settings
from server.tokens import KNOWN_SCOPES

PAGE = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text()


def test_every_setting_is_documented_as_it_is() -> None:
    rows = re.findall(r"^\| `(USERGRAPH_\w+)` \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
    expected = [
        (
            PREFIX + name.upper(),
            "(none)"
            if field.default in (None, ())
            else f"`{getattr(field.default, 'value', field.default)}`",
            field.description,
        )
        for name, field in Settings.model_fields.items()
    ]
    assert rows == expected


def test_every_scope_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z:]+)` \| (?:person|service)", PAGE, re.MULTILINE))
    assert documented == KNOWN_SCOPES


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (
            "USERGRAPH_PROT",
            "1",
            "USERGRAPH_PROT: there is no such setting; did you mean USERGRAPH_PORT?",
        ),
        (
            "usergraph_prot",
            "1",
            "usergraph_prot: there is no such setting; did you mean USERGRAPH_PORT?",
        ),
        (
            "USERGRAPH_XYZZY",
            "",
            "USERGRAPH_XYZZY: there is no such setting; docs/configuration.md has all",
        ),
        ("USERGRAPH_PORT", "many", "USERGRAPH_PORT: Input should be a valid integer"),
        ("USERGRAPH_PORT", "70000", "USERGRAPH_PORT: Input should be less than or equal to 65535"),
        (
            "USERGRAPH_MONGODB_DRIVER",
            "mongoose",
            "USERGRAPH_MONGODB_DRIVER: Input should be 'motor' or",
        ),
        ("USERGRAPH_MONGODB_DATABASE", "a.b", "USERGRAPH_MONGODB_DATABASE: String should match"),
        ("USERGRAPH_FEDERATION_PROFILE", "apollo", "USERGRAPH_FEDERATION_PROFILE: Input should be"),
        (
            "USERGRAPH_INVALIDATION_URLS",
            "router:3000",
            "USERGRAPH_INVALIDATION_URLS: Value error, address 1: expected http",
        ),
        (
            "USERGRAPH_INVALIDATION_URLS",
            "http://router:3000/a,http://me:hunter2@router:3000/b",
            "USERGRAPH_INVALIDATION_URLS: Value error, address 2: expected http",
        ),
        ("USERGRAPH_INVALIDATION_KEY", "two\nlines", "USERGRAPH_INVALIDATION_KEY: Value error, "),
        (
            "USERGRAPH_MONGODB_TIMEOUT_SECONDS",
            "0",
            "USERGRAPH_MONGODB_TIMEOUT_SECONDS: Input should",
        ),
        (
            "USERGRAPH_TRUSTED_DOCUMENTS_ONLY",
            "true",
            "ONLY: Value error, USERGRAPH_TRUSTED_DOCUMENTS is needed with it",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str, says: str
) -> None:
    monkeypatch.setenv(key, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert says in str(refused.value)


def test_all_problems_are_told_at_once_and_no_value_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERGRAPH_PORT", "hunter2")
    monkeypatch.setenv("USERGRAPH_LOG_LEVEL", "hunter2")
    monkeypatch.setenv("USERGRAPH_MONGO_URI", "mongodb://user:hunter2@db")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert len(str(refused.value).splitlines()) == 3
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        "http://router:4000/callback,https://other",
        " http://router:4000/callback  https://other ",
        "http://router:4000/callback,\nhttps://other,",
    ],
)
def test_a_list_is_separated_by_commas_or_spaces(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("USERGRAPH_CALLBACK_URLS", value)
    assert load_settings().callback_urls == ("http://router:4000/callback", "https://other")


@pytest.mark.parametrize("value", ["", " ", ","])
def test_a_list_of_nothing_is_empty(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("USERGRAPH_CALLBACK_URLS", value)
    assert load_settings().callback_urls == ()


@pytest.mark.parametrize(
    "value", ["http://a, hunter2", '["http://a", "http://b"]', "http://a http://u:hunter2@b"]
)
def test_a_list_with_something_else_than_addresses_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("USERGRAPH_CALLBACK_URLS", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "USERGRAPH_CALLBACK_URLS: " in str(refused.value)
    assert "expected http(s)://host[:port][/path]" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_connection_string_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERGRAPH_MONGODB_URI", "mongodb://user:hunter2@db")
    assert "hunter2" not in repr(load_settings())


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.0.0.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_an_address_of_this_machine_alone_is_local(host: str, is_local: bool) -> None:
    assert Settings(host=host).is_local is is_local
