"""Every expected "no", drawn as a tree.

Refusal                     something a client can act on: a typed user error in a payload,
│                           or a coded GraphQL error when a query meets it
├── ValidationRefusal       an argument breaks a rule            BAD_USER_INPUT
├── NotFoundRefusal         nobody there, as far as you may see  NOT_FOUND
├── ConflictRefusal         the revision moved on                CONFLICT
├── HandleTakenRefusal      somebody else has the handle         HANDLE_TAKEN
├── TooSoonRefusal          possible, but not yet                TOO_SOON
├── NotAllowedRefusal       never for you, or not in this state  NOT_ALLOWED
├── IdempotencyRefusal      the key stands for another request   IDEMPOTENCY_KEY_REUSED
└── RevisionsGoneRefusal    no longer kept; never in a payload   REVISIONS_GONE
Refusals                    several of them at once
AccessError                 the token does not permit the operation at all
├── Unauthenticated         no viewer                            UNAUTHENTICATED
├── Forbidden               a viewer without the scope           FORBIDDEN
└── PurposeRequired         does not say what the data is for    PURPOSE_REQUIRED
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


@dataclass(kw_only=True)
class Refusal(Exception):
    """An expected "no": a stable code, one sentence for people, and the argument it is about."""

    code: ClassVar[str]
    message: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.message

    @property
    def extensions(self) -> dict[str, object]:
        """What a GraphQL error made of this refusal carries."""
        return {"code": self.code, "argument": list(self.path)}


@dataclass(kw_only=True)
class ValidationRefusal(Refusal):
    """An argument breaks a rule; `rule` is a stable name for it."""

    code = "BAD_USER_INPUT"
    rule: str

    @property
    def extensions(self) -> dict[str, object]:
        """The rule as well."""
        return {**super().extensions, "rule": self.rule}


@dataclass(kw_only=True)
class NotFoundRefusal(Refusal):
    """There is nobody there, as far as the viewer may see."""

    code = "NOT_FOUND"


@dataclass(kw_only=True)
class ConflictRefusal(Refusal):
    """The user is at another revision than the client expected."""

    code = "CONFLICT"
    current_rev: int


@dataclass(kw_only=True)
class HandleTakenRefusal(Refusal):
    """Somebody else has the handle, or it is reserved or cooling down."""

    code = "HANDLE_TAKEN"
    suggestions: tuple[str, ...] = ()
    available_at: datetime | None = None


@dataclass(kw_only=True)
class TooSoonRefusal(Refusal):
    """Possible, but only after a while."""

    code = "TOO_SOON"
    retry_after_seconds: int


class DenialReason(StrEnum):
    """Why something is not allowed."""

    SELF = "SELF"
    BLOCKING = "BLOCKING"
    ACCOUNT_STATUS = "ACCOUNT_STATUS"
    NOTHING_TO_UNDO = "NOTHING_TO_UNDO"
    CLIENT = "CLIENT"
    CONTACT_TAKEN = "CONTACT_TAKEN"
    NOT_SET_UP = "NOT_SET_UP"
    TIER = "TIER"
    HOUSEHOLD_FULL = "HOUSEHOLD_FULL"
    HOUSEHOLD_MANAGER = "HOUSEHOLD_MANAGER"
    OTHER_HOUSEHOLD = "OTHER_HOUSEHOLD"
    MINOR = "MINOR"
    ALREADY_SET = "ALREADY_SET"
    NOTHING_OWED = "NOTHING_OWED"


@dataclass(kw_only=True)
class NotAllowedRefusal(Refusal):
    """Not possible for this viewer or in this state."""

    code = "NOT_ALLOWED"
    reason: DenialReason


@dataclass(kw_only=True)
class IdempotencyRefusal(Refusal):
    """The idempotency key stands for another request."""

    code = "IDEMPOTENCY_KEY_REUSED"


@dataclass(kw_only=True)
class RevisionsGoneRefusal(Refusal):
    """The revisions asked for are no longer kept; those after `oldest_since_rev` are."""

    code = "REVISIONS_GONE"
    oldest_since_rev: int

    @property
    def extensions(self) -> dict[str, object]:
        """From where one can go on as well."""
        return {**super().extensions, "oldestSinceRev": self.oldest_since_rev}


class Refusals(Exception):
    """Several refusals at once, one for each argument that breaks a rule."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__(*refusals)
        self.refusals = tuple(refusals)


class AccessError(Exception):
    """The token does not permit the operation at all."""

    code: ClassVar[str]

    @property
    def extensions(self) -> dict[str, object]:
        """What a GraphQL error made of this carries."""
        return {"code": self.code}


class Unauthenticated(AccessError):
    """Nobody is signed in."""

    code = "UNAUTHENTICATED"


class Forbidden(AccessError):
    """Somebody is signed in, but the token lacks the scope."""

    code = "FORBIDDEN"


class PurposeRequired(AccessError):
    """Somebody reads personal data of others and does not say what for."""

    code = "PURPOSE_REQUIRED"


REFUSALS: dict[str, type[Refusal]] = {
    refusal.__name__: refusal
    for refusal in (
        ValidationRefusal,
        NotFoundRefusal,
        ConflictRefusal,
        HandleTakenRefusal,
        TooSoonRefusal,
        NotAllowedRefusal,
        IdempotencyRefusal,
    )
}
