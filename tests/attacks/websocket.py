"""Attacks over WebSocket: what is said, and how it ends."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

INIT = '{"type": "connection_init"}'
WATCH = 'subscription { profileChanged(id: "0000000000000000000000") { rev } }'


def subscribe(key: str, query: str = "{ __typename }") -> str:
    """The message that begins an operation."""
    return json.dumps({"id": key, "type": "subscribe", "payload": {"query": query}})


@dataclass(frozen=True, slots=True)
class Talk:
    """Messages to send at once, and the code with which the server closes.

    0 means that it does not: then it still answers a ping. Under 1000 it is the HTTP status of a
    handshake that is refused.
    """

    name: str
    messages: Sequence[str | bytes]
    code: int
    protocol: str = "graphql-transport-ws"
    origin: str | None = None


TALKS = [
    Talk("garbage", [INIT, "garbage"], 4400),
    Talk("bytes", [INIT, b"\x00\xff\xfe"], 4400),
    Talk("an empty message", [INIT, ""], 4400),
    Talk("null", [INIT, "null"], 4400),
    Talk("a number", [INIT, "5"], 4400),
    Talk("a list", [INIT, "[]"], 4400),
    Talk("no type", [INIT, "{}"], 4400),
    Talk("a type that is a list", [INIT, '{"type": []}'], 4400),
    Talk("an unknown type", [INIT, '{"type": "x"}'], 4400),
    Talk("NaN", [INIT, '{"type": "ping", "payload": NaN}'], 4400),
    Talk("100,000 lists deep", [INIT, "[" * 100_000], 4400),
    Talk("half a surrogate pair", [INIT, '{"type": "ping", "payload": {"x": "\\ud800"}}'], 4400),
    Talk("an id that is a number", [INIT, '{"id": 1, "type": "subscribe", "payload": {}}'], 4400),
    Talk("no payload", [INIT, '{"id": "1", "type": "subscribe"}'], 4400),
    Talk("a list as payload", [INIT, '{"id": "1", "type": "subscribe", "payload": []}'], 4400),
    Talk("complete without an id", [INIT, '{"type": "complete"}'], 4400),
    Talk("complete of nothing", [INIT, '{"id": "1", "type": "complete"}'], 0),
    Talk("two inits", [INIT, INIT], 4429),
    Talk("no init, but an operation", [subscribe("1")], 4401),
    Talk("no init, but silence", [], 4408),
    Talk("the same id twice", [INIT, subscribe("1", WATCH), subscribe("1", WATCH)], 4409),
    Talk("1,000 subscriptions", [INIT, *(subscribe(str(n), WATCH) for n in range(1_000))], 4429),
    Talk("10,000 pings", [INIT, *['{"type": "ping"}'] * 10_000], 4429),
    Talk(
        "a token that is none",
        ['{"type": "connection_init", "payload": {"Authorization": "x"}}'],
        4403,
    ),
    Talk(
        "a token that is a list",
        ['{"type": "connection_init", "payload": {"authorization": []}}'],
        4403,
    ),
    Talk("a payload of init that is a list", ['{"type": "connection_init", "payload": []}'], 4400),
    Talk("a message of two megabytes", [INIT, " " * 2_000_000], 1009),
    Talk("a document of a megabyte", [INIT, subscribe("1", "{ a }" + " " * 900_000)], 0),
    Talk(
        "fragments that multiply",
        [
            INIT,
            subscribe(
                "1",
                "{ ...A } "
                + "".join(
                    f"fragment {a} on Query {{ ...{b} ...{b} }} "
                    for a, b in zip("ABCDEFGHIJKLMNOPQRST", "BCDEFGHIJKLMNOPQRSTU", strict=True)
                )
                + "fragment U on Query { __typename }",
            ),
        ],
        0,
    ),
    Talk("5,000 open braces", [INIT, subscribe("1", "{" * 5_000)], 0),
    Talk("the old protocol", [], 4406, protocol="graphql-ws"),
    Talk("another origin", [], 403, origin="https://evil.example"),
]


async def code_of(talk: Talk, address: str) -> int:
    """How the server at `ws://...` ends the talk; -1 when it does not in ten seconds."""
    try:
        async with asyncio.timeout(10):
            async with connect(
                address,
                subprotocols=[talk.protocol],  # type: ignore[list-item]
                origin=talk.origin,  # type: ignore[arg-type]
                max_size=None,
                compression=None,
            ) as connection:
                for message in talk.messages:
                    await connection.send(message)
                if talk.code == 0:
                    await connection.send('{"type": "ping"}')
                while True:
                    received = json.loads(await connection.recv())
                    if talk.code == 0 and received["type"] == "pong":
                        return 0
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    except InvalidStatus as refused:
        return refused.response.status_code
    except TimeoutError:
        return -1
