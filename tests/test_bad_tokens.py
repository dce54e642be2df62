"""Bad tokens: every one is refused with a code and a word that tells nothing of the keys."""

import hmac
import json
import random
import string
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from websockets.exceptions import ConnectionClosed

from server.claims import MAX_BYTES
from server.identity import (
    NOT_A_TOKEN,
    NOT_AN_ACCESS_TOKEN,
    NOT_BEARER,
    NOT_PLAIN,
    NOT_TRUSTED,
    TOO_LONG,
)
from server.settings import Settings
from store.store import Store
from tests.issuer import CLIENT, NAME, USER, claims, ec_key, encoded, header, key_set, rsa_key
from tests.issuer import signed as signed_with
from tests.issuer import token as token_of
from tests.listening import listening
from tests.subgraph import Clock, Subgraph
from tests.websocket import opened

pytestmark = pytest.mark.one_driver

KEY = ec_key("one")
RSA = rsa_key("two")
STRANGER = ec_key("one")
NOW = int(time.time())
GOOD = token_of(KEY)
HEAD, BODY, SIGNATURE = GOOD.split(".")
JWE = {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "two", "typ": "at+jwt"}

EXPIRED = "The token has expired."
EARLY = "The token is not valid yet."
ISSUER = "The token is of another issuer."
AUDIENCE = "The token is for another audience."
LIFETIME = "Expected a token that expires within 86400 seconds."
SUBJECT = "Expected sub to be a user id."
CLIENT_ID = "Expected client_id to be 1 to 255 printable ASCII characters."
SCOPE = "Expected scope to be names separated by spaces."


def a_time(name: str) -> str:
    return f"Expected {name} to be a time in seconds."


def missing(name: str) -> str:
    return f"Expected the claims {name} as well."


def signed(**changes: Any) -> str:
    return token_of(KEY, **changes)


def headed(**changes: Any) -> str:
    return signed_with(KEY, header(KEY, **changes), claims())


def holding(body: object) -> str:
    return signed_with(KEY, header(KEY), body)


def under(head: object) -> str:
    return signed_with(KEY, head, claims())


def text_of(name: str, value: str) -> str:
    """The text of good claims, in which one has a value that is written as it is."""
    return json.dumps(claims(None, **{name: "HERE"})).replace('"HERE"', value)


def authenticated(secret: bytes) -> str:
    """A token with a MAC, for which something public is the secret."""
    content = f"{encoded(header(KEY, alg='HS256'))}.{BODY}"
    return f"{content}.{encoded(hmac.digest(secret, content.encode(), 'sha256'))}"


def der_signature() -> str:
    content = signed().rpartition(".")[0]
    return f"{content}.{encoded(encode_dss_signature(1, 1))}"


HEADERS = {  # the whole header, and what is said to it
    "nothing behind the scheme": ("Bearer ", NOT_BEARER),
    "the scheme alone": ("Bearer", NOT_BEARER),
    "an empty header": ("", NOT_BEARER),
    "no scheme": (GOOD, NOT_BEARER),
    "basic credentials": ("Basic dXNlcjpwYXNz", NOT_BEARER),
    "another scheme": (f"DPoP {GOOD}", NOT_BEARER),
    "a tab for the space": (f"Bearer\t{GOOD}", NOT_BEARER),
    "letters outside ASCII": (f"Bearer {GOOD}\xe9", NOT_BEARER),
    "two tokens": (f"Bearer {GOOD}, Bearer {GOOD}", NOT_A_TOKEN),
}

TOKENS = {
    # too much, and no token at all
    "one byte too long": (GOOD + "A" * (MAX_BYTES + 1 - len(GOOD)), TOO_LONG),
    "a megabyte": ("A" * 1_000_000, TOO_LONG),
    "a word": ("x", NOT_A_TOKEN),
    "three letters": ("a.b.c", NOT_A_TOKEN),
    "dots alone": ("..", NOT_A_TOKEN),
    "two parts": (f"{HEAD}.{BODY}", NOT_A_TOKEN),
    "four parts": (f"{GOOD}.{SIGNATURE}", NOT_A_TOKEN),
    "five parts": (f"{GOOD}.{SIGNATURE}.{SIGNATURE}", NOT_A_TOKEN),
    "encrypted": (f"{encoded(JWE)}.a.b.c.d", NOT_PLAIN),
    "encrypted, in three parts": (f"{encoded(JWE)}.{BODY}.{SIGNATURE}", NOT_PLAIN),
    "JSON serialization": ('{"payload":"e30","signatures":[]}', NOT_A_TOKEN),
    "padding": (f"{HEAD}=.{BODY}.{SIGNATURE}", NOT_A_TOKEN),
    "a space inside": (f"{HEAD} .{BODY}.{SIGNATURE}", NOT_A_TOKEN),
    "the other base64": (f"+/{HEAD}.{BODY}.{SIGNATURE}", NOT_A_TOKEN),
    # headers that are not one plain object
    "a header that is a list": (under([header(KEY)]), NOT_A_TOKEN),
    "a header that is null": (under(None), NOT_A_TOKEN),
    "a header that is a string": (under('"one"'), NOT_A_TOKEN),
    "a header that is no JSON": (under("{"), NOT_A_TOKEN),
    "an empty header object": (under({}), NOT_AN_ACCESS_TOKEN),
    "a header in UTF-16": (under(json.dumps(header(KEY)).encode("utf-16")), NOT_A_TOKEN),
    "a header with a byte order mark": (under(b"\xef\xbb\xbf{}"), NOT_A_TOKEN),
    "a header that is no UTF-8": (under(b'{"kid":"\xff"}'), NOT_A_TOKEN),
    "NaN in the header": (under('{"x": NaN}'), NOT_A_TOKEN),
    "a deep header": (under("[" * 3000), NOT_A_TOKEN),
    "two algorithms": (
        under('{"alg":"none","typ":"at+jwt","kid":"one","alg":"ES256"}'),
        NOT_A_TOKEN,
    ),
    "two kids": (under('{"alg":"ES256","typ":"at+jwt","kid":"x","kid":"one"}'), NOT_A_TOKEN),
    # keys and extensions that the token brings
    "an unknown critical extension": (headed(crit=["x"], x=1), NOT_PLAIN),
    "no critical extension": (headed(crit=[]), NOT_PLAIN),
    "a body that is not encoded": (headed(b64=False, crit=["b64"]), NOT_PLAIN),
    "b64 alone": (headed(b64=True), NOT_PLAIN),
    "an address of keys": (headed(jku="https://evil.example/keys"), NOT_PLAIN),
    "a key": (headed(jwk=STRANGER.as_dict(private=False)), NOT_PLAIN),
    "an address of certificates": (headed(x5u="https://evil.example/x"), NOT_PLAIN),
    "certificates": (headed(x5c=["MIIB"]), NOT_PLAIN),
    "compression": (headed(zip="DEF"), NOT_PLAIN),
    # other kinds of tokens
    "an id token": (headed(typ="JWT"), NOT_AN_ACCESS_TOKEN),
    "no type": (headed(typ=None), NOT_AN_ACCESS_TOKEN),
    "a proof of possession": (headed(typ="dpop+jwt"), NOT_AN_ACCESS_TOKEN),
    "a logout token": (headed(typ="logout+jwt"), NOT_AN_ACCESS_TOKEN),
    "a type that is a number": (headed(typ=1), NOT_AN_ACCESS_TOKEN),
    "a type in a list": (headed(typ=["at+jwt"]), NOT_AN_ACCESS_TOKEN),
    # algorithms
    "no signature and no algorithm": (
        f"{encoded(header(KEY, alg='none'))}.{BODY}.",
        NOT_TRUSTED,
    ),
    "algorithm none with a signature": (headed(alg="none"), NOT_TRUSTED),
    "algorithm NONE": (headed(alg="NONE"), NOT_TRUSTED),
    "no algorithm": (headed(alg=None), NOT_TRUSTED),
    "an algorithm that is a number": (headed(alg=1), NOT_TRUSTED),
    "an algorithm in a list": (headed(alg=["ES256"]), NOT_TRUSTED),
    "an algorithm in small letters": (headed(alg="es256"), NOT_TRUSTED),
    "an algorithm nobody knows": (headed(alg="XY256"), NOT_TRUSTED),
    "HMAC with the published set": (authenticated(key_set(KEY)), NOT_TRUSTED),
    "HMAC with the public PEM": (authenticated(KEY.as_pem(private=False)), NOT_TRUSTED),
    "RS256 with a key for PS256": (
        signed_with(RSA, header(RSA, alg="RS256"), claims(), "RS256"),
        NOT_TRUSTED,
    ),
    "PS256 that was signed as RS256": (
        signed_with(RSA, header(RSA), claims(), "RS256"),
        NOT_TRUSTED,
    ),
    "ES256 under the kid of an RSA key": (headed(kid="two"), NOT_TRUSTED),
    # keys
    "another key under the same kid": (token_of(STRANGER), NOT_TRUSTED),
    "an unknown kid": (headed(kid="three"), NOT_TRUSTED),
    "no kid": (headed(kid=None), NOT_TRUSTED),
    "an empty kid": (headed(kid=""), NOT_TRUSTED),
    "a kid that is a number": (headed(kid=1), NOT_TRUSTED),
    "a kid in a list": (headed(kid=["one"]), NOT_TRUSTED),
    "a kid that is an operator": (headed(kid={"$ne": None}), NOT_TRUSTED),
    "a kid that is a path": (headed(kid="../../../dev/null"), NOT_TRUSTED),
    "half of a surrogate pair for a kid": (
        under('{"alg":"ES256","typ":"at+jwt","kid":"\\ud800"}'),
        NOT_TRUSTED,
    ),
    # signatures
    "no signature": (f"{HEAD}.{BODY}.", NOT_TRUSTED),
    "another body": (f"{HEAD}.{encoded(claims(client_id='x'))}.{SIGNATURE}", NOT_TRUSTED),
    "no body": (f"{HEAD}..{SIGNATURE}", NOT_TRUSTED),
    "another header": (f"{encoded(header(KEY, a=1))}.{BODY}.{SIGNATURE}", NOT_TRUSTED),
    "half a signature": (GOOD[:-43], NOT_TRUSTED),
    "a signature and more": (f"{GOOD}AAAA", NOT_TRUSTED),
    "a signature of zeros": (f"{HEAD}.{BODY}.{encoded(bytes(64))}", NOT_TRUSTED),
    "a signature in DER": (der_signature(), NOT_TRUSTED),
    "a signature that is no base64": (f"{HEAD}.{BODY}.{'!' * 86}", NOT_TRUSTED),
    # bodies that are not one plain object
    "a body that is a list": (holding([claims()]), NOT_A_TOKEN),
    "a body that is null": (holding(None), NOT_A_TOKEN),
    "a body that is no JSON": (holding("{"), NOT_A_TOKEN),
    "an empty body": (holding(""), NOT_A_TOKEN),
    "a body that is no UTF-8": (holding(b'{"sub":"\xff"}'), NOT_A_TOKEN),
    "a deep body": (holding("[" * 5000), NOT_A_TOKEN),
    "two subjects": (holding(json.dumps(claims())[:-1] + ',"sub":"x"}'), NOT_A_TOKEN),
    "a member twice, deep inside": (holding(text_of("act", '{"a":1,"a":2}')), NOT_A_TOKEN),
    "an expiry of NaN": (holding(text_of("exp", "NaN")), NOT_A_TOKEN),
    "an expiry of Infinity": (holding(text_of("exp", "Infinity")), NOT_A_TOKEN),
    "an expiry of 5,000 digits": (holding(text_of("exp", "9" * 5000)), NOT_A_TOKEN),
    # claims that are not there
    **{
        f"no {name}": (signed(**{name: None}), missing(name))
        for name in ("iss", "aud", "sub", "client_id", "iat", "exp")
    },
    "an expiry of null": (holding(text_of("exp", "null")), missing("exp")),
    "no claims": (holding({}), missing("iss, aud, sub, client_id, iat, exp")),
    # issuer and audience
    "another issuer": (signed(iss="https://evil.example"), ISSUER),
    "an issuer that goes on": (signed(iss=f"{NAME}.evil.example"), ISSUER),
    "an issuer in a list": (signed(iss=[NAME]), ISSUER),
    "another audience": (signed(aud="playlists"), AUDIENCE),
    "other audiences": (signed(aud=["playlists", "payments"]), AUDIENCE),
    "no audiences": (signed(aud=[]), AUDIENCE),
    "an audience that goes on": (signed(aud="usergraph-staging"), AUDIENCE),
    "an audience in an object": (signed(aud={"usergraph": True}), AUDIENCE),
    "an audience in two lists": (signed(aud=[["usergraph"]]), AUDIENCE),
    # times
    "expired": (signed(exp=NOW - 31), EXPIRED),
    "expired in 1970": (signed(exp=0), EXPIRED),
    "a week too long": (signed(exp=NOW + 7 * 86_400), LIFETIME),
    "until the year 9999": (signed(exp=253_402_300_799), LIFETIME),
    "issued in the future": (signed(iat=NOW + 3600), EARLY),
    "not valid yet": (signed(nbf=NOW + 3600), EARLY),
    "an expiry in words": (signed(exp="tomorrow"), a_time("exp")),
    "an expiry in digits": (signed(exp=str(NOW + 60)), a_time("exp")),
    "an expiry of true": (signed(exp=True), a_time("exp")),
    "an expiry in a list": (signed(exp=[NOW + 60]), a_time("exp")),
    "an expiry before 1970": (signed(exp=-1), a_time("exp")),
    "an expiry that is too large": (signed(exp=10**30), a_time("exp")),
    "an expiry larger than any number": (holding(text_of("exp", "1e999")), a_time("exp")),
    "issued in words": (signed(iat="today"), a_time("iat")),
    "issued at true": (signed(iat=True), a_time("iat")),
    "issued at infinity": (holding(text_of("iat", "-1e999")), a_time("iat")),
    "valid from null": (holding(text_of("nbf", "null")), a_time("nbf")),
    "valid from words": (signed(nbf="now"), a_time("nbf")),
    # who
    "a subject that is no user id": (signed(sub="admin"), SUBJECT),
    "an empty subject": (signed(sub=""), SUBJECT),
    "a subject that is a number": (signed(sub=1), SUBJECT),
    "a subject that is an operator": (signed(sub={"$ne": None}), SUBJECT),
    "a subject in a list": (signed(sub=[USER]), SUBJECT),
    "a subject and a newline": (signed(sub=f"{USER}\n"), SUBJECT),
    "a subject and a zero": (signed(sub=f"{USER}\0"), SUBJECT),
    "a subject that goes on": (signed(sub=f"{USER}x"), SUBJECT),
    "a client that is a number": (signed(client_id=1), CLIENT_ID),
    "an empty client": (signed(client_id=""), CLIENT_ID),
    "a long client": (signed(client_id="x" * 256), CLIENT_ID),
    "a client with a newline": (signed(client_id=f"{CLIENT}\n"), CLIENT_ID),
    "a client with half of a pair": (signed(client_id="\ud800"), CLIENT_ID),
    "a client and subject that are lists": (signed(client_id=["a"], sub=["a"]), CLIENT_ID),
    "scopes in a list": (signed(scope=["a"]), SCOPE),
    "scopes that are a number": (signed(scope=1), SCOPE),
    "scopes that are null": (holding(text_of("scope", "null")), SCOPE),
    "a scope with a quote": (signed(scope='a"b'), SCOPE),
    "scopes on two lines": (signed(scope="a\nb"), SCOPE),
    "too many scopes": (signed(scope="a " * 2049), SCOPE),
}

BAD = {**HEADERS, **{name: (f"Bearer {token}", says) for name, (token, says) in TOKENS.items()}}


@pytest.fixture
async def subgraph(
    settings: Settings, store: Store, clock: Clock, tmp_path: Path
) -> AsyncIterator[Subgraph]:
    """The subgraph with the keys of an issuer."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(KEY, RSA))
    update = {"token_jwks_file": path, "token_issuer": NAME}
    subgraph = Subgraph(settings.model_copy(update=update), store, clock)
    async with subgraph.http:
        yield subgraph


async def asked(subgraph: Subgraph, authorization: str, **headers: str) -> httpx.Response:
    headers = {**headers, "authorization": authorization}
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return await subgraph.http.post("/graphql", json={"query": "{ __typename }"}, headers=sent)


def test_there_are_enough_of_them() -> None:
    assert len(BAD) >= 60
    assert len({token for token, _ in BAD.values()}) == len(BAD)


@pytest.mark.parametrize("key", [KEY, RSA], ids=["ES256", "PS256"])
async def test_the_token_that_all_bad_ones_are_made_of_is_good(
    subgraph: Subgraph, key: Any
) -> None:
    answer = await asked(subgraph, f"Bearer {token_of(key)}")
    assert (answer.status_code, answer.json()) == (200, {"data": {"__typename": "Query"}})


async def test_every_bad_token_is_refused(subgraph: Subgraph) -> None:
    for name, (authorization, says) in BAD.items():
        answer = await asked(subgraph, authorization)
        error = {"message": says, "extensions": {"code": "UNAUTHENTICATED"}}
        assert (name, answer.status_code, answer.json()) == (name, 401, {"errors": [error]})
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_two_headers_are_refused(subgraph: Subgraph) -> None:
    headers = [("authorization", f"Bearer {GOOD}"), ("authorization", f"Bearer {signed()}")]
    body = {"query": "{ __typename }"}
    answer = await subgraph.http.post("/graphql", json=body, headers=headers)
    error = {
        "message": "Expected the header authorization once.",
        "extensions": {"code": "BAD_REQUEST"},
    }
    assert (answer.status_code, answer.json()) == (400, {"errors": [error]})


@pytest.mark.parametrize("name", ["an unknown kid", "expired", "a key", "a word", "no exp"])
async def test_a_bad_token_opens_no_stream(subgraph: Subgraph, name: str) -> None:
    token, says = TOKENS[name]
    answer = await asked(subgraph, f"Bearer {token}", accept="text/event-stream")
    error = {"message": says, "extensions": {"code": "UNAUTHENTICATED"}}
    assert (answer.status_code, answer.json()) == (401, {"errors": [error]})
    headers = {"authorization": f"Bearer {token}"}
    reserved = await subgraph.http.put("/graphql/stream", headers=headers)
    assert (reserved.status_code, reserved.json()) == (401, {"errors": [error]})


@pytest.mark.parametrize("name", ["an unknown kid", "expired", "a key", "a word", "no exp"])
async def test_a_bad_token_opens_no_websocket(subgraph: Subgraph, name: str) -> None:
    async with listening(subgraph.app) as address:
        with pytest.raises(ConnectionClosed) as closed:
            async with opened(f"ws://{address}/graphql", TOKENS[name][0]):
                pass
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4403, "Forbidden")


HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1e308, "", "x", "\0", "\ud800", "$where", [], [[]], {}, {"$gt": ""},
    "none", "HS256", "../key", "' or 1=1", "x" * 3000,
]  # fmt: skip


def mutated(chance: random.Random) -> str:
    """A token with a hostile value in it, properly signed; or a good one that was damaged."""
    value = chance.choice(HOSTILE)
    match chance.randrange(6):
        case 0:
            return headed(**{chance.choice(["alg", "kid", "typ"]): value})
        case 1:
            return signed(**{chance.choice(["iss", "aud", "sub", "client_id"]): chance.choice(
                [item for item in HOSTILE if not isinstance(item, str)])})  # fmt: skip
        case 2:
            names = ["exp", "iat"]
            return holding({**claims(), chance.choice(names): value, "exp": value})
        case 3:
            place = chance.randrange(len(GOOD))
            return f"{GOOD[:place]}{chance.choice(string.printable[:94])}{GOOD[place + 1 :]}"
        case 4:
            place, other = sorted(chance.sample(range(len(GOOD)), 2))
            return GOOD[:place] + GOOD[other:]
        case _:
            return ".".join(chance.choices([HEAD, BODY, SIGNATURE, "", "e30"], k=3))


async def test_5000_mutated_tokens_are_refused_and_nothing_fails(subgraph: Subgraph) -> None:
    chance, said = random.Random(5), set()
    for _ in range(5000):
        token = mutated(chance)
        if token == GOOD:
            continue
        answer = await asked(subgraph, f"Bearer {token}")
        assert answer.status_code == 401, token
        said.add(answer.json()["errors"][0]["message"])
    assert len(said) > 10
