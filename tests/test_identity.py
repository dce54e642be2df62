"""Tokens: the right one names the viewer, every wrong one is refused and never anonymous."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from server.identity import Identity, InvalidToken, read_keys
from store.ids import new_id

pytestmark = pytest.mark.one_driver

KEY = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
OTHER = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "two", "alg": "PS256", "use": "sig"})
USER = new_id()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    keys = [key.as_dict(private=False) for key in (KEY, RSA)]
    path.write_text(json.dumps({"keys": keys}))
    return Identity(
        read_keys(path), issuer="https://issuer", audience="usergraph", leeway_seconds=30
    )


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "https://issuer",
        "aud": "usergraph",
        "sub": USER,
        "client_id": "app",
        "iat": now,
        "exp": now + 60,
        "scope": "me:a me:b",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def header(**changes: Any) -> dict[str, Any]:
    good = {"typ": "at+jwt", "alg": "ES256", "kid": "one"}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(key: Any = KEY, head: dict[str, Any] | None = None, **changes: Any) -> str:
    head = head or header()
    return jwt.encode(head, claims(**changes), key, algorithms=[head["alg"]])


def without_algorithm(key: RSAKey) -> RSAKey:
    values = key.as_dict(private=True)
    return RSAKey.import_key({name: value for name, value in values.items() if name != "alg"})


def test_a_good_token_names_a_person(identity: Identity) -> None:
    for token in (signed(), signed(RSA, header(alg="PS256", kid="two"), aud=["x", "usergraph"])):
        viewer = identity.viewer(f"Bearer {token}")
        assert viewer is not None
        assert viewer.user_id == USER
        assert viewer.client_id == "app"
        assert viewer.scopes == {"me:a", "me:b"}


def test_a_client_that_is_its_own_subject_is_a_service(identity: Identity) -> None:
    viewer = identity.viewer(f"bearer {signed(sub='app')}")
    assert viewer is not None
    assert viewer.is_service


def test_no_header_is_nobody(identity: Identity) -> None:
    assert identity.viewer(None) is None


def tampered() -> str:
    head, _, signature = signed().split(".")
    return ".".join((head, signed(sub=new_id()).split(".")[1], signature))


NOW = int(time.time())
BAD = {
    "empty": "Bearer ",
    "no scheme": signed(),
    "other scheme": "Basic dXNlcjpwYXNz",
    "not a token": "Bearer x",
    "two dots": "Bearer a.b.c",
    "unsigned": "Bearer " + signed().rsplit(".", 1)[0] + ".",
    "tampered": "Bearer " + tampered(),
    "another key under the same kid": "Bearer " + signed(OTHER),
    "unknown kid": "Bearer " + signed(head=header(kid="three")),
    "no kid": "Bearer " + signed(head=header(kid=None)),
    "algorithm of another key": "Bearer "
    + signed(without_algorithm(RSA), header(alg="RS256", kid="two")),
    "hmac with the public key": "Bearer "
    + signed(OctKey.import_key(json.dumps(KEY.as_dict(private=False))), header(alg="HS256")),
    "type of an id token": "Bearer " + signed(head=header(typ="JWT")),
    "no type": "Bearer " + signed(head=header(typ=None)),
    "expired": "Bearer " + signed(exp=NOW - 31),
    "not valid yet": "Bearer " + signed(nbf=NOW + 3600),
    "issued in the future": "Bearer " + signed(iat=NOW + 3600),
    "no expiry": "Bearer " + signed(exp=None),
    "no issue time": "Bearer " + signed(iat=None),
    "no issuer": "Bearer " + signed(iss=None),
    "other issuer": "Bearer " + signed(iss="https://evil"),
    "no audience": "Bearer " + signed(aud=None),
    "other audience": "Bearer " + signed(aud="playlists"),
    "no subject": "Bearer " + signed(sub=None),
    "no client": "Bearer " + signed(client_id=None),
    "a subject that is no user id": "Bearer " + signed(sub="admin"),
    "a subject that is an operator": "Bearer " + signed(sub={"$ne": None}),
    "scopes that are a list": "Bearer " + signed(scope=["a"]),
    "an expiry that is no number": "Bearer " + signed(exp="tomorrow"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(identity: Identity, name: str) -> None:
    with pytest.raises(InvalidToken):
        identity.viewer(BAD[name])


def test_a_token_with_alg_none_is_refused(identity: Identity) -> None:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    for head in (header(alg="none"), header(crit=["x"], x=1)):
        with pytest.raises(InvalidToken):
            identity.viewer(f"Bearer {part(head)}.{part(claims())}.")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "aa"}]}']
)
def test_a_file_without_usable_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the parser says
        Identity(read_keys(path), issuer="i", audience="a", leeway_seconds=0)
