import json
import resource
import struct
import subprocess
import sys

import numpy
import pytest

from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_rows, save_tensors

TENSORS = {
    "scalar": numpy.array(3, dtype=numpy.int64),
    "transposed": numpy.arange(6, dtype=numpy.float32).reshape(2, 3).T,
    "empty": numpy.empty((0, 4), dtype=numpy.uint8),
}


def test_round_trip_keeps_shapes_types_and_values(tmp_path):
    save_tensors(tmp_path / "x.safetensors", TENSORS, {"classes": ["a", "b"]})
    loaded = load_tensors(tmp_path / "x.safetensors")
    assert loaded.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].shape == tensor.shape
        assert numpy.array_equal(loaded[name], tensor)
    assert load_metadata(tmp_path / "x.safetensors") == {"classes": ["a", "b"]}


def test_the_same_content_gives_the_same_bytes_in_every_process(tmp_path):
    code = (
        "import sys, numpy; from triptych.storage.tensors import save_tensors; "
        "save_tensors(sys.argv[1], {k: numpy.zeros(3) for k in 'abcdefgh'}, {k: 1 for k in 'qwertz'})"
    )
    contents = set()
    for number in range(4):
        subprocess.run([sys.executable, "-c", code, tmp_path / f"{number}"], check=True)
        contents.add((tmp_path / f"{number}").read_bytes())
    assert len(contents) == 1


METADATA = [None, {}, {"classes": ["a", 'quote " and \\ and \n', "é 🌷", "\x01\x7f"], "n": 1.5}]


@pytest.mark.parametrize("metadata", METADATA)
@pytest.mark.parametrize("count", [0, 1, 7])
def test_rows_that_come_one_by_one_give_the_same_bytes(tmp_path, count, metadata):
    rows = numpy.random.default_rng(0).integers(0, 256, (count, 3, 2, 3), dtype=numpy.uint8)
    others = {**TENSORS, "labels": numpy.arange(count), "a": numpy.arange(3, dtype=numpy.uint8)}
    for name in ("images", "Z", "é"):
        save_tensors(tmp_path / "whole", {name: rows, **others}, metadata)
        save_rows(tmp_path / "rows", name, iter(rows[..., ::-1][..., ::-1]), rows.shape, others, metadata)
        assert (tmp_path / "rows").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("rows", [numpy.zeros((2, 4)), numpy.zeros((2, 4), "u1"), numpy.zeros((3, 5), "u1")])
def test_other_rows_than_announced_leave_no_file(tmp_path, rows):
    with pytest.raises(RuntimeError, match="rows"):
        save_rows(tmp_path / "rows", "images", rows, (3, 4), {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("read", [load_tensors, load_metadata])
def test_a_broken_file_is_named(tmp_path, read):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match=r"broken\.safetensors"):
        read(path)


def encoded(header, data=b"", length=None):
    """Return a safetensors file with this header, which may be wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def one(dtype="F32", shape=(1,), offsets=(0, 4), **others):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}, **others}


BROKEN = {
    "empty": b"",
    "shorter than its length": b"\x01\x00",
    "a header of exabytes": encoded(b"{}", length=2**63),
    "a header of 99 MB that is not there": encoded(b"{}", length=99_000_000),
    "no JSON": encoded(b"{{{{"),
    "JSON that nests 100,000 times": encoded(b"[" * 100_000),
    "no numbers behind it": encoded(one()),
    "too many numbers behind it": encoded(one(), bytes(40)),
    "a hole": encoded(one(offsets=(4, 8)), bytes(8)),
    "overlapping tensors": encoded({**one(), "b": one()["a"]}, bytes(4)),
    "a type that does not exist": encoded(one("Q9"), bytes(4)),
    "a negative shape": encoded(one(shape=[-1]), bytes(4)),
    "a shape of 2^80": encoded(one(shape=[2**40, 2**40]), bytes(4)),
    "an empty shape that NumPy does not have": encoded(one(shape=[0, 2**62], offsets=(0, 0))),
    "numbers of a type that NumPy does not have": encoded(one("F8_E4M3", [4]), bytes(4)),
    "other numbers of such a type": encoded(one("BF16", [2]), bytes(4)),
    "metadata that is a list": encoded(one(__metadata__=[1]), bytes(4)),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_hostile_header_is_one_message(tmp_path, content):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (load_tensors, load_metadata):
        with pytest.raises(InputError, match=r"broken\.safetensors: not a ") as error:
            read(path)
        assert len(str(error.value)) < 600
        assert "\n" not in str(error.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


@pytest.mark.parametrize("text", ["3", "[]", "null", "", "{", "[" * 100_000])
def test_metadata_must_be_a_mapping(tmp_path, text):
    path = tmp_path / "odd.safetensors"
    path.write_bytes(encoded(one(__metadata__={"triptych": text}), bytes(4)))
    with pytest.raises(InputError, match=r"odd\.safetensors: not a safetensors file written by Triptych"):
        load_metadata(path)


@pytest.mark.parametrize("read", [load_tensors, load_metadata])
def test_a_missing_file_and_a_folder_are_named(tmp_path, read):
    with pytest.raises(InputError, match="none: the file is missing"):
        read(tmp_path / "none")
    with pytest.raises(InputError, match="not a"):
        read(tmp_path)
