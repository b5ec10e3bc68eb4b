import json

import numpy
import pandas
import pytest

from triptych.analysis.extract_weight_delta import extract_weight_delta
from triptych.analysis.weight_changes import brightness_and_colour, change_of, write_changes
from triptych.models.initialise_model import initialise_model, run_metadata, starting_network
from triptych.models.networks import state_arrays
from triptych.models.tensor_layout import Position
from triptych.results.run_files import kernels_before_and_after
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors

COLUMNS = (
    "tensor,kind,size,initial_norm,delta_norm,relative_delta,cosine,max_abs_delta,unchanged_fraction,near_zero_fraction,"
    "block,role"
)


def metadata(tensors, **changes):
    return {
        "tensors": tensors,
        "buffers": [name for name in tensors if "running" in name or "num_batches" in name],
        "head": [name for name in tensors if name.startswith("fc.")],
        "first_convolution": None,
        "first_3x3_convolution": None,
        **changes,
    }


OUTPUTS = {
    "weight_delta": "weight_delta.csv",
    "kernels": "kernels.safetensors",
    "kernel_change": "kernel_change.csv",
    "weights": "weights.json",
}


@pytest.fixture
def extract(tmp_path):
    """A function that compares the tensors of a network; returns the folder of the results."""

    def run(before, after, about):
        layout = {name: Position(name.partition(".")[0], "weight") for name in before}
        files = {name: tmp_path / file for name, file in OUTPUTS.items()}
        write_changes(about, layout, ["fc.bias"], before, after, **files)
        return tmp_path

    return run


def test_one_tensor_by_hand():
    """(3, 4, 0, 0) becomes (3, 4, 12, 0.003): norm 5, change 12; of the largest weight 4 a thousandth is 0.004."""
    before, after = numpy.array([3.0, 4, 0, 0]), numpy.array([3.0, 4, 12, 0.003])
    change = change_of(before, after)
    assert change["size"] == 4
    assert change["initial_norm"] == 5
    assert change["delta_norm"] == pytest.approx(12, abs=1e-6)
    assert change["relative_delta"] == pytest.approx(2.4, abs=1e-6)
    assert change["cosine"] == pytest.approx(5 / 13, abs=1e-6)
    assert change["max_abs_delta"] == 12
    assert change["unchanged_fraction"] == 0.5
    assert change["near_zero_fraction"] == 0.75


@pytest.mark.parametrize(("step", "near"), [(0.0039, 1.0), (0.0041, 0.75)])
def test_near_zero_is_less_than_a_thousandth_of_the_largest_weight_before(step, near):
    before = numpy.array([-4.0, 1, 1, 0])
    assert change_of(before, before + numpy.array([0, 0, 0, step]))["near_zero_fraction"] == near


def test_a_tensor_that_did_not_move():
    before = numpy.random.default_rng(0).normal(size=100).astype(numpy.float32)
    change = change_of(before, before.copy())
    assert change["delta_norm"] == change["relative_delta"] == change["max_abs_delta"] == 0
    assert change["cosine"] == change["unchanged_fraction"] == change["near_zero_fraction"] == 1


def test_the_smallest_change_is_seen():
    before = numpy.ones(10, numpy.float32)
    after = before.copy()
    after[3] = numpy.nextafter(numpy.float32(1), numpy.float32(2))
    change = change_of(before, after)
    assert change["max_abs_delta"] == 2.0**-23
    assert change["unchanged_fraction"] == 0.9
    assert change["near_zero_fraction"] == 1
    assert change["cosine"] <= 1


def test_a_tensor_of_zeros():
    zeros = numpy.zeros(3)
    still, moved = change_of(zeros, zeros), change_of(zeros, zeros + 2)
    assert (still["relative_delta"], still["cosine"], still["near_zero_fraction"]) == (0, None, 1)
    assert (moved["relative_delta"], moved["cosine"], moved["near_zero_fraction"]) == (None, None, 0)
    assert change_of(zeros + 2, zeros)["cosine"] is None
    assert change_of(zeros + 2, zeros)["relative_delta"] == 1


def test_the_opposite_has_the_cosine_minus_one():
    before = numpy.random.default_rng(1).normal(size=50)
    assert change_of(before, -before)["cosine"] == pytest.approx(-1)
    assert change_of(before, -before)["relative_delta"] == pytest.approx(2)


def test_float32_is_compared_in_float64():
    """In float32 the sum of 10 million squares of 0.1 is off by more than a thousandth of what is asserted."""
    before = numpy.full(1_000_000, 0.1, numpy.float32)
    exact = float(numpy.float64(numpy.float32(0.1)) * 1000)
    assert change_of(before, 2 * before)["initial_norm"] == pytest.approx(exact, rel=1e-13)
    assert change_of(before, 2 * before)["delta_norm"] == pytest.approx(exact, rel=1e-13)


def test_a_counter_of_batches():
    change = change_of(numpy.array(0), numpy.array(100))
    assert (change["size"], change["initial_norm"], change["delta_norm"]) == (1, 0, 100)
    assert change["relative_delta"] is None
    later = change_of(numpy.array(100), numpy.array(150))
    assert later["relative_delta"] == 0.5


def test_pure_brightness_and_pure_colour():
    generator = numpy.random.default_rng(0)
    before = generator.normal(size=(8, 3, 7, 7)).astype(numpy.float32)
    grey = numpy.repeat(generator.normal(size=(8, 1, 7, 7)), 3, axis=1)
    assert brightness_and_colour(numpy.zeros_like(grey), grey) == pytest.approx((1, 0))
    colour = generator.normal(size=(8, 3, 7, 7))
    colour -= colour.mean(axis=1, keepdims=True)
    assert brightness_and_colour(numpy.zeros_like(colour), colour) == pytest.approx((0, 1))
    assert brightness_and_colour(before, before) == (None, None)
    assert sum(brightness_and_colour(before, before + colour + 0.3 * grey)) == pytest.approx(1)


def test_brightness_is_the_projection_on_the_grey_axis():
    """A change of red alone: (1, 0, 0) . (1, 1, 1) / sqrt(3) is 1 / sqrt(3), a third of the square."""
    before = numpy.zeros((1, 3, 1, 1))
    after = before.copy()
    after[0, 0] = 5
    assert brightness_and_colour(before, after) == pytest.approx((1 / 3, 2 / 3))


def test_the_files_of_a_run(extract, tmp_path):
    generator = numpy.random.default_rng(0)
    names = ["conv1.weight", "bn1.running_mean", "bn1.num_batches_tracked", "a.weight", "fc.bias"]
    before = {
        "conv1.weight": generator.normal(size=(64, 3, 7, 7)).astype(numpy.float32),
        "bn1.running_mean": numpy.zeros(64, numpy.float32),
        "bn1.num_batches_tracked": numpy.array(0, dtype=numpy.int64),
        "a.weight": generator.normal(size=(64, 64, 3, 3)).astype(numpy.float32),
        "fc.bias": numpy.array([3, 4], numpy.float32),
    }
    after = before | {
        "conv1.weight": before["conv1.weight"] + numpy.float32(0.5),
        "bn1.num_batches_tracked": numpy.array(40, dtype=numpy.int64),
        "fc.bias": numpy.array([3, 5], numpy.float32),
    }
    about = metadata(names, first_convolution="conv1.weight", first_3x3_convolution="a.weight")
    folder = extract(before, after, about)
    save_tensors(tmp_path / "initial.safetensors", before, about)
    table = (folder / "weight_delta.csv").read_text().splitlines()
    assert table[0] == COLUMNS
    assert [row.split(",")[0] for row in table[1:]] == names
    assert [row.split(",")[1] for row in table[1:]] == ["parameter", "buffer", "buffer", "parameter", "parameter"]
    assert table[2] == "bn1.running_mean,buffer,64,0.0,0.0,0.0,,0.0,1.0,1.0,bn1,weight"
    assert table[3] == "bn1.num_batches_tracked,buffer,1,0.0,40.0,,,40.0,0.0,0.0,bn1,weight"
    cosine = repr(29 / (5 * 34**0.5))
    assert table[5] == f"fc.bias,parameter,2,5.0,1.0,0.2,{cosine},1.0,0.5,0.5,fc,weight"

    kernels = load_tensors(folder / "kernels.safetensors")
    assert kernels.keys() == {
        "first_convolution_initial",
        "first_convolution_trained",
        "first_3x3_convolution_initial",
    }
    assert numpy.array_equal(kernels["first_convolution_initial"], before["conv1.weight"])
    assert numpy.array_equal(kernels["first_convolution_trained"], after["conv1.weight"])
    assert all(
        numpy.array_equal(one, before["a.weight"]) for one in kernels_before_and_after(kernels, "first_3x3_convolution")
    )
    assert kernels["first_convolution_initial"].dtype == numpy.float32
    assert load_metadata(folder / "kernels.safetensors") == {
        "first_convolution": "conv1.weight",
        "first_3x3_convolution": "a.weight",
    }
    (change,) = pandas.read_csv(folder / "kernel_change.csv").to_dict("records")
    weights = json.loads((folder / "weights.json").read_text())
    assert weights == {
        "file_bytes": (folder / "initial.safetensors").stat().st_size,
        "parameters": 64 * 3 * 7 * 7 + 64 * 64 * 3 * 3 + 2,
        "head_parameters": 2,
        "buffer_elements": 64 + 1,
        "trained_parameters": 2,
    }
    assert (change["convolution"], change["tensor"]) == ("first_convolution", "conv1.weight")
    assert change["brightness_share"] == pytest.approx(1)
    assert change["colour_share"] == pytest.approx(0, abs=1e-9)


def test_nothing_changed_leaves_the_shares_empty(extract):
    weights = {"conv1.weight": numpy.ones((2, 3, 7, 7), numpy.float32)}
    folder = extract(weights, weights, metadata(["conv1.weight"], first_convolution="conv1.weight"))
    assert (folder / "kernel_change.csv").read_text().splitlines()[1] == "first_convolution,conv1.weight,,"
    assert load_tensors(folder / "kernels.safetensors").keys() == {"first_convolution_initial"}


def test_a_network_without_convolutions(extract):
    weights = {"fc.weight": numpy.ones((2, 3), numpy.float32)}
    folder = extract(weights, weights, metadata(["fc.weight"]))
    assert load_tensors(folder / "kernels.safetensors") == {}
    assert (folder / "kernel_change.csv").read_text() == "convolution,tensor,brightness_share,colour_share\n"


def test_twice_gives_the_same_bytes(extract):
    weights = {"conv1.weight": numpy.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(numpy.float32)}
    moved = {"conv1.weight": weights["conv1.weight"] * numpy.float32(1.1)}
    about = metadata(["conv1.weight"], first_convolution="conv1.weight", first_3x3_convolution="conv1.weight")
    names = ("weight_delta.csv", "kernels.safetensors", "kernel_change.csv", "weights.json")
    contents = {tuple((extract(weights, moved, about) / name).read_bytes() for name in names) for _ in range(3)}
    assert len(contents) == 1


# The command


@pytest.fixture
def run(tmp_path):
    """The options of the command for a run that changed one bias, beside the outputs."""
    images = numpy.empty((0, 8, 8, 3), numpy.uint8)
    network, about = starting_network("resnet18", 32, "none", 3, ["a", "b", "c"], images, None)
    before = state_arrays(network)
    after = before | {"fc.bias": before["fc.bias"] + 1}
    save_tensors(
        tmp_path / "trained.safetensors",
        after,
        run_metadata(about, before, 3, {"trained": {"parameters": ["fc.bias"]}}),
    )
    return {"trained": tmp_path / "trained.safetensors"} | {name: tmp_path / file for name, file in OUTPUTS.items()}


def test_weights_before_training_are_computed_anew(run, tmp_path):
    extract_weight_delta(**run)
    table = pandas.read_csv(run["weight_delta"], index_col="tensor")
    assert table.index[table["unchanged_fraction"] < 1].tolist() == ["fc.bias"]
    assert table["max_abs_delta"]["fc.bias"] == pytest.approx(1)
    initialise_model(trained=run["trained"], initial=tmp_path / "initial.safetensors")
    initial = load_tensors(tmp_path / "initial.safetensors")
    assert load_tensors(run["kernels"])["first_convolution_initial"].tobytes() == initial["conv1.weight"].tobytes()
    size = (tmp_path / "initial.safetensors").stat().st_size
    assert json.loads(run["weights"].read_text())["file_bytes"] == size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors | {"other": tensors["fc.bias"]}, r"trained\.safetensors: .*unexpected: other"),
        (lambda tensors: tensors | {"fc.bias": tensors["fc.bias"][:2]}, r"expected fc\.bias \[3\], found \[2\]"),
    ],
)
def test_other_tensors_than_the_network_s_are_refused(run, change, message):
    about = load_metadata(run["trained"])
    save_tensors(run["trained"], change(load_tensors(run["trained"])), about)
    with pytest.raises(InputError, match=message):
        extract_weight_delta(**run)
    assert not run["weight_delta"].exists()


def test_a_missing_file_is_named(run):
    run["trained"].unlink()
    with pytest.raises(InputError, match=r"trained\.safetensors: the file is missing"):
        extract_weight_delta(**run)
