"""The manifest of an experiment: the checksum of every file, and everything that its results depend on."""

import json
import re
from pathlib import Path
from typing import Any

from triptych.configuration.pretraining import pretrains_on_letters
from triptych.report import provenance
from triptych.report.inputs import FILE_NAME, files_at, input_patterns, one_of
from triptych.results import schema
from triptych.results.decision import read_decision
from triptych.results.experiment import mode_of, read_configuration
from triptych.results.run_names import runs_of
from triptych.results.schema import AFTER_DECISION
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.files import read_text, sha256, write_json
from triptych.version import __version__
from triptych.wings import FIGURES, TABLES, figures_with, tables_with

PARTIAL = "partial"
"""The folder of a partial report."""

OF_DECISION = (r"decision\.json", r"validation\.safetensors", r"opened\.json")
"""Patterns of the files of the decision: what it is, from what it was made, and the openings of test images."""

FORMAT = 1
"""Raised when a reader of older manifests would misread a new one."""

MEASURED = re.compile(
    r"(runs/[^/]+/[^/]+|features/[^/]+)/cost\.json|runs/[^/]+/[^/]+/opened\.json|opened\.json|report\.html"
    r"|data/listing\.json"
    rf"|{one_of(table.file for table in TABLES.values() if table.measured)}"
    rf"|figures/{one_of(name for name, figure in FIGURES.items() if figure.measured)}\.(svg|png)"
)
"""The files that hold measured times and memory, the openings of test images, or time stamps of the user's files. They
differ from run to run; no other file may."""


KEPT_WEIGHTS = {"model": (), "trained": ("trained",), "all": ("trained", "initial")}
"""The weight files of a run that are kept, by the configuration's `keep_weights`; `model/` always is."""

BESIDE_WEIGHTS = r"(model\.json|README\.md|predict\.py|decode\.py)"
"""A pattern of the files of the model's folder that are no weights."""

OF_OPENING = ("test.safetensors", "opened.json")
"""The files of a run that opening its test images leaves."""


def write_manifest(*, experiment_folder: Path, keep_weights: str, trunks: str, output: Path) -> None:
    """Write the checksums of an experiment's files, and what the results depend on.

    The files are those that the workflow makes at its known paths in `experiment_folder`, of the configured runs and
    networks; logs, benchmarks, temporary files and the manifest itself are not among them. Those in `data/` and
    `weights/` are what the runs were made from.

    Args:
        keep_weights: `model`, `trained` or `all`: which weights of the runs are listed. Those that are not are deleted
            once nothing needs them, so a file that is there is about to go, or is left from other settings.
        trunks: a JSON list of the cached features that arms train on, by the names of their folders in `features/`.

    Raises:
        InputError: keep_weights is none of these, or trunks is no such list; config.yaml, tables/arms.csv,
            tables/cost.csv or the cost.json of a run is missing or not what it should be.
    """
    if keep_weights not in KEPT_WEIGHTS:
        raise InputError(f"keep_weights: expected one of {', '.join(KEPT_WEIGHTS)}, found {keep_weights!r}")
    try:
        trunk_names = [str(name) for name in json.loads(trunks)]
    except (ValueError, TypeError):
        raise InputError(f"trunks: expected a JSON list of names, found {trunks[:60]!r}") from None
    configuration = read_configuration(experiment_folder / "config.yaml")
    files = {
        name: {**provenance.file_record(experiment_folder / name), "measured": bool(MEASURED.fullmatch(name))}
        for name in listed_files(experiment_folder, configuration, keep_weights, trunk_names)
    }
    cost = read_table(experiment_folder / "tables" / "cost.csv", schema.COST, ["device", "device_name"])
    devices = [dict(device) for device in sorted({tuple(row.items()) for row in cost.to_dict("records")})]
    arms = read_table(experiment_folder / "tables" / "arms.csv", schema.ARMS, ["arm", "num_threads", "device"])
    manifest = {
        "format": FORMAT,
        "files": files,
        "configuration": configuration,
        "code": {"package": "triptych", "version": __version__, "sha256": provenance.package_digest()},
        "machine": provenance.machine(),
        "packages": provenance.package_versions(),
        "devices": devices,
        "depends_on": {
            "configuration": sha256(experiment_folder / "config.yaml"),
            "data": _checksums(files, r"data/.*\.safetensors"),
            "weights": _checksums(files, r"weights/(?!letters/).*\.safetensors"),
            "code": provenance.package_digest(),
            "packages": {
                name: version
                for name, version in provenance.package_versions().items()
                if name in provenance.DECIDING_PACKAGES
            },
            "torch": _torch_versions(experiment_folder, files),
            "python": provenance.machine()["python"],
            "machine": provenance.machine()["machine"],
            "threads": {row["arm"]: int(row["num_threads"]) for _, row in arms.iterrows()},
            "device": sorted(set(cost["device"])),
            "device_name": sorted(set(cost["device_name"])),
        },
    }
    write_json(output, manifest)
    print(f"wrote {output} ({len(files)} files)", flush=True)


def listed_files(folder: Path, configuration: dict[str, Any], keep_weights: str, trunks: list[str]) -> list[str]:
    """The paths of an experiment's files below its folder, sorted, with `/` between the parts.

    A stray file, or one of an arm, a run or a network that is no longer configured, or of weights that are not kept,
    is not listed.
    """
    arms = one_of(configuration["arms"])
    runs = one_of(runs_of(configuration["seeds"], configuration["dataset"]))
    weights = rf"model-{runs}\.safetensors" if configuration.get("ensemble") else r"model\.safetensors"
    models = one_of(
        f"{arm['model']['architecture']}_{arm['model']['input_size']}" for arm in configuration["arms"].values()
    )
    claims, references = configuration["claims"], bool(configuration["reference_models"])
    images, mode = configuration["report"]["images"] == "all", mode_of(configuration)
    letters = pretrains_on_letters(configuration)
    figures = figures_with(claims, mode=mode, references=references, images=images, letters=letters)
    names = [name for figure in figures for name in figure.names(configuration["arms"])]
    tables = tables_with(claims, mode)
    gone = [f"{name}.safetensors" for name in {"initial", "trained"} - set(KEPT_WEIGHTS[keep_weights])]
    if mode != AFTER_DECISION:
        gone += OF_OPENING
    patterns = [
        r"config\.yaml",
        r"report\.html",
        *OF_DECISION,
        *[rf"model/({weights}|{BESIDE_WEIGHTS})"] * (read_decision(folder / "decision.json")["chosen"] is not None),
        *input_patterns(configuration),
        rf"models/{models}/{FILE_NAME}\.(csv|json|txt)",
        rf"runs/{arms}/{runs}/(?!{one_of(gone)}$){FILE_NAME}\.(safetensors|csv|json)",
        *[rf"runs/{arms}/{runs}/decided"] * (keep_weights == "model" and mode != AFTER_DECISION),
        rf"features/{one_of(trunks)}/{FILE_NAME}\.(safetensors|json)",
        rf"tables/{one_of(tables)}\.csv",
        rf"figures/{one_of(names)}\.(svg|png)",
    ]
    return files_at(folder, patterns)


def partial_files(folder: Path) -> list[str]:
    """The files of a partial report below an experiment's folder, sorted, with `/` between the parts.

    Of any arm: a partial report stays when the configuration is changed.
    """
    tables = [table.name for table in schema.EXPERIMENT_TABLES.values() if table.in_partial]
    figures = [figure for figure in FIGURES.values() if figure.in_partial]
    names = [figure.name for figure in figures if not figure.of_each_arm]
    kinds = [figure.name for figure in figures if figure.of_each_arm]
    drawn = f"({one_of(names)}|{one_of(kinds)}_{FILE_NAME})"
    patterns = [r"report\.html", *OF_DECISION, rf"tables/{one_of(tables)}\.csv", rf"figures/{drawn}\.(svg|png)"]
    return files_at(folder, [f"{PARTIAL}/{pattern}" for pattern in patterns])


def _torch_versions(folder: Path, files: dict[str, dict[str, Any]]) -> list[str]:
    """The versions of torch that the runs had, which with conda environments is not that of this process."""
    versions = set()
    for name in files:
        if re.fullmatch(r"runs/[^/]+/[^/]+/cost\.json", name):
            try:
                versions.add(str(json.loads(read_text(folder / name))["torch"]))
            except (ValueError, KeyError, TypeError, RecursionError):
                raise InputError(f"{folder / name}: expected JSON with the version of torch") from None
    return sorted(versions)


def _checksums(files: dict[str, dict[str, Any]], pattern: str) -> dict[str, str]:
    return {name: record["sha256"] for name, record in files.items() if re.fullmatch(pattern, name)}
