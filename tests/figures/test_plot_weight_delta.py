"""Relative change by block and role."""

import numpy
import pandas
import pytest

from triptych.figures import plot_weight_delta, style
from triptych.figures.plot_weight_delta import relative_changes


def test_tensors_of_a_block_and_role_count_together_and_seeds_are_averaged():
    table = pandas.DataFrame(
        [
            ("a", "0", "fc", "weight", 3.0, 0.3),
            ("a", "0", "fc", "weight", 4.0, 0.4),
            ("a", "1", "fc", "weight", 3.0, 0.0),
            ("a", "1", "fc", "weight", 4.0, 1.5),
            ("a", "0", "conv1", "weight", 2.0, 0.0),
            ("a", "1", "conv1", "weight", 0.0, 0.0),
            ("a", "0", "conv1", "statistic", 0.0, 1.0),
        ],
        columns=["arm", "seed", "block", "role", "initial_norm", "delta_norm"],
    )
    changes = relative_changes(table).set_index(["block", "role"])["change"]
    assert changes["fc", "weight"] == pytest.approx((0.5 / 5 + 1.5 / 5) / 2)
    assert changes["conv1", "weight"] == 0
    assert changes["conv1", "statistic"] == numpy.inf


def test_roles_are_apart_frozen_blocks_at_zero_and_counts_left_out(results, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    plot_weight_delta.plot_weight_delta(
        weight_delta=results.tables / "weight_delta.csv",
        arms=results.tables / "arms.csv",
        svg=tmp_path / "a.svg",
        png=tmp_path / "a.png",
    )
    panels = {axes.get_title(loc="left"): axes for axes in figures[0].axes}
    assert list(panels) == ["weights", "biases", "scales and shifts of normalisation", "BatchNorm statistics"]
    for axes in panels.values():
        ticks = dict(zip([label.get_text() for label in axes.get_yticklabels()], axes.get_yticks(), strict=True))
        head_only = next(line for line in axes.lines if line.get_label() == "net3 · last_layer")
        changes = head_only.get_ydata()
        if axes is panels["weights"]:
            assert (changes[:-1] == ticks["0"]).all() and changes[-1] > ticks["0"]
        elif axes is panels["scales and shifts of normalisation"]:
            assert (changes == ticks["0"]).all() and len(changes) == 9
        else:  # the head's bias; statistics follow the batches
            assert (changes > ticks["0"]).all()
    names = [label.get_text() for label in figures[0].axes[-1].get_xticklabels()]
    assert names == ["conv1", *(f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)), "fc"]
