"""Programs of mutations, which the service and the model carry out side by side."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from store.ids import new_id
from tests.model import addresses, homes, lives, ties, views
from tests.model.people import Event, Letters, Person, Platform, Refused
from tests.model.service import STAFF, Service

MOST_PEOPLE = 4
DURATIONS = {
    "half a minute": timedelta(seconds=30),
    "ten minutes": timedelta(minutes=10),
    "an hour": timedelta(hours=1),
    "a day": timedelta(days=1),
    "a week": timedelta(days=7),
    "a month": timedelta(days=31),
}
WHO = st.integers(0, MOST_PEOPLE - 1)
WHOM = st.integers(0, MOST_PEOPLE)
"""As who, or somebody who does not exist."""
HANDLE = st.integers(0, 4)
ADDRESS = st.integers(0, 3)
CONTACT = st.integers(0, 4)
DRY = st.booleans()
WHILES = st.sampled_from(sorted(DURATIONS))
OWN = ["deactivateAccount", "reactivateAccount", "scheduleErasure", "cancelErasure"]
KINDS = ["STARTED", "CHANGED", "TRIAL_STARTED", "PAYMENT_FAILED", "CANCELLED", "ENDED"]

Act = Callable[[Platform], None]


class Machine(RuleBasedStateMachine):
    """The service and the model; each rule is a mutation, by anybody, of anybody."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service
        name = service.begin()
        self.handles = [f"{letter}{name}" for letter in "abcde"]
        self.addresses = [("EMAIL", f"{letter}@{name}.example") for letter in "abc"]
        self.addresses.append(("PHONE", f"+49{service.examples:012}"))
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        self.platform = Platform(start)
        self.tokens: list[tuple[str, int]] = []
        self.events: dict[tuple[int, int], Event] = {}
        self.last: tuple[str, str, dict[str, Any], list[Any]] | None = None

    @initialize()
    def begin(self) -> None:
        """Two people at least."""
        self.register(0, False)
        self.register(1, False)

    @invariant()
    def everybody_sees_what_the_model_says(self) -> None:
        ids = [person.id for person in self.platform.people]
        for viewer in [*self.platform.people, None] if ids else []:
            keys = ([], self.addresses) if viewer is None else (self.handles, [])
            token = self.service.token(viewer and viewer.id)
            seen = self.service.ask(views.query(*keys), token, ids=ids)
            expected = views.expected(self.platform, viewer, *keys)
            differences = views.differences(views.without_order(seen), expected)
            who = self.platform.people.index(viewer) if viewer else "a service"
            assert not differences, f"{who} sees: {differences}"

    @rule(duration=WHILES)
    def wait(self, duration: str) -> None:
        self._advance(DURATIONS[duration])

    @precondition(lambda self: self.last)
    @rule()
    def send_the_last_one_again(self) -> None:
        assert self.last is not None
        token, name, input, errors = self.last
        assert _told(self.service.mutate(token, name, "", input)) == errors

    @precondition(lambda self: len(self.platform.people) < MOST_PEOPLE)
    @rule(handle=HANDLE, pending=st.booleans())
    def register(self, handle: int, pending: bool) -> None:
        wanted = self.handles[handle]
        payload = self._do(
            *(None, "registerUser", {"handle": wanted, "pending": pending}),
            lambda platform: lives.register(platform, wanted, pending=pending),
            made="user { id }",
        )
        if payload["user"]:
            self.platform.people[-1].id = payload["user"]["id"]

    @rule(who=WHO, handle=HANDLE, dry=DRY)
    def change_handle(self, who: int, handle: int, dry: bool) -> None:
        wanted = self.handles[handle]
        self._do_as(
            *(who, "changeHandle", {"handle": wanted}),
            lambda platform, viewer: lives.change_handle(platform, viewer, wanted),
            dry=dry,
        )

    @rule(who=WHO, mutation=st.sampled_from(OWN), dry=DRY)
    def change_account(self, who: int, mutation: str, dry: bool) -> None:
        def act(platform: Platform, viewer: Person) -> None:
            if mutation == "scheduleErasure":
                lives.schedule_erasure(platform, viewer)
            elif mutation == "cancelErasure":
                lives.cancel_erasure(platform, viewer)
            else:
                lives.lead(viewer, mutation)

        self._do_as(who, mutation, {}, act, dry=dry)

    @rule()
    def erase(self) -> None:
        self._advance(lives.ERASURE_DELAY)
        self.service.erase_due()
        lives.erase_due(self.platform)

    @rule(whom=WHO, dry=DRY)
    def confirm(self, whom: int, dry: bool) -> None:
        place = self._place(whom)
        self._do(
            *(None, "confirmUser", {"userId": self._id(place)}),
            lambda platform: lives.lead(platform.people[place], "confirmUser", "userId"),
            dry=dry,
        )

    @rule(whom=WHO, duration=st.none() | WHILES, dry=DRY)
    def suspend(self, whom: int, duration: str | None, dry: bool) -> None:
        place = self._place(whom)
        until = self.platform.now + DURATIONS[duration] if duration else None
        reason = f"{duration}."
        told = {"until": until and until.isoformat(), "reason": reason}
        self._do(
            *(STAFF, "suspendUser", {"userId": self._id(place), **told}),
            lambda platform: lives.suspend(platform.people[place], until, reason),
            dry=dry,
        )

    @rule(whom=WHO, dry=DRY)
    def lift(self, whom: int, dry: bool) -> None:
        place = self._place(whom)
        self._do(
            *(STAFF, "liftSuspension", {"userId": self._id(place)}),
            lambda platform: lives.lead(platform.people[place], "liftSuspension", "userId"),
            dry=dry,
        )

    @rule(keep=WHOM, merged=WHOM, dry=DRY)
    def merge(self, keep: int, merged: int, dry: bool) -> None:
        one, other = self._place(keep), self._place(merged)
        self._do(
            *(STAFF, "mergeUsers", {"keepId": self._id(one), "mergeId": self._id(other)}),
            lambda platform: lives.merge(platform, _at(platform, one), _at(platform, other)),
            dry=dry,
        )

    @rule(who=WHO, whom=WHOM, dry=DRY)
    def follow(self, who: int, whom: int, dry: bool) -> None:
        self._tie(who, whom, "follow", ties.follow, dry)

    @rule(who=WHO, whom=WHOM, dry=DRY)
    def unfollow(self, who: int, whom: int, dry: bool) -> None:
        self._tie(who, whom, "unfollow", ties.unfollow, dry)

    @rule(who=WHO, whom=WHOM, dry=DRY)
    def block(self, who: int, whom: int, dry: bool) -> None:
        self._tie(who, whom, "block", ties.block, dry)

    @rule(who=WHO, whom=WHOM)
    def unblock(self, who: int, whom: int) -> None:
        # Without a dry run, which tells nothing of somebody who blocks the viewer.
        self._tie(who, whom, "unblock", ties.unblock, False)

    @rule(who=WHO, address=ADDRESS, dry=DRY)
    def add_contact(self, who: int, address: int, dry: bool) -> None:
        kind, value = self.addresses[address]
        payload = self._do_as(
            *(who, "addContact", {"kind": kind, "value": value}),
            lambda platform, viewer: addresses.add(platform, viewer, kind, value),
            made="contact { id }",
            dry=dry,
        )
        if payload["contact"]:
            self._person(who).contacts[-1].id = payload["contact"]["id"]
            self._read_letter(who, value)

    @rule(who=WHO, contact=CONTACT, address=st.integers(0, 2), dry=DRY)
    def change_contact(self, who: int, contact: int, address: int, dry: bool) -> None:
        contact_id, value = self._contact(who, contact), self.addresses[address][1]
        if self._is_phone(who, contact_id):
            return
        payload = self._do_as(
            *(who, "changeContact", {"contactId": contact_id, "value": value}),
            lambda platform, viewer: addresses.change(platform, viewer, contact_id, value),
            made="contact { id }",
            dry=dry,
        )
        if payload["contact"]:
            self._read_letter(who, value)

    @rule(who=WHO, contact=CONTACT, dry=DRY)
    def resend(self, who: int, contact: int, dry: bool) -> None:
        contact_id = self._contact(who, contact)
        payload = self._do_as(
            *(who, "resendContactCode", {"contactId": contact_id}),
            lambda platform, viewer: addresses.resend(platform, viewer, contact_id),
            made="contact { id pending value }",
            dry=dry,
        )
        if sent := payload["contact"]:
            self._read_letter(who, sent["pending"] or sent["value"])

    @rule(who=WHO, contact=CONTACT, guess=st.booleans())
    def verify(self, who: int, contact: int, guess: bool) -> None:
        contact_id = self._contact(who, contact)
        known = [one for one in self._person(who).contacts if one.id == contact_id and one.waiting]
        letters = self._person(who).letters.get(known[0].waiting or "") if known else None
        code = _guess(letters) if guess or not letters else letters.code or _guess(letters)
        self._do_as(
            *(who, "verifyContact", {"contactId": contact_id, "code": code}),
            lambda platform, viewer: addresses.verify(platform, viewer, contact_id, code),
        )

    @rule(who=WHO, contact=CONTACT, dry=DRY)
    def remove_contact(self, who: int, contact: int, dry: bool) -> None:
        contact_id = self._contact(who, contact)
        self._do_as(
            *(who, "removeContact", {"contactId": contact_id}),
            lambda _, viewer: addresses.remove(viewer, contact_id),
            dry=dry,
        )

    @rule(who=WHO, contact=CONTACT, dry=DRY)
    def make_contact_primary(self, who: int, contact: int, dry: bool) -> None:
        contact_id = self._contact(who, contact)
        self._do_as(
            *(who, "makeContactPrimary", {"contactId": contact_id}),
            lambda _, viewer: addresses.make_primary(viewer, contact_id),
            dry=dry,
        )

    @rule(
        whom=WHO,
        sequence=st.integers(1, 6),
        kind=st.sampled_from(KINDS),
        tier=st.sampled_from(homes.TIERS[1:]),
        duration=WHILES,
        to_end=st.booleans(),
        dry=DRY,
    )
    def bill(
        self,
        whom: int,
        sequence: int,
        kind: str,
        tier: str,
        duration: str,
        dry: bool,
        to_end: bool = False,
    ) -> None:
        """Of somebody's own subscription, to them or to whom they were merged into in the end."""
        place = self._place(whom)
        subscription, person = self._id(place), self.platform.people[place]
        while to_end and person.merged_into is not None:
            person = person.merged_into
        billed = self.platform.people.index(person)
        end = self.platform.now + DURATIONS[duration]
        new = Event(sequence, kind, tier, end, end + timedelta(days=2), end)
        event = self.events.setdefault((place, sequence), new)
        self._do(
            *(None, "recordBillingEvent", _as_input(person.id, subscription, event)),
            lambda platform: homes.bill(platform.people[billed], subscription, event),
            dry=dry,
        )

    @rule(who=WHO, dry=DRY)
    def invite(self, who: int, dry: bool) -> None:
        payload = self._do_as(
            *(who, "inviteToHousehold", {}),
            homes.invite,
            made="token invitation { id }",
            dry=dry,
        )
        if payload["token"]:
            home, end = self._person(who).household, self.platform.now + homes.INVITATION_LASTS
            assert home is not None
            home.invitations[payload["token"]] = payload["invitation"]["id"], end
            self.tokens.append((payload["token"], self._place(who)))

    @rule(who=WHO, which=st.integers(0, 3), dry=DRY)
    def accept(self, who: int, which: int, dry: bool) -> None:
        newest = self.tokens[-1 - which : len(self.tokens) - which]
        token, place = newest[0] if newest else (f"{new_id()}.{new_id()}.{new_id()}", MOST_PEOPLE)
        self._do_as(
            *(who, "acceptHouseholdInvitation", {"token": token}),
            lambda platform, viewer: homes.accept(platform, viewer, token, _at(platform, place)),
            dry=dry,
        )

    @rule(who=WHO, dry=DRY)
    def leave(self, who: int, dry: bool) -> None:
        self._do_as(who, "leaveHousehold", {}, lambda _, viewer: homes.leave(viewer), dry=dry)

    @rule(who=WHO, whom=WHOM, dry=DRY)
    def remove_member(self, who: int, whom: int, dry: bool) -> None:
        place = self._place(whom)
        self._do_as(
            *(who, "removeFromHousehold", {"userId": self._id(place)}),
            lambda platform, viewer: homes.remove(viewer, _at(platform, place)),
            dry=dry,
        )

    def _tie(
        self,
        who: int,
        whom: int,
        mutation: str,
        act: Callable[[Platform, Person, Person | None], None],
        dry: bool,
    ) -> None:
        place = self._place(whom)
        self._do_as(
            *(who, mutation, {"userId": self._id(place)}),
            lambda platform, viewer: act(platform, viewer, _at(platform, place)),
            dry=dry,
        )

    def _do_as(
        self,
        who: int,
        mutation: str,
        input: dict[str, Any],
        act: Callable[[Platform, Person], None],
        **how: Any,
    ) -> Any:
        place = self._place(who)
        viewer_id = self.platform.people[place].id

        def act_as(platform: Platform) -> None:
            act(platform, platform.people[place])

        return self._do(viewer_id, mutation, input, act_as, **how)

    def _do(
        self,
        viewer_id: str | None,
        mutation: str,
        input: dict[str, Any],
        act: Act,
        *,
        made: str = "",
        dry: bool = False,
    ) -> Any:
        """Carries it out on both sides, at first perhaps as a dry run; gives the payload."""
        self._advance(timedelta(seconds=1))
        token = self.service.token(viewer_id)
        if dry:
            rehearsed = self.service.mutate(
                token, mutation, "", {**input, "control": {"dryRun": True}}
            )
            assert _told(rehearsed) == _attempt(act, deepcopy(self.platform)), "in a dry run"
        input = {**input, "control": {"idempotencyKey": new_id()}}
        payload = self.service.mutate(token, mutation, made, input)
        errors = _attempt(act, self.platform)
        assert _told(payload) == errors, mutation
        self.last = token, mutation, input, errors
        return payload

    def _advance(self, duration: timedelta) -> None:
        self.platform.pass_time(duration)
        self.service.clock.moment = self.platform.now

    def _place(self, who: int) -> int:
        """Where the person is among those there are; nobody is nobody."""
        return who if who == MOST_PEOPLE else who % len(self.platform.people)

    def _person(self, who: int) -> Person:
        return self.platform.people[self._place(who)]

    def _id(self, place: int) -> str:
        person = _at(self.platform, place)
        return person.id if person else new_id()

    def _contact(self, who: int, contact: int) -> str:
        contacts = self._person(who).contacts
        return contacts[contact].id if contact < len(contacts) else new_id()

    def _is_phone(self, who: int, contact_id: str) -> bool:
        return any(
            one.kind == "PHONE" and one.id == contact_id for one in self._person(who).contacts
        )

    def _read_letter(self, who: int, value: str) -> None:
        code = self.service.code_for(value)
        is_taken = addresses.owner_of(self.platform, value) not in (None, self._person(who))
        assert (code is None) == is_taken
        self._person(who).letters[value].code = code


def _at(platform: Platform, place: int) -> Person | None:
    return platform.people[place] if place < len(platform.people) else None


def _attempt(act: Act, platform: Platform) -> list[Any]:
    try:
        act(platform)
    except Refused as refused:
        return [refused.told]
    return []


def _told(payload: Any) -> list[Any]:
    details = ("rule", "reason", "retryAfterSeconds", "availableAt")
    return [
        (
            error["code"],
            error["path"],
            next((error[name] for name in details if name in error), None),
        )
        for error in payload["errors"]
    ]


def _guess(letters: Letters | None) -> str:
    """Another code than was sent, or one where none was."""
    return f"{(int(letters.code) + 1) % 10**6:06}" if letters and letters.code else "x"


def _as_input(user_id: str, subscription: str, event: Event) -> dict[str, Any]:
    ends = {
        "TRIAL_STARTED": {"trialEndsAt": event.trial_ends_at},
        "ENDED": {},
        "PAYMENT_FAILED": {"graceEndsAt": event.grace_ends_at},
        "CANCELLED": {"periodEnd": event.period_end},
    }.get(event.kind, {"periodEnd": event.period_end, "graceEndsAt": event.grace_ends_at})
    return {
        "eventId": f"{event.sequence}",
        "subscriptionId": subscription,
        "userId": user_id,
        "sequence": event.sequence,
        "kind": event.kind,
        "tier": event.tier,
        "startedAt": "2026-01-01T00:00:00Z",
        **{name: end.isoformat() for name, end in ends.items() if end is not None},
    }
