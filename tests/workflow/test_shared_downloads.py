"""Experiments share what is downloaded and leave each other alone. Whatever changes, one call makes all its targets."""

import re
import shutil
import subprocess
import sys

import pytest
import torch
import yaml

from tests.data.test_cifar import cifar10_members, write_archive
from tests.workflow.conftest import COMMENTS, TINY, rules_of, snakemake, tiers
from tests.workflow.mirror import serve
from tests.workflow.test_rerun_modules import with_followers
from triptych.models.networks import build_network
from triptych.storage.files import sha256

slow = pytest.mark.slow

DOWNLOADS = {"download_dataset", "download_weights"}
ARM = {"weights": "pretrained", "train": "head"}
TARGETS = ["results/one/data/train.safetensors", "results/one/weights/resnet18.safetensors"]
"""The first files that are made of the downloads."""


@pytest.fixture(scope="module", autouse=True)
def no_proxy():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1")
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The running server of a small archive and of random weights."""
    folder = tmp_path_factory.mktemp("served")
    write_archive(folder / "archive.tar.gz", cifar10_members())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(build_network("resnet18", 1000, 224).state_dict(), folder / "weights.pth")
    with serve(folder) as server:
        server.sums = {path.name: sha256(path) for path in folder.iterdir()}
        yield server


@pytest.fixture(scope="module")
def write(server):
    """A function that writes NAME.yaml; `address` is where the files are said to be, the rest what is different."""

    def write(folder, name="one", address=server.address, dataset=None, weights=None, **changes):
        files = {
            file: {"urls": [f"{address}/{file}"], "sha256": server.sums[file]}
            for file in ("archive.tar.gz", "weights.pth")
        }
        numbers = {"expected_train": 100, "expected_test": 20, "validation_per_class": 2}
        experiment = {
            **TINY,
            "dataset": {"source": "cifar10", **numbers, **files["archive.tar.gz"], **(dataset or {})},
            "weights": {"source": "torchvision", **files["weights.pth"], **(weights or {})},
            "training": {"epochs": 1, "num_threads": 1, "device": "cpu"},
            "seeds": [0],
            "arms": {"only": ARM},
            **changes,
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"experiments": {name: experiment}}, sort_keys=False))

    return write


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory, checkout, write):
    """A folder in which nothing but the downloads has run."""
    folder = tmp_path_factory.mktemp("downloaded")
    write(folder)
    call = ["--until", *sorted(DOWNLOADS), "--cores", "2", "--configfile", "one.yaml"]
    snakemake(*call, directory=folder, checkout=checkout)
    return folder


@pytest.fixture
def begun(tmp_path, downloaded):
    """Such a folder for one test."""
    return shutil.copytree(downloaded, tmp_path / "begun")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, checkout, downloaded):
    """A folder in which the experiment `one` has run to its end."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(downloaded, folder, dirs_exist_ok=True)
    snakemake("--cores", "2", "--configfile", "one.yaml", directory=folder, checkout=checkout)
    return folder


@pytest.fixture(scope="module")
def every_rule(tmp_path_factory, checkout, write):
    """The rules that the experiment needs from the beginning."""
    folder = tmp_path_factory.mktemp("new")
    write(folder)
    return planned(folder, checkout)


def planned(folder, checkout, *arguments):
    """The rules of the jobs that a call would run."""
    call = [*arguments, "--dry-run", "--configfile", "one.yaml"]
    return set(rules_of(snakemake(*call, directory=folder, checkout=checkout).stdout))


def following(first):
    """The rules and all that follow them, in an experiment whose test images are opened after the decision."""
    rules = with_followers(first)
    return rules | {"open_test"} if "train" in rules else rules


def bytes_in(folder):
    """The bytes of every file."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def files_in(folder):
    """The bytes of every file, and when it was written."""
    return {path: (path.stat().st_mtime_ns, content) for path, content in bytes_in(folder).items()}


@slow
def test_a_second_experiment_fetches_nothing_and_changes_nothing_of_the_first(
    finished, checkout, server, write, tmp_path
):
    """And is whole after one call, although its files are said to be elsewhere."""
    folder = shutil.copytree(finished, tmp_path / "run")
    write(folder, "two", address="http://127.0.0.1:1", training={"epochs": 2, "num_threads": 1, "device": "cpu"})
    before = files_in(folder / "results") | files_in(folder / "resources")
    call = ["--configfile", "one.yaml", "two.yaml"]
    snakemake(*call, "--cores", "2", directory=folder, checkout=checkout)
    after = files_in(folder / "results") | files_in(folder / "resources")
    assert {path: after[path] for path in before} == before
    assert {path.relative_to(folder).parts[:2] for path in after.keys() - before.keys()} == {("results", "two")}
    assert (folder / "results" / "two" / "manifest.json").is_file()
    assert sorted(server.asked) == ["/archive.tar.gz", "/weights.pth"]
    assert not rules_of(snakemake(*call, "--dry-run", directory=folder, checkout=checkout).stdout)


NETWORKS = "write_configuration compare_architectures"
ELSEWHERE = {"address": "http://127.0.0.1:1"}
OWN_FILES = {section: {"path": "/nowhere"} for section in ("dataset", "weights")}
FORCED = ["--forcerun", "download_dataset", "download_weights"]


@pytest.mark.parametrize(
    ("changes", "first"),
    tiers(
        slow=[
            ({}, ""),
            (ELSEWHERE, "write_configuration"),
            (OWN_FILES, "write_configuration"),
            # a change beside another address: it runs what it runs alone
            ({**ELSEWHERE, "question": "Another one?"}, "write_configuration"),
            # what follows the decision anew is known only after it
            ({**ELSEWHERE, "comparison": {"prefer": "cheap"}}, "write_configuration decide"),
            (
                {**ELSEWHERE, "arms": {"only": ARM, "more": ARM}},
                "write_configuration compare_architectures train",
            ),
            ({**ELSEWHERE, "dataset": {"train_per_class": 5}}, "write_configuration prepare_dataset"),
            ({**ELSEWHERE, "dataset": {"sha256": "0" * 64}}, "write_configuration download_dataset"),
        ],
        long=[  # last run: 2026-11-28, passed
            ({**ELSEWHERE, "arms": {"only": {**ARM, "training": {"learning_rate": 0.1}}}}, "write_configuration train"),
            ({**ELSEWHERE, "seeds": [0, 1]}, "write_configuration train"),
            ({**ELSEWHERE, "weights": {"sha256": "0" * 64}}, "write_configuration download_weights"),
        ],
    ),
    ids=[
        *("nothing", "address", "path", "question", "comparison", "arm added", "images", "archive"),
        *("learning rate", "seed added", "weights"),
    ],
)
def test_a_changed_value_runs_what_uses_it_and_what_follows(finished, checkout, write, every_rule, changes, first):
    try:
        write(finished, **changes)
        rules = planned(finished, checkout)
    finally:
        write(finished)
    assert rules == following(first) & every_rule


FETCH = ("workflow/triptych/storage/fetch.py", COMMENTS[".py"], "")
STRATIFY = ("workflow/triptych/data/stratify.py", COMMENTS[".py"], "prepare_dataset")
CONVERT = ("workflow/triptych/models/convert_weights.py", COMMENTS[".py"], "convert_weights")
SHELL_COMMAND = ("workflow/rules/data.smk", "download-dataset  ", "download_dataset")


@pytest.mark.parametrize(
    ("state", "file", "text", "first"),
    tiers(
        slow=[
            *(("finished", *change) for change in (FETCH, STRATIFY, CONVERT, SHELL_COMMAND)),
            *(("begun", *change) for change in (STRATIFY, SHELL_COMMAND)),
        ],
        long=[("begun", *change) for change in (FETCH, CONVERT)],  # last run: 2026-11-28, passed
    ),
)
def test_changed_code_runs_what_uses_it_and_what_follows(
    request, state, checkout, write, every_rule, file, text, first
):
    folder, path = request.getfixturevalue(state), checkout / file
    write(folder)
    before = path.read_text()
    try:
        path.write_text(before.replace(text.rstrip(), text) if path.suffix == ".smk" else before + text)
        rules = planned(folder, checkout)
    finally:
        path.write_text(before)
    followers = following(first) & every_rule
    assert rules == (followers if state == "finished" else followers | every_rule - DOWNLOADS)


@slow
@pytest.mark.parametrize("changes", [{}, ELSEWHERE, OWN_FILES], ids=["nothing", "address", "path"])
def test_where_only_the_downloads_are_there_all_the_rest_is_made(begun, checkout, write, every_rule, changes):
    write(begun, **changes)
    assert planned(begun, checkout) == every_rule - DOWNLOADS
    assert planned(begun, checkout, *FORCED) == every_rule


ALL = {"all": {"weights": "pretrained", "train": "all"}}
CHANGES = {
    "an address, nothing made yet": ELSEWHERE,
    "comparison": {"comparison": {"prefer": "cheap"}},
    "images": {"dataset": {"train_per_class": 5}},
    "code, and all values back": {},
}
OTHER_CHANGES = {
    "paths, nothing made yet": OWN_FILES,
    "an arm more": {"arms": ALL | {"only": ARM}},
    "an arm less, so that another one leads": {"arms": ALL},
    "training": {"arms": ALL, "training": {"epochs": 1, "num_threads": 1, "device": "cpu", "learning_rate": 1e-3}},
}


@pytest.mark.parametrize(
    ("changes", "removed"),
    tiers(slow=[(CHANGES, None)], long=[(OTHER_CHANGES, "only")]),  # last run: 2026-11-29, passed
)
def test_after_any_change_one_call_makes_all_targets_and_nothing_is_left_to_do(
    begun, checkout, write, changes, removed
):
    """A dry run does not list what follows a decision made again: only real calls show that all of it is made."""
    stratify = checkout / STRATIFY[0]
    before = stratify.read_text()
    try:
        for name, change in changes.items():
            write(begun, **change)
            if "code" in name:
                stratify.write_text(before + STRATIFY[1])
            snakemake("--cores", "2", "--configfile", "one.yaml", directory=begun, checkout=checkout)
            assert (begun / "results" / "one" / "manifest.json").is_file(), name
            assert not planned(begun, checkout), name
    finally:
        stratify.write_text(before)
    call = [sys.executable, "-m", "triptych", "verify", "results/one"]
    verified = subprocess.run(call, cwd=begun, capture_output=True, text=True, timeout=120, check=False)
    if removed is None:
        assert verified.returncode == 0, verified.stdout + verified.stderr
    else:  # what the arm has left is named; all other files are as the manifest says
        left = verified.stderr.splitlines()[1:]
        assert left and all(re.match(f"  not in the manifest: '.*[/_]{removed}[/.]", line) for line in left), left


@slow
def test_touched_downloads_run_nothing(finished, checkout):
    for path in (finished / "resources").rglob("*.*"):
        path.touch()
    assert not planned(finished, checkout)


@slow
def test_downloads_that_run_again_find_their_files_and_all_that_follows_is_made(begun, checkout, server, write):
    write(begun, **ELSEWHERE)
    before, asked = bytes_in(begun / "resources"), list(server.asked)
    call = [*TARGETS, "--configfile", "one.yaml"]
    snakemake(*call, "--cores", "2", *FORCED, directory=begun, checkout=checkout)
    assert all((begun / target).is_file() for target in TARGETS)
    assert (bytes_in(begun / "resources"), server.asked) == (before, asked)
    assert not planned(begun, checkout, *TARGETS)


@slow
def test_a_download_that_fails_leaves_the_file_that_is_there(begun, checkout, server, write):
    """As for a wrong checksum whose first digits, which are in the file's name, are right."""
    checksum = server.sums["archive.tar.gz"]
    write(begun, dataset={"sha256": checksum[:16] + 48 * "0"})
    before = bytes_in(begun / "resources")
    call = [TARGETS[0], "--cores", "1", "--configfile", "one.yaml"]
    failed = snakemake(*call, directory=begun, checkout=checkout, check=False)
    assert failed.returncode != 0
    assert "a different file" in failed.stdout and "Traceback" not in failed.stdout
    assert bytes_in(begun / "resources") == before
    write(begun)
    assert planned(begun, checkout, TARGETS[0]) == {"download_dataset", "prepare_dataset"}
