"""A folder is what its manifest says, or every difference is named."""

import json
import os
import subprocess
import sys

import pytest

from triptych.report.provenance import file_record
from triptych.report.verify import verify
from triptych.report.write_manifest import FORMAT
from triptych.storage.errors import InputError

FILES = {"config.yaml": b"a: 1\n", "tables/runs.csv": b"arm,seed\n", "runs/a/seed0/trained.safetensors": bytes(1000)}


@pytest.fixture
def folder(tmp_path):
    """A folder with a few files and their manifest."""
    folder = tmp_path / "digits"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    write(
        folder, {"format": FORMAT, "files": {name: {**file_record(folder / name), "measured": False} for name in FILES}}
    )
    return folder


def write(folder, manifest):
    (folder / "manifest.json").write_text(json.dumps(manifest))


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def problem_of(folder):
    with pytest.raises(InputError) as error:
        verify(folder)
    return str(error.value)


def test_a_folder_as_it_was_made(folder, capsys):
    verify(folder)
    assert capsys.readouterr().out == f"{folder}: all 3 files are as manifest.json says\n"


def test_every_byte_counts(folder):
    path = folder / "runs/a/seed0/trained.safetensors"
    for place in (0, 500, 999):
        content = bytearray(FILES["runs/a/seed0/trained.safetensors"])
        content[place] ^= 1
        path.write_bytes(content)
        assert "changed: runs/a/seed0/trained.safetensors (1000 bytes, sha256 " in problem_of(folder)


def test_each_difference_has_a_line(folder):
    (folder / "config.yaml").write_text("a: 2\n")
    (folder / "tables/runs.csv").unlink()
    (folder / "tables/.half.csv").write_text("")
    (folder / "strange\nname").write_text("")
    header, *lines = problem_of(folder).split("\n")
    assert header == f"{folder}: 4 of 5 files differ from manifest.json"
    kinds = [line.split(" (")[0].strip() for line in lines]
    assert kinds == [
        "missing: tables/runs.csv",
        "changed: config.yaml",
        "not in the manifest: 'strange\\nname'",
        "not in the manifest: 'tables/.half.csv'",
    ]


def test_a_manifest_that_is_missing(tmp_path):
    assert problem_of(tmp_path) == (
        f"{tmp_path}: there is no manifest.json, which is written last; give the folder of a finished experiment, as "
        "results/digits."
    )
    assert "there is no manifest.json" in problem_of(tmp_path / "none")


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"files": {', b"9" * 5000])
def test_a_manifest_that_is_no_json(folder, content):
    (folder / "manifest.json").write_bytes(content)
    assert "manifest.json: not " in problem_of(folder)


@pytest.mark.parametrize("manifest", [[], 3, None, {}, {"files": []}, {"files": {}}, {"format": 99, "files": {}}])
def test_json_that_is_no_manifest(folder, manifest):
    write(folder, manifest)
    assert "manifest.json: " in problem_of(folder)


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside", "", "a\0b"])
def test_names_that_leave_the_folder_are_not_opened(folder, name):
    write(folder, {"format": FORMAT, "files": {name: {"sha256": "0", "bytes": 1}}})
    assert "is not a path inside the folder" in problem_of(folder)


@pytest.mark.parametrize("record", [None, [], "0", {}, {"sha256": "0"}])
def test_a_file_without_its_checksum(folder, record):
    manifest = manifest_of(folder)
    manifest["files"]["config.yaml"] = record
    write(folder, manifest)
    assert "no checksum and size of 'config.yaml'" in problem_of(folder)


def test_the_command_exits_with_0_or_1(folder):
    call = [sys.executable, "-m", "triptych", "verify", folder.name]
    done = subprocess.run(call, cwd=folder.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "digits: all 3 files are as manifest.json says\n"
    os.truncate(folder / "tables/runs.csv", 4)
    done = subprocess.run(call, cwd=folder.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: digits: 1 of 3 files differ from manifest.json\n  changed: tables/runs.csv (4 bytes"
    )


def test_what_is_no_regular_file_is_named_and_never_opened(folder):
    (folder / "tables" / "gone.csv").symlink_to("nowhere.csv")
    (folder / "tables" / "here.csv").symlink_to("runs.csv")
    (folder / "loop").symlink_to("loop")
    (folder / "outside").symlink_to(folder.parent, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    header, *lines = problem_of(folder).split("\n")
    assert header == f"{folder}: 5 of 8 files differ from manifest.json"
    assert [line.strip() for line in lines] == [
        "not in the manifest: 'loop' (a dangling link)",
        "not in the manifest: 'outside' (not a regular file)",
        "not in the manifest: 'pipe' (not a regular file)",
        "not in the manifest: 'tables/gone.csv' (a dangling link)",
        "not in the manifest: 'tables/here.csv'",
    ]


@pytest.mark.parametrize("put", [lambda path: path.symlink_to("nowhere"), os.mkfifo, lambda path: path.mkdir()])
def test_a_listed_file_that_is_no_regular_file_is_missing(folder, put):
    (folder / "config.yaml").unlink()
    put(folder / "config.yaml")
    assert problem_of(folder).split("\n") == [
        f"{folder}: 1 of 3 files differ from manifest.json",
        "  missing: config.yaml",
    ]


PARTIAL = (
    *("report.html", "decision.json", "validation.safetensors", "tables/runs.csv", "tables/summary.csv"),
    *("figures/test_loss.png", "figures/validation_loss.png", "figures/loss_an arm.svg"),
)


def test_of_a_partial_report_only_what_no_rule_makes_is_named(folder, capsys):
    for name in PARTIAL:
        path = folder / "partial" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    verify(folder)
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}: all 3 files are as manifest.json says",
        f"{folder}: {len(PARTIAL)} files of a partial report are not in manifest.json, so not compared",
    ]
    strange = [
        "partial/config.yaml",
        "partial/runs/model.bin",
        "partial/tables/.half.csv",
        "partial/tables/largest_batch.csv",
    ]
    for name in strange:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    (folder / "partial" / "figures" / "memory.svg").symlink_to("nowhere.svg")
    header, *lines = problem_of(folder).split("\n")
    assert header == f"{folder}: 5 of 8 files differ from manifest.json"
    assert [line.strip() for line in lines] == [
        "not in the manifest: 'partial/config.yaml'",
        "not in the manifest: 'partial/figures/memory.svg' (a dangling link)",
        *[f"not in the manifest: {name!r}" for name in strange[1:]],
    ]
