"""One quantity of all arms by epoch."""

import numpy
import pandas
import pytest

from tests.fabricated import LECTURE
from triptych.figures import plot_curves, style
from triptych.storage.errors import InputError


@pytest.fixture
def drawn(results, tmp_path, monkeypatch):
    """A function that draws a quantity and returns the axes."""
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))

    def draw(quantity, history=results.tables / "history.csv", arms=results.tables / "arms.csv"):
        files = {"svg": tmp_path / "a.svg", "png": tmp_path / "a.png"}
        plot_curves.plot_curves(history=history, arms=arms, quantity=quantity, **files)
        return figures[-1].axes[0]

    return draw


def test_thick_line_is_the_mean_of_the_thin_ones(drawn, results):
    axes = drawn("test_accuracy")
    history = pandas.read_csv(results.tables / "history.csv")
    expected = history[history["arm"] == "finetune"].groupby("epoch")["test_accuracy"].mean()
    thick = [line for line in axes.lines if line.get_linewidth() > 1]
    thin = [line for line in axes.lines if line.get_linewidth() < 1]
    assert (len(thick), len(thin)) == (3, 9)
    assert thick[1].get_ydata() == pytest.approx(expected.to_numpy())
    assert thick[1].get_label() == f"net2 · finetune: {expected.iloc[-1]:.1f} %"


def test_after_the_decision_the_curves_are_of_validation_images(drawn, make_results):
    tables = make_results(test="after_decision").tables
    history = pandas.read_csv(tables / "history.csv")
    assert not [name for name in history if name.startswith("test")]
    axes = drawn("validation_loss", history=tables / "history.csv")
    assert axes.figure.get_suptitle() == "Validation loss by epoch, all arms"
    expected = history[history["arm"] == "scratch"].groupby("epoch")["validation_loss"].mean()
    assert axes.lines[3].get_ydata() == pytest.approx(expected.to_numpy())
    with pytest.raises(InputError, match="no column test_loss"):
        drawn("test_loss", history=tables / "history.csv")


LAGGING = {**LECTURE[0], "first": 75, "lag": 60.0}


@pytest.mark.parametrize("quantity", ["test_accuracy", "test_loss"])
def test_lagging_averages_are_a_second_thin_line(drawn, make_results, quantity):
    tables = make_results(arms=(LAGGING, *LECTURE[1:])).tables
    axes = drawn(quantity, history=tables / "history.csv", arms=tables / "arms.csv")
    history = pandas.read_csv(tables / "history.csv").query("arm == 'scratch'").groupby("epoch")
    (second,) = (line for line in axes.lines if line.get_linestyle() == "-." and line.get_linewidth() < 1)
    assert second.get_ydata() == pytest.approx(history[quantity].mean().to_numpy())
    (main,) = (line for line in axes.lines if line.get_label().startswith("net1"))
    assert main.get_ydata()[1:] == pytest.approx(history[f"reestimated_{quantity}"].mean().to_numpy()[1:])
    assert "dash-dotted: with BatchNorm’s moving averages" in axes.figure.legends[0].get_title().get_text()
    kept = history[f"reestimated_{quantity}"].mean().iloc[-1]  # of the kept network, by the default recipe
    assert main.get_label().split()[-1 if quantity == "test_loss" else -2] == (
        f"{kept:.3f}" if quantity == "test_loss" else f"{kept:.1f}"
    )
    if quantity == "test_loss":  # the axis is for the learning curves
        assert main.get_ydata().max() < axes.get_ylim()[1] < second.get_ydata().max()


def test_many_seeds_become_a_band_from_the_lowest_to_the_highest(drawn, results, tmp_path):
    history = pandas.read_csv(results.tables / "history.csv")
    seeds = [history[history["seed"] == 0].assign(seed=seed) for seed in range(style.MOST_SEED_LINES + 1)]
    for number, rows in enumerate(seeds):
        rows["test_accuracy"] += number
    pandas.concat(seeds).to_csv(tmp_path / "history.csv", index=False)
    axes = drawn("test_accuracy", history=tmp_path / "history.csv")
    assert len(axes.lines) == len(axes.collections) == 3
    band = axes.collections[0].get_paths()[0].vertices
    at_the_end = band[band[:, 0] == 10, 1]
    lowest = history[(history["arm"] == "scratch") & (history["seed"] == 0)]["test_accuracy"].iloc[-1]
    assert (at_the_end.min(), at_the_end.max()) == pytest.approx((lowest, lowest + style.MOST_SEED_LINES))
    assert "11 seeds (band: lowest to highest)" in axes.figure.legends[0].get_title().get_text()


def test_many_arms_are_drawn_as_their_means_alone(drawn, results, tmp_path):
    history = pandas.read_csv(results.tables / "history.csv")
    history = history[history["arm"] == "scratch"]
    names = [f"arm{number}" for number in range(plot_curves.MOST_ARMS_WITH_SEEDS + 1)]
    pandas.concat([history.assign(arm=name) for name in names]).to_csv(tmp_path / "history.csv", index=False)
    arms = tmp_path / "arms.csv"
    arms.write_text("arm,label,role,batch_size\n" + "".join(f"{name},{name},arm,32\n" for name in names))
    axes = drawn("test_accuracy", history=tmp_path / "history.csv", arms=arms)
    assert (len(axes.lines), len(axes.collections)) == (len(names), 0)
    assert axes.figure.legends[0].get_title().get_text() == "mean of 3 seeds; number: last epoch"


def test_epochs_are_whole_and_training_has_no_value_before_it_began(drawn):
    axes = drawn("train_loss")
    assert all(tick == int(tick) for tick in axes.get_xticks())
    assert axes.get_xlim()[0] < 0 < 10 < axes.get_xlim()[1]
    assert min(line.get_xdata().min() for line in axes.lines) == 1
    assert axes.get_ylim()[0] == 0


def test_a_loss_that_ran_away_leaves_a_gap(drawn, results, tmp_path):
    history = pandas.read_csv(results.tables / "history.csv")
    history.loc[history["arm"].eq("scratch") & history["epoch"].ge(5), "test_loss"] = numpy.inf
    history.to_csv(tmp_path / "history.csv", index=False)
    axes = drawn("test_loss", history=tmp_path / "history.csv")
    assert numpy.isfinite(axes.get_ylim()).all()
    assert max(axes.lines[3].get_xdata()) == 4


def test_other_quantities_and_arms_are_refused(drawn, tmp_path):
    with pytest.raises(InputError, match=r"quantity: 'speed' is none of train_loss, validation_loss, .*test_accuracy"):
        drawn("speed")
    arms = tmp_path / "arms.csv"
    arms.write_text("arm,label,role,batch_size\nother,net9,arm,32\n")
    with pytest.raises(InputError, match=r"history\.csv: no row of arm 'other'"):
        drawn("test_loss", arms=arms)


def test_the_mean_ends_with_the_shortest_seed_and_a_ring_marks_what_is_kept(make_results, tmp_path, monkeypatch):
    uneven = {"ran": (4, 7, 10), "kept": (2, 6, 10), "training": {"patience": 3, "keep": "best"}}
    results = make_results(arms=(LECTURE[0], {**LECTURE[1], **uneven}, LECTURE[2]))
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    files = {name: results.tables / f"{name}.csv" for name in ("history", "arms")}
    plot_curves.plot_curves(**files, quantity="test_accuracy", svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    (figure,) = figures
    history = pandas.read_csv(files["history"])
    own = history[history["arm"] == "finetune"]
    (mean,) = (line for line in figure.axes[0].lines if line.get_label().startswith("net2"))
    assert mean.get_xdata().tolist() == [0, 1, 2, 3, 4]
    kept = own[own["kept"] == 1]
    assert kept["epoch"].tolist() == [2, 6, 10]
    assert mean.get_label() == f"net2 · finetune: {kept['test_accuracy'].mean():.1f} %"
    (ring,) = (line for line in figure.axes[0].lines if line.get_markersize() == 10)
    assert ring.get_xdata().tolist() == [2, 6]  # not where the last epoch is kept
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() < 1]
    assert sorted(len(line.get_xdata()) - numpy.isnan(line.get_ydata()).sum() for line in thin)[:2] == [5, 8]
    title = figure.legends[0].get_title().get_text()
    assert title == "mean of 3 seeds (thin lines: each seed); ring: kept epoch; number: kept epoch"
