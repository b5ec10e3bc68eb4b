import numpy
import pandas
import pytest
from matplotlib.colors import to_rgb

from triptych.results.arm_styles import CONTROL_LINES, PALETTE, arm_styles, style_of
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


def test_colours_stay_apart_for_the_colour_blind():
    # Viénot, Brettel and Mollon (1999): what remains of linear RGB without the red or the green cones.
    protan = numpy.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = numpy.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    linear = numpy.array([to_rgb(colour) for colour in PALETTE[:6]]) ** 2.2
    for cones in (numpy.eye(3), protan, deutan):
        seen = numpy.clip(linear @ cones.T, 0, 1) ** (1 / 2.2)
        distances = numpy.linalg.norm(seen[:, None] - seen[None], axis=-1)[numpy.triu_indices(len(seen), 1)]
        assert distances.min() > 0.2


def test_unknown_arm(tmp_path):
    with pytest.raises(InputError, match=r"arms\.csv: no arm 'net9' \(there are: scratch\)"):
        style_of({"scratch": None}, "net9", tmp_path / "arms.csv")
