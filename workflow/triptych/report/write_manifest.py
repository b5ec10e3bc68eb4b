"""The manifest of an experiment: the checksum of every file, and everything that its results depend on."""

import re
from pathlib import Path
from typing import Any

import triptych
from triptych.files import sha256, write_json
from triptych.report import provenance
from triptych.report.results import read_columns, read_configuration

FORMAT = 1
"""Raised when a reader of older manifests would misread a new one."""

MEASURED = re.compile(r"runs/[^/]+/[^/]+/cost\.json|tables/cost\.csv|figures/cost_[^/]+|report\.html")
"""The files that hold measured times and memory. They differ from run to run; no other file may."""


def write_manifest(*, experiment_folder: Path, output: Path) -> None:
    """Write the checksums of an experiment's files, and what the results depend on.

    The files are those that the workflow makes at its known places in `experiment_folder`, of the configured runs and
    networks; logs, benchmarks, temporary files and the manifest itself are not among them. Those in `data/` and
    `weights/` are what the runs were made from.

    Raises:
        InputError: config.yaml, tables/arms.csv or tables/cost.csv is missing or not what it should be.
    """
    configuration = read_configuration(experiment_folder / "config.yaml")
    files = {
        name: {**provenance.file_record(experiment_folder / name), "measured": bool(MEASURED.fullmatch(name))}
        for name in listed_files(experiment_folder, configuration)
    }
    cost = read_columns(experiment_folder / "tables" / "cost.csv", ["device", "device_name"])
    devices = [dict(device) for device in sorted({tuple(row.items()) for row in cost.to_dict("records")})]
    arms = read_columns(experiment_folder / "tables" / "arms.csv", ["arm", "num_threads", "device"])
    manifest = {
        "format": FORMAT,
        "files": files,
        "configuration": configuration,
        "code": {"package": triptych.__name__, "version": triptych.__version__, "sha256": provenance.package_digest()},
        "machine": provenance.machine(),
        "packages": provenance.package_versions(),
        "devices": devices,
        "depends_on": {
            "configuration": sha256(experiment_folder / "config.yaml"),
            "data": _checksums(files, r"data/.*\.safetensors"),
            "weights": _checksums(files, r"weights/[^/]*\.safetensors"),
            "code": provenance.package_digest(),
            "packages": {
                name: version
                for name, version in provenance.package_versions().items()
                if name in provenance.DECIDING_PACKAGES
            },
            "threads": {row["arm"]: int(row["num_threads"]) for _, row in arms.iterrows()},
            "device": sorted(set(cost["device"])),
        },
    }
    write_json(output, manifest)
    print(f"wrote {output} ({len(files)} files)", flush=True)


def listed_files(folder: Path, configuration: dict[str, Any]) -> list[str]:
    """The places of an experiment's files below its folder, sorted, with `/` between the parts.

    A stray file, or one of a run that is no longer configured, is not listed.
    """
    arms = _one_of(configuration["arms"])
    seeds = _one_of(configuration["seeds"])
    models = _one_of(
        f"{arm['model']['architecture']}_{arm['model']['input_size']}" for arm in configuration["arms"].values()
    )
    name = r"[^./][^/]*"
    places = [
        r"config\.yaml",
        r"report\.html",
        rf"data/{name}\.(safetensors|csv)",
        rf"weights/(letters/)?{name}\.(safetensors|csv)",
        rf"models/{models}/{name}\.(csv|json|txt)",
        rf"runs/{arms}/seed{seeds}/{name}\.(safetensors|csv|json)",
        rf"tables/{name}\.csv",
        rf"figures/{name}\.(svg|png)",
    ]
    known = re.compile("|".join(places))
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(place for place in found if known.fullmatch(place))


def _one_of(names: Any) -> str:
    """A pattern that matches these names and nothing else."""
    return f"({'|'.join(sorted({re.escape(str(name)) for name in names}))})"


def _checksums(files: dict[str, dict[str, Any]], pattern: str) -> dict[str, str]:
    return {name: record["sha256"] for name, record in files.items() if re.fullmatch(pattern, name)}
