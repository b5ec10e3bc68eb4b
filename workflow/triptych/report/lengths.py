"""How long the arms were trained, what ended it, and which epoch is kept, in words."""

import pandas

from triptych.report import formatting as words
from triptych.report.results import Results


def stopped(results: Results, arm: str) -> bool:
    """Whether every run of an arm ended because its validation accuracy no longer rose."""
    own, runs = results.arms.loc[arm], results.of("runs", arm)
    early = runs["epochs_run"] < own["epochs"]
    if own["keep"] == "best":  # patience may also have run out in the last epoch that was allowed
        early |= runs["epochs_run"] - runs["kept_epoch"] >= own["patience"]
    return bool(pandas.notna(own["patience"]) and early.all())


def epochs(results: Results, arm: str, column: str) -> str:
    """A number of epochs of each seed of an arm: one number where they agree."""
    return words.listing([words.count(value) for value in dict.fromkeys(results.of("runs", arm)[column])])


def kept(results: Results, arm: str) -> str:
    """Which epoch of an arm is kept; empty where that is the last."""
    if results.keeps_last([arm]):
        return ""
    seeds = "" if results.of("runs", arm)["kept_epoch"].nunique() == 1 else " by seed"
    return (
        f"Kept{seeds} is epoch {epochs(results, arm, 'kept_epoch')} of {epochs(results, arm, 'epochs_run')}, the one "
        "with the highest validation accuracy."
    )


def about_patience(results: Results) -> list[str]:
    """A paragraph on each arm that was to be trained until its validation accuracy no longer rises."""
    paragraphs = []
    for _, own in results.arms.iterrows():
        arm = own["arm"]
        if pandas.isna(own["patience"]):
            continue
        reached = f"{words.percent(results.summary(arm, 'validation_accuracy_mean'))} on the validation images, "
        reached += f"{words.percent(results.summary(arm, 'test_accuracy_mean'))} on the test images"
        seeds = " by seed" if results.of("runs", arm)["epochs_run"].nunique() > 1 else ""
        what = epochs(results, arm, "epochs_run")
        if stopped(results, arm):
            text = (
                f"{arm} was trained until its validation accuracy had not risen for "
                f"{words.plural(own['patience'], 'epoch')}: {what} epochs{seeds}, {reached}: by that "
                "rule it was done."
            )
        else:
            text = (
                f"{arm} was to be trained until its validation accuracy no longer rises; after the "
                f"{words.plural(own['epochs'], 'epoch')} that it was allowed it had not come to that in every seed "
                f"({what} epochs{seeds}, {reached})."
            )
        paragraphs.append(" ".join(filter(None, (text, kept(results, arm)))))
    return paragraphs


def rule(results: Results) -> str:
    """Which epoch the numbers are of, and who chose it."""
    sentences = []
    arms = results.arms
    for keep in dict.fromkeys(arms["keep"]):
        names = list(arms.loc[arms["keep"] == keep, "arm"])
        of = "" if len(names) == len(arms) else f" of {words.listing(names)}"
        if keep == "best":
            sentences.append(
                f"The numbers{of} are those of the epoch with the highest validation accuracy (the earliest of "
                "equals): chosen on the validation images, so that the test images have no say in it, and the "
                "validation accuracy itself is a little kind."
            )
        elif arms.loc[names, "patience"].notna().any():
            sentences.append(
                f"The numbers{of} are those of the last epoch; where there is patience, the validation images decided "
                "which that is, else it was chosen beforehand."
            )
        else:
            sentences.append(f"The numbers{of} are those of the last epoch, chosen beforehand.")
    return " ".join(sentences)
