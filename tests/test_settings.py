"""Settings: documented, and refused with a helpful word when they cannot be used."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from server.settings import PREFIX, SECRETS, Settings, SettingsError, load_settings
from server.tokens import KNOWN_SCOPES
from tests.running import environment, usergraph

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


CANARIES = {
    "mongodb_uri": "mongodb://user:canary-of-the-database@db",
    "key_encryption_keys": "canary:Y2FuYXJ5LW9mLXRoZS1rZXktZW5jcnlwdGlvbi1rZXk=",
    "ledger_key": "canary-of-the-consent-ledger-0123456789",
    "router_secrets": "canary-of-the-router-secret-0123456789",
    "router_hmac_keys": "canary-of-the-router-hmac-0123456789",
    "invalidation_key": "canary-of-the-invalidation",
    "contact_sender_key": "canary-of-the-sender",
    "certificate_key": '{"kid": "canary-of-the-certificate"}',
    "contact_index_keys": "canary:Y2FuYXJ5LW9mLXRoZS1pbmRleC1vZi1jb250YWN0cyE=",
}
OTHER = "another-value-of-the-router-0123456789"


def text_of(value: SecretStr | tuple[SecretStr, ...]) -> str:
    if isinstance(value, tuple):
        return " ".join(secret.get_secret_value() for secret in value)
    return value.get_secret_value()


def test_every_secret_has_a_canary_and_a_row_for_its_file() -> None:
    assert set(CANARIES) == set(SECRETS)
    rows = re.findall(r"^\| `(USERGRAPH_\w+_FILE)` \| `(USERGRAPH_\w+)` \|$", PAGE, re.MULTILINE)
    names = [f"{PREFIX}{name.upper()}" for name in SECRETS]
    assert rows == [(f"{name}_FILE", name) for name in names]


@pytest.mark.parametrize("name", CANARIES)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_may_be_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, end: str
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(f"{CANARIES[name]}{end}".encode())
    monkeypatch.setenv(f"{PREFIX}{name.upper()}_FILE", str(path))
    settings = load_settings()
    assert text_of(getattr(settings, name)) == CANARIES[name]
    for shown in (repr(settings), str(settings), repr(settings.model_dump())):
        assert "canary" not in shown


@pytest.mark.parametrize("name", CANARIES)
def test_a_secret_is_given_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    variable = f"{PREFIX}{name.upper()}"
    path = tmp_path / "secret"
    path.write_text(CANARIES[name])
    monkeypatch.setenv(f"{variable}_FILE", str(path))
    monkeypatch.setenv(variable, CANARIES[name])
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == f"{variable}_FILE: Expected it or {variable}, not both"


@pytest.mark.parametrize("name", CANARIES)
def test_a_file_that_cannot_be_read_is_told_without_its_content(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    variable = f"{PREFIX}{name.upper()}_FILE"
    path = tmp_path / "canary"
    path.write_bytes(b"canary\xff")
    for place, why in ((path, "it is not text in UTF-8"), (tmp_path, "Is a directory")):
        monkeypatch.setenv(variable, str(place))
        with pytest.raises(SettingsError) as refused:
            load_settings()
        assert str(refused.value) == f"{variable}: The file cannot be read: {why}"
    monkeypatch.setenv(variable, str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match="The file cannot be read: No such file or directory"):
        load_settings()


@pytest.mark.parametrize("name", CANARIES)
@pytest.mark.parametrize("is_in_file", [True, False])
def test_a_secret_that_cannot_be_used_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, is_in_file: bool
) -> None:
    # Nothing is wrong with a connection string but that it is empty.
    bad = "" if name == "mongodb_uri" else f"{CANARIES[name]}\x07"
    path = tmp_path / "secret"
    path.write_text(bad)
    variable = f"{PREFIX}{name.upper()}"
    monkeypatch.setenv(*((f"{variable}_FILE", str(path)) if is_in_file else (variable, bad)))
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"{variable}: ")
    assert "canary" not in str(refused.value)


def test_the_doctor_shows_no_secret(tmp_path: Path) -> None:
    known = {name: value for name, value in CANARIES.items() if name != "mongodb_uri"}
    env = {"mongodb_uri": "mongodb://user:canary@127.0.0.1:1/", "mongodb_timeout_seconds": "0.2"}
    done = usergraph("doctor", env=environment(tmp_path, **known, **env))
    assert "ok   router: proves itself" in done.stdout
    assert "FAIL database" in done.stdout
    assert "canary" not in done.stdout + done.stderr


KNOWN = {"router_secrets": CANARIES["router_secrets"]}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"router_secrets": "too-short"}, "USERGRAPH_ROUTER_SECRETS: Value error, Expected one or"),
        ({"router_hmac_keys": "x" * 31}, "USERGRAPH_ROUTER_HMAC_KEYS: Value error, Expected one"),
        ({"router_secrets": "x" * 513}, "USERGRAPH_ROUTER_SECRETS: Value error, Expected one or"),
        ({"router_secrets": f"{OTHER}1 {OTHER}2 {OTHER}3"}, "Expected one or two values, each of"),
        ({"router_secrets": f"{OTHER},short"}, "Expected one or two values, each of 32 to 512"),
        ({"router_required_for": "everything"}, "FOR: Value error, USERGRAPH_ROUTER_SECRETS or"),
        ({"router_required_for": "all"}, "FOR: Input should be 'nothing', 'federation' or"),
        ({"router_claims_header": "x-claims"}, "HEADER: Value error, USERGRAPH_ROUTER_SECRETS or"),
        ({**KNOWN, "router_claims_header": "X Claims"}, "USERGRAPH_ROUTER_CLAIMS_HEADER: String"),
        (
            {"token_jwks_file": "a", "token_jwks_url": "https://a"},
            "USERGRAPH_TOKEN_JWKS_URL: Value error, Expected it or USERGRAPH_TOKEN_JWKS_FILE, not",
        ),
        ({"token_jwks_url": "http://a.example/k"}, "Expected https, or http on this machine"),
        ({"token_jwks_url": "https://u:p@a.example"}, "USERGRAPH_TOKEN_JWKS_URL: Value error, exp"),
        ({"token_jwks_poll_seconds": "0"}, "USERGRAPH_TOKEN_JWKS_POLL_SECONDS: Input should be"),
        ({"max_token_lifetime_seconds": "59"}, "USERGRAPH_MAX_TOKEN_LIFETIME_SECONDS: Input"),
    ],
    ids=str,
)
def test_who_asks_cannot_be_set_up_wrongly(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://a.example/jwks", "http://127.0.0.1:1/k", "http://localhost/", "http://[::1]/k"]
)
def test_an_address_of_keys_is_safe_or_near(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("USERGRAPH_TOKEN_JWKS_URL", url)
    settings = load_settings()
    assert settings.token_jwks_url == url
    assert (settings.has_issuer, settings.serves_explorer) == (True, False)


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
