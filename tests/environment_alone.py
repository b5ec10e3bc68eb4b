"""Import modules where only what an environment names is there: `environment_alone.py ENVIRONMENT MODULE...`.

The environment is a conda file of `envs/`. What it does not name, and nothing that it names needs in turn, is hidden,
as if it were not installed. Prints the names of the distributions that were imported, one a line.
"""

import importlib
import importlib.metadata
import re
import sys
from pathlib import Path

import yaml
from packaging.requirements import Requirement

CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
"""What conda calls otherwise than pip."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(path: str) -> set[str]:
    """The distributions that a conda file names, as pip calls them, without Python itself."""
    names = [line.partition("=")[0] for line in yaml.safe_load(Path(path).read_text())["dependencies"]]
    return {canonical(CONDA_NAMES.get(name, name)) for name in names} - {"python"}


def with_needed(names: set[str]) -> set[str]:
    """These installed distributions and all that they need, but for their extras."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonical(requirement.name))
    return found


class Hiding:
    """Finds what the usual finders find, but for the modules that are hidden."""

    def __init__(self, hidden: set[str], finders: list):
        self.hidden, self.finders = hidden, finders

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.hidden:
            return None
        specs = (finder.find_spec(name, path, target) for finder in self.finders)
        return next((spec for spec in specs if spec is not None), None)


def main(environment: str, *modules: str) -> None:
    distributions = {
        top: {canonical(name) for name in names} for top, names in importlib.metadata.packages_distributions().items()
    }
    allowed = with_needed(named(environment)) | {"triptych"}
    hidden = {top for top, names in distributions.items() if not names & allowed}
    for name in list(sys.modules):  # what this script imported itself
        if name.partition(".")[0] in distributions:
            del sys.modules[name]
    sys.meta_path[:] = [Hiding(hidden, list(sys.meta_path))]
    importlib.import_module("triptych.__main__")
    for module in modules:
        importlib.import_module(module)
    tops = {name.partition(".")[0] for name in sys.modules}
    print("\n".join(sorted({name for top in tops for name in distributions.get(top, set())} - {"triptych"})))


if __name__ == "__main__":
    main(*sys.argv[1:])
