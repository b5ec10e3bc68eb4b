"""The 17 faults of the lecture's published notebook: what the notebook does, what is done here, and what that changes.

The film shows another one, the first version of 2018 in the course's repository. It divides its sums of the batches'
mean losses by 50,000 and 10,000, and has fault 2 but not fault 1.

Effects are computed from the tables, so the same run gives the same text. The effect of fault 5 is a measured time: the
report takes it from `tables/cost_backward.csv`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pandas

from triptych.configuration.training import COMPARED
from triptych.lecture45 import schema
from triptych.lecture45.evidence import ARMS, NETS, Evidence
from triptych.lecture45.rules import FIRST, NO_REFERENCE, epoch_of_lowest
from triptych.results.batchnorm import MEAN, VARIANCE, statistics_drift
from triptych.results.schema import OF_ARMS, OF_TWO_SEEDS

BATCH = 32
"""The notebook's batch size."""

NETWORKS_DIFFER = 0.05
"""The level of the test that two networks differ."""

Losses = TypeVar("Losses", float, pandas.Series)

RECIPE = ["architecture", "input_size", "weights", "train", *COMPARED]
"""The settings that the four arms of fault 7's 2x2 must share."""

FIXED = {
    6: ("batchnorm", "frozen", "fixed: net3’s BatchNorm is frozen, so its trunk stays the same function"),
    7: ("normalisation", "imagenet", "fixed: pixels are normalised as for the pretrained weights"),
}
"""Faults that a recipe may fix: the column of net3's row in arms.csv, the value that fixes it, and what is done."""


@dataclass(frozen=True)
class Effect:
    """What a fault changes, in words, and its main number, if there is one."""

    text: str
    value: float | None = None
    unit: str = ""


def faults_table(evidence: Evidence) -> pandas.DataFrame:
    """Describe every fault, numbered from 1 in the order of FAULTS."""
    rows = []
    net3 = evidence.arms.loc["last_layer"]
    for number, (notebook, here, effect) in enumerate(FAULTS, start=1):
        column, value, fixed = FIXED.get(number, ("", None, ""))
        if column and net3[column] == value:
            here = fixed
        found = effect(evidence)
        rows.append([number, notebook, here, found.text, found.value, found.unit])
    return pandas.DataFrame(rows, columns=schema.FAULTS.names)


def notebook_test_loss(train_loss: Losses, test_loss: Losses, train_images: int, test_images: int) -> Losses:
    """Return the test loss that the notebook draws, of an epoch or of each.

    It adds the losses of the test batches to those of the epoch's training batches, and divides the sum by the number
    of test batches.
    """
    return test_loss + train_images / test_images * train_loss


def bias_of_the_mean(images: int) -> float:
    """Return the relative error of the notebook's mean loss, exact if all batches have the same loss.

    It divides the sum over ceil(N / B) batches' means by N / B.
    """
    return math.ceil(images / BATCH) * BATCH / images - 1


def cannot_finish(evidence: Evidence) -> Effect:
    """Fault 1."""
    return Effect("none here: every figure is drawn")


def loss_not_reset(evidence: Evidence) -> Effect:
    """Fault 2: the value is the largest error among the arms, in nats. Where a true test loss ends above its lowest
    value and the one that is drawn ends below its own in that epoch, the fault hides the rise.
    """
    parts, hidden, most = [], [], 0.0
    for arm in ARMS:
        train, test = (evidence.curve(arm, f"{split}_loss").loc[1:] for split in ("train", "test"))
        drawn = notebook_test_loss(train, test, _train_images(evidence, arm), evidence.images("test"))
        parts.append(f"{NETS[arm]} {drawn.iloc[-1]:.3f} instead of {test.iloc[-1]:.3f}")
        most = max(most, drawn.iloc[-1] - test.iloc[-1])
        lowest = epoch_of_lowest(test)
        if test.iloc[-1] > test[lowest] and drawn.iloc[-1] < drawn[lowest]:
            hidden.append(
                f"{NETS[arm]}’s rises from {test[lowest]:.3f} (epoch {lowest}) to {test.iloc[-1]:.3f} and is drawn "
                f"falling from {drawn[lowest]:.3f} to {drawn.iloc[-1]:.3f}"
            )
    text = f"test loss after the last epoch as the notebook would draw it: {', '.join(parts)}"
    return Effect("; ".join([text, *hidden]), most, "nats")


def wrong_divisor(evidence: Evidence) -> Effect:
    """Fault 3: the value is the bias of the test loss, in percent."""
    train, test = (
        100 * bias_of_the_mean(images) for images in (_train_images(evidence, "scratch"), evidence.images("test"))
    )
    return Effect(
        f"with batches of {BATCH} its train loss is {train:+.3f} % and its test loss {test:+.3f} % off".replace(
            "-", "−"
        ),
        test,
        "%",
    )


def running_accuracy(evidence: Evidence) -> Effect:
    """Fault 4: the value is the largest difference of the two train accuracies, in points."""
    parts, most = [], 0.0
    for arm in ARMS:
        running, fit = (evidence.mean("runs", arm, f"{kind}_accuracy") for kind in ("train", "fit"))
        parts.append(f"{NETS[arm]} {running:.1f} % and {fit:.1f} %")
        most = max(most, abs(fit - running))
    text = f"train accuracy, running in the last epoch and in eval mode after it: {'; '.join(parts)}"
    return Effect(text, most, "points")


def whole_backward(evidence: Evidence) -> Effect:
    """Fault 5: the speed of both ways is measured by `time_backward`."""
    arm = evidence.of("runs", "scratch").iloc[0]["trainable_parameters"]
    head = evidence.of("runs", "last_layer").iloc[0]["trainable_parameters"]
    return Effect(f"gradients of {arm:,.0f} parameters are computed, and {head:,.0f} used: see cost_backward.csv")


def batchnorm_drifts(evidence: Evidence) -> Effect:
    """Fault 6: the value is the number of BatchNorm's running statistics that changed in net3 (mean over seeds)."""
    delta = evidence.of("weight_delta", "last_layer")
    statistics = delta[delta["tensor"].str.endswith((MEAN, VARIANCE))]
    if statistics.empty:
        return Effect("the network has no BatchNorm", 0, "numbers")
    per_seed = statistics["seed"].nunique()
    total = statistics["size"].sum() / per_seed
    moved = (statistics["size"] * (1 - statistics["unchanged_fraction"])).sum() / per_seed
    drift = statistics_drift(delta).set_index("statistic")["drift"]
    means, variances = drift.loc[[MEAN]], drift.loc[[VARIANCE]]
    return Effect(
        f"in net3 {moved:,.0f} of {total:,.0f} numbers of {len(means)} BatchNorm layers drifted: the means by "
        f"{means.median():.2g} standard deviations, the variances by {100 * variances.median():.2g} % (median layer)",
        moved,
        "numbers",
    )


def two_by_two(evidence: Evidence) -> Effect:
    """Fault 7: the value is the gain of both fixes over neither, in points of test accuracy."""
    arms = evidence.arms
    recipes = arms[RECIPE].astype(str).fillna("")  # an empty patience is like another
    accuracies, parts = {}, []
    for normalisation in ("none", "imagenet"):
        for batchnorm in ("train", "frozen"):
            match = arms[
                (recipes == recipes.loc["last_layer"]).all(axis=1)
                & (arms["normalisation"] == normalisation)
                & (arms["batchnorm"] == batchnorm)
            ]
            if match.empty:
                continue
            arm = match["arm"].iloc[0]
            accuracies[normalisation, batchnorm] = accuracy = evidence.mean("summary", arm, "test_accuracy_mean")
            low, high = _accuracy_interval(evidence, arm)
            name = {
                ("none", "train"): "neither",
                ("imagenet", "train"): "normalisation alone",
                ("none", "frozen"): "frozen BatchNorm alone",
                ("imagenet", "frozen"): "both",
            }[normalisation, batchnorm]
            parts.append(f"{name} {accuracy:.1f} % ({low:.1f} to {high:.1f})")
    if len(parts) < 4:
        return Effect(
            "not tested here: it takes net3 with and without normalisation and frozen BatchNorm, as four arms"
        )
    gain = accuracies["imagenet", "frozen"] - accuracies["none", "train"]
    return Effect(f"net3’s test accuracy with {', '.join(parts)}", gain, "points")


def no_interval(evidence: Evidence) -> Effect:
    """Fault 8: the value is the half-width of net1's interval over the test images, in points."""
    parts, first = [], math.nan
    for arm in ARMS:
        accuracy = evidence.mean("runs", arm, "test_accuracy")
        low, high = evidence.interval(accuracy)
        parts.append(f"{NETS[arm]} {accuracy:.1f} ± {(high - low) / 2:.1f} %")
        first = (high - low) / 2 if arm == "scratch" else first
    difference, low, high, _ = evidence.lead("scratch", "last_layer")
    text = (
        f"on {evidence.images('test'):,} test images {', '.join(parts)}; net1 minus net3 {difference:+.1f} points "
        f"({low:.1f} to {high:.1f}): {_what_follows(evidence.comparison('scratch', 'last_layer'))}"
    )
    return Effect(text.replace("-", "−"), first, "points")


def _what_follows(comparison: pandas.Series) -> str:
    """What a comparison says of two nets: with fewer than three seeds nothing of other seeds."""
    if comparison["scope"] == OF_ARMS:
        return str(comparison["verdict"])
    if comparison["scope"] == OF_TWO_SEEDS:
        return "two seeds are too few for a verdict"
    p_value = comparison["networks_p"]
    if math.isnan(p_value):
        return "one run: another seed may change this"
    differ = "differ" if p_value <= NETWORKS_DIFFER else "are not told apart"
    at_most = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
    return f"these two networks {differ} ({at_most}, exact McNemar test); with one seed, another may change this"


def one_process(evidence: Evidence) -> Effect:
    """Fault 9."""
    runs = len(evidence.tables["runs"])
    return Effect(f"none here: {runs} runs, each a job with its own cost, log and weights", runs, "runs")


def wrong_labels(evidence: Evidence) -> Effect:
    """Fault 10."""
    return Effect("none here: an arm has one colour, marker and name in every figure, and epoch 0 is before training")


def own_scales(evidence: Evidence) -> Effect:
    """Fault 11: the value is the norm of net2's conv1 over the norm of its change."""
    parts, times = [], None
    for arm in ("scratch", "finetune"):
        change = evidence.tensor(arm, FIRST)
        if change is None or not change["delta_norm"]:
            continue
        ratio = float(change["initial_norm"] / change["delta_norm"])
        parts.append(f"{NETS[arm]} {ratio:.3g}")
        times = ratio if arm == "finetune" else times
    if not parts:
        return Effect(f"not tested here: no tensor {FIRST} that moved")
    return Effect(
        f"norm of conv1 over the norm of its change: {', '.join(parts)} times; stretched, both look equally strong",
        times,
        "times",
    )


def reversed_difference(evidence: Evidence) -> Effect:
    """Fault 12."""
    return Effect("the sign alone; after abs and stretching, which end is bright")


def part_of_a_layer(evidence: Evidence) -> Effect:
    """Fault 13."""
    return Effect("1 of 64 filters: 576 of 36,864 weights are shown", 100 / 64, "%")


def typed_in_numbers(evidence: Evidence) -> Effect:
    """Fault 14: the value is the typed-in number of training images over the true one."""
    train, test = _train_images(evidence, "scratch"), evidence.images("test")
    if (train, test) == (50_000, 10_000):
        return Effect("none with these data: the numbers happen to be right", 1.0, "times")
    return Effect(
        f"with this run’s {train:,} and {test:,} images its train loss and accuracy would be "
        f"{50_000 / train:.3g} times too small, those of the test {10_000 / test:.3g} times",
        50_000 / train,
        "times",
    )


def one_learning_rate(evidence: Evidence) -> Effect:
    """Fault 15."""
    rates = evidence.arms.loc[list(ARMS), "learning_rate"]
    text = ", ".join(f"{NETS[arm]} {rates[arm]:g}" for arm in ARMS)
    same = "not tested here" if rates.nunique() == 1 else "each its own here"
    return Effect(f"{same} ({text}); see config/corrected.yaml")


def googlenet_parameters(evidence: Evidence) -> Effect:
    """Fault 16: the value is the ratio to Inception v3 with its auxiliary head."""
    parameters, parts, value = evidence.comparable_parameters(), [], None
    for architecture in ("inception_v3", "googlenet"):
        for auxiliary in (True, False):
            row = evidence.reference(architecture, auxiliary)
            if row is None:
                continue
            ratio = float(row["parameters"] / parameters)
            value = ratio if (architecture, auxiliary) == ("inception_v3", True) else value
            heads = "with" if auxiliary else "without"
            parts.append(f"{architecture} {heads} auxiliary heads {row['parameters']:,.0f} ({ratio:.2f} times)")
    return Effect("; ".join(parts) or f"not tested here: {NO_REFERENCE}", value, "times" if value else "")


def no_validation(evidence: Evidence) -> Effect:
    """Fault 17: the value is the largest gain among the arms from choosing the epoch on the test images, in points.

    The best epoch on the test images minus the last, of each seed, mean over seeds.
    """
    parts, most = [], 0.0
    for arm in ARMS:
        trained = evidence.of("history", arm).query("epoch > 0").sort_values("epoch").groupby("seed")["test_accuracy"]
        gain = float((trained.max() - trained.last()).mean())
        parts.append(f"{NETS[arm]} {gain:.1f}")
        most = max(most, gain)
    count = evidence.images("validation")
    here = (
        f"{count:,} validation images here"
        if count
        else "here too are no validation images, and nothing is chosen by these curves"
    )
    text = f"the best epoch on the test images lies above the last by {', '.join(parts)} points; {here}"
    return Effect(text, most, "points")


def _train_images(evidence: Evidence, arm: str) -> int:
    return int(evidence.arms["train_images"][arm])


def _accuracy_interval(evidence: Evidence, arm: str) -> tuple[float, float]:
    """Over seeds where there are several, else over the test images."""
    row = evidence.of("summary", arm).iloc[0]
    if row["n"] > 1:
        return float(row["test_accuracy_low"]), float(row["test_accuracy_high"])
    return evidence.interval(float(row["test_accuracy_mean"]))


FAULTS: tuple[tuple[str, str, Callable[[Evidence], Effect]], ...] = (
    (
        "the line that keeps net1’s train loss is commented out: the plot after epoch 1 raises, and the notebook ends "
        "(not in the film’s own notebook, the first version of 2018)",
        "every figure of every epoch is kept in history.csv",
        cannot_finish,
    ),
    (
        "the running loss is not reset before the test pass: the test loss holds the train loss too (in the film’s own "
        "notebook as well)",
        "each is a sum of its own",
        loss_not_reset,
    ),
    (
        "sums of batch means are divided by N / 32, though the last batch is smaller (the film’s own notebook divides "
        "by 50,000 and 10,000: its losses are about a 32nd of the mean)",
        "the sum of loss times images over the number of images",
        wrong_divisor,
    ),
    (
        "train accuracy is a running figure in train mode, test accuracy a snapshot in eval mode",
        "both: train_* is the running figure, fit_* the same measured like the test set’s",
        running_accuracy,
    ),
    (
        "net3’s trunk is not frozen: its gradients are computed, and add up for ever",
        "only the head has gradients; the trunk has no backward pass",
        whole_backward,
    ),
    (
        "net3 is in train mode: BatchNorm’s statistics follow the new data",
        "kept as the lecture’s recipe, and compared with arms that have batchnorm: frozen",
        batchnorm_drifts,
    ),
    (
        "no ImageNet normalisation, although the weights were trained with it; fault 6 hides it",
        "kept as the lecture’s recipe; three controls fix one, the other, or both",
        two_by_two,
    ),
    (
        "no seed, one run, no interval",
        "seeds; intervals and comparisons over images and seeds, and no verdict on arms below three seeds",
        no_interval,
    ),
    (
        "one process and one loop for three nets; nothing is saved",
        "one job a run; weights, history, predictions and cost are saved",
        one_process,
    ),
    (
        "figures 5 and 6 show net3 but are labelled model 1; x starts at 0 and is called epochs",
        "figures take their names from the arms",
        wrong_labels,
    ),
    (
        "each weight grid is stretched to its own minimum and maximum, then abs",
        "one signed scale for before and after, one for all differences; zero is white",
        own_scales,
    ),
    (
        "the difference shown is before minus after",
        "after minus before, which is what training did",
        reversed_difference,
    ),
    (
        "what is called conv2 is filter 0 of layer1.0.conv1",
        "all filters and channels of the layer",
        part_of_a_layer,
    ),
    (
        "50,000, 10,000, 32 and 10 are typed in",
        "counted from the data",
        typed_in_numbers,
    ),
    (
        "one learning rate for all three nets: low for net1 and for a new head",
        "any arm may have its own (arms: training: learning_rate)",
        one_learning_rate,
    ),
    (
        "“2.5 times fewer parameters than GoogLeNet”",
        "counted from torchvision’s networks",
        googlenet_parameters,
    ),
    (
        "no validation split; the test set is looked at after every epoch",
        "validation images wherever the configuration gives some (validation_per_class)",
        no_validation,
    ),
)
"""What the notebook does, what is done here, and the function that computes the effect."""
