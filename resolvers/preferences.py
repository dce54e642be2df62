"""Preferences: what client teams keep of the viewer, each team in its own namespace.

Source: JSON Merge Patch, RFC 7396.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from resolvers import rules
from resolvers.errors import (
    ConflictRefusal,
    DenialReason,
    NotAllowedRefusal,
    Refusal,
    Refusals,
    TooSoonRefusal,
    ValidationRefusal,
)
from resolvers.mutations import (
    CHANGE_ATTEMPTS,
    PAUSE_SECONDS,
    Control,
    FieldChange,
    Forecast,
    Operation,
    Outcome,
    active_user,
    carry_out,
)
from resolvers.namespaces import Namespace, Values
from resolvers.request import Request
from store.records import StoredPreferences

MAX_BYTES = 4096
"""The most that a namespace holds of a user, as JSON."""
MAX_DEPTH = 8
MAX_MEMBERS = 1000
LARGEST_NUMBER = 2**53 - 1
"""Beyond it, clients in JavaScript would read another one."""
NOT_JSON = "not JSON"
ROLLOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a user has in a namespace, with defaults; `rev` is 0 while nothing was set."""

    namespace: str
    schema_version: int
    values: Values
    rev: int


async def preferences_of(
    request: Request, user_id: str, names: Sequence[str] | None = None
) -> list[Preferences]:
    """What the user has in the namespaces of these names, or in all; one command.

    Raises: ValidationRefusal for a name that is not registered.
    """
    known = request.policy.namespaces
    rules.at_most(names or (), rules.IDS, "namespaces")
    wanted = (
        list(known.values())
        if names is None
        else [_known(request, name, "namespaces", str(at)) for at, name in enumerate(names)]
    )
    keys = [(user_id, namespace.name) for namespace in wanted]
    found = await request.loaders.preferences_by_key.load_many(keys)
    return [_seen(namespace, stored) for namespace, stored in zip(wanted, found, strict=True)]


async def set_preferences(
    request: Request, name: str, patch: Any, if_rev: int | None, control: Control
) -> Outcome:
    """Merges the patch into what the viewer has in the namespace."""
    viewer_id = request.require_user("Mutation.setPreferences")

    async def act(operation: Operation) -> Outcome:
        if control.if_rev is not None:
            expected = "no revision of the user, but `ifRev` of the namespace"
            raise rules.refuse(("control", "ifRev"), "ABSENT", expected)
        user = await active_user(request, viewer_id)
        namespace = _known(request, name, "namespace")
        _check_client(request, namespace)
        _check_patch(patch)
        outcome = await _change(request, operation, viewer_id, namespace, patch, if_rev)
        return replace(outcome, user=user)

    arguments = {"namespace": name, "patch": _text_of(patch), "ifRev": if_rev}
    return await carry_out(request, "setPreferences", control, arguments, act)


async def _change(
    request: Request,
    operation: Operation,
    user_id: str,
    namespace: Namespace,
    patch: Values,
    if_rev: int | None,
) -> Outcome:
    """Changes them in one guarded write, deciding anew when others were faster."""
    for attempt in range(CHANGE_ATTEMPTS):
        if attempt:
            await asyncio.sleep(random.random() * attempt * PAUSE_SECONDS)
        outcome = await _try_to_change(request, operation, user_id, namespace, patch, if_rev)
        if outcome is not None:
            return outcome
    raise TooSoonRefusal(
        message="Too many others changed these preferences at the same time; try again.",
        retry_after_seconds=1,
    )


async def _try_to_change(
    request: Request,
    operation: Operation,
    user_id: str,
    namespace: Namespace,
    patch: Values,
    if_rev: int | None,
) -> Outcome | None:
    """What came of one try; nothing when somebody else wrote them meanwhile."""
    done = Outcome(user_id, made=namespace.name)
    [stored] = await request.store.preferences.by_keys([(user_id, namespace.name)])
    if stored is not None and operation.id in stored.operations:
        # Done by an earlier attempt that crashed after writing.
        return done
    rev = stored.rev if stored else 0
    _check_revision(rev, if_rev)
    known = _current(namespace, stored)
    values = _merged(known, patch)
    _check_values(namespace, values)
    if operation.control.dry_run:
        return replace(done, forecast=_forecast(namespace, known, values, rev))
    if _text_of(values) == _text_of(known):
        return done
    is_first = await request.store.preferences.write(
        (user_id, namespace.name),
        values,
        schema_version=namespace.schema_version,
        rev=rev,
        operation=operation.id,
        at=operation.now,
    )
    return done if is_first else None


def _known(request: Request, name: str, *path: str) -> Namespace:
    namespace = request.policy.namespaces.get(name)
    if namespace is None:
        raise rules.refuse(path, "NAMESPACE", "the name of a namespace that is registered")
    return namespace


def _seen(namespace: Namespace, stored: StoredPreferences | None) -> Preferences:
    if stored is None:
        return Preferences(namespace.name, namespace.schema_version, namespace.filled({}), 0)
    version = max(stored.schema_version, namespace.schema_version)
    values = namespace.filled(namespace.upcast(stored.values, stored.schema_version))
    return Preferences(namespace.name, version, values, stored.rev)


def _check_client(request: Request, namespace: Namespace) -> None:
    assert request.viewer is not None
    if request.viewer.client_id not in namespace.clients:
        raise NotAllowedRefusal(
            message="The namespace belongs to other clients.",
            path=("namespace",),
            reason=DenialReason.CLIENT,
        )


def _check_patch(patch: Any) -> None:
    """Insists on an object of reasonable size and depth, before anything looks into it."""
    if not isinstance(patch, dict):
        raise rules.refuse(("patch",), "OBJECT", "an object (JSON Merge Patch)")
    members = 0
    level: list[Any] = [patch]
    for _ in range(MAX_DEPTH):
        level = [below for value in level for below in _below(value)]
        members += len(level)
        if members > MAX_MEMBERS:
            raise rules.refuse(("patch",), "MAX_ITEMS", f"at most {MAX_MEMBERS} members and items")
        if any(not _is_storable(value) for value in level):
            expected = f"numbers from -{LARGEST_NUMBER} to {LARGEST_NUMBER}"
            raise rules.refuse(("patch",), "NUMBER_RANGE", expected)
    if level:
        raise rules.refuse(("patch",), "MAX_DEPTH", f"at most {MAX_DEPTH} levels")


def _below(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _is_storable(value: Any) -> bool:
    return not isinstance(value, int | float) or abs(value) <= LARGEST_NUMBER


def _text_of(value: Any) -> str:
    """The value as JSON with sorted keys; a word for one that is too deep, or holds odd numbers."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        return NOT_JSON


def _check_revision(rev: int, if_rev: int | None) -> None:
    if if_rev is not None and if_rev != rev:
        raise ConflictRefusal(
            message=f"Expected revision {if_rev}, but the namespace is at {rev}.",
            path=("ifRev",),
            current_rev=rev,
        )


def _current(namespace: Namespace, stored: StoredPreferences | None) -> Values:
    """What was set, by the schema of now. Raises: TooSoonRefusal when that is older."""
    if stored is None:
        return {}
    if stored.schema_version > namespace.schema_version:
        raise TooSoonRefusal(
            message="A newer version of these preferences is being rolled out; try again.",
            path=("namespace",),
            retry_after_seconds=ROLLOUT_SECONDS,
        )
    return namespace.upcast(stored.values, stored.schema_version)


def _merged(target: Any, patch: Any) -> Any:
    """What a merge patch makes of a value (RFC 7396, section 2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def _check_values(namespace: Namespace, values: Values) -> None:
    """Insists on the schema of the namespace. Raises: Refusals, one for each value that fails."""
    if len(_text_of(values).encode()) > MAX_BYTES:
        raise rules.refuse(("patch",), "MAX_SIZE", f"at most {MAX_BYTES} bytes in the namespace")
    refusals: list[Refusal] = [
        ValidationRefusal(message=f"Expected {expected}.", path=("patch", *path), rule=rule)
        for path, rule, expected in namespace.problems(values)
    ]
    if refusals:
        raise Refusals(refusals)


def _forecast(namespace: Namespace, known: Values, values: Values, rev: int) -> Forecast:
    """What of the namespace changes, as its readers see it."""
    if _text_of(values) == _text_of(known):
        return Forecast()
    before, after = namespace.filled(known), namespace.filled(values)
    changes = [
        FieldChange(_place(namespace, name), before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if _text_of(before.get(name)) != _text_of(after.get(name))
    ]
    return Forecast((*changes, FieldChange(_place(namespace, "rev"), rev, rev + 1)))


def _place(namespace: Namespace, name: str) -> str:
    return f"preferences.{namespace.name}.{name}"
