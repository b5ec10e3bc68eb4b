"""What a key of the recipe or of the execution is declared with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ALWAYS_GIVEN = object()
"""The `neutral` of keys that have none: commands are given their values whatever they are."""

MANY = 1_000_000
"""The largest of most whole numbers."""

AUTO = "auto"
"""The value of a number that follows from other keys."""

COMMANDS = ("train", "pretrain_weights", "extract_features", "open_test")
"""The commands that take a recipe and an execution."""


@dataclass(frozen=True)
class Key:
    """A key of the section `training`.

    Attributes:
        kind: `whole number`, `number`, `flag`, or `choice` of `choices`.
        default: its value where none is given.
        meaning: one or more sentences.
        title: its title in the report; by default its name.
        bounds: of a number, as pydantic names them: `ge`, `gt`, `le`.
        optional: whether null is allowed.
        automatic: of a number that may be `auto`: computes it from the other keys' values by name.
        affects: the `result` of a command (the key is part of the recipe), or its `speed` alone (of the execution).
        neutral: the value at which commands behave as before the key existed. A command is not given it, so a new key
            reruns nothing; it equals the default in the command's own dataclass. It never changes after a release.
        used_by: the commands whose recipe has the key.
        compared: whether arms that differ in it have different recipes. False where it changes last bits alone.
        same_work: whether arms must agree in it to do the same arithmetic in the same way.
    """

    kind: Literal["whole number", "number", "flag", "choice"]
    default: Any
    meaning: str
    title: str = ""
    choices: tuple[str, ...] = ()
    bounds: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False
    automatic: Callable[[Mapping[str, Any]], Any] | None = None
    affects: Literal["result", "speed"] = "result"
    neutral: Any = ALWAYS_GIVEN
    used_by: tuple[str, ...] = ("train",)
    compared: bool = True
    same_work: bool = True

    @property
    def has_neutral(self) -> bool:
        return self.neutral is not ALWAYS_GIVEN


def resolved(keys: Mapping[str, Key], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with a number in place of every `auto` that stands for one."""
    numbers = {
        name: key.automatic(values) for name, key in keys.items() if key.automatic is not None and values[name] == AUTO
    }
    return {**values, **numbers}


def given(keys: Mapping[str, Key], values: Mapping[str, Any], command: str) -> dict[str, Any]:
    """The recipe that a command is given: those of `values` that it uses and that are not neutral."""
    return {
        name: values[name]
        for name, key in keys.items()
        if key.affects == "result" and command in key.used_by and not (key.has_neutral and values[name] == key.neutral)
    }
