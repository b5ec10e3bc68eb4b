"""What the numbers do not show."""

import pandas

from triptych.configuration.training import COMPARED, title_of
from triptych.report import formatting as words
from triptych.report.blocks import Block, Bullets, Section
from triptych.report.sections import leaks
from triptych.report.sections.decision import decided, deciding_split
from triptych.results.experiment import Results, mean_curve
from triptych.results.learning_curves import shows_lag
from triptych.results.schema import AFTER_DECISION, NO_TEST, REESTIMATED, UNOPENED

FEW_SEEDS = 10


def blocks(results: Results) -> list[Block]:
    items = [
        testing(results),
        reported(results),
        precision(results),
        *leaks.limits(results),
        one_recipe(results.arms.loc[results.contestants]),
        *lag(results),
        *drift(results),
        *folds(results),
        seeds(results),
    ]
    return [Bullets(items)]


SECTION = Section("limits", "Limitations", blocks)


def testing(results: Results) -> str:
    """When test images were evaluated, and what selection should use."""
    if results.mode == NO_TEST:
        return (
            "There are no test images: how the chosen arm does on new images is not known. Test it on such before you "
            "rely on it."
        )
    if results.mode == UNOPENED:
        return "The test images have not been read."
    if results.mode == AFTER_DECISION:
        return "If a recipe is changed because of these test accuracies, the new one needs other test images."
    validation = results.images("validation")
    watched = (
        f"Select epochs, recipes and arms on the {words.count(validation)} validation images, not on these curves."
        if validation
        else "There are no validation images: selecting an epoch, a learning rate or an arm from these curves uses the "
        "test images."
    )
    return f"Test images were evaluated after every epoch. {watched}"


def reported(results: Results) -> str:
    """Which epoch is reported, and how it was selected."""
    sentences = []
    arms = results.arms
    halved = f"half of the {'images that each fold holds out' if results.folds else 'validation images'}"
    for keep in dict.fromkeys(arms["keep"]):
        names = list(arms.loc[arms["keep"] == keep, "arm"])
        of = "" if len(names) == len(arms) else f" of {words.listing(results.names_of(names))}"
        if keep == "best":
            sentences.append(
                f"Accuracies{of} are of the epoch with the highest accuracy on {halved}; the "
                "other half decides between arms."
            )
        elif arms.loc[names, "patience"].notna().any():
            sentences.append(
                f"Accuracies{of} are of the last epoch; patience selects it on {halved}, and the "
                "other half decides between arms."
            )
        else:
            sentences.append(f"Accuracies{of} are of the last epoch; the number of epochs was fixed in advance.")
    return " ".join(sentences)


def precision(results: Results) -> str:
    """What one image is."""
    decision = decided(results)
    counts = {deciding_split(results): int(decision["number_of_images"])}
    if results.is_tested:
        counts["test"] = results.images("test")
    first, *others = (
        (words.number(100 / count, 2), f"on {words.count(count)} {split} images") for split, count in counts.items()
    )
    one = [f"{first[0]} points of accuracy {first[1]}", *(" ".join(other) for other in others)]
    text = f"One image is {words.listing(one)}."
    if "balanced_accuracy" not in results.metrics("test") or not results.is_tested:
        return text
    sizes = results.sizes[(results.sizes["split"] == "test") & (results.sizes["images"] > 0)]
    rarest = sizes.iloc[sizes["images"].argmin()]
    return (
        f"{text} One test image of {rarest['class']} ({words.count(rarest['images'])} images) is "
        f"{words.number(100 / (len(sizes) * rarest['images']), 2)} points of balanced accuracy."
    )


def one_recipe(arms: pandas.DataFrame) -> str:
    """Whether the arms share a recipe, and what that means."""
    titles = {name: title_of(name) for name in COMPARED}
    titles |= {"normalisation": "normalisation", "architecture": "network", "input_size": "input size"}
    different = [title for column, title in titles.items() if arms[column].nunique(dropna=False) > 1]
    rate = f"learning rate {arms['learning_rate'].iloc[0]:g}"
    length = words.plural(arms["epochs"].iloc[0], "epoch")
    if arms["patience"].notna().any():
        length = f"at most {length}"
    if different:
        verb = "differs" if len(different) == 1 else "differ"
        return f"The recipes differ: {words.listing(different)} {verb}. The comparison is of arms with their recipes."
    if len(arms) > 1:
        return (
            f"All arms share one recipe ({rate}, {length}). It need not suit all equally: the "
            "order of the arms, or a tie, may be due to it."
        )
    return f"One recipe was tried ({rate}, {length}); another may do better."


def lag(results: Results) -> list[str]:
    """Which arms' accuracies BatchNorm's moving averages change visibly, each in the epoch of the largest change."""
    split, column = results.curve_split, results.curve_column("accuracy")
    items = []
    for arm in results.arms["arm"]:
        history = results.of("history", arm)
        if not shows_lag(history, column):
            continue
        plain, curve = mean_curve(history, column), results.curve(arm, column)
        epochs = list((curve - plain).abs().sort_values().dropna().index)
        items.append(
            f"{results.name_of(arm)}, epoch {epochs[-1]:.0f}: {words.percent(curve[epochs[-1]])} (moving averages "
            f"{words.percent(plain[epochs[-1]])})"
        )
    if not items:
        return []
    text = (
        "After few steps, BatchNorm’s moving averages lag behind the weights. Curves have re-estimated statistics. "
        f"Largest differences in {split} accuracy: {'; '.join(items)}."
    )
    text += final_statistics(results)
    never = [arm for arm in results.arms["arm"] if keeps_lag(results, arm)]
    if never:
        text += f" The networks of {words.listing(results.names_of(never))} keep lagging averages."
    return [text]


def final_statistics(results: Results) -> str:
    """That accuracies and kept weights have re-estimated statistics, and what the moving averages would give."""
    column, arms = results.curve_column("accuracy"), results.arms
    known = {}
    for arm in arms.index[arms["recalibrate_batchnorm"] == "final"]:
        history = results.of("history", arm)
        kept = history[history["kept"] == 1]
        if f"{REESTIMATED}{column}" in kept and kept[f"{REESTIMATED}{column}"].notna().all():
            known[arm] = words.percent(kept[column].mean())
    if not known:
        return ""
    values = words.listing([f"{value} ({results.name_of(arm)})" for arm, value in known.items()])
    return (
        f" Kept networks have such statistics, too; with moving averages, their {results.curve_split} accuracies would "
        f"be {values}."
    )


def keeps_lag(results: Results, arm: str) -> bool:
    """Whether an arm's networks keep moving averages that change their accuracy visibly."""
    kept = results.of("history", arm)
    kept = kept[kept["kept"] == 1]
    return results.arms["recalibrate_batchnorm"][arm] == "never" and shows_lag(kept, results.curve_column("accuracy"))


def drift(results: Results) -> list[str]:
    """Which arms train only a part while BatchNorm follows the data."""
    arms = results.arms
    drifting = [arm for arm in arms.index[arms["batchnorm"] == "train"] if not results.trains_everything(arm)]
    if not drifting:
        return []
    return [
        f"{words.listing(results.names_of(drifting))}: part of the network is frozen, but BatchNorm is in train mode, "
        "so its statistics follow the new data."
    ]


def folds(results: Results) -> list[str]:
    """What folds mean for the accuracies."""
    if results.folds is None:
        return []
    shared = "do not overlap" if results.folds == 2 else "overlap"
    return [
        f"Folds: accuracies are of networks that were trained on {results.folds - 1} of {results.folds} parts of the "
        f"images. Training sets of folds {shared}; intervals allow for what the networks share."
    ]


def seeds(results: Results) -> str:
    """What few seeds mean, and what the intervals do not cover."""
    fewest = results.numbers_of_runs[0]
    if fewest == 1:
        text = "One seed of an arm: no verdict on arms. Another seed gives other numbers. "
    elif fewest == 2:
        text = "Two seeds of an arm are too few for a verdict on arms. "
    elif fewest < FEW_SEEDS:
        text = (
            f"{words.plural(fewest, 'seed')} are few: where seeds differ, intervals are wide, and more images alone "
            "narrow only a part of them. "
        )
    else:
        text = ""
    if not (results.arms["weights"] == "pretrained").any():
        return f"{text}One split: the intervals do not cover others."
    return f"{text}One split and one set of pretrained weights: the intervals do not cover others."
