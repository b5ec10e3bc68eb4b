"""What the numbers say, in words. Every sentence follows from a table; none says more than its verdict.

A verdict (`tables/comparisons.csv`) is `better`, `equivalent` or `undecided`. What is undecided is called so: a
difference that may be chance is not told as an order, and arms are called equivalent only where the whole interval lies
within the margin.
"""

import math
from itertools import pairwise

import pandas

from triptych.configuration.training import COMPARED, RECIPE, title_of
from triptych.report import formatting as words
from triptych.report import lengths
from triptych.report.results import Results

STATISTICS = ("running_mean", "running_var")
"""How the names of BatchNorm’s running statistics end; its third buffer only counts batches."""

SAME_WORK = [
    *("architecture", "input_size", "train", "batchnorm", "epochs_run", "features"),
    *(name for name, key in RECIPE.items() if key.same_work),
]
"""Arms in which all of these agree do the same arithmetic in the same way."""


# The answer


def headline(results: Results) -> str:
    """The answer in one sentence."""
    best, *others = results.contestants
    start = f"gets {_accuracy(results, best)} of the test images right"
    if not others:
        interval = words.between(*results.accuracy_interval(best))
        return (
            f"{results.called(best)} {start} ({results.confidence} interval {interval}); there is no other arm to "
            "compare it with."
        )
    verdicts = {other: results.verdict(best, other) for other in others}
    beaten = [other for other in others if verdicts[other] == "better"]
    if beaten == others:
        row = results.comparison(best, others[0])
        lead = f"{words.points(row['difference'])} more than {results.called(others[0])}"
        interval = f"({results.confidence} interval of that lead: {words.between(row['low'], row['high'])})"
        if len(others) == 1:
            return f"{results.called(best)} is better: it {start}, {lead} {interval}."
        return (
            f"{results.called(best)} is the best of the {len(others) + 1} arms: it {start}, {lead}, the next best "
            f"{interval}."
        )
    clauses = []
    for verdict in ("equivalent", "undecided"):
        rivals = [other for other in others if verdicts[other] == verdict]
        if not rivals:
            continue
        named = words.listing(
            [f"{results.called(rival)} with {_accuracy(results, rival)}" for rival in rivals],
            "and" if verdict == "equivalent" else "or",
        )
        if verdict == "equivalent":
            verb = "is" if len(rivals) == 1 else "are"
            clauses.append(f"{named} {verb} equivalent to it, within {words.plural(results.margin, 'point')}")
        else:
            clauses.append(f"whether it is better than {named} is undecided")
    if beaten:
        clauses.append(f"it is better than {words.listing([results.called(other) for other in beaten])}")
    return f"No single winner: {results.called(best)} {start}; {'; '.join(clauses)}."


def others_in_short(results: Results) -> str:
    """How the arms that the best one beats stand to each other, each against the next; empty for fewer than two."""
    best, *others = results.contestants
    beaten = [other for other in others if results.verdict(best, other) == "better"]
    clauses = []
    for first, second in pairwise(beaten):
        row = results.comparison(first, second)
        clause = {
            "better": f"{first} is better than {second} ({words.points(row['difference'])} apart)",
            "equivalent": f"{first} and {second} are equivalent",
            "undecided": f"{first} against {second} is undecided",
        }[results.verdict(first, second)]
        clauses.append(clause)
    return f"Behind it, {words.listing(clauses)}." if clauses else ""


def first_epoch(results: Results) -> str:
    """How far each arm had come after one epoch, the furthest first."""
    reached = {arm: results.summary(arm, "first_epoch_accuracy_mean") for arm in results.contestants}
    phrases = [f"{arm} {words.percent(reached[arm])}" for arm in sorted(reached, key=lambda arm: -reached[arm])]
    return f"After the first epoch: {words.listing(phrases)}."


def about_seeds(results: Results) -> str:
    """What the intervals of the accuracies cover."""
    if len(results.numbers_of_runs) > 1:
        return (
            "Not every arm has the same number of runs. Accuracies are means over those that are there; their "
            f"{results.confidence} intervals (Student’s t) are over the seeds, of an arm with a single run over the "
            "test images (Wilson)."
        )
    if results.numbers_of_runs == [1] and len(results.seeds) > 1:
        return (
            "Every arm was trained once, but not all with the same seed. The intervals are over the test images only: "
            "they say nothing about how much another seed would change."
        )
    if len(results.seeds) == 1:
        return (
            f"Every arm was trained once (seed {results.seeds[0]}). The intervals are over the test images only: they "
            "say nothing about how much another seed would change."
        )
    text = (
        f"Every arm was trained {results.numbers_of_runs[0]} times (seeds {words.listing(results.seeds)}). Accuracies "
        f"are means; their {results.confidence} intervals (Student’s t) are over the seeds."
    )
    ends = [end for arm in results.arms["arm"] for end in results.accuracy_interval(arm)]
    if min(ends) < 0 or max(ends) > 100:
        text += " With so few seeds such an interval can reach beyond what is possible, 0 to 100\u00a0%."
    return text


def about_controls(results: Results) -> str:
    """Which arms stand outside; empty where none does."""
    if not results.controls:
        return ""
    named = words.listing([results.called(arm) for arm in results.controls])
    verb = "is a control" if len(results.controls) == 1 else "are controls"
    return f"{named} {verb}: trained and tabled, but outside the answer and the comparisons."


def comparison(results: Results, row: pandas.Series) -> str:
    """One row of `tables/comparisons.csv` in a sentence."""
    first, second = row["arm_a"], row["arm_b"]
    difference = words.points(row["difference"])
    interval = words.between(row["low"], row["high"])
    if row["verdict"] == "better":
        return f"{first} is better than {second}, by {difference} ({interval})."
    if row["verdict"] == "equivalent":
        return (
            f"{first} and {second} are equivalent: the difference lies between {words.number(row['low'])} and "
            f"{words.number(row['high'])}, all within the margin of {words.plural(results.margin, 'point')}."
        )
    margin = words.plural(results.margin, "point")
    if -results.margin < row["low"] and row["high"] < results.margin:
        why = (
            f"{words.count(results.images('test'))} test images are too few to show a difference ({interval}) within "
            f"the margin of {margin}"
        )
    elif row["low"] <= 0 <= row["high"]:
        why = (
            f"the interval ({interval}) includes no difference at all, and also differences beyond the margin of "
            f"{margin}"
        )
    else:
        pairs = len(results.tables["comparisons"])
        why = f"with {words.plural(pairs, 'pair')} compared, p {words.p_value(row['p_value'])} is not evidence enough"
    if round(row["difference"], 1) == 0:
        return f"Undecided: {first} and {second} are right equally often, but {why}."
    return f"Undecided: {first} is {difference} ahead of {second}, but {why}."


# Curves


def test_accuracy_curves(results: Results) -> str:
    """Where the arms stand after one epoch and at the end, and which of them still rise."""
    phrases = []
    for arm in results.arms["arm"]:
        curve = results.curve(arm, "test_accuracy").dropna()
        first = words.number(curve.loc[min(curve.index[-1], 1)])
        phrases.append(f"{arm} {first} and {words.percent(results.mean('runs', arm, 'test_accuracy'))}")
    text = f"After the first and the {_end(results)} epoch: {words.listing(phrases)}."
    gains = late_gains(results, list(results.arms["arm"]))
    rising = rising_arms(results, list(gains))
    if rising:
        return f"{text} Still rising, by more than {_tellable(results)}: {_gains(rising)}."
    if not gains:
        return text
    of = "" if len(gains) == len(results.arms) else f" of {words.listing(list(gains))}"
    return f"{text} None{of} gained more than {_tellable(results)} in the last third of its epochs."


def least_difference(results: Results, first: float, second: float) -> float:
    """The points by which two test accuracies (%) must differ to be told as an order where no verdict decides: the
    margin, or two standard errors of a difference that is measured on so many images, if that is more.

    It is that of two sets of test images; with one set for both, as here, an error is rather smaller.
    """
    variance = sum(accuracy * (100 - accuracy) for accuracy in (first, second)) / results.images("test")
    return max(results.margin, 2 * math.sqrt(variance))


def _tellable(results: Results) -> str:
    return f"the margin ({words.plural(results.margin, 'point')}) and two standard errors"


def late_gains(results: Results, arms: list[str]) -> dict[str, tuple[float, int]]:
    """The `late_gain` of those arms that have one, but for those that patience has ended."""
    going = [arm for arm in arms if not lengths.stopped(results, arm)]
    gains = {arm: late_gain(results.curve(arm, "test_accuracy").dropna()) for arm in going}
    return {arm: gain for arm, gain in gains.items() if gain[1]}


def rising_arms(results: Results, arms: list[str]) -> dict[str, tuple[float, int]]:
    """The arms whose late gain is more than the `least_difference`, and that gain."""
    rising = {}
    for arm, (gain, epochs) in late_gains(results, arms).items():
        end = results.curve(arm, "test_accuracy").dropna().iloc[-1]
        if gain > least_difference(results, end, end - gain):
            rising[arm] = (gain, epochs)
    return rising


def _gains(rising: dict[str, tuple[float, int]]) -> str:
    """The gains of `rising_arms` in words, arms with the same number of epochs together."""
    clauses = []
    for epochs in dict.fromkeys(epochs for _, epochs in rising.values()):
        named = [f"{arm} {words.number(gain)}" for arm, (gain, its_epochs) in rising.items() if its_epochs == epochs]
        span = "epoch" if epochs == 1 else words.plural(epochs, "epoch")
        clauses.append(f"{words.listing(named)} points in the last {span}")
    return "; ".join(clauses)


def late_gain(curve: pandas.Series) -> tuple[float, int]:
    """What a curve gained in the last third of its epochs, and how many epochs those are (0: it has only one)."""
    last = int(curve.index[-1])
    if last < 2:
        return math.nan, 0
    epochs = max(1, round(last / 3))
    return float(curve.loc[last] - curve.loc[last - epochs]), epochs


def train_loss_curves(results: Results) -> str:
    """Who has the lowest train loss, and where a lower one goes, in every seed, with a lower test accuracy."""
    ends = {arm: results.curve(arm, "train_loss").dropna() for arm in results.arms["arm"]}
    ends = {arm: curve for arm, curve in ends.items() if len(curve)}
    phrases = [f"{arm} {words.small(results.mean('runs', arm, 'train_loss'))}" for arm in ends]
    text = f"In the {_end(results)} epoch: {words.listing(phrases)}."
    chance = 100 / results.sizes["class"].nunique()
    contestants = results.contestants
    reached = {arm: results.summary(arm, "first_epoch_accuracy_mean") for arm in contestants}
    for first in contestants:
        for second in contestants:
            losses = [ends[arm].get(1, math.nan) for arm in (first, second)]
            accuracies = [reached[arm] for arm in (first, second)]
            # near chance an accuracy says nothing about a network (BatchNorm’s running statistics may lag)
            if (
                1.5 * chance <= accuracies[0] < accuracies[1] - least_difference(results, *accuracies)
                and _lower_in_every_seed(results, first, second, "train_loss")
                and _lower_in_every_seed(results, first, second, "test_accuracy")
            ):
                return (
                    f"{text} A lower train loss is no better network: in the first epoch {first} has the lower one "
                    f"({words.small(losses[0])} against {words.small(losses[1])} of {second}) and yet the lower test "
                    f"accuracy ({words.percent(accuracies[0])} against {words.percent(accuracies[1])})."
                )
    return text


def _lower_in_every_seed(results: Results, first: str, second: str, column: str) -> bool:
    """Whether the first arm has less than the second after the first epoch, in all seeds that both have."""
    by_seed = []
    for arm in (first, second):
        history = results.of("history", arm)
        by_seed.append(history.loc[history["epoch"] == 1].set_index("seed")[column])
    less, more = by_seed[0].align(by_seed[1], join="inner")
    return len(less) > 0 and bool((less < more).all())


def test_loss_curves(results: Results) -> str:
    """Where each arm's test loss is lowest, and whether it rises again: in every seed, and by more than a tenth."""
    never, turned, level, falling = [], [], [], []
    for arm in results.arms["arm"]:
        seeds = results.of("history", arm).pivot(index="epoch", columns="seed", values="test_loss").dropna()
        curve = seeds.mean(axis="columns") if len(seeds) else results.curve(arm, "test_loss").dropna()
        lowest, end = curve.index[int(curve.argmin())], curve.iloc[-1]
        in_every_seed = len(seeds) > 0 and bool((seeds.iloc[-1] > seeds.loc[lowest]).all())
        risen = end > 1.1 * curve.min()
        if lowest == curve.index[-1]:
            falling.append(f"{arm} ({words.small(end)})")
        elif lowest == 0:
            never.append(f"{arm} ({words.small(curve.min())} then, {words.small(end)} at the end)")
        elif risen and in_every_seed:
            turned.append(
                f"{arm} (from {words.small(curve.min())} in epoch {int(lowest)} to {words.small(end)} at the end)"
            )
        else:
            disagree = ", though its seeds disagree" if risen else ""
            level.append(f"{arm} is about level since epoch {int(lowest)} ({words.small(end)} at the end{disagree})")
    text = []
    if falling:
        text.append(f"Lowest at the end: {words.listing(falling)}.")
    if level:
        text.append(f"{words.listing(level)}.")
    if never:
        text.append(f"Never below its value before training: {words.listing(never)}.")
    if turned:
        text.append(f"Risen again since its lowest point, a sign of over-fitting: {words.listing(turned)}.")
    return " ".join(text)


def arm_loss(results: Results, arm: str) -> str:
    """One arm's losses from the first epoch to the last, and where its test loss was lowest."""
    train, test = (results.curve(arm, f"{split}_loss").dropna() for split in ("train", "test"))
    text = f"Test loss: {small_steps(test)}; train loss: {small_steps(train)} (running, while it learns)."
    lowest = test.index[int(test.argmin())]
    if lowest != test.index[-1]:
        text += f" The test loss was lowest in epoch {int(lowest)}: {words.small(test.min())}."
    return text


def small_steps(curve: pandas.Series) -> str:
    """A curve's first and last value."""
    first, last = int(curve.index[0]), int(curve.index[-1])
    if first == last:
        return f"{words.small(curve.iloc[-1])} in epoch {last}"
    start = "before training" if first == 0 else f"in epoch {first}"
    return f"{words.small(curve.iloc[0])} {start}, {words.small(curve.iloc[-1])} in epoch {last}"


def arm_accuracy(results: Results, arm: str) -> str:
    """The gap between what an arm knows of its training images and of the test images, like for like."""
    fit, test, running = (
        results.mean("runs", arm, column) for column in ("fit_accuracy", "test_accuracy", "train_accuracy")
    )
    end = "last" if results.keeps_last([arm]) else "kept"
    text = (
        f"The finished network gets {words.percent(fit)} of its training images right and {words.percent(test)} of "
        f"the test images: a gap of {words.points(fit - test)}. The running figure of the {end} epoch, which the "
        f"dashed line shows, is {words.percent(running)}."
    )
    return " ".join(filter(None, (text, lengths.kept(results, arm))))


# Weights


def frozen(results: Results, arm: str) -> str:
    """What of an arm is bit for bit what it was, counted; over all seeds."""
    return " ".join(filter(None, (_moved_and_frozen(results, arm), unmoved_parts(results, arm))))


def _moved_and_frozen(results: Results, arm: str) -> str:
    """How many parameter tensors moved, and how many running statistics; over all seeds."""
    delta = results.of("weight_delta", arm)
    parameters = delta[delta["kind"] == "parameter"]
    moved = [
        str(tensor)
        for tensor, rows in parameters.groupby("tensor", sort=False)
        if (rows["unchanged_fraction"] < 1).any()
    ]
    total = parameters["tensor"].nunique()
    statistics = _statistics(delta)
    drifted = statistics[statistics["unchanged_fraction"] < 1]
    if not moved:
        text = f"In {arm} every one of the {total} parameter tensors is bit for bit what it was"
    elif len(moved) == total:
        text = f"In {arm} all {total} parameter tensors moved"
    elif len(moved) <= 4:
        text = (
            f"In {arm} every parameter but {words.listing(moved)} is bit for bit what it was: {total - len(moved)} of "
            f"{total} tensors"
        )
    else:
        text = f"In {arm} {len(moved)} of {total} parameter tensors moved; the others are bit for bit what they were"
    if statistics.empty:
        return f"{text}."
    total, count = statistics["tensor"].nunique(), drifted["tensor"].nunique()
    numbers = words.count(drifted.drop_duplicates("tensor")["size"].sum())
    if not count:
        return f"{text}, and so are the {total} running statistics of BatchNorm."
    which = f"all {total}" if count == total else f"{count} of the {total}"
    if len(moved) == parameters["tensor"].nunique():
        return f"{text}, and so did {which} running statistics of BatchNorm."
    return (
        f"{text}. Yet {which} running statistics of BatchNorm ({numbers} numbers) drifted to the new data: what comes "
        "before the trained layers is no longer the same function."
    )


def unmoved_parts(results: Results, arm: str) -> str:
    """Which tensors of an arm that trains all moved only in part, and why that can be; empty where none did."""
    if not results.trains_everything(arm):
        return ""
    delta = results.of("weight_delta", arm)
    parameters = (
        delta[delta["kind"] == "parameter"].groupby("tensor", sort=False)[["size", "unchanged_fraction"]].mean()
    )
    unchanged = parameters["unchanged_fraction"]
    partly = parameters[(unchanged > 0.3) & (unchanged < 1)]
    if partly.empty:
        return ""
    still = (partly["size"] * partly["unchanged_fraction"]).sum()
    text = (
        f"Not every number in them did: {words.share(still / partly['size'].sum())} of the numbers of "
        f"{words.listing(list(partly.index))} are bit for bit what they were; that is "
        f"{words.share(still / parameters['size'].sum())} of all parameters."
    )
    small = {
        layer: shape for layer, shape in _convolution_maps(results, arm).items() if f"{layer}.weight" in partly.index
    }
    small = {layer: shape for layer, shape in small.items() if min(shape) < 3}
    if not small:
        return f"{text} Why, the tables do not say."
    maps = words.listing(list(dict.fromkeys(" × ".join(str(side) for side in shape) for shape in small.values())))
    named = "these layers" if len(small) == len(partly) else words.listing(list(small))
    return (
        f"{text} That can be, since at {results.arms['input_size'][arm]:.0f} pixels the feature maps of {named} "
        f"have only {maps} pixels: where a map is smaller than the kernel, the outer weights of the kernel only ever "
        "meet padding, and nothing moves them."
    )


def _convolution_maps(results: Results, arm: str) -> dict[str, list[int]]:
    """Height and width of the output of each convolution of an arm's network."""
    layers = results.tables["layers"]
    own = results.arms.loc[arm]
    layers = layers[
        (layers["architecture"] == own["architecture"])
        & (layers["input_size"] == own["input_size"])
        & (layers["type"] == "Conv2d")
    ]
    return {
        layer: [int(side) for side in shape.split("x")[1:]]
        for layer, shape in zip(layers["layer"], layers["output_shape"], strict=True)
    }


def relative_change(results: Results) -> str:
    """How far the arms' weights went, all layers but the head."""
    phrases = []
    for arm in results.arms["arm"]:
        change = median_change(results, arm)
        phrases.append(f"{arm} {words.share(change) if change < 10 else words.times(change)}")
    return (
        f"The median parameter tensor moved by this share of its own norm: {words.listing(phrases)}. Further right is "
        "further away from where training began; exactly zero stands at the left edge."
    )


def median_change(results: Results, arm: str) -> float:
    """The median over an arm's parameter tensors of their relative change (mean over seeds)."""
    delta = results.of("weight_delta", arm)
    return float(delta[delta["kind"] == "parameter"].groupby("tensor")["relative_delta"].mean().median())


def kernels(results: Results, arm: str) -> str:
    """What the change of the first convolution is: nothing, or so much brightness and so much colour."""
    change = results.of("kernel_change", arm)
    if change.empty:
        return "This network has no convolution."
    tensor = change["tensor"].iloc[0]
    delta = results.of("weight_delta", arm)
    rows = delta[delta["tensor"] == tensor]
    if (rows["unchanged_fraction"] == 1).all():
        return f"Nothing moved: in every seed the difference of {tensor} is exactly zero, and so its panel is white."
    text = f"{tensor} moved by {words.share(rows['relative_delta'].mean())} of its norm."
    colour = change["colour_share"].mean()
    if colour < 1e-6:  # rounding: the three colours moved alike
        text += " All of the change is brightness, common to the three colours, as grey images allow nothing else."
    else:
        text += (
            f" Brightness, common to the three colours, is {words.share(change['brightness_share'].mean())} of the "
            f"squared change, colour the other {words.share(colour)}."
        )
    near_zero = rows["near_zero_fraction"].mean()
    return f"{text} {words.share(near_zero)} of its numbers changed by less than a thousandth of the largest weight."


def _statistics(delta: pandas.DataFrame) -> pandas.DataFrame:
    return delta[(delta["kind"] == "buffer") & delta["tensor"].str.endswith(STATISTICS)]


# Errors


def confusion(results: Results, arm: str) -> str:
    """The most frequent mistake of an arm, and the class it knows least."""
    table = results.of("confusion", arm)
    mistakes = table[table["true_class"] != table["predicted_class"]]
    recall = results.of("per_class", arm).groupby("class", sort=False)["recall"].mean()
    if mistakes.empty or mistakes["share"].max() == 0:
        return f"{arm} makes no mistake on the test images."
    worst = mistakes.iloc[mistakes["share"].argmax()]
    return (
        f"Most often {arm} takes {worst['true_class']} for {worst['predicted_class']}: {words.share(worst['share'])} "
        f"of the images of {worst['true_class']}. It knows {recall.idxmin()} least ({words.percent(recall.min())} "
        f"found) and {recall.idxmax()} best ({words.percent(recall.max())})."
    )


# Cost


def cost(results: Results) -> str:
    """The measured training time and the computed work of every arm, and what the times can not be used for."""
    arms = list(results.arms["arm"])
    measured = [f"{arm} {words.duration(training_seconds(results, arm))}" for arm in arms]
    computed = [f"{arm} {words.operations(work(results, arm))}" for arm in arms]
    text = (
        f"Measured, training of one run: {words.listing(measured)}, without start-up and evaluation, which are in the "
        f"time of the summary. Computed, work of one run: {words.listing(computed)}. {about_times(results)}"
    )
    devices = sorted(set(results.tables["cost"]["device_name"]))
    if len(devices) > 1:
        text += f" The runs were made on different devices ({words.listing(devices)}): do not compare their times."
    return text


def about_times(results: Results) -> str:
    """What measured times are, and between which arms their differences mean nothing."""
    text = (
        "Times are wall times, measured while other jobs of the workflow may have run on the same cores: they tell "
        "what a run took here, not which arm is cheaper."
    )
    for names in same_work(results):
        text += (
            f" {words.listing(names)} do the same arithmetic (same network, images, batches and epochs): a "
            "difference of their times is the machine’s, not theirs."
        )
    return text


def same_work(results: Results) -> list[list[str]]:
    """The arms that do the same arithmetic, together; those that do it alone are left out."""
    arms = results.arms.assign(epochs_run=[results.mean("runs", arm, "epochs_run") for arm in results.arms["arm"]])
    groups = [list(rows["arm"]) for _, rows in arms.groupby(SAME_WORK, sort=False, dropna=False)]
    return [names for names in groups if len(names) > 1]


def work(results: Results, arm: str) -> float:
    """The computed multiply-accumulates of training an arm once, for the epochs that it really ran (mean over seeds).

    For an image that is about three forward passes where everything is trained (forward, and backward for the
    activations and for the weights), and about one where only the head is: in every epoch, or once where its features
    are cached.
    """
    own, models = results.of("arms", arm).iloc[0], results.tables["models"]
    same = (models["architecture"] == own["architecture"]) & (models["input_size"] == own["input_size"])
    macs = float(models.loc[same, "macs"].mean())
    passes = 1 if own["features"] == "cached" else results.mean("runs", arm, "epochs_run")
    return macs * (3 if results.trains_everything(arm) else 1) * float(own["train_images"] * passes)


def training_seconds(results: Results, arm: str) -> float:
    """The time of an arm's training steps and of its features, mean over its runs: what grows with the data."""
    return results.mean("cost", arm, "training_seconds") + results.mean("cost", arm, "features_seconds")


def training_memory(results: Results, arm: str) -> float:
    """The computed memory of training an arm in batches of its own size, in bytes."""
    return results.bytes_at(arm, "training_bytes", results.arms["batch_size"][arm])


def both_memories(results: Results, arm: str) -> str:
    """The computed memory of training an arm beside the measured one, each called what it is."""
    measured = words.size(results.mean("cost", arm, "peak_memory_bytes"))
    devices = set(results.of("cost", arm)["device"])
    if devices == {"cpu"}:
        peak = f"the process itself took {measured} at its peak"
    elif "cpu" not in devices:
        peak = f"torch’s allocations on the GPU reached {measured}"
    else:
        peak = f"the measured peak is {measured}"
    needed = words.size(training_memory(results, arm))
    return f"{needed} computed for weights, gradients, optimiser and activations ({peak})"


def memory(results: Results) -> str:
    """What training needs at the batch size of the recipe."""
    clauses = []
    for _, arms in results.arms.groupby("batch_size", sort=False):
        named = [f"{arm} {words.size(training_memory(results, arm))}" for arm in arms["arm"]]
        clauses.append(f"at batch size {words.count(arms['batch_size'].iloc[0])} training needs {words.listing(named)}")
    return (
        f"Computed from the network, for weights, gradients, optimiser and activations: {'; '.join(clauses)}. "
        "What a process took in all was measured and is in the summary. Not the parameters alone but "
        "the activations, which grow with the batch, decide what fits."
    )


def weight_file(results: Results) -> str:
    """How well the size of a weights file follows from the number of its numbers."""
    sentences = []
    for _, row in results.tables["models"].iterrows():
        computed = row["weight_bytes"]
        rest = row["file_bytes"] - computed
        more = (
            f"{words.count(abs(rest))} bytes {'more' if rest > 0 else 'less'} ({words.share(abs(rest) / computed, 2)})"
        )
        sentences.append(
            f"The weights of {row['architecture']} are {words.size(computed)} by computation; the file has {more}."
        )
    return " ".join(dict.fromkeys(sentences))


# Advice


def advice(results: Results) -> list[str]:
    """Which way to take on this data, from verdicts, computed work and computed memory. Measured times rank nothing."""
    best, *others = results.contestants
    price = {arm: (work(results, arm), training_memory(results, arm)) for arm in results.contestants}
    equal = [best, *[other for other in others if results.verdict(best, other) == "equivalent"]]
    unsure = [other for other in others if results.verdict(best, other) == "undecided"]
    chosen = best
    paragraphs = []
    if not others:
        paragraphs.append(f"Only {best} was tried: add a second arm to learn whether it is worth its cost.")
    elif len(equal) > 1:
        chosen = min(equal, key=price.__getitem__)
        if len({price[arm] for arm in equal}) == 1:
            text = (
                f"Take any of {words.listing(equal)}: they are equivalent here and of the same computed cost "
                f"({words.operations(price[chosen][0])} a run), so nothing measured here tells them apart."
            )
        else:
            text = (
                f"Take {results.called(chosen)}: {words.listing(equal)} are equivalent here, and {chosen} is "
                f"{_the_cheapest(results, chosen, equal)}."
            )
        if unsure:
            text += f" Whether {words.listing(unsure, 'or')} would do as well, these runs do not decide."
        paragraphs.append(text)
    elif unsure:
        open_arms = [best, *unsure]
        cheapest = min(open_arms, key=price.__getitem__)
        text = (
            f"Between {words.listing(open_arms)} these runs do not decide. More seeds or more test images would; "
            "until then "
        )
        if len({price[arm] for arm in open_arms}) == 1:
            text += f"cost does not decide either: each is {words.operations(price[best][0])} of computed work a run."
        elif price[best] == price[cheapest]:
            text += f"{results.called(best)} is the reasonable choice: ahead in these runs, and no other costs less."
        else:
            row = results.comparison(best, cheapest)
            worse = row["high"] if row["arm_a"] == best else -row["low"]
            text += (
                f"{results.called(best)} is the safe choice. {results.called(cheapest)} is "
                f"{_the_cheapest(results, cheapest, open_arms)}, and may be as good or worse by up to "
                f"{words.points(worse)} (in these runs by "
                f"{words.points(row['difference'])})."
            )
        paragraphs.append(text)
    else:
        paragraphs.append(
            f"Take {results.called(best)} if its cost can be had: nothing else here reaches it. A run is "
            f"{words.operations(price[best][0])} of computed work (measured: "
            f"{words.duration(training_seconds(results, best))} of training) and {both_memories(results, best)}."
        )
    paragraphs.extend(_about_saving(results, chosen, price))
    paragraphs.extend(_about_length(results, chosen))
    return paragraphs


def _the_cheapest(results: Results, chosen: str, among: list[str]) -> str:
    """That an arm is the cheapest of some whose computed costs differ, and by what."""
    amount = work(results, chosen)
    if any(work(results, arm) > amount for arm in among):
        by = f"{words.operations(amount)} a run; measured: {words.duration(training_seconds(results, chosen))}"
        return f"the one with the least computed work ({by} of training)"
    return f"of the same computed work but needs the least memory: {both_memories(results, chosen)}"


def _about_saving(results: Results, chosen: str, price: dict[str, tuple[float, float]]) -> list[str]:
    """What an arm would save that needs less computed memory or less computed work than the chosen one."""
    frugal = min(price, key=lambda arm: (price[arm][1], price[arm][0]))
    (amount, memory), (most_work, most_memory) = price[frugal], price[chosen]
    short_of = ["memory"] * (memory < most_memory) + ["time"] * (amount < most_work)
    if not short_of:
        return []
    behind = results.summary(chosen, "test_accuracy_mean") - results.summary(frugal, "test_accuracy_mean")
    loss = f"{words.points(behind)} of accuracy" if behind > 0 else "no accuracy in these runs"
    return [
        f"Short of {words.listing(short_of, 'or')}? {results.called(frugal)} needs {both_memories(results, frugal)}: "
        f"{words.share(memory / most_memory, 0)} of the computed memory of {chosen}, and "
        f"{words.share(amount / most_work, 0)} of its computed work, at the price of {loss}."
    ]


def _about_length(results: Results, chosen: str) -> list[str]:
    """Whether fewer epochs would do for the chosen arm, and whether more would help another."""
    paragraphs = []
    rising = rising_arms(results, results.contestants)
    curve = results.curve(chosen, "test_accuracy").dropna()
    curve = curve.loc[: results.of("runs", chosen)["kept_epoch"].min()]  # all that every seed's kept network has seen
    end = results.mean("runs", chosen, "test_accuracy")
    # the first epoch from which on the curve never again leaves the margin around its end
    outside = curve.index[(curve - end).abs() > results.margin]
    enough = int(outside.max()) + 1 if len(outside) else 0
    last = int(curve.index[-1])
    one_end = results.of("runs", chosen)["kept_epoch"].nunique() == 1
    if 0 < enough < last and one_end and chosen not in rising:
        paragraphs.append(
            f"From epoch {enough} on {chosen} stays within {words.plural(results.margin, 'point')} of its end "
            f"({words.percent(end)} after {last}): shorter training would have done nearly as well."
        )
    fitted = {arm: gain for arm, gain in rising.items() if results.mean("runs", arm, "fit_accuracy") > 99}
    rising = {arm: gain for arm, gain in rising.items() if arm not in fitted}
    for arm, gain in fitted.items():
        paragraphs.append(
            f"{arm} is not finished: its test accuracy still rises although it fits its training images fully "
            f"({_gains({arm: gain})})."
        )
    if rising:
        verb = "is" if len(rising) == 1 else "are"
        paragraphs.append(
            f"{words.listing(list(rising))} {verb} not finished: {_gains(rising)}. More epochs or a larger learning "
            f"rate may take {'it' if len(rising) == 1 else 'them'} further than this comparison shows."
        )
    return [*paragraphs, *lengths.about_patience(results)]


def limits(results: Results) -> list[str]:
    """What these numbers do not say."""
    arms = results.arms
    test_images = results.sizes.loc[results.sizes["split"] == "test", "images"].sum()
    validation_images = results.sizes.loc[results.sizes["split"] == "validation", "images"].sum()
    watched = (
        f"A choice made from the curves should be made on the {words.count(validation_images)} validation images, "
        "whose accuracy is in the tables."
        if validation_images
        else "There are no validation images, so any choice made from the curves (an epoch, a learning rate, a "
        "winner) would be made on the test images."
    )
    paragraphs = [
        f"The test images were looked at after every epoch. {lengths.rule(results)} {watched}",
        f"With {words.count(test_images)} test images, one image is {words.number(100 / test_images, 2)} points of "
        "accuracy.",
        "The train figures in the curves are running ones: means over the batches of an epoch while the network is "
        "learning, in train mode. The test figures are of the network after the epoch, in eval mode. They are not "
        "like for like; the fit accuracy (all training images, in eval mode, after "
        f"the {_end(results)} epoch) is.",
        _about_recipe(arms.loc[results.contestants]),
        f"{about_times(results)} Work and memory that are called computed follow from the network and the recipe; "
        "advice about cost goes by them.",
        *_about_lag(results),
    ]
    drifting = [arm for arm in arms.index[arms["batchnorm"] == "train"] if not results.trains_everything(arm)]
    if drifting:
        paragraphs.append(
            f"In {words.listing(drifting)} only the last layer learns, but BatchNorm is in train mode: it uses "
            "the statistics of each batch and its running ones follow the new data. The rest of the network is "
            "therefore not the same function as before."
        )
    runs = results.numbers_of_runs[-1]
    if runs > 1:
        few = (
            f"{words.plural(runs, 'seed')} are few: the t intervals over seeds are wide for that reason. "
            if runs < 10
            else ""
        )
        if runs < 5:
            few += (
                "The comparisons of pairs, on the other hand, underestimate what a seed changes in all images at once: "
                "where that is much, two equal arms are called different in about one case of ten. "
            )
        paragraphs.append(
            f"{few}The data set was split once, and pretrained weights are the same for every seed; the intervals do "
            "not cover either."
        )
    else:
        paragraphs.append("One seed: no interval over seeds can be given. Another seed would give other numbers.")
    return paragraphs


def _about_lag(results: Results) -> list[str]:
    """How much of their initial values BatchNorm's running statistics hold after one epoch; empty if little."""
    lagging: dict[tuple[int, float, float], list[str]] = {}
    for _, row in results.arms.iterrows():
        arm = row["arm"]
        if row["batchnorm"] != "train" or _statistics(results.of("weight_delta", arm)).empty:
            continue
        momentum = min(results.momenta(arm), default=0.0)
        steps = math.ceil(row["train_images"] / row["batch_size"])
        held = (1 - momentum) ** steps
        if momentum and held > 0.1:
            lagging.setdefault((steps, momentum, held), []).append(arm)
    return [
        f"In {words.listing(names)} an epoch has only {words.plural(steps, 'step')}, and each replaces "
        f"{words.share(momentum, 0 if momentum >= 0.01 else 2)} of BatchNorm’s running statistics: after the first "
        f"epoch these still hold {words.share(held, 0)} of their initial values. Test accuracies of early epochs, "
        "which use them (eval mode), therefore lag behind what the network has learnt."
        for (steps, momentum, held), names in lagging.items()
    ]


def _about_recipe(arms: pandas.DataFrame) -> str:
    titles = {name: title_of(name) for name in COMPARED}
    titles |= {"normalisation": "normalisation", "architecture": "network", "input_size": "input size"}
    different = [title for column, title in titles.items() if arms[column].nunique(dropna=False) > 1]
    length = words.plural(arms["epochs"].iloc[0], "epoch")
    if arms["patience"].notna().any():
        length = f"at most {length}"
    if different:
        verb = "differs" if len(different) == 1 else "differ"
        return (
            f"The arms do not have one recipe: {words.listing(different)} {verb}. What is compared is an arm with its "
            "recipe, not the regime alone."
        )
    return (
        f"One recipe for all arms (learning rate {arms['learning_rate'].iloc[0]:g}, "
        f"{length}): it does not suit all of them equally well. A learning "
        "rate that suits fine-tuning is low for random weights and for a new last layer, so a tie or an order may be "
        "made by the recipe."
        if len(arms) > 1
        else f"One recipe was tried (learning rate {arms['learning_rate'].iloc[0]:g}, {length}); another may do better."
    )


def _end(results: Results) -> str:
    """Which epoch the numbers are of."""
    return "last" if results.keeps_last(results.arms["arm"]) else "kept"


def _accuracy(results: Results, arm: str) -> str:
    return words.percent(results.summary(arm, "test_accuracy_mean"))
