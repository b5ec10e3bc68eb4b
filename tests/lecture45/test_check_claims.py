"""Every claim can go each way, and every fault's effect is the number that follows from the tables."""

import math
from dataclasses import replace
from pathlib import Path

import numpy
import pandas
import pytest

from triptych.analysis.intervals import wilson_interval
from triptych.lecture45 import claims, faults
from triptych.lecture45.check_claims import check_claims
from triptych.lecture45.evidence import ARMS, Evidence
from triptych.lecture45.kernels import Convolution, Kernels, read_kernels
from triptych.lecture45.schema import CLAIMS, FAULTS
from triptych.results.schema import EVERY_EPOCH, tables_of_mode
from triptych.storage.errors import InputError
from triptych.storage.tensors import save_tensors

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
TEST_LOSSES = {
    "scratch": [1.2, 1.0, 0.88, 0.8, 0.74, 0.7, 0.67, 0.65, 0.64, 0.63],
    "finetune": [0.25] * 10,
    "last_layer": [0.9, 0.8, 0.75, 0.72, 0.7, 0.68, 0.66, 0.65, 0.64, 0.63],
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
KERNELS = {
    "scratch": [Kernels(Convolution(0.1, 20.0), Convolution(0.1, 30.0), 64, 3)],
    "finetune": [
        Kernels(
            Convolution(0.5, 20.0),
            Convolution(0.5, 20.0),
            64,
            gradient_operators=45,
            visible=12,
            accents={"red": 40, "green": 12, "blue": 12},
            accent_colour=0.7,
        )
    ],
}


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


def wilson(accuracy, images=10_000):
    low, high = wilson_interval(round(accuracy * images / 100), images, 0.95)
    return {"test_accuracy_low": 100 * low, "test_accuracy_high": 100 * high}


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
            "test_loss": TEST_LOSSES[curve[arm]][epoch - 1] if epoch else 2.3,
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
                "total_parameters": 11_181_642,
                "train_accuracy": TRAIN_ACCURACY[curve[arm]][-1],
                "fit_accuracy": TRAIN_ACCURACY[curve[arm]][-1] + 1,
                "test_accuracy": final[arm],
            }
            for arm in arms
        ],
        "summary": [{"arm": arm, "n": 1, "test_accuracy_mean": final[arm], **wilson(final[arm])} for arm in arms],
        "comparisons": [
            dict(zip(("arm_a", "arm_b", "difference", "low", "high", "networks_p"), row, strict=True))
            | {"scope": "networks", "verdict": "undecided"}
            for row in (
                ("finetune", "scratch", 14.0, 13.0, 15.0, 1e-9),
                ("finetune", "last_layer", 14.6, 14.0, 15.0, 1e-9),
                ("scratch", "last_layer", 0.6, 0.2, 0.9, 0.07),
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
            {"arm": arm, "batch_size": size, "training_bytes": size * (8e6 if arm.startswith("last") else 2e7)}
            for arm in arms
            for size in (16, 32, 64)
        ],
    }


@pytest.fixture
def evidence():
    """A function that makes evidence; `change` may alter the tables first, other options replace its own."""

    def make(change=None, **options):
        frames = {name: pandas.DataFrame(rows) for name, rows in tables().items()}
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
        rows = [(split, f"class {label}", count // 10) for split, count in images.items() for label in range(10)]
        sizes = pandas.DataFrame(rows, columns=["split", "class", "images"])
        return Evidence(Path(), Path(), configuration, frames, sizes, **{**OFFICIAL, "kernels": KERNELS, **options})

    return make


RULES = {rule.__name__: rule for rule in claims.CLAIMS}


def verdict_of(found, name):
    return RULES[name](found).verdict


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


def final(arm, accuracy):
    """A change of an arm's last accuracy, in every table that has it."""

    def change(frames):
        replaced("history", {"arm": arm, "epoch": 10}, "test_accuracy", accuracy)(frames)
        replaced("runs", {"arm": arm}, "test_accuracy", accuracy)(frames)
        replaced("summary", {"arm": arm}, "test_accuracy_mean", accuracy)(frames)
        for column, value in wilson(accuracy).items():
            replaced("summary", {"arm": arm}, column, value)(frames)

    return change


def curve(arm, column, values):
    """A change of an arm's history from epoch 1 on; of accuracies on test images also of the final one."""

    def change(frames):
        for epoch, value in enumerate(values, start=1):
            replaced("history", {"arm": arm, "epoch": epoch}, column, value)(frames)
        if column == "test_accuracy":
            final(arm, values[-1])(frames)

    return change


def both(*changes):
    def change(frames):
        for one in changes:
            one(frames)

    return change


def kernels_with(arm, **changes):
    """The kernels of the runs, one of them with other numbers."""
    return {**KERNELS, arm: [replace(KERNELS[arm][0], **changes)]}


STEADILY = [93, 93.2, 93.3, 93.4, 93.5, 93.6, 93.7, 93.8, 93.9, 94]
RISING = [40, 46, 50, 53, 55, 57, 58.5, 59.5, 60.2, 60.7]
SETTLED = [60, 66, 70, 72, 72.5, 72.8, 73.2, 73.0, 73.1, 72.9]


def test_the_lectures_own_numbers_agree_but_for_what_they_cannot_say(evidence):
    table = claims.claims_table(evidence())
    assert list(table.columns) == CLAIMS.names
    assert table["at"].tolist() == sorted(table["at"])
    verdicts = dict(zip(table["claim"], table["verdict"], strict=True))
    assert {claim: verdict for claim, verdict in verdicts.items() if verdict != "agrees"} == {
        "about 2.5 times fewer parameters than GoogLeNet (torchvision’s Inception v3)": "disagrees",
        "so it trains faster than GoogLeNet": "not tested here",
        "net3 is still rising, much below 80 %": "disagrees",
        "net3 is at about 80 % (14:33) and much below 80 % (16:28)": "disagrees",
        "GoogLeNet needed three or four epochs": "not tested here",
        "so soon because residual connections leave only a small difference to be learnt": "not tested here",
        "with little memory or no GPU train only the last layer, longer: it will still come to a convergence": (
            "not tested here"
        ),
    }


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("batch_fits", replaced("memory", {"batch_size": 32}, "training_bytes", 3e9)),
        ("weight_file", replaced("models", {}, "file_bytes", 46e6)),
        ("eleven_million", replaced("models", {}, "parameters", 21.8e6)),
        ("fewer_operations", replaced("models", {}, "macs", 4.1e9)),
        ("first_epoch", replaced("history", {"arm": "scratch", "epoch": 1}, "train_loss", 1.5)),
        ("first_epoch", replaced("history", {"arm": "scratch", "epoch": 1}, "test_accuracy", 72.0)),
        ("train_error_of_net3", replaced("history", {"arm": "finetune", "epoch": 1}, "train_loss", 1.5)),
        ("train_error_of_net3", replaced("history", {"arm": "finetune", "epoch": 1}, "train_accuracy", 55.0)),
        ("tie_of_net1_and_net3", final("scratch", 84.0)),
        ("tie_of_net1_and_net3", replaced("comparisons", {"arm_a": "scratch"}, ["low", "high"], [1.5, 3])),
        ("tie_of_net1_and_net3", replaced("comparisons", {"arm_b": "last_layer"}, ["low", "high"], [-0.5, 0.5])),
        ("losses_fall", curve("scratch", "test_loss", [1.3, 0.9, 0.75, 0.7, 0.72, 0.78, 0.85, 0.92, 0.97, 1.04])),
        ("losses_fall", curve("scratch", "train_loss", [0.9, 0.6, 0.5, 0.45, 0.5, 0.55, 0.62, 0.7, 0.77, 0.85])),
        ("net1_overfits", replaced("history", {"arm": "scratch", "epoch": 10}, "train_accuracy", 95.0)),
        ("net1_overfits", replaced("history", {"arm": "scratch", "epoch": 5}, "train_accuracy", 75.0)),
        ("net1_overfits", curve("scratch", "test_accuracy", [60, 68, 73, 76, 77, 78, 79, 79.5, 80, 80.5])),
        ("net1_overfits", curve("scratch", "test_accuracy", [60, 68, 71, 70, 71, 70, 71, 70.5, 71, 70])),
        ("net2_saturates", replaced("history", {"arm": "finetune", "epoch": 1}, "test_accuracy", 80.0)),
        ("net2_saturates", final("finetune", 96.0)),
        (
            "net2_saturates",
            curve("finetune", "test_accuracy", [93, 93.2, 93.3, 93.4, 93.5, 93.6, 93.7, 93.8, 93.9, 94]),
        ),
        (
            "overfitting_does_not_hurt",
            curve("finetune", "test_accuracy", [93, 94, 95, 95, 94.5, 94, 93.5, 93, 92.6, 92]),
        ),
        (
            "overfitting_does_not_hurt",
            curve("finetune", "test_loss", [0.3, 0.25, 0.24, 0.25, 0.27, 0.29, 0.31, 0.33, 0.34, 0.36]),
        ),
        ("overfitting_does_not_hurt", curve("finetune", "train_accuracy", [80.0] * 10)),
        ("two_epochs_are_enough", replaced("history", {"arm": "finetune", "epoch": 2}, "test_accuracy", 90.0)),
        ("scratch_changes", replaced("weight_delta", {"arm": "scratch"}, "delta_norm", 0.1)),
        ("pretrained_kernels_hardly_change", replaced("weight_delta", {"arm": "finetune"}, "near_zero_fraction", 0.28)),
        ("pretrained_kernels_hardly_change", replaced("weight_delta", {"arm": "finetune"}, "max_abs_delta", 0.009)),
        ("nothing_before_fc", replaced("weight_delta", {"arm": "last_layer"}, "unchanged_fraction", 0.5)),
        ("nothing_before_fc", replaced("weight_delta", {"arm": "finetune"}, "unchanged_fraction", 1.0)),
    ],
)
def test_a_claim_is_disagreed_with_where_the_numbers_are_others(evidence, name, change):
    assert verdict_of(evidence(), name) == "agrees"
    assert verdict_of(evidence(change), name) == "disagrees"
    # the same numbers on other files than the published ones: such a run may disagree as well as agree
    assert verdict_of(evidence(official_dataset=False, official_weights=False), name) == "agrees"
    assert verdict_of(evidence(change, official_dataset=False, official_weights=False), name) == "disagrees"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("first_epoch", replaced("history", {"arm": "scratch", "epoch": 1}, "test_accuracy", 65.8)),
        ("first_epoch", replaced("history", {"arm": "scratch", "epoch": 1}, "train_loss", 1.39)),
        ("tie_of_net1_and_net3", replaced("comparisons", {"arm_a": "scratch"}, ["low", "high"], [-0.3, 1.5])),
        ("tie_of_net1_and_net3", final("scratch", 82.3)),
        ("tie_of_net1_and_net3", replaced("comparisons", {"arm_a": "finetune"}, ["low", "high"], [4.0, 6.0])),
        ("losses_fall", curve("scratch", "test_loss", [1.0, 0.9, 1.1, 0.95, 1.0, 0.9, 1.05, 0.9, 1.0, 0.95])),
        ("net2_saturates", replaced("history", {"arm": "finetune", "epoch": 1}, "test_accuracy", 92.2)),
        ("overfitting_does_not_hurt", curve("finetune", "test_accuracy", [93, 95, 93, 95.5, 93, 95, 92, 95, 93, 94])),
        ("two_epochs_are_enough", replaced("history", {"arm": "finetune", "epoch": 2}, "test_accuracy", 93.2)),
    ],
)
def test_a_claim_is_undecided_where_interval_or_noise_allow_either(evidence, name, change):
    found = RULES[name](evidence(change))
    assert found.verdict == "undecided"
    assert "open: " in found.reason and "no: " not in found.reason


def test_a_number_is_tested_to_the_digits_that_are_said(evidence):
    """Fault 16 calls 2.5 times a fault; so does the claim."""
    found = evidence()
    assert verdict_of(found, "fewer_than_googlenet") == "disagrees"
    assert "2.32 times with" in RULES["fewer_than_googlenet"](found).number
    networks = found.tables["architectures"].copy()
    networks.loc[networks["architecture"] == "inception_v3", "parameters"] = 29_691_360
    assert verdict_of(evidence(architectures=networks), "fewer_than_googlenet") == "agrees"
    networks.loc[networks["architecture"] == "inception_v3", "parameters"] = 29_925_151
    assert verdict_of(evidence(architectures=networks), "fewer_than_googlenet") == "disagrees"


def test_three_nets_fit_with_the_graph_of_net3_kept(evidence):
    """The notebook does not freeze net3's trunk: it holds what net2 holds, but for Adam's moments of the trunk."""
    found = evidence()
    memory = 3 * 32 * 2e7 - 8 * (11_181_642 - 5_130)
    assert f"{memory / 2**30:.2f} GiB computed for training the three" in RULES["batch_fits"](found).number
    # with the trunk frozen they fit, with the graph kept they do not
    large = both(
        replaced("memory", {"batch_size": 32}, "training_bytes", 2.8e9),
        replaced("memory", {"arm": "last_layer"}, "training_bytes", 1e8),
    )
    assert verdict_of(evidence(large), "batch_fits") == "disagrees"


def test_rising_and_converged_exclude_each_other(evidence):
    """16:28 and 22:22 ask one curve one question."""
    for values, rises in ((RISING, True), (SETTLED, False)):
        found = evidence(curve("last_layer", "test_accuracy", values))
        assert (verdict_of(found, "net3_rises") == "agrees") is rises
        assert verdict_of(found, "last_layer_converges") == ("not tested here" if rises else "agrees")


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([60, 66, 70, 73, 74, 73, 71, 69, 67, 65], "disagrees"),  # it falls again
        ([60, 66, 70, 72, 73, 71, 74, 71, 74, 72], "undecided"),  # it wavers by more than the margin
        ([10, 10.2, 9.9, 10.1, 10, 10.2, 9.8, 10.1, 10, 10.1], "undecided"),  # it has learnt nothing
        ([60, 66, 70, 70.1, 70.2], "not tested here"),
    ],
)
def test_convergence_is_of_a_curve_that_has_learnt_and_settled(evidence, values, verdict):
    def change(frames):
        frames["history"] = frames["history"][frames["history"]["epoch"] <= len(values)]
        for epoch, value in enumerate(values, start=1):
            replaced("history", {"arm": "last_layer", "epoch": epoch}, "test_accuracy", value)(frames)
        for column, end in wilson(values[-1]).items():
            replaced("summary", {"arm": "last_layer"}, column, end)(frames)

    assert verdict_of(evidence(change), "last_layer_converges") == verdict


def test_any_run_tests_convergence(evidence):
    change = both(curve("last_layer", "test_accuracy", SETTLED), replaced("arms", {}, "learning_rate", 1e-3))
    assert verdict_of(evidence(change), "last_layer_converges") == "agrees"


@pytest.mark.parametrize("accuracy", [60, 74.2, 76, 78, 80, 82, 90])
def test_no_run_agrees_with_both_words_on_net3(evidence, accuracy):
    values = [*RISING[:-1], accuracy]
    found = evidence(curve("last_layer", "test_accuracy", values))
    verdicts = {name: verdict_of(found, name) for name in ("tie_of_net1_and_net3", "net3_rises", "two_words_on_net3")}
    assert list(verdicts.values()).count("agrees") <= 1
    assert verdicts["two_words_on_net3"] in ("disagrees", "undecided")


def test_the_true_test_loss_rises_where_the_notebook_draws_it_falling(evidence):
    rises = curve("scratch", "test_loss", [1.3, 0.9, 0.75, 0.7, 0.72, 0.78, 0.85, 0.92, 0.97, 1.04])
    number = RULES["losses_fall"](evidence(rises)).number
    assert "lowest 0.700 (epoch 4), at the end 1.040" in number
    assert "6.100, then 3.300, at the end 1.440" in number  # 5 times the train loss more
    hidden = "net1’s rises from 0.700 (epoch 4) to 1.040 and is drawn falling from 3.300 to 1.440"
    assert hidden in faults.loss_not_reset(evidence(rises)).text
    assert "net1’s rises" not in faults.loss_not_reset(evidence()).text


# The kernels


@pytest.mark.parametrize(
    ("name", "arm", "kernels", "verdict"),
    [
        ("scratch_changes", "scratch", {"first": Convolution(10.0, 20.0)}, "disagrees"),
        ("scratch_changes", "scratch", {"second": Convolution(0.1, 0.5)}, "undecided"),
        ("scratch_changes", "scratch", {"first": Convolution(0.1, None)}, "not tested here"),
        ("gradient_operators", "finetune", {"gradient_operators": 32}, "disagrees"),
        ("gradient_operators", "finetune", {"gradient_operators": None}, "not tested here"),
        ("pretrained_kernels_hardly_change", "finetune", {"accent_colour": 0.3}, "disagrees"),
        (
            "pretrained_kernels_hardly_change",
            "finetune",
            {"accents": {"red": 25, "green": 20, "blue": 19}},
            "undecided",
        ),
        ("pretrained_kernels_hardly_change", "finetune", {"accents": None}, "not tested here"),
        ("pretrained_kernels_hardly_change", "finetune", {"first": Convolution(5.0)}, "disagrees"),
    ],
)
def test_claims_about_pictures_go_by_the_kernels(evidence, name, arm, kernels, verdict):
    assert verdict_of(evidence(), name) == "agrees"
    assert verdict_of(evidence(kernels=kernels_with(arm, **kernels)), name) == verdict


def test_gradient_operators_are_of_imagenet_weights(evidence):
    found = RULES["gradient_operators"](evidence(weights="letters"))
    assert (found.verdict, found.reason[:32]) == ("not tested here", "the pretrained weights are from ")


def test_a_part_that_fails_decides_whatever_is_not_measured(evidence):
    change = replaced("weight_delta", {"arm": "finetune"}, "near_zero_fraction", 0.28)
    found = RULES["pretrained_kernels_hardly_change"](evidence(change, kernels={}))
    assert found.verdict == "disagrees"
    assert "no: near zero in most places" in found.reason and "not measured: in certain colours" in found.reason


def test_networks_are_compared_with_heads_of_the_same_size(evidence):
    networks = evidence().tables["architectures"]
    networks.loc[networks["architecture"] == "resnet18", "parameters"] = 10_864_506
    assert verdict_of(evidence(architectures=networks), "fewer_than_googlenet") == "agrees"  # 2.50 times
    without = networks[networks["architecture"] != "resnet18"]
    assert "2.43 times with" in RULES["fewer_than_googlenet"](evidence(architectures=without)).number


OF_THE_RECIPE = (
    "first_epoch",
    "train_error_of_net3",
    "tie_of_net1_and_net3",
    "losses_fall",
    "net1_overfits",
    "net2_saturates",
    "overfitting_does_not_hurt",
    "net3_rises",
    "two_words_on_net3",
    "two_epochs_are_enough",
    "scratch_changes",
    "pretrained_kernels_hardly_change",
)


@pytest.mark.parametrize(
    ("options", "different"),
    [
        ({"dataset": "digits"}, "the images are digits, not cifar10"),
        ({"weights": "letters"}, "the pretrained weights are from letters, not torchvision"),
        ({"images": {"train": 50_000, "validation": 0, "test": 200}}, "test images 200, not 10,000"),
        ({"change": replaced("arms", {"arm": "last_layer"}, "learning_rate", 1e-3)}, "learning rate 0.001, not 0.0001"),
        ({"change": replaced("arms", {}, "epochs", 2)}, "epochs 2, not 10"),
        ({"change": replaced("arms", {"arm": "last_layer"}, "batchnorm", "frozen")}, "BatchNorm frozen, not train"),
    ],
)
def test_another_run_gives_numbers_and_no_verdict_on_what_ten_epochs_reach(evidence, options, different):
    found = evidence(**options)
    for name in OF_THE_RECIPE:
        claim = RULES[name](found)
        assert claim.verdict == "not tested here"
        assert (claim.reason, claim.different) == ("another run than the lecture’s", different)
        assert claim.number
    for name in (
        *("batch_fits", "smaller_batch", "weight_file", "eleven_million", "fewer_operations", "nothing_before_fc"),
    ):
        assert verdict_of(found, name) == "agrees"


@pytest.mark.parametrize(
    ("option", "different"),
    [
        ("official_dataset", "the archive of the images is not the official file"),
        ("official_weights", "the file of the pretrained weights is not torchvision’s"),
    ],
)
def test_other_files_are_named_beside_the_verdict(evidence, option, different):
    found = evidence(**{option: False})
    for name in OF_THE_RECIPE:
        claim = RULES[name](found)
        assert claim.verdict in ("agrees", "disagrees")
        assert claim.different == different


def test_a_short_run_neither_agrees_nor_disagrees_with_what_ten_epochs_change(evidence):
    little = replaced("weight_delta", {"arm": "scratch"}, "delta_norm", 0.1)
    for change in (None, little):
        short = both(replaced("arms", {}, "epochs", 2), *filter(None, [change]))
        assert verdict_of(evidence(short), "scratch_changes") == "not tested here"


def test_the_batch_before_is_judged_by_what_fits(evidence):
    found = RULES["smaller_batch"](evidence())
    assert found.number.endswith("352 at 224 px; Inception v3 76 at 299 px")
    batches = evidence().tables["largest_batch"]
    more = batches.assign(largest_batch=batches["largest_batch"].where(batches["auxiliary"] == 0, 400))
    assert verdict_of(evidence(largest_batch=more), "smaller_batch") == "disagrees"
    for without in (batches[batches["auxiliary"] == 0], batches[batches["memory_gb"] == 4]):
        claim = RULES["smaller_batch"](evidence(largest_batch=without))
        assert (claim.verdict, claim.reason[:6]) == ("not tested here", "no row")


def test_without_the_other_networks_their_claims_are_not_tested(evidence):
    found = evidence(architectures=evidence().tables["architectures"].iloc[:1])
    for name in ("fewer_than_googlenet", "fewer_operations"):
        claim = RULES[name](found)
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
        ("loss_not_reset", 5 * 0.76, "net1 1.030 instead of 0.630"),
        ("wrong_divisor", 0.16, "train loss is +0.032 % and its test loss +0.160 % off"),
        ("running_accuracy", 1.0, "net1 98.0 % and 99.0 %"),
        ("batchnorm_drifts", 128, "in net3 128 of 128 numbers of 1 BatchNorm layers drifted"),
        ("two_by_two", 87.5 - 79.4, "neither 79.4 % (78.6 to 80.2)"),
        ("no_interval", 0.784, "net1 80.0 ± 0.8 %, net2 94.0 ± 0.5 %"),
        ("no_interval", 0.784, "these two networks are not told apart (p = 0.07, exact McNemar test); with one seed"),
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


@pytest.mark.parametrize(
    ("columns", "follows"),
    [
        ({"networks_p": 1e-9}, "these two networks differ (p < 0.001, exact McNemar test); with one seed, another may"),
        ({"networks_p": math.nan}, "one run: another seed may change this"),
        ({"scope": "two seeds"}, "two seeds are too few for a verdict"),
        ({"scope": "arms", "verdict": "equivalent"}, "): equivalent"),
    ],
)
def test_what_follows_from_the_comparison_depends_on_the_seeds(evidence, columns, follows):
    change = both(*(replaced("comparisons", {"arm_a": "scratch"}, name, value) for name, value in columns.items()))
    assert follows in faults.no_interval(evidence(change)).text


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
    """The folder of tables, beside the kernels of the three nets."""
    found, folder = evidence(), tmp_path / "tables"
    folder.mkdir()
    tables = tables_of_mode(EVERY_EPOCH)
    for name, table in (found.tables | {"test_results": found.tables["runs"]}).items():
        table.reindex(columns=tables[name].names).to_csv(folder / f"{name}.csv", index=False)
    found.sizes.to_csv(folder / "sizes.csv", index=False)
    for arm in ARMS:
        save_kernels(tmp_path / "runs" / arm / "seed0" / "kernels.safetensors")
    return folder


def save_kernels(path, before=None, after=None):
    """Kernels of a run: of both convolutions, noise and other noise unless they are given."""
    random = numpy.random.default_rng(0)
    shapes = {"first_convolution": (8, 3, 7, 7), "first_3x3_convolution": (8, 8, 3, 3)}
    tensors = {}
    for name, shape in shapes.items():
        tensors[f"{name}_initial"] = random.normal(size=shape).astype(numpy.float32) if before is None else before[name]
        tensors[f"{name}_trained"] = random.normal(size=shape).astype(numpy.float32) if after is None else after[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, tensors, {})


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
    kernels = {arm: [read_kernels(folder.parent / "runs" / arm / "seed0" / "kernels.safetensors")] for arm in ARMS}
    assert read.to_dict("list") == claims.claims_table(evidence(kernels=kernels)).to_dict("list")


def test_the_tables_of_networks_may_be_missing(folder):
    (folder / "architectures.csv").unlink()
    (folder / "largest_batch.csv").unlink()
    check_claims(**options(folder), claims=folder / "claims.csv", faults=folder / "faults.csv")
    verdicts = pandas.read_csv(folder / "claims.csv").set_index("claim")["verdict"]
    assert verdicts["GoogLeNet took larger images and a smaller batch"] == "not tested here"
    assert verdicts["far fewer floating point operations than GoogLeNet"] == "not tested here"


def test_missing_kernels_are_named(folder):
    (folder.parent / "runs" / "scratch" / "seed0" / "kernels.safetensors").unlink()
    with pytest.raises(InputError, match=r"scratch/seed0/kernels\.safetensors: missing"):
        check_claims(**options(folder), claims=folder / "claims.csv", faults=folder / "faults.csv")


def test_an_experiment_without_the_lectures_arms_is_refused(folder):
    arms = pandas.read_csv(folder / "arms.csv")
    arms[arms["arm"] != "finetune"].to_csv(folder / "arms.csv", index=False)
    with pytest.raises(InputError, match=r"arms\.csv: no arm finetune"):
        check_claims(**options(folder), claims=folder / "claims.csv", faults=folder / "faults.csv")
