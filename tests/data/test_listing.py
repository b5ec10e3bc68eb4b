"""The digest of the user's files changes with them, and with nothing else."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.data.user_images import age, class_folders, put, table_lines, traces
from triptych.data import listing
from triptych.data.listing import candidates, digest_for, digest_of, read_listing, record, write_listing
from triptych.storage.errors import InputError


class DataSet:
    """20 images, with the listing that check_data would have written."""

    def __init__(self, source: str, folder: Path) -> None:
        self.source = source
        self.root = folder / "photos"
        class_folders(self.root)
        if source == "table":
            (self.root / "photos.csv").write_text("\n".join(table_lines()))
        self.recorded = folder / "results" / "listing.json"
        self.digest = digest_of(candidates(source, self.path))
        self.write(self.digest)

    @property
    def path(self) -> Path:
        return self.root if self.source == "folder" else self.root / "photos.csv"

    def write(self, digest: str) -> None:
        write_listing(self.recorded, record(self.source, self.path, digest, candidates(self.source, self.path), {}))

    def now(self) -> str:
        return digest_for(self.source, self.path, self.recorded)


@pytest.fixture(params=["folder", "table"])
def data(request, tmp_path):
    return DataSet(request.param, tmp_path)


@pytest.fixture
def photos(tmp_path):
    return DataSet("folder", tmp_path)


def test_unchanged_files_have_the_recorded_digest_and_are_not_read(data, monkeypatch):
    monkeypatch.setattr(listing, "open_untouched", None)
    assert data.now() == data.digest


def test_the_recorded_digest_is_the_one_that_was_asked(data):
    data.write("as asked")
    assert data.now() == "as asked"


def test_touched_files_are_the_same(data):
    for path in data.root.rglob("*.*"):
        os.utime(path)
    assert digest_of(candidates(data.source, data.path)) != data.digest
    assert data.now() == data.digest


def test_reading_leaves_no_access_time(data):
    age(data.root)
    before = traces(data.root)
    age(data.root)
    assert data.now() == data.digest
    assert traces(data.root) == before


def test_a_copy_elsewhere_is_the_same(data, tmp_path):
    shutil.copytree(data.root, tmp_path / "mount" / "copy", copy_function=shutil.copy)
    path = tmp_path / "mount" / "copy" / data.path.relative_to(data.root)
    assert digest_for(data.source, path, data.recorded) == data.digest


def rename(root):
    (root / "roses" / "00.jpg").rename(root / "roses" / "renamed.jpg")


def edit(root):
    put(root / "roses" / "00.jpg")


def edit_to_the_same_size(root):
    path = root / "roses" / "00.jpg"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


@pytest.mark.parametrize("change", [rename, edit, edit_to_the_same_size, lambda root: (root / "roses/00.jpg").unlink()])
def test_changed_files_are_others(data, change):
    change(data.root)
    assert data.now() == digest_of(candidates(data.source, data.path)) != data.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda root: put(root / "roses" / "more.jpg"),
        lambda root: put(root / "loose.jpg"),
        lambda root: (root / "daisies").mkdir(),
        lambda root: (root / "roses" / "more.jpg").symlink_to("gone"),
        lambda root: put(root / "roses" / "by content"),
    ],
)
def test_added_entries_are_others_and_the_same_without_them(photos, change, tmp_path):
    change(photos.root)
    assert photos.now() != photos.digest
    photos.write(photos.now())
    changed = photos.now()
    shutil.rmtree(photos.root)
    class_folders(photos.root)
    assert photos.now() not in (changed, photos.digest)


@pytest.mark.parametrize("name", ["README.md", ".DS_Store", "roses/Thumbs.db", "roses/._00.jpg", "roses/.cache/a.jpg"])
def test_what_is_ignored_by_its_name_is_not_listed(photos, name):
    put(photos.root / name)
    assert photos.now() == photos.digest


def test_a_table_may_name_other_files(tmp_path):
    data = DataSet("table", tmp_path)
    put(data.root / "roses" / "more.jpg")
    assert data.now() == data.digest
    data.path.write_text("\n".join([*table_lines(), "roses/more.jpg,roses"]))
    assert data.now() != data.digest


def test_what_was_mended_is_seen(photos):
    """A link that leads nowhere, and a link out of the folder whose target takes its place."""
    outside = put(photos.root.parent / "more.jpg")
    link = photos.root / "roses" / "more.jpg"
    link.symlink_to(outside)
    photos.write("with the link")
    assert photos.now() == "with the link"
    link.unlink()
    shutil.copy2(outside, link)
    assert photos.now() != "with the link"


@pytest.mark.parametrize("how", ["gone", "empty", "all but the table"])
def test_a_folder_that_is_gone(data, how, capsys):
    shutil.rmtree(data.root)
    if how == "empty" and data.source == "folder":
        data.root.mkdir()
    if how == "all but the table" and data.source == "table":
        data.root.mkdir()
        data.path.write_text("\n".join(table_lines()))
    assert data.now() == data.digest
    error = capsys.readouterr().err
    assert error == f"{data.path}: the images are gone; using those that were prepared from them.\n"


def test_another_table_of_images_that_are_gone(tmp_path):
    data = DataSet("table", tmp_path)
    shutil.rmtree(data.root / "roses")
    shutil.rmtree(data.root / "tulips")
    data.path.write_text("\n".join(table_lines()).replace("tulips\n", "Tulips\n"))
    assert data.now() != data.digest


def test_one_line_is_printed_only_where_images_are_gone(data, capsys):
    assert data.now() == data.digest
    assert capsys.readouterr() == ("", "")


def test_a_record_without_images_holds_for_none_that_are_gone(photos):
    shutil.rmtree(photos.root)
    photos.root.mkdir()
    photos.write("empty")
    photos.root.rmdir()
    with pytest.raises(InputError, match="does not exist"):
        photos.now()


def test_neither_folder_nor_record(data):
    shutil.rmtree(data.root)
    data.recorded.unlink()
    with pytest.raises(InputError, match=rf"^the {data.source} {data.path} does not exist; give the path of .*\.$"):
        data.now()


def test_a_file_instead_of_the_folder(photos):
    with pytest.raises(InputError, match=r"^.*00\.jpg is a file, not a folder; give .*\.$"):
        digest_for("folder", photos.root / "roses" / "00.jpg", photos.recorded)
    with pytest.raises(InputError, match=r"^.*photos is a folder, not a CSV file; give .*\.$"):
        digest_for("table", photos.root, photos.recorded)


DAMAGED = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"digest": "a"}',
    b'{"digest": "a", "files": []}',
    b'{"digest": "a", "files": {"./a": [1]}}',
    b'{"digest": "a", "files": {"./a": [1, "x", "y"]}}',
    b'{"digest": 3, "files": {}}',
    b'{"digest": "", "files": {}}',
    b'{"files": {}}',
    b'{"digest": "a", "files": {"./a": [Infinity, 1, "x"]}}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_record_is_none(photos, content):
    photos.write("recorded")
    photos.recorded.write_bytes(content)
    assert read_listing(photos.recorded) is None
    assert photos.now() == photos.digest


def test_a_record_cut_anywhere_is_none(photos):
    whole = photos.recorded.read_bytes()
    for size in range(0, len(whole) - 2, 97):
        photos.recorded.write_bytes(whole[:size])
        assert read_listing(photos.recorded) is None


def test_known_checksums_are_taken_and_others_computed(photos):
    listed = candidates("folder", photos.root)
    made = record("folder", photos.root, "d", listed, {"./roses/00.jpg": "known"})
    assert made.files["./roses/00.jpg"][2] == "known"
    assert made.files["./roses/"] == (0, 0, "")
    computed = read_listing(photos.recorded)
    assert computed is not None and len(computed.files["./roses/01.jpg"][2]) == 64
    assert {**computed.files, "./roses/00.jpg": made.files["./roses/00.jpg"]} == made.files


def test_names_that_are_not_utf8_come_back(photos):
    path = put(photos.root / "roses" / os.fsdecode(b"\xe9\n\\.jpg"))
    photos.write("with it")
    assert photos.now() == "with it"
    os.utime(path)
    assert photos.now() == "with it"
    assert photos.recorded.read_bytes().isascii()
    assert list(json.loads(photos.recorded.read_bytes())) == ["digest", "files"]


def test_the_order_of_the_list_does_not_matter(photos):
    assert digest_of(reversed(candidates("folder", photos.root))) == photos.digest


def test_files_that_are_too_large_are_not_read(photos):
    """A file of a terabyte would hold check_data, and later the start of the workflow, for an hour."""
    with (photos.root / "roses" / "sparse.jpg").open("wb") as file:
        file.truncate(10**12)
    photos.write("with it")
    assert photos.now() == "with it"
    recorded = read_listing(photos.recorded)
    assert recorded is not None
    assert recorded.files["./roses/sparse.jpg"][2] == ""


def test_pipes_are_never_opened(photos):
    os.mkfifo(photos.root / "roses" / "pipe.jpg")
    photos.write("with a pipe")
    assert photos.now() == "with a pipe"


@pytest.mark.parametrize(
    ("thousands", "seconds"),
    [pytest.param(20, 0.4, marks=pytest.mark.slow), pytest.param(100, 2, marks=pytest.mark.long)],
)
def test_a_hundred_thousand_files(tmp_path, thousands, seconds):
    """Listed in less than two seconds of CPU time; a record adds the time to read it.

    The long test, of all of them, was last run on 2026-11-28, and passed; the slow one has a fifth of files and time.
    """
    for label in range(10):
        folder = tmp_path / "photos" / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(100 * thousands):
            (folder / f"{number}.jpg").touch()
    begin = time.process_time()
    listed = candidates("folder", tmp_path / "photos")
    digest_of(listed)
    assert time.process_time() - begin < seconds
    assert len(listed) == 1000 * thousands + 10
