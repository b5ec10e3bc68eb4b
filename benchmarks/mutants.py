"""How many small faults the tests find: mutants of the code, and which tests kill them.

    python benchmarks/mutants.py make mutants.json                          # 300 of this checkout, one seed
    python benchmarks/mutants.py map mutants.json CHECKOUT before           # which tests execute what: before/map.json
    python benchmarks/mutants.py run mutants.json CHECKOUT before --jobs 2  # before/results.jsonl; goes on where it was
    python benchmarks/mutants.py table before after

A mutant is one changed expression or statement of a function (or class body). It is described by its text, so that the
same mutants can be made in two checkouts whose tests are to be compared. Killed means: a test fails that executes the
changed line in its own process; the quickest come first, and `--seconds` bounds the clean time of those that are tried
(what was left out is counted). Tests that start whole graphs are not run: they would take hours.
"""

import argparse
import ast
import copy
import importlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas
import pytest

PACKAGE = Path("workflow/triptych")
PARTS = ("training", "analysis", "data", "models", "configuration")
TESTS = ("tests/training", "tests/analysis", "tests/data", "tests/models", "tests/test_*.py")
TIERS = {"quick": "not slow and not long", "slow": "slow and not long"}
SWAPS = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.And: ast.Or},
    ast.Or: ast.And,
}
LIBRARIES = [
    *("torch", "torchvision", "numpy", "pandas", "scipy.stats", "sklearn.datasets", "statsmodels.stats.multitest"),
    *("PIL.Image", "matplotlib", "pydantic", "typer", "pooch", "safetensors.numpy", "hypothesis", "yaml", "requests"),
]
"""What every mutant would import anew."""


@dataclass(frozen=True)
class Mutant:
    """The `number`-th place in a function where `old` stands, which becomes `new`."""

    module: str
    function: str
    old: str
    new: str
    number: int


def mutations(node: ast.AST) -> Iterator[ast.AST | None]:
    """What may stand in the place of a node; None is nothing at all."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in SWAPS:
            yield changed(node, ops=[SWAPS[type(operator)]()])
        case ast.BinOp() | ast.AugAssign() | ast.BoolOp() if type(node.op) in SWAPS:
            yield changed(node, op=SWAPS[type(node.op)]())
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield changed(node, value=not node.value)
        case ast.Constant(value=int() | float()):
            yield changed(node, value=node.value + 1)
        case ast.If() | ast.IfExp():
            yield changed(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.Return(value=ast.expr()):
            yield changed(node, value=ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield None
        case ast.Call(keywords=[_, *_]):
            for keyword in node.keywords:
                yield changed(node, keywords=[other for other in node.keywords if other is not keyword])


def changed(node: ast.AST, **fields: object) -> ast.AST:
    """A copy of a node with other fields."""
    node = copy.copy(node)
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def places(node: ast.AST, function: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every node that may be mutated, with the function or class that it stands in; no annotation, no message."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.JoinedStr | ast.Import):
                continue
            inner = function
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = f"{function}.{child.name}".lstrip(".")
            if function and hasattr(child, "lineno"):
                yield function, child
            yield from places(child, inner)


def mutants_of(source: str, module: str) -> list[tuple[Mutant, str, int]]:
    """The mutants of a module, each with the whole changed source and the line of the change."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    raw, seen, found = source.encode(), Counter(), []
    for function, node in places(ast.parse(source)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        old = raw[begin:end].decode()
        for other in mutations(node):
            new = "pass" if other is None else ast.unparse(ast.fix_missing_locations(other))
            if isinstance(node, ast.expr):
                new = f"({new})"
            elif isinstance(node, ast.If):
                new = new.replace("\n", "\n" + " " * node.col_offset)
            key = (function, old, new)
            whole = raw[:begin].decode() + new + raw[end:].decode()
            try:
                compile(whole, module, "exec")
            except SyntaxError:  # an f-string's part, say
                continue
            found.append((Mutant(module, *key, seen[key]), whole, node.lineno))
            seen[key] += 1
    return found


def modules_in(checkout: Path) -> list[str]:
    """The modules that mutants are made of, relative to the checkout."""
    files = (path.relative_to(checkout) for path in (checkout / PACKAGE).rglob("*.py"))
    return sorted(str(file) for file in files if file.parts[2].startswith(PARTS))


def make(checkout: Path, count: int, seed: int) -> list[Mutant]:
    """`count` mutants of a checkout, drawn with a seed."""
    every = [
        mutant
        for module in modules_in(checkout)
        for mutant, _, _ in mutants_of((checkout / module).read_text(), module)
    ]
    return random.Random(seed).sample(every, min(count, len(every)))


def applied(mutant: Mutant, checkout: Path) -> tuple[str, int] | None:
    """The changed source of a mutant's module and the changed line; None where the checkout has no such place."""
    path = checkout / mutant.module
    source = path.read_text() if path.is_file() else ""
    return next((rest for found, *rest in mutants_of(source, mutant.module) if found == mutant), None)


class Durations:
    """A plugin of pytest that notes how long each test takes, with its fixtures."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


def map_tests(mutants: list[Mutant], checkout: Path, tier: str) -> dict[str, object]:
    """For each mutant the tests that execute its line, and the seconds that each test takes."""
    import coverage

    os.chdir(checkout)
    durations = Durations()
    tests = [str(path) for pattern in TESTS for path in sorted(Path().glob(pattern))]
    options = ["-q", "-m", tier, "-p", "no:cacheprovider", f"--cov={PACKAGE}", "--cov-context=test", "--cov-report="]
    pytest.main([*options, *tests], plugins=[durations])
    data = coverage.CoverageData()
    data.read()
    chosen: list[list[str]] = []
    for mutant in mutants:
        place = applied(mutant, checkout)
        contexts = data.contexts_by_lineno(str(checkout / mutant.module)).get(place[1], []) if place else []
        named = {context.rpartition("|")[0] for context in contexts if "|" in context}
        # what a shared fixture executes is seen by the file's tests, what an import executes by those of the module
        shared = {context.partition("::")[0] for context in contexts if context.endswith("|setup")}
        if place and not named:
            shared = {test for test in map(file_of, durations.seconds) if tests_module(test, mutant.module)}
        named |= {test for test in durations.seconds if file_of(test) in shared}
        chosen.append(sorted(named & durations.seconds.keys(), key=durations.seconds.__getitem__))
    return {"tests": chosen, "seconds": durations.seconds}


def file_of(test: str) -> str:
    return test.partition("::")[0]


def tests_module(file: str, module: str) -> bool:
    """Whether a test file imports a module of the package."""
    dotted = module.removeprefix("workflow/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    return dotted in Path(file).read_text()


def run_one(mutant: Mutant, copy_: Path, tests: list[str], limit: float) -> tuple[str, str]:
    """Test one mutant in a forked process: what became of it, and the test that killed it."""
    place = applied(mutant, copy_)
    if place is None:
        return "not applicable", ""
    path = copy_ / mutant.module
    clean = path.read_text()
    log = copy_.parent / f"{copy_.name}.log"
    path.write_text(place[0])
    child = os.fork()
    if not child:
        os.chdir(copy_)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit)))
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not long", "--tb=no", *tests]))
    until = time.monotonic() + 10 * limit
    try:
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > until:
                os.kill(child, 9)
            time.sleep(0.1)
    finally:
        path.write_text(clean)
    failed = [line.split()[1] for line in log.read_text().splitlines() if line.startswith(("FAILED", "ERROR"))]
    if ended[1] == 0:
        return "survived", ""
    return ("timed out" if os.WIFSIGNALED(ended[1]) else "killed"), (failed or ["?"])[0]


def worker(task: tuple[Path, list[tuple[int, Mutant, list[str], float]], Path]) -> None:
    """Test some mutants in one copy of the checkout; each result is written as it comes."""
    checkout, mutants, output = task
    with tempfile.TemporaryDirectory() as folder:
        copy_ = Path(folder) / "checkout"
        ignored = shutil.ignore_patterns(".git", ".venv", ".snakemake", "results", "resources", "logs", "__pycache__")
        shutil.copytree(checkout, copy_, ignore=ignored)
        for number, mutant, tests, limit in mutants:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            state, test = run_one(mutant, copy_, tests, limit) if tests else ("not executed", "")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            row = {
                "number": number,
                "module": mutant.module,
                "state": state,
                "test": test,
                "cpu_seconds": round(cpu, 1),
            }
            with output.open("a") as file:
                file.write(json.dumps(row) + "\n")


def run(mutants: list[Mutant], checkout: Path, folder: Path, first: Path | None, seconds: float, jobs: int) -> None:
    """Test the mutants that have no result yet. `first`: results of another suite, whose killing tests come first."""
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
    sys.dont_write_bytecode = True
    for library in LIBRARIES:
        importlib.import_module(library)
    sys.modules["torch"].set_num_threads(1)
    mapped = json.loads((folder / "map.json").read_text())
    output = folder / "results.jsonl"
    done = {row["number"] for row in read_results(folder)} if output.exists() else set()
    killers = {row["number"]: row["test"] for row in read_results(first)} if first else {}
    tasks = []
    for number, (mutant, tests) in enumerate(zip(mutants, mapped["tests"], strict=True)):
        total, chosen = 0.0, []
        for test in sorted(tests, key=lambda test: test != killers.get(number)):
            total += mapped["seconds"][test]
            if total <= seconds or not chosen:
                chosen.append(test)
        if number not in done:
            tasks.append((number, mutant, chosen, max(60, 5 * min(total, seconds))))
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        pool.map(worker, [(checkout, tasks[part::jobs], output) for part in range(jobs)], chunksize=1)


def read_results(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def table(folders: list[Path]) -> str:
    """What became of the mutants of each part of the package, one column a suite, as Markdown."""
    columns = {}
    for folder in folders:
        rows = pandas.DataFrame(read_results(folder)).drop_duplicates("number", keep="last")
        part = rows["module"].str.removeprefix(f"{PACKAGE}/").str.extract(r"^([a-z]+)")[0]
        killed = rows["state"].isin(["killed", "timed out"])
        columns[f"mutants, {folder.name}"] = rows.groupby(part).size()
        columns[f"killed, {folder.name}"] = killed.groupby(part).sum()
    counts = pandas.DataFrame(columns)
    counts.loc["all"] = counts.sum()
    return counts.astype(int).to_markdown() + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["make", "map", "run", "table"])
    parser.add_argument("paths", type=Path, nargs="+", help="as shown above")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tier", choices=TIERS, default="quick", help="of `map`: which tests")
    parser.add_argument("--first", type=Path, help="of `run`: another suite's folder, whose killing tests come first")
    parser.add_argument("--seconds", type=float, default=60, help="of `run`: at most so much clean time a mutant")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.step == "make":
        made = make(Path(__file__).resolve().parent.parent, options.count, options.seed)
        options.paths[0].write_text(json.dumps([asdict(mutant) for mutant in made], indent=1) + "\n")
        return
    if options.step == "table":
        print(table(options.paths))
        return
    mutants = [Mutant(**entry) for entry in json.loads(options.paths[0].read_text())]
    checkout, folder = (path.resolve() for path in options.paths[1:])
    folder.mkdir(parents=True, exist_ok=True)
    if options.step == "map":
        (folder / "map.json").write_text(json.dumps(map_tests(mutants, checkout, TIERS[options.tier])))
    else:
        run(mutants, checkout, folder, options.first, options.seconds, options.jobs)


if __name__ == "__main__":
    main()
