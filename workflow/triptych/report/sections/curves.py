"""How the arms learnt, and which epoch is reported."""

import math
from collections.abc import Iterable

import pandas

from triptych.analysis.convergence import OVERFITTING
from triptych.report import formatting as words
from triptych.report.blocks import Block, Bullets, Details, Section, figure, figure_of_arm
from triptych.results.experiment import Results
from triptych.results.learning_curves import shows_lag
from triptych.results.schema import EVERY_EPOCH, REESTIMATED


def blocks(results: Results) -> list[Block]:
    found: list[Block] = [
        figure(
            results.curve_column("loss"),
            f"{overfitting(results)}{moving_averages(results, 'loss', results.arms['arm'])}",
        ),
        figure("train_loss", train_loss(results)),
    ]
    ended = patience(results)
    if ended:
        found.append(Bullets(ended))
    return [
        *found,
        *(
            Details(
                f"Curves of {results.name_of(arm)}",
                [
                    figure_of_arm(results, "accuracy", arm, accuracy_of_one_arm(results, arm)),
                    figure_of_arm(results, "loss", arm, of_one_arm(results, arm)),
                ],
            )
            for arm in results.arms["arm"]
        ),
    ]


SECTION = Section("curves", "Learning curves", blocks)


def accuracy_of_one_arm(results: Results, arm: str) -> str:
    """What the figure of one arm's accuracy shows, and which epoch is kept."""
    text = f"{generalisation_gap(results, arm)} {kept(results, arm)}".rstrip()
    return f"{text}{moving_averages(results, 'accuracy', [arm])}"


def of_one_arm(results: Results, arm: str) -> str:
    """What the lines of the figure of one arm's loss are."""
    dotted = " Dotted: validation images." if results.mode == EVERY_EPOCH else ""
    lagging = moving_averages(results, "loss", [arm])
    return f"Solid: {results.curve_split} images. Dashed: running mean over the training batches.{dotted}{lagging}"


def moving_averages(results: Results, quantity: str, arms: Iterable[str]) -> str:
    """Which curves of the `accuracy` or the `loss` have re-estimated statistics, and what second lines are; empty if
    none has.
    """
    column, histories = results.curve_column(quantity), {arm: results.of("history", arm) for arm in arms}
    spans = {arm: reestimated_epochs(history, column) for arm, history in histories.items()}
    sentences = []
    for span in filter(None, dict.fromkeys(spans.values())):
        own = [arm for arm in spans if spans[arm] == span]
        of = "" if len(own) == len(spans) else f" of {words.listing(results.names_of(own))}"
        sentences.append(f"{span}, BatchNorm’s statistics{of} are re-estimated on training images")
    if not sentences:
        return ""
    text = f" {'. '.join(sentences)}"
    if any(shows_lag(history, column) for history in histories.values()):
        text += "; thin, dash-dotted: moving averages, which lag after few steps"
    return f"{text}."


def reestimated_epochs(history: pandas.DataFrame, column: str) -> str:
    """The epochs of one arm whose values of a column have re-estimated statistics, in words; empty if none has."""
    if f"{REESTIMATED}{column}" not in history:
        return ""
    epochs = history.loc[history[f"{REESTIMATED}{column}"].notna(), "epoch"]
    if epochs.empty:
        return ""
    if epochs.max() == history["epoch"].max():
        return f"From epoch {epochs.min():.0f} on"
    return f"Up to epoch {epochs.max():.0f}"


def overfitting(results: Results) -> str:
    """Which arms' mean losses end more than a tenth above their lowest, and in how many seeds the loss does."""
    table = results.tables["convergence"].dropna(subset="lowest_loss")
    split, sentences = results.curve_split, []
    for _, row in table[table["overfits"] == 1].iterrows():
        rise = words.percent(100 * (row["last_loss"] / row["lowest_loss"] - 1), 0)
        end = f"{rise} above its lowest" if math.isfinite(row["last_loss"]) else "infinite, after its lowest"
        seeds = len(results.of("runs", row["arm"]))
        often = f", and more than a tenth in {row['seeds_that_overfit']:.0f} of {seeds} seeds" if seeds > 1 else ""
        sentences.append(
            f"{results.name_of(row['arm'])} overfits: its mean {split} loss ends {end} (epoch "
            f"{row['lowest_epoch']:.0f}){often}."
        )
    steady = results.names_of(table.loc[table["last_loss"] <= OVERFITTING * table["lowest_loss"], "arm"])
    if steady:
        whose = "every arm" if len(steady) == len(table) > 1 else words.listing(steady)
        sentences.append(f"The mean loss of {whose} ends at most a tenth above its lowest.")
    return " ".join(sentences)


def unfinished(results: Results) -> list[str]:
    """Which arms may not have finished, in a sentence: in every seed their validation losses are lowest at the end.

    Controls, arms that stopped early and those of which the advice asks for more epochs are not named. Where learning
    curves are of test images nothing is said: the length of a training must not be chosen on them.
    """
    if results.curve_split != "validation":
        return []
    table, length = (results.tables[name].set_index("arm") for name in ("convergence", "training_length"))
    advised = set(length.index[length["longer"] == 1])
    arms = [
        arm
        for arm in results.contestants
        if not table["stopped"][arm]
        and arm not in advised
        and table["seeds_lowest_last"][arm] == len(results.of("runs", arm))
    ]
    if not arms:
        return []
    losses = "its validation loss is" if len(arms) == 1 else "their validation losses are"
    every = " in every seed" if results.numbers_of_runs[-1] > 1 else ""
    return [f"{words.listing(results.names_of(arms))} may not have finished: {losses} lowest at the last epoch{every}."]


def train_loss(results: Results) -> str:
    """That train loss is a running mean, and where a lower one goes with a lower accuracy on other images."""
    text = "Running mean over the batches of an epoch, in train mode."
    for _, row in results.tables["loss_and_accuracy"].iterrows():
        first, second = results.names_of([row["arm_a"], row["arm_b"]])
        lower, higher = words.percent(row["accuracy_a"]), words.percent(row["accuracy_b"])
        return (
            f"{text} A lower train loss does not mean a better network: in epoch 1 {first} has a lower train loss than "
            f"{second} ({words.small(row['train_loss_a'])} and {words.small(row['train_loss_b'])}), and a lower "
            f"{results.curve_split} accuracy ({lower} and {higher})."
        )
    return text


def generalisation_gap(results: Results, arm: str) -> str:
    """The accuracies of the final network on training images and on those of the curves."""
    split = results.curve_split
    fit, other = (results.mean("runs", arm, f"{column}_accuracy") for column in ("fit", split))
    return (
        f"Final network in eval mode: {words.percent(fit)} of the training images, {words.percent(other)} of the "
        f"{split} images (gap: {words.points(fit - other)})."
    )


def kept(results: Results, arm: str) -> str:
    """Which epoch of an arm is kept; empty if it is the last."""
    if results.keeps_last([arm]):
        return ""
    seeds = "" if results.of("runs", arm)["kept_epoch"].nunique() == 1 else " by seed"
    return (
        f"Best epoch{seeds}, by selection accuracy: {_epochs(results, arm, 'kept_epoch')} of "
        f"{_epochs(results, arm, 'epochs_run')}."
    )


def patience(results: Results) -> list[str]:
    """A sentence on each arm with patience."""
    stopped = results.tables["convergence"].set_index("arm")["stopped"]
    items = []
    for _, arm in results.arms.iterrows():
        if pandas.isna(arm["patience"]):
            continue
        name, ran = results.name_of(arm["arm"]), _epochs(results, arm["arm"], "epochs_run")
        own = results.of("runs", arm["arm"])
        if stopped[arm["arm"]] and (own["epochs_run"] < own["epochs"]).all():
            text = (
                f"{name} stopped early in every run: {words.plural(arm['patience'], 'epoch')} without a higher "
                f"selection accuracy, after {ran} epochs."
            )
        else:
            text = (
                f"{name} did not stop early in every run: it ran {ran} of {words.plural(arm['epochs'], 'epoch')} "
                f"(patience {arm['patience']:.0f})."
            )
        items.append(f"{text} {kept(results, arm['arm'])}".strip())
    return items


def _epochs(results: Results, arm: str, column: str) -> str:
    """A number of epochs of each seed of an arm: one number if they agree."""
    return words.listing([words.count(value) for value in dict.fromkeys(results.of("runs", arm)[column])])
