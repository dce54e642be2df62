"""Logs: what is known to be harmless is written, everything else is left out and counted."""

import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from schema.incidents import incident_of
from server.app import create_app
from server.exchanges import hash_of
from server.logs import AUDIT, KEYS, LEFT_OUT, as_json, described, formatter, request_logger
from server.settings import Settings
from store.driver import UNUSABLE, DriverName
from store.errors import StoreFault
from store.store import Store
from tests.running import environment, usergraph
from tests.subgraph import Subgraph

ROOT = Path(__file__).parent.parent
SECRET = "mongodb://user:hunter2@db"
NAMED = "query Card($id: ID!) { user(by: {id: $id}) { handle } }"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, Lines]]:
    """A logger of somebody else's, and the lines that it wrote since the last time."""
    stream, logger = StringIO(), logging.getLogger("elsewhere")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(as_json))

    def lines() -> list[dict[str, Any]]:
        found = [orjson.loads(line) for line in stream.getvalue().splitlines()]
        stream.seek(0)
        stream.truncate()
        return [{key: line[key] for key in line if key != "timestamp"} for line in found]

    logger.addHandler(handler)
    yield logger, lines
    logger.removeHandler(handler)


def test_a_constant_is_written_and_what_is_put_into_it_is_not(
    written: tuple[logging.Logger, Lines],
) -> None:
    logger, lines = written
    logger.warning("a constant", extra={"status": 500})
    logger.warning("put together: %s", SECRET)
    logger.warning(f"put together: {SECRET}")
    assert lines() == [
        {"level": "warning", "logger": "elsewhere", "event": "a constant", "status": 500},
        {"level": "warning", "logger": "elsewhere", "event": "put together: %s", "redacted": 1},
        {"level": "warning", "logger": "elsewhere", "event": LEFT_OUT, "redacted": 1},
    ]


def test_the_audit_trail_names_who_looked_at_what() -> None:
    said = {
        "kind": "staff",
        "client_id": "Billing (nightly) @ acme",
        "user_id": "u1",
        "purpose": "support case 5",
        "fields": {"User.country": 3},
    }
    unsaid = {"bio": "Born in Kiruna"}
    stream, logger = StringIO(), logging.getLogger(AUDIT)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(as_json))
    logger.propagate, logger.disabled = False, False
    logger.addHandler(handler)
    logger.warning("personal data read", extra={**said, **unsaid})
    logger.removeHandler(handler)
    logger.propagate = True
    line = orjson.loads(stream.getvalue())
    del line["timestamp"]
    event = {"level": "warning", "logger": AUDIT, "event": "personal data read"}
    assert line == {**event, **said, "redacted": 1}


@pytest.mark.parametrize(
    "values",
    [
        {"query": "{ me }"},
        {"code": SECRET},
        {"status": "200 of ada"},
        {"operation_name": "no name"},
        {"operation_name": "x" * 101},
        {"request_id": "ada@example.com"},
        {"client_id": "ada@example.com"},
        {"path": "/graphql?query={me}"},
        {"router": "http://user:hunter2@router"},
        {"failure": f"it said {SECRET}"},
        {"exception": [SECRET]},
        {"event": SECRET, "level": SECRET, "logger": SECRET, "redacted": SECRET},
    ],
    ids=str,
)
def test_what_has_no_key_or_another_form_is_dropped_and_counted(
    written: tuple[logging.Logger, Lines], values: dict[str, Any]
) -> None:
    logger, lines = written
    logger.warning("a constant", extra=values)
    event = {"level": "warning", "logger": "elsewhere", "event": "a constant"}
    is_overruled = "event" in values
    assert lines() == [event if is_overruled else {**event, "redacted": 1}]


def test_an_exception_is_told_by_types_numbers_and_places(
    written: tuple[logging.Logger, Lines],
) -> None:
    logger, lines = written
    try:
        try:
            raise ConnectionRefusedError(111, SECRET)
        except OSError as error:
            raise LookupError(SECRET) from error
    except LookupError:
        logger.exception("it failed")
    [line] = lines()
    here = (
        re.escape(f"  {__name__}") + r":\d+ test_an_exception_is_told_by_types_numbers_and_places"
    )
    patterns = ["builtins.LookupError", here, "builtins.ConnectionRefusedError 111", here]
    assert len(line["exception"]) == 4
    assert all(map(re.fullmatch, patterns, line["exception"]))


def test_a_line_that_cannot_be_written_is_told_to_be_lost(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = """if True:
        import logging
        from server import logs
        logs.begin_logging("info", "json")
        class Odd(Exception):
            @property
            def code(self): raise KeyError("hunter2")
        logging.getLogger("server").error("hunter2", exc_info=Odd("hunter2"))
    """
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert capfd.readouterr() == ("", '{"event":"a line was lost"}\n')


def test_a_circle_of_causes_ends() -> None:
    first, second = KeyError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert len(list(described(first))) == 5


async def test_a_fault_is_found_by_its_incident_and_tells_no_secret(
    subgraph: Subgraph, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(subgraph.store.handles, "by_handles", broken)
    text = 'query Card { zqkanarie: handleAvailability(handle: "ada.berg") { state } }'
    headers = {"x-request-id": "from.the-router_1"}
    answer = await subgraph.http.post("/graphql", json={"query": text}, headers=headers)
    [error] = answer.json()["errors"]
    [record] = caplog.records
    line = orjson.loads(formatter(as_json).format(record))
    assert SECRET not in answer.text
    assert line["incident"] == error["extensions"]["incident"]
    assert line["request_id"] == "from.the-router_1"
    assert line["operation_hash"] == hash_of(text)
    assert line["field"] == "handleAvailability"
    assert line["exception"][0] == "builtins.RuntimeError"
    assert line["exception"][-1].endswith(" broken")
    assert SECRET not in str(line)


async def test_a_fault_outside_of_the_operation_is_found_the_same_way(
    subgraph: Subgraph, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("server.documents.Documents.text_of", broken)
    answer = await subgraph.post("{ __typename }")
    [record] = caplog.records
    line = orjson.loads(formatter(as_json).format(record))
    incident = line["incident"]
    assert (answer.status_code, answer.json()) == (
        500,
        {
            "errors": [
                {
                    "message": f"Something went wrong here (incident {incident}).",
                    "extensions": {"code": "INTERNAL_SERVER_ERROR", "incident": incident},
                }
            ]
        },
    )
    assert line["request_id"] == answer.headers["x-request-id"]
    assert SECRET not in str(line)


def test_an_incident_without_an_exception_has_a_line() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", incident_of(None))


@pytest.mark.parametrize(
    "path", ["/graphql", "/graphql/stream", "/health/live", "/nowhere", "/graphql?query=%7B"]
)
async def test_every_answer_has_the_id_of_its_request(subgraph: Subgraph, path: str) -> None:
    given = await subgraph.http.get(path, headers={"x-request-id": "A-Z.0_9"})
    assert given.headers["x-request-id"] == "A-Z.0_9"
    made = [(await subgraph.http.get(path)).headers["x-request-id"] for _ in range(2)]
    assert all(re.fullmatch(r"[0-9a-f]{16}", identifier) for identifier in made)
    assert made[0] != made[1]


@pytest.mark.parametrize("identifier", ["", "x" * 101, "ada@example.com", "a b", "a\tb", "ä"])
async def test_an_id_that_is_none_is_replaced(subgraph: Subgraph, identifier: str) -> None:
    headers = {"x-request-id": identifier.encode()}
    answer = await subgraph.http.get("/health/live", headers=headers)  # type: ignore[arg-type]
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


@pytest.fixture
async def access(
    subgraph: Subgraph, request: pytest.FixtureRequest
) -> tuple[httpx.AsyncClient, Lines]:
    """A client of a subgraph that writes a line for requests, and the lines so far."""
    stream = BytesIO()
    settings = subgraph.settings.model_copy(update={"access_log": request.param})
    logger = request_logger("info", stream, as_json)
    app = create_app(settings, subgraph.store, subgraph.identity, logger=logger)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://subgraph")
    return client, lambda: [orjson.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("access", ["on"], indirect=True)
async def test_a_request_has_a_line(
    subgraph: Subgraph, access: tuple[httpx.AsyncClient, Lines]
) -> None:
    client, lines = access
    ada = await subgraph.register("ada.berg")
    headers = {"Authorization": f"Bearer {subgraph.token(ada)}"}
    body = {"query": NAMED, "variables": {"id": "not an id"}}
    answer = await client.post("/graphql", json=body, headers=headers)
    [line] = lines()
    assert line.pop("duration_ms") < 10_000
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "usergraph.access",
        "event": "request",
        "request_id": answer.headers["x-request-id"],
        "client_id": "development",
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "operation_hash": hash_of(NAMED),
        "code": "BAD_USER_INPUT",
        "operation_name": "Card",
        "operation_type": "query",
    }


@pytest.mark.parametrize("access", ["on"], indirect=True)
@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/graphql?query=%7Boslo%7D", ("GET", "/graphql", 200, "GRAPHQL_VALIDATION_FAILED")),
        ("OSLO", "/graphql", ("OTHER", "/graphql", 405, "METHOD_NOT_ALLOWED")),
        ("GET", "/oslo/berg", ("GET", "other", 404, None)),
    ],
)
async def test_a_line_quotes_nothing_of_a_request(
    access: tuple[httpx.AsyncClient, Lines], method: str, path: str, said: tuple[Any, ...]
) -> None:
    client, lines = access
    await client.request(method, path)
    [line] = lines()
    assert (line["method"], line["path"], line["status"], line.get("code")) == said
    assert "oslo" not in str(line).lower()


@pytest.mark.parametrize(
    ("access", "count"), [("off", 0), ("slow", 1), ("on", 2)], indirect=["access"]
)
async def test_which_requests_have_a_line_is_set(
    access: tuple[httpx.AsyncClient, Lines], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(SECRET)

    client, lines = access
    await client.get("/health/live")
    monkeypatch.setattr("server.documents.Documents.text_of", broken)
    await client.post("/graphql", json={"query": "{ __typename }"})
    assert len(lines()) == count


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://user:hun/ter2@localhost:1/",
        "mongodb://user:12/hunter2@localhost",
        "mongodb://user:hun:ter2@localhost/",
        "mongodb://user:hunter2@localhost:port/",
        "user:hunter2@localhost",
        "mongodb://localhost/?readPreference=hunter2",
        "mongodb://localhost/?tlsCAFile=/hunter2",
    ],
)
async def test_a_connection_string_that_cannot_be_used_is_not_quoted(
    uri: str, driver: DriverName
) -> None:
    with pytest.raises(StoreFault) as raised:
        Store.connect(uri, "users", driver=driver, timeout_seconds=0.1)
    assert str(raised.value) == UNUSABLE
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("arguments", ["serve", "doctor"])
def test_a_start_that_fails_tells_no_password(tmp_path: Path, arguments: str) -> None:
    uri = "mongodb://user:hun/ter2@localhost:1/"
    done = usergraph(arguments, env=environment(tmp_path, mongodb_uri=uri, port="0"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"The database did not do what was asked of it: {UNUSABLE}\n"


def test_what_nobody_catches_is_told_without_its_message() -> None:
    code = """if True:
        from server.logs import begin_logging
        import threading, warnings, asyncio
        begin_logging("info", "json")
        warnings.warn("hunter2")
        def fail(): raise KeyError("hunter2")
        thread = threading.Thread(target=fail); thread.start(); thread.join()
        async def forgotten(): asyncio.get_running_loop().call_soon(fail)
        asyncio.run(forgotten())
        raise ValueError("hunter2")
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert [line.get("exception", ["none"])[0] for line in lines] == [
        "none",
        "builtins.KeyError",
        "builtins.KeyError",
        "builtins.ValueError",
    ]
    assert "hunter2" not in done.stdout + done.stderr


def test_every_key_is_documented() -> None:
    page = (ROOT / "docs" / "logs.md").read_text()
    assert {*KEYS, "exception"} - {"exc_info"} - set(re.findall(r"`(\w+)`", page)) == set()
    assert Settings.model_fields["access_log"].default == "on"
