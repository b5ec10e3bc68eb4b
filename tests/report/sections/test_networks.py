"""Networks are compared where there is something to compare, and the batch is told where memory limits it."""

import pytest

from tests.fabricated import LECTURE
from tests.report.conftest import plain
from triptych.report.sections import networks


def needing(found, device="cpu", **needed):
    """The results where a run of an arm takes these bytes at its peak: computed, and measured if on a GPU."""
    cost, computed = found.tables["cost"], found.tables["computed_cost"]
    cost["device"] = device
    for arm, own in needed.items():
        computed.loc[computed["arm"] == arm, ["training_bytes", "peak_bytes"]] = [1.0, float(own)]
        cost.loc[cost["arm"] == arm, "peak_memory_bytes"] = [1.1 * own, 1.3 * own, 1.2 * own]
    return found


def titles(found):
    return [getattr(block, "title", "") for block in networks.blocks(found)]


def test_nothing_is_compared_and_nothing_fitted_without_need(results):
    """One network, and a memory that holds all training images at once: its own table alone."""
    assert titles(results()) == ["The networks of the arms"]


def test_multiples_of_the_arms_network(results):
    found = results(references=True)
    table = networks.architectures(found)
    own, other = (found.tables["architectures"].iloc[row] for row in (0, 1))
    ratios = [other[column] / own[column] for column in ("parameters", "macs", "activation_bytes")]
    assert ratios == pytest.approx([27_161_264 / 11_689_512, 152.4, 173.1], rel=1e-3)
    assert [cell[1] for cell in table.rows[1][1:4]] == ["× 2.32", "× 152.41", "× 173.14"]
    assert plain(table.rows[1][0][0]) == "inception_v3, 299 px, with auxiliary heads"
    assert len(titles(found)) == 3


def test_the_largest_batch_is_shown_where_it_limits_an_arm(results):
    found = results(references=True)
    assert not networks.memory_limits(found)
    found.tables["arms"]["train_images"] = 1e6
    assert networks.memory_limits(found)
    batches = found.tables["largest_batch"]
    batches["largest_batch"] = range(100, 100 + len(batches))  # at most 300, of so many training images
    table = networks.largest_batch(found)
    assert [plain(column.title) for column in table.columns] == [
        *("network", "trains", "arms", "4 GB", "8 GB", "16 GB", "24 GB", "80 GB")
    ]
    rows = [[plain(cell) for cell in row] for row in table.rows]
    batches = found.tables["largest_batch"].groupby(["architecture", "train"])["largest_batch"]
    fits = {key: [f"{batch:,.0f}" for batch in own] for key, own in batches}
    together, names = ["all arms at once", "each its own"], ["net1 · scratch", "net2 · finetune", "net3 · last_layer"]
    assert rows[-1] == [*together, ", ".join(names), *fits[tuple(together)]]
    assert rows[0] == ["resnet18, 32 px", "all", ", ".join(names[:2]), *fits["resnet18", "all"]]
    assert rows[1] == ["resnet18, 32 px", "head", names[2], *fits["resnet18", "head"]]
    assert rows[2] == ["inception_v3, 299 px, with auxiliary heads", "all", "–", *fits["inception_v3", "all"]]
    assert len({cell for row in rows for cell in row[3:]}) == 25


ARMS = ("scratch", "finetune", "last_layer")


@pytest.mark.parametrize(
    ("each", "words"),
    [
        (
            1e9,
            "All arms at once need at least 2.8 GiB (computed peaks of training or evaluation, summed; workspaces come "
            "on top).",
        ),
        (5e9, "workspaces come on top). This exceeds 4 and 8 GB."),
    ],
)
def test_computed_peaks_of_all_arms_at_once_fit_nowhere_for_sure(results, each, words):
    found = results(arms=[*LECTURE, {"name": "control", "role": "control"}])
    said = plain(networks.at_once(needing(found, **dict.fromkeys(ARMS, each), control=1e15)))
    assert said.endswith(words) and "fits" not in said


@pytest.mark.parametrize(
    ("each", "words"),
    [
        (1e9, "need 3.6 GiB (measured peaks, summed; without CUDA contexts): fits into 4, 8, 16, 24 and 80 GB."),
        (1.333e9, "fits into 8, 16, 24 and 80 GB."),  # 5.2 GB measured where 4.0 are computed
        (9e10, "fits into no memory here."),
    ],
)
def test_measured_peaks_of_all_arms_at_once(results, each, words):
    """The highest of each arm's runs."""
    found = results(arms=[*LECTURE, {"name": "control", "role": "control"}])
    said = plain(networks.at_once(needing(found, "cuda", **dict.fromkeys(ARMS, each), control=1e15)))
    assert said.endswith(words)


def test_one_arm_alone(results):
    said = plain(networks.at_once(needing(results(arms=[{"name": "scratch"}]), scratch=3e8)))
    assert said.startswith("scratch needs at least 286 MiB (computed peaks of training or evaluation; workspaces")
