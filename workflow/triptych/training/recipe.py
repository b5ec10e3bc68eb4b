"""The recipe of a command (what affects its result) and its execution (what affects only speed), as typed objects.

Commands take both as JSON. The configuration declares every key in `triptych.configuration.training`. Nothing here may
depend on that module, or every new key would retrain all runs. A default here is the `neutral` value there.
"""

import dataclasses
import json
import math
import types
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from triptych.data.halves import selects_epoch
from triptych.storage.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "tf32", "bfloat16", "float16"]

Options = TypeVar("Options", bound="JsonOptions")


@dataclass(frozen=True, kw_only=True)
class JsonOptions:
    """A command-line option given as JSON, with the fields as keys."""

    @classmethod
    def from_json(cls: type[Options], text: str, option: str) -> Options:
        """Build the object from a JSON mapping.

        Args:
            option: the name of the option in messages, such as `--recipe`.

        Raises:
            InputError: the text is not a mapping, lacks a key, or has an unknown key or a value of the wrong type.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{option}: {text[:60]!r} is not JSON ({error}); give {cls.in_words()}.") from None
        if not isinstance(values, dict):
            raise InputError(f"{option}: {text[:60]!r} is not a mapping; give {cls.in_words()}.")
        hints = get_type_hints(cls)
        needed = [field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
        unknown = [repr(key)[:60] for key in values if key not in hints]
        if unknown:
            raise InputError(f"{option}: unknown key {', '.join(unknown)}; allowed are {', '.join(hints)}.")
        missing = [key for key in needed if key not in values]
        if missing:
            raise InputError(f"{option}: missing {', '.join(missing)}; required are {', '.join(needed)}.")
        for key, value in values.items():
            if not _is_a(value, hints[key]):
                found = json.dumps(value)[:60]
                raise InputError(f"{option}: {key}: {found} is not allowed; give {_in_words(hints[key])}.")
        return cls(**values)

    @classmethod
    def in_words(cls) -> str:
        """Describe the keys, their allowed values, and the defaults of optional keys."""
        hints = get_type_hints(cls)
        keys = [
            f"{field.name} ({_in_words(hints[field.name])}"
            + (")" if field.default is dataclasses.MISSING else f"; default {json.dumps(field.default)})")
            for field in dataclasses.fields(cls)
        ]
        return f"a JSON mapping of {', '.join(keys)}"

    def in_effect(self) -> dict[str, Any]:
        """Return the values that are not defaults, by key. A new key with a default does not change it."""
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
        }


@dataclass(frozen=True, kw_only=True)
class EvaluationRecipe(JsonOptions):
    """How a network is evaluated.

    Attributes:
        evaluation_batch_size: images per evaluation batch.
        num_threads: CPU threads; the number affects rounding.
        device: `auto` is a GPU if there is one, else the CPU.
        precision: as in `triptych.training.arithmetic`.
        channels_last: store images and weights as [N, H, W, C].
    """

    evaluation_batch_size: int
    num_threads: int
    device: Device
    precision: Precision
    channels_last: bool


@dataclass(frozen=True, kw_only=True)
class FeaturesRecipe(EvaluationRecipe):
    """How features are computed: as in an evaluation.

    Attributes:
        train_images: use only the first `train_images` training images (None: all).
    """

    train_images: int | None


@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe(JsonOptions):
    """How a network trains: epochs, steps and arithmetic. The optimiser is Adam with torch's other defaults.

    Attributes:
        epochs: passes over the training images; with `patience`, the maximum.
        batch_size, learning_rate: of a training step.
        evaluation_batch_size, num_threads, device, precision, channels_last: as in `EvaluationRecipe`.
        fused_optimizer: run all of Adam in one kernel.
        keep: the epoch whose weights are kept: `last`, or `best`, the first with the highest selection accuracy.
        patience: stop after `patience` epochs without a higher selection accuracy (None: never).
        recalibrate_batchnorm: `final`: re-estimate BatchNorm's statistics for the kept network, as in
            `triptych.training.batchnorm`, and select the epoch with them; or `never`.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    evaluation_batch_size: int
    num_threads: int
    device: Device
    precision: Precision
    channels_last: bool
    fused_optimizer: bool = False
    keep: Literal["last", "best"] = "last"
    patience: int | None = None
    recalibrate_batchnorm: Literal["never", "final"] = "never"

    @property
    def selects_epoch(self) -> bool:
        """Whether an accuracy selects the kept epoch or ends the training."""
        return selects_epoch(self.keep, self.patience)


@dataclass(frozen=True, kw_only=True)
class Recipe(PretrainingRecipe):
    """The recipe of a run: that of a pretraining, and `train_images` as in `FeaturesRecipe`."""

    train_images: int | None


@dataclass(frozen=True, kw_only=True)
class Execution(JsonOptions):
    """What does not affect results.

    Attributes:
        cuda_graphs: `auto`: capture a training step on a GPU and replay it; or `never`.
        residency: where the images are stored while training, as in `triptych.training.residency`.
        checkpoint_minutes: the longest time between two checkpoints; one follows each epoch that ends more than ten
            seconds after the last one.
        jobs_per_gpu: the number of jobs that may share a GPU, as in `triptych.training.gpus`; with None, use the first
            GPU without a claim.
    """

    cuda_graphs: Literal["auto", "never"] = "auto"
    residency: Literal["auto", "device", "host", "mapped"] = "auto"
    checkpoint_minutes: float = 10.0
    jobs_per_gpu: int | None = None


PLAIN = Execution()
"""The default execution."""


def _is_a(value: Any, hint: Any) -> bool:
    """Whether a JSON value has the type of a field. An integer is also a number; a boolean is neither."""
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return any(_is_a(value, one) for one in get_args(hint))
    if hint is float:
        return type(value) is int or (type(value) is float and math.isfinite(value))
    return type(value) is hint


def _in_words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_in_words(one) for one in get_args(hint))
    return {bool: "true or false", int: "a whole number", float: "a number", type(None): "null"}[hint]
