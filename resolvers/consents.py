"""Consents: what a user agreed to, by purpose, and every answer kept in the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from resolvers import rules
from resolvers.errors import ValidationRefusal
from resolvers.mutations import ONLY_ACTIVE, Control, Operation, Outcome, carry_out, change_user
from resolvers.purposes import PolicyVersion, Purpose, Purposes
from resolvers.request import Request
from store.records import Consent, Document, Status, User

CONSENT_RECORDED = "CONSENT_RECORDED"
SOURCE_LENGTH = 200
WITHDRAWING = frozenset(Status) - {Status.ERASED}
"""Whose word against a purpose is taken: whoever may have agreed to it (GDPR, article 7(3))."""


class ConsentState(StrEnum):
    """Where a user stands towards a purpose."""

    NEVER_ASKED = "NEVER_ASKED"
    GRANTED = "GRANTED"
    DENIED = "DENIED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    OUTDATED = "OUTDATED"


@dataclass(frozen=True, slots=True)
class PurposeConsent:
    """A purpose, where a user stands towards it, and the answer that says so, if there is one."""

    purpose: Purpose
    policy: PolicyVersion
    state: ConsentState
    answer: Consent | None

    @property
    def expires_at(self) -> datetime | None:
        """When what was granted ends by itself, or did."""
        if self.answer is None or self.answer.state != ConsentState.GRANTED:
            return None
        return self.purpose.lapses_at(self.answer.at)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said about a purpose, to which version of its policy.

    `source` is what a service can show for it.
    """

    purpose: str
    granted: bool
    policy_version: str
    source: str | None = None


def allows(user: User, purpose: Purpose, now: datetime) -> bool:
    """Whether the user agreed to this purpose, and that still counts."""
    return _state(purpose, _answer_of(user.consents, purpose), now) is ConsentState.GRANTED


def consents_of(
    request: Request, user: User, names: Sequence[str] | None = None
) -> list[PurposeConsent]:
    """Where a user stands towards the purposes of these names, or all.

    Raises: ValidationRefusal for a name that is not registered.
    """
    now, purposes = user.moment(request.now()), request.policy.purposes
    rules.at_most(names or (), rules.IDS, "purposes")
    wanted = (
        [one for one in purposes.values() if one.current(now)]
        if names is None
        else [_known(purposes, name, now, "purposes", str(at)) for at, name in enumerate(names)]
    )
    return [_consent(purpose, user.consents or (), now) for purpose in wanted]


async def recorded(request: Request, outcome: Outcome) -> PurposeConsent | None:
    """Where the user stands towards the purpose that the mutation was about."""
    if outcome.made is None or outcome.user_id is None:
        return None
    user = await request.loaders.user_by_id.load(outcome.user_id)
    purpose = request.policy.purposes.get(outcome.made)
    if user is None or purpose is None or purpose.current(request.now()) is None:
        return None
    return _consent(purpose, user.consents, request.now())


async def record_consent(request: Request, answer: Answer, control: Control) -> Outcome:
    """Keeps what the viewer says about a purpose."""
    viewer_id = request.require_user("Mutation.recordConsent")

    async def act(operation: Operation) -> Outcome:
        return await _record(request, operation, viewer_id, answer)

    return await carry_out(request, "recordConsent", control, asdict(answer), act)


async def record_consent_for(
    request: Request, user_id: str, answer: Answer, control: Control
) -> Outcome:
    """Keeps what a user said to a service, with what that can show for it."""
    request.require_service("Mutation.recordConsentFor")

    async def act(operation: Operation) -> Outcome:
        rules.identifier(user_id, "userId")
        source = rules.line(answer.source, SOURCE_LENGTH, "source")
        if source is None:
            raise rules.refuse(("source",), "MIN_LENGTH", "what shows that the user said so")
        return await _record(request, operation, user_id, replace(answer, source=source))

    arguments = {"userId": user_id, **asdict(answer)}
    return await carry_out(request, "recordConsentFor", control, arguments, act)


async def _record(request: Request, operation: Operation, user_id: str, answer: Answer) -> Outcome:
    ledger = request.store.consents

    async def decide(user: User) -> Mapping[str, Any]:
        purpose = _known(request.policy.purposes, answer.purpose, operation.now, "purpose")
        policy = _policy(purpose, answer, operation.now)
        known = _answer_of(user.consents, purpose)
        if _holds(purpose, known, answer, operation.now):
            return {}
        entry = ledger.next_entry(user, _content(request, operation, answer, policy, known))
        consents = _with_answer(user.consents, entry)
        if operation.control.dry_run:
            return {"consents": consents}
        if user.consent_due is not None:  # before the new one takes its place
            await ledger.carry_through(user.id, user.consent_due)
        head = {"seq": entry["seq"], "hash": entry["hash"]}
        return {"consents": consents, "consent_head": head, "consent_due": entry}

    statuses = ONLY_ACTIVE if answer.granted else WITHDRAWING
    outcome = await change_user(
        request, operation, user_id, CONSENT_RECORDED, decide, statuses=statuses
    )
    due = outcome.user.consent_due if outcome.user else None
    if due is not None and not operation.control.dry_run:
        await ledger.carry_through(user_id, due)
    return replace(outcome, made=answer.purpose)


def _known(purposes: Purposes, name: str, now: datetime, *path: str) -> Purpose:
    purpose = purposes.get(name)
    if purpose is None or purpose.current(now) is None:
        raise rules.refuse(path, "PURPOSE", "the name of a purpose that is registered")
    return purpose


def _policy(purpose: Purpose, answer: Answer, now: datetime) -> PolicyVersion:
    """The policy that the answer is about: to agree, one has to have seen what counts now."""
    policy = purpose.policy(answer.policy_version, now)
    current = purpose.current(now)
    if policy is None or (answer.granted and purpose.is_outdated(policy.version, now)):
        assert current is not None
        raise _wrong_version(current.version)
    return policy


def _wrong_version(current: str) -> ValidationRefusal:
    expected = f"a version of the policy that counts; the current one is {current}"
    return rules.refuse(("policyVersion",), "POLICY_VERSION", expected)


def _holds(purpose: Purpose, known: Consent | None, answer: Answer, now: datetime) -> bool:
    """Whether the user said just that already, and it counts."""
    if known is None or known.version != answer.policy_version:
        return False
    if answer.granted:
        return _state(purpose, known, now) is ConsentState.GRANTED
    return known.state != ConsentState.GRANTED


def _content(
    request: Request,
    operation: Operation,
    answer: Answer,
    policy: PolicyVersion,
    known: Consent | None,
) -> Document:
    """What the ledger keeps of an answer."""
    assert request.viewer is not None
    refused = ConsentState.DENIED
    if known is not None and known.state != ConsentState.DENIED:
        refused = ConsentState.WITHDRAWN
    return {
        "purpose": answer.purpose,
        "state": (ConsentState.GRANTED if answer.granted else refused).value,
        "version": policy.version,
        "textHash": policy.text_hash,
        "at": operation.now,
        "actor": "service" if request.viewer.is_service else "person",
        "client": request.viewer.client_id,
        "source": answer.source,
    }


def _with_answer(consents: Sequence[Consent], entry: Document) -> tuple[Consent, ...]:
    answer = Consent(**{name: entry[name] for name in Consent._fields})
    others = [consent for consent in consents if consent.purpose != answer.purpose]
    return (*others, answer)


def _consent(purpose: Purpose, answers: Sequence[Consent], now: datetime) -> PurposeConsent:
    answer, policy = _answer_of(answers, purpose), purpose.current(now)
    assert policy is not None
    return PurposeConsent(purpose, policy, _state(purpose, answer, now), answer)


def _answer_of(answers: Sequence[Consent], purpose: Purpose) -> Consent | None:
    return next((answer for answer in answers if answer.purpose == purpose.name), None)


def _state(purpose: Purpose, answer: Consent | None, now: datetime) -> ConsentState:
    if answer is None:
        return ConsentState.NEVER_ASKED
    if answer.state != ConsentState.GRANTED:
        return ConsentState(answer.state)
    lapses_at = purpose.lapses_at(answer.at)
    if lapses_at is not None and lapses_at <= now:
        return ConsentState.EXPIRED
    if purpose.is_outdated(answer.version, now):
        return ConsentState.OUTDATED
    return ConsentState.GRANTED
