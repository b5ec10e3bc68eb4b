"""Mutants of the package: all, a sample, and the same ones in another checkout.

The operators are the usual ones of mutation testing. No mutant changes a message, a description or a docstring.
"""

import ast
import copy
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

PACKAGE = Path("workflow", "triptych")
MUTATED = ("training/**/*.py", "analysis/**/*.py", "data/**/*.py", "models/**/*.py", "configuration/**/*.py")

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip
WORD = re.compile(r"[A-Za-z_][\w.-]*")
"""A string that is a name; other strings are prose."""
MESSAGE = re.compile(r"print|hint|warn|.*Error")
"""Functions whose arguments are prose."""
UNTOUCHED_KEYWORDS = {"description", "help", "title", "strict"}
"""Prose, and the check of `zip`, which no input triggers."""
STRINGS_KEPT = 3
"""One in three string mutants is sampled: most strings are keys, and any test detects a changed key."""


@dataclass(frozen=True, order=True)
class Mutant:
    """A change of the code, identified by its context, independent of line numbers and formatting."""

    module: str
    """Relative to the package."""
    function: str
    """The qualified name of the enclosing function or class; empty at module level."""
    statement: str
    """The statement without nested statements, as `ast.unparse` writes it."""
    operator: str
    old: str
    new: str
    number: int
    """The number of the change among equal changes of equal statements in the function, from 0."""

    @property
    def key(self) -> str:
        return self.digest("")[:12]

    def digest(self, seed: object) -> str:
        return hashlib.sha256(repr((seed, astuple(self))).encode()).hexdigest()


@dataclass(frozen=True)
class Edit:
    """The bytes of the module that a mutant replaces, and the lines of its statement, from 1."""

    start: int
    end: int
    text: str
    lines: range
    at_import: bool
    """Whether the statement is executed when the module is imported."""

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]


def _with(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _is_text(node: ast.AST | None) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _untouched(node: ast.AST) -> bool:
    """Whether a node is excluded: a message, a docstring or the annotation of a parameter."""
    match node:
        case ast.Call():
            return bool(MESSAGE.fullmatch(getattr(node.func, "id", getattr(node.func, "attr", ""))))
        case ast.Expr():
            return _is_text(node.value) or _untouched(node.value)
        case ast.keyword():
            return node.arg in UNTOUCHED_KEYWORDS
    return isinstance(node, ast.JoinedStr | ast.arg | ast.Raise)


def _parts(statement: ast.stmt) -> tuple[list[ast.AST], list[ast.stmt]]:
    """Return the nodes of a statement in code order, and its nested statements."""
    own, nested = [statement], []
    returns = getattr(statement, "returns", None)
    waiting = [child for child in ast.iter_child_nodes(statement) if child is not returns]
    while waiting:
        node = waiting.pop(0)
        if _untouched(node):
            continue
        if isinstance(node, ast.stmt):
            nested.append(node)
        else:
            own.append(node)
            waiting[:0] = ast.iter_child_nodes(node)
    return own, nested


def _mutations(node: ast.AST) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """Yield each mutation of a node: the operator, the replaced node, and the replacement."""
    match node:
        case ast.Compare():
            for index, kind in enumerate(map(type, node.ops)):
                others = [*node.ops[:index], COMPARISONS[kind](), *node.ops[index + 1 :]]
                yield "comparison", node, _with(node, ops=others)
        case ast.BinOp() if type(node.op) in ARITHMETIC and not _is_text(node.left) and not _is_text(node.right):
            yield "arithmetic", node, _with(node, op=ARITHMETIC[type(node.op)]())
        case ast.BoolOp():
            yield "and/or", node, _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not()):
            yield "not removed", node, node.operand
        case ast.Constant(value=bool(value)):
            yield "constant", node, ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield "constant", node, ast.Constant(value + 1)
        case ast.Constant(value=str(value)) if WORD.fullmatch(value):
            yield "string", node, ast.Constant(value + "_")
        case ast.Slice():
            for bound in filter(None, (node.lower, node.upper)):
                if not isinstance(bound, ast.Constant):
                    yield "slice off by one", bound, ast.BinOp(bound, ast.Add(), ast.Constant(1))
        case ast.If() | ast.IfExp():
            yield "condition negated", node.test, ast.UnaryOp(ast.Not(), node.test)
        case ast.comprehension():
            for test in node.ifs:
                yield "condition negated", test, ast.UnaryOp(ast.Not(), test)
        case ast.Call():
            for keyword in node.keywords:
                if keyword.arg and not _untouched(keyword):
                    others = [other for other in node.keywords if other is not keyword]
                    yield "keyword dropped", node, _with(node, keywords=others)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "return None", value, ast.Constant(None)
        case ast.Expr(value=ast.Call()):
            yield "statement deleted", node, ast.Pass()
        case ast.AugAssign():
            yield "statement deleted", node, ast.Pass()
            if type(node.op) in ARITHMETIC and not _is_text(node.value):
                yield "arithmetic", node, _with(node, op=ARITHMETIC[type(node.op)]())


def mutants_of(module: str, source: bytes) -> dict[Mutant, Edit]:
    """Return all mutants of a module."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: dict[Mutant, Edit] = {}
    alike = Counter()

    def visit(statement: ast.stmt, function: str, at_import: bool) -> None:
        own, nested = _parts(statement)
        names = ("body", "orelse", "finalbody", "handlers", "cases")
        header = ast.unparse(_with(statement, **{name: [] for name in names if hasattr(statement, name)}))
        first = min(getattr(node, "lineno", statement.lineno) for node in own)  # a decorator comes before its function
        ends = [getattr(node, "end_lineno", first) for node in own if node is not statement or not nested]
        lines = range(first, max([first, *ends]) + 1)
        for operator, old, new in (mutation for node in own for mutation in _mutations(node)):
            about = (module, function, header, operator, ast.unparse(old), ast.unparse(new))
            text = about[-1] if isinstance(new, ast.stmt) else f"({about[-1]})"
            start, end = starts[old.lineno - 1] + old.col_offset, starts[old.end_lineno - 1] + old.end_col_offset
            found[Mutant(*about, alike[about])] = Edit(start, end, text, lines, at_import)
            alike[about] += 1
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            function = f"{function}.{statement.name}".lstrip(".")
            at_import = at_import and isinstance(statement, ast.ClassDef)
        for inner in nested:
            visit(inner, function, at_import)

    for statement in ast.parse(source).body:
        if not _untouched(statement):
            visit(statement, "", True)
    return found


def mutants_in(checkout: Path) -> dict[Mutant, Edit]:
    """Return all mutants of the mutated modules of a checkout."""
    package = checkout / PACKAGE
    paths = sorted(path for pattern in MUTATED for path in package.glob(pattern))
    modules = {path.relative_to(package).as_posix(): path.read_bytes() for path in paths}
    return {mutant: edit for name, source in modules.items() for mutant, edit in mutants_of(name, source).items()}


def locate(mutant: Mutant, there: dict[Mutant, Edit]) -> Mutant | None:
    """Return the same mutant in another checkout, even if its function was moved or renamed; None if there is none."""
    if mutant in there:
        return mutant

    def about(one: Mutant) -> tuple:
        return one.statement, one.operator, one.old, one.new, one.number

    alike = [other for other in there if about(other) == about(mutant)]
    name = mutant.function.rpartition(".")[2]
    moved = [other for other in alike if other.function.rpartition(".")[2] == name]
    renamed = [other for other in alike if other.module == mutant.module]
    return next((found[0] for found in (moved, renamed) if len(found) == 1), None)


def sample(
    mutants: Iterable[Mutant], number: int, seed: int, others: Iterable[dict[Mutant, Edit]] = ()
) -> list[Mutant]:
    """Draw `number` mutants that all `others` have too, from each module in proportion to its number of mutants.

    They are drawn by digest: code that is added or removed elsewhere changes little of the sample.
    """
    kept = [one for one in mutants if one.operator != "string" or int(one.digest("string"), 16) % STRINGS_KEPT == 0]
    sizes = Counter(mutant.module for mutant in kept)
    exact = {module: number * size / len(kept) for module, size in sizes.items()}
    quota = Counter({module: int(share) for module, share in exact.items()})
    remainders = sorted(exact, key=lambda module: (quota[module] - exact[module], module))
    quota.update(remainders[: number - quota.total()])
    taken = []
    for mutant in sorted(kept, key=lambda one: one.digest(seed)):
        if quota[mutant.module] and all(locate(mutant, other) for other in others):
            quota[mutant.module] -= 1
            taken.append(mutant)
    return sorted(taken)
