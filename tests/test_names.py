"""One name all the way: rule, command, function, module, log, benchmark and test."""

import re

import pytest

from tests.conftest import ROOT, WITHOUT_COMMAND, WITHOUT_RULE
from triptych.__main__ import COMMANDS
from triptych.storage.code_digest import PACKAGE_FOLDER

# A rule, or one that inherits: its file, the rule that it inherits from, and its block.
RULES = {
    name: (path.stem, base, block)
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for base, name, block in re.findall(
        r"^(?:use rule (\w+) as |rule |checkpoint )(\w+)(?::| with:)\n((?:(?!^(?:use )?rule |^checkpoint ).*\n?)*)",
        path.read_text(),
        flags=re.M,
    )
}


def test_every_other_command_is_a_rule():
    assert set(RULES) - WITHOUT_COMMAND == set(COMMANDS) - WITHOUT_RULE


@pytest.mark.parametrize("name", sorted(WITHOUT_RULE))
def test_a_command_without_a_rule_has_its_module_and_test(name):
    folder = COMMANDS[name].removeprefix("triptych").strip(".")
    assert (PACKAGE_FOLDER / folder / f"{name}.py").is_file()
    assert (ROOT / "tests" / folder / f"test_{name}.py").is_file()


@pytest.mark.parametrize("name", sorted(set(RULES) - WITHOUT_COMMAND))
def test_one_name_all_the_way(name):
    file, base, block = RULES[name]
    package = COMMANDS[name]
    assert package == f"triptych.{file}"
    assert (PACKAGE_FOLDER / file / f"{name}.py").is_file()
    assert (ROOT / "tests" / file / f"test_{name}.py").is_file()
    # rules that inherit have their command's name as a parameter of the common one
    called = re.findall(r"python -m triptych (\S+) ", block if not base else RULES[base][2])
    named = re.findall(r'^ +command="(.+)",$', block, flags=re.M)
    assert [call.replace("{params.command}", *named) if named else call for call in called] == [name.replace("_", "-")]
    assert f'"<logs>/{name}/' in block
    assert f'"<benchmarks>/{name}/' in block
    # the checksum says what a download is, whatever code fetched it
    assert re.findall(r'code=code\("([\w.]+)"', block) == ([] if name.startswith("download_") else [f"{file}.{name}"])
    # of the figures of the catalogue no rule may take another's
    assert set(re.findall(r'(?:figures|tables)_(?:by|for|caption|of)\("(\w+)"\)', block)) <= {name}
    if not base:
        assert re.match(r'\s+"""[A-Z].*\."""\n', block), "a docstring of one line"


def test_rules_hold_no_code_of_their_own():
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = path.read_text()
        assert not re.search(r"^\s+(run|script|notebook):", text, flags=re.M)
        assert not re.search(r"config\[", text) or path.stem == "common"


def floors() -> dict[str, int]:
    """The floor of each folder of the package, and of its modules outside folders, as docs/architecture.md says."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\d) \| (.+?) \|", page, flags=re.M)
    return {name.strip("`/").removesuffix(".py"): int(floor) for floor, names in rows for name in names.split(", ")}


def test_an_import_never_goes_up():
    """Also not within a function: the digest of a command's code follows those, too."""
    of, upwards = floors(), []
    assert len(of) > 10
    for path in sorted(PACKAGE_FOLDER.rglob("*.py")):
        own = path.relative_to(PACKAGE_FOLDER).parts[0].removesuffix(".py")
        for name in re.findall(r"^ *(?:from|import) triptych\.(\w+)", path.read_text(), flags=re.M):
            if own in of and name in of and of[name] > of[own]:
                upwards.append(f"{path.relative_to(PACKAGE_FOLDER)} imports {name}")
    assert upwards == []
