"""Duplicates are found in real files: copies that were changed a little, pictures of a fixed camera, digits, CIFAR."""

import io
import shutil
import subprocess
import tarfile

import numpy
import pytest
from PIL import Image, ImageEnhance
from sklearn.datasets import load_digits

from tests.conftest import command
from tests.data.near_pictures import jpeg, of_camera, picture
from tests.data.photos import SHARED, check, contents, find, find_options
from triptych.data import near_duplicates as near
from triptych.data.clean import clean
from triptych.data.decoding import DecodingRule, decode
from triptych.data.renditions import dhash, grey_of, phash
from triptych.results.duplicates import read_duplicates
from triptych.results.schema import PAIRS
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

slow = pytest.mark.slow


def shifted(image):
    return image.transform(image.size, Image.Transform.AFFINE, (1, 0, 0.02 * image.width, 0, 1, 0))


def cropped(image, share):
    left, top = round(share * image.width), round(share * image.height)
    return image.crop((left, top, image.width - left, image.height - top))


CHANGES = {
    "again": lambda image: jpeg(image, 50),
    "smaller": lambda image: jpeg(image.resize((image.width // 2, image.height // 2))),
    "darker": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(0.7)),
    "contrast": lambda image: jpeg(ImageEnhance.Contrast(image).enhance(1.3)),
    "cropped": lambda image: jpeg(cropped(image, 0.01)),
    "shifted": lambda image: jpeg(shifted(image)),
    "grey": lambda image: jpeg(image.convert("L")),
}


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def found(photos, folder, setting="group", **changes):
    """The pairs of a folder of images by kind, and the summary."""
    out = check(photos, folder / "out", folder / "images", num_threads=2, **changes)
    find(photos, out, folder / "images", setting, **changes)
    pairs = read_table(out / "pairs.csv", PAIRS)
    return {kind: pairs[pairs["kind"] == kind] for kind in ("exact", "near")}, read_duplicates(out / "duplicates.json")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """200 pictures; of one a changed copy for each of four changes, and two exact copies of another one."""
    photos = tmp_path_factory.mktemp("planted") / "photos"
    for number in range(200):
        put(photos / f"class{number % 2}" / f"{number:03d}.jpg", jpeg(picture(number)))
    for name in ("again", "smaller", "darker", "cropped"):
        put(photos / "class0" / f"{name}.jpg", CHANGES[name](picture(2)))
    put(photos / "class1" / "other label.jpg", jpeg(picture(4), 50))
    for name in ("b", "a"):
        shutil.copy(photos / "class0" / "000.jpg", photos / "class0" / f"{name}.jpg")
    return photos


def test_changed_copies_are_one_group_and_exact_ones_a_chain(planted, tmp_path):
    pairs, summary = found(planted, tmp_path)
    alike = pairs["near"]
    copies = [f"./class0/{name}.jpg" for name in ("002", "again", "cropped", "darker", "smaller")]
    expected = {(one, other) for one in copies for other in copies if one < other}
    assert set(zip(alike["first"], alike["second"], strict=True)) == {
        *expected,
        ("./class0/004.jpg", "./class1/other label.jpg"),
    }
    assert set(alike["unit"]) == set(pairs["exact"]["unit"]) == {"true"}
    chain = [f"./class0/{name}.jpg" for name in ("000", "a", "b")]
    assert pairs["exact"][["first", "second"]].values.tolist() == [chain[:2], chain[1:]]
    assert (alike["correlation"] >= 0.98).all() and (pairs["exact"]["correlation"] == 1).all()
    assert (summary.grouped, summary.reason, summary.complete) == (True, "none", True)
    assert (summary.images, summary.distinct, summary.exact_sets, summary.exact_images) == (207, 205, 1, 3)
    assert (summary.near_pairs, summary.near_images, summary.groups, summary.crossing_pairs) == (11, 7, 2, 1)
    assert 0.2 < summary.quantile < 0.9 and 4900 < summary.random_pairs < 5000


def test_without_the_setting_near_duplicates_are_listed_or_not_looked_for(planted, tmp_path):
    pairs, summary = found(planted, tmp_path, "report")
    assert len(pairs["near"]) == 11 and set(pairs["near"]["unit"]) == {"false"}
    assert set(pairs["exact"]["unit"]) == {"true"}
    assert (summary.grouped, summary.reason, summary.groups) == (False, "setting", 0)
    pairs, summary = found(planted, tmp_path, "ignore")
    assert len(pairs["near"]) == 0 and len(pairs["exact"]) == 2
    assert (summary.setting, summary.candidates, summary.reason) == ("ignore", 0, "setting")


def test_stores_order_names_and_a_deleted_cache_change_nothing(planted, tmp_path):
    expected, _ = found(planted, tmp_path / "first")
    other, _ = found(planted, tmp_path / "second", store_size=40, fit="pad")
    for kind, pairs in expected.items():
        assert pairs.equals(other[kind])
    out = tmp_path / "first" / "out"
    written = contents(out)
    clean(cache=tmp_path / "first" / "images")
    find(planted, out, tmp_path / "first" / "images")
    assert contents(out) == written


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_found_in_most_pictures(change):
    rule, number = DecodingRule(), 30
    files = [jpeg(picture(one)) for one in range(number)] + [CHANGES[change](picture(one)) for one in range(number)]
    greys = numpy.stack([grey_of(decode(content, rule, 256).image) for content in files])
    phashes, dhashes = (near.as_numbers([hashed(grey) for grey in greys]) for hashed in (phash, dhash))
    candidates = near.candidates(phashes, dhashes, 1000)
    agree = near.Correlations(greys).of(candidates.first, candidates.second) >= near.CORRELATION
    pairs = list(zip(candidates.first[agree].tolist(), candidates.second[agree].tolist(), strict=True))
    assert all(second == first + number for first, second in pairs)
    assert len(pairs) >= {"cropped": 24, "shifted": 16}.get(change, number)


def test_what_a_fixed_camera_sees_is_a_property_and_no_duplicate(tmp_path):
    for number in range(120):
        put(tmp_path / "photos" / f"class{number % 2}" / f"{number}.jpg", jpeg(of_camera(number)))
    pairs, summary = found(tmp_path / "photos", tmp_path)
    assert (summary.grouped, summary.reason, summary.groups) == (False, "too_many_images", 0)
    assert summary.near_images > 10 and summary.candidates > 6000
    assert set(pairs["near"]["unit"]) == {"false"} and len(pairs["near"]) == summary.near_pairs


def test_many_copies_across_given_splits_are_leaks_and_no_property(tmp_path):
    for number in range(60):
        put(tmp_path / "photos" / "train" / f"class{number % 2}" / f"{number:03d}.jpg", jpeg(picture(number)))
    for number in range(40, 80):  # the first 20 of them are in train as well
        put(tmp_path / "photos" / "test" / f"class{number % 2}" / f"{number:03d}.jpg", jpeg(picture(number), 50))
    pairs, summary = found(tmp_path / "photos", tmp_path)
    assert {f"./test/class{number % 2}/{number:03d}.jpg" for number in range(40, 60)} <= set(pairs["near"]["first"])
    assert not summary.is_property and summary.near_share > 0.3 and summary.complete


def test_a_set_whose_pairs_are_of_two_classes_is_a_property(tmp_path):
    """Of 400 scenes, ten are in both classes."""
    for number in range(400):
        put(tmp_path / "photos" / f"class{number % 2}" / f"{number}.jpg", jpeg(picture(number)))
    for number in range(10):
        put(tmp_path / "photos" / f"class{1 - number % 2}" / f"again-{number}.jpg", jpeg(picture(number), 60))
    pairs, summary = found(tmp_path / "photos", tmp_path)
    assert (summary.near_pairs, summary.crossing_pairs, summary.reason) == (10, 10, "too_many_crossing")
    assert set(pairs["near"]["unit"]) == {"false"} and not summary.grouped


def test_without_images_or_with_one_there_is_nothing_to_compare(tmp_path):
    put(tmp_path / "photos" / "a" / "notes.txt", b"no image")
    for name in ("none", "one"):
        pairs, summary = found(tmp_path / "photos", tmp_path / name)
        assert pairs["exact"].empty and pairs["near"].empty
        assert (summary.images, summary.random_pairs, summary.grouped) == (int(name == "one"), 0, True)
        put(tmp_path / "photos" / "a" / "1.jpg", jpeg(picture(1)))


def test_an_image_that_is_gone_from_file_and_cache_is_one_message(planted, tmp_path):
    photos = shutil.copytree(planted, tmp_path / "photos")
    found(photos, tmp_path)
    (photos / "class0" / "002.jpg").unlink()
    clean(cache=tmp_path / "images")
    with pytest.raises(InputError, match=r"002\.jpg was changed or removed since it was checked"):
        find(photos, tmp_path / "out", tmp_path / "images")


def test_the_command_takes_its_options(planted, tmp_path):
    out, cache = check(planted, tmp_path / "out", tmp_path / "images"), tmp_path / "images"
    call = command("find_duplicates", **find_options(planted, out, cache, "ignore"))
    done = subprocess.run(call, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("207 images: 1 set of exact duplicates; hashes of 0 pairs agree")
    call = command("find_duplicates", **find_options(planted, out, cache, "sometimes"))
    assert subprocess.run(call, capture_output=True, timeout=120).returncode == 2


@slow
def test_digits_are_not_torn_apart_nor_joined_across_classes(tmp_path):
    """Of the hashes alone, 44 % of the digits would have a near-duplicate."""
    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        content = io.BytesIO()
        Image.fromarray((pixels * 255 / 16).astype(numpy.uint8)).save(content, "PNG")
        put(tmp_path / "photos" / str(label) / f"{number}.png", content.getvalue())
    pairs, summary = found(tmp_path / "photos", tmp_path)
    assert summary.candidates > 1000 and summary.crossing_pairs == 0
    assert summary.near_images < 0.05 * len(digits.images) and len(pairs["near"]) == summary.near_pairs


@slow
def test_of_three_hundred_flowers_two_are_the_same_and_a_planted_leak_is_found(tmp_path):
    if not SHARED.is_dir():
        pytest.skip(f"no files in {SHARED}")
    shutil.unpack_archive(SHARED / "flowers-300.tar", tmp_path, filter="data")
    pairs, summary = found(tmp_path / "flowers", tmp_path, store_size=256)
    assert (len(pairs["exact"]), len(pairs["near"]), summary.grouped) == (1, 0, True)
    files = sorted((tmp_path / "flowers").glob("*/*.jpg"))[::43]
    for number, (file, change) in enumerate(zip(files, CHANGES.values(), strict=True)):
        with Image.open(file) as image:
            put(file.with_name(f"copy-{number}.jpg"), change(image.convert("RGB")))
    pairs, summary = found(tmp_path / "flowers", tmp_path, store_size=256)
    joined = {frozenset(pair) for pair in pairs["near"][["first", "second"]].itertuples(index=False)}
    expected = {
        frozenset(f"./{file.parent.name}/{name}" for name in (file.name, f"copy-{number}.jpg"))
        for number, file in enumerate(files)
    }
    assert joined <= expected and len(joined) >= 6 and summary.grouped


@slow
def test_cifar_has_near_duplicates_across_its_splits_and_none_across_classes(tmp_path):
    """The images of one of its ten classes, and the test images of another one."""
    if not SHARED.is_dir():
        pytest.skip(f"no files in {SHARED}")
    with tarfile.open(SHARED / "cifar10-jpeg.tar.xz") as archive:
        wanted = ("train/automobile/", "test/automobile/", "test/frog/")
        chosen = [one for one in archive if one.name.startswith(wanted)]
        archive.extractall(tmp_path / "cifar", chosen, filter="data")
    shutil.copytree(tmp_path / "cifar" / "test" / "frog", tmp_path / "cifar" / "train" / "frog")
    pairs, summary = found(tmp_path / "cifar", tmp_path, store_size=32)
    near_pairs = pairs["near"]
    assert (summary.images, summary.exact_sets, summary.grouped) == (8_000, 1_000, True)
    assert summary.crossing_pairs == 0 and len(near_pairs) > 100
    assert (near_pairs["first_split"] != near_pairs["second_split"]).sum() > 20
