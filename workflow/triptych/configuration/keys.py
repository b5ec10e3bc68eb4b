"""What a key of the recipe or of the execution declares beside its type, bounds, default and description.

Everything that has to know the keys follows from their declarations: the JSON that commands are given, what decides a
run or its features, the columns of `tables/arms.csv`, and the report's lists of what arms have in common.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_origin

from pydantic.fields import FieldInfo

from triptych.configuration.values import Section

ALWAYS_GIVEN = object()
"""The `neutral` of keys that have none: commands are given their values whatever they are."""

COMMANDS = ("train", "pretrain_weights", "extract_features")
"""The commands that take a recipe and an execution."""


@dataclass(frozen=True)
class Key:
    """Stands beside a key's type, in `Annotated`.

    Attributes:
        affects: the `result` of a command (the key is part of the recipe), or its `speed` alone (of the execution).
        neutral: the value at which commands behave as before the key existed. A command is not given it, so a new key
            makes nothing again; it equals the default in the command's own dataclass. It never changes after a release.
        used_by: the commands whose recipe has the key.
        compared: whether arms that differ in it have different recipes. False where it changes last bits alone.
        same_work: whether arms must agree in it to do the same arithmetic in the same way.
    """

    affects: Literal["result", "speed"] = "result"
    neutral: Any = ALWAYS_GIVEN
    used_by: tuple[str, ...] = ("train",)
    compared: bool = True
    same_work: bool = True


@dataclass(frozen=True)
class Declared:
    """A key as it is declared.

    Attributes:
        title, meaning: how the report calls and describes it.
        kind: `text`, `number` (or null) or `flag`.
        key: what else it declares.
    """

    title: str
    meaning: str
    kind: Literal["text", "number", "flag"]
    key: Key

    @property
    def has_neutral(self) -> bool:
        return self.key.neutral is not ALWAYS_GIVEN

    @property
    def neutral_cell(self) -> str:
        """The neutral value as a cell of `tables/arms.csv`."""
        value = self.key.neutral
        if value is None:
            return ""
        return str(int(value) if isinstance(value, bool) else value)

    def is_neutral(self, value: Any) -> bool:
        """Whether a command behaves with this value as before the key existed."""
        return bool(value == self.key.neutral)


def declared(section: type[Section]) -> dict[str, Declared]:
    """The keys of a section that declare a `Key`, by name and in order."""
    return {
        name: Declared(info.title or name.replace("_", " "), info.description or "", _kind(info), key)
        for name, info in section.model_fields.items()
        for key in info.metadata
        if isinstance(key, Key)
    }


def _kind(info: FieldInfo) -> Literal["text", "number", "flag"]:
    if info.annotation is bool:
        return "flag"
    return "text" if get_origin(info.annotation) is Literal else "number"


def given(keys: Mapping[str, Declared], values: Mapping[str, Any], command: str) -> dict[str, Any]:
    """The recipe that a command is given: those of `values` that it uses and that are not neutral."""
    return {
        name: values[name]
        for name, one in keys.items()
        if one.key.affects == "result" and command in one.key.used_by and not one.is_neutral(values[name])
    }
