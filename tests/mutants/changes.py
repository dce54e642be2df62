"""Changes: mutants that are derived from the code, one for each node that an operator changes.

The operators: a comparison or its boundary, a condition, a number, a sign, operands that are
swapped, a wrong key, a branch, a statement or a refusal that is left out. What changes
nothing that code does stays: whether a dataclass is frozen or has slots, and that a zip is strict.
"""

import ast
import copy
from collections.abc import Container, Iterator

from tests.mutants.planting import ROOT, Mutant

FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OTHER_SIGN: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
OTHER_CALL = {"min": "max", "max": "min", "any": "all", "all": "any"}


def mutants_of(file: str, functions: Container[str] | None = None) -> Iterator[Mutant]:
    """Every mutant of a file, or of some of its functions."""
    source = (ROOT / file).read_text()
    tree = ast.parse(source)
    places = {id(node): place for place, node in enumerate(ast.walk(tree))}
    kept = {id(node) for node in _kept(tree)}
    for node in ast.walk(tree) if functions is None else _parts(tree, functions):
        if id(node) in kept:
            continue
        for number, change in enumerate(_changes(node)):
            breaks = f"{file}:{getattr(node, 'lineno', 0)}: {_short(node)} -> {_short(change)}"
            yield Mutant(breaks, file, source, _changed(tree, places[id(node)], number))


def _parts(tree: ast.AST, functions: Container[str]) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in functions:
            yield from ast.walk(node)


def _kept(tree: ast.AST) -> Iterator[ast.AST]:
    """What decorates classes, and `strict` of calls."""
    for node in ast.walk(tree):
        for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            yield from ast.walk(decorator)
        if isinstance(node, ast.keyword) and node.arg == "strict":
            yield node.value


def _changed(tree: ast.AST, place: int, number: int) -> str:
    """The source of a tree with the node at this place changed."""
    changed = copy.deepcopy(tree)
    target = list(ast.walk(changed))[place]
    new = list(_changes(target))[number]
    target.__class__, target.__dict__ = new.__class__, new.__dict__
    return ast.unparse(ast.fix_missing_locations(changed))


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.expr):
        yield from _other_values(node)
    elif isinstance(node, ast.If | ast.While):
        yield ast.If(ast.Constant(False), node.body, node.orelse)
    elif isinstance(node, ast.Raise | ast.AugAssign) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield ast.Pass()


def _other_values(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Compare):
        flipped = [FLIPPED[type(node.ops[0])](), *node.ops[1:]]
        yield ast.Compare(node.left, flipped, node.comparators)
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield node.orelse
    elif isinstance(node, ast.BinOp):
        yield from _other_sums(node)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield ast.Constant(value)
    else:
        yield from _other_names(node)


def _other_sums(node: ast.BinOp) -> Iterator[ast.expr]:
    if isinstance(node.op, ast.Sub | ast.Div):
        yield ast.BinOp(node.right, node.op, node.left)
    if type(node.op) in OTHER_SIGN:
        yield ast.BinOp(node.left, OTHER_SIGN[type(node.op)](), node.right)


def _other_names(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Subscript) and _is_text(node.slice):
        yield ast.Subscript(node.value, ast.Constant("nowhere"), node.ctx)
    elif isinstance(node, ast.Dict):
        for place, key in enumerate(node.keys):
            if key is not None and _is_text(key):
                keys = [*node.keys[:place], ast.Constant("nowhere"), *node.keys[place + 1 :]]
                yield ast.Dict(keys, node.values)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in OTHER_CALL:
            other = ast.Name(OTHER_CALL[node.func.id], ast.Load())
            yield ast.Call(other, node.args, node.keywords)
        elif isinstance(node.func, ast.Attribute) and node.args and _is_text(node.args[0]):
            yield ast.Call(node.func, [ast.Constant("nowhere"), *node.args[1:]], node.keywords)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())[:90]
