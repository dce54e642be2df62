"""Senders: the port through which messages reach addresses."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from store.records import ContactKind


class Purpose(StrEnum):
    """What a message is for."""

    CODE = "CODE"
    """To be entered by who holds the address."""
    NOTICE = "NOTICE"
    """Somebody else tried to add an address that its holder has verified."""


@dataclass(frozen=True, slots=True)
class Message:
    """What to send to an address; the same `id` when it is sent again."""

    id: str
    kind: ContactKind
    to: str = field(repr=False)
    purpose: Purpose
    code: str | None = field(repr=False)
    locale: str | None


class NotSent(Exception):
    """A message that could not be handed over; it says nothing of the message."""


class Sender(Protocol):
    """Hands messages over to whoever delivers them."""

    async def send(self, message: Message) -> None:
        """Hands one over, at least once. Raises: NotSent."""
