import subprocess
import sys

import numpy
import pytest

from triptych.errors import InputError
from triptych.tensors import load_metadata, load_tensors, save_tensors

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
        "import sys, numpy; from triptych.tensors import save_tensors; "
        "save_tensors(sys.argv[1], {k: numpy.zeros(3) for k in 'abcdefgh'}, {k: 1 for k in 'qwertz'})"
    )
    contents = set()
    for number in range(4):
        subprocess.run([sys.executable, "-c", code, tmp_path / f"{number}"], check=True)
        contents.add((tmp_path / f"{number}").read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("read", [load_tensors, load_metadata])
def test_a_broken_file_is_named(tmp_path, read):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match=r"broken\.safetensors"):
        read(path)
