"""What decides a command's result (its recipe) and what decides its speed alone (its execution), as typed objects.

Commands are given each as JSON. Every key is declared for the configuration in `triptych.configuration.training`, of
which nothing here may depend: a new key would train every run again. A key with a default here has that value as its
`neutral` there.
"""

import dataclasses
import json
import math
import types
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from triptych.storage.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "tf32", "bfloat16", "float16"]

Options = TypeVar("Options", bound="JsonOptions")


@dataclass(frozen=True, kw_only=True)
class JsonOptions:
    """An object that is one option of a command, as JSON with its fields as keys."""

    @classmethod
    def from_json(cls: type[Options], text: str, option: str) -> Options:
        """Build the object that a JSON mapping describes.

        Args:
            option: what the mapping is called in messages, as `--recipe`.

        Raises:
            InputError: it is no mapping, lacks a key, or has an unknown one or a value of another type.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{option}: {text[:60]!r} is not JSON ({error}); give {cls.in_words()}") from None
        if not isinstance(values, dict):
            raise InputError(f"{option}: {text[:60]!r} is no mapping; give {cls.in_words()}")
        hints = get_type_hints(cls)
        needed = [field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
        unknown = [repr(key)[:60] for key in values if key not in hints]
        if unknown:
            raise InputError(f"{option}: there is no key {', '.join(unknown)}; allowed are {', '.join(hints)}")
        missing = [key for key in needed if key not in values]
        if missing:
            raise InputError(f"{option}: missing {', '.join(missing)}; needed are {', '.join(needed)}")
        for key, value in values.items():
            if not _is_a(value, hints[key]):
                found = json.dumps(value)[:60]
                raise InputError(f"{option}: {key}: {found} is not allowed; give {_in_words(hints[key])}")
        return cls(**values)

    @classmethod
    def in_words(cls) -> str:
        """The keys with what they allow, and the value of those that may be left out."""
        hints = get_type_hints(cls)
        keys = [
            f"{field.name} ({_in_words(hints[field.name])}"
            + (")" if field.default is dataclasses.MISSING else f"; {json.dumps(field.default)} if left out)")
            for field in dataclasses.fields(cls)
        ]
        return f"a JSON mapping of {', '.join(keys)}"

    def in_effect(self) -> dict[str, Any]:
        """The values that are no defaults, by key: what makes this object differ from one before a key was added."""
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
        }


@dataclass(frozen=True, kw_only=True)
class FeaturesRecipe(JsonOptions):
    """How features are computed.

    Attributes:
        evaluation_batch_size: images in a batch of evaluation.
        num_threads: CPU threads; another number gives other last bits.
        device: `auto` is a GPU where there is one, else the CPU.
        precision: of the arithmetic, as in `triptych.training.arithmetic`.
        channels_last: keep images and weights as [N, H, W, C] in memory.
        train_images: use the first so many training images only (None: all).
    """

    evaluation_batch_size: int
    num_threads: int
    device: Device
    precision: Precision
    channels_last: bool
    train_images: int | None


@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe(JsonOptions):
    """How long, in which steps, and by which arithmetic a network trains. Adam with torch's other defaults.

    Attributes:
        epochs: passes over the training images; with `patience`, the most.
        batch_size, learning_rate: of a step.
        evaluation_batch_size, num_threads, device, precision, channels_last: as in `FeaturesRecipe`.
        fused_optimizer: Adam's arithmetic in one kernel.
        keep: the epoch whose weights are kept; best: of the highest validation accuracy, the earliest of equals.
        patience: stop after so many epochs without a higher validation accuracy (None: never).
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


@dataclass(frozen=True, kw_only=True)
class Recipe(PretrainingRecipe):
    """The recipe of a run: that of a training, and `train_images`, as in `FeaturesRecipe`."""

    train_images: int | None


@dataclass(frozen=True, kw_only=True)
class Execution(JsonOptions):
    """What does not affect results.

    Attributes:
        cuda_graphs: `auto`: record a training step on a GPU and replay it; or `never`.
        residency: where the images are while training, as in `triptych.training.residency`.
        checkpoint_minutes: the longest time between two checkpoints; there is one after each epoch in any case.
        jobs_per_gpu: claim a GPU that fewer than so many jobs have, as in `triptych.training.gpus`; None claims none,
            and uses the first.
    """

    cuda_graphs: Literal["auto", "never"] = "auto"
    residency: Literal["auto", "device", "host", "mapped"] = "auto"
    checkpoint_minutes: float = 10.0
    jobs_per_gpu: int | None = None


PLAIN = Execution()
"""How a command is executed that is not told how."""


def _is_a(value: Any, hint: Any) -> bool:
    """Whether a value that JSON holds is of a field's type. A whole number is a number too; a boolean is neither."""
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
