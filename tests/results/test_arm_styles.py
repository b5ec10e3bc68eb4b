import numpy
import pandas
import pytest
from matplotlib.colors import to_rgb

from triptych.results.arm_styles import CONTROL_LINES, DARK_PALETTE, PALETTE, arm_styles, style_of
from triptych.storage.errors import InputError

ARMS = (
    ("scratch", "net1", "arm"),
    ("finetune", "net2", "arm"),
    ("last_layer", "net3", "arm"),
    ("lp_ft", "LP-FT", "arm"),
    ("frozen_bn", "", "arm"),
    ("shuffled", "net1b", "control"),
    ("a7", "seven", "arm"),
    ("a8", "eight", "control"),
    ("a9", "nine", "arm"),
    ("a_very_long_name_of_an_arm_indeed", "net10 with a long label", "arm"),
)


def test_an_arm_looks_the_same_whoever_is_behind_it():
    arms = pandas.DataFrame(ARMS, columns=["arm", "label", "role"])
    looks = arm_styles(arms)
    assert list(looks) == list(arms["arm"])
    assert len({(look.colour, look.line) for look in looks.values()}) == len(looks)
    assert len({look.marker for look in looks.values()}) == len(looks)
    assert arm_styles(arms.head(3)) == dict(list(looks.items())[:3])
    assert looks["scratch"].title == "net1 · scratch"
    assert looks["frozen_bn"].title == "frozen_bn"
    assert len(looks[ARMS[-1][0]].short_title) == 26


def test_controls_are_dashed_and_arms_are_not():
    looks = arm_styles(pandas.DataFrame(ARMS, columns=["arm", "label", "role"]))
    assert {looks[arm].line for arm, _, role in ARMS[:7] if role == "arm"} == {"-"}
    assert all(looks[arm].line in CONTROL_LINES for arm, _, role in ARMS if role == "control")


# Machado, Oliveira and Fernandes (2009), severity 1: what eyes without red, green or blue cones see of linear RGB.
CONES = {
    "all": numpy.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# Ottosson (2020): from linear RGB to OKLab, in which distances are as people see them.
LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
OKLAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def linear(colours):
    values = numpy.array([to_rgb(colour) for colour in colours])
    return numpy.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("palette", [PALETTE, DARK_PALETTE])
@pytest.mark.parametrize("cones", CONES)
def test_colours_stay_apart_for_the_colour_blind(palette, cones):
    seen = numpy.clip(linear(palette) @ numpy.array(CONES[cones]).T, 0, 1)
    lab = numpy.cbrt(seen @ numpy.array(LMS).T) @ numpy.array(OKLAB).T
    distances = numpy.linalg.norm(lab[:, None] - lab[None], axis=-1)
    pairs = numpy.triu_indices(len(palette), 1)
    # a step that most people just see is 0.02; the first three, of which most experiments are, stay further apart
    assert distances[pairs].min() > 0.06
    assert distances[:3, :3][numpy.triu_indices(3, 1)].min() > 0.065


@pytest.mark.parametrize(("palette", "ground"), [(PALETTE, "#ffffff"), (DARK_PALETTE, "#1d2125")])
def test_colours_stand_out_from_their_ground(palette, ground):
    luminances = linear([*palette, ground]) @ numpy.array([0.2126, 0.7152, 0.0722])
    light = numpy.maximum(luminances[:-1], luminances[-1])
    dark = numpy.minimum(luminances[:-1], luminances[-1])
    assert ((light + 0.05) / (dark + 0.05)).min() >= 3  # WCAG 2, 1.4.11: graphics


def test_unknown_arm(tmp_path):
    with pytest.raises(InputError, match=r"arms\.csv: there is no arm 'net9'; found scratch"):
        style_of({"scratch": None}, "net9", tmp_path / "arms.csv")
