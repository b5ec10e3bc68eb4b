"""Compare a run with the full run of the lecture, whose tables are stored in `full_run/`."""

import json
from pathlib import Path

import pandas

from triptych.configuration.training import COMPARED, RECIPE, title_of
from triptych.lecture45 import schema as own
from triptych.lecture45.evidence import ARMS, NETS
from triptych.results import schema
from triptych.results.tables import cell, read_table, save_table
from triptych.storage.errors import InputError

FULL_RUN = Path(__file__).parent / "full_run"
HERE, FULL = "this run", "full run"
OTHER_SETTINGS = {
    "input_size": "input, px",
    "test_images": "test images",
    "normalisation": "normalisation",
    "batchnorm": "BatchNorm of net3",
}
FIRST_SETTINGS = [
    *("input_size", "train_images", "test_images", "epochs", "batch_size", "learning_rate", "normalisation"),
    *("batchnorm", "precision", "channels_last", "fused_optimizer", "keep", "patience"),
]
"""The first rows of the table of settings; rows of other keys follow."""

TITLES = OTHER_SETTINGS | {name: title_of(name) for name in COMPARED}
SETTINGS = {name: TITLES[name] for name in dict.fromkeys((*FIRST_SETTINGS, *TITLES))}
"""The settings in which two runs are compared: columns of arms.csv and the number of test images, with their titles."""


NEUTRAL = {name: cell(RECIPE[name].neutral) for name in COMPARED if RECIPE[name].has_neutral}
"""The value of a column that a table from before its key lacks."""


def compare_full_run(
    *,
    tables: Path,
    sizes: Path,
    dataset: str,
    weights: str,
    official_dataset: bool = False,
    official_weights: bool = False,
    curves: Path,
    settings: Path,
    full_run: Path = FULL_RUN,
) -> None:
    """Write the test accuracy of the lecture's three nets by epoch, here and in the full run, and the settings of both.

    Args:
        tables: the folder with the tables of the experiment: arms, history and cost.
        sizes: its numbers of images, `data/sizes.csv`.
        dataset, weights: the sources of its images and of its pretrained weights, as the configuration names them.
        official_dataset, official_weights: whether the files of the images and of net2's weights are the published ones
            (true where no file is read).
        curves: a CSV file: run (`this run` or `full run`), arm, seed, epoch, images_seen (in training until then),
            test_accuracy in percent.
        settings: a CSV file: setting, this_run, full_run; a row for each setting, also if both runs agree in it.
        full_run: a folder with the same tables and sizes.csv of the full run, and about.json, which names its `images`
            and `weights`; by default the stored one.

    Raises:
        InputError: a file is missing or invalid, or an arm of the lecture is missing.
    """
    about = json.loads((full_run / "about.json").read_text())
    here, full = Run(tables, sizes), Run(full_run, full_run / "sizes.csv")
    save_table(curves, pandas.concat([here.curves(HERE), full.curves(FULL)], ignore_index=True), own.FULL_RUN)
    rows = [
        ("images", _source(dataset, official_dataset), about["images"]),
        ("pretrained weights", _source(weights, official_weights), about["weights"]),
        ("device", here.device, full.device),
        *((name, here.setting(column), full.setting(column)) for column, name in SETTINGS.items()),
    ]
    found = pandas.DataFrame(rows, columns=own.FULL_RUN_SETTINGS.names)
    save_table(settings, found, own.FULL_RUN_SETTINGS)


def _source(source: str, official: bool) -> str:
    return source if official else f"{source}, but not the official file"


class Run:
    """The three nets of one experiment."""

    def __init__(self, tables: Path, sizes: Path):
        columns = [column for column in SETTINGS if column != "test_images"]
        named = ["arm", *columns]
        arms = read_table(tables / "arms.csv", schema.ARMS, named, verbatim=True, absent=NEUTRAL).set_index("arm")
        missing = [arm for arm in ARMS if arm not in arms.index]
        if missing:
            raise InputError(f"{tables / 'arms.csv'}: no arm {', '.join(missing)}; the lecture has {', '.join(ARMS)}")
        images = read_table(sizes, schema.SIZES).groupby("split")["images"].sum()
        self.arms = arms.loc[list(ARMS)].assign(test_images=str(int(images.get("test", 0))))
        curves = read_table(tables / "history.csv", schema.HISTORY, ["arm", "seed", "epoch", "test_accuracy"])
        self.history = curves.query("arm in @ARMS")
        cost = read_table(tables / "cost.csv", schema.COST, ["arm", "device_name"])
        self.device = ", ".join(dict.fromkeys(cost.loc[cost["arm"].isin(ARMS), "device_name"]))

    def curves(self, name: str) -> pandas.DataFrame:
        """The test accuracy by epoch."""
        seen = self.history["arm"].map(self.arms["train_images"].astype(int)) * self.history["epoch"]
        table = self.history.assign(run=name, images_seen=seen.astype(int), epoch=self.history["epoch"].astype(int))
        return table[["run", "arm", "seed", "epoch", "images_seen", "test_accuracy"]]

    def setting(self, column: str) -> str:
        """Return one value if the three nets share it, else one for each net; for BatchNorm that of net3."""
        values = self.arms[column]
        if column == "batchnorm":
            return str(values["last_layer"])
        if values.nunique() == 1:
            return str(values.iloc[0])
        return ", ".join(f"{NETS[arm]} {values[arm]}" for arm in ARMS)
