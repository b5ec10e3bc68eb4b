"""Mutation testing: the same mutants in two checkouts, each with its own tests.

    python benchmarks/mutants.py make  CHECKOUT --mutants mutants.json [--also OTHER_CHECKOUT]
    python benchmarks/mutants.py map   CHECKOUT --folder before [--stage slow --files tests/data/test_letters.py ...]
    python benchmarks/mutants.py run   CHECKOUT --folder before --mutants mutants.json [--stage slow --budget 300]
    python benchmarks/mutants.py table CHECKOUT --folder before --mutants mutants.json

`make` samples mutants (`mutations.py`). `map` runs each test file once under coverage, subprocesses included. `run`
puts each mutant into a private copy of the checkout and runs the tests that execute its statement until one fails. The
stage `slow` takes those that `quick` left alive. An interrupted `map` or `run` continues where it was; for a checkout
that has changed, take another folder.

Test processes are forked from one that has imported torch. Budgets are in CPU seconds, subprocesses included.
"""

import argparse
import ast
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.mutations import PACKAGE, Edit, Mutant, locate, mutants_in, sample

MARKS = {"quick": "not slow and not long and not slurm", "slow": "slow and not long and not slurm"}
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".snakemake", ".*_cache", ".hypothesis", ".coverage*", "__pycache__"
)
CONTEXT = "MUTANTS_CONTEXT"
"""The environment variable with the running test, for coverage in subprocesses."""
SHORTEST_LIMIT = 60
"""The minimum time limit of a test in seconds; otherwise it is ten times the time without a mutant."""
TIMED_OUT, BROKEN = -signal.SIGALRM, 70
COVERAGE = """[run]
parallel = true
source_pkgs = {package}
data_file = {known}/coverage
context = ${{{context}}}
disable_warnings = module-not-imported, no-data-collected, module-not-measured, couldnt-parse
[paths]
package =
    {checkout}/{path}
    */{path}
"""


class Recorder:
    """A pytest plugin for one test file that records which test or shared fixture executes each line."""

    def __init__(self, file: str, measured: coverage.Coverage):
        self.at_import, self.measured = f"{file}::", measured
        self.tests: dict[str, dict[str, list[str]]] = {}
        self.costs: dict[str, list[float]] = {}
        self.clock = self.now()
        self.switch(self.at_import)

    @staticmethod
    def now() -> tuple[float, float]:
        """Return the CPU seconds of this process and its children, and wall seconds."""
        usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages), time.monotonic()

    def switch(self, context: str) -> None:
        now = self.now()
        if self.costs:
            cost = self.costs[self.context]
            cost[:] = (so_far + new - old for so_far, new, old in zip(cost, now, self.clock, strict=True))
        self.costs.setdefault(context, [0.0, 0.0])
        self.context, self.clock, os.environ[CONTEXT] = context, now, context
        self.measured.switch_context(context)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        shared = [f"{self.at_import}<{name}>" for name in item.fixturenames]
        self.tests[item.nodeid] = {"contexts": [self.at_import, *shared, item.nodeid], "outcomes": []}
        self.switch(item.nodeid)
        result = yield
        self.switch(self.at_import)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        if fixturedef.scope == "function":
            return (yield)
        before = self.context
        self.switch(f"{self.at_import}<{fixturedef.argname}>")
        try:
            return (yield)
        finally:
            self.switch(before)

    def pytest_runtest_logreport(self, report):
        self.tests[report.nodeid]["outcomes"].append(report.outcome)


class Selection:
    """A pytest plugin that runs selected tests in order, each with a time limit, and logs the outcomes."""

    def __init__(self, limits: dict[str, float], log: Path, package: Path):
        self.limits, self.log, self.package = limits, log, package
        self.rank = {test: rank for rank, test in enumerate(limits)}
        self.write("started", "import")
        signal.alarm(2 * SHORTEST_LIMIT)  # the signal ends the process

    def write(self, *words: str) -> None:
        with self.log.open("a") as file:
            file.write("\t".join(words) + "\n")

    def pytest_collection_modifyitems(self, items):
        items[:] = sorted((item for item in items if item.nodeid in self.rank), key=lambda i: self.rank[i.nodeid])
        if (module := sys.modules.get(self.package.name)) and Path(module.__file__).parent != self.package:
            self.write("elsewhere", module.__file__)

    def pytest_runtest_logstart(self, nodeid):
        self.write("started", nodeid)
        signal.alarm(int(self.limits[nodeid]))

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.write("failed", report.nodeid)


def preload(checkout: Path) -> None:
    """Import the third-party modules of the package and the tests of a checkout."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads would count as CPU time
    names = set()
    for path in (path for folder in (PACKAGE, "tests") for path in (checkout / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
    for name in sorted(names):
        top = name.partition(".")[0]
        if top != PACKAGE.name and not (checkout / top).exists():
            with suppress(ImportError):
                importlib.import_module(name)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # a thread pool does not survive a fork


def scratch(process: int) -> Path:
    """Return the folder for temporary files of a test process."""
    return Path(tempfile.gettempdir()) / f"mutants-{process}"


def forked(work: Callable[..., int], *arguments: object, output: Path) -> int:
    """Start `work`, which returns an exit status, in a forked process in a new session; return its id."""
    sys.stdout.flush()
    if process := os.fork():
        return process
    status = BROKEN
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        status = int(work(*arguments))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def in_forks(work: Callable[[Any, Path], int], jobs: Iterable[Any], copies: Iterable[Path]) -> Iterator[tuple]:
    """Run `work(job, copy)` in forks, one at a time per copy; yield each job, copy, exit status and CPU seconds."""
    waiting, free, running = list(jobs), list(copies), {}
    try:
        while waiting or running:
            while waiting and free:
                job, copy = waiting.pop(0), free.pop(0)
                running[forked(work, job, copy, output=copy.with_suffix(".log"))] = job, copy
            process, status, usage = os.wait4(-1, 0)
            job, copy = running.pop(process)
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)  # processes that its tests left behind
            shutil.rmtree(scratch(process), ignore_errors=True)
            yield job, copy, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
            free.append(copy)
    finally:
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)


def run_pytest(checkout: Path, files: Iterable[str], stage: str, *options: str, plugin: object = None) -> int:
    """Run tests of a checkout in this process, with nothing imported from the checkout of this script."""
    os.chdir(checkout)
    sys.path[:] = [entry for entry in sys.path if Path(entry) not in (ROOT, ROOT / "benchmarks")]
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]
    where = [f"--rootdir={checkout}", f"--config-file={checkout}/pyproject.toml", f"--basetemp={scratch(os.getpid())}"]
    # warnings may be errors there, and pytest's own plugins are imported already
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    call = [*map(str, files), *where, *quiet, "-m", MARKS[stage], "-p", "no:cacheprovider", *options]
    return pytest.main(call, plugins=[plugin] if plugin else [])


def fresh_copies(checkout: Path, folder: Path, number: int) -> list[Path]:
    copies = [folder / f"copy{index}" for index in range(number)]
    for copy in copies:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(checkout, copy, ignore=NOT_COPIED)
    return copies


def map_tests(checkout: Path, folder: Path, stage: str, files: list[str], workers: int) -> None:
    """Write the lines that each test of a stage executes (`coverage`), its outcome and its seconds (`tests`).

    By default, `files` are all test files that are not mapped yet.
    """
    known = folder / stage
    known.mkdir(parents=True, exist_ok=True)
    settings = known / "settings.ini"
    names = {"package": PACKAGE.name, "path": PACKAGE, "checkout": checkout, "known": known, "context": CONTEXT}
    settings.write_text(COVERAGE.format(**names))
    mapped = "".join(path.read_text() for path in known.glob("tests"))
    paths = sorted(str(path.relative_to(checkout)) for path in checkout.glob("tests/**/test_*.py"))
    files = files or [path for path in paths if f'"{path}::"' not in mapped]
    preload(checkout)

    def work(file: str, copy: Path) -> int:
        os.environ |= {"COVERAGE_PROCESS_START": str(settings), CONTEXT: f"{file}::"}
        measured = coverage.Coverage(config_file=str(settings), context="")
        measured.start()
        recorder = Recorder(file, measured)
        status = run_pytest(copy, [file], stage, plugin=recorder)
        recorder.switch("")
        measured.stop()
        measured.save()
        with (known / "tests").open("a") as lines:
            lines.write(json.dumps({"tests": recorder.tests, "costs": recorder.costs}) + "\n")
        return status

    total = 0.0
    for file, _, status, seconds in in_forks(work, files, fresh_copies(checkout, folder, workers)):
        total += seconds
        print(f"{file}: {seconds:.1f} s, exit status {status}", flush=True)
    joined = coverage.Coverage(config_file=str(settings))
    joined.load()  # the result of earlier calls
    joined.combine()
    suite = Tests(checkout, folder, stage)
    print(f"{len(suite.contexts)} tests passed in {total / 60:.1f} CPU minutes; these failed: {suite.failing}")


def read_results(folder: Path) -> tuple[dict[tuple[str, str], dict[str, Any]], set[str]]:
    """Return the row of each mutant and stage, and the tests that fail without a mutant, whose kills do not count."""
    path = folder / "results.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    failing = {test for row in rows for test in row.get("failing", ())}
    rows = [row for row in rows if "outcome" in row and row["by"] not in failing]
    return {(row["mutant"], row["stage"]): row for row in rows}, failing


class Tests:
    """The tests of a stage, from `map`."""

    def __init__(self, checkout: Path, folder: Path, stage: str):
        known, self.package = folder / stage, checkout / PACKAGE
        tests: dict[str, dict[str, list[str]]] = {}
        self.costs: dict[str, list[float]] = {}
        for line in (known / "tests").read_text().splitlines():
            content = json.loads(line)
            tests |= content["tests"]
            self.costs |= content["costs"]
        self.failing = {name for name, test in tests.items() if "failed" in test["outcomes"]} | read_results(folder)[1]
        self.contexts = {
            name: [context for context in test["contexts"] if context in self.costs]
            for name, test in tests.items()
            if name not in self.failing and set(test["outcomes"]) == {"passed"}
        }
        self.lines = coverage.CoverageData(str(known / "coverage"))
        self.lines.read()
        if not any(Path(file).is_relative_to(self.package) for file in self.lines.measured_files()):
            raise SystemExit(f"{known} has no coverage of {self.package}: run map with this checkout.")

    def limits(self, names: Iterable[str]) -> dict[str, float]:
        """Return the time limit of each test in seconds, including its fixtures."""
        seconds = {name: sum(self.costs[context][1] for context in self.contexts[name]) for name in names}
        return {name: max(SHORTEST_LIMIT, 10 * wall) for name, wall in seconds.items()}

    def covering(self, module: str, edit: Edit) -> list[str]:
        """Return the tests that execute a statement; if an import executes it, all tests of the files that import it.

        First comes the module's own test file, then the fastest, and within a file the fastest tests.
        """
        by_line = self.lines.contexts_by_lineno(str(self.package / module))
        contexts = {context for line in edit.lines for context in by_line.get(line, ())}
        if edit.at_import:
            contexts |= {f"{context.partition('::')[0]}::" for context in contexts}
        found = [name for name, own in self.contexts.items() if contexts.intersection(own)]
        seconds = Counter()
        for name in found:
            seconds[name.partition("::")[0]] += self.costs[name][0]

        def rank(name: str) -> tuple:
            file = name.partition("::")[0]
            return Path(file).stem != f"test_{Path(module).stem}", seconds[file], file, self.costs[name][0]

        return sorted(found, key=rank)

    def within(self, names: list[str], budget: float) -> list[str]:
        """Return the first tests that fit into `budget` CPU seconds, including shared fixtures."""
        taken, made = [], set()
        for name in names:
            new = set(self.contexts[name]) - made
            seconds = sum(self.costs[context][0] for context in new)
            if seconds <= budget:
                budget -= seconds
                made |= new
                taken.append(name)
        return taken


class Job(NamedTuple):
    """A mutant's key, the mutant in the checkout (None if it does not exist there), and the tests to run."""

    key: str
    mutant: Mutant | None
    names: list[str]
    left_out: int
    """The number of tests that execute the statement and exceed the budget."""


class Run:
    """One stage of one checkout, in private copies."""

    def __init__(self, checkout: Path, folder: Path, stage: str, workers: int):
        self.checkout, self.folder, self.stage = checkout, folder, stage
        self.there, self.tests = mutants_in(checkout), Tests(checkout, folder, stage)
        self.copies = fresh_copies(checkout, folder, workers)
        preload(checkout)
        for copy in self.copies:  # compile everything once
            list(in_forks(lambda _, copy: run_pytest(copy, ["tests"], stage, "--collect-only"), [None], [copy]))

    def put(self, mutant: Mutant, copy: Path, change: Callable[[bytes], bytes] = bytes) -> None:
        """Write the module of a mutant, changed or original, to a copy, and remove its bytecode."""
        path = copy / PACKAGE / mutant.module
        path.write_bytes(change((self.checkout / PACKAGE / mutant.module).read_bytes()))
        Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)

    def job(self, mutant: Mutant, budget: float) -> Job:
        found = locate(mutant, self.there)
        covering = self.tests.covering(found.module, self.there[found]) if found else []
        names = self.tests.within(covering, budget)
        return Job(mutant.key, found, names, len(covering) - len(names))

    def work(self, job: Job, copy: Path) -> int:
        if job.mutant:
            self.put(job.mutant, copy, self.there[job.mutant].apply)
        sys.dont_write_bytecode, os.environ["PYTHONDONTWRITEBYTECODE"] = True, "1"
        plugin = Selection(self.tests.limits(job.names), copy.with_suffix(".tests"), copy / PACKAGE)
        files = dict.fromkeys(name.partition("::")[0] for name in job.names)
        return run_pytest(copy, files, self.stage, *(["--exitfirst"] if job.mutant else []), plugin=plugin)

    def results(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, str, list[str], float]]:
        """Yield the outcome of each job, the tests that failed (or the running one at the end), and its CPU seconds."""
        for job, copy, status, seconds in in_forks(self.work, jobs, self.copies):
            log = copy.with_suffix(".tests")
            events = [line.split("\t") for line in log.read_text().splitlines()]
            log.unlink()
            if job.mutant:
                self.put(job.mutant, copy)
            if status in (BROKEN, pytest.ExitCode.NO_TESTS_COLLECTED) or "elsewhere" in (event for event, _ in events):
                raise SystemExit(f"The tests did not run as they should: see the .log files in {self.folder}.")
            outcome = {0: "survived", TIMED_OUT: "timed out"}.get(status, "killed")
            failed = [name for event, name in events if event == "failed"] or [events[-1][1]]
            yield job, outcome, failed if status else [], round(seconds, 1)


def run_mutants(run: Run, mutants: Iterable[Mutant], budget: float) -> None:
    """Run the tests of each mutant without a result, write it to `results.jsonl`, then check the tests that killed."""
    results, _ = read_results(run.folder)
    alive = {key for (key, stage), row in results.items() if stage == "quick" and row["outcome"] == "survived"}
    waiting = (mutant for mutant in mutants if run.stage == "quick" or mutant.key in alive)
    jobs = [run.job(mutant, budget) for mutant in waiting if (mutant.key, run.stage) not in results]

    def write(**row: Any) -> None:
        with (run.folder / "results.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(*row.values(), flush=True)

    def write_job(job: Job, outcome: str, failed: list[str], seconds: float) -> None:
        about = {"tests": len(job.names), "left_out": job.left_out, "cpu_seconds": seconds}
        write(mutant=job.key, stage=run.stage, outcome=outcome, by=(failed or [""])[0], **about)

    for job in (job for job in jobs if not job.names):
        write_job(job, "survived" if job.mutant else "not applicable", [], 0.0)
    for result in run.results(job for job in jobs if job.names):
        write_job(*result)
    killers = {row["by"] for (_, stage), row in read_results(run.folder)[0].items() if stage == run.stage}
    control = Job("", None, sorted(killers & run.tests.contexts.keys()), 0)
    for _, _, failing, seconds in run.results([control] if control.names else []):
        write(mutant="", stage=run.stage, failing=failing, tests=len(control.names), cpu_seconds=seconds)
        if failing:
            print("These tests fail without a mutant too: run again to decide what they killed without them.")


def markdown(mutants: list[Mutant], folder: Path) -> str:
    """Return the numbers of killed and surviving mutants by part of the package."""
    results, _ = read_results(folder)
    columns = ("killed by quick", "killed by slow", "survived", "not applicable", "not run")
    counts: dict[str, Counter] = {}
    left = []
    for mutant in mutants:
        rows = [results[mutant.key, stage] for stage in MARKS if (mutant.key, stage) in results]
        outcome = rows[-1]["outcome"] if rows else "not run"
        if outcome in ("killed", "timed out"):
            outcome = f"killed by {rows[-1]['stage']}"
        part = mutant.module.rpartition("/")[0] or "configuration"
        for name in (part, "all"):
            counts.setdefault(name, Counter())[outcome] += 1
        if outcome == "survived":
            tests, left_out = (sum(row[what] for row in rows) for what in ("tests", "left_out"))
            change = f"`{mutant.old}` -> `{mutant.new}`".replace("\n", " ").replace("|", "\\|")
            left.append(f"| {mutant.key} | {mutant.module} | {mutant.function} | {change} | {tests} | {left_out} |")
    lines = [f"| | mutants | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
    for name, count in sorted(counts.items(), key=lambda item: (item[0] == "all", item[0])):
        lines.append(f"| {name} | {count.total()} | " + " | ".join(str(count[column]) for column in columns) + " |")
    for stage in MARKS:
        seconds = sum(row["cpu_seconds"] for (_, which), row in results.items() if which == stage)
        lines += ["", f"{stage}: {seconds / 60:.1f} CPU minutes"]
    lines += ["", "| survivor | module | function | change | tests | left out |", "|---|---|---|---|---|---|", *left]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("make", "map", "run", "table"))
    parser.add_argument("checkout", type=Path, help="of the package and its tests")
    parser.add_argument("--mutants", type=Path, default=Path("mutants.json"), help="the sampled mutants")
    parser.add_argument("--folder", type=Path, default=Path("mutants"), help="for the tests' coverage and the results")
    parser.add_argument("--also", type=Path, action="append", default=[], help="a checkout that must have each mutant")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", choices=MARKS, default="quick")
    parser.add_argument("--files", nargs="+", default=[], help="test files to map; by default all")
    parser.add_argument("--budget", type=float, default=30, help="CPU seconds of tests for each mutant")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    checkout, folder = options.checkout.resolve(), options.folder.resolve()
    if options.command == "make":
        others = [mutants_in(other) for other in options.also]
        taken = sample(mutants_in(checkout), options.count, options.seed, others)
        options.mutants.write_text(json.dumps([asdict(mutant) for mutant in taken], indent=1) + "\n")
        print(f"{len(taken)} mutants: {dict(Counter(mutant.operator for mutant in taken))}")
    elif options.command == "map":
        map_tests(checkout, folder, options.stage, options.files, options.workers)
    else:
        mutants = [Mutant(**mutant) for mutant in json.loads(options.mutants.read_text())]
        if options.command == "run":
            run_mutants(Run(checkout, folder, options.stage, options.workers), mutants, options.budget)
        print(markdown(mutants, folder))


if __name__ == "__main__":
    main()
