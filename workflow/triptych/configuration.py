"""The typed model of config/*.yaml: every key with its type, bounds, default and description.

`load_configuration` checks what was given, `effective` fills everything in. `config/schema.json` and the tables of
`config/README.md` are generated from this module (`python -m triptych document-configuration`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticCustomError

from triptych.architecture_words import architecture_hint, wrong_size
from triptych.architectures import ANY_SIZE, INPUT_SIZES, SIZE_OF_WEIGHTS, WITH_AUXILIARY_HEADS
from triptych.configuration_words import NAME_IN_WORDS, explain, shown
from triptych.downloads import CIFAR10, CIFAR100
from triptych.errors import InputError

LARGEST_SEED = 2**32 - 1
MANY = 1_000_000
NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


# Numbers, names and texts. Values given with --config arrive as text, and so does 1e-4 from a YAML file.


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("boolean", "a boolean is not a number")
    if isinstance(value, str):
        for convert in (int, float):
            try:
                return convert(value)
            except ValueError:
                continue
    return value


def _null(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in ("", "~", "null", "none") else value


def _printable(text: str) -> str:
    if not text.isprintable() or not text:  # a control character would make the figures' SVG unreadable
        raise PydanticCustomError("one_line", "give text that can be printed")
    return text


def _path(text: str) -> str:
    if text.startswith("~"):  # only a shell knows it
        raise PydanticCustomError("path", "give a path without ~, from / or from the folder where you run")
    return _printable(text)


def _one_line(text: str) -> str:
    return _printable(" ".join(text.split()))


def _known_architecture(name: str) -> str:
    if name not in INPUT_SIZES:
        raise PydanticCustomError(
            "architecture",
            "give the name of a classification network of torchvision{hint}",
            {"hint": architecture_hint(name)},
        )
    return name


def _different(values: list[int]) -> list[int]:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise PydanticCustomError("twice", "{twice} is given more than once; give each seed once", {"twice": twice[0]})
    return values


def _address(text: str) -> str:
    scheme, separator, rest = _printable(text).partition("://")
    if scheme.lower() not in ("https", "http", "file") or not separator or not rest.strip("/"):
        raise PydanticCustomError("url", "give an address that begins with https://, http:// or file://")
    return text


def _checksum(text: str) -> str:
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise PydanticCustomError(
            "sha256",
            "a SHA-256 has 64 hexadecimal digits, and this has {count} characters; give the output of sha256sum",
            {"count": len(text)},
        )
    return text


Whole = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_number)]
OptionalWhole = Annotated[Annotated[int, Field(ge=1, le=MANY), BeforeValidator(_number)] | None, BeforeValidator(_null)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED), BeforeValidator(_number)]
Seeds = Annotated[
    list[Seed],
    Field(min_length=1, max_length=1000, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_different),
]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(_one_line)]
Question = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_one_line)
]
Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(_address)]
Urls = Annotated[list[Url], Field(min_length=1, max_length=100)]
OptionalUrls = Annotated[Urls | None, BeforeValidator(_null)]
Sha256 = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=1000), AfterValidator(_checksum)
]
OptionalSha256 = Annotated[Sha256 | None, BeforeValidator(_null)]
OptionalPath = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(_path)] | None,
    BeforeValidator(_null),
]
Architecture = Annotated[
    str, AfterValidator(_known_architecture), WithJsonSchema({"type": "string", "enum": list(INPUT_SIZES)})
]


class Section(BaseModel):
    """A mapping of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# The sections of an experiment


class DigitsDataset(Section):
    """scikit-learn's handwritten digits: 1,797 images of 8 x 8 grey levels in ten classes; part of the package."""

    CLASSES: ClassVar[int] = 10
    SMALLEST_CLASS: ClassVar[int] = 174  # the eights; checked again when the data set is prepared

    source: Literal["digits"] = Field("digits", description="The data set: scikit-learn's handwritten digits.")
    train_per_class: Whole = Field(30, ge=1, le=SMALLEST_CLASS, description="Training images of each class.")
    validation_per_class: Whole = Field(
        20, ge=0, le=SMALLEST_CLASS, description="Validation images of each class; 0 for none."
    )
    test_per_class: OptionalWhole = Field(None, description="Test images of each class; null for all the rest.")
    seed: Seed = Field(0, description="Decides which image goes into which split.")


class _ArchiveDataset(Section):
    """The keys of data sets that come as one archive, with a training and a test part of their own."""

    CLASSES: ClassVar[int]

    source: str
    urls: Urls
    sha256: Sha256
    path: OptionalPath = Field(
        None, description="The archive as a file of one's own, taken instead of any address; null to download it."
    )
    expected_train: Whole = Field(
        50_000,
        ge=1,
        le=MANY,
        description="Images that the archive's training part must hold; fewer for a smaller mirror.",
    )
    expected_test: Whole = Field(10_000, ge=1, le=MANY, description="Images that the archive's test part must hold.")
    train_per_class: OptionalWhole = Field(
        None, description="Training images of each class, from the training part; null for all that are left."
    )
    validation_per_class: Whole = Field(
        0, ge=0, le=MANY, description="Validation images of each class, taken from the training part; 0 for none."
    )
    test_per_class: OptionalWhole = Field(
        None, description="Test images of each class, from the test part; null for all."
    )
    seed: Seed = Field(0, description="Decides which image goes into which split.")


_URLS_OF_ARCHIVE = "Where the archive is, tried in order; https, http or file."
_SUM_OF_ARCHIVE = "The archive's SHA-256; the official one's by default."


class Cifar10Dataset(_ArchiveDataset):
    """CIFAR-10: 60,000 photographs of 32 x 32 pixels in ten classes, from the official binary archive (170 MB)."""

    CLASSES: ClassVar[int] = 10

    source: Literal["cifar10"] = Field("cifar10", description="The data set: CIFAR-10, downloaded.")
    urls: Urls = Field(CIFAR10["urls"], description=_URLS_OF_ARCHIVE)
    sha256: Sha256 = Field(CIFAR10["sha256"], description=_SUM_OF_ARCHIVE)


class Cifar100Dataset(_ArchiveDataset):
    """CIFAR-100: 60,000 photographs of 32 x 32 pixels in a hundred classes, from the official binary archive."""

    CLASSES: ClassVar[int] = 100

    source: Literal["cifar100"] = Field("cifar100", description="The data set: CIFAR-100, downloaded.")
    urls: Urls = Field(CIFAR100["urls"], description=_URLS_OF_ARCHIVE)
    sha256: Sha256 = Field(CIFAR100["sha256"], description=_SUM_OF_ARCHIVE)


def _dataset_with_source(value: Any) -> Any:
    return {"source": "digits", **value} if isinstance(value, dict) else value


Dataset = Annotated[
    DigitsDataset | Cifar10Dataset | Cifar100Dataset,
    Field(discriminator="source"),
    BeforeValidator(_dataset_with_source),
]


class Model(Section):
    """The network and what it is fed."""

    architecture: Architecture = Field("resnet18", description="A classification network of torchvision.")
    input_size: Whole = Field(
        224,
        ge=ANY_SIZE[0],
        le=ANY_SIZE[-1],
        description="Height and width, in pixels, to which images are resized; each architecture takes some of them.",
    )
    normalisation: Literal["none", "imagenet", "dataset"] = Field(
        "none",
        description="Mean and standard deviation that shift and scale each channel: none (the lecture: values from 0 "
        "to 1 as they are), ImageNet's (where an arm starts from torchvision's weights, what these were trained "
        "with), or those of the training images.",
    )


class NoWeights(Section):
    """No pretrained weights: every arm starts from random ones."""

    source: Literal["none"] = Field("none", description="No pretrained weights.")


class LettersWeights(Section):
    """Weights pretrained here, on letters rendered in the fonts that matplotlib ships, warped, shifted and blurred."""

    source: Literal["letters"] = Field("letters", description="Pretrain on rendered letters A to Z; needs no network.")
    train_images: Whole = Field(11_000, ge=26, le=MANY, description="Letters to train on.")
    test_images: Whole = Field(1_000, ge=26, le=MANY, description="Other letters, for the held-out accuracy.")
    epochs: Whole = Field(2, ge=1, le=MANY, description="Passes over the letters.")
    batch_size: Whole = Field(128, ge=1, le=MANY, description="Letters in a batch.")
    learning_rate: Number = Field(1e-3, gt=0, le=10, description="Adam's learning rate.")
    seed: Seed = Field(0, description="Decides the letters, the first weights and the order of the batches.")


class TorchvisionWeights(Section):
    """torchvision's weights, trained on ImageNet-1k, for any architecture; downloaded."""

    source: Literal["torchvision"] = Field("torchvision", description="torchvision's ImageNet weights, downloaded.")
    urls: OptionalUrls = Field(
        None, description="Where the file is, tried in order; https, http or file. null for torchvision's own address."
    )
    sha256: OptionalSha256 = Field(
        None,
        description="The file's SHA-256; null for torchvision's own (where only its first digits are known, those).",
    )
    path: OptionalPath = Field(
        None, description="The weights as a file of one's own, taken instead of any address; null to download them."
    )


def _with_source(value: Any) -> Any:
    return {"source": "none", **value} if isinstance(value, dict) else value


Weights = Annotated[
    NoWeights | LettersWeights | TorchvisionWeights, Field(discriminator="source"), BeforeValidator(_with_source)
]


class Training(Section):
    """The recipe: Adam on the cross-entropy. The number of threads and the device change the last bits of a result."""

    epochs: Whole = Field(10, ge=1, le=MANY, description="Passes over the training images; with patience, the most.")
    patience: OptionalWhole = Field(
        None,
        description="Stop after so many epochs without a higher validation accuracy; null to train all epochs. Needs "
        "validation images.",
    )
    keep: Literal["last", "best"] = Field(
        "last",
        description="The epoch whose weights are the run's: the last, or the one with the highest validation accuracy "
        "(the earliest of equals; never epoch 0). best needs validation images.",
    )
    batch_size: Whole = Field(32, ge=1, le=MANY, description="Images in a batch of training.")
    learning_rate: Number = Field(1e-4, gt=0, le=10, description="Adam's learning rate.")
    evaluation_batch_size: Whole = Field(256, ge=1, le=MANY, description="Images in a batch of evaluation.")
    num_threads: Whole = Field(2, ge=1, le=1024, description="Threads that torch computes with on the CPU.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: a CUDA GPU where there is one, else the CPU."
    )
    precision: Literal["float32", "tf32", "bfloat16", "float16"] = Field(
        "float32",
        description="float32: the lecture's. tf32 and bfloat16: faster on GPUs of compute capability 8 or more, "
        "bfloat16 also on CPUs that have it. float16 (with scaled losses): for older GPUs.",
    )
    channels_last: bool = Field(
        False, description="Keep images and weights as [N, H, W, C] in memory: faster for most, other last bits."
    )
    fused_optimizer: bool = Field(
        False, description="Adam's arithmetic in one kernel: faster where batches are small, other last bits."
    )
    cuda_graphs: Literal["auto", "never"] = Field(
        "auto",
        description="On a GPU, record a training step once and replay it (except with float16): at small batches "
        "Python is slower than the GPU. Decides no bit of a result.",
    )
    residency: Literal["auto", "device", "host", "mapped"] = Field(
        "auto",
        description="Where the images lie while training: on the GPU, in the computer's memory, or in their file; "
        "auto: the first of them with room. Decides no bit of a result.",
    )
    checkpoint_minutes: Number = Field(
        10,
        gt=0,
        le=10_000,
        description="The longest time between two checkpoints, from which a killed training goes on; there is one "
        "after each epoch in any case. Decides no bit of a result.",
    )
    cache_features: bool = Field(
        True,
        description="Compute what the trunk makes of every image once, for all epochs and seeds, where nothing changes "
        "it: pretrained weights, only the head trains, BatchNorm is frozen, and nothing in the trunk is random.",
    )
    train_images: OptionalWhole = Field(
        None, description="Train on the first so many images only (classes stay balanced); null for all."
    )


class Comparison(Section):
    """How arms are compared."""

    equivalence_margin: Number = Field(
        1.0, ge=0, le=100, description="Arms that differ by less, in points of accuracy, count as equivalent."
    )
    confidence: Number = Field(0.95, gt=0, lt=1, description="Confidence of the intervals.")
    bootstrap_draws: Whole = Field(10_000, ge=100, le=MANY, description="Draws of the paired bootstrap.")
    seed: Seed = Field(0, description="Seed of the draws.")


def _overrides(section: type[Section]) -> type[Section]:
    """A section with the same keys, of which an arm gives some.

    What it leaves out is not in `model_fields_set`. A default that is made by a function is not shown by the schema.
    """

    def _nothing() -> None:
        return None

    fields: dict[str, Any] = {
        name: Annotated[info.annotation, *info.metadata, Field(default_factory=_nothing, description=info.description)]
        for name, info in section.model_fields.items()
    }
    return create_model(f"Arm{section.__name__}", __base__=Section, __doc__=section.__doc__, **fields)


if TYPE_CHECKING:  # a type checker takes no class that a function makes
    ArmModel = Section
    ArmTraining = Section
else:
    ArmModel = _overrides(Model)
    ArmTraining = _overrides(Training)


class Arm(Section):
    """One way to train."""

    label: Label | None = Field(None, description="Its name in figures and tables; null for the arm's name.")
    weights: Literal["random", "pretrained"] = Field("random", description="Where its weights come from.")
    train: Literal["all", "head"] = Field("all", description="What it trains: all weights, or the last layer only.")
    batchnorm: Literal["train", "frozen"] = Field(
        "train",
        description="train: BatchNorm uses and follows the statistics of the batches, even where only the head trains "
        "(the lecture's recipe); frozen: it keeps the statistics that it came with.",
    )
    role: Literal["arm", "control"] = Field(
        "arm", description="A control is trained and tabled, but stands outside the headline and the comparisons."
    )
    model: ArmModel = Field(ArmModel(), description="Keys of `model` that are different for this arm.")
    training: ArmTraining = Field(ArmTraining(), description="Keys of `training` that are different for this arm.")


class ReferenceModel(Section):
    """A network that those of the arms are compared with on paper; it is never trained."""

    architecture: Architecture = Field(description="A classification network of torchvision.")
    input_size: Whole = Field(
        ge=ANY_SIZE[0], le=ANY_SIZE[-1], description="Height and width, in pixels, of the images it is for."
    )
    auxiliary: bool = Field(
        False, description=f"With auxiliary heads, which {' and '.join(WITH_AUXILIARY_HEADS)} have while they train."
    )


class Experiment(Section):
    """One data set and one question; several arms, several seeds."""

    question: Question = Field(
        "Does it pay to start from pretrained weights, and is it enough to train the last layer?",
        description="The question that the report opens with.",
    )
    dataset: Dataset = Field(DigitsDataset(), description="The images.")
    model: Model = Field(Model(), description="The network and what it is fed.")
    weights: Weights = Field(NoWeights(), description="Where pretrained weights come from.")
    training: Training = Field(Training(), description="The recipe.")
    comparison: Comparison = Field(Comparison(), description="How arms are compared.")
    reference_models: list[ReferenceModel] = Field(
        [],
        min_length=0,
        max_length=20,
        description="Networks to compare the arms' ones with on paper: parameters, operations, memory, batch size.",
    )
    seeds: Seeds = Field([0], description="Every arm is trained once with each seed.")
    claims: Literal["none", "lecture45"] = Field(
        "none",
        description="lecture45: test what lecture 45 claims and show the faults of its notebook; it needs arms called "
        "scratch, finetune and last_layer that train as the lecture's three nets.",
    )
    arms: dict[Name, Arm] = Field(min_length=1, description=f"The ways to train, by name: {NAME_IN_WORDS}.")


class Configuration(Section):
    """Triptych's configuration."""

    experiments: dict[Name, Experiment] = Field(min_length=1, description=f"The experiments, by name: {NAME_IN_WORDS}.")
    keep_weights: Literal["all", "trained", "none"] = Field(
        "all",
        description="Which weights of the runs are kept: those before and after training, those after it, or none.",
    )
    jobs_per_gpu: Whole = Field(
        1,
        ge=1,
        le=64,
        description="How many jobs may compute on one GPU at the same time: more than 1 where they are small, and "
        "`--resources gpu=` then counts these places (2 GPUs with 3 jobs each: gpu=6). Decides no bit of a result; "
        "measured times are those of a shared GPU.",
    )


# From what was given to what is in effect


def load_configuration(raw: Any) -> Configuration:
    """Check what was read from YAML files and from the command line.

    Args:
        raw: a mapping; numbers may be texts.

    Raises:
        InputError: something is not allowed. The message has one line for each problem, with the key (which names the
            experiment), the value and what is allowed, under a first line where there are several.
    """
    if not isinstance(raw, Mapping):
        raise InputError(f"{shown(raw)} is not allowed; give a mapping with the key experiments")
    try:
        configuration = Configuration.model_validate(dict(raw))
        problems = list(_contradictions(configuration))
    except ValidationError as error:
        problems = explain(error, Configuration.model_json_schema())
    problems = list(dict.fromkeys(problems))
    if len(problems) > 1:
        raise InputError("\n  ".join([f"{len(problems)} problems:", *problems]))
    if problems:
        raise InputError(problems[0])
    return configuration


def effective(configuration: Configuration) -> dict[str, Any]:
    """Everything that is in effect, as plain values for JSON and YAML; `load_configuration` reads it back the same.

    It has the keys of the configuration, all filled in. The `model` and `training` of each arm are complete: the
    experiment's values, and over them the arm's own.
    """
    settings = configuration.model_dump()
    for name, experiment in configuration.experiments.items():
        settings["experiments"][name]["arms"] = {
            arm_name: _resolved_arm(experiment, arm_name, arm) for arm_name, arm in experiment.arms.items()
        }
    return settings


def resolved_arms(experiment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arms of one experiment of `effective`, in their order, each with its `name` and everything in effect."""
    return [{"name": name, **arm} for name, arm in experiment["arms"].items()]


def compared_networks(experiment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The networks of one experiment of `effective` that are compared on paper, each once: the arms', then the others.

    Returns:
        Mappings of `architecture`, `input_size`, `auxiliary`, `role` (arm or reference) and `trained`: of each arm
        with this network that is no control, what it trains (all or head).
    """
    models = [{**arm["model"], "auxiliary": False, "role": "arm"} for arm in experiment["arms"].values()]
    models += [{**model, "role": "reference"} for model in experiment["reference_models"]]
    keys = ("architecture", "input_size", "auxiliary")
    first: dict[tuple[Any, ...], dict[str, Any]] = {}
    for model in models:
        network = {key: model[key] for key in (*keys, "role")} | {"trained": []}
        first.setdefault(tuple(model[key] for key in keys), network)
    for arm in experiment["arms"].values():
        if arm["role"] != "control":
            first[arm["model"]["architecture"], arm["model"]["input_size"], False]["trained"].append(arm["train"])
    return list(first.values())


def _resolved_arm(experiment: Experiment, name: str, arm: Arm) -> dict[str, Any]:
    return {
        "label": arm.label or name,
        **arm.model_dump(include={"role", "weights", "train", "batchnorm"}),
        "model": {**experiment.model.model_dump(), **arm.model.model_dump(exclude_unset=True)},
        "training": {**experiment.training.model_dump(), **arm.training.model_dump(exclude_unset=True)},
    }


# What is wrong, in words


def _contradictions(configuration: Configuration) -> Iterator[str]:
    """What no single key shows: one message for each contradiction."""
    yield from _same_folders("experiments", configuration.experiments)
    for name, experiment in configuration.experiments.items():
        key = f"experiments.{name}"
        yield from _same_folders(f"{key}.arms", experiment.arms)
        yield from _dataset_too_small(key, experiment.dataset)
        yield from _one_file_for_several_networks(key, experiment)
        yield from _impossible_references(key, experiment.reference_models)
        yield from _claims_without_their_arms(key, experiment)
        labels: dict[str, str] = {}
        for arm_name, arm in experiment.arms.items():
            yield from _arm_contradictions(key, experiment, arm_name, arm)
            label = arm.label or arm_name
            other = labels.setdefault(label, arm_name)
            if other != arm_name:
                yield f"{key}.arms.{arm_name}.label: {label!r} is the label of {other} too; give each arm its own"
        if all(arm.role == "control" for arm in experiment.arms.values()):
            yield f"{key}.arms: every arm is a control; give at least one arm with the role arm"


LECTURE_ARMS = {"scratch": ("random", "all"), "finetune": ("pretrained", "all"), "last_layer": ("pretrained", "head")}
"""The lecture's three nets: the `weights` and `train` of each."""


def _claims_without_their_arms(key: str, experiment: Experiment) -> Iterator[str]:
    """The claims are about three arms by name: they must be there, train as the lecture's nets, and be compared."""
    if experiment.claims == "none":
        return
    for name, (weights, train) in LECTURE_ARMS.items():
        arm = experiment.arms.get(name)
        needed = {"weights": weights, "train": train, "role": "arm"}
        words = ", ".join(f"{field}: {value}" for field, value in needed.items())
        if arm is None:
            yield f"{key}.claims: {experiment.claims!r} needs an arm called {name} ({words}); add it, or give none"
        elif different := [field for field, value in needed.items() if getattr(arm, field) != value]:
            yield (
                f"{key}.arms.{name}.{different[0]}: {getattr(arm, different[0])!r} is not allowed with {key}.claims: "
                f"{experiment.claims}; give {needed[different[0]]}, or none for the claims"
            )


def _same_folders(key: str, names: Mapping[str, Any]) -> Iterator[str]:
    """Names that are one folder where the file system does not tell capitals from small letters."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.lower(), name)
        if other != name:
            yield f"{key}: the names {other} and {name} differ in capitals only; give names that differ otherwise"


def _one_file_for_several_networks(key: str, experiment: Experiment) -> Iterator[str]:
    weights = experiment.weights
    if not isinstance(weights, TorchvisionWeights):
        return
    arms = [
        _resolved_arm(experiment, name, arm) for name, arm in experiment.arms.items() if arm.weights == "pretrained"
    ]
    architectures = list(dict.fromkeys(arm["model"]["architecture"] for arm in arms))
    given = [name for name in ("urls", "sha256", "path") if getattr(weights, name) is not None]
    if given and len(architectures) > 1:
        yield (
            f"{key}.weights.{given[0]}: one file cannot hold the weights of {' and '.join(architectures)}; give null, "
            f"or pretrained weights to arms of one architecture only"
        )


def _impossible_references(key: str, models: list[ReferenceModel]) -> Iterator[str]:
    for position, model in enumerate(models):
        place = f"{key}.reference_models.{position}"
        if wrong := wrong_size(model.architecture, model.input_size):
            yield f"{place}.input_size: {model.input_size} is not allowed; {wrong}"
        if model.auxiliary and model.architecture not in WITH_AUXILIARY_HEADS:
            yield (
                f"{place}.auxiliary: true is not allowed, since {model.architecture} has no auxiliary heads; "
                f"{' and '.join(WITH_AUXILIARY_HEADS)} have some"
            )
        if model in models[:position]:
            yield f"{place}: the same network as reference_models.{models.index(model)}; give each network once"


def _largest_class(dataset: _ArchiveDataset) -> tuple[int, int]:
    """How many images of each class the training and the test part of an archive hold, at most."""
    return dataset.expected_train // dataset.CLASSES, dataset.expected_test // dataset.CLASSES


def _train_per_class(dataset: Dataset) -> int:
    """How many training images of each class there are in effect."""
    if isinstance(dataset, DigitsDataset):
        return dataset.train_per_class
    if dataset.train_per_class is None:
        return _largest_class(dataset)[0] - dataset.validation_per_class
    return dataset.train_per_class


def _archive_too_small(key: str, dataset: _ArchiveDataset) -> Iterator[str]:
    train, test = _largest_class(dataset)
    wanted = dataset.validation_per_class + (dataset.train_per_class or 1)
    if wanted > train:
        training = dataset.train_per_class or "at least 1"
        yield (
            f"{key}.dataset: {training} images of each class for training (train_per_class) and "
            f"{dataset.validation_per_class} for validation are {wanted}; give at most {train} in all, what the "
            f"training part of {dataset.source} has (expected_train)"
        )
    if dataset.test_per_class and dataset.test_per_class > test:
        yield (
            f"{key}.dataset.test_per_class: {dataset.test_per_class} is not allowed; give at most {test}, what the "
            f"test part of {dataset.source} has (expected_test)"
        )


def _dataset_too_small(key: str, dataset: Dataset) -> Iterator[str]:
    if isinstance(dataset, _ArchiveDataset):
        yield from _archive_too_small(key, dataset)
        return
    wanted = dataset.train_per_class + dataset.validation_per_class + (dataset.test_per_class or 1)
    if wanted > dataset.SMALLEST_CLASS:
        test = dataset.test_per_class or "at least 1"
        yield (
            f"{key}.dataset: {dataset.train_per_class} images of each class for training (train_per_class), "
            f"{dataset.validation_per_class} for validation and {test} for testing are {wanted}; give at most "
            f"{dataset.SMALLEST_CLASS} in all, the size of the smallest class of {dataset.source}"
        )


def _arm_contradictions(key: str, experiment: Experiment, name: str, arm: Arm) -> Iterator[str]:
    settings = _resolved_arm(experiment, name, arm)

    def place(section: str, field: str) -> str:
        own = field in getattr(arm, section).model_fields_set
        return f"{key}.arms.{name}.{section}.{field}" if own else f"{key}.{section}.{field}"

    architecture, input_size = settings["model"]["architecture"], settings["model"]["input_size"]
    if wrong := wrong_size(architecture, input_size):
        yield f"{place('model', 'input_size')}: {input_size} is not allowed; {wrong}"
    train_images = settings["training"]["train_images"]
    available = experiment.dataset.CLASSES * _train_per_class(experiment.dataset)
    if train_images and train_images > available:
        yield (
            f"{place('training', 'train_images')}: {train_images} is not allowed; give at most {available}, what "
            f"{key}.dataset.train_per_class makes, or null for all"
        )
    if not experiment.dataset.validation_per_class:
        training = settings["training"]
        decided = [("patience", training["patience"])] if training["patience"] else []
        decided += [("keep", "'best'")] if training["keep"] == "best" else []
        for field, value in decided[:1]:
            yield (
                f"{place('training', field)}: {value} is not allowed, since it is decided on validation images and "
                f"{key}.dataset.validation_per_class is 0; give at least 1 there"
            )
    if arm.weights == "pretrained":
        yield from _impossible_weights(key, experiment, name, place("model", "input_size"), settings["model"])


def _impossible_weights(
    key: str, experiment: Experiment, name: str, place: str, model: Mapping[str, Any]
) -> Iterator[str]:
    """Pretrained weights that there are none of, or that do not fit the network of an arm.

    Args:
        name: the arm; `place`: the key that decides its input size; `model`: its network in effect.
    """
    architecture, input_size = model["architecture"], model["input_size"]
    if experiment.weights.source == "none":
        yield (
            f"{key}.arms.{name}.weights: 'pretrained' is not allowed, since {key}.weights.source is none; give "
            f"random, or a source of pretrained weights there (letters, torchvision)"
        )
        return
    own = SIZE_OF_WEIGHTS.get(architecture)
    if experiment.weights.source == "letters":
        pretrained_at = experiment.model.input_size
        if wrong := wrong_size(architecture, pretrained_at):
            yield (
                f"{key}.model.input_size: {pretrained_at} is not allowed; the weights of {name} are pretrained at "
                f"this size, and {wrong}"
            )
            return
        own = own and pretrained_at
    if own not in (None, input_size) and not wrong_size(architecture, input_size):
        yield (
            f"{place}: {input_size} is not allowed with pretrained weights; those of {architecture} are for {own} px "
            f"and fit no other size; give {own}, or random weights to {name}"
        )
