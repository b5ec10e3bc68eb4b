"""What was trained on what, and with what."""

import re
from collections.abc import Mapping
from typing import Any

import pandas

from triptych.configuration.pretraining import pretrains_on_letters
from triptych.configuration.training import RECIPE, SHOWN, title_of
from triptych.report import formatting as words
from triptych.report import provenance
from triptych.report.blocks import MOST_ABREAST, Block, Bullets, Column, Details, Section, Table, declared, figure
from triptych.report.files import link
from triptych.report.inputs import files_of_runs
from triptych.results import schema
from triptych.results.experiment import Results, read_numbers
from triptych.results.learning_curves import kept_value
from triptych.results.tables import read_table

NAMES = {"digits": "scikit-learn’s digits", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
"""The names of data sets that a reader may not know by that of their source."""

MOST_NAMED = 3
"""Most files that were left out and are named."""
DATA_REPORT = "data/report.html"

RESULT_OF_KEYS = {"epochs": " In brackets: epochs run, by seed.", "keep": " In brackets: that epoch, by seed."}
"""What is added to the meaning of a key whose outcome follows its value."""


def blocks(results: Results) -> list[Block]:
    found: list[Block] = [
        Bullets([data(results), *left_out(results), *pretraining(results), training(results), software(results)])
    ]
    if results.shows_images:
        found.append(figure("samples", "Training images of each class, as stored.", leads=True))
    if pretrains_on_letters(results.configuration):
        found.append(figure("letters"))
    return [
        *found,
        recipe(results),
        Details("Images by class and split", [sizes(results)]),
        Details("Versions of packages", [versions(provenance.package_versions())]),
        Details("Checksums of the input files", [checksums(results)]),
    ]


SECTION = Section("setup", "Setup and provenance", blocks)


def data(results: Results) -> str:
    """The number of images and classes."""
    splits = [("train", "training"), ("validation", "validation"), ("test", "testing")]
    if results.folds is not None:
        repeats = results.networks // results.folds
        dealt = f"{results.folds} folds" + (f", dealt {repeats} times" if repeats > 1 else "")
        splits = [("train", f"training and validation ({dealt})"), ("test", "testing")]
    parts = [f"{words.count(results.images(split))} for {use}" for split, use in splits if results.images(split)]
    sizes = words.listing([f"{size:.0f}{words.NO_BREAK}px" for size in sorted(set(results.arms["input_size"]))])
    source = results.configuration["dataset"]["source"]
    return (
        f"Data: {words.plural(results.sizes['images'].sum(), 'image')} of "
        f"{words.plural(results.sizes['class'].nunique(), 'class', 'classes')} from "
        f"{NAMES.get(source, source)}: {words.listing(parts)}. Network input: {sizes}."
    )


def left_out(results: Results) -> list[str]:
    """How many files cannot be used and were left out, with the first names; nothing if there are none."""
    table = read_table(results.folder / schema.LEFT_OUT.file, schema.LEFT_OUT)
    if table.empty:
        return []
    named = [f"{path} ({problem})" for path, problem in zip(table["path"], table["problem"], strict=True)]
    more = len(named) - MOST_NAMED
    shown = words.listing(named[:MOST_NAMED] + ([f"{words.count(more)} more"] if more > 0 else []))
    of = words.count(len(named) + results.sizes["images"].sum())
    verb = "was" if len(named) == 1 else "were"
    return [
        f"{words.count(len(named))} of {of} files cannot be used and {verb} left out (policy: quarantine): {shown}. "
        f"The data report shows them: {link(results, DATA_REPORT)}; as a table: {link(results, schema.LEFT_OUT.file)}."
    ]


def pretraining(results: Results) -> list[str]:
    """Where pretrained weights come from, a sentence a network; empty if no arm uses them."""
    arms = results.arms
    sentences = []
    for architecture in dict.fromkeys(arms.loc[arms["weights"] == "pretrained", "architecture"]):
        history = results.folder / "weights" / f"{architecture}_history.csv"
        settings = results.configuration["weights"]
        sentence = f"Pretrained {architecture}: "
        if settings["source"] == "letters":
            sentence += f"on {words.plural(settings['train_images'], 'rendered letter')} (A to Z)"
        else:
            sentence += f"from {settings['source']}"
        if history.is_file():
            epochs = read_numbers(history, schema.WEIGHTS_HISTORY)
            recalibrate = results.configuration["training"]["recalibrate_batchnorm"]
            accuracy = kept_value(epochs, "validation_accuracy", recalibrate).iloc[0]
            sentence += (
                f", {words.plural(epochs['epoch'].max(), 'epoch')}, {words.percent(accuracy)} accuracy on its held-out "
                "images"
            )
        sentences.append(f"{sentence}.")
    return sentences


def training(results: Results) -> str:
    """What all arms have in common."""
    return (
        "Training: cross-entropy loss, Adam. The order of the images depends on seed and epoch alone, so all arms see "
        f"the same batches. Seeds: {words.listing(results.seeds)}."
    )


def software(results: Results) -> str:
    """The device, Python and the code."""
    cost, machine = results.tables["cost"], provenance.machine()
    devices = sorted(set(zip(cost["device_name"], cost["device"], strict=True)))
    named = words.listing([f"{name} ({device})" if name else str(device) for name, device in devices])
    return (
        f"Device: {named}. {machine['python']} on {machine['system']}, {machine['machine']}. SHA-256 of the code: "
        f"{provenance.package_digest()}."
    )


def recipe(results: Results) -> Table:
    """The settings of every arm, a row each; keys that are off in all arms are left out."""
    shown = [name for name in SHOWN if not _is_off(results.arms[name], name)]
    settings = [
        ("network", "Architecture, input in pixels."),
        ("starts from", "random or pretrained weights (with a new head)."),
        ("trainable", "all: everything. head: the last layer."),
        ("BatchNorm", "train: statistics of each batch, and updates its own. frozen: its own."),
        ("normalisation", "Mean and standard deviation of pixels (0 to 1)."),
        *((title_of(name), _meaning(results, name)) for name in shown),
        ("features", "Of the frozen layers: computed once (cached), or in each epoch."),
    ]
    in_effect = [
        [
            f"{row['architecture']}, {row['input_size']:.0f}{words.NO_BREAK}px",
            row["weights"],
            row["train"],
            row["batchnorm"],
            row["normalisation"],
            *(_in_effect(RECIPE[name].kind, row[name]) + _by_seed(results, row, name) for name in shown),
            row["features"],
        ]
        for _, row in results.arms.iterrows()
    ]
    columns = [
        Column("setting", "", "text"),
        *(Column(name, "", "text") for name in results.names_of(results.arms["arm"])),
    ]
    rows = [[name, *values] for (name, _), values in zip(settings, zip(*in_effect, strict=True), strict=True)]
    stacks = len(results.arms) > MOST_ABREAST
    return Table("Recipe of every arm", columns, rows, "tables/arms.csv", stacks, explained=settings)


def _is_off(values: pandas.Series, name: str) -> bool:
    """Whether a key has its neutral value in every arm."""
    key = RECIPE[name]
    if not key.has_neutral:
        return False
    return bool((values.isna() if key.neutral is None else values == key.neutral).all())


def _meaning(results: Results, name: str) -> str:
    """The first sentence of the meaning of a key, and what follows its value in brackets."""
    outcome = any(_by_seed(results, arm, name) for _, arm in results.arms.iterrows())
    return re.split(r"(?<=\.) ", RECIPE[name].meaning)[0] + (RESULT_OF_KEYS[name] if outcome else "")


def _in_effect(kind: str, value: Any) -> str:
    """A value of a key of the recipe."""
    if kind == "flag":
        return "yes" if value else "no"
    if kind == "choice":
        return str(value)
    if pandas.isna(value):
        return "none"
    return words.count(value) if value == round(value) else f"{value:g}"


def _by_seed(results: Results, arm: pandas.Series, key: str) -> str:
    """The epochs that an arm ran if patience may have ended it, and its best epoch if that was chosen."""
    columns = {"epochs": "epochs_run"} if pandas.notna(arm["patience"]) else {}
    columns |= {"keep": "kept_epoch"} if arm["keep"] != "last" else {}
    if key not in columns:
        return ""
    return f" ({', '.join(words.count(epoch) for epoch in results.of('runs', arm['arm'])[columns[key]])})"


def sizes(results: Results) -> Table:
    """Images by class and split."""
    table = results.sizes.pivot_table("images", "class", "split", "sum", sort=False, fill_value=0)
    table = table[list(dict.fromkeys(results.sizes["split"]))]
    meaning = {
        "train": "Images to train on.",
        "validation": "Images for model selection.",
        "test": "Images to test on.",
    }
    columns = [
        declared(schema.SIZES, "class", "text"),
        *(Column(split, meaning.get(split, f"Images of the split {split}.")) for split in table.columns),
    ]
    rows = [
        [name, *(words.count(value) for value in row)] for name, row in zip(table.index, table.to_numpy(), strict=True)
    ]
    total = ["all", *(words.count(value) for value in table.sum())]
    return Table("Images by class and split", columns, rows, "data/sizes.csv", total=total)


def checksums(results: Results) -> Table:
    """The files that every run reads."""
    columns = [
        Column("file", "", "text"),
        Column("bytes", ""),
        Column("SHA-256", "", "code"),
    ]
    files = files_of_runs(results.folder, results.configuration)
    records = {name: provenance.file_record(results.folder / name) for name in files}
    rows = [[name, words.count(record["bytes"]), record["sha256"]] for name, record in records.items()]
    return Table("Input files", columns, rows)


def versions(packages: Mapping[str, str | None]) -> Table:
    """The packages that were used."""
    columns = [Column("package", "", "text"), Column("version", "", "text")]
    rows = [[name, version or "not installed"] for name, version in packages.items()]
    return Table("Packages where this report was made", columns, rows)
