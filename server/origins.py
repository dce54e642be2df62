"""Origins: no other site's page makes a browser ask here, with whatever the browser adds to it.

A POST of another site is harmless already: its content type would need a preflight, which is not
granted. Strawberry refuses the WebSockets of other origins. Source: Fetch Metadata Request Headers,
section 2.4.
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from server.errors import RequestError
from server.requests import is_json

SIMPLE_METHODS = ("GET", "HEAD")
OTHER_SITES = ("cross-site", "same-site")
PREFLIGHTED = (
    "apollo-require-preflight",
    "x-apollo-operation-name",
    "x-graphql-event-stream-token",
)
"""Headers that a page of another origin cannot send without asking first."""


def check_site(request: Request) -> None:
    """Insists that no page of another site made a browser send this. Raises: RequestError."""
    if request.method not in SIMPLE_METHODS:
        return
    headers = request.headers
    if headers.get("sec-fetch-site") not in OTHER_SITES or is_json(headers.get("content-type", "")):
        return
    if not any(name in headers for name in PREFLIGHTED):
        message = f"Expected a request of another site to carry {PREFLIGHTED[0]}."
        raise RequestError(403, "CSRF", message)


def parse_origin(text: str) -> str:
    """An origin as browsers write it. Raises: ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or text != f"{parts.scheme}://{parts.netloc}":
        raise ValueError("expected an origin, as in https://app.example")
    return text.lower()
