"""Class folders and split folders: what is an image, what is a class, and what is ignored."""

import os
import random
import shutil
import subprocess
import sys
import tarfile
import unicodedata
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.data.user_images import CLASSES, age, class_folders, picture, put, split_folders, table_lines, traces
from triptych.data.found import Ignored
from triptych.data.sources import folder, table

SHARED = ROOT.parent / "shared" / "data"
HOSTILE = ["a b.jpg", "it's.jpg", 'say "no".jpg', "two\nlines.jpg", "é.jpg", "🌹.jpg", "-rf.jpg", "$(touch hacked).jpg"]
HOSTILE += [
    "`touch hacked`.jpg",
    "a,b;c.jpg",
    "a\\b.jpg",
    "#.jpg",
    "%s{0}.jpg",
    " .jpg",
    "{x}.jpg",
    "*.jpg",
    "=1+1.jpg",
]


def labels(found):
    return [item.label for item in found.items]


def test_class_folders(tmp_path):
    class_folders(tmp_path / "photos")
    found = folder.found(tmp_path / "photos")
    assert (found.problems, found.ignored, found.classes) == ([], [], list(CLASSES))
    assert len(found.items) == 20
    first = found.items[0]
    assert (first.path, first.label, first.split, first.group) == ("./roses/00.jpg", "roses", "", "")
    assert first.file.read_bytes() == picture(0)


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "VALID", "Test"), ("TRAIN", "Validation", "test")]
)
def test_split_folders(tmp_path, names):
    split_folders(tmp_path)
    for old, new in zip(("train", "val", "test"), names, strict=True):
        (tmp_path / old).rename(tmp_path / new)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "about.pdf").write_text("none")
    found = folder.found(tmp_path)
    assert found.problems == []
    assert found.ignored == [Ignored("./docs", "a folder without images beside split folders")]
    assert [sum(item.split == split for item in found.items) for split in ("train", "validation", "test")] == [12, 4, 4]
    assert {item.path.split("/")[1] for item in found.items} == set(names)
    assert found.classes == list(CLASSES)


@pytest.mark.parametrize("missing", ["val", "test"])
def test_a_part_other_than_training_may_be_missing(tmp_path, missing):
    split_folders(tmp_path)
    shutil.rmtree(tmp_path / missing)
    found = folder.found(tmp_path)
    assert found.problems == []
    assert len(found.items) == 16 and all(item.split for item in found.items)


def test_classes_may_be_called_as_splits(tmp_path):
    """Vehicles and examinations: there is another class, and no class folder in them."""
    for name in ("train", "test", "bus"):
        put(tmp_path / name / "a.jpg", len(name))
    found = folder.found(tmp_path)
    assert found.problems == []
    assert [(item.label, item.split) for item in found.items] == [("bus", ""), ("test", ""), ("train", "")]


@pytest.mark.parametrize(
    "name", ["01", "NA", "true", "null", "-1", "-1.5", "1e5", "a b", "日本", "ro'ses", "r" * 100, "🌹"]
)
def test_class_names_are_kept(tmp_path, name):
    put(tmp_path / name / "a.jpg")
    put(tmp_path / "other" / "a.jpg")
    found = folder.found(tmp_path)
    assert found.problems == [] and found.classes == sorted([name, "other"])


def test_an_image_is_known_by_its_content_in_a_class_folder_and_by_its_name_outside(tmp_path):
    class_folders(tmp_path)
    put(tmp_path / "roses" / "no ending")
    put(tmp_path / "roses" / "wrong.txt")
    (tmp_path / "roses" / "broken.jpg").write_text("no image: decoding says so")
    (tmp_path / "roses" / "empty.PNG").touch()
    (tmp_path / "roses" / "note.txt").write_text("none")
    (tmp_path / "roses" / "roses.db").write_bytes(b"\0" * 5000)
    (tmp_path / "roses" / "empty").mkdir()
    put(tmp_path / "outside")
    (tmp_path / "labels.csv").write_text("none")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = folder.found(tmp_path)
    assert found.problems == []
    new = {item.path for item in found.items} - {f"./{name}/{n:02}.jpg" for name in CLASSES for n in range(10)}
    assert new == {f"./roses/{name}" for name in ("no ending", "wrong.txt", "broken.jpg", "empty.PNG")}
    assert [(one.path, one.reason) for one in found.ignored] == [
        ("./labels.csv", "outside class folders"),
        ("./outside", "outside class folders"),
        ("./pipe", "outside class folders"),
        ("./pipe.jpg", "outside class folders"),
        ("./roses/empty", "a folder without images"),
        ("./roses/note.txt", "a text file"),
        ("./roses/roses.db", "not an image"),
    ]


def test_junk_is_ignored_and_told_wherever_it_is(tmp_path):
    class_folders(tmp_path)
    junk = [".DS_Store", "._00.jpg", "Thumbs.db", "THUMBS.DB", "desktop.ini", "Desktop.ini", ".hidden.jpg", "Icon\r"]
    folders = ["__MACOSX", ".ipynb_checkpoints", ".git", "@eaDir"]
    for where in (tmp_path, tmp_path / "roses"):
        for name in junk:
            put(where / name)
        for name in folders:
            put(where / name / "roses" / "a.jpg")
    found = folder.found(tmp_path)
    assert found.problems == [] and len(found.items) == 20
    expected = sorted(f"./{where}{name}" for where in ("", "roses/") for name in junk + folders)
    assert [one.path for one in found.ignored] == expected
    assert {one.reason for one in found.ignored} == {"hidden or made by the system"}
    assert len(folder.candidates(tmp_path)) == 22


def test_links_inside_the_folder_are_files(tmp_path):
    class_folders(tmp_path / "photos")
    (tmp_path / "photos" / "roses" / "again.jpg").symlink_to("00.jpg")
    (tmp_path / "link").symlink_to("photos")
    found = folder.found(tmp_path / "link")
    assert found.problems == [] and "./roses/again.jpg" in [item.path for item in found.items]


def test_hostile_names_are_kept_and_nothing_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "$(touch hacked)"
    for number, name in enumerate(HOSTILE):
        put(root / "it's $HOME" / name, number)
        put(root / "tulips" / name, 500 + number)
    age(root)
    before = traces(tmp_path)
    age(root)
    found = folder.found(root)
    assert found.problems == [] and found.ignored == []
    assert [item.path for item in found.items] == sorted(
        f"./{label}/{name}" for label in ("it's $HOME", "tulips") for name in HOSTILE
    )
    assert all(item.path.startswith("./") and item.file.is_file() for item in found.items)
    assert traces(tmp_path) == before


def test_a_tree_of_a_thousand_levels(tmp_path):
    class_folders(tmp_path)
    here = Path.cwd()
    os.chdir(tmp_path / "roses")
    for _ in range(1200):
        Path("d").mkdir()
        os.chdir("d")
    os.chdir(here)
    assert folder.found(tmp_path).problems == []
    assert len(folder.candidates(tmp_path)) > 1000
    while (tmp_path / "roses" / "d").exists():  # rmtree of pytest would end at the longest path
        deepest = tmp_path / "roses" / "d"
        inner = [entry for entry in os.scandir(deepest) if entry.is_dir()]
        if inner:
            (deepest / "d").rename(tmp_path / "roses" / "e")
        deepest.rmdir()
        if inner:
            (tmp_path / "roses" / "e").rename(deepest)


def three_layouts(root: Path, flowers: dict[str, list[tuple[str, bytes]]]) -> tuple[Path, Path, Path]:
    """Write the same pictures with the same splits in three layouts, in a random order of creation."""
    rows = []
    for label, pictures in flowers.items():
        for number, (name, content) in enumerate(pictures):
            rows.append((label, name, content, ("test", "val", *["train"] * 4)[number % 6]))
    random.Random(1).shuffle(rows)
    lines = ["path,label,split"]
    for label, name, content, split in rows:
        lines.append(f"mixed/{name},{label},{split}")
        for path in (root / "mixed" / name, root / "tree" / label / name, root / "splits" / split / label / name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    (root / "flowers.csv").write_text("\n".join(lines), encoding="utf-8")
    return root / "tree", root / "splits", root / "flowers.csv"


def content_of(found, splits=True):
    return sorted((item.file.read_bytes(), item.label, item.split if splits else "") for item in found.items)


@pytest.fixture(scope="module")
def flowers():
    archive = SHARED / "flowers-300.tar"
    if not archive.exists():
        pytest.skip(f"{archive} is missing")
    found: dict[str, list[tuple[str, bytes]]] = {}
    with tarfile.open(archive) as members:
        for member in members:
            if member.isfile():
                _, label, name = member.name.split("/")
                found.setdefault(label, []).append((name, members.extractfile(member).read()))
    return found


def test_flowers_have_no_problem_and_the_same_labels_in_three_layouts(tmp_path, flowers):
    tree, splits, csv = three_layouts(tmp_path, flowers)
    found = [folder.found(tree), folder.found(splits), table.found(csv)]
    for one in found:
        assert one.problems == [] and one.ignored == []
        assert len(one.items) == 300 and one.classes == sorted(flowers)
    assert content_of(found[0], splits=False) == content_of(found[1], splits=False)
    assert content_of(found[1]) == content_of(found[2])


def test_names_of_a_mac_give_the_same_labels(tmp_path):
    """Folders in Unicode form NFD, and a table in NFC that names files in NFD, and the reverse."""
    composed, decomposed = "rosé", unicodedata.normalize("NFD", "rosé")
    for form, name in (("nfc", composed), ("nfd", decomposed)):
        for number in range(4):
            put(tmp_path / form / name / f"{name}{number}.jpg", number)
            put(tmp_path / form / "tulips" / f"{name}{number}.jpg", 10 + number)
    expected = content_of(folder.found(tmp_path / "nfc"))
    assert {label for _, label, _ in expected} == {composed, "tulips"}
    assert content_of(folder.found(tmp_path / "nfd")) == expected
    for form, name in (("nfc", decomposed), ("nfd", composed)):
        rows = [f"{label}/{name}{number}.jpg,{label}" for label in (name, "tulips") for number in range(4)]
        csv = tmp_path / form / "photos.csv"
        csv.write_text("\n".join(["path,label", *rows]), encoding="utf-8")
        found = table.found(csv)
        assert found.problems == [] and content_of(found) == expected
        assert all(item.file.exists() for item in found.items)


PROGRAM = """
import sys, pathlib
from triptych.data import listing
from triptych.data.sources import folder, table
source = folder if sys.argv[1] == "folder" else table
path = pathlib.Path(sys.argv[2])
found = source.found(path)
print(ascii([(item.path, item.label) for item in found.items]))
print(ascii([found.problems, found.ignored, found.classes]))
print(ascii([one[:2] for one in listing.candidates(sys.argv[1], path)]))
print(len([item.file.read_bytes() for item in found.items]))
"""


def test_order_of_creation_and_locale_do_not_matter(tmp_path):
    names = [*HOSTILE, "B.jpg", "a.jpg", "Ä.jpg", "z.jpg", "10.jpg", "9.jpg", os.fsdecode(b"\xe9.jpg")]
    for order, root in enumerate((tmp_path / "one" / "photos", tmp_path / "two" / "photos")):
        shuffled = [(label, name) for label in ("Zwiebel", "äpfel", "birnen") for name in names]
        random.Random(order).shuffle(shuffled)
        for label, name in shuffled:
            put(root / label / name, names.index(name))
        rows = [f'"äpfel/{name}",äpfel' for name in ("B.jpg", "Ä.jpg", "é.jpg")]
        (root / "a.csv").write_text("\n".join(["path,label", *rows, "birnen/a.jpg,birnen"]), encoding="utf-8")
    locales = [{"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
    told = set()
    for name, environment in [("one", locales[0]), *(("two", one) for one in locales)]:
        output = ""
        for source, path in (("folder", "photos"), ("table", "photos/a.csv")):
            call = [sys.executable, "-W", "error", "-c", PROGRAM, source, path]
            result = subprocess.run(
                call, cwd=tmp_path / name, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
            )
            assert result.returncode == 0, result.stderr
            output += result.stdout
        told.add(output)
    assert len(told) == 1
    assert "the file's name is not UTF-8" in output


def test_no_library_is_imported_that_the_start_of_the_workflow_would_wait_for():
    program = (
        "import sys, triptych.data.listing, triptych.data.sources.folder, triptych.data.sources.table\n"
        "print(*sorted({'numpy', 'pandas', 'torch', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() in ("", "numpy")  # decoding needs it


def test_table_lines_are_those_of_the_folders(tmp_path):
    class_folders(tmp_path)
    (tmp_path / "photos.csv").write_text("\n".join(table_lines()))
    assert labels(table.found(tmp_path / "photos.csv")) == labels(folder.found(tmp_path))
