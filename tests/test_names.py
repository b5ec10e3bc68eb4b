"""One name all the way: rule, command, function, module, log, benchmark and test."""

import re

import pytest

from tests.conftest import ROOT, WITHOUT_RULE
from triptych.__main__ import COMMANDS
from triptych.storage.code_digest import PACKAGE_FOLDER

RULES = {
    name: (path.stem, block)
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for name, block in re.findall(r"^rule (\w+):\n((?:(?!^rule ).*\n?)*)", path.read_text(), flags=re.M)
}


def test_every_other_command_is_a_rule():
    assert set(RULES) == set(COMMANDS) - WITHOUT_RULE


@pytest.mark.parametrize("name", sorted(WITHOUT_RULE))
def test_a_command_without_a_rule_has_its_module_and_test(name):
    folder = COMMANDS[name].removeprefix("triptych").strip(".")
    assert (PACKAGE_FOLDER / folder / f"{name}.py").is_file()
    assert (ROOT / "tests" / folder / f"test_{name}.py").is_file()


@pytest.mark.parametrize("name", RULES)
def test_one_name_all_the_way(name):
    file, block = RULES[name]
    package = COMMANDS[name]
    assert package == f"triptych.{file}"
    assert (PACKAGE_FOLDER / file / f"{name}.py").is_file()
    assert (ROOT / "tests" / file / f"test_{name}.py").is_file()
    assert f"python -m triptych {name.replace('_', '-')} " in block
    assert f'"<logs>/{name}/' in block
    assert f'"<benchmarks>/{name}/' in block
    # the checksum says what a download is, whatever code fetched it
    assert (f'code=code("{file}.{name}"' in block) != name.startswith("download_")
    assert re.match(r'\s+"""[A-Z].*\."""\n', block), "a docstring of one line"


def test_rules_hold_no_code_of_their_own():
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = path.read_text()
        assert not re.search(r"^\s+(run|script|notebook):", text, flags=re.M)
        assert not re.search(r"config\[", text) or path.stem == "common"
