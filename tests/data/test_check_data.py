"""Every file is read, decoded once and listed; what goes wrong is listed, too, and nothing of the user's is changed."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import time

import numpy
import pandas
import psutil
import pytest

from tests.conftest import command, without_rights
from tests.data.photos import CHECKING, SHARED, SIZE, check, check_options, contents, photograph, tree
from triptych.data import file_check
from triptych.data.cache import Cache, StoredRule
from triptych.data.decoding import decode, fitted
from triptych.data.listing import read_listing
from triptych.results.schema import IMAGES, PROBLEMS
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.files import sha256


def images_of(out):
    return read_table(out / "images.csv", IMAGES)


def problems_of(out):
    return read_table(out / "problems.csv", PROBLEMS)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return tree(tmp_path_factory.mktemp("input") / "photos", {"roses": 6, "tulips": 5})


@pytest.fixture(scope="module")
def checked(photos, tmp_path_factory):
    """A folder of outputs and the cache."""
    folder = tmp_path_factory.mktemp("checked")
    return check(photos, folder / "out", folder / "images"), folder / "images"


def test_every_image_is_listed_by_class_and_content(photos, checked):
    images = images_of(checked[0])
    assert sorted(images["path"]) == sorted(f"./{path.relative_to(photos)}" for path in photos.rglob("*.jpg"))
    keys = list(zip(images["class"], images["sha256"], images["path"], strict=True))
    assert keys == sorted(keys)
    assert images["class"].tolist() == ["roses"] * 6 + ["tulips"] * 5
    for path, digest, size in zip(images["path"], images["sha256"], images["bytes"], strict=True):
        assert digest == sha256(photos / path)
        assert size == (photos / path).stat().st_size
    assert set(images["width"]) == {40} and set(images["height"]) == {30} and set(images["format"]) == {"JPEG"}
    assert problems_of(checked[0]).empty


def test_the_listing_holds_every_file_and_the_digest_that_was_asked_for(photos, checked):
    recorded = read_listing(checked[0] / "listing.json")
    assert recorded.digest == "asked"
    files = {name: found for name, found in recorded.files.items() if not name.endswith("/")}
    assert len(files) == 11
    for name, (size, mtime_ns, content) in files.items():
        stat = (photos / name).stat()
        assert (size, mtime_ns, content) == (stat.st_size, stat.st_mtime_ns, sha256(photos / name))


def test_nothing_of_the_users_changes(tmp_path):
    photos = tree(tmp_path / "photos", {"a": 2, "b": 2})
    os.utime(photos / "a" / "0000.jpg", (1, 2))
    before = {path: path.lstat() for path in photos.rglob("*")}
    check(photos, tmp_path / "out", tmp_path / "images")
    for path, stat in before.items():
        after = path.lstat()
        assert (after.st_mtime_ns, after.st_ctime_ns, after.st_size) == (
            stat.st_mtime_ns,
            stat.st_ctime_ns,
            stat.st_size,
        )
        assert path.is_dir() or after.st_atime_ns == stat.st_atime_ns


def test_one_image_more_is_one_decode_and_two_processes_give_the_same(photos, checked, tmp_path, capsys):
    out, cache = checked
    more, cache = shutil.copytree(photos, tmp_path / "photos"), shutil.copytree(cache, tmp_path / "images")
    assert contents(check(more, tmp_path / "same", cache, num_threads=2), "*.csv") == contents(out, "*.csv")
    assert "11 images (0 decoded, 11 known already)" in capsys.readouterr().out
    (more / "roses" / "new.jpg").write_bytes(photograph(1000))
    check(more, tmp_path / "more", cache)
    assert "12 images (1 decoded, 11 known already), 0 with a problem, 0 ignored" in capsys.readouterr().out


def test_a_damaged_entry_is_decoded_again(photos, checked, tmp_path, capsys):
    out, cache = checked
    copied = shutil.copytree(cache, tmp_path / "images")
    entries = [path for path in copied.rglob("*") if path.is_file() and len(path.name) == 64]
    assert len(entries) == 11
    entries[0].write_bytes(entries[0].read_bytes()[:-1])
    entries[1].write_bytes(b"")
    assert contents(check(photos, tmp_path / "out", copied), "*.csv") == contents(out, "*.csv")
    assert "11 images (2 decoded, 9 known already)" in capsys.readouterr().out


def test_what_cannot_be_used_is_listed_and_the_rest_is_there(tmp_path):
    photos = tree(tmp_path / "photos", {"roses": 4, "tulips": 4})
    cut = photos / "roses" / "cut.jpg"
    cut.write_bytes(photograph(100, 400, 300)[:5000])
    (photos / "tulips" / "empty.jpg").touch()
    (photos / "notes.txt").write_text("of the photographer")
    out = check(photos, tmp_path / "out", tmp_path / "images")
    problems = problems_of(out)
    assert problems["path"].tolist() == ["./roses/cut.jpg", "./tulips/empty.jpg"]
    assert problems["kind"].tolist() == ["file", "file"]
    assert "truncated" in problems["problem"][0]
    assert len(images_of(out)) == 8
    assert "./notes.txt" in (out / "ignored.csv").read_text()
    assert read_listing(out / "listing.json").files["./roses/cut.jpg"][2] == sha256(cut)


def test_a_class_without_a_usable_image_is_a_problem_of_the_whole(tmp_path):
    photos = tree(tmp_path / "photos", {"roses": 2, "tulips": 2})
    (photos / "broken").mkdir()
    (photos / "broken" / "x.jpg").write_bytes(b"\xff\xd8\xffno more")
    problems = problems_of(check(photos, tmp_path / "out", tmp_path / "images"))
    assert problems["kind"].tolist() == ["dataset", "file"]
    assert problems["class"].tolist() == ["broken", "broken"]
    assert problems["problem"][0] == "no image of this class can be used"


def test_a_file_that_may_not_be_read_is_named(tmp_path):
    photos = tree(tmp_path / "photos", {"a": 2, "b": 2})
    secret = photos / "a" / "0000.jpg"
    secret.chmod(0)
    out = tmp_path / "out"
    call = without_rights() + command("check_data", **check_options(photos, out, tmp_path / "images"))
    subprocess.run(call, check=True, timeout=120, capture_output=True)
    problems = problems_of(out)
    assert problems["path"].tolist() == ["./a/0000.jpg"]
    assert len(images_of(out)) == 3


def test_a_file_that_changes_while_it_is_read_is_read_again_or_named(tmp_path, monkeypatch):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"first")
    fstat, times = os.fstat, []

    def growing(descriptor):
        found = fstat(descriptor)
        times.append(found)
        if len(times) in changes:
            with path.open("ab") as file:
                file.write(b" more")
        return found

    monkeypatch.setattr(file_check.os, "fstat", growing)
    changes = {1}
    assert file_check.read_unchanged(path) == b"first more"
    changes = set(range(100))
    times.clear()
    assert file_check.read_unchanged(path) is None
    assert file_check.FileCheck(None)((7, str(path))).problem == "changed while it was read"


def test_a_file_that_is_too_large_to_read_is_named(tmp_path):
    with (tmp_path / "large.tif").open("wb") as file:
        file.truncate(3 * 10**9)
    found = file_check.FileCheck(None)((7, str(tmp_path / "large.tif")))
    assert (found.problem, found.remedy) == ("has 3.0 GB, more than 2 GB", "make it smaller, or remove it")


def test_files_that_are_equal_have_a_line_each(tmp_path):
    photos = tree(tmp_path / "photos", {"a": 2, "b": 2})
    shutil.copy(photos / "a" / "0000.jpg", photos / "b" / "copy.jpg")
    images = images_of(check(photos, tmp_path / "out", tmp_path / "images"))
    twins = images[images["path"].isin(["./a/0000.jpg", "./b/copy.jpg"])]
    assert twins["pixels"].nunique() == twins["sha256"].nunique() == 1
    assert images["pixels"].nunique() == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "digits"}, "'digits' is no source of image files; give folder or table"),
        ({"source": "folders"}, "'folders' is not allowed"),
        ({"background": "reddish"}, "'reddish' is no colour"),
    ],
)
def test_what_cannot_be_writes_nothing(photos, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        check(photos, tmp_path / "out", tmp_path / "images", **changes)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_one_message(tmp_path):
    with pytest.raises(InputError, match="none"):
        check(tmp_path / "none", tmp_path / "out", tmp_path / "images")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_too_small_is_one_message_before_anything_is_decoded(photos, tmp_path, disk):
    disk.remount("size=8m")
    done = subprocess.run(
        command("check_data", **check_options(photos, tmp_path / "out", disk.folder / "images", store_size=2000)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {disk.folder}/images: 11 decoded images need 149 MB, and the disk has 8 MB")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_up_meanwhile_is_one_message(photos, tmp_path, disk, monkeypatch):
    disk.remount("size=256k")
    monkeypatch.setattr("triptych.data.cache.Cache.check_space", lambda self, images: None)
    with pytest.raises(OSError, match="No space left on device") as error:
        check(photos, tmp_path / "out", disk.folder / "images", store_size=200)
    assert error.value.filename.startswith(str(disk.folder / "images"))
    assert not (tmp_path / "out").exists()
    disk.remount("size=64m")
    check(photos, tmp_path / "out", disk.folder / "images", store_size=200)
    assert len(images_of(tmp_path / "out")) == 11


def test_two_processes_at_once_share_the_work(tmp_path):
    photos, cache = tree(tmp_path / "photos", {"a": 20, "b": 20}), tmp_path / "images"
    calls = [command("check_data", **check_options(photos, tmp_path / name, cache)) for name in ("one", "two")]
    running = [subprocess.Popen(call, stdout=subprocess.DEVNULL) for call in calls]
    assert [process.wait(120) for process in running] == [0, 0]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not list(cache.rglob("partial/*"))


def kill_and_run_again(photos, folder, images):
    """Kill a check once it has kept some images, look after its processes, and run it again; return how many it had."""
    call = command(
        "check_data", **check_options(photos, folder / "out", folder / "images", num_threads=2, store_size=200)
    )
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(list((folder / "images").glob("*/??/*"))) < images:
        time.sleep(0.005)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    psutil.wait_procs(children, 30)
    assert not any(child.is_running() for child in children)
    kept = len(list((folder / "images").glob("*/??/*")))
    done = subprocess.run(call, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"{kept} known already" in done.stdout
    return kept


@pytest.mark.parametrize(
    "count",
    [pytest.param(5, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.long)],  # last run: 2026-11-28, passed
)
def test_after_several_kills_the_same_bytes_come(tmp_path, count):
    images = 15 * count
    photos = tree(tmp_path / "photos", {"a": images // 2, "b": images // 2}, width=500, height=330)
    whole = check(photos, tmp_path / "whole", tmp_path / "others", store_size=200)
    generator = random.Random(count)
    kept = []
    for number in range(count):
        folder = tmp_path / str(number)
        kept.append(kill_and_run_again(photos, folder, generator.randrange(images)))
        assert contents(folder / "out") == contents(whole)
        shutil.rmtree(folder)
    assert any(0 < images_kept < images for images_kept in kept)


NAMES = [
    " a b.jpg",
    "-rf.jpg",
    "$(touch x).jpg",
    "é.jpg",
    "e\u0301.jpg",
    "🌷.jpg",
    "a'b\".jpg",
    "a,b;c.jpg",
    "a\nb.jpg",
    "a\rb.jpg",
]


def test_odd_names_come_back_as_they_are(tmp_path):
    photos = tree(tmp_path / "photos", {"a": 2, "b": 2})
    for number, name in enumerate(NAMES):
        (photos / "a" / name).write_bytes(photograph(200 + number))
    out = check(photos, tmp_path / "out", tmp_path / "images")
    named = set(images_of(out)["path"])
    for name in NAMES:
        assert f"./a/{name}" in named
    assert len(images_of(out)) == len(NAMES) + 4


def test_pixels_are_those_of_the_decoder(photos, checked):
    images = images_of(checked[0])
    cache = Cache(checked[1], StoredRule.of(CHECKING))
    for path, digest, pixels in zip(images["path"], images["sha256"], images["pixels"], strict=True):
        image = decode((photos / path).read_bytes(), cache.rule.decoding, SIZE).image
        stored = cache.load(digest)
        assert numpy.array_equal(stored.pixels, fitted(image, SIZE, "crop", (255, 255, 255)))
        assert hashlib.sha256(stored.pixels.tobytes()).hexdigest() == pixels


def test_every_file_of_the_zoo_is_an_image_a_problem_or_ignored(tmp_path):
    if not SHARED.is_dir():
        pytest.skip(f"no files in {SHARED}")
    shutil.unpack_archive(SHARED / "image-zoo.tar", tmp_path / "photos", filter="data")
    (zoo,) = (tmp_path / "photos").iterdir()
    files = [path for path in zoo.rglob("*") if path.is_file()]
    tree(tmp_path / "photos", {"roses": 3})
    out = check(tmp_path / "photos", tmp_path / "out", tmp_path / "images")
    images, problems = images_of(out), problems_of(out)
    ignored = pandas.read_csv(out / "ignored.csv")
    of_files = problems[problems["kind"] == "file"]
    assert len(files) + 3 == len(images) + len(of_files) + len(ignored)
