"""The mailbox of development: messages are not sent but kept, and shown on a page at `/mailbox`.

The page holds codes that let somebody take an address: it is there for this machine alone.
"""

from collections import deque
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from resolvers.senders import Message, Purpose
from server.explorer import names_this_machine

PATH = "/mailbox"
KEPT = 50
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mailbox</title></head><body>
<h1>Mailbox</h1>
<p>What would have been sent, newest first; the last {kept} are kept until the server stops.</p>
<table><thead><tr><th>To</th><th>Message</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""
NOTICE = "Somebody tried to add your address to another account."


class Mailbox:
    """Keeps the newest messages in memory."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=KEPT)

    async def send(self, message: Message) -> None:
        """Keeps a message."""
        self._messages.appendleft(message)

    @property
    def route(self) -> Route:
        """The page."""
        return Route(PATH, self._page)

    async def _page(self, request: Request) -> Response:
        # A website whose name is made to lead to this machine (DNS rebinding) learns no code.
        if not names_this_machine(request):
            return PlainTextResponse("Open it as localhost.", 403, HEADERS)
        rows = "\n".join(map(_row, self._messages))
        return HTMLResponse(PAGE.format(kept=KEPT, rows=rows), headers=HEADERS)


def _row(message: Message) -> str:
    said = f"Your code is {message.code}." if message.purpose is Purpose.CODE else NOTICE
    return f"<tr><td>{escape(message.to)}</td><td>{escape(said)}</td></tr>"
