"""Experiments in one folder: they share what is downloaded, and leave each other alone."""

import pytest
import yaml

from tests.data.test_cifar import cifar10_members, write_archive
from tests.workflow.conftest import TINY, snakemake
from tests.workflow.mirror import serve
from triptych.files import sha256

pytestmark = pytest.mark.slow


def files_in(folder):
    """The bytes of every file, and when it was written."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_a_second_experiment_fetches_nothing_and_changes_nothing_of_the_first(tmp_path, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    served, folder = tmp_path / "served", tmp_path / "run"
    served.mkdir()
    folder.mkdir()
    archive = write_archive(served / "archive.tar.gz", cifar10_members())
    experiment = {
        **TINY,
        "dataset": {"source": "cifar10", "sha256": sha256(archive), "expected_train": 100, "expected_test": 20},
        "weights": {"source": "none"},
        "training": {"epochs": 1, "num_threads": 1, "device": "cpu"},
        "seeds": [0],
        "arms": {"only": {"weights": "random", "train": "head"}},
    }
    with serve(served) as server:
        experiment["dataset"]["urls"] = [f"{server.address}/{archive.name}"]
        for name, epochs in (("one", 1), ("two", 2)):
            experiment["training"]["epochs"] = epochs
            (folder / f"{name}.yaml").write_text(yaml.safe_dump({"experiments": {name: experiment}}))
        snakemake("--cores", "2", "--configfile", "one.yaml", directory=folder)
        before = files_in(folder / "results") | files_in(folder / "resources")
        snakemake("--cores", "2", "--configfile", "one.yaml", "two.yaml", directory=folder)
        after = files_in(folder / "results") | files_in(folder / "resources")
    assert {path: after[path] for path in before} == before
    assert {path.relative_to(folder).parts[:2] for path in after.keys() - before.keys()} == {("results", "two")}
    assert (folder / "results" / "two" / "manifest.json").is_file()
    assert server.asked == [f"/{archive.name}"]
