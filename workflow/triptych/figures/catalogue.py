"""Every figure that the workflow draws, declared once, the most important first.

The rules, the report, the captions of Snakemake's report and the manifest read it.
"""

from dataclasses import dataclass

from triptych.results import schema
from triptych.results.schema import AFTER_DECISION, EVERY_EPOCH, MODES, NO_TEST, TESTED, UNOPENED, Mode, Table


@dataclass(frozen=True)
class Figure:
    """A figure, drawn as SVG and as PNG.

    Attributes:
        name: of its file; that of one arm is called NAME_ARM.
        command: draws it; the module of that name in `triptych.figures`.
        title: its heading in the report and its alternative text; for a figure of one arm, after the arm's title.
        caption: what the figure itself does not say, in plain text of at most 50 words.
        tables: the tables it reads, each the option of its name.
        category: where Snakemake's report shows it.
        label: its name there.
        arm: the arm that is drawn: `all`, `{arm}` (each arm has one) or a name; empty where it shows no arm.
        wildcard: stands for its name in the file that the rule makes, where one rule makes several figures.
        measured: shows measured times, so that it differs from one execution to the next.
        needs_runs: is made from the runs, so that a partial report has its own.
        of_claims: belongs to experiments with `claims`, and to no partial report.
        of_references: belongs to experiments with `reference_models`.
        of_letters: belongs to experiments whose weights the workflow pretrains on letters.
        of_images: shows images of the data set, and nothing else; left out if `report.images` is none.
        modes: those in which it exists.
    """

    name: str
    command: str
    title: str
    caption: str
    tables: tuple[Table, ...]
    category: str
    label: str
    arm: str = "all"
    wildcard: str = ""
    measured: bool = False
    needs_runs: bool = True
    of_claims: bool = False
    of_references: bool = False
    of_letters: bool = False
    of_images: bool = False
    modes: tuple[Mode, ...] = MODES

    @property
    def of_each_arm(self) -> bool:
        return self.arm == "{arm}"

    @property
    def in_partial(self) -> bool:
        """Whether a partial report has its own."""
        return self.needs_runs and not self.of_claims

    @property
    def stem(self) -> str:
        """The name of its file without the ending, as the rule makes it: with wildcards."""
        return (f"{{{self.wildcard}}}" if self.wildcard else self.name) + "_{arm}" * self.of_each_arm

    @property
    def shown_as(self) -> str:
        """Its label, or the wildcard for it."""
        return f"{{{self.wildcard}}}" if self.wildcard else self.label

    def names(self, arms: list[str]) -> list[str]:
        """The names of its files without the ending, in an experiment with these arms."""
        return [f"{self.name}_{arm}" for arm in arms] if self.of_each_arm else [self.name]


CURVES = (schema.HISTORY, schema.ARMS)
OF_VALIDATION = (AFTER_DECISION, UNOPENED, NO_TEST)
"""The modes in which learning curves are of validation images; in the other they are of test images."""

SEEDS = "Means over seeds end with the seed that was trained for the fewest epochs."
REESTIMATED = (
    "BatchNorm’s statistics are re-estimated where the history has such values, from epoch 1 on. A thin, dash-dotted "
    "line, where there is one, has the moving averages of training."
)
ARM_CURVES = "The train curve is the running mean of an epoch, in train mode: not like for like with the other splits."

SAMPLES = Figure(
    "samples",
    "plot_samples",
    "Training images with their labels",
    "Stored training images of each class, with the names that data/index.csv gives them.",
    (schema.INDEX,),
    category="Data",
    label="sample images",
    arm="",
    of_images=True,
)
LETTERS = Figure(
    "letters",
    "plot_letters",
    "Rendered letters of the pretraining",
    "The first images of each letter of the pretraining. Font, pen, size, position, slant and blur are random.",
    (),
    category="Data",
    label="pretraining images",
    arm="",
    needs_runs=False,
    of_letters=True,
)
VALIDATION_ACCURACY = Figure(
    "validation_accuracy",
    "plot_curves",
    "Validation accuracy of all arms by epoch",
    f"Validation accuracy after each epoch, in eval mode. {REESTIMATED} {SEEDS}",
    CURVES,
    category="Curves",
    label="validation accuracy",
    wildcard="quantity",
    modes=OF_VALIDATION,
)
TEST_ACCURACY = Figure(
    "test_accuracy",
    "plot_curves",
    "Test accuracy of all arms by epoch",
    f"Test accuracy after each epoch, in eval mode. {REESTIMATED} {SEEDS}",
    CURVES,
    category="Curves",
    label="test accuracy",
    wildcard="quantity",
    modes=(EVERY_EPOCH,),
)
TRAIN_LOSS = Figure(
    "train_loss",
    "plot_curves",
    "Train loss of all arms by epoch",
    f"Running mean over the batches of an epoch, in train mode. {SEEDS}",
    CURVES,
    category="Curves",
    label="train loss",
    wildcard="quantity",
)
VALIDATION_LOSS = Figure(
    "validation_loss",
    "plot_curves",
    "Validation loss of all arms by epoch",
    f"Validation loss after each epoch, in eval mode. {REESTIMATED} {SEEDS}",
    CURVES,
    category="Curves",
    label="validation loss",
    wildcard="quantity",
    modes=OF_VALIDATION,
)
TEST_LOSS = Figure(
    "test_loss",
    "plot_curves",
    "Test loss of all arms by epoch",
    f"Test loss after each epoch, in eval mode. {REESTIMATED} {SEEDS}",
    CURVES,
    category="Curves",
    label="test loss",
    wildcard="quantity",
    modes=(EVERY_EPOCH,),
)
RELATIVE_CHANGE = Figure(
    "relative_change",
    "plot_weight_delta",
    "Relative change of the weights by block and arm",
    "Norm of the change of a block’s tensors over their norm before training. The grey band holds exactly zero.",
    (schema.WEIGHT_DELTA, schema.ARMS),
    category="Weights",
    label="relative change",
)
BATCHNORM_DRIFT = Figure(
    "batchnorm_drift",
    "plot_batchnorm_drift",
    "Drift of BatchNorm’s statistics by block and arm",
    "Kept running statistics against those before training (re-estimated after it, unless recalibrate_batchnorm is "
    "never). Frozen layers drift, too, unless BatchNorm is frozen.",
    (schema.WEIGHT_DELTA, schema.ARMS),
    category="Weights",
    label="drift of BatchNorm",
)
COST_ACCURACY = Figure(
    "cost_accuracy",
    "plot_cost",
    "Test accuracy against measured time",
    "Wall time of one run with its cached features. Times are measured: they differ between executions and between "
    "machines.",
    (schema.COST, schema.TEST_RESULTS, schema.SUMMARY, schema.ARMS),
    category="Cost",
    label="accuracy against cost",
    measured=True,
    modes=TESTED,
)
MEMORY = Figure(
    "memory",
    "plot_memory",
    "Memory against batch size",
    "Tensor memory, computed: weights and activations; in training also gradients and Adam’s moments, which "
    "evaluations between epochs hold, too. Dotted: the recipe’s batch sizes.",
    (schema.MEMORY, schema.ARMS),
    category="Cost",
    label="memory",
)
ARCHITECTURES = Figure(
    "architectures",
    "plot_architectures",
    "Networks side by side: parameters, operations, activations, largest batch",
    "In colour the arms’ networks, in grey the others. Bars: the network with a head for 1,000 classes; operations and "
    "activations of one image’s forward pass. Dots: the largest batch that fits when everything is trained in float32.",
    (schema.ARCHITECTURES, schema.LARGEST_BATCH),
    category="Cost",
    label="networks",
    needs_runs=False,
    of_references=True,
)
ARM_ACCURACY = Figure(
    "accuracy",
    "plot_arm_curves",
    "accuracy by epoch",
    ARM_CURVES,
    CURVES,
    category="Curves",
    label="accuracy",
    arm="{arm}",
)
ARM_LOSS = Figure(
    "loss",
    "plot_arm_curves",
    "loss by epoch",
    ARM_CURVES,
    CURVES,
    category="Curves",
    label="loss",
    arm="{arm}",
)
CONFUSION = Figure(
    "confusion",
    "plot_confusion",
    "confusion matrix",
    "Share of each true class (row) by predicted class (column), mean over seeds. Below, unless images are left "
    "out: the misclassified test images with the highest probability of a wrong class, by name.",
    (schema.CONFUSION, schema.ARMS),
    category="Errors",
    label="confusion",
    arm="{arm}",
    modes=TESTED,
)
KERNELS = Figure(
    "kernels",
    "plot_kernels",
    "kernels before and after training, and their difference",
    "All arms share one scale for the weights and one for the differences. The bounds of a scale are the 99.5th "
    "percentile of absolute values.",
    (schema.ARMS,),
    category="Weights",
    label="kernels",
    arm="{arm}",
)

FIGURES = {figure.name: figure for figure in list(globals().values()) if isinstance(figure, Figure)}
"""Every figure by its name, the most important first."""

COMMANDS = {figure.command: "triptych.figures" for figure in FIGURES.values()}
"""Each command that draws figures, and the sub-package that its module lies in."""
