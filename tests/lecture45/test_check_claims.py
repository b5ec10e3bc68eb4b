"""Every claim can go each way, and every fault's effect is the number that follows from the tables."""

import math
from pathlib import Path

import pandas
import pytest

from triptych.lecture45 import claims, faults
from triptych.lecture45.check_claims import check_claims
from triptych.lecture45.evidence import ARMS, Evidence
from triptych.lecture45.schema import CLAIMS, FAULTS
from triptych.results.schema import EVERY_EPOCH, tables_of_mode
from triptych.storage.errors import InputError

CONTROLS = {
    "last_layer_normalised": ("imagenet", "train"),
    "last_layer_frozen": ("none", "frozen"),
    "last_layer_normalised_frozen": ("imagenet", "frozen"),
}
WEIGHTS = {"scratch": ("random", "all"), "finetune": ("pretrained", "all"), "last_layer": ("pretrained", "head")}
TRAIN_ACCURACY = {
    "scratch": [50, 60, 68, 74, 80, 85, 90, 93, 96, 98],
    "finetune": [88, 95, 97, 98, 99, 99, 99, 99, 99, 99],
    "last_layer": [60, 66, 70, 72, 74, 75, 76, 77, 78, 78.5],
}
TEST_ACCURACY = {
    "scratch": [60, 68, 73, 76, 78, 80, 79, 80.5, 79.5, 80],
    "finetune": [93, 93.8, 94, 94.2, 94, 94.1, 93.9, 94, 94.1, 94],
    "last_layer": [66, 70, 72.5, 74, 75.5, 76.5, 77.5, 78.3, 79, 79.4],
}
LOSSES = {
    "scratch": [0.96, 0.8, 0.65, 0.52, 0.42, 0.33, 0.25, 0.18, 0.12, 0.08],
    "finetune": [0.4, 0.2, 0.1, 0.08, 0.06, 0.05, 0.04, 0.04, 0.03, 0.03],
    "last_layer": [1.4, 1.1, 1.0, 0.95, 0.9, 0.86, 0.83, 0.8, 0.78, 0.76],
}
NETWORK_COLUMNS = [
    "architecture",
    "role",
    "input_size",
    "auxiliary",
    "parameters",
    "weight_bytes",
    "macs",
    "activation_bytes",
]
NETWORKS = [
    ("resnet18", "arm", 224, 0, 11_689_512, 46_796_608, 1.81e9, 2.0e7),
    ("inception_v3", "reference", 299, 1, 27_161_264, 1.09e8, 5.73e9, 9.0e7),
    ("inception_v3", "reference", 299, 0, 23_834_568, 9.5e7, 5.71e9, 9.0e7),
    ("googlenet", "reference", 224, 1, 13_004_888, 5.2e7, 1.5e9, 5.0e7),
    ("googlenet", "reference", 224, 0, 6_624_904, 2.6e7, 1.5e9, 5.0e7),
]
BATCH_COLUMNS = ["architecture", "input_size", "auxiliary", "train", "memory_gb", "largest_batch"]
BATCHES = [
    ("resnet18", 224, 0, "all", 4, 171),
    ("resnet18", 224, 0, "all", 8, 352),
    ("resnet18", 224, 0, "head", 8, 1130),
    ("inception_v3", 299, 1, "all", 8, 76),
    ("inception_v3", 299, 0, "all", 8, 80),
]
OFFICIAL = {"official_dataset": True, "official_weights": True}


def delta_rows():
    for arm in (*ARMS, *CONTROLS):
        moves = arm in ("scratch", "finetune")
        drifts = not arm.endswith("frozen")
        for tensor, kind, size, norm, change, largest in (
            ("conv1.weight", "parameter", 9408, 10.0, 1.0 if arm == "scratch" else 0.2, 0.05),
            ("layer1.0.conv1.weight", "parameter", 36864, 10.0, 1.0, 0.05),
            ("bn1.running_mean", "buffer", 64, 4.0, 0.8, 0.3),
            ("bn1.running_var", "buffer", 64, 8.0, 2.0, 0.3),
            ("fc.weight", "parameter", 5120, 1.0, 0.5, 0.1),
            ("fc.bias", "parameter", 10, 1.0, 0.5, 0.1),
        ):
            moved = drifts if kind == "buffer" else moves or tensor.startswith("fc.")
            yield {
                "arm": arm,
                "seed": "0",
                "tensor": tensor,
                "kind": kind,
                "size": size,
                "initial_norm": norm,
                "delta_norm": change if moved else 0.0,
                "relative_delta": change / norm if moved else 0.0,
                "max_abs_delta": largest if moved else 0.0,
                "unchanged_fraction": 0.0 if moved else 1.0,
                "near_zero_fraction": 0.6 if moved else 1.0,
            }


def recipe(arm):
    normalisation, batchnorm = CONTROLS.get(arm, ("none", "train"))
    weights, train = WEIGHTS.get(arm, ("pretrained", "head"))
    return {
        "arm": arm,
        "role": "control" if arm in CONTROLS else "arm",
        "architecture": "resnet18",
        "normalisation": normalisation,
        "weights": weights,
        "train": train,
        "batchnorm": batchnorm,
        "input_size": 224,
        "learning_rate": 1e-4,
        "epochs": 10,
        "batch_size": 32,
        "train_images": 50_000,
        "patience": None,
        "keep": "last",
        "precision": "float32",
        "channels_last": 0,
        "fused_optimizer": 0,
        "recalibrate_batchnorm": "never",
    }


def tables():
    """The tables of a run of the lecture's recipe that agrees with every claim that it can test."""
    arms = [*ARMS, *CONTROLS]
    curve = dict.fromkeys(CONTROLS, "last_layer") | {arm: arm for arm in ARMS}
    history = [
        {
            "arm": arm,
            "seed": "0",
            "epoch": epoch,
            "train_loss": LOSSES[curve[arm]][epoch - 1] if epoch else None,
            "train_accuracy": TRAIN_ACCURACY[curve[arm]][epoch - 1] if epoch else None,
            "test_loss": 0.5,
            "test_accuracy": TEST_ACCURACY[curve[arm]][epoch - 1] if epoch else 10.0,
        }
        for arm in arms
        for epoch in range(11)
    ]
    final = {"last_layer_normalised_frozen": 87.5} | {arm: TEST_ACCURACY[curve[arm]][-1] for arm in arms[:-1]}
    return {
        "arms": [recipe(arm) for arm in arms],
        "history": history,
        "runs": [
            {
                "arm": arm,
                "seed": "0",
                "trainable_parameters": 5130 if arm.startswith("last") else 11_181_642,
                "train_accuracy": TRAIN_ACCURACY[curve[arm]][-1],
                "fit_accuracy": TRAIN_ACCURACY[curve[arm]][-1] + 1,
                "test_accuracy": final[arm],
            }
            for arm in arms
        ],
        "summary": [{"arm": arm, "n": 1, "test_accuracy_mean": final[arm]} for arm in arms],
        "comparisons": [
            dict(zip(("arm_a", "arm_b", "verdict", "difference", "low", "high"), row, strict=True))
            for row in (
                ("finetune", "scratch", "better", 14.0, 13.0, 15.0),
                ("finetune", "last_layer", "better", 14.6, 14.0, 15.0),
                ("scratch", "last_layer", "equivalent", 0.6, 0.2, 0.9),
            )
        ],
        "weight_delta": list(delta_rows()),
        "kernel_change": [
            {"arm": arm, "tensor": "conv1.weight", "colour_share": share}
            for arm, share in (("scratch", 0.5), ("finetune", 0.4), ("last_layer", None))
        ],
        "models": [
            {
                "architecture": "resnet18",
                "input_size": 224,
                "parameters": 11_181_642,
                "macs": 1.81e9,
                "activation_bytes": 2.0e7,
                "weight_bytes": 44_765_128,
                "file_bytes": 44_781_936,
            }
        ],
        "memory": [
            {"arm": arm, "batch_size": size, "training_bytes": size * 2e7} for arm in arms for size in (16, 32, 64)
        ],
    }


@pytest.fixture
def evidence():
    """A function that makes evidence; `change` may alter the tables first, other options replace its own."""

    def make(change=None, **options):
        frames = {name: pandas.DataFrame(rows) for name, rows in tables().items()}
        frames["summary"] = frames["summary"].assign(test_accuracy_low=math.nan, test_accuracy_high=math.nan)
        frames["architectures"] = pandas.DataFrame(NETWORKS, columns=NETWORK_COLUMNS)
        frames["largest_batch"] = pandas.DataFrame(BATCHES, columns=BATCH_COLUMNS)
        frames |= {name: options.pop(name) for name in ("architectures", "largest_batch") if name in options}
        images = options.pop("images", {"train": 50_000, "validation": 0, "test": 10_000})
        configuration = {
            "dataset": {"source": options.pop("dataset", "cifar10")},
            "weights": {"source": options.pop("weights", "torchvision")},
            "comparison": {"confidence": 0.95, "equivalence_margin": 1.0},
        }
        if change:
            change(frames)
        rows = [(split, "cat", count) for split, count in images.items()]
        sizes = pandas.DataFrame(rows, columns=["split", "class", "images"])
        return Evidence(Path(), Path(), configuration, frames, sizes, **{**OFFICIAL, **options})

    return make


def verdict_of(found, name):
    return getattr(claims, name)(found).verdict


def replaced(table, where, column, value):
    """A change of one column of the rows of `table` in which the columns of `where` have these values."""

    def change(frames):
        rows = frames[table]
        chosen = pandas.Series(True, index=rows.index)
        for key, wanted in where.items():
            chosen &= rows[key] == wanted
        assert chosen.any()
        rows.loc[chosen, column] = value

    return change


def test_the_lectures_own_numbers_agree_but_for_what_they_cannot_say(evidence):
    table = claims.claims_table(evidence())
    assert list(table.columns) == CLAIMS.names
    assert table["at"].tolist() == sorted(table["at"])
    verdicts = dict(zip(table["claim"], table["verdict"], strict=True))
    assert [claim for claim, verdict in verdicts.items() if verdict != "agrees"] == [
        "so soon because residual connections leave only a small difference to be learnt",
        "with little memory or no GPU train only the last layer, longer: it will still come to a convergence",
    ]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("batch_fits", replaced("memory", {"batch_size": 32}, "training_bytes", 3e9)),
        ("weight_file", replaced("models", {}, "file_bytes", 46e6)),
        ("eleven_million", replaced("models", {}, "parameters", 21.8e6)),
        ("fewer_operations", replaced("models", {}, "macs", 4.1e9)),
        ("first_epoch", replaced("history", {"arm": "scratch", "epoch": 1}, "train_loss", 1.5)),
        ("first_epoch", replaced("history", {"arm": "scratch", "epoch": 1}, "test_accuracy", 72.0)),
        ("tie_of_net1_and_net3", replaced("runs", {"arm": "scratch"}, "test_accuracy", 84.0)),
        ("tie_of_net1_and_net3", replaced("comparisons", {"arm_b": "last_layer"}, "verdict", "undecided")),
        ("tie_of_net1_and_net3", replaced("comparisons", {"arm_a": "scratch"}, ["low", "high"], [1.5, 3])),
        ("net1_overfits", replaced("history", {"arm": "scratch", "epoch": 10}, "train_accuracy", 95.0)),
        ("net1_overfits", replaced("history", {"arm": "scratch", "epoch": 7}, "test_accuracy", 80.2)),
        ("net1_overfits", replaced("history", {"arm": "scratch", "epoch": 10}, "test_accuracy", 70.0)),
        ("net2_saturates", replaced("history", {"arm": "finetune", "epoch": 1}, "test_accuracy", 80.0)),
        ("net2_saturates", replaced("history", {"arm": "finetune", "epoch": 10}, "test_accuracy", 96.0)),
        ("net2_saturates", replaced("history", {"arm": "finetune", "epoch": 4}, "test_accuracy", 95.5)),
        ("net3_rises", replaced("history", {"arm": "last_layer", "epoch": 10}, "test_accuracy", 75.0)),
        ("net3_rises", replaced("history", {"arm": "last_layer", "epoch": 10}, "test_accuracy", 86.0)),
        ("two_epochs_are_enough", replaced("history", {"arm": "finetune", "epoch": 2}, "test_accuracy", 90.0)),
        ("scratch_changes", replaced("weight_delta", {"arm": "scratch"}, "relative_delta", 0.01)),
        ("pretrained_kernels_hardly_change", replaced("weight_delta", {"arm": "finetune"}, "relative_delta", 0.5)),
        ("pretrained_kernels_hardly_change", replaced("weight_delta", {"arm": "finetune"}, "max_abs_delta", 0.003)),
        ("nothing_before_fc", replaced("weight_delta", {"arm": "last_layer"}, "unchanged_fraction", 0.5)),
        ("nothing_before_fc", replaced("weight_delta", {"arm": "finetune"}, "unchanged_fraction", 1.0)),
    ],
)
def test_a_claim_is_disagreed_with_where_the_numbers_are_others(evidence, name, change):
    assert verdict_of(evidence(), name) == "agrees"
    assert verdict_of(evidence(change), name) == "disagrees"


def test_the_first_epoch_is_undecided_where_the_interval_holds_zero(evidence):
    found = claims.first_epoch(evidence(replaced("history", {"arm": "scratch", "epoch": 1}, "test_accuracy", 65.8)))
    assert (found.verdict, found.reason) == ("not tested here", "undecided: the interval of net3’s lead holds zero")


def test_networks_are_compared_with_heads_of_the_same_size(evidence):
    assert "2.32 times with its auxiliary head" in claims.fewer_than_googlenet(evidence()).number
    networks = evidence().tables["architectures"]
    networks.loc[networks["architecture"] == "resnet18", "parameters"] = 21.8e6
    assert verdict_of(evidence(architectures=networks), "fewer_than_googlenet") == "disagrees"
    without = networks[networks["architecture"] != "resnet18"]
    assert "2.43 times with" in claims.fewer_than_googlenet(evidence(architectures=without)).number


def test_convergence_is_agreed_with_once_the_loss_stands_still(evidence):
    found = evidence(replaced("history", {"arm": "last_layer", "epoch": 10}, "train_loss", 0.779))
    assert verdict_of(found, "last_layer_converges") == "agrees"


OF_THE_RECIPE = (
    "first_epoch",
    "tie_of_net1_and_net3",
    "net1_overfits",
    "net2_saturates",
    "net3_rises",
    "two_epochs_are_enough",
)


@pytest.mark.parametrize(
    ("options", "different"),
    [
        ({"dataset": "digits"}, "the images are digits, not cifar10"),
        ({"weights": "letters"}, "the pretrained weights are from letters, not torchvision"),
        ({"official_dataset": False}, "the archive of the images is not the official file"),
        ({"official_weights": False}, "the file of the pretrained weights is not torchvision’s"),
        ({"images": {"train": 50_000, "validation": 0, "test": 200}}, "test images 200, not 10,000"),
        ({"change": replaced("arms", {"arm": "last_layer"}, "learning_rate", 1e-3)}, "learning rate 0.001, not 0.0001"),
        ({"change": replaced("arms", {}, "epochs", 2)}, "epochs 2, not 10"),
        ({"change": replaced("arms", {"arm": "last_layer"}, "batchnorm", "frozen")}, "BatchNorm frozen, not train"),
    ],
)
def test_another_run_gives_numbers_and_no_verdict_on_what_ten_epochs_reach(evidence, options, different):
    found = evidence(**options)
    for name in OF_THE_RECIPE:
        claim = getattr(claims, name)(found)
        assert claim.verdict == "not tested here"
        assert (claim.reason, claim.different) == ("another run than the lecture’s", different)
        assert "%" in claim.number
    for name in (
        *("batch_fits", "smaller_batch", "weight_file", "eleven_million", "fewer_operations", "nothing_before_fc"),
    ):
        assert verdict_of(found, name) == "agrees"


def test_a_short_run_cannot_disagree_that_something_changes(evidence):
    short = {"images": {"train": 50_000, "validation": 0, "test": 200}}
    assert verdict_of(evidence(**short), "scratch_changes") == "agrees"
    little = replaced("weight_delta", {"arm": "scratch"}, "relative_delta", 0.01)
    assert verdict_of(evidence(little, **short), "scratch_changes") == "not tested here"


def test_the_batch_before_is_judged_by_what_fits(evidence):
    found = claims.smaller_batch(evidence())
    assert found.number.endswith("352 at 224 px; Inception v3 76 at 299 px")
    batches = evidence().tables["largest_batch"]
    more = batches.assign(largest_batch=batches["largest_batch"].where(batches["auxiliary"] == 0, 400))
    assert verdict_of(evidence(largest_batch=more), "smaller_batch") == "disagrees"
    for without in (batches[batches["auxiliary"] == 0], batches[batches["memory_gb"] == 4]):
        claim = claims.smaller_batch(evidence(largest_batch=without))
        assert (claim.verdict, claim.reason[:6]) == ("not tested here", "no row")


def test_without_the_other_networks_their_claims_are_not_tested(evidence):
    found = evidence(architectures=evidence().tables["architectures"].iloc[:1])
    for name in ("fewer_than_googlenet", "fewer_operations"):
        claim = getattr(claims, name)(found)
        assert claim.verdict == "not tested here"
        assert "no row of that network" in claim.reason
    assert verdict_of(found, "batch_fits") == "agrees"
    assert faults.googlenet_parameters(found).text.startswith("not tested here")


def test_another_network_or_input_is_not_tested(evidence):
    def smaller(frames):
        frames["arms"]["input_size"] = frames["models"]["input_size"] = 32

    def renamed(frames):
        frames["weight_delta"]["tensor"] = "features." + frames["weight_delta"]["tensor"]

    assert verdict_of(evidence(smaller), "batch_fits") == "not tested here"
    assert verdict_of(evidence(smaller), "fewer_operations") == "not tested here"
    for name in ("scratch_changes", "pretrained_kernels_hardly_change", "nothing_before_fc"):
        assert verdict_of(evidence(renamed), name) == "not tested here"
    assert faults.own_scales(evidence(renamed)).value is None


# The faults


def test_every_fault_has_its_row(evidence):
    table = faults.faults_table(evidence())
    assert list(table.columns) == FAULTS.names
    assert table["fault"].tolist() == list(range(1, 18))
    assert (table[["notebook", "here", "effect"]] != "").all(axis=None)


def test_the_notebooks_test_loss_holds_five_times_the_train_loss():
    assert faults.notebook_test_loss(0.1, 0.7, 50_000, 10_000) == pytest.approx(1.2)


def test_the_bias_of_the_mean_is_that_of_the_batch_counts():
    assert faults.bias_of_the_mean(50_000) == pytest.approx(1563 / 1562.5 - 1)
    assert faults.bias_of_the_mean(10_000) == pytest.approx(313 / 312.5 - 1)
    assert faults.bias_of_the_mean(320) == 0


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("loss_not_reset", 5 * 0.76, "net1 0.900 instead of 0.500"),
        ("wrong_divisor", 0.16, "train loss is +0.032 % and its test loss +0.160 % off"),
        ("running_accuracy", 1.0, "net1 98.0 % and 99.0 %"),
        ("batchnorm_drifts", 128, "in net3 128 of 128 numbers of 1 BatchNorm layers drifted"),
        ("two_by_two", 87.5 - 79.4, "neither 79.4 % (78.6 to 80.2)"),
        ("no_interval", 0.784, "net1 80.0 ± 0.8 %, net2 94.0 ± 0.5 %"),
        ("own_scales", 50.0, "net1 10, net2 50 times"),
        ("typed_in_numbers", 1.0, "none with these data"),
        ("googlenet_parameters", 2.32, "inception_v3 with auxiliary heads 27,161,264 (2.32 times)"),
        (
            "no_validation",
            0.5,
            "above the last by net1 0.5, net2 0.2, net3 0.0 points; here too are no validation images",
        ),
    ],
)
def test_the_effect_is_the_number_that_follows_from_the_tables(evidence, name, value, text):
    effect = getattr(faults, name)(evidence())
    assert effect.value == pytest.approx(value, abs=5e-3)
    assert text in effect.text


def test_the_two_by_two_needs_its_four_arms(evidence):
    def without(frames):
        frames["arms"] = frames["arms"].iloc[:-1]

    assert faults.two_by_two(evidence(without)).value is None


@pytest.mark.parametrize(
    ("column", "value"), [("precision", "bfloat16"), ("keep", "best"), ("patience", 3), ("channels_last", 1)]
)
def test_an_arm_of_another_recipe_is_none_of_the_four(evidence, column, value):
    def another(frames):
        frames["arms"] = frames["arms"].astype({column: object})
        replaced("arms", {"arm": "last_layer_frozen"}, column, value)(frames)

    assert faults.two_by_two(evidence(another)).value is None


@pytest.mark.parametrize(("number", "column", "value"), [(6, "batchnorm", "frozen"), (7, "normalisation", "imagenet")])
def test_a_fault_that_the_recipe_fixes_is_called_fixed(evidence, number, column, value):
    fixed = replaced("arms", {"arm": "last_layer"}, column, value)
    kept = faults.faults_table(evidence()).set_index("fault").loc[number, "here"]
    here = faults.faults_table(evidence(fixed)).set_index("fault").loc[number, "here"]
    assert kept.startswith("kept as the lecture’s recipe")
    assert here.startswith("fixed: ")


def test_no_batchnorm_drifts_where_there_is_none(evidence):
    def without(frames):
        delta = frames["weight_delta"]
        frames["weight_delta"] = delta[delta["kind"] == "parameter"]

    assert faults.batchnorm_drifts(evidence(without)).value == 0


def test_validation_images_are_counted(evidence):
    images = {"train": 45_000, "validation": 5_000, "test": 10_000}
    assert faults.no_validation(evidence(images=images)).text.endswith("5,000 validation images here")


def test_the_epoch_chosen_by_the_test_images_is_never_the_one_before_training(evidence):
    change = replaced("history", {"epoch": 0}, "test_accuracy", 99.0)
    assert faults.no_validation(evidence(change)).value == pytest.approx(0.5)


def test_the_gain_of_choosing_an_epoch_is_a_mean_over_seeds(evidence):
    def second_seed(frames):
        """Its net1 is best after the last epoch."""
        history = frames["history"].assign(seed="1")
        history.loc[(history["arm"] == "scratch") & (history["epoch"] == 10), "test_accuracy"] = 90.0
        frames["history"] = pandas.concat([frames["history"], history])

    assert faults.no_validation(evidence(second_seed)).value == pytest.approx(0.25)


# The files


@pytest.fixture
def folder(tmp_path, evidence):
    found = evidence()
    tables = tables_of_mode(EVERY_EPOCH)
    for name, table in (found.tables | {"test_results": found.tables["runs"]}).items():
        table.reindex(columns=tables[name].names).to_csv(tmp_path / f"{name}.csv", index=False)
    found.sizes.to_csv(tmp_path / "sizes.csv", index=False)
    return tmp_path


def options(folder):
    settings = {"dataset": "cifar10", "weights": "torchvision", **OFFICIAL, "confidence": 0.95, "margin": 1.0}
    return {"tables": folder, "sizes": folder / "sizes.csv", **settings}


def test_the_tables_are_written_the_same_each_time(folder, evidence):
    written = []
    for name in ("first", "second"):
        out = folder / name
        check_claims(**options(folder), claims=out / "claims.csv", faults=out / "faults.csv")
        written.append([(out / f"{table}.csv").read_bytes() for table in ("claims", "faults")])
    assert written[0] == written[1]
    read = pandas.read_csv(folder / "first" / "claims.csv", dtype=str, keep_default_na=False)
    assert read.to_dict("list") == claims.claims_table(evidence()).to_dict("list")


def test_the_tables_of_networks_may_be_missing(folder):
    (folder / "architectures.csv").unlink()
    (folder / "largest_batch.csv").unlink()
    check_claims(**options(folder), claims=folder / "claims.csv", faults=folder / "faults.csv")
    verdicts = pandas.read_csv(folder / "claims.csv").set_index("claim")["verdict"]
    assert verdicts["GoogLeNet took larger images and a smaller batch"] == "not tested here"
    assert verdicts["far fewer floating point operations than GoogLeNet, so it trains faster"] == "not tested here"


def test_an_experiment_without_the_lectures_arms_is_refused(folder):
    arms = pandas.read_csv(folder / "arms.csv")
    arms[arms["arm"] != "finetune"].to_csv(folder / "arms.csv", index=False)
    with pytest.raises(InputError, match=r"arms\.csv: no arm finetune"):
        check_claims(**options(folder), claims=folder / "claims.csv", faults=folder / "faults.csv")
