"""One weight change in two ways."""

import numpy
import pytest

from triptych.figures import style
from triptych.figures.plot_kernels import in_colours, mosaic, read_changes
from triptych.lecture45.plot_notebook_kernels import GREY, in_colour, plot_notebook_kernels, stretched
from triptych.storage.errors import InputError
from triptych.storage.tensors import save_tensors


def options(results, tmp_path, arm="finetune"):
    return {
        "experiment_folder": results.folder,
        "arms": results.tables / "arms.csv",
        "arm": arm,
        "seed": 0,
        "svg": tmp_path / "a.svg",
        "png": tmp_path / "a.png",
    }


def test_stretching_makes_a_tiny_change_fill_the_range_and_loses_the_zero():
    picture = numpy.array([[-1e-5, 0.0], [numpy.nan, 3e-5]])
    assert numpy.nanmax(stretched(picture)) == 1
    assert numpy.nanmin(stretched(picture)) == 0
    assert stretched(picture)[0, 1] == pytest.approx(0.25)
    assert numpy.isnan(stretched(picture)[1, 0])
    assert (stretched(numpy.zeros((2, 2))) == 0).all()


@pytest.fixture
def pictures(results, tmp_path, monkeypatch):
    """The pictures of the figure, row by row, with the colour scales of the axes that hold them."""
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    plot_notebook_kernels(**options(results, tmp_path))
    return [axes.images[0] for axes in figures[0].axes if axes.images]


def kernels_of(results):
    return read_changes(results.folder / "runs" / "finetune" / "seed0" / "kernels.safetensors")


def test_the_first_convolution_is_in_rgb_and_the_second_in_grey(results, pictures):
    assert len(pictures) == 12
    first, second = (pictures[row : row + 3] for row in (0, 6))
    assert all(image.get_array().shape[-1] == 3 for image in first)
    assert all(image.get_array().ndim == 2 and image.get_cmap().name == "gray" for image in second)
    change = kernels_of(results)["first_convolution"]
    for image, weights in zip(first, (change.before, change.after, change.before - change.after), strict=True):
        drawn = numpy.nan_to_num(stretched(in_colour(weights)), nan=GREY)
        assert numpy.asarray(image.get_array()) == pytest.approx(drawn, abs=1e-6)
    change = kernels_of(results)["first_3x3_convolution"]
    for image, weights in zip(second, (change.before, change.after, change.before - change.after), strict=True):
        drawn = numpy.nan_to_num(stretched(mosaic(weights[0].astype(float))), nan=GREY)
        assert numpy.asarray(image.get_array()) == pytest.approx(drawn, abs=1e-6)


def test_the_same_arrays_are_drawn_again_on_one_signed_scale(results, pictures):
    change = kernels_of(results)["first_convolution"]
    bound = numpy.abs(numpy.stack((change.before, change.after))).max()
    for image, weights in zip(pictures[3:6], (change.before, change.after, change.difference), strict=True):
        assert (image.get_array() == in_colours(in_colour(weights), bound)).all()  # zero is grey
    before, after, difference = (image.get_array().filled(0) for image in pictures[9:])
    assert difference == pytest.approx(after - before, abs=1e-7)
    limits = {(image.norm.vmin, image.norm.vmax) for image in pictures[9:]}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high


def test_an_arm_that_did_not_move_is_drawn_too(results, tmp_path):
    plot_notebook_kernels(**options(results, tmp_path, arm="last_layer"))
    assert (tmp_path / "a.svg").is_file()


def test_no_convolution_is_an_error(make_results, tmp_path):
    results = make_results(seeds=(0,))
    path = results.folder / "runs" / "finetune" / "seed0" / "kernels.safetensors"
    save_tensors(path, {"other": numpy.zeros(1, numpy.float32)}, {})
    with pytest.raises(InputError, match="no first convolution"):
        plot_notebook_kernels(**options(results, tmp_path))
