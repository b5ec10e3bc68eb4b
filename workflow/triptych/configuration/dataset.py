"""The section `dataset`: where the images come from, and how many of them go into which split."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from triptych.configuration.source import Source
from triptych.configuration.sources.registry import SOURCES, section_of

DEFAULT_SOURCE = "digits"


def _dataset_with_source(value: Any) -> Any:
    return {"source": DEFAULT_SOURCE, **value} if isinstance(value, dict) else value


if TYPE_CHECKING:  # a type checker takes no union that is made from a list
    Dataset = Source
else:
    Dataset = Annotated[
        reduce(or_, map(section_of, SOURCES)), Field(discriminator="source"), BeforeValidator(_dataset_with_source)
    ]
