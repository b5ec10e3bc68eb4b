"""The fabricated experiment and beside it what figures need: networks of all sizes, and the lecture's full run."""

import json
import shutil
from pathlib import Path

import pandas
import pytest

from tests.fabricated import LECTURE, Experiment
from triptych.lecture45.compare_full_run import compare_full_run
from triptych.results.schema import EVERY_EPOCH, curve_split

REFERENCES = [
    {"architecture": "googlenet", "input_size": 224, "auxiliary": True},
    {"architecture": "alexnet", "input_size": 224, "auxiliary": False},
    {"architecture": "squeezenet1_1", "input_size": 32, "auxiliary": False},
    {"architecture": "vgg16", "input_size": 1536, "auxiliary": False},  # too large for 4 GB
]
VISION_TRANSFORMER = {"architecture": "vit_b_16", "input_size": 224}


def edit(table: Path, change) -> None:
    change(pandas.read_csv(table, dtype={"seed": str})).to_csv(table, index=False)


def commands(folder: Path, seeds, output: Path, arm: str, mode: str = EVERY_EPOCH):
    """Every figure command as (name, options by name), reading `folder` and writing into `output`.

    The lecture's figures are among them where test images are evaluated after every epoch.
    """
    tables, arms = folder / "tables", folder / "tables" / "arms.csv"

    def files(name):
        return {"svg": output / f"{name}.svg", "png": output / f"{name}.png"}

    yield (
        "plot_samples",
        {
            "data": folder / "data" / "train.safetensors",
            "index": folder / "data" / "index.csv",
            **files("samples"),
        },
    )
    yield "plot_letters", {"image_size": 24, "seed": 0, **files("letters")}
    curves = {"history": tables / "history.csv", "arms": arms}
    loss, accuracy = files(f"loss_{arm}"), files(f"accuracy_{arm}")
    yield (
        "plot_arm_curves",
        {
            **curves,
            "arm": arm,
            "loss_svg": loss["svg"],
            "loss_png": loss["png"],
            "accuracy_svg": accuracy["svg"],
            "accuracy_png": accuracy["png"],
        },
    )
    split = curve_split(mode)
    for quantity in ("train_loss", f"{split}_loss", f"{split}_accuracy"):
        yield "plot_curves", {**curves, "quantity": quantity, **files(quantity)}
    seed = seeds[0]
    shown = json.dumps(dict.fromkeys(pandas.read_csv(arms)["arm"], f"seed{seed}"))
    one = {"arms": arms, "arm": arm, "experiment_folder": folder}
    yield "plot_kernels", {**one, "runs": shown, **files(f"kernels_{arm}")}
    yield (
        "plot_confusion",
        {
            **one,
            "confusion": tables / "confusion.csv",
            "runs": json.dumps([f"seed{seed}" for seed in seeds]),
            "mode": mode,
            **files(f"confusion_{arm}"),
        },
    )
    delta = {"weight_delta": tables / "weight_delta.csv", "arms": arms}
    yield "plot_weight_delta", {**delta, **files("relative_change")}
    yield "plot_batchnorm_drift", {**delta, **files("batchnorm_drift")}
    if mode == EVERY_EPOCH:
        yield "plot_full_run", {"full_run": tables / "full_run.csv", "arms": arms, **files("full_run")}
        yield "plot_notebook_loss", {**curves, "sizes": folder / "data" / "sizes.csv", **files("notebook_loss")}
        yield "plot_notebook_kernels", {**one, "seed": seed, **files("notebook_kernels")}
    cost = {name: tables / f"{name}.csv" for name in ("cost", "test_results", "summary", "arms")}
    yield "plot_cost", {**cost, **files("cost_accuracy")}
    yield "plot_memory", {"memory": tables / "memory.csv", "arms": arms, **files("memory")}
    networks = {"architectures": tables / "architectures.csv", "largest_batch": tables / "largest_batch.csv"}
    yield "plot_architectures", {**networks, **files("architectures")}


@pytest.fixture(scope="session")
def results(shelf, tmp_path_factory):
    """The lecture's three arms, three seeds, ten epochs; test images after every epoch."""
    made = shelf(test=EVERY_EPOCH).copy(tmp_path_factory.mktemp("results") / "digits")
    made.configuration["reference_models"] = REFERENCES
    made.compare()
    for name in ("architectures", "largest_batch"):
        table = made.tables / f"{name}.csv"
        table.write_text(table.read_text().replace("squeezenet1_1,", "shufflenet_v2_x0_5_with_a_long_name,"))
    files = {"curves": "full_run", "settings": "full_run_settings", "verdicts": "full_run_verdicts"}
    out = {option: made.tables / f"{name}.csv" for option, name in files.items()}
    sizes = made.folder / "data" / "sizes.csv"
    compare_full_run(tables=made.tables, sizes=sizes, dataset="digits", weights="letters", **out)
    return made


@pytest.fixture
def make_results(shelf, results, tmp_path):
    """A function that makes another experiment, with the options of `Shelf`, on whose arms nothing else depends."""

    def make(networks_differ=False, arms=LECTURE, test=EVERY_EPOCH, **options) -> Experiment:
        made = shelf(arms, compared=False, test=test, **options).copy(tmp_path / "results")
        for name in ("architectures", "largest_batch", "full_run"):
            shutil.copy(results.tables / f"{name}.csv", made.tables)
        lecture = dict(zip((arm["name"] for arm in LECTURE), made.runs, strict=False))
        edit(made.tables / "full_run.csv", lambda table: table.assign(arm=table["arm"].map(lecture)).dropna())
        if networks_differ:
            position = {arm: number for number, arm in enumerate(made.runs)}
            for name in ("arms", "memory"):
                edit(made.tables / f"{name}.csv", lambda table: of_other_networks(table, table["arm"].map(position)))
        return made

    return make


def of_other_networks(table, position):
    """Each arm's network is larger than that of the arm before."""
    numbers = {column: table[column] * (1 + position) for column in table if column.endswith("_bytes")}
    return table.assign(architecture=[f"resnet{18 + 16 * number}" for number in position], **numbers)
