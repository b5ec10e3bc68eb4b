"""A folder is what its manifest says, or every difference is named."""

import json
import os
import subprocess
import sys

import pytest

from triptych.errors import InputError
from triptych.report.provenance import file_record
from triptych.report.verify import verify
from triptych.report.write_manifest import FORMAT

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


def test_a_folder_in_the_place_of_a_file_is_a_missing_file(folder):
    (folder / "config.yaml").unlink()
    (folder / "config.yaml").mkdir()
    assert "missing: config.yaml" in problem_of(folder)


def test_a_manifest_that_is_missing(tmp_path):
    assert problem_of(tmp_path) == f"{tmp_path / 'manifest.json'}: the file is missing"
    assert "the file is missing" in problem_of(tmp_path / "none")


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
    assert "is no place in its folder" in problem_of(folder)


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


def test_a_partial_report_is_no_part_of_it(folder):
    (folder / "partial" / "tables").mkdir(parents=True)
    (folder / "partial" / "tables" / "runs.csv").write_text("arm,seed\n")
    verify(folder)
