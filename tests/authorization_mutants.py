"""Seeded bugs in authorization and audit: the tests of both must find each of them.

python -m tests.authorization_mutants --jobs 2
python -m tests.authorization_mutants "staff"
"""

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from store.engine import start_engine

ROOT = Path(__file__).parents[1]
CHANGED = ("resolvers", "schema", "server")
TESTS = ("tests/test_authorization.py", "tests/test_audit.py")
SECONDS = 300


class Mutant(NamedTuple):
    """One change of the source, and what it breaks."""

    breaks: str
    file: str
    before: str
    after: str


class Stale(Exception):
    """The text that a mutant changes is not in the source, or not only once."""


MUTANTS = [
    Mutant(
        "a field without a rule is seen",
        "resolvers/authorization.py",
        "        if rule is None or kind not in rule.kinds:\n            return False\n",
        "        if rule is None:\n            return True\n"
        "        if kind not in rule.kinds:\n            return False\n",
    ),
    Mutant(
        "the kind of viewer is not asked",
        "resolvers/authorization.py",
        "        if rule is None or kind not in rule.kinds:",
        "        if rule is None:",
    ),
    Mutant(
        "scopes are not asked",
        "resolvers/authorization.py",
        "        return kind not in rule.scopes or rule.scopes[kind] in scopes\n",
        "        return True\n",
    ),
    Mutant(
        "a scope is enough, whoever has it",
        "resolvers/authorization.py",
        "        if rule is None or kind not in rule.kinds:",
        "        if rule is None or (kind not in rule.kinds"
        " and not scopes & {*rule.scopes.values()}):",
    ),
    Mutant(
        "a service with the staff scope is staff",
        "resolvers/authorization.py",
        "    if viewer.is_service:\n        return ViewerKind.SERVICE\n"
        "    return ViewerKind.STAFF if viewer.is_staff",
        "    if viewer.is_service and 'users:staff' not in viewer.scopes:\n"
        "        return ViewerKind.SERVICE\n"
        "    return ViewerKind.STAFF if 'users:staff' in viewer.scopes",
    ),
    Mutant(
        "staff are strangers",
        "resolvers/authorization.py",
        "    return ViewerKind.STAFF if viewer.is_staff else ViewerKind.STRANGER\n",
        "    return ViewerKind.STRANGER\n",
    ),
    Mutant(
        "everybody is staff",
        "resolvers/authorization.py",
        "    return ViewerKind.STAFF if viewer.is_staff else ViewerKind.STRANGER\n",
        "    return ViewerKind.STAFF\n",
    ),
    Mutant(
        "followers are never told apart",
        "resolvers/authorization.py",
        "            self.allows(field, ViewerKind.FOLLOWER, scopes)\n",
        "            self.allows(field, ViewerKind.STRANGER, scopes)\n",
    ),
    Mutant(
        "followers are always told apart",
        "resolvers/authorization.py",
        "            is not self.allows(field, ViewerKind.STRANGER, scopes)\n",
        "            is not self.allows(field, ViewerKind.BLOCKED, scopes)\n",
    ),
    Mutant(
        "strangers see the country",
        "resolvers/authorization.py",
        "            OWNER | SERVICES, {ViewerKind.SERVICE",
        "            PEOPLE | SERVICES, {ViewerKind.SERVICE",
    ),
    Mutant(
        "services see the country without the scope",
        "resolvers/authorization.py",
        '            OWNER | SERVICES, {ViewerKind.SERVICE: "users:country:read"}, personal=True\n',
        "            OWNER | SERVICES, personal=True\n",
    ),
    Mutant(
        "the country is not personal",
        "resolvers/authorization.py",
        '{ViewerKind.SERVICE: "users:country:read"}, personal=True',
        '{ViewerKind.SERVICE: "users:country:read"}, personal=False',
    ),
    Mutant(
        "the language is not personal",
        "resolvers/authorization.py",
        '"UserPrivate.locale": Rule(OWNER, personal=True)',
        '"UserPrivate.locale": Rule(OWNER)',
    ),
    Mutant(
        "people may register users",
        "resolvers/authorization.py",
        '"Mutation.registerUser": _for_services("users:register")',
        '"Mutation.registerUser": _for_persons("users:register")',
    ),
    Mutant(
        "to block takes the scope to follow",
        "resolvers/authorization.py",
        '"Mutation.block": _for_persons("me:blocks:write")',
        '"Mutation.block": _for_persons("me:follows:write")',
    ),
    Mutant(
        "the private part is shown to whoever asks",
        "resolvers/authorization.py",
        '"User.private": Rule(OWNER)',
        '"User.private": Rule(EVERYBODY)',
    ),
    Mutant(
        "the blocked see the user",
        "resolvers/visibility.py",
        "            None if user is None or user.id in hidden else",
        "            None if user is None else",
    ),
    Mutant(
        "who blocks is hidden, not who is blocked",
        "resolvers/visibility.py",
        "[(other, viewer_id) for other in others]",
        "[(viewer_id, other) for other in others if True]",
    ),
    Mutant(
        "followers are those who follow the viewer",
        "resolvers/visibility.py",
        "[(viewer_id, other) for other in others]",
        "[(other, viewer_id) for other in others if True]",
    ),
    Mutant(
        "all are seen as the viewer sees themselves",
        "resolvers/visibility.py",
        "user.seen_as(views.get(user.id, rest))",
        "user.seen_as(views.get(user.id, views[self._person]))",
    ),
    Mutant(
        "the viewer sees themselves as a stranger does",
        "resolvers/visibility.py",
        "        views = {self._person: self._views(ViewerKind.SELF)}\n",
        "        views = {self._person: self._views(self._kind)}\n",
    ),
    Mutant(
        "followers are seen as strangers",
        "resolvers/visibility.py",
        "            followers = self._views(ViewerKind.FOLLOWER)\n",
        "            followers = self._views(ViewerKind.STRANGER)\n",
    ),
    Mutant(
        "staff can be blocked",
        "resolvers/visibility.py",
        "        if self._kind is ViewerKind.STAFF:\n            return\n",
        "",
    ),
    Mutant(
        "people are seen as anonymous",
        "resolvers/visibility.py",
        "        return None if is_person else self._views(self._kind)\n",
        "        return self._views(ViewerKind.ANONYMOUS if is_person else self._kind)\n",
    ),
    Mutant(
        "nobody is asked about where a handle leads nowhere",
        "resolvers/visibility.py",
        "            if self._views_of_all is None and not any(users):\n",
        "            if False:\n",
    ),
    Mutant(
        "nobody is asked about where nobody is found",
        "resolvers/visibility.py",
        "        others = self._others(found or [NOBODY])\n",
        "        others = self._others(found)\n",
    ),
    Mutant(
        "blocks are asked about only for those who exist",
        "resolvers/visibility.py",
        "        if views is None:\n            return BatchLoader(batch_for_person)\n",
        "",
    ),
    Mutant(
        "views do not go by scopes",
        "resolvers/visibility.py",
        "        scopes = self._viewer.scopes & matter if self._viewer else NO_SCOPES\n",
        "        scopes = matter\n",
    ),
    Mutant(
        "the erased are seen",
        "resolvers/visibility.py",
        "    if status is Status.ERASED or (",
        "    if (",
    ),
    Mutant(
        "accounts that are not active are seen",
        "resolvers/visibility.py",
        "    if status is Status.ERASED or (status is not Status.ACTIVE and kind not in TRUSTED):",
        "    if status is Status.ERASED:",
    ),
    Mutant(
        "services are not trusted with accounts that are not active",
        "resolvers/visibility.py",
        "TRUSTED = OWNER | {ViewerKind.SERVICE}",
        "TRUSTED = OWNER",
    ),
    Mutant(
        "a hidden field is shown",
        "resolvers/visibility.py",
        "        if field not in visible:\n            attributes[name] = None\n        elif",
        "        if",
    ),
    Mutant(
        "the private part is shown as a whole",
        "resolvers/visibility.py",
        '    view.private_view = _restricted(private, "UserPrivate", visible, needs, noted)\n',
        "    view.private_view = private\n",
    ),
    Mutant(
        "all tables are the same",
        "resolvers/visibility.py",
        "        views, are_audited = _views_of(self._authorization, kind,",
        "        views, are_audited = _views_of(AUTHORIZATION, kind,",
    ),
    Mutant(
        "the owner's own reads are audited",
        "resolvers/visibility.py",
        "    is_audited = kind is not ViewerKind.SELF and any(\n",
        "    is_audited = any(\n",
    ),
    Mutant(
        "staff are not audited",
        "resolvers/visibility.py",
        "    is_audited = kind is not ViewerKind.SELF and any(\n",
        "    is_audited = kind is ViewerKind.SERVICE and any(\n",
    ),
    Mutant(
        "services are not audited",
        "resolvers/visibility.py",
        "    is_audited = kind is not ViewerKind.SELF and any(\n",
        "    is_audited = kind is ViewerKind.STAFF and any(\n",
    ),
    Mutant(
        "the private part leaves no trail",
        "resolvers/visibility.py",
        '    read |= {_field_of("UserPrivate", part) for part in needs or ()}\n',
        "",
    ),
    Mutant(
        "where whole users are read there is no trail",
        "resolvers/visibility.py",
        "    personal = authorization.personal if needs is None else authorization.personal &",
        "    personal = authorization.personal &",
    ),
    Mutant(
        "what is read is not noted",
        "resolvers/visibility.py",
        '        seen._trail.note(field, seen._document["_id"])\n',
        "",
    ),
    Mutant(
        "all users are one on the trail",
        "resolvers/visibility.py",
        'seen._trail.note(field, seen._document["_id"])',
        "seen._trail.note(field, field)",
    ),
    Mutant(
        "reads without a purpose go through",
        "resolvers/audit.py",
        "        if self._lacks_purpose:\n",
        "        if False:\n",
    ),
    Mutant(
        "a refusal for the purpose is not remembered",
        "resolvers/audit.py",
        "            self.was_refused = True\n",
        "",
    ),
    Mutant(
        "what was written down is written down again",
        "resolvers/audit.py",
        "        self._reads = None\n        fields",
        "        fields",
    ),
    Mutant(
        "users are counted once for each field",
        "resolvers/audit.py",
        "len(set().union(*reads.values()))",
        "sum(map(len, reads.values()))",
    ),
    Mutant(
        "a mutation takes no scope",
        "resolvers/request.py",
        "        if not self.authorization.allows(field, kind, self.viewer.scopes):\n",
        "        if False:\n",
    ),
    Mutant(
        "a mutation may be asked by anybody with the scope",
        "resolvers/request.py",
        "        if kind not in rule.kinds:\n",
        "        if False:\n",
    ),
    Mutant(
        "the purpose is not asked for",
        "resolvers/request.py",
        "        lacks_purpose = self.policy.purpose_required and self.purpose is None\n",
        "        lacks_purpose = False\n",
    ),
    Mutant(
        "the purpose is asked for, though it was said",
        "resolvers/request.py",
        "        lacks_purpose = self.policy.purpose_required and self.purpose is None\n",
        "        lacks_purpose = self.policy.purpose_required\n",
    ),
    Mutant(
        "a stream forgets the purpose",
        "resolvers/request.py",
        "            purpose=self.purpose,\n            audit=",
        "            audit=",
    ),
    Mutant(
        "a stream forgets the audit",
        "resolvers/request.py",
        "            audit=self.audit,\n",
        "",
    ),
    Mutant(
        "following takes no scope",
        "resolvers/follows.py",
        '    viewer_id = request.require_user("Mutation.follow")\n',
        '    viewer_id = request.require_user("Mutation.block")\n',
    ),
    Mutant(
        "a user who is not there is told apart at once by a subscription",
        "resolvers/changes.py",
        "    if await _seen_anew(request, user_id, user) is None or user is None:\n",
        "    if user is None or await _seen_anew(request, user_id, user) is None:\n",
    ),
    Mutant(
        "a schema may have fields without a rule",
        "schema/authorization.py",
        "        if has_rule is (_type_of(field) in authorization.follow_their_parent):\n",
        "        if has_rule and (_type_of(field) in authorization.follow_their_parent):\n",
    ),
    Mutant(
        "a field may have two rules",
        "schema/authorization.py",
        "        if has_rule is (_type_of(field) in authorization.follow_their_parent):\n",
        "        if not has_rule and _type_of(field) not in authorization.follow_their_parent:\n",
    ),
    Mutant(
        "what is never null may be hidden",
        "schema/authorization.py",
        "    if is_non_null_type(definition.type) and (rule.scopes or not kinds <= rule.kinds):\n",
        "    if is_non_null_type(definition.type) and rule.scopes:\n",
    ),
    Mutant(
        "a rule may show something to the blocked",
        "schema/authorization.py",
        "    if ViewerKind.BLOCKED in rule.kinds:\n",
        "    if False:\n",
    ),
    Mutant(
        "schemas are built without a look at the table",
        "schema/roots.py",
        "    check_authorization(schema.graphql, AUTHORIZATION)\n",
        "",
    ),
    Mutant(
        "an event is not written down",
        "schema/federation.py",
        "                write_down()\n",
        "                pass\n",
    ),
    Mutant(
        "an event that cannot be written down is sent",
        "schema/federation.py",
        "                yield PreExecutionError(data=None, errors=[error])\n"
        "                return\n"
        "            yield result\n\n\nasync def _limited",
        "                yield result\n"
        "                return\n"
        "            yield result\n\n\nasync def _limited",
    ),
    Mutant(
        "an event names fields that are hidden",
        "schema/changes.py",
        "if change.user.sees(f\"User.{path.partition('.')[0]}\")",
        "if path",
    ),
    Mutant(
        "an answer is not written down",
        "server/operations.py",
        "        self._audit(context, found, text)\n",
        "",
    ),
    Mutant(
        "an answer that cannot be written down is sent",
        "server/operations.py",
        '            raise RequestError(503, "UNAVAILABLE", NOT_AUDITED) from None\n',
        "            return\n",
    ),
    Mutant(
        "a mutation without a purpose is refused as if it had not happened",
        "server/operations.py",
        "was_refused and found.operation.type is not CoreOperationType.MUTATION:\n",
        "was_refused:\n",
    ),
    Mutant(
        "a query without a purpose is answered in part",
        "server/operations.py",
        "        if context.trail.was_refused and ",
        "        if False and ",
    ),
    Mutant(
        "a purpose may be anything",
        "server/callers.py",
        "    if not isinstance(text, str) or not PURPOSE.fullmatch(text):\n",
        "    if not isinstance(text, str):\n",
    ),
    Mutant(
        "a purpose may hold anything behind its beginning",
        "server/callers.py",
        "not PURPOSE.fullmatch(text)",
        "not PURPOSE.match(text)",
    ),
    Mutant(
        "of several purposes one counts",
        "server/callers.py",
        'checked_purpose(", ".join(purposes))',
        "checked_purpose(purposes[0])",
    ),
    Mutant(
        "the audit file is for everybody",
        "server/audit.py",
        "os.open(path, flags, 0o600)",
        "os.open(path, flags, 0o644)",
    ),
    Mutant(
        "the audit file is begun anew",
        "server/audit.py",
        "os.O_WRONLY | os.O_APPEND |",
        "os.O_WRONLY | os.O_TRUNC |",
    ),
    Mutant(
        "a line that cannot be written is let go",
        "server/audit.py",
        "            raise AuditFault from error\n",
        "            return\n",
    ),
    Mutant(
        "the audit follows the level of the log",
        "server/audit.py",
        "        lines.setLevel(logging.INFO)  # whatever else is not worth a line\n",
        "",
    ),
]


def copied(mutant: Mutant | None, folder: Path) -> None:
    """Makes a copy of the repository with the mutant in it. Raises: Stale."""
    for path in ROOT.iterdir():
        if path.name in (*CHANGED, "tests"):
            ignored = shutil.ignore_patterns("node_modules", "__pycache__")
            shutil.copytree(path, folder / path.name, ignore=ignored)
        elif not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    if mutant is None:
        return
    file = folder / mutant.file
    source = file.read_text()
    if (times := source.count(mutant.before)) != 1:
        raise Stale(f"{mutant.breaks}: its text is {times} times in {mutant.file}")
    file.write_text(source.replace(mutant.before, mutant.after))


def killer(uri: str, mutant: Mutant | None) -> str | None:
    """The test that finds the mutant; None when none does. Raises: Stale.

    Without a mutant, the test that fails anyway.
    """
    with TemporaryDirectory() as folder:
        copied(mutant, Path(folder))
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-x",
                "-q",
                "--tb=no",
                "-p",
                "no:cacheprovider",
                *TESTS,
            ],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": folder,
                "PYTHONDONTWRITEBYTECODE": "1",
                "USERGRAPH_MONGODB_URI": uri,
                "USERGRAPH_MONGODB_DRIVER": "motor",
                "USERGRAPH_EXECUTION": "compiled",
            },
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    if run.returncode == 0:
        return None
    failed = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0] if failed else (run.stdout + run.stderr)[-300:]


def main() -> int:
    """The command line; 1 when a mutant is not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("breaks", nargs="*", help="only those with these words")
    arguments = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if not arguments.breaks or any(words in mutant.breaks for words in arguments.breaks)
    ]
    missed = 0
    with TemporaryDirectory() as data, ThreadPoolExecutor(arguments.jobs) as pool:
        engine = start_engine(Path(data), test_commands=True)
        for mutant, found in zip(
            [None, *chosen], pool.map(partial(killer, engine.uri), [None, *chosen]), strict=True
        ):
            if mutant is None and found is not None:
                raise SystemExit(f"Without a mutant there is a failure: {found}")
            if mutant is not None:
                missed += found is None
                print(f"{mutant.breaks}: {(found or 'NOT FOUND')[:140]}", flush=True)
        engine.stop()
    print(f"{len(chosen) - missed} of {len(chosen)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
