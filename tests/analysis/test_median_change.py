"""Medians of weight changes are over the tensors that the compared arms have in common."""

import pandas
import pytest

from triptych.analysis.median_change import median_change_table

ARMS = (("scratch", "net", "arm"), ("finetune", "net", "arm"))


def delta(arm, changes, seeds=("0", "1")):
    """Rows of the table weight_delta: the relative change of each tensor, None where it was zero before."""
    rows = [
        {"arm": arm, "seed": seed, "tensor": tensor, "kind": "parameter", "relative_delta": change}
        for seed in seeds
        for tensor, change in changes.items()
    ]
    return pandas.DataFrame(rows)


def medians(arms, *deltas):
    table = pandas.DataFrame(arms, columns=["arm", "architecture", "role"]).assign(label="")
    return median_change_table({"arms": table, "weight_delta": pandas.concat(deltas)}).set_index("arm")


def test_a_tensor_without_a_ratio_in_one_arm_counts_in_none():
    """Of all tensors each, scratch would change more; of the common ones it changes less."""
    first = delta("scratch", {"a": 0.10, "b": 0.11, "bias": None})
    second = delta("finetune", {"a": 0.11, "b": 0.12, "bias": 0.01})
    found = medians(ARMS, first, second)
    assert found["median_change"].tolist() == [pytest.approx(0.105), pytest.approx(0.115)]
    assert found["common_tensors"].tolist() == [2, 2] and found["tensors"].tolist() == [3, 3]


def test_changes_as_files_have_them():
    """Texts; an empty one where there is no ratio."""
    texts = delta("scratch", {"a": "0.1", "b": "0.3", "bias": ""})
    found = medians(ARMS, texts, delta("finetune", {"a": "0.2", "b": "0.4", "bias": "0.5"}))
    assert found["median_change"].tolist() == pytest.approx([0.2, 0.3]) and found["common_tensors"].tolist() == [2, 2]


def test_one_seed_without_a_ratio_is_enough():
    third = delta("finetune", {"a": 0.3, "b": 0.5}, seeds=["0"])
    found = medians(
        ARMS, delta("scratch", {"a": 0.1, "b": 0.2}), third, delta("finetune", {"a": 0.3, "b": None}, ["1"])
    )
    assert found["common_tensors"].tolist() == [1, 1] and found["median_change"].tolist() == pytest.approx([0.1, 0.3])


def test_frozen_tensors_and_controls_do_not_change_what_the_median_is_over():
    arms = [*ARMS, ("head", "net", "arm"), ("control", "net", "control")]
    frozen, control = (
        delta("head", {"a": 0.0, "b": 0.0, "fc": 0.9}),
        delta("control", {"a": 0.4, "b": None, "fc": None}),
    )
    own = [delta("scratch", {"a": 0.1, "b": 0.2, "fc": 0.3}), delta("finetune", {"a": 0.2, "b": 0.3, "fc": 0.4})]
    found = medians(arms, *own, frozen, control)
    assert found["common_tensors"].tolist() == [3] * 4
    assert found["median_change"].tolist() == pytest.approx([0.2, 0.3, 0.0, 0.4])


def test_arms_with_another_network_have_tensors_of_their_own():
    arms = [("scratch", "net", "arm"), ("finetune", "other", "arm"), ("bare", "third", "arm")]
    found = medians(arms, delta("scratch", {"a": 0.1}), delta("finetune", {"x": 0.5}), delta("bare", {"z": None}))
    assert found["common_tensors"].tolist() == [1, 1, 0]
    assert found["median_change"].tolist()[:2] == [0.1, 0.5] and pandas.isna(found["median_change"]["bare"])
