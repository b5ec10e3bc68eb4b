"""One weight change in two ways."""

import numpy
import pytest

from triptych.figures import style
from triptych.figures.plot_kernels import read_changes
from triptych.lecture45.plot_notebook_kernels import plot_notebook_kernels, stretched
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


def test_the_same_arrays_are_drawn_twice_with_the_difference_reversed(results, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    plot_notebook_kernels(**options(results, tmp_path))
    images = [axes.images[0] for axes in figures[0].axes if axes.images]
    assert len(images) == 6
    before, after, notebook, true_before, true_after, change = (image.get_array().filled(0) for image in images)
    assert change == pytest.approx(true_after - true_before, abs=1e-7)
    assert notebook == pytest.approx(
        numpy.nan_to_num(stretched(numpy.where(change == 0, numpy.nan, -change))), abs=1e-6
    )
    assert before.max() == after.max() == 1
    limits = {(image.norm.vmin, image.norm.vmax) for image in images[3:]}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high


def test_the_colour_that_moved_most_is_shown(results, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    plot_notebook_kernels(**options(results, tmp_path))
    path = results.folder / "runs" / "finetune" / "seed0" / "kernels.safetensors"
    change = read_changes(path)["first_convolution"].difference
    colour = ("red", "green", "blue")[numpy.abs(change).sum(axis=(0, 2, 3)).argmax()]
    assert any(f"{colour} only" in text.get_text() for text in figures[0].texts)


def test_an_arm_that_did_not_move_is_drawn_too(results, tmp_path):
    plot_notebook_kernels(**options(results, tmp_path, arm="last_layer"))
    assert (tmp_path / "a.svg").is_file()


def test_no_convolution_is_an_error(make_results, tmp_path):
    results = make_results(seeds=(0,))
    path = results.folder / "runs" / "finetune" / "seed0" / "kernels.safetensors"
    save_tensors(path, {"other": numpy.zeros(1, numpy.float32)}, {})
    with pytest.raises(InputError, match="no first convolution"):
        plot_notebook_kernels(**options(results, tmp_path))
