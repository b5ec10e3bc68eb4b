"""Noise in place of kernels, of their change or of a curve passes no rule in more than about 1 of 20 cases.

Bounds are the binomial's: a rule that noise passes in exactly 5 % of cases exceeds them once in 10,000 tests.
"""

import numpy
import pandas
import pytest
from scipy import stats

from tests.lecture45.test_check_claims import RULES, evidence, replaced, save_kernels
from triptych.analysis.weight_changes import change_of
from triptych.lecture45.kernels import accents_of, is_gradient_operator, neighbours_agree, read_kernels
from triptych.lecture45.rules import LEVEL, rise_and_fall, rising
from triptych.storage.tensors import save_tensors

__all__ = ["evidence"]

RUNS = 60
TENSORS = {"conv1.weight": "first_convolution", "layer1.0.conv1.weight": "first_3x3_convolution"}


def most_of(runs):
    return int(stats.binom.isf(1e-4, runs, LEVEL))


def normal(random, shape):
    return random.normal(size=shape)


def heavy(random, shape):
    """Few large values among many that are near zero: accents, but in no colour more than in another."""
    return random.standard_t(1.5, size=shape)


def agreements(evidence, arm, name, noise, size, tmp_path):
    """How often a claim agrees where an arm's kernels are noise, and so is their change, `size` times as large."""
    random = numpy.random.default_rng(17)
    shapes = {"first_convolution": (64, 3, 7, 7), "first_3x3_convolution": (16, 16, 3, 3)}
    path = tmp_path / "kernels.safetensors"
    agreed = 0
    for _ in range(RUNS):
        before = {key: random.normal(size=shape).astype(numpy.float32) for key, shape in shapes.items()}
        after = {key: (kept + size * noise(random, kept.shape)).astype(numpy.float32) for key, kept in before.items()}
        save_kernels(path, before, after)

        def change(frames, before=before, after=after):
            for tensor, key in TENSORS.items():
                for column, value in change_of(before[key], after[key]).items():
                    if column != "cosine":
                        replaced("weight_delta", {"arm": arm, "tensor": tensor}, column, value)(frames)

        agreed += RULES[name](evidence(change, kernels={arm: [read_kernels(path)]})).verdict == "agrees"
    return agreed


@pytest.mark.parametrize("size", [1e-3, 1.0])
def test_noise_is_no_visible_change_with_structure(evidence, size, tmp_path):
    """19:12. Of the smaller size no change shows; of the larger each does."""
    assert agreements(evidence, "scratch", "scratch_changes", normal, size, tmp_path) <= most_of(RUNS)


@pytest.mark.parametrize(("noise", "size"), [(normal, 1e-3), (normal, 0.1), (heavy, 1e-3), (heavy, 3e-3)])
def test_noise_has_no_accents_in_certain_colours(evidence, noise, size, tmp_path):
    """19:25. Heavy tails near zero have accents: what is left is that no colour leads."""
    name = "pretrained_kernels_hardly_change"
    assert agreements(evidence, "finetune", name, noise, size, tmp_path) <= most_of(RUNS)


def test_noise_is_no_gradient_operator(evidence, tmp_path):
    assert agreements(evidence, "finetune", "gradient_operators", normal, 1.0, tmp_path) == 0
    kernels = numpy.random.default_rng(0).normal(size=(2000, 7, 7))
    assert sum(map(is_gradient_operator, kernels)) <= most_of(2000)


@pytest.mark.parametrize("epochs", [6, 10, 30])
def test_a_curve_of_noise_neither_rises_nor_falls(epochs):
    """15:41 and 16:11 (`rise_and_fall`), 16:28 and 22:22 (`rising`)."""
    curves = [pandas.Series(row) for row in numpy.random.default_rng(1).normal(size=(1000, epochs))]
    trends = [rise_and_fall(curve) for curve in curves]
    assert sum(trend.rises for trend in trends) <= most_of(1000)
    assert sum(trend.falls is True for trend in trends) <= most_of(1000)
    assert sum(map(rising, curves)) <= most_of(1000)


# What noise does not pass, the real thing does


def test_gradient_operators_are_found_and_blobs_are_not():
    y, x = numpy.mgrid[-3:4, -3:4].astype(float)
    bell = numpy.exp(-(x**2 + y**2) / 6)
    for angle in numpy.linspace(0, numpy.pi, 7):
        assert is_gradient_operator((x * numpy.cos(angle) + y * numpy.sin(angle)) * bell)
    assert is_gradient_operator(numpy.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]))  # Sobel's
    assert not is_gradient_operator(bell)
    assert not is_gradient_operator(numpy.zeros((7, 7)))
    assert not is_gradient_operator(numpy.ones((4, 4)))


def test_a_smooth_change_has_structure():
    random = numpy.random.default_rng(2)
    smooth = numpy.cumsum(numpy.cumsum(random.normal(size=(64, 3, 7, 7)), axis=-1), axis=-2)
    assert neighbours_agree(smooth) > 10
    assert neighbours_agree(numpy.zeros((64, 3, 7, 7))) == 0


def test_accents_in_red_are_found():
    change = numpy.random.default_rng(3).normal(size=(64, 3, 7, 7))
    change[:50, 0, 3, 3] += 20
    counts, colour = accents_of(change)
    assert counts["red"] >= 50
    assert sum(counts.values()) == 64
    assert colour == pytest.approx(2 / 3, abs=0.05)  # one colour of three
    grey = numpy.repeat(change[:, :1], 3, axis=1)
    assert accents_of(grey)[1] == pytest.approx(0)
    assert accents_of(numpy.zeros((64, 3, 7, 7))) == ({}, None)


def test_a_network_without_a_first_convolution_has_no_kernels(tmp_path):
    path = tmp_path / "kernels.safetensors"
    save_tensors(path, {"other": numpy.zeros(1, numpy.float32)}, {})
    assert read_kernels(path) is None
