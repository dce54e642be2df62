"""Parser, acceptance and lifting against graphql-core, on random documents.

    python -m tests.execution.fuzz_documents --cases 20000 --seed 7

Every case writes a document for one of the schemas, and mutates it. A difference stops the run with
the case's number, from which it can be repeated: `--first NUMBER --cases 1`.
"""

import argparse
import random
from collections import Counter
from dataclasses import fields
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    SourceLocation,
    execute,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.schema import validate_document

from execution.acceptance import is_certainly_valid
from execution.lifting import lift, skeleton_of
from execution.parsing import parse_operation
from tests.execution.documents import (
    FLOATS,
    INTS,
    STRINGS,
    DocumentWriter,
    Tokens,
    mutated,
    render,
    scratched,
)
from tests.execution.resolving import input_value, resolve
from tests.execution.schemas import schemas

# Those of which operations are carried out: without resolvers, or with ones that need nothing.
CARRIED_OUT = ("zoo", "small", "things")


class Difference(AssertionError):
    """What was found, and the text that shows it."""


def variations(tokens: Tokens, rng: random.Random) -> list[str]:
    """Gives the document as text, then mutations of it."""
    text = render(tokens, rng)
    return [
        text,
        render(mutated(tokens, rng), rng),
        render(mutated(tokens, rng), rng),
        scratched(text, rng),
    ]


def check_parsing(text: str) -> bool:
    """Compares the parsers and tells whether they accepted. Raises: Difference."""
    theirs, ours = _outcome(parse, text), _outcome(parse_operation, text)
    if isinstance(theirs, GraphQLError) or isinstance(ours, GraphQLError):
        if str(theirs) != str(ours):
            raise Difference(f"{theirs!r} but {ours!r} for {text!r}")
        return False
    if theirs != ours or theirs.token_count != ours.token_count:
        raise Difference(f"another document for {text!r}")
    _compare(theirs, ours, text)
    return True


def _outcome(parser: Any, text: str) -> DocumentNode | GraphQLError:
    try:
        document: DocumentNode = parser(text)
    except GraphQLError as error:
        return error
    return document


def _compare(theirs: Any, ours: Any, text: str) -> None:
    """Compares classes, attributes, places and the tokens at their ends, all the way down."""
    if type(theirs) is not type(ours):
        raise Difference(f"{theirs!r} but {ours!r} in {text!r}")
    if isinstance(theirs, tuple):
        for one, other in zip(theirs, ours, strict=True):
            _compare(one, other, text)
    elif isinstance(theirs, Node):
        for field in fields(theirs):
            if field.name != "loc":
                _compare(getattr(theirs, field.name), getattr(ours, field.name), text)
        assert theirs.loc
        assert ours.loc
        _compare_places(theirs.loc, ours.loc, text)
    elif theirs != ours:
        raise Difference(f"{theirs!r} but {ours!r} in {text!r}")


def _compare_places(theirs: Any, ours: Any, text: str) -> None:
    same = (
        theirs == ours
        and theirs.source.body == ours.source.body
        and theirs.start_token == ours.start_token
        and theirs.end_token == ours.end_token
    )
    if not same:
        raise Difference(f"{theirs!r} but {ours!r} in {text!r}")


def check_acceptance(name: str, document: DocumentNode) -> str:
    """Compares with validation: "accepted", "missed" or "invalid". Raises: Difference."""
    accepted = is_certainly_valid(schemas()[name], document)
    errors = _errors_of(schemas()[name], document)
    if accepted and errors:
        raise Difference(f"{errors!r} in {document.loc and document.loc.source.body!r}")
    return "accepted" if accepted else "invalid" if errors else "missed"


def check_lifting(name: str, writer: DocumentWriter, tokens: Tokens, rng: random.Random) -> str:
    """Lifts an operation and carries out another one of its skeleton, lifted and as it is.

    Gives "lifted", or why there was nothing to compare. Raises: Difference.
    """
    schema, seed = schemas()[name], rng.random()
    texts = [render(each, random.Random(seed)) for each in (tokens, _other_literals(tokens, rng))]
    skeletons = [skeleton_of(text) for text in texts]
    if skeletons[0] is None or skeletons[1] is None:
        return "without literals"
    if skeletons[0].key != skeletons[1].key:
        raise Difference(f"another skeleton of {texts!r}")
    document = parse(texts[0])
    if _errors_of(schema, document):
        return "invalid"
    operation_name = rng.choice(_operation_names(document))
    lifted = lift(schema, texts[0], document, operation_name)
    if lifted is None:
        return "not lifted"
    text = rng.choice(texts)
    literals = skeletons[texts.index(text)]
    assert literals
    variables = lifted.variables(literals.literals)
    if variables is None:
        return "other literals"
    if errors := _errors_of(schema, parse(text)):
        raise Difference(f"{errors!r} in {text!r}, lifted from {texts[0]!r}")
    given = {
        name: input_value(type_, rng)
        for name, type_ in writer.variable_types.items()
        if rng.random() < 0.9
    }
    plain = _answer(schema, parse(text), given, operation_name)
    other = _answer(schema, lifted.document, {**given, **variables}, operation_name)
    relocated = [
        {**error.formatted, "locations": _formatted(lifted.relocated(error, text))}
        for error in other.errors or ()
    ]
    if plain.data != other.data or relocated != [
        {"locations": None, **error.formatted} for error in plain.errors or ()
    ]:
        raise Difference(f"{plain!r} but {other!r}, {relocated!r} for {text!r}")
    return "lifted"


def _formatted(locations: list[SourceLocation] | None) -> Any:
    return locations and [location.formatted for location in locations]


def _errors_of(schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
    try:
        return validate_document(schema, document, specified_rules)
    except (AttributeError, KeyError):
        # Strawberry's rule for oneOf inputs fails on some documents instead of judging them.
        return validate(schema, document, specified_rules)


def _operation_names(document: DocumentNode) -> list[str | None]:
    names: list[str | None] = [
        definition.name.value if definition.name else None
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    return names if len(names) > 1 else [None, *names]


def _answer(
    schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any], name: str | None
) -> ExecutionResult:
    result = execute(
        schema,
        document,
        variable_values=variables,
        operation_name=name,
        field_resolver=resolve,
        type_resolver=lambda value, *_: value["__typename"],
    )
    assert isinstance(result, ExecutionResult)
    return result


def _other_literals(tokens: Tokens, rng: random.Random) -> Tokens:
    """Replaces half of the strings and numbers, but those of directives and simple defaults."""
    others, in_directive = [], False
    for at, token in enumerate(tokens):
        before = "".join(tokens[max(at - 2, 0) : at])
        in_directive = (in_directive or before.startswith("@")) and before[-1:] != ")"
        kinds = [kind for kind in (STRINGS, INTS, FLOATS) if token in kind]
        if kinds and not in_directive and before[-1:] != "=" and rng.random() < 0.5:
            token = rng.choice((*kinds[0], *OUT_OF_RANGE[kinds[0]]))
        others.append(token)
    return others


OUT_OF_RANGE = {STRINGS: (), INTS: ("2147483648", "-99999999999", "9" * 400), FLOATS: ("1e999",)}


def check_case(number: int, seed: int) -> Counter[str]:
    """Carries out a case and counts what it met. Raises: Difference."""
    rng = random.Random(f"{seed}/{number}")
    name = rng.choice(list(schemas()))
    found: Counter[str] = Counter()
    writer = DocumentWriter(schemas()[name], rng, rng.choice((0.0, 0.0, 0.0, 0.03)))
    tokens = writer.document()
    for number, text in enumerate(variations(tokens, rng)):
        parsed = check_parsing(text)
        found["parsed" if parsed else "refused"] += 1
        document = parse_operation(text) if parsed else None
        if document and number == 0:
            found[f"written {check_acceptance(name, document)}"] += 1
        elif document and is_certainly_valid(schemas()[name], document):
            found[f"mutated {check_acceptance(name, document)}"] += 1
    if name in CARRIED_OUT and writer.wild == 0:
        found[f"lifting: {check_lifting(name, writer, tokens, rng)}"] += 1
    return found


def run(cases: int, seed: int, first: int = 0) -> Counter[str]:
    """Carries out the cases and counts what they met. Raises: Difference."""
    found: Counter[str] = Counter()
    for number in range(first, first + cases):
        try:
            found += check_case(number, seed)
        except Exception as error:
            raise Difference(f"case {number} of seed {seed}") from error
    return found


def main() -> None:
    """Runs as the arguments say and prints the counts."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=2000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--first", type=int, default=0)
    given = arguments.parse_args()
    found = run(given.cases, given.seed, given.first)
    for what, count in sorted(found.items()):
        print(f"{what:40} {count}")


if __name__ == "__main__":
    main()
