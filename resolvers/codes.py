"""Codes: what proves that somebody reads what is sent to an address."""

import asyncio
import logging
import secrets

from resolvers.contact_values import Address
from resolvers.errors import TooSoonRefusal, ValidationRefusal
from resolvers.mutations import Operation
from resolvers.request import Request
from resolvers.rules import refuse
from resolvers.sealed_contacts import index_digests, index_keys, not_set_up
from resolvers.senders import Message, NotSent, Purpose, Sender
from resolvers.visibility import NOBODY
from store.contacts import holds
from store.records import User
from store.verifications import TRIES

DIGITS = 6
SEND_SECONDS = 4.0
"""The longest that a mutation waits until its message is handed over."""
CODE = "code"
"""The purpose of digests of codes."""

logger = logging.getLogger(__name__)


class Sending:
    """The message of one operation: begun before the user is changed, and sent after."""

    def __init__(self, request: Request, operation: Operation) -> None:
        self._request = request
        self._operation = operation
        self._to: Address | None = None
        self._code = ""

    @property
    def is_begun(self) -> bool:
        """Whether there is something to send."""
        return self._to is not None

    async def begin(self, user: User, to: Address) -> None:
        """Makes a code for the address; a dry run finds out whether one could be made.

        Raises: TooSoonRefusal, NotAllowedRefusal where messages cannot be sent.
        """
        self._sender()
        seconds = await self._begin(user, to)
        if seconds:
            raise TooSoonRefusal(
                message="Too many messages were sent.", retry_after_seconds=seconds
            )

    async def send(self, user: User) -> bool:
        """Hands the message over; false when nobody took it, and then another may follow at once.

        Who verified the address before is told so instead, and the code goes nowhere: what it
        takes, and what comes of it, is the same.
        """
        assert self._to is not None
        is_taken = await self._is_of_somebody_else(user, self._to)
        message = Message(
            id=self._operation.id,
            kind=self._to.kind,
            to=self._to.value,
            purpose=Purpose.NOTICE if is_taken else Purpose.CODE,
            code=None if is_taken else self._code,
            locale=None if is_taken else user.locale,
        )
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._sender().send(message)
        except (NotSent, TimeoutError):
            logger.exception("a message could not be handed over")
            await self._request.store.verifications.fail(
                user.id, _row(self._request, self._to), self._operation.id
            )
            return False
        return True

    async def _begin(self, user: User, to: Address) -> int:
        now, row = self._operation.now, _row(self._request, to)
        verifications = self._request.store.verifications
        if self._operation.control.dry_run:
            return await verifications.seconds_to_wait(user.id, row, now=now)
        self._to, self._code = to, f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        digest = index_keys(self._request).digest(CODE, user.id, to.kind, to.folded, self._code)
        return await verifications.begin(
            user.id, row, operation=self._operation.id, code=digest, now=now
        )

    async def _is_of_somebody_else(self, user: User, to: Address) -> bool:
        store = self._request.store
        rows = await store.contacts.by_digests(index_digests(self._request, to))
        ids = [row.user_id if row else NOBODY for row in rows]
        owners = await store.users.by_ids(ids)
        return any(
            row is not None and row.user_id != user.id and holds(owner, row)
            for row, owner in zip(rows, owners, strict=True)
        )

    def _sender(self) -> Sender:
        if self._request.sender is None:
            raise not_set_up()
        return self._request.sender


async def check_code(
    request: Request, operation: Operation, user: User, to: Address, code: str
) -> None:
    """Insists that the code is the one that was sent to the address, and voids it.

    A guess is counted before it is looked at. The operation that a code was good for may ask again.
    Raises: ValidationRefusal.
    """
    verifications, row_id = request.store.verifications, _row(request, to)
    is_counted, row = await verifications.guess(user.id, row_id, now=operation.now)
    if row is not None and row.used_by == operation.id:
        return
    if row is None or not is_counted:
        raise refuse(("code",), "CODE_VOID", "a newer code: this one is used or too old")
    if not index_keys(request).is_digest(row.code, CODE, user.id, to.kind, to.folded, code):
        raise _wrong(TRIES - row.tries)
    if not await verifications.use(user.id, row_id, row.code, operation=operation.id):
        raise refuse(("code",), "CODE_VOID", "a newer code: this one is used or too old")


def _wrong(left: int) -> ValidationRefusal:
    expected = f"the code that was sent; {left} more may be tried" if left > 0 else "a newer code"
    return ValidationRefusal(message=f"Expected {expected}.", path=("code",), rule="CODE")


def _row(request: Request, to: Address) -> str:
    """What a user's row about an address is called."""
    return index_digests(request, to)[0]
