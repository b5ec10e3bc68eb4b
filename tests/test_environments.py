"""The environments name the same versions everywhere, and each has what its commands import and nothing more.

Neither conda nor a registry of containers is needed for that, and nothing is built.
"""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from functools import cache
from itertools import product

import pytest
import yaml
from packaging.requirements import Requirement

from tests import environment_alone
from tests.conftest import ROOT, WITHOUT_COMMAND, WITHOUT_RULE
from tests.environment_alone import CONDA_NAMES
from triptych.__main__ import COMMANDS
from triptych.configuration.claims import WINGS, module_of
from triptych.console.__main__ import OWN
from triptych.storage.code_digest import PACKAGE_FOLDER, modules_of

ENVS = ROOT / "envs"
IMPORT_NAMES = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml"}
REGISTRIES = {"triptych.configuration.sources", "triptych.data.sources", "triptych.models.backbones"}
OPTIONAL = {"pillow_heif"}
"""What a user may install as well; without it a command says what is missing."""
COMES_WITH = {"pydantic_core": "pydantic", "markupsafe": "jinja2"}


def pinned(name) -> dict[str, str]:
    """Package -> version of a requirements file and of what it includes; every line must be an exact pin."""
    versions = {}
    for line in (ENVS / name).read_text().splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("-r "):
            versions |= pinned(line.removeprefix("-r "))
        elif line:
            match = re.fullmatch(r"([a-z0-9-]+)(?:\[[a-z]+\])?==([0-9][\w.]*)", line)
            assert match, f"{name}: {line!r} is no exact version"
            versions[match[1]] = match[2]
    return versions


def conda(path) -> dict[str, str]:
    versions = {}
    for dependency in yaml.safe_load(path.read_text())["dependencies"]:
        name, _, version = dependency.partition("=")
        versions[CONDA_NAMES.get(name, name)] = version
    return versions


def environment_of_rules() -> dict[str, str]:
    """Rule -> the file name of its conda environment, as the rule files say."""
    text = "".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
    blocks = re.split(r"^(?:use rule (\w+) as|rule|checkpoint) (\w+)(?: with)?:$", text, flags=re.M)[1:]
    found = {}
    for base, name, block in zip(blocks[::3], blocks[1::3], blocks[2::3], strict=True):
        own = re.search(r'"\.\./\.\./envs/(\w+\.yaml)"', block)
        found[name] = own[1] if own else found[base]
    return found


def with_registered(module) -> set[str]:
    """The modules of the package that a module needs, and all of a registry of which settings name one."""
    needed = set(modules_of(module))
    for registry in REGISTRIES & needed:
        folder = PACKAGE_FOLDER.parent.joinpath(*registry.split("."))
        for path in folder.glob("[a-z]*.py"):
            needed |= set(modules_of(f"{registry}.{path.stem}"))
    if "triptych.wings" in needed:
        for wing, part in product(WINGS, ("schema", "catalogue", "sections")):
            needed |= set(modules_of(module_of(wing, part)))
    return needed


@cache  # rules share most modules
def imported_by(file) -> frozenset[str]:
    """The first parts of the names that a file imports."""
    names = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module)
    return frozenset(name.split(".")[0] for name in names)


def third_party(module) -> set[str]:
    """The distributions that a module of the package needs, itself or by way of other modules of the package."""
    found = {"typer"}  # every command starts in __main__
    for name in with_registered(module):
        path = PACKAGE_FOLDER.parent.joinpath(*name.split("."))
        file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        found |= imported_by(file)
    own = {"triptych", *sys.stdlib_module_names}
    return {(IMPORT_NAMES | COMES_WITH).get(name, name) for name in found - own - OPTIONAL}


@pytest.mark.parametrize("path", sorted(ENVS.glob("*.yaml")), ids=lambda path: path.name)
def test_conda_and_pip_name_the_same_versions(path):
    pip = pinned("requirements.txt")
    for name, version in conda(path).items():
        if name == "python":
            assert version == "3.11"
        else:
            assert pip[name] == version, name


def test_every_rule_has_an_environment_and_every_environment_a_rule():
    rules = environment_of_rules()
    assert set(rules) - WITHOUT_COMMAND == set(COMMANDS) - WITHOUT_RULE
    assert set(rules.values()) == {path.name for path in ENVS.glob("*.yaml")}


@pytest.mark.parametrize("name", sorted({path.name for path in ENVS.glob("*.yaml")}))
def test_an_environment_holds_what_its_rules_import_and_nothing_more(name):
    imported = set()
    for rule, environment in environment_of_rules().items():
        if environment == name and rule not in WITHOUT_COMMAND:
            imported |= third_party(f"{COMMANDS[rule]}.{rule}")
    assert set(conda(ENVS / name)) - {"python"} == imported


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({path.name for path in ENVS.glob("*.yaml")}))
def test_the_commands_of_an_environment_are_imported_with_nothing_but_it(name):
    """In a fresh process, where everything else that is installed here is hidden."""
    commands = [
        f"{COMMANDS[rule]}.{rule}"
        for rule, environment in environment_of_rules().items()
        if environment == name and rule not in WITHOUT_COMMAND
    ]
    modules = sorted(set(commands).union(*map(with_registered, commands)))
    call = [sys.executable, environment_alone.__file__, ENVS / name, *modules]
    result = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    imported = set(result.stdout.split())
    assert "typer" in imported
    assert ("torch" in imported) is (name == "torch.yaml")
    assert imported <= environment_alone.with_needed(environment_alone.named(ENVS / name))


def test_what_an_environment_lacks_is_not_found():
    call = [sys.executable, environment_alone.__file__, ENVS / "figures.yaml", "triptych.training.train"]
    result = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)
    assert "ModuleNotFoundError: No module named 'torch'" in result.stderr


def test_the_container_holds_the_pinned_versions_on_the_python_of_the_environments():
    definition = (ENVS / "container.def").read_text()
    assert re.search(r"^From: \{\{ BASE \}\}$", definition, flags=re.M), "the base is given when it is built"
    assert re.search(r"^ +envs/requirements\.txt ", definition, flags=re.M)
    assert "sha256" not in definition  # the command of docs/environments.md asks for the digest of the day
    page = (ROOT / "docs" / "environments.md").read_text()
    bases = re.findall(r"python:(3\.\d+)-slim", page)
    assert bases
    assert set(bases) == {conda(path)["python"] for path in ENVS.glob("*.yaml")}
    assert 'BASE="python@$digest"' in page


def ranges(extra: str | None = None) -> dict[str, Requirement]:
    """The ranges of `pyproject.toml`: of the package, or of one of its extras with what it includes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    found = {}
    for requirement in map(Requirement, lines):
        if requirement.name == project["name"]:
            for other in requirement.extras:
                found |= ranges(other)
        else:
            found[requirement.name] = requirement
    return found


@pytest.mark.parametrize(
    ("extra", "file"),
    [(None, "requirements.txt"), ("slurm", "requirements-slurm.txt"), ("dev", "requirements-dev.txt")],
)
def test_the_pinned_versions_are_within_the_ranges(extra, file):
    pins = pinned(file)
    for name, requirement in ranges(extra).items():
        assert requirement.specifier.contains(pins[name]), requirement
        assert any(one.operator == ">=" for one in requirement.specifier), requirement


def test_the_ranges_name_what_the_package_imports_and_nothing_more():
    imported = set().union(*(third_party(f"{package}.{name}") for name, package in COMMANDS.items()))
    imported |= third_party("triptych.console.__main__").union(
        *(third_party(f"triptych.console.{name}") for name in OWN)
    )
    assert set(ranges()) == imported - set(ranges("onnx")) | {"snakemake", "torchvision"}
    assert {one.partition("[")[0] for one in pinned("requirements.txt")} >= imported - set(ranges("onnx"))


def test_extras_are_those_of_the_page():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "install.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, flags=re.M)) == set(project["optional-dependencies"])
    assert str(ranges()["torch"].specifier).removeprefix(">=") in page


def test_what_is_installed_here_is_what_is_pinned():
    installed = {name: importlib.metadata.version(name) for name in pinned("requirements.txt")}
    assert {name: version.partition("+")[0] for name, version in installed.items()} == pinned("requirements.txt")
