"""Splits of image files: the same bytes from every layout, and whatever happened to the cache."""

import csv
import os
import shutil
import subprocess

import numpy
import pandas
import pytest
from PIL import Image

from tests.conftest import command
from tests.data.photos import (
    CHECKING,
    SHARED,
    SIZE,
    check,
    check_options,
    contents,
    find,
    photograph,
    prepare,
    prepare_options,
    tree,
)
from triptych.data.cache import Cache, StoredRule
from triptych.data.clean import clean
from triptych.data.dataset import load_split
from triptych.data.prepare_dataset import prepare_dataset
from triptych.data.stratify import SPLITS
from triptych.results.schema import IMAGES, INDEX, LEAKS, LEFT_OUT, SIZES
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata

COUNTS = {"roses": 8, "tulips": 12}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return tree(tmp_path_factory.mktemp("input") / "photos", COUNTS)


@pytest.fixture(scope="module")
def prepared(photos, tmp_path_factory):
    """A folder of outputs and the cache."""
    folder = tmp_path_factory.mktemp("prepared")
    check(photos, folder / "out", folder / "images")
    return prepare(photos, folder / "out", folder / "images"), folder / "images"


def test_the_splits_hold_the_stored_pixels_and_the_index_names_them(photos, prepared):
    out, cache = prepared
    index, images = read_table(out / "index.csv", INDEX), read_table(out / "images.csv", IMAGES)
    assert sorted(index["name"]) == sorted(images["path"])
    stored = Cache(cache, StoredRule.of(CHECKING))
    for split in SPLITS:
        part, lines = load_split(out / f"{split}.safetensors"), index[index["split"] == split]
        assert part.classes == ["roses", "tulips"]
        assert lines["row"].tolist() == list(range(len(part)))
        assert part.images.shape[1:] == (SIZE, SIZE, 3)
        assert [part.classes[label] for label in part.labels] == lines["class"].tolist()
        for pixels, digest in zip(part.images, lines["sha256"], strict=True):
            assert numpy.array_equal(pixels, stored.load(digest).pixels)
        metadata = {"classes": part.classes, "source": "files", "split": split, "crop": True}
        assert load_metadata(out / f"{split}.safetensors") == metadata


def test_sizes_and_what_is_left_out(prepared, capsys, photos):
    sizes = read_table(prepared[0] / "sizes.csv", SIZES)
    assert sizes["images"].tolist() == [4, 6, 2, 3, 2, 3]
    assert read_table(prepared[0] / "left_out.csv", LEFT_OUT).empty
    prepare(photos, *prepared)
    printed = capsys.readouterr().out
    assert ["all", "10", "5", "5", "20"] in [line.split() for line in printed.splitlines()]


@pytest.mark.parametrize(("fit", "crop"), [("crop", True), ("pad", False), ("squash", False)])
def test_only_a_cropped_store_has_a_margin(photos, tmp_path, fit, crop):
    out, cache = tmp_path / "out", tmp_path / "images"
    check(photos, out, cache, fit=fit)
    prepare(photos, out, cache, fit=fit)
    assert load_metadata(out / "train.safetensors")["crop"] is crop


def split_folders(out, folder):
    """Copy the images of a prepared data set into folders of its splits, in another order and with other names."""
    for line in reversed(read_table(out / "index.csv", INDEX).to_dict("records")):
        target = folder / {"validation": "val"}.get(line["split"], line["split"]) / line["class"]
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(out.parent / "photos" / line["name"], target / f"{line['split']}-{line['row']}.jpeg")
    return folder


def table_of(out, path, folder):
    """Write a table of the images of a prepared data set, with their splits, in the order of their names."""
    index = read_table(out / "index.csv", INDEX)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "split"])
        for name, label, split in sorted(zip(index["name"], index["class"], index["split"], strict=True)):
            rows.writerow([f"{folder}/{name.removeprefix('./')}", label, split])
    return path


def test_three_layouts_two_threads_and_another_mount_give_the_same_bytes(photos, tmp_path, prepared):
    expected = contents(prepared[0], "*.safetensors")
    copied = shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "out").mkdir()
    shutil.copy(prepared[0] / "index.csv", tmp_path / "out")
    layouts = {
        "folder": (copied, "folder"),
        "folders": (split_folders(tmp_path / "out", tmp_path / "splits"), "folder"),
        "table": (table_of(tmp_path / "out", tmp_path / "photos.csv", "photos"), "table"),
        "absolute": (table_of(tmp_path / "out", photos.parent / "list.csv", photos), "table"),
    }
    for name, (path, source) in layouts.items():
        out, cache = tmp_path / f"out-{name}", tmp_path / f"images-{name}"
        check(path, out, cache, source=source, num_threads=2)
        prepare(path, out, cache, source=source, num_threads=2)
        assert contents(out, "*.safetensors") == expected, name
        assert (out / "sizes.csv").read_bytes() == (prepared[0] / "sizes.csv").read_bytes()


def test_a_cache_that_was_deleted_or_damaged_is_made_again(photos, prepared, tmp_path, capsys):
    expected = contents(prepared[0])
    out, cache = (shutil.copytree(folder, tmp_path / folder.name) for folder in prepared)
    clean(cache=cache)
    prepare(photos, out, cache, num_threads=2)
    assert "20 decoded images were deleted; decoding them again" in capsys.readouterr().out
    assert contents(out) == expected
    first, second, third = sorted(cache.glob("*/??/*"))[:3]
    first.write_bytes(b"damaged")
    second.unlink()
    third.write_bytes(third.read_bytes()[:-100] + bytes(100))
    check(photos, tmp_path / "again", cache)  # it reads no pixels
    second.unlink()
    prepare(photos, out, cache)
    assert contents(out) == expected
    assert len(list(cache.glob("*/??/*"))) == 20


def test_with_the_folder_gone_the_cache_is_enough_and_without_it_is_one_message(prepared, tmp_path):
    out, cache = (shutil.copytree(folder, tmp_path / folder.name) for folder in prepared)
    gone = tmp_path / "gone"
    prepare(gone, out, cache)
    assert contents(out) == contents(prepared[0])
    next(cache.glob("*/??/*")).unlink()
    with pytest.raises(InputError, match=r"gone: the images are gone, and decoded .*Restore the images, then rerun"):
        prepare(gone, out, cache)


def test_a_file_that_was_changed_after_the_check_is_not_taken(prepared, photos, tmp_path):
    out, cache = (shutil.copytree(folder, tmp_path / folder.name) for folder in prepared)
    changed = shutil.copytree(photos, tmp_path / "photos")
    clean(cache=cache)
    (changed / "roses" / "0003.jpg").write_bytes(photograph(99))
    with pytest.raises(InputError, match=r"\./roses/0003\.jpg was changed or removed since it was checked"):
        prepare(changed, out, cache)
    (changed / "roses" / "0003.jpg").unlink()
    with pytest.raises(InputError, match=r"\./roses/0003\.jpg was changed or removed since it was checked"):
        prepare(changed, out, cache)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """Photographs, three of which cannot be used, and their check."""
    folder = tmp_path_factory.mktemp("faulty")
    photos = tree(folder / "photos", COUNTS, start=50)
    (photos / "roses" / "empty.jpg").touch()
    (photos / "roses" / "cut.jpg").write_bytes(photograph(1, 400, 300)[:4000])
    (photos / "tulips" / "text.jpg").write_text("no image")
    return photos, check(photos, folder / "out", folder / "images"), folder / "images"


def test_files_that_cannot_be_used_stop_with_one_message(faulty):
    photos, out, cache = faulty
    with pytest.raises(InputError) as error:
        prepare(photos, out, cache)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{photos}: 3 problems."
    assert [line.split(":")[0].strip() for line in lines[1:4]] == [
        "./roses/cut.jpg",
        "./roses/empty.jpg",
        "./tulips/text.jpg",
    ]
    assert lines[4].startswith("To go on without files that cannot be used, set policy: quarantine")
    assert lines[5] == f"All are listed in {out}/problems.csv, with pictures in {out}/report.html."
    assert not (out / "train.safetensors").exists()


def test_or_they_are_left_out_and_listed(faulty, prepared, tmp_path):
    photos, out, cache = faulty
    out = shutil.copytree(out, tmp_path / "out")
    prepare(photos, out, cache, policy="quarantine")
    left_out = read_table(out / "left_out.csv", LEFT_OUT)
    assert left_out["path"].tolist() == ["./roses/cut.jpg", "./roses/empty.jpg", "./tulips/text.jpg"]
    assert left_out["class"].tolist() == ["roses", "roses", "tulips"]
    assert (out / "sizes.csv").read_bytes() == (prepared[0] / "sizes.csv").read_bytes()


def test_of_many_problems_the_first_are_named(tmp_path):
    photos = tree(tmp_path / "photos", {"a": 4, "b": 4})
    for number in range(30):
        (photos / "a" / f"empty-{number:02d}.jpg").touch()
    for number in range(15):
        (photos / "b" / f"{number:02d} cut.jpg").write_bytes(photograph(number, 400, 300)[: 3000 + number])
    out, cache = check(photos, tmp_path / "out", tmp_path / "images"), tmp_path / "images"
    with pytest.raises(InputError) as error:
        prepare(photos, out, cache)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{photos}: 45 problems."
    assert (
        lines[1].startswith("  30 files, the first ./a/empty-00.jpg: the file is empty; ")
        or "'./b/00 cut.jpg'" in lines[1]
    )
    assert len(lines) == 1 + 16 + 2


def test_a_problem_of_the_whole_stops_in_any_case(tmp_path):
    photos = tree(tmp_path / "photos", {"only": 8})
    out = check(photos, tmp_path / "out", tmp_path / "images")
    for policy in ("stop", "quarantine"):
        with pytest.raises(InputError, match="1 problem") as error:
            prepare(photos, out, tmp_path / "images", policy=policy)
        assert "quarantine" not in str(error.value)


def test_too_few_images_are_a_message_that_names_the_folder(tmp_path):
    photos = tree(tmp_path / "photos", {"a": 8, "b": 2})
    out = check(photos, tmp_path / "out", tmp_path / "images")
    with pytest.raises(InputError, match=r"photos: too few different images for test and validation: b \(2\)"):
        prepare(photos, out, tmp_path / "images")


def test_duplicates_across_classes_stay_in_one_split(tmp_path):
    photos = tree(tmp_path / "photos", {"a": 10, "b": 10})
    for number in range(5):
        shutil.copy(photos / "a" / f"{number:04d}.jpg", photos / "b" / f"twin-{number}.jpg")
    out = check(photos, tmp_path / "out", tmp_path / "images")
    for seed in range(3):
        index = read_table(prepare(photos, out, tmp_path / "images", seed=seed) / "index.csv", INDEX)
        assert len(index) == 25
        assert index.groupby("sha256")["split"].nunique().max() == 1


def test_groups_of_a_pattern_stay_in_one_split_and_are_in_the_index(tmp_path, capsys):
    photos = tree(tmp_path / "photos", {"a": 18, "b": 18})
    for number in range(36):
        path = next(photos.glob(f"?/{number:04d}.jpg"))
        path.rename(path.with_name(f"patient{number % 12}-{number}.jpg"))  # each has images of both classes
    out = check(photos, tmp_path / "out", tmp_path / "images")
    prepare(photos, out, tmp_path / "images", group=r"(patient\d+)-")
    index = read_table(out / "index.csv", INDEX)
    assert [name.split("/")[2].split("-")[0] for name in index["name"]] == index["group"].tolist()
    assert index.groupby("group")["split"].nunique().tolist() == [1] * 12
    assert read_table(out / "leaks.csv", LEAKS).empty
    assert "counterpart" not in capsys.readouterr().out
    with pytest.raises(InputError, match=r"photos: dataset.group: the pattern '\(person\)' matches none of 36 paths"):
        prepare(photos, out, tmp_path / "images", group="(person)")


@pytest.mark.parametrize("setting", ["group", "report"])
def test_near_duplicates_are_units_or_leaks(tmp_path, setting):
    photos = tree(tmp_path / "photos", {"a": 50, "b": 50})
    for number in (0, 50):
        path = next(photos.glob(f"?/{number:04d}.jpg"))
        Image.open(path).save(path.with_name(f"again-{number:04d}.jpg"), quality=70)
    out, cache = tmp_path / "out", tmp_path / "images"
    find(photos, check(photos, out, cache), cache, setting)
    found = {"pairs": out / "pairs.csv", "duplicates": out / "duplicates.json"}
    apart = 0
    for seed in range(4):
        prepare_dataset(**prepare_options(photos, out, cache, seed=seed), **found)
        index, leaks = read_table(out / "index.csv", INDEX), read_table(out / "leaks.csv", LEAKS)
        split = index.set_index(index["name"].str[-8:-4] + index["name"].str[:4])["split"]
        divided = [rows for key, rows in split.groupby(level=0) if rows.nunique() > 1]
        assert len(leaks) == len(divided)
        assert set(leaks["kind"]) <= {"near"}
        apart += len(divided)
    assert (apart == 0) == (setting == "group")


def test_planted_leaks_are_listed_and_said(tmp_path, capsys):
    """Half of the test images are in train as well, three of them in another class."""
    photos = tree(tmp_path / "photos/train", {"a": 10, "b": 10}).parent
    tree(photos / "val", {"a": 4, "b": 4}, start=50)
    tree(photos / "test", {"a": 6, "b": 6}, start=70)
    for number in (70, 71, 72, 76, 77, 78):
        (path,) = photos.glob(f"test/?/{number:04d}.jpg")
        shutil.copy(path, photos / "train" / "b" / f"copy-{number}.jpg")
    out = check(photos, tmp_path / "out", tmp_path / "images")
    prepare(photos, out, tmp_path / "images")
    leaks, index = read_table(out / "leaks.csv", LEAKS), read_table(out / "index.csv", INDEX)
    assert sorted(zip(leaks["path"], leaks["other_path"], leaks["kind"], strict=True)) == [
        (f"./test/{'a' if number < 73 else 'b'}/{number:04d}.jpg", f"./train/b/copy-{number}.jpg", "exact")
        for number in (70, 71, 72, 76, 77, 78)
    ]
    assert (leaks["class"] != leaks["other_class"]).sum() == 3
    named = index.set_index(["split", "row"])["name"]
    assert [named[split, row] for split, row in zip(leaks["split"], leaks["row"], strict=True)] == leaks[
        "path"
    ].tolist()
    assert "warning: 6 of 12 test images have a counterpart in train or validation" in capsys.readouterr().out


def test_groups_in_several_given_splits_are_named_and_listed(tmp_path, capsys):
    for split, start, count in (("train", 0, 5), ("val", 20, 3), ("test", 40, 4)):
        tree(tmp_path / "photos" / split, {"a": count, "b": count}, start=start)
    out = check(tmp_path / "photos", tmp_path / "out", tmp_path / "images")
    prepare(tmp_path / "photos", out, tmp_path / "images", group=r"(\d)\.jpg")
    leaks = read_table(out / "leaks.csv", LEAKS)
    assert set(leaks["kind"]) == {"group"}
    assert set(zip(leaks["split"], leaks["other_split"], strict=True)) == {
        ("test", "train"),
        ("test", "validation"),
        ("validation", "train"),
    }
    printed = capsys.readouterr().out
    assert "warning: 8 groups are in several of the given splits: 0 (train, validation, test), 1 (train," in printed
    assert "6 of 6 validation images have a counterpart in train (an image of the same group: 6)" in printed


def test_a_folder_that_grew_by_a_hundred_files_is_split_nearly_as_before(tmp_path):
    photos = tree(tmp_path / "photos", {"a": 100, "b": 100})

    def split():
        prepare(photos, check(photos, tmp_path / "out", tmp_path / "images"), tmp_path / "images", validation=0.15)
        index = read_table(tmp_path / "out" / "index.csv", INDEX)
        return index.set_index("sha256")["split"]

    before = split()
    tree(photos, {"a": 50, "b": 50}, start=1000)
    after = split()
    assert (len(before), len(after)) == (200, 300)
    moved = before[before != after[before.index]]
    assert len(moved) <= 12  # of 200; a new draw moves about 110


def test_an_unknown_policy_writes_nothing(photos, prepared, tmp_path):
    for name in ("images.csv", "problems.csv"):
        shutil.copy(prepared[0] / name, tmp_path)
    with pytest.raises(InputError, match="policy 'ignore' is not allowed; give stop or quarantine"):
        prepare(photos, tmp_path, prepared[1], policy="ignore")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_disk_that_is_too_small_for_the_splits_is_one_message(photos, prepared, tmp_path, disk):
    disk.remount("size=24k")
    for name in ("images.csv", "problems.csv"):
        shutil.copy(prepared[0] / name, tmp_path)
    options = prepare_options(photos, disk.folder, prepared[1])
    options |= {name: tmp_path / f"{name}.csv" for name in ("images", "problems")}
    done = subprocess.run(command("prepare_dataset", **options), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert contents(disk.folder).items() < contents(prepared[0]).items()  # those for which there was room


def test_a_locale_changes_nothing(photos, prepared, tmp_path):
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0"}
    cache = tmp_path / "images"
    for name, options in (("check_data", check_options), ("prepare_dataset", prepare_options)):
        call = command(name, **options(photos, tmp_path / "out", cache))
        subprocess.run(call, check=True, env=environment, capture_output=True, timeout=120)
    assert contents(tmp_path / "out") == contents(prepared[0])


@pytest.mark.slow
def test_three_hundred_flowers_have_no_problem(tmp_path):
    if not SHARED.is_dir():
        pytest.skip(f"no files in {SHARED}")
    shutil.unpack_archive(SHARED / "flowers-300.tar", tmp_path, filter="data")
    out, cache = check(tmp_path / "flowers", tmp_path / "out", tmp_path / "images", num_threads=2), tmp_path / "images"
    prepare(tmp_path / "flowers", out, cache)
    assert len(pandas.read_csv(out / "index.csv")) == 300
    assert pandas.read_csv(out / "problems.csv").empty
