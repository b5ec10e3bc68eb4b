"""How the arms learnt, and which epoch is reported."""

import pandas

from triptych.report import formatting as words
from triptych.report.blocks import Block, Bullets, Details, Section, figure, figure_of_arm
from triptych.results.experiment import Results
from triptych.results.learning_curves import shows_lag
from triptych.results.schema import EVERY_EPOCH


def blocks(results: Results) -> list[Block]:
    found: list[Block] = [
        figure(results.curve_column("loss"), f"{overfitting(results)}{moving_averages(results, 'loss')}"),
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
                    figure_of_arm(results, "accuracy", arm, f"{generalisation_gap(results, arm)} {kept(results, arm)}"),
                    figure_of_arm(results, "loss", arm, of_one_arm(results)),
                ],
            )
            for arm in results.arms["arm"]
        ),
    ]


SECTION = Section("curves", "Learning curves", blocks)


def of_one_arm(results: Results) -> str:
    """What the lines of the figures of one arm are."""
    dotted = " Dotted: validation images." if results.mode == EVERY_EPOCH else ""
    lagging = moving_averages(results, "loss")
    return f"Solid: {results.curve_split} images. Dashed: running mean over the training batches.{dotted}{lagging}"


def moving_averages(results: Results, quantity: str) -> str:
    """What the second line of an arm in the figure of the `accuracy` or the `loss` is; empty if no arm has one."""
    column = results.curve_column(quantity)
    if not any(shows_lag(results.of("history", arm), column) for arm in results.arms["arm"]):
        return ""
    return (
        " BatchNorm’s statistics are re-estimated on training images. Thin, dash-dotted: with the moving averages of "
        "training, which lag after few steps."
    )


def overfitting(results: Results) -> str:
    """Which arms overfit."""
    table = results.tables["convergence"]
    found = [
        f"{results.name_of(row['arm'])} (lowest in epoch {row['lowest_epoch']:.0f})"
        for _, row in table.iterrows()
        if row["overfits"]
    ]
    rule = f"the final {results.curve_split} loss is more than a tenth above the lowest, in every seed"
    return f"Overfitting ({rule}): {words.listing(found)}." if found else f"No arm overfits: in none, {rule}."


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
        if stopped[arm["arm"]]:
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
