"""Kernels: signed, on scales that hold for all arms, zero white, after minus before."""

import json

import numpy
import pytest
from matplotlib.colors import Normalize
from PIL import Image

from triptych.figures import plot_kernels, style
from triptych.figures.plot_kernels import (
    BETWEEN,
    SIGNED,
    Change,
    common_scale,
    in_colours,
    in_words,
    mosaic,
    rows_of,
    strongest,
    symmetric,
)
from triptych.storage.errors import InputError


@pytest.fixture
def drawn(results, tmp_path, monkeypatch):
    """A function that draws one arm's figure and returns it."""
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))

    def draw(arm, seed=0):
        plot_kernels.plot_kernels(
            experiment_folder=results.folder,
            arms=results.tables / "arms.csv",
            arm=arm,
            runs=json.dumps(dict.fromkeys(results.runs, f"seed{seed}")),
            svg=tmp_path / "a.svg",
            png=tmp_path / "a.png",
        )
        return figures[-1]

    return draw


def pictures(figure):
    """The images of a figure with their scales: red, green and blue for before, after, difference; then 3x3 (matrix and
    strongest). Those in colour have no scale."""
    images = [axes.images[0] for axes in figure.axes if axes.images]
    return [image for image in images if image.get_array().ndim == 2]


def texts(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_zero_is_white_and_signs_have_colours_of_their_own():
    assert SIGNED(symmetric(0.3)(0.0)) == (1, 1, 1, 1)
    below, above = SIGNED(0.2), SIGNED(0.8)
    assert below[2] > below[0] and above[0] > above[2]


def test_scales_are_the_same_for_all_arms(drawn):
    for of_first, of_second in zip(pictures(drawn("scratch")), pictures(drawn("last_layer")), strict=True):
        assert (of_first.norm.vmin, of_first.norm.vmax) == (of_second.norm.vmin, of_second.norm.vmax)
        assert of_first.norm.vmin == -of_first.norm.vmax


def test_before_and_after_share_a_scale_and_the_difference_is_after_minus_before(drawn):
    images = pictures(drawn("finetune"))
    assert len(images) == 15
    for block in (images[:9], images[9:]):
        panels_of_column = len(block) // 3
        before, after, difference = (block[i * panels_of_column] for i in range(3))
        assert before.norm.vmax == after.norm.vmax > difference.norm.vmax
        change = after.get_array() - before.get_array()
        assert numpy.ma.allclose(change, difference.get_array(), atol=1e-6)


def test_an_exact_zero_is_said_and_only_there(drawn):
    assert texts(drawn("last_layer")).count("exactly zero") == 2
    assert "exactly zero" not in texts(drawn("finetune"))


def test_bound_of_the_difference_is_printed_as_share_of_the_first(drawn):
    figure = drawn("finetune")
    labels = [axes.get_xlabel() for axes in figure.axes]
    images = pictures(figure)
    for image, weights in ((images[6], images[0]), (images[13], images[9])):
        assert f"bounds: {100 * image.norm.vmax / weights.norm.vmax:.2g} % of the left" in labels


def test_common_scale_is_the_largest_percentile_of_any_arm():
    small = Change(numpy.full((4, 3, 2, 2), 0.1), numpy.full((4, 3, 2, 2), 0.1))
    large = Change(numpy.full((4, 3, 2, 2), 0.2), numpy.full((4, 3, 2, 2), -0.3))
    scale = common_scale([small, large])
    assert scale.weights == pytest.approx(0.3)
    assert scale.difference == pytest.approx(0.5)


def test_few_changes_and_diverged_weights_leave_a_scale():
    before, after = numpy.full((8, 3, 7, 7), 0.1), numpy.full((8, 3, 7, 7), 0.1)
    after[0, 0, 0, 0] = 0.4
    assert common_scale([Change(before, after)]).difference == pytest.approx(0.3)
    diverged = Change(before, numpy.full_like(before, numpy.nan))
    assert common_scale([Change(before, after), diverged]).difference == pytest.approx(0.3)


def test_nothing_changed_in_any_arm():
    assert symmetric(0.0)(0.0) == Normalize(-1, 1)(0.0) == 0.5


def test_mosaic_keeps_kernels_whole_and_apart():
    kernels = numpy.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    picture = mosaic(kernels)
    assert picture.shape == (2 * 3 + 1, 3 * 4 + 1)
    assert numpy.array_equal(picture[1:3, 1:4], kernels[0])
    assert numpy.array_equal(picture[4:6, 5:8], kernels[4])
    assert numpy.isnan(picture[[0, 3, 6]]).all() and numpy.isnan(picture[:, [0, 4, 8, 12]]).all()


def test_many_inputs_make_a_matrix_of_kernels():
    weights = numpy.arange(64 * 64 * 9, dtype=float).reshape(64, 64, 3, 3)
    matrix, few = rows_of(weights, reads_images=False)
    picture = matrix.picture(weights)
    assert picture.shape == (192, 192)
    assert numpy.array_equal(picture[3 * 5 : 3 * 6, 3 * 7 : 3 * 8], weights[5, 7])
    largest = few.picture(weights)  # 4 x 4 kernels, the last ones
    assert numpy.array_equal(largest[-4:-1, -4:-1], weights[63, 63])
    assert numpy.array_equal(largest[1:4, 1:4], weights[63, 48])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((768, 3, 16, 16), (["colour", "red", "green", "blue"], (103, 103, 3))),
        ((512, 512, 3, 3), (["matrix", "strongest"], (192, 192))),
        ((32, 1, 3, 3), ([""], (25, 25))),
        ((128, 4, 3, 3), (["input 0", "input 1", "input 2", "input 3"], (33, 33))),
    ],
)
def test_other_shapes(shape, expected):
    weights = numpy.zeros(shape)
    rows = rows_of(weights, reads_images=True)
    assert ([row.name for row in rows], rows[0].picture(weights).shape) == expected


def test_kernels_that_read_no_image_have_no_colours():
    weights = numpy.zeros((30, 3, 3, 3))
    assert [row.name for row in rows_of(weights, reads_images=False)] == ["input 0", "input 1", "input 2"]
    assert "depthwise" in in_words(numpy.zeros((32, 1, 3, 3)), in_colour=False)


def test_a_kernel_in_colour_is_grey_at_zero_and_has_the_colours_of_the_images():
    weights = numpy.zeros((1, 3, 2, 2))
    weights[0, :, 0, 0] = 0.3, -0.3, 0  # of bound 0.3: all red, no green, blue as it is
    colour = rows_of(weights, reads_images=True)[0]
    picture = in_colours(colour.picture(weights), 0.3)
    assert picture[1, 1].tolist() == [255, 0, 128]
    assert picture[2, 2].tolist() == [128, 128, 128]
    assert picture[0, 0].tolist() == [BETWEEN] * 3


def test_the_strongest_kernels_keep_their_order_and_diverged_ones_do_no_harm():
    kernels = numpy.ones((5, 2, 2)) * numpy.array([1, 5, numpy.nan, 4, 3])[:, None, None]
    assert strongest(kernels, 3).tolist() == [1, 3, 4]
    assert strongest(kernels, 9).tolist() == [0, 1, 2, 3, 4]


def test_a_missing_run_is_named(drawn):
    with pytest.raises(InputError, match=r"scratch/seed9/kernels\.safetensors: missing"):
        drawn("finetune", seed=9)


@pytest.mark.parametrize(("arm", "convolution"), [("finetune", 9), ("finetune", 0)])
def test_every_weight_is_a_whole_number_of_pixels(results, tmp_path, monkeypatch, arm, convolution):
    """Each picture in the PNG is the matrix with every weight repeated: nothing left out, doubled or mixed."""
    figures, save = [], style.save
    monkeypatch.setattr(style, "save", lambda figure, svg, png: (figures.append(figure), save(figure, svg, png)))
    files = {"svg": tmp_path / "a.svg", "png": tmp_path / "a.png"}
    arms = results.tables / "arms.csv"
    plot_kernels.plot_kernels(
        experiment_folder=results.folder,
        arms=arms,
        arm=arm,
        runs=json.dumps(dict.fromkeys(results.runs, "seed0")),
        **files,
    )
    drawn = numpy.asarray(Image.open(files["png"]).convert("RGB"))
    image = pictures(figures[0])[convolution]
    position = image.axes.get_position()
    height, width = drawn.shape[:2]
    left, right = (place * width for place in (position.x0, position.x1))
    top, bottom = ((1 - place) * height for place in (position.y1, position.y0))
    assert [left, right, top, bottom] == pytest.approx([round(place) for place in (left, right, top, bottom)], abs=0.02)
    shown = drawn[round(top) : round(bottom), round(left) : round(right)]
    expected = SIGNED(image.norm(image.get_array()), bytes=True)[..., :3]
    each = shown.shape[0] // expected.shape[0]
    assert each >= 1
    repeated = expected.repeat(each, axis=0).repeat(each, axis=1)
    assert shown.shape == repeated.shape
    assert numpy.array_equal(shown, repeated)
