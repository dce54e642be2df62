"""The SDL that was published: in a file, or asked of a subgraph that runs."""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

MAX_BYTES = 8 * 1024 * 1024
TIMEOUT_SECONDS = 10.0
QUERY = "{ _service { sdl } }"


class NotPublished(Exception):
    """The SDL cannot be had; the message says why, in a sentence without secrets."""


def published_sdl(source: str, headers: Sequence[str] = ()) -> str:
    """The SDL in a file, or of the subgraph at an http or https address. Raises: NotPublished."""
    if "://" not in source:
        return sdl_in_file(Path(source))
    return _sdl_at(source, [_header(each) for each in headers])


def sdl_in_file(path: Path) -> str:
    """The text of a file. Raises: NotPublished."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise NotPublished(f"cannot be read: {getattr(error, 'strerror', error)}") from None
    return _text(content)


def without_credentials(source: str) -> str:
    """A file or address as it may be shown: neither a password nor a query."""
    return re.sub(r"(?<=://)[^/?#]*@|\?.*", "", source) if "://" in source else source


def one_line(message: object) -> str:
    """What came from elsewhere, as one short line that cannot steer a terminal."""
    line = " ".join(str(message)[:1000].split())
    line = "".join(each if each.isprintable() else "?" for each in line)
    return line if len(line) <= 300 else f"{line[:300]} ..."


def _sdl_at(address: str, headers: list[tuple[str, str]]) -> str:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        raise NotPublished("expected a file or an http or https address") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise NotPublished("expected a file or an http or https address")
    try:
        with (
            httpx.Client(timeout=TIMEOUT_SECONDS) as client,
            client.stream("POST", url, json={"query": QUERY}, headers=headers) as answer,
        ):
            content = _content(answer)
    except httpx.TimeoutException:
        raise NotPublished(f"gave no answer within {TIMEOUT_SECONDS:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotPublished(f"cannot be asked: {one_line(error)}") from None
    return _sdl_in_answer(answer, _text(content))


def _content(answer: httpx.Response) -> bytes:
    """The body, or as much of it as shows that it is too long. Raises: NotPublished."""
    content = bytearray()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    for chunk in answer.iter_bytes():
        content += chunk
        if time.monotonic() > deadline:  # a drop now and then never is a timeout of httpx
            raise NotPublished(f"did not finish its answer within {TIMEOUT_SECONDS:g} seconds")
        if len(content) > MAX_BYTES:
            break
    return bytes(content)


def _sdl_in_answer(answer: httpx.Response, text: str) -> str:
    media_type = answer.headers.get("content-type", "no media type").partition(";")[0]
    came = f"{answer.status_code} with {one_line(media_type)}"
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise NotPublished(f"expected a GraphQL answer, and {came} came") from None
    data = body.get("data") if isinstance(body, dict) else None
    service = data.get("_service") if isinstance(data, dict) else None
    sdl = service.get("sdl") if isinstance(service, dict) else None
    if isinstance(sdl, str):
        return sdl
    message = _first_message(body)
    if message is None:
        raise NotPublished(f"expected a GraphQL answer to {QUERY}, and {came} came")
    raise NotPublished(f"answered {answer.status_code} and the error: {one_line(message)}")


def _first_message(body: Any) -> str | None:
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    message = first.get("message") if isinstance(first, dict) else None
    return message if isinstance(message, str) else None


def _header(given: str) -> tuple[str, str]:
    """A header as curl takes it, `Name: value`."""
    name, colon, value = given.partition(":")
    if not colon or not name.strip() or not given.isascii() or not given.isprintable():
        raise NotPublished("expected each header as 'Name: value', in printable ASCII")
    return name.strip(), value.strip()


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise NotPublished(f"is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotPublished("is not UTF-8 text") from None
