"""Figures by block."""

import numpy
import pandas
import pytest
from matplotlib.figure import Figure

from triptych.figures.blocks import MOST_NAMED, name_blocks, outer_places, power_of_ten, runs, short_name

DENSE = ["features.conv0", *(f"features.denseblock1.denselayer{i}" for i in range(1, 41)), "classifier"]


def test_zero_and_infinity_have_places_outside_the_others():
    zero, infinity = outer_places(pandas.Series([0.0, 0.02, 0.5, numpy.inf]))
    assert zero == pytest.approx(1e-3) and infinity == pytest.approx(10)
    assert outer_places(pandas.Series([0.0, 0.0])) == (pytest.approx(1e-4), pytest.approx(10))


@pytest.mark.parametrize(("power", "text"), [(-2, "0.01"), (0, "1"), (-5, "10⁻⁵"), (12, "10¹²")])
def test_power_of_ten(power, text):
    assert power_of_ten(power) == text


def test_blocks_of_one_module_share_its_name_in_their_middle():
    assert runs(DENSE) == [(0, "features.conv0"), (20.5, "features.denseblock1"), (41, "classifier")]


def test_names_keep_their_last_parts():
    assert short_name("encoder.layers.encoder_layer_0") == "encoder_layer_0"
    assert short_name("layer1.0") == "layer1.0"
    assert short_name("a_module_with_a_long_name") == "…ith_a_long_name"


def named(*blocks):
    axes = Figure().subplots()
    name_blocks(axes, [list(own) for own in blocks])
    return [label.get_text() for label in axes.get_xticklabels()], axes.get_xlabel()


def test_blocks_are_named_as_far_as_there_is_room():
    few = [f"layer{i}" for i in range(MOST_NAMED)]
    assert named(few, few)[0] == few
    assert named(DENSE)[0] == ["features.conv0", "denseblock1", "classifier"]


def test_blocks_of_different_networks_are_counted():
    names, label = named(["conv1", "fc"], ["conv1", "layer1", "fc"])
    assert names == ["1", "2", "3"] and "counted" in label
