"""Mutants are the same for a seed, change the code, and are found again; those that a test notices are killed."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from benchmarks import mutants
from benchmarks.mutations import PACKAGE, Mutant, locate, mutants_in, mutants_of, sample
from tests.conftest import ROOT

SOURCE = '''
"""A docstring."""
SCALE = 2


class Scaler:
    def scale(self, value: "float", limit=10) -> "float":
        """Another."""
        if value < limit and not value == 7:  # ä
            return value * SCALE
        raise ValueError("too large", limit + 1)


def middle(values):
    print("no", len(values) + 1)
    values = values[1 : len(values) - 1]
    values.append(sum(values, start=0))
    return dict(values=values)
'''
CHANGES = {
    ("constant", "2", "3"), ("constant", "10", "11"), ("constant", "7", "8"), ("constant", "1", "2"),
    ("constant", "0", "1"), ("comparison", "value < limit", "value <= limit"),
    ("comparison", "value == 7", "value != 7"), ("not removed", "not value == 7", "value == 7"),
    ("and/or", "value < limit and (not value == 7)", "value < limit or not value == 7"),
    ("condition negated", "value < limit and (not value == 7)", "not (value < limit and (not value == 7))"),
    ("arithmetic", "value * SCALE", "value / SCALE"), ("return None", "value * SCALE", "None"),
    ("arithmetic", "len(values) - 1", "len(values) + 1"),
    ("slice off by one", "len(values) - 1", "len(values) - 1 + 1"),
    ("statement deleted", "values.append(sum(values, start=0))", "pass"),
    ("keyword dropped", "sum(values, start=0)", "sum(values)"),
    ("keyword dropped", "dict(values=values)", "dict()"), ("return None", "dict(values=values)", "None"),
}  # fmt: skip
TESTS = """
import subprocess, sys
import pytest
from triptych.data.scale import middle, twice

@pytest.fixture(scope="module")
def doubled():
    return twice(3)

def test_shared(doubled):
    assert doubled == 6

def test_in_a_subprocess():
    call = [sys.executable, "-c", "from triptych.data.scale import once; print(once(1))"]
    assert subprocess.run(call, capture_output=True, text=True, check=True).stdout == "1\\n"

def test_without_a_check():
    middle(1)

@pytest.mark.slow
def test_slow():
    assert middle(1) == 3
"""


def test_every_operator_changes_what_it_should_and_nothing_for_readers():
    found = mutants_of("m.py", SOURCE.encode())
    assert {(one.operator, one.old, one.new) for one in found} == CHANGES
    assert {one.function for one in found} == {"", "Scaler", "Scaler.scale", "middle"}
    assert {one.function for one, edit in found.items() if edit.at_import} == {"", "Scaler"}
    changed = {edit.apply(SOURCE.encode()) for edit in found.values()}
    assert len(changed) == len(found)
    for source in changed:
        compile(source, "m.py", "exec")
        assert len(source.decode().splitlines()) == len(SOURCE.splitlines())


def test_a_mutant_is_found_again_whatever_the_format_in_a_function_that_moved_or_has_another_name():
    before = mutants_of("m.py", SOURCE.encode())
    one = next(mutant for mutant in before if mutant.new == "value <= limit")
    other_format = SOURCE.replace("value < limit and not value == 7:  # ä", "(\n  value<limit and (not value==7)\n ):")
    renamed = SOURCE.replace("def scale", "def scaled")
    for module, source in (("m.py", other_format), ("n.py", SOURCE.replace("Scaler", "S")), ("m.py", renamed)):
        there = mutants_of(module, source.encode())
        found = locate(one, there)
        assert b"value <= limit" in there[found].apply(source.encode())
    assert locate(one, mutants_of("n.py", renamed.encode())) is None


def test_the_sample_is_that_of_its_seed_and_of_what_all_checkouts_have():
    everything = mutants_in(ROOT)
    assert len(everything) > 1000
    taken = sample(everything, 300, 0)
    assert taken == sample(everything, 300, 0) != sample(everything, 300, 1)
    assert len({one.key for one in taken}) == 300
    assert len({one.module for one in taken}) > 30
    for one in taken:
        source = (ROOT / PACKAGE / one.module).read_bytes()
        changed = everything[one].apply(source)
        assert changed != source
        compile(changed, one.module, "exec")
    others = {one: edit for one, edit in everything.items() if one not in taken[::10]}
    again = sample(everything, 300, 0, [others])
    gone = {one for one in taken[::10] if not locate(one, others)}  # another function with the same statement may match
    assert len(gone) > 25
    assert not gone & set(again)
    assert len(set(taken) & set(again)) == 300 - len(gone)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A package of one module with a quick and a slow test."""
    folder = tmp_path_factory.mktemp("made-up") / "checkout"
    module = folder / PACKAGE / "data" / "scale.py"
    module.parent.mkdir(parents=True)
    for package in (module.parent, module.parent.parent):
        (package / "__init__.py").touch()
    module.write_text(
        "TWO = 2\n\n\ndef once(value):\n    return value * 1\n\n\ndef twice(value):\n    return value * TWO\n\n\n"
        "def middle(value):\n    return value + 2\n\n\ndef loop(value):\n    return value - 1\n"
    )
    (folder / "tests").mkdir()
    (folder / "tests" / "test_scale.py").write_text(TESTS)
    (folder / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\npythonpath = ["workflow"]\naddopts = "--import-mode=importlib"\n'
        'markers = ["slow", "long", "slurm"]\n'
    )
    (folder / "tests" / "conftest.py").write_text(
        "import os\nfrom pathlib import Path\n"
        'os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent / "workflow")\n'
    )
    return folder


@pytest.mark.slow
def test_a_mutant_that_a_test_notices_is_killed_and_others_survive(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # to save time
    everything = mutants_in(checkout)
    by_name = {f"{one.function} {one.operator}".strip(): one for one in everything}
    names = ("constant", "twice arithmetic", "once return None", "middle arithmetic", "loop arithmetic")
    elsewhere = Mutant("data/none.py", "f", "return a + b", "arithmetic", "a + b", "a - b", 0)
    known, file = tmp_path / "known", tmp_path / "mutants.json"
    file.write_text(json.dumps([asdict(one) for one in (*map(by_name.get, names), elsewhere)]))

    def call(command, stage):
        options = ["--folder", known, "--mutants", file, "--workers", "1", "--stage", stage]
        run = [sys.executable, mutants.__file__, command, checkout, *options]
        done = subprocess.run(list(map(str, run)), capture_output=True, text=True)
        assert not done.returncode, done.stderr
        return done.stdout

    def rows():
        return [json.loads(line) for line in (known / "results.jsonl").read_text().splitlines()]

    for stage in mutants.MARKS:
        assert "tests/test_scale.py: " in call("map", stage)
        assert "tests/test_scale.py: " not in call("map", stage)  # is known already
        table = call("run", stage)
    by = {
        (row["mutant"], row["stage"]): (row["outcome"], row["by"].rpartition("::")[2])
        for row in rows()
        if row["mutant"]
    }
    assert by == {
        (by_name["constant"].key, "quick"): ("killed", "test_shared"),
        (by_name["twice arithmetic"].key, "quick"): ("killed", "test_shared"),
        (by_name["once return None"].key, "quick"): ("killed", "test_in_a_subprocess"),
        (by_name["middle arithmetic"].key, "quick"): ("survived", ""),
        (by_name["middle arithmetic"].key, "slow"): ("killed", "test_slow"),
        (by_name["loop arithmetic"].key, "quick"): ("survived", ""),
        (by_name["loop arithmetic"].key, "slow"): ("survived", ""),
        (elsewhere.key, "quick"): ("not applicable", ""),
    }
    assert [row["failing"] for row in rows() if not row["mutant"]] == [[], []]
    assert "| data | 6 | 3 | 1 | 1 | 1 | 0 |" in table
    assert f"| {by_name['loop arithmetic'].key} | data/scale.py | loop |" in table
    assert mutants_in(known / "copy0") == everything  # reverted


def test_what_was_killed_by_a_test_that_fails_without_a_mutant_is_not_counted(tmp_path):
    rows = [
        {"mutant": "a", "stage": "quick", "outcome": "killed", "by": "flaky"},
        {"mutant": "b", "stage": "quick", "outcome": "killed", "by": "sound"},
        {"mutant": "", "stage": "quick", "failing": ["flaky"]},
    ]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert mutants.read_results(tmp_path) == ({("b", "quick"): rows[1]}, {"flaky"})
