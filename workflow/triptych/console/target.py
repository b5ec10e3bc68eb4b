"""What a person names on the command line: a configuration, images, or the folder of an experiment."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.configuration.effective import effective
from triptych.configuration.experiment import Configuration
from triptych.configuration.given_files import load_given, read_files
from triptych.storage.errors import InputError

CHECKOUT = Path(__file__).resolve().parents[3]
"""The folder of the Snakefile, where the package is in its checkout, as with an editable install."""

EXPERIMENT_FILES = ("decision.json", "manifest.json", "report.html", "runs", "data")
"""Of these the folder of an experiment has one or more, beside others."""


@dataclass(frozen=True)
class Target:
    """What is asked for.

    Attributes:
        path: as it was given; None for the default experiment.
        is_images: whether it is a folder of images, or a table, in place of a configuration.
        given: the configuration as the workflow is given it.
        configuration: the same, checked.
    """

    path: Path | None
    is_images: bool
    given: Mapping[str, Any]
    configuration: Configuration

    @property
    def settings(self) -> dict[str, Any]:
        """The effective configuration."""
        return effective(self.configuration)

    @property
    def folders(self) -> dict[str, Path]:
        """The folder of each experiment, by its name, relative to the folder where the workflow runs."""
        results = Path(self.given.get("pathvars", {}).get("results", "results"))
        return {name: results / name for name in self.configuration.experiments}

    @property
    def resources(self) -> Path:
        """The folder of downloads and of decoded images."""
        return Path(self.given.get("pathvars", {}).get("resources", "resources"))

    def options(self) -> dict[str, list[str]]:
        """Return Snakemake's options, with their values, that say the same."""
        if self.path is None:
            return {}
        if self.is_images:
            return {"--config": [f"images={as_value(str(self.path))}"]}
        return {"--configfile": [str(self.path)]}


def read_target(path: Path | None) -> Target:
    """Read and check a configuration, or the one that stands for a folder of images or a table.

    Args:
        path: of it; without one, the default experiment.

    Raises:
        InputError: there is none, it is the folder of an experiment, or the configuration has mistakes.
    """
    if path is None:
        return _of_file(None, snakefile().parent / "config" / "config.yaml")
    if is_experiment(path):
        raise InputError(
            f"{path}: this is the folder of an experiment; give a configuration, as {path / 'config.yaml'}, or a "
            "folder of images."
        )
    if path.is_dir() or path.suffix.lower() == ".csv":
        given = {"images": str(path)}
        return Target(path, True, given, load_given(given))
    if not path.exists() and path.suffix.lower() not in (".yaml", ".yml", ".json"):
        raise InputError(
            f"{path}: there is no such file or folder; give a configuration, a folder of images "
            "or a CSV file that names them."
        )
    return _of_file(path, path)


def _of_file(path: Path | None, file: Path) -> Target:
    given = read_files([file])
    return Target(path, False, given, load_given(given))


def is_experiment(path: Path) -> bool:
    """Return whether a path is the folder of an experiment: it has results, or its configuration in effect."""
    return is_begun(path) and (path / "config.yaml").is_file()


def is_begun(path: Path) -> bool:
    """Return whether a folder holds results; of one in another place than results/ this says little."""
    return path.is_dir() and any((path / name).exists() for name in EXPERIMENT_FILES)


def snakefile() -> Path:
    """Return the Snakefile of the checkout that this package is part of.

    Raises:
        InputError: the package was installed without its checkout.
    """
    path = CHECKOUT / "Snakefile"
    if not path.is_file():
        raise InputError(
            f"{path}: there is no Snakefile, since the package was installed without its repository. Clone it, and "
            "install it from there: git clone ADDRESS triptych && pip install --no-deps --no-build-isolation -e "
            "triptych."
        )
    return path


def with_snakefile(options: Mapping[str, list[str]]) -> list[str]:
    """Return Snakemake's options and their values as words, the Snakefile last.

    It takes exactly one value, so that what follows is not taken for one.

    Raises:
        InputError: as `snakefile`.
    """
    return [
        word for option, values in {**options, "--snakefile": [str(snakefile())]}.items() for word in (option, *values)
    ]


def as_value(text: str) -> str:
    """Return a text as Snakemake's `--config` is given it: marked as a text where it would be read as something else.

    Snakemake removes quotation marks at both ends, tries numbers and booleans, and then reads YAML. The space at the
    end keeps the last quotation mark.
    """
    plain = re.fullmatch(r"[\w./-]*[a-z/][\w./ -]*[\w/]", text, re.I)
    other = re.fullmatch(r"true|false|null|none|[+-]?(nan|inf|infinity)|[\d.e_+-]+", text, re.I)
    return text if plain and not other else f"!!str {json.dumps(text, ensure_ascii=False)} "
