"""The kinds of values that keys of the configuration have, and what a section of keys is."""

from collections import Counter
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from triptych.configuration.keys import MANY

LARGEST_SEED = 2**32 - 1
LONGEST_NAME = 64
NAME_PATTERN = f"^[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST_NAME - 1}}}$"


# Numbers, names and texts. Values given with --config arrive as text, and so does 1e-4 from a YAML file.


def as_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("boolean", "a boolean is not a number")
    if isinstance(value, str):
        for convert in (int, float):
            try:
                return convert(value)
            except ValueError:
                continue
    return value


def as_null(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in ("", "~", "null", "none") else value


def printable(text: str) -> str:
    if not text.isprintable() or not text:  # a control character would make the figures' SVG unreadable
        raise PydanticCustomError("one_line", "give text that can be printed")
    return text


def read_as_number(value: Any) -> str:
    """Return what to write for a file or folder whose name YAML and Snakemake read as a number; empty for others."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"it is read as a number; for a name write ./{value}" if number else ""


def _path_not_number(value: Any) -> Any:
    if advice := read_as_number(value):
        raise PydanticCustomError("path", "{advice}", {"advice": advice})
    return value


def _path(text: str) -> str:
    if text.startswith("~"):  # only a shell knows it
        raise PydanticCustomError("path", "give a path without ~, from / or from the folder where you run")
    return printable(text)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _different(values: list[int]) -> list[int]:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise PydanticCustomError("twice", "{twice} is given more than once; give each seed once", {"twice": twice[0]})
    return values


def _address(text: str) -> str:
    scheme, separator, rest = printable(text).partition("://")
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


Whole = Annotated[int, BeforeValidator(as_number)]
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(as_number)]
OptionalWhole = Annotated[
    Annotated[int, Field(ge=1, le=MANY), BeforeValidator(as_number)] | None, BeforeValidator(as_null)
]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED), BeforeValidator(as_number)]
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
OptionalUrls = Annotated[Urls | None, BeforeValidator(as_null)]
Sha256 = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=1000), AfterValidator(_checksum)
]
OptionalSha256 = Annotated[Sha256 | None, BeforeValidator(as_null)]
RequiredPath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4000),
    AfterValidator(_path),
    BeforeValidator(_path_not_number),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 4000, "format": "path"}),
]
OptionalPath = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(_path)] | None,
    BeforeValidator(as_null),
]


class Section(BaseModel):
    """A mapping of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
