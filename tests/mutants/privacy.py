"""Seeded bugs in privacy, each by hand: what must not happen there."""

from tests.mutants.planting import Mutant

MUTANTS = [
    Mutant(
        "strangers see what is for followers",
        "resolvers/narrowing.py",
        "    ViewerKind.STRANGER: {Level.FOLLOWERS, Level.NOBODY},\n",
        "    ViewerKind.STRANGER: {Level.NOBODY},\n",
    ),
    Mutant(
        "who is signed out sees what is for followers",
        "resolvers/narrowing.py",
        "    ViewerKind.ANONYMOUS: {Level.FOLLOWERS, Level.NOBODY},\n",
        "    ViewerKind.ANONYMOUS: {Level.NOBODY},\n",
    ),
    Mutant(
        "followers see what is for nobody",
        "resolvers/narrowing.py",
        "    ViewerKind.FOLLOWER: {Level.NOBODY},\n",
        "    ViewerKind.FOLLOWER: set(),\n",
    ),
    Mutant(
        "services need no scope",
        "resolvers/narrowing.py",
        "(kind is ViewerKind.SERVICE and PROFILE_SCOPE in scopes)",
        "kind is ViewerKind.SERVICE",
    ),
    Mutant(
        "children have a handle for everybody",
        "resolvers/narrowing.py",
        'hidden | {"User.handle"} if band is AgeBand.UNDER_13 else hidden',
        "hidden",
    ),
    Mutant(
        "choices are as loose as somebody likes",
        "resolvers/ages.py",
        "    return stricter(Level(chosen.get(choice, gate.default)), gate.loosest)\n",
        "    return Level(chosen.get(choice, gate.default))\n",
    ),
    Mutant(
        "a band begins a moment late",
        "resolvers/ages.py",
        "age.adult is not None and now < age.adult",
        "age.adult is not None and now <= age.adult",
    ),
    Mutant(
        "everybody's day begins with that of UTC",
        "resolvers/ages.py",
        "tzinfo=_zone(zone)).astimezone(UTC)",
        "tzinfo=UTC)",
    ),
    Mutant(
        "who was born on 29 February has the birthday on the 28th",
        "resolvers/ages.py",
        "date(born.year + years, 3, 1)",
        "date(born.year + years, 2, 28)",
    ),
    Mutant(
        "who moves keeps the midnight of before",
        "resolvers/profiles.py",
        '    return {**values, "age_band": moved(',
        '    return values or {**values, "age_band": moved(',
    ),
    Mutant(
        "the owner sets the birth date again",
        "resolvers/privacy.py",
        "            if known is not None and not is_staff:\n",
        "            if known is not None and is_staff:\n",
    ),
    Mutant(
        "anybody sets anybody's birth date",
        "resolvers/privacy.py",
        "        elif owner_id != viewer_id:\n",
        "        elif False:\n",
    ),
    Mutant(
        "minors choose what their age does not permit",
        "resolvers/privacy.py",
        "        if level is not None and stricter(level, loosest) is not level:\n",
        "        if False:\n",
    ),
    Mutant(
        "what a minor chose is forgotten when it is the default",
        "resolvers/privacy.py",
        "level is default is Level.PUBLIC",
        "level is default",
    ),
    Mutant(
        "whom the viewer blocks is on lists",
        "resolvers/visibility.py",
        "        if is_list:\n            pairs += ",
        "        if False:\n            pairs += ",
    ),
    Mutant(
        "whom the viewer blocks is not there at all",
        "resolvers/visibility.py",
        "        if is_list:\n            pairs += ",
        "        if True:\n            pairs += ",
    ),
    Mutant(
        "ties to those who are hidden are read",
        "resolvers/visibility.py",
        "if user.id != viewer_id and user.id not in hidden and self._opens(user, now)",
        "if user.id != viewer_id and self._opens(user, now)",
    ),
    Mutant(
        "ties are read whatever is asked for",
        "resolvers/visibility.py",
        "not opened.isdisjoint(_relevant(self._needs))",
        "bool(opened)",
    ),
    Mutant(
        "hidden follows are on the lists of others",
        "resolvers/lists.py",
        "        if not is_own:\n",
        "        if False:\n",
    ),
    Mutant(
        "hidden follows are hidden from the owner of the list",
        "resolvers/lists.py",
        "        if not is_own:\n",
        "        if True:\n",
    ),
    Mutant(
        "hidden names are found",
        "resolvers/users.py",
        "return user if request.users.shows_strangers(user, field) else None",
        "return user",
    ),
    Mutant(
        "a dry run tells hidden counts",
        "resolvers/follows.py",
        " and seen is not None and seen.sees(_field_of(name))",
        "",
    ),
    Mutant(
        "a dry run tells who in a household blocks the viewer",
        "resolvers/seats.py",
        "return {user.id for user in users if user is not None}",
        "return set(ids)",
    ),
    Mutant(
        "who is invited is told who sits there",
        "resolvers/seats.py",
        "sitting & {viewer_id, before.id} if is_invited else sitting",
        "sitting",
    ),
    Mutant(
        "a dry run tells of a member who blocks the manager",
        "resolvers/households.py",
        'await request.users.by_id.load(outcome.user_id or "")',
        "True",
    ),
    Mutant(
        "managers learn the revision of strangers",
        "resolvers/households.py",
        "            edited = without_user(known, user_id, user, is_done)\n",
        "            check_revision(user, control) if user else None\n"
        "            edited = without_user(known, user_id, user, is_done)\n",
    ),
    Mutant(
        "strangers are told who is a minor",
        "resolvers/redactions.py",
        "    if kind is not ViewerKind.SERVICE:\n        # Not",
        "    if kind is ViewerKind.SELF:\n        # Not",
    ),
    Mutant(
        "services are told who is a minor",
        "resolvers/redactions.py",
        '    if by_age and authorization.allows("User.ageBand", kind, scopes):',
        "    if by_age:",
    ),
    Mutant(
        "the erased are told to be private",
        "resolvers/redactions.py",
        "    if status is Status.ERASED:\n",
        "    if False:\n",
    ),
]
