"""Every figure that the workflow draws, declared once, the most important first.

The rules, the report, the captions of Snakemake's report and the manifest read it.
"""

from dataclasses import dataclass

from triptych.results import schema
from triptych.results.schema import Table


@dataclass(frozen=True)
class Figure:
    """A figure, drawn as SVG and as PNG.

    Attributes:
        name: of its file; that of one arm is called NAME_ARM.
        command: draws it; the module of that name in `triptych.figures`.
        title: heads it in the report, and is its text for those who do not see it; the arm's title comes before it.
        caption: says what is drawn, in plain text.
        tables: what it reads, each table as the option of its name.
        category: where Snakemake's report shows it.
        label: its name there.
        arm: the arm that is drawn: `all`, `{arm}` (each arm has one) or a name; empty where it shows no arm.
        wildcard: stands for its name in the file that the rule makes, where one rule makes several figures.
        measured: shows measured times, so that it differs from one execution to the next.
        needs_runs: is made from the runs, so that a partial report has its own.
        of_claims: belongs to experiments with `claims`, and to no partial report.
        of_references: belongs to experiments with `reference_models`.
        of_images: shows images of the data set, and nothing else; left out if `report.images` is none.
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
    of_images: bool = False

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
        """Its label, or the wildcard that stands for it."""
        return f"{{{self.wildcard}}}" if self.wildcard else self.label

    def names(self, arms: list[str]) -> list[str]:
        """The names of its files without the ending, in an experiment with these arms."""
        return [f"{self.name}_{arm}" for arm in arms] if self.of_each_arm else [self.name]


CURVES = (schema.HISTORY, schema.ARMS)
SEEDS = (
    "Thick lines are means over seeds, as far as every seed was trained; thin ones are single seeds (many seeds: a "
    "band from the lowest to the highest; many arms: the means alone). A ring is the epoch that is kept where that is "
    "not the last; epoch 0 is before training."
)
ARM_CURVES = (
    "Solid: the test images after each epoch, in eval mode. Dashed: the running figure over the training batches of "
    "the epoch, while the network learns, so it is not like for like. Dotted, where there are any: the validation "
    "images. Thin lines are single seeds; a ring is the epoch that is kept where that is not the last."
)

SAMPLES = Figure(
    "samples",
    "plot_samples",
    "Training images with their labels",
    "What the networks are trained on: a few images of each class as they are stored, each with its class and its name "
    "in data/index.csv.",
    (schema.INDEX,),
    category="Data",
    label="sample images",
    arm="",
    of_images=True,
)
TEST_ACCURACY = Figure(
    "test_accuracy",
    "plot_curves",
    "Test accuracy of all arms by epoch",
    f"Test accuracy after each epoch, in eval mode. {SEEDS}",
    CURVES,
    category="Curves",
    label="test accuracy",
    wildcard="quantity",
)
TRAIN_LOSS = Figure(
    "train_loss",
    "plot_curves",
    "Train loss of all arms by epoch",
    f"Train loss: the running mean over the batches of an epoch, while the network learns. {SEEDS}",
    CURVES,
    category="Curves",
    label="train loss",
    wildcard="quantity",
)
TEST_LOSS = Figure(
    "test_loss",
    "plot_curves",
    "Test loss of all arms by epoch",
    f"Test loss after each epoch, in eval mode; where it rises again, the arm overfits. {SEEDS}",
    CURVES,
    category="Curves",
    label="test loss",
    wildcard="quantity",
)
RELATIVE_CHANGE = Figure(
    "relative_change",
    "plot_weight_delta",
    "Relative change of the weights by layer and arm",
    "How far each layer moved: norm of the change by norm before training, mean over seeds, from the input (top) to "
    "the output. Left are parameters, right BatchNorm's running statistics, which may drift although no parameter of "
    "their layer is trained. The place for exactly zero is at the left edge.",
    (schema.WEIGHT_DELTA, schema.ARMS),
    category="Weights",
    label="relative change",
)
BATCHNORM_DRIFT = Figure(
    "batchnorm_drift",
    "plot_batchnorm_drift",
    "Drift of BatchNorm’s statistics by layer and arm",
    "How far BatchNorm's running statistics drifted, mean over seeds, from the input (top) to the output. Left, the "
    "means: root mean square of the channels' changes over the standard deviation before training. Right, the "
    "variances: norm of the change over the norm before. An arm that trains its last layer only drifts as well, "
    "unless its BatchNorm is frozen. The place for exactly zero is at the left edge.",
    (schema.WEIGHT_DELTA, schema.ARMS),
    category="Weights",
    label="drift of BatchNorm",
)
COST_ACCURACY = Figure(
    "cost_accuracy",
    "plot_cost",
    "Test accuracy against measured training time",
    "Test accuracy against the time that training one run took: without start-up and evaluation, with the making of "
    "cached features. Bars are intervals. Times are measured: they differ between executions and between machines.",
    (schema.COST, schema.SUMMARY, schema.ARMS),
    category="Cost",
    label="accuracy against cost",
    measured=True,
)
MEMORY = Figure(
    "memory",
    "plot_memory",
    "Memory against batch size",
    "Memory for training and for inference by batch size, computed from the network: weights, gradients, the "
    "optimiser's state and the activations that the backward pass needs. An arm that trains the last layer only keeps "
    "no gradients and no activations of the layers before it.",
    (schema.MEMORY, schema.ARMS),
    category="Cost",
    label="memory",
)
ARCHITECTURES = Figure(
    "architectures",
    "plot_architectures",
    "Networks side by side: parameters, operations, activations, largest batch",
    "In colour what the arms train, in grey what it is compared with. Bars: the whole network with a head for 1,000 "
    "classes, and one image’s forward pass. Dots: the largest batch for training everything in float32, for the "
    "memories of the table below, on a logarithmic scale; circles: for training the last layer alone.",
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
    f"Accuracy by epoch. {ARM_CURVES}",
    CURVES,
    category="Curves",
    label="accuracy",
    arm="{arm}",
)
ARM_LOSS = Figure(
    "loss",
    "plot_arm_curves",
    "loss by epoch",
    f"Loss (cross-entropy) by epoch. {ARM_CURVES}",
    CURVES,
    category="Curves",
    label="loss",
    arm="{arm}",
)
CONFUSION = Figure(
    "confusion",
    "plot_confusion",
    "what it takes for what",
    "Confusion matrix: a row is the class of a test image, a column the class that is predicted, as a share of the "
    "row, mean over seeds. Below are the test images that the arm is most wrong about.",
    (schema.CONFUSION, schema.ARMS),
    category="Errors",
    label="confusion",
    arm="{arm}",
)
KERNELS = Figure(
    "kernels",
    "plot_kernels",
    "kernels before, after, and their difference",
    "All kernels of the first convolution and of the first 3x3 convolution, at the arm's first seed: before training, "
    "after it, and after minus before. Before and after share one scale, and zero is white. The difference has a "
    "scale of its own, the same for all arms; its bound is printed as a share of the first. A white difference is "
    "exactly zero.",
    (schema.ARMS,),
    category="Weights",
    label="kernels",
    arm="{arm}",
)

FIGURES = {figure.name: figure for figure in list(globals().values()) if isinstance(figure, Figure)}
"""Every figure by its name, the most important first."""

COMMANDS = {figure.command: "triptych.figures" for figure in FIGURES.values()}
"""Each command that draws figures, and the sub-package that its module lies in."""
