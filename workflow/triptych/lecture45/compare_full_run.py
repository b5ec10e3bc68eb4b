"""Compare a run with the full run of the lecture, whose tables are stored in `full_run/`."""

import json
from pathlib import Path

import pandas

from triptych.configuration.training import COMPARED, title_of
from triptych.lecture45 import schema as own
from triptych.lecture45.claims import claims_table
from triptych.lecture45.evidence import ARMS, NETS, NEUTRAL, read_stored_run
from triptych.lecture45.verdicts import RULES_DATE
from triptych.results import schema
from triptych.results.tables import read_table, save_table
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
    verdicts: Path,
    full_run: Path = FULL_RUN,
) -> None:
    """Write the test accuracy of the lecture's three nets by epoch, here and in the full run, the settings of both, and
    the verdicts on the full run.

    Args:
        tables: the folder with the tables of the experiment: arms, history and cost.
        sizes: its numbers of images, `data/sizes.csv`.
        dataset, weights: the sources of its images and of its pretrained weights, as the configuration names them.
        official_dataset, official_weights: whether the files of the images and of net2's weights are the published ones
            (true where no file is read).
        curves: a CSV file: run (`this run` or `full run`), arm, seed, epoch, images_seen (in training until then),
            test_accuracy in percent.
        settings: a CSV file: setting, this_run, full_run; a row for each setting, also if both runs agree in it.
        verdicts: a CSV file: rules (their day), at, claim, verdict, reason: the verdicts of earlier rules on the full
            run, and those of today's, computed from its tables.
        full_run: a folder with the full run: the tables of an experiment with claims, sizes.csv, kernels.json,
            earlier_verdicts.csv, and about.json, which names its `images` and `weights`; by default the stored one.

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
    save_table(verdicts, verdicts_by_rules(full_run), own.FULL_RUN_VERDICTS)


def verdicts_by_rules(full_run: Path) -> pandas.DataFrame:
    """Return the verdicts of earlier rules on the full run, and those of today's rules on its tables."""
    earlier = read_table(full_run / "earlier_verdicts.csv", own.FULL_RUN_VERDICTS)
    now = claims_table(read_stored_run(full_run)).assign(rules=RULES_DATE)
    return pandas.concat([earlier, now[own.FULL_RUN_VERDICTS.names]], ignore_index=True)


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
