"""The section `training` as pydantic checks it, made from the declarations of its keys."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, WrapValidator, create_model

from triptych.configuration.keys import AUTO, Key
from triptych.configuration.source import IF_FILES
from triptych.configuration.training import KEYS, RECIPE_OF_FILES
from triptych.configuration.values import Section, as_null, as_number


def _field(name: str, key: Key) -> Any:
    """The type of a key, and how it is described."""
    extra: dict[str, Any] = {}
    if name in RECIPE_OF_FILES:
        extra["x-default"] = f"`{key.default}`; `{RECIPE_OF_FILES[name]}` {IF_FILES}"
    title = key.title or name.replace("_", " ")
    described = Field(key.default, title=title, description=key.meaning, json_schema_extra=extra)
    if key.kind == "flag":
        return bool, described
    if key.kind == "choice":
        return Literal[key.choices], described
    kind: Any = int if key.kind == "whole number" else Annotated[float, Field(allow_inf_nan=False)]
    number = Annotated[kind, Field(**key.bounds), BeforeValidator(as_number)]
    if key.automatic is not None:
        return _or_auto(number), described
    return Annotated[number | None, BeforeValidator(as_null)] if key.optional else number, described


def _or_auto(number: Any) -> Any:
    """The type of a number that may also be `auto`. Of a value that is neither, a message speaks once."""
    validate = TypeAdapter(number).validate_python
    return Annotated[
        number | Literal[AUTO], WrapValidator(lambda value, _: value if value == AUTO else validate(value))
    ]


if TYPE_CHECKING:  # a type checker takes no class that a function makes
    Training = Section
else:
    Training = create_model(
        "Training",
        __base__=Section,
        __doc__="The recipe: Adam on the cross-entropy. The number of threads and the device change the last bits of "
        "results.",
        **{name: _field(name, key) for name, key in KEYS.items()},
    )
