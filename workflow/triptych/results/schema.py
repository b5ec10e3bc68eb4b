"""Every table that the workflow writes, declared once: what a row is, and what each column holds.

Writers check against it and readers take types from it (`triptych.results.tables`). The rules, the report with its
legends, the captions of Snakemake's report and the manifest read it as well. It is no part of a command's code digest
(`triptych.storage.code_digest`), so that a new table runs nothing but its writer.
"""

from dataclasses import dataclass, replace
from typing import Literal

from triptych.configuration.training import RECIPE

Kind = Literal["text", "whole number", "number"]
TEXT: Kind = "text"
"""Read exactly as written: a class may be named `01` or `NA`. Seeds are names, too."""
WHOLE: Kind = "whole number"
NUMBER: Kind = "number"
"""Empty cells of numbers are read as NaN."""

PERCENT, NATS, POINTS, PIXELS, BYTES, SECONDS = "%", "nats", "points", "px", "bytes", "s"
MACS = "multiply-accumulates"

Mode = Literal["after_decision", "every_epoch", "unopened", "no_test"]
"""When test images are evaluated: once, after the decision; after every epoch; not yet, in a partial report of an
experiment whose test images are opened after the decision; or never, since there are none (with folds alone)."""
AFTER_DECISION: Mode = "after_decision"
EVERY_EPOCH: Mode = "every_epoch"
UNOPENED: Mode = "unopened"
NO_TEST: Mode = "no_test"
MODES: tuple[Mode, ...] = (AFTER_DECISION, EVERY_EPOCH, UNOPENED, NO_TEST)
TESTED: tuple[Mode, ...] = (AFTER_DECISION, EVERY_EPOCH)
"""The modes in which there are test results of the finished runs."""


OUT_OF_FOLD = "out_of_fold"
"""With folds, the images that decide: every image as the network predicts it that did not train on it."""


def curve_split(mode: Mode) -> str:
    """Return the split that learning curves are of."""
    return "test" if mode == EVERY_EPOCH else "validation"


VERDICTS = ("better", "equivalent", "undecided")
"""Of a comparison of two arms."""

METRICS = ("accuracy", "balanced_accuracy")
"""What may decide between arms: the setting `comparison.metric`."""
IMBALANCED = 1.5
"""A split is imbalanced if its largest class has more than this many times the images of its smallest."""

OF_ARMS, OF_TWO_SEEDS, OF_NETWORKS = SCOPES = ("arms", "two seeds", "networks")
"""What a comparison is about. Arms: three or more seeds on both sides. Two seeds: too few for a verdict on arms.
Networks: an arm has a single run, and another seed may change the result."""


@dataclass(frozen=True)
class Column:
    """A column: its name in the file, its type, what it holds, and its unit.

    `title` heads it in the report where that is not its name. The cells of an `optional` column may be empty. It exists
    in the `modes` alone, and if it is `of_folds` only in experiments with folds.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    title: str = ""
    optional: bool = False
    modes: tuple[Mode, ...] = MODES
    of_folds: bool = False

    @property
    def heading(self) -> str:
        return self.title or self.name.replace("_", " ")


@dataclass(frozen=True)
class Table:
    """A table: what it holds, what one row of it is, and its columns in the order of the file.

    Attributes:
        rule: the rule that writes it.
        path: the file below the experiment's folder; names in braces are wildcards.
        category, label: where Snakemake's report shows it; without a category it does not.
        measured: holds measured times or memory, so that it differs from one execution to the next.
        needs_runs: is made from the runs, so that a partial report has its own.
        of_claims: belongs to experiments with `claims`, and to no partial report.
        may_be_empty: may have no rows.
        for_download: has a row for every image and run; the report offers it, and does not read it.
        modes: those in which it exists.
    """

    name: str
    rule: str
    title: str
    row: str
    columns: tuple[Column, ...]
    path: str = "tables/{name}.csv"
    category: str = ""
    label: str = ""
    measured: bool = False
    needs_runs: bool = True
    of_claims: bool = False
    may_be_empty: bool = False
    for_download: bool = False
    modes: tuple[Mode, ...] = MODES

    def in_mode(self, mode: Mode, folds: bool = False) -> "Table":
        """Return the table with the columns that it has in a mode, with or without folds."""
        there = [column for column in self.columns if mode in column.modes and (folds or not column.of_folds)]
        return replace(self, columns=tuple(there))

    @property
    def file(self) -> str:
        """The file below the experiment's folder."""
        return self.path.replace("{name}", self.name)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def in_partial(self) -> bool:
        """Whether a partial report has its own."""
        return self.needs_runs and not self.of_claims

    def __getitem__(self, name: str) -> Column:
        return {column.name: column for column in self.columns}[name]


def text(name: str, meaning: str, title: str = "", optional: bool = False) -> Column:
    return Column(name, TEXT, meaning, title=title, optional=optional)


def whole(name: str, meaning: str, unit: str = "", title: str = "", optional: bool = False) -> Column:
    return Column(name, WHOLE, meaning, unit, title, optional)


def number(name: str, meaning: str, unit: str = "", title: str = "", optional: bool = False) -> Column:
    return Column(name, NUMBER, meaning, unit, title, optional)


ARM = text("arm", "The name of the arm in the configuration.")
LABEL = text("label", "The label of the arm.", optional=True)
SEED = text("seed", "The seed of the run.")
FOLD = Column(
    "fold",
    WHOLE,
    "With dataset.folds: the number of the fold that it held out; those of the next repeat follow.",
    of_folds=True,
)
VALIDATED = Column(
    "validation_images",
    WHOLE,
    "With dataset.folds: how many images its validation values are of.",
    of_folds=True,
)
ARCHITECTURE = text("architecture", "torchvision’s name of the architecture.", "network")
INPUT_SIZE = whole("input_size", "Height and width of the images that the network is fed.", PIXELS)
CLASS = text("class", "The class, as the data set names it.")
SPLIT = text("split", "train (to train on), validation (for model selection) or test.")
DEVICE = text("device", "cpu or cuda.")
DEVICE_NAME = text("device_name", "The name that the device reports.", "device", optional=True)
EPOCH = whole("epoch", "The epoch; 0 is before training.")
KEPT = whole("kept", "1 for the epoch whose weights are the run’s, else 0.")
TRAINED = text("train", "all: every parameter. head: the last layer only.", "trains")
AUXILIARY = whole(
    "auxiliary", "1 with auxiliary heads, second heads that run in training only; 0 without.", optional=True
)
ROLE = text("role", "arm, or control: an arm that nothing is chosen from.")


def _losses(split: str, which: str, optional: bool = True) -> tuple[Column, Column]:
    """The columns with loss and accuracy of a split."""
    return (
        number(f"{split}_loss", f"Cross-entropy {which}.", NATS, optional=optional),
        number(f"{split}_accuracy", f"Accuracy {which}.", PERCENT, optional=optional),
    )


BALANCED = "Balanced test accuracy: the mean of the recalls of all classes."

REESTIMATED = "reestimated_"
"""Begins the columns of losses and accuracies with re-estimated statistics of BatchNorm."""
WITH_NEW_STATISTICS = (
    "with BatchNorm’s statistics re-estimated on training images; empty where these do not lag and are kept"
)
TRAINING_CURVES = (
    *_losses("train", "over the training batches of the epoch, while the network learns"),
    *_losses("validation", "on the validation images after the epoch, in eval mode"),
    number(
        "selection_accuracy",
        "Accuracy on the half of the validation images that the epoch is chosen on, with the BatchNorm statistics that "
        "are kept; empty where no epoch is chosen.",
        PERCENT,
        optional=True,
    ),
    *_losses(f"{REESTIMATED}validation", f"on the validation images after the epoch, {WITH_NEW_STATISTICS}"),
)
CURVES = (
    *TRAINING_CURVES,
    *(
        replace(column, modes=(EVERY_EPOCH,))
        for column in (
            *_losses("test", "on the test images after the epoch, in eval mode", optional=False),
            *_losses(f"{REESTIMATED}test", f"on the test images after the epoch, {WITH_NEW_STATISTICS}"),
        )
    ),
)
FIT = _losses("fit", "on the training images in eval mode, after the epoch that is kept")

LAYER_COLUMNS = (
    ARCHITECTURE,
    text("layer", "The layer’s name in torchvision’s module; empty for the network’s own parameters.", optional=True),
    text("type", "Its class."),
    text("output_shape", "Shape of its output for one image: channels x height x width.", "output", optional=True),
    whole("parameters", "Its own parameters."),
    whole("macs", "Its multiply-accumulates for one image.", MACS, "operations"),
    whole("activation_bytes", "Memory of its output for one image in float32.", BYTES, "activations"),
    INPUT_SIZE,
    whole("output_height", "Height of its output; empty if that is no feature map.", PIXELS, optional=True),
    whole("output_width", "Width of its output.", PIXELS, optional=True),
    number(
        "in_padding",
        "Share of its kernel’s positions that only meet padding, 0 to 1; empty if it is no convolution.",
        optional=True,
    ),
)
DELTA_COLUMNS = (
    text("tensor", "The name of the parameter or buffer."),
    text("kind", "parameter or buffer."),
    whole("size", "Its number of elements."),
    number("initial_norm", "Its Euclidean norm before training."),
    number("delta_norm", "The Euclidean norm of its change: after minus before training."),
    number("relative_delta", "delta_norm / initial_norm; empty where only initial_norm is 0.", optional=True),
    number("cosine", "Cosine of the angle between before and after; empty where either is all zero.", optional=True),
    number("max_abs_delta", "The largest absolute change of an element."),
    number("unchanged_fraction", "Share of the elements that are exactly unchanged, 0 to 1."),
    number(
        "near_zero_fraction",
        "Share of the elements that changed by less than a thousandth of the tensor’s largest weight, 0 to 1.",
    ),
    text("block", "The block of layers that it belongs to."),
    text(
        "role",
        "weight or bias (of a convolution, a linear layer or attention); normalisation: a scale or shift; other: any "
        "other parameter; statistic: a running mean or variance; constant: any other buffer.",
    ),
)
KERNEL_CHANGE_COLUMNS = (
    text("convolution", "Which convolution: the first one."),
    text("tensor", "The name of its weight."),
    number(
        "brightness_share", "Share of the squared change that is common to the three colours, 0 to 1.", optional=True
    ),
    number("colour_share", "The rest of it, 0 to 1; both are empty where nothing changed.", optional=True),
)
MEMORY_COLUMNS = (
    whole("batch_size", "Images in a batch.", title="batch size"),
    whole(
        "training_bytes", "Computed memory of training: weights, gradients, optimiser, activations.", BYTES, "training"
    ),
    whole("inference_bytes", "Computed memory of inference: weights and activations.", BYTES, "inference"),
)
COST_COLUMNS = (
    DEVICE,
    DEVICE_NAME,
    number("seconds", "Wall time of the command to the end of training, without imports.", SECONDS, "time"),
    number(
        "images_per_second",
        "Training images a second while it trains; from features, where these are cached.",
        title="images/s",
        optional=True,
    ),
    whole("peak_memory_bytes", "Peak memory in use.", BYTES, "memory", optional=True),
    number("training_seconds", "The part of it in training steps.", SECONDS, "training"),
    number("evaluation_seconds", "The part of it in evaluations.", SECONDS, "evaluation"),
    number(
        "features_seconds",
        "Time in which its cached features were computed, once for all its seeds.",
        SECONDS,
        "features",
    ),
)

INDEX = Table(
    "index",
    "prepare_dataset",
    "origin of every image",
    "an image",
    (
        SPLIT,
        whole("row", "Its position in the split, from 0."),
        text("name", "Its name in the source."),
        text("sha256", "SHA-256 of its pixels; for images of your own, of its file."),
        CLASS,
        text("group", "Its group, such as one writer; a group is in one split.", optional=True),
        text("changes", "What was done to it when it was decoded, such as orientation or cmyk.", optional=True),
    ),
    path="data/{name}.csv",
    needs_runs=False,
)
LEFT_OUT = Table(
    "left_out",
    "prepare_dataset",
    "files that were left out",
    "a file that cannot be used, left out under policy: quarantine",
    (
        text("path", "Its path, from the data set's folder."),
        text("class", "Its class.", optional=True),
        text("problem", "Why it cannot be used."),
    ),
    path="data/{name}.csv",
    needs_runs=False,
    may_be_empty=True,
)
LEAKS = Table(
    "leaks",
    "prepare_dataset",
    "test and validation images that have a counterpart in another split",
    "an image of test, or of validation, and another split that has a counterpart of it",
    (
        text("split", "The split of the image: test or validation."),
        whole("row", "Its position in the split, from 0."),
        text("path", "Its path, from the data set’s folder."),
        CLASS,
        text("kind", "The counterpart, the strongest first: exact (equal pixels), near (a near-duplicate) or group."),
        text("other_split", "The split of the counterpart: train or validation."),
        text("other_path", "The path of the counterpart; of several of a kind, the smallest by code point."),
        text("other_class", "The class of the counterpart."),
    ),
    path="data/{name}.csv",
    needs_runs=False,
    may_be_empty=True,
)
IMAGES = Table(
    "images",
    "check_data",
    "every image of the user's files that can be used",
    "an image",
    (
        text("path", "Its path, from the data set's folder; begins with ./."),
        CLASS,
        text("split", "The split that was given: train, validation or test.", optional=True),
        text("group", "The group that was given.", optional=True),
        text("sha256", "SHA-256 of the file."),
        text("pixels", "SHA-256 of the stored pixels; the same for exact duplicates."),
        whole("bytes", "Size of the file.", BYTES),
        text("format", "The file's format, as Pillow names it."),
        whole("width", "Width after orientation.", PIXELS),
        whole("height", "Height after orientation.", PIXELS),
        text("mode", "The file's pixel mode, as Pillow names it."),
        text("changes", "What was done to it when it was decoded, separated by spaces.", optional=True),
        number("brightness", "Mean luminance of the stored pixels, 0 to 255."),
        number("contrast", "Standard deviation of their luminance."),
        number("sharpness", "Variance of the Laplacian of their luminance."),
        number("red", "Mean of the red channel, 0 to 255."),
        number("green", "Mean of the green channel, 0 to 255."),
        number("blue", "Mean of the blue channel, 0 to 255."),
        text("phash", "Perceptual hash of a small grey rendition: 16 hexadecimal digits."),
        text("dhash", "Difference hash of the same rendition: 16 hexadecimal digits."),
    ),
    path="data/{name}.csv",
    needs_runs=False,
    may_be_empty=True,
)
PROBLEMS = Table(
    "problems",
    "check_data",
    "everything that is wrong with the user's files",
    "a problem",
    (
        text("kind", "file: one file cannot be used; dataset: the whole cannot be used."),
        text("path", "The file or folder, from the data set's folder; begins with ./.", optional=True),
        text("class", "Its class.", optional=True),
        text("problem", "What is wrong."),
        text("remedy", "What to do."),
    ),
    path="data/{name}.csv",
    needs_runs=False,
    may_be_empty=True,
)
IGNORED = Table(
    "ignored",
    "check_data",
    "files that are no images and were ignored",
    "a file or folder",
    (text("path", "Its path, from the data set's folder; begins with ./."), text("reason", "Why it is ignored.")),
    path="data/{name}.csv",
    needs_runs=False,
    may_be_empty=True,
)
PAIRS = Table(
    "pairs",
    "find_duplicates",
    "pairs of images that are the same picture, or nearly so",
    "two images; of a set of exact duplicates each one and the next, and only the first of them in near pairs",
    (
        text("kind", "exact: the stored pixels are the same; near: they are alike."),
        text("first", "The path of the one that comes first by code point."),
        text("second", "The path of the other one."),
        text("first_class", "The class of the first."),
        text("second_class", "The class of the second."),
        text("first_split", "The split that was given to the first.", optional=True),
        text("second_split", "The split that was given to the second.", optional=True),
        whole("phash", "Bits, of 64, in which the perceptual hashes differ."),
        whole("dhash", "Bits, of 64, in which the difference hashes differ."),
        number("correlation", "Correlation of their grey renditions, 64 x 64 pixels, after the best small shift."),
        text("unit", "true: a drawn split keeps both together; false: it does not."),
    ),
    path="data/{name}.csv",
    needs_runs=False,
    may_be_empty=True,
)
SIZES = Table(
    "sizes",
    "prepare_dataset",
    "images by split and class",
    "a class of a split",
    (SPLIT, CLASS, whole("images", "Number of its images.")),
    path="data/{name}.csv",
    category="Data",
    needs_runs=False,
)
WEIGHTS_HISTORY = Table(
    "weights_history",
    "pretrain_weights",
    "losses and accuracies of a pretraining",
    "an epoch",
    (EPOCH, *TRAINING_CURVES, *FIT, KEPT),
    path="weights/{architecture}_history.csv",
    needs_runs=False,
)
MODEL_LAYERS = Table(
    "model_layers",
    "describe_model",
    "every layer of a network",
    "a layer",
    LAYER_COLUMNS,
    path="models/{architecture}_{input_size}/layers.csv",
    needs_runs=False,
)
MODEL_MEMORY = Table(
    "model_memory",
    "describe_model",
    "computed memory of a network by batch size",
    "a batch size, of training all or the head",
    (
        TRAINED,
        *MEMORY_COLUMNS,
        whole("weight_bytes", "The part of training_bytes in weights.", BYTES),
        whole("gradient_bytes", "The part of it in gradients.", BYTES),
        whole("optimizer_bytes", "The part of it in the optimiser’s state.", BYTES),
        whole("activation_bytes", "The part of it in activations.", BYTES),
    ),
    path="models/{architecture}_{input_size}/memory.csv",
    needs_runs=False,
)
RUN_HISTORY = Table(
    "run_history",
    "train",
    "losses and accuracies of a run",
    "an epoch",
    (EPOCH, *CURVES, *FIT, KEPT),
    path="runs/{arm}/{run}/history.csv",
)
RUN_WEIGHT_DELTA = Table(
    "run_weight_delta",
    "extract_weight_delta",
    "weight changes of a run",
    "a tensor",
    DELTA_COLUMNS,
    path="runs/{arm}/{run}/weight_delta.csv",
)
RUN_KERNEL_CHANGE = Table(
    "run_kernel_change",
    "extract_weight_delta",
    "brightness and colour in the change of a run’s first convolution",
    "a convolution",
    KERNEL_CHANGE_COLUMNS,
    path="runs/{arm}/{run}/kernel_change.csv",
    may_be_empty=True,
)

FEATURES = text(
    "features", "cached: outputs of the frozen layers, computed once for all epochs and seeds. computed: in each epoch."
)
KINDS: dict[str, Kind] = {"whole number": WHOLE, "number": NUMBER, "flag": WHOLE, "choice": TEXT}
RECIPE_COLUMNS = {
    name: Column(name, KINDS[key.kind], key.meaning, title=key.title, optional=key.optional)
    for name, key in RECIPE.items()
}
FIRST_OF_RECIPE = (
    *("learning_rate", "epochs", "patience", "keep", "batch_size", "evaluation_batch_size", "num_threads", "device"),
    *("precision", "channels_last", "fused_optimizer", "features", "train_images"),
    "cache_features",
)
"""The columns of a recipe in the order that the table of arms keeps; those of newer keys follow."""

ARMS = Table(
    "arms",
    "collect_validation",
    "the recipe of every arm",
    "an arm",
    (
        ARM,
        LABEL,
        ROLE,
        ARCHITECTURE,
        INPUT_SIZE,
        text("normalisation", "Mean and standard deviation that normalise the pixels (0 to 1)."),
        text("weights", "random: random weights. pretrained: pretrained ones with a new head.", "starts from"),
        TRAINED,
        text(
            "batchnorm",
            "train: uses and updates batch statistics. frozen: keeps its statistics.",
            "BatchNorm",
        ),
        *(RECIPE_COLUMNS.get(name, FEATURES) for name in FIRST_OF_RECIPE),
        *(column for name, column in RECIPE_COLUMNS.items() if name not in FIRST_OF_RECIPE),
    ),
    category="Tables",
)
HISTORY = Table(
    "history",
    "collect_validation",
    "losses and accuracies by arm, seed and epoch",
    "an epoch of a run",
    (ARM, LABEL, SEED, FOLD, EPOCH, *CURVES, KEPT, VALIDATED),
    category="Tables",
)
RUNS = Table(
    "runs",
    "collect_validation",
    "losses and accuracies of every run on training and validation images",
    "a run, after the epoch that is kept",
    (
        ARM,
        LABEL,
        SEED,
        FOLD,
        whole("epochs", "Epochs of the recipe; with patience the most."),
        whole("epochs_run", "Epochs that it ran."),
        whole("kept_epoch", "The epoch whose weights are the run’s."),
        whole("trainable_parameters", "Parameters that are trained."),
        whole("total_parameters", "Parameters of the network."),
        *_losses("train", "over the training batches of the epoch, while the network learns", optional=False),
        *_losses("fit", "on the training images in eval mode", optional=False),
        *_losses("validation", "on the validation images that chose no epoch, in eval mode"),
        number(
            "validation_balanced_accuracy",
            "Mean of the recalls of all classes on these images.",
            PERCENT,
            optional=True,
        ),
        VALIDATED,
    ),
    category="Tables",
)
TEST_RESULTS = Table(
    "test_results",
    "collect_results",
    "test loss and accuracy of every run, with the interval over images",
    "a run, after the epoch that is kept",
    (
        ARM,
        LABEL,
        SEED,
        FOLD,
        *_losses("test", "on the test images in eval mode", optional=False),
        number("test_accuracy_low", "Lower end of Wilson’s interval of it over the test images.", PERCENT),
        number("test_accuracy_high", "Upper end of the interval.", PERCENT),
        number("test_balanced_accuracy", BALANCED, PERCENT),
        number("test_balanced_accuracy_low", "Lower end of its score interval over the test images.", PERCENT),
        number("test_balanced_accuracy_high", "Upper end of the interval.", PERCENT),
    ),
    category="Tables",
    modes=TESTED,
)
SUMMARY = Table(
    "summary",
    "collect_results",
    "accuracies of every arm: mean over seeds, interval over images and seeds",
    "an arm",
    (
        ARM,
        LABEL,
        whole("n", "Its seeds."),
        number("test_accuracy_mean", "Mean test accuracy after the epoch that is kept.", PERCENT),
        number("test_accuracy_sd", "Standard deviation of it over the seeds.", POINTS, optional=True),
        number("test_accuracy_low", "Lower end of its interval over test images and seeds.", PERCENT),
        number("test_accuracy_high", "Upper end of the interval.", PERCENT),
        number("validation_accuracy_mean", "Mean validation accuracy.", PERCENT, optional=True),
        number("change_mean", "Mean test accuracy minus mean validation accuracy.", POINTS, optional=True),
        number("test_loss_mean", "Mean test loss.", NATS),
        number("test_balanced_accuracy_mean", f"{BALANCED} Mean over seeds.", PERCENT),
        number("test_balanced_accuracy_sd", "Standard deviation of it over the seeds.", POINTS, optional=True),
        number("test_balanced_accuracy_low", "Lower end of its interval over test images and seeds.", PERCENT),
        number("test_balanced_accuracy_high", "Upper end of the interval.", PERCENT),
        number("validation_balanced_accuracy_mean", "Mean balanced validation accuracy.", PERCENT, optional=True),
        number(
            "balanced_change_mean",
            "Mean balanced test accuracy minus mean balanced validation accuracy.",
            POINTS,
            optional=True,
        ),
    ),
    category="Tables",
    modes=TESTED,
)
DECISION = Table(
    "decision",
    "decide",
    "the decision: ranking, comparisons with the leader, computed cost",
    "an arm, the leader first; controls are left out",
    (
        whole("rank", "1 for the leader: the arm with the highest mean of the metric that decides."),
        ARM,
        LABEL,
        whole("n", "Its runs."),
        number("accuracy", "Mean accuracy on the images that decide.", PERCENT),
        number("low", "Lower end of its interval over images and seeds.", PERCENT, "interval"),
        number("high", "Upper end of the interval.", PERCENT),
        number(
            "p_guessing",
            "Probability of at least such a value of the metric by guessing; Holm’s correction for the number of arms.",
        ),
        whole(
            "beats_guessing", "1 if p_guessing is below 1 - confidence, divided by the look of the decision; else 0."
        ),
        number("difference", "Metric of the leader minus that of this arm; 0 for the leader.", POINTS),
        number("difference_low", "Lower end of the interval of the difference.", POINTS, optional=True),
        number("difference_high", "Upper end of the interval.", POINTS, optional=True),
        text("scope", "What the comparison with the leader is about, as in the comparisons.", optional=True),
        text(
            "verdict",
            "Of the leader and this arm: better, equivalent or undecided, as in the comparisons; leader for itself.",
        ),
        number("macs", "Multiply-accumulates of one run, of training and evaluation.", MACS, "operations"),
        number("peak_bytes", "Computed peak memory of a run.", BYTES, "peak memory"),
        whole(
            "candidate",
            "1 if the leader is not better than the arm; one that is not shown to beat guessing is not taken instead.",
        ),
        whole("chosen", "1 for the arm that is chosen; 0 for all if none is."),
        number(
            "balanced_accuracy", "Mean balanced accuracy on the images that decide: the mean of all recalls.", PERCENT
        ),
        number("balanced_low", "Lower end of its interval over images and seeds.", PERCENT),
        number("balanced_high", "Upper end of the interval.", PERCENT),
    ),
    category="Tables",
)
COMPARISONS = Table(
    "comparisons",
    "collect_results",
    "every pair of arms: difference, interval, p-value, verdict",
    "a pair of arms; controls are not compared",
    (
        text("arm_a", "The arm with the higher mean of the metric that decides.", "arms"),
        text("arm_b", "The other arm."),
        number("difference", "Test metric of the first minus that of the second.", POINTS),
        number("low", "Lower end of the interval of the difference over images and seeds.", POINTS, "interval"),
        number("high", "Upper end of the interval.", POINTS),
        number(
            "p_value",
            "Probability of a difference at least as large if the arms were equal; corrected for the number of pairs "
            "(Holm), for the leader’s pairs at most the largest uncorrected one of these.",
            title="p",
        ),
        number(
            "networks_p",
            "With one run of both arms: the same for these two networks alone (McNemar’s exact test, or the "
            "interval where images were not drawn one by one or do not count alike; Holm’s correction).",
            title="p of the networks",
            optional=True,
        ),
        text(
            "scope",
            "arms: three or more seeds on both sides. two seeds: too few for a verdict. networks: an arm has a single "
            "run, and another seed may change the result.",
        ),
        text(
            "verdict",
            "On arms. better: p is at most 1 - confidence, divided by the look of the decision. equivalent: the "
            "whole interval is within the margin, and there are enough images to show it. undecided: neither, or "
            "fewer than three seeds.",
        ),
    ),
    category="Tables",
    modes=TESTED,
    may_be_empty=True,
)
PER_CLASS = Table(
    "per_class",
    "collect_results",
    "recall and precision by arm, seed and class",
    "a class of a run",
    (
        ARM,
        SEED,
        FOLD,
        CLASS,
        whole("images", "Test images of it."),
        number("recall", "Share of the class’s images that are predicted as it.", PERCENT, optional=True),
        number("precision", "Share of the images predicted as the class that are of it.", PERCENT, optional=True),
        number("recall_low", "Lower end of Wilson’s interval of the recall.", PERCENT, optional=True),
        number("recall_high", "Upper end of the interval.", PERCENT, optional=True),
    ),
    category="Tables",
    modes=TESTED,
)
RECALL = Table(
    "recall",
    "collect_results",
    "recall by arm and class: mean over seeds, interval over images and seeds",
    "a class of an arm",
    (
        ARM,
        CLASS,
        whole("images", "Test images of it."),
        number(
            "recall", "Share of the class’s images that are predicted as it, mean over seeds.", PERCENT, optional=True
        ),
        number(
            "low", "Lower end of its interval over the class’s images and seeds.", PERCENT, "interval", optional=True
        ),
        number("high", "Upper end of the interval.", PERCENT, optional=True),
    ),
    category="Tables",
    modes=TESTED,
)
CONFUSION = Table(
    "confusion",
    "collect_results",
    "confusion matrices, by arm",
    "a pair of classes of an arm",
    (
        ARM,
        text("true_class", "The class that an image is of."),
        text("predicted_class", "The class that is predicted."),
        number(
            "share", "Share of the true class’s images with that prediction, 0 to 1, mean over seeds.", optional=True
        ),
    ),
    category="Tables",
    modes=TESTED,
)
LEAK_PRICE = Table(
    "leak_price",
    "collect_results",
    "accuracy with and without images that have a counterpart in another split",
    "an arm and a split with such images",
    (
        ARM,
        text("split", "test or validation."),
        whole("images", "Images of the split."),
        whole("leaked", "Those with a counterpart in another split: data/leaks.csv lists them."),
        number("accuracy", "Accuracy on all images of the split, mean over seeds.", PERCENT),
        number(
            "accuracy_without",
            "Accuracy on the images that are not leaked; empty if all are.",
            PERCENT,
            "without leaked images",
            optional=True,
        ),
        number("difference", "The first minus the second.", POINTS, optional=True),
        number("low", "Lower end of its interval over images and seeds.", POINTS, optional=True),
        number("high", "Upper end of the interval.", POINTS, optional=True),
    ),
    category="Tables",
    may_be_empty=True,
    modes=TESTED,
)
IMAGE_PATH = text("path", "The image’s name in data/index.csv; the path of a file begins with ./.")
IMAGE_ROW = whole("row", "Its position in the split, from 0.")
PREDICTED = text("predicted", "The class that is predicted.")
PREDICTIONS = Table(
    "predictions",
    "collect_predictions",
    "the prediction of every run for each validation and test image",
    "an image and a run, after the epoch that is kept",
    (
        IMAGE_PATH,
        CLASS,
        PREDICTED,
        number("probability", "Probability of the predicted class, 0 to 1; empty if it is no number.", optional=True),
        ARM,
        text("run", "The seed of the run."),
        FOLD,
        text("split", "validation, with folds out_of_fold, or test where test images were evaluated."),
    ),
    for_download=True,
)
MISTAKES = Table(
    "mistakes",
    "collect_predictions",
    "misclassified images, the most confident first",
    "an image that at least one run misclassifies; of every arm where none is chosen",
    (
        IMAGE_PATH,
        CLASS,
        text("predicted", "The wrong class with the highest mean probability over the arm’s runs."),
        number("probability", "That mean, 0 to 1; empty if it is no number.", optional=True),
        whole("runs", "Runs of the arm that misclassify it."),
        ARM,
        text("split", "test; validation, or with folds out_of_fold, if no test image was evaluated."),
        IMAGE_ROW,
        text(
            "model_predicted",
            "What the chosen run predicts; empty if that is right, if none is chosen, or if the image is not one that "
            "this run holds out.",
            optional=True,
        ),
        number("model_probability", "The probability that the chosen run gives it, 0 to 1.", optional=True),
    ),
    category="Tables",
    may_be_empty=True,
)
SUSPECTED_LABELS = Table(
    "suspected_labels",
    "collect_predictions",
    "images in the order in which their labels are doubted",
    "a validation image, with folds a training image; empty if no arm is chosen or there are no such images",
    (
        whole("rank", "1 for the label that is doubted most."),
        IMAGE_PATH,
        CLASS,
        whole("suspected", "1 if the label is suspected to be wrong, else 0. A suspicion is no proof."),
        text("other_class", "The class that the image may be of; where the label is not suspected, the likeliest."),
        number("probability_of_class", "Probability of its class, 0 to 1, mean over the arm’s networks."),
        number("probability_of_other", "That of the other class."),
        whole("networks", "Networks of the chosen arm that predicted the image without having trained on it."),
        ARM,
        text("split", "validation, or with folds out_of_fold."),
        IMAGE_ROW,
    ),
    category="Tables",
    may_be_empty=True,
)
PROBABILITIES = text("probabilities", "plain, or calibrated: with the temperature that the model ships.")
CALIBRATION = Table(
    "calibration",
    "collect_predictions",
    "expected calibration error of the chosen run on test images",
    "a kind of probabilities; empty without a chosen run, and with fewer than 20 test images",
    (
        PROBABILITIES,
        number("temperature", "Divides the logits; fitted on validation images; 1 for plain probabilities."),
        whole("images", "Test images."),
        whole("bins", "Bins with nearly as many images each, ordered by probability."),
        number("accuracy", "Share of correct predictions.", PERCENT),
        number("probability", "Mean probability of the predicted class.", PERCENT),
        number("error", "The error as it is usually counted: too high for few images.", PERCENT, "counted"),
        number("by_chance", "Median of what perfect probabilities would show.", PERCENT, "by chance"),
        number("corrected", "The true error that would show the counted one as its median.", PERCENT),
        number("low", "Lower end of the interval of the true error, over images.", PERCENT, "interval"),
        number("high", "Upper end of the interval.", PERCENT),
        ARM,
        text("run", "The chosen run, as its folder is called."),
    ),
    category="Tables",
    may_be_empty=True,
)
RELIABILITY = Table(
    "reliability",
    "collect_predictions",
    "accuracy of the chosen run on test images, by probability",
    "a bin of images with similar probabilities",
    (
        PROBABILITIES,
        whole("bin", "Its number; probabilities rise."),
        whole("images", "Images in the bin, which holds those with similar probabilities."),
        number("probability", "Mean probability of the predicted class.", PERCENT),
        number("accuracy", "Share of correct predictions.", PERCENT),
        number("low", "Lower end of Wilson’s interval of the accuracy.", PERCENT, "interval"),
        number("high", "Upper end of the interval.", PERCENT),
    ),
    category="Tables",
    may_be_empty=True,
)
WEIGHT_DELTA = Table(
    "weight_delta",
    "collect_validation",
    "weight changes by arm, seed and tensor",
    "a tensor of a run",
    (ARM, SEED, FOLD, *DELTA_COLUMNS),
    category="Tables",
)
KERNEL_CHANGE = Table(
    "kernel_change",
    "collect_validation",
    "brightness and colour in the change of the first convolution, by arm and seed",
    "a run",
    (ARM, SEED, FOLD, *KERNEL_CHANGE_COLUMNS),
    category="Tables",
    may_be_empty=True,
)
LAYERS = Table(
    "layers", "collect_validation", "every layer of every network", "a layer", LAYER_COLUMNS, category="Tables"
)
MODELS = Table(
    "models",
    "collect_validation",
    "the networks: parameters, operations, bytes",
    "a network at an input size",
    (
        ARCHITECTURE,
        INPUT_SIZE,
        whole("parameters", "All of them, with the head for this data set."),
        whole("head_parameters", "Those of the last layer.", title="in the head"),
        whole(
            "macs",
            "Multiply-accumulates of one image’s forward pass. Training on it is about three times that where all is "
            "trained, and about that where only the head is.",
            MACS,
            "operations",
        ),
        whole("activation_bytes", "Memory of every layer’s output for one image in float32.", BYTES, "activations"),
        whole(
            "weight_bytes",
            "Bytes of the weights, computed: four a float32 number, eight a counter of BatchNorm.",
            BYTES,
            "weights",
        ),
        whole(
            "file_bytes", "Bytes of the file of weights on disk; it also holds names and shapes.", BYTES, "weight file"
        ),
        number(
            "batchnorm_momentum",
            "The smallest share of its running statistics that a BatchNorm layer replaces in a step, 0 to 1; empty "
            "without BatchNorm.",
            title="BatchNorm momentum",
            optional=True,
        ),
    ),
    category="Tables",
)
MEMORY = Table(
    "memory",
    "collect_validation",
    "computed memory by arm and batch size",
    "a batch size of an arm",
    (ARM, LABEL, ARCHITECTURE, INPUT_SIZE, *MEMORY_COLUMNS),
    category="Tables",
)
COST = Table(
    "cost",
    "collect_validation",
    "measured time, speed and memory of every run",
    "a run",
    (
        ARM,
        SEED,
        FOLD,
        *COST_COLUMNS,
        number(
            "of_peak",
            "Floating point operations of training steps as a share of the device’s peak, 0 to 1; empty if the peak is "
            "unknown or features are cached.",
            title="share of peak",
            optional=True,
        ),
    ),
    category="Tables",
    measured=True,
)
COMPUTED_COST = Table(
    "computed_cost",
    "collect_validation",
    "computed operations and memory of a run, by arm",
    "an arm",
    (
        ARM,
        LABEL,
        number(
            "macs", "Multiply-accumulates of one run, of training and evaluation, mean over seeds.", MACS, "operations"
        ),
        number("training_macs", "The part of them in training.", MACS),
        number(
            "evaluation_macs",
            "The part of them in evaluations: after every epoch, and of the training images at the end.",
            MACS,
        ),
        number("fixed_bytes", "Weights, gradients and Adam’s two moments.", BYTES),
        number(
            "training_bytes",
            "These and the activations of a training batch, in the arm’s precision, without resident images.",
            BYTES,
        ),
        number("evaluation_bytes", "The same with the activations of an evaluation batch.", BYTES),
        number("peak_bytes", "The larger of training_bytes and evaluation_bytes.", BYTES, "tensor memory"),
        whole("same_work", "Arms with the same number do the same arithmetic in the same way.", title="same work"),
    ),
    category="Tables",
)
COST_SAVINGS = Table(
    "cost_savings",
    "collect_validation",
    "pairs of arms of which the first saves time or memory, measured and computed",
    "a pair of arms; controls are left out",
    (
        text("arm", "The arm that takes less."),
        text("than", "The arm that takes more."),
        number("time_share", "Wall time of the first, with cached features, over that of the second; means."),
        number("computed_time_share", "The same share of the computed operations."),
        whole(
            "saves_time",
            "1 if every run of the first took less than every run of the second on one device, the means are at least "
            "a tenth apart, and the first needs fewer operations.",
        ),
        number("memory_share", "Measured peak memory of the first over that of the second; means.", optional=True),
        number("computed_memory_share", "The same share of the computed peak memory."),
        whole("saves_memory", "The same for peak memory, and the first needs less computed memory."),
    ),
    category="Tables",
    measured=True,
    may_be_empty=True,
)
MEDIAN_CHANGE = Table(
    "median_change",
    "collect_validation",
    "median relative change of the weights, by arm, over tensors that all arms share",
    "an arm",
    (
        ARM,
        LABEL,
        whole("tensors", "Parameter tensors of its network."),
        whole(
            "common_tensors",
            "Those that have a relative change in every arm with this network (controls aside): a tensor that starts "
            "at zero and changes has none.",
        ),
        number(
            "median_change",
            "Median over these tensors of relative_delta, means over seeds; empty if there are none.",
            title="median change",
            optional=True,
        ),
    ),
    category="Tables",
)
TRAINING_LENGTH = Table(
    "training_length",
    "collect_validation",
    "whether validation curves support more or fewer epochs",
    "an arm; without validation images there is none",
    (
        ARM,
        LABEL,
        whole("n", "Its runs."),
        whole("images", "Validation images."),
        whole("epochs", "Epochs that every run has."),
        number("least_difference", "Smallest gain that counts: the margin, or two standard errors if larger.", POINTS),
        whole("late_epochs", "Epochs in the last third of training."),
        number("late_gain", "Gain in validation accuracy over these epochs, mean over seeds.", POINTS, optional=True),
        number("late_gain_low", "Lower end of its interval over seeds (Student’s t).", POINTS, optional=True),
        whole("last_epochs", "Epochs in the second half of the last third."),
        number("last_gain", "Gain over these epochs.", POINTS, optional=True),
        number("last_gain_low", "Lower end of its interval over seeds.", POINTS, optional=True),
        number("fit_accuracy", "Accuracy on the training images, mean over seeds.", PERCENT),
        whole("longer", "1 if the curve supports more epochs, else 0."),
        whole(
            "steady_epoch",
            "First epoch from which on every run stays within the margin of its last validation accuracy.",
        ),
        whole("shorter", "1 if the curve supports to stop in that epoch, else 0."),
    ),
    category="Tables",
    may_be_empty=True,
)
CONVERGENCE = Table(
    "convergence",
    "collect_validation",
    "how each arm’s learning curves end",
    "an arm; curves are means over seeds, of validation images, or of test images if these are evaluated every epoch",
    (
        ARM,
        LABEL,
        whole("stopped", "1 if patience ended every run, else 0."),
        whole("late_epochs", "Epochs in the last third of training; 0 after a single epoch.", title="last third"),
        number("late_gain", "Gain in accuracy over these epochs.", POINTS, "late gain", optional=True),
        number(
            "least_difference",
            "Smallest gain that counts: the margin, or two standard errors if these are larger.",
            POINTS,
            "smallest gain that counts",
            optional=True,
        ),
        whole("rising", "1 if patience did not end it and the late gain counts, else 0."),
        whole(
            "mean_steady_epoch",
            "First epoch from which on the mean accuracy stays within the margin of its end. In training_length, "
            "steady_epoch is that of every run.",
            optional=True,
        ),
        whole("lowest_epoch", "Epoch with the lowest loss.", optional=True),
        number("lowest_loss", "Loss in that epoch.", NATS, optional=True),
        whole(
            "overfits",
            "1 if the final loss exceeds the lowest by more than a tenth, and that is not before training; else 0.",
        ),
        number("last_loss", "Loss in the last epoch that every seed has.", NATS, optional=True),
        whole("seeds_that_overfit", "Seeds whose own loss ends more than a tenth above its lowest."),
        whole("seeds_lowest_last", "Seeds whose own loss is lowest in the last epoch that every seed has."),
    ),
    category="Tables",
)
LOSS_AND_ACCURACY = Table(
    "loss_and_accuracy",
    "collect_validation",
    "pairs of arms whose order by train loss differs from that by accuracy, after the first epoch",
    "a pair of arms; in every seed the first has the lower train loss and the lower accuracy",
    (
        text("arm_a", "The arm with the lower train loss."),
        text("arm_b", "The arm with the higher accuracy."),
        number("train_loss_a", "Train loss of the first arm in the first epoch.", NATS),
        number("train_loss_b", "That of the second arm.", NATS),
        number("accuracy_a", "Accuracy of the first arm after the first epoch.", PERCENT),
        number("accuracy_b", "That of the second arm.", PERCENT),
        number(
            "least_difference",
            "Smallest difference that counts: the margin, or two standard errors if these are larger.",
            POINTS,
        ),
    ),
    category="Tables",
    may_be_empty=True,
)
ARCHITECTURES = Table(
    "architectures",
    "compare_architectures",
    "the networks of the arms and of the setting reference_models",
    "a network, with a head for 1,000 classes",
    (
        ARCHITECTURE,
        INPUT_SIZE,
        AUXILIARY,
        text("role", "arm: an arm trains it. reference: it is only compared with."),
        whole("parameters", "All of them, with a head for 1,000 classes."),
        whole("weight_bytes", "Bytes of the weights, computed, BatchNorm’s statistics among them.", BYTES, "weights"),
        whole(
            "macs",
            "Multiply-accumulates of one image’s forward pass, through its auxiliary heads too.",
            MACS,
            "operations",
        ),
        whole("activation_bytes", "Memory of every layer’s output for one image in float32.", BYTES, "activations"),
    ),
    category="Tables",
    needs_runs=False,
)
LARGEST_BATCH = Table(
    "largest_batch",
    "compare_architectures",
    "the largest batch that fits into the memory of a GPU, by network and by what is trained",
    "a memory of a network and of what is trained",
    (
        ARCHITECTURE,
        whole("input_size", "Height and width of its images; none for all arms at once.", PIXELS, optional=True),
        AUXILIARY,
        text(
            "train",
            "all: every parameter. head: the last layer only. All arms at once have batches of one size.",
            "trains",
        ),
        whole("memory_gb", "A memory in units of 10⁹ bytes.", "GB", "memory"),
        whole(
            "largest_batch",
            "The largest batch for which training in float32 fits into this memory (10⁹ bytes); 0: not even one image "
            "fits. At most all training images, and no tensor of more than 2³¹ elements, which some of torch’s kernels "
            "cannot index. An upper bound: it counts weights, gradients, Adam’s two moments and the activations kept "
            "for the backward pass, not workspaces, the CUDA context or resident images.",
        ),
    ),
    category="Tables",
    needs_runs=False,
)

TABLES = {table.name: table for table in list(globals().values()) if isinstance(table, Table)}
"""Every table by its name, in the order of the report's list."""


def tables_of_mode(mode: Mode) -> dict[str, Table]:
    """Return every table that exists in a mode, by its name, with the columns that it has there."""
    return {name: table.in_mode(mode) for name, table in TABLES.items() if mode in table.modes}


EXPERIMENT_TABLES = {name: table for name, table in TABLES.items() if table.file.startswith("tables/")}
"""Those in `tables/`, which are what a reader downloads."""
