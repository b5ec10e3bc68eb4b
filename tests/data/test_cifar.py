"""The binary archives are read record by record; every error is one message."""

import io
import tarfile

import numpy
import pytest

from triptych.data.cifar import read_archive, read_cifar
from triptych.data.sources import cifar10, cifar100
from triptych.storage.errors import InputError
from triptych.storage.files import sha256

BATCHES = [*cifar10.LAYOUT.train, *cifar10.LAYOUT.test]
CLASSES = [f"class{number}" for number in range(10)]


def records(generator, labels, label_bytes=1, classes=10):
    """Random pictures with these labels, as bytes; where there are two, the first is the coarse one of five classes."""
    rows = generator.integers(0, 256, (len(labels), label_bytes + 3072), dtype=numpy.uint8)
    rows[:, 0] = numpy.asarray(labels) // 5
    rows[:, label_bytes - 1] = labels
    return rows.tobytes()


def cifar10_members():
    """Two images of each class in every batch."""
    generator = numpy.random.default_rng(0)
    members = {name: records(generator, generator.permutation(20) % 10) for name in BATCHES}
    return {"batches.meta.txt": ("\n".join(CLASSES) + "\n\n").encode(), "readme.html": b"<html>", **members}


def write_archive(path, members, folder="cifar-10-batches-bin"):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_every_pixel_has_its_place(tmp_path):
    members = cifar10_members()
    found = read_cifar(cifar10.LAYOUT, write_archive(tmp_path / "c.tar.gz", members), 100, 20)
    assert (found.images.dtype, found.images.shape) == (numpy.uint8, (120, 32, 32, 3))
    assert (found.labels.dtype, found.labels.shape) == (numpy.int64, (120,))
    assert found.classes == CLASSES
    assert found.names[0] == "train-00000"
    assert found.names[99:101] == ["train-00099", "test-00000"]
    assert found.is_test.tolist() == [False] * 100 + [True] * 20
    for image in (0, 37, 99, 119):
        record = members[BATCHES[image // 20]][(image % 20) * 3073 :][:3073]
        assert found.labels[image] == record[0]
        for row, column, channel in ((0, 0, 0), (3, 17, 1), (31, 30, 2)):
            assert found.images[image, row, column, channel] == record[1 + 1024 * channel + 32 * row + column]


def test_the_order_of_the_members_does_not_matter(tmp_path):
    members = cifar10_members()
    one = read_cifar(cifar10.LAYOUT, write_archive(tmp_path / "a.tar.gz", members), 100, 20)
    backwards = dict(reversed(members.items()))
    two = read_cifar(cifar10.LAYOUT, write_archive(tmp_path / "b.tar.gz", backwards), 100, 20)
    assert numpy.array_equal(one.images, two.images)


def test_nothing_is_extracted(tmp_path):
    read_cifar(cifar10.LAYOUT, write_archive(tmp_path / "c.tar.gz", cifar10_members()), 100, 20)
    assert [path.name for path in tmp_path.iterdir()] == ["c.tar.gz"]


def cifar100_members(train=1, test=1):
    """Return an archive with `train` and `test` images of each class."""
    generator = numpy.random.default_rng(0)
    return {
        "fine_label_names.txt": "\n".join(f"fine{number}" for number in range(100)).encode(),
        "train.bin": records(generator, numpy.tile(numpy.arange(100), train), label_bytes=2),
        "test.bin": records(generator, numpy.tile(numpy.arange(100), test), label_bytes=2),
    }


def test_cifar100_has_two_labels(tmp_path):
    members = cifar100_members()
    found = read_cifar(cifar100.LAYOUT, write_archive(tmp_path / "c.tar.gz", members, "cifar-100-binary"), 100, 100)
    assert found.labels.tolist() == list(range(100)) * 2
    assert found.classes[99] == "fine99"
    assert found.images[5, 0, 1, 0] == members["train.bin"][5 * 3074 + 2 + 1]


@pytest.mark.parametrize(
    ("byte", "value", "message"),
    [
        (0, 20, "record 7 of test.bin has coarse label 20, expected 0 to 19"),
        (1, 100, "record 7 of test.bin has label 100, expected 0 to 99"),
    ],
)
def test_both_labels_of_cifar100_are_checked(tmp_path, byte, value, message):
    members = cifar100_members()
    content = bytearray(members["test.bin"])
    content[7 * 3074 + byte] = value
    members["test.bin"] = bytes(content)
    with pytest.raises(InputError, match=message):
        read_cifar(cifar100.LAYOUT, write_archive(tmp_path / "c.tar.gz", members), 100, 100)


def changed(**changes):
    members = cifar10_members() | {name.replace("__", "."): content for name, content in changes.items()}
    return {name: content for name, content in members.items() if content is not None}


LABEL_OF_10 = bytes([1]) + bytes(3072) + bytes([10]) + bytes(3072)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (changed(data_batch_3__bin=None), "not the binary version of CIFAR-10: no data_batch_3.bin; found batches"),
        (changed(data_batch_3__bin=bytes(3073 * 2 - 1)), "data_batch_3.bin has 6,145 bytes, expected complete records"),
        (changed(data_batch_3__bin=b""), "data_batch_3.bin has 0 bytes"),
        (changed(data_batch_3__bin=bytes(3073)), r"train part of CIFAR-10 has 81 images .*_3.bin 1, .*, expected 100"),
        (changed(test_batch__bin=LABEL_OF_10), "record 1 of test_batch.bin has label 10, expected 0 to 9"),
        (changed(batches__meta__txt=b"cat\ndog\n"), "batches.meta.txt has 2 names, expected 10 unique names"),
        ({"data_batch_1": b"pickle"}, "no batches.meta.txt, data_batch_1.bin, .*; found data_batch_1.$"),
        ({}, "it is empty"),
    ],
)
def test_wrong_content_is_named(tmp_path, members, message):
    with pytest.raises(InputError, match=message):
        read_cifar(cifar10.LAYOUT, write_archive(tmp_path / "c.tar.gz", members), 100, 20)


@pytest.mark.parametrize("kind", ["no archive", "cut short", "missing"])
def test_an_invalid_archive_is_named(tmp_path, kind):
    path = write_archive(tmp_path / "c.tar.gz", cifar10_members())
    content = path.read_bytes()
    changes = {"no archive": b"<html>", "cut short": content[: len(content) // 2]}
    path.unlink() if kind == "missing" else path.write_bytes(changes[kind])
    with pytest.raises(InputError, match=r"c.tar.gz: (not a complete .tar.gz archive|the file is missing)"):
        read_cifar(cifar10.LAYOUT, path, 100, 20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, r"c.tar.gz: expected sha256 0{64}, found [0-9a-f]{64}; the file was not opened"),
        ({"expected_test": None}, "expected_test is missing; cifar10 needs it"),
        ({"files": []}, "CIFAR-10: expected one archive, found 0 files"),
    ],
)
def test_settings_and_files_of_an_archive(tmp_path, change, message):
    archive = write_archive(tmp_path / "c.tar.gz", cifar10_members())
    given = {"source": "cifar10", "expected_train": 100, "expected_test": 20, "sha256": sha256(archive)}
    assert len(cifar10.read(given, [archive]).images) == 120
    settings = {key: value for key, value in (given | change).items() if value is not None and key != "files"}
    with pytest.raises(InputError, match=message):
        read_archive(cifar10.LAYOUT, settings, change.get("files", [archive]))
