"""What a section of the report is made of: blocks, and the cells of its tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from triptych.results import schema
from triptych.results.experiment import Results
from triptych.wings import FIGURES

# Cells


@dataclass(frozen=True)
class ArmName:
    """A cell that names an arm, with its colours in every figure (see `ArmStyle`)."""

    title: str
    colour: str
    dark_colour: str
    control: bool


@dataclass(frozen=True)
class Range:
    """A cell that draws an interval: positions in percent of the cell's width."""

    text: str
    low: float
    middle: float
    high: float
    zero: float
    margin_low: float
    margin_high: float


@dataclass(frozen=True)
class Download:
    """A cell that links a file. `address` holds its content; it is empty for a file that is too large."""

    name: str
    path: str
    note: str
    address: str


@dataclass(frozen=True)
class Bar:
    """A cell that draws a stacked bar of `parts`, in percent of the cell's width, below its text."""

    text: str
    parts: Sequence[float]


# Blocks


@dataclass(frozen=True)
class Paragraph:
    """One paragraph; `kind` is its class in the style sheet."""

    text: str
    kind: Literal["", "answer", "partial"] = ""


@dataclass(frozen=True)
class Bullets:
    """A list of sentences, under a heading if `title` is given."""

    items: Sequence[str]
    title: str = ""


@dataclass(frozen=True)
class Column:
    """The head of a column, its meaning, and its kind: `number`, `text`, `code`, `arm`, `range`, `bar`, `verdict`,
    `prose`, `file`, or `name` or `name path`, which may be long. `term` replaces the title in the explanation."""

    title: str
    meaning: str
    kind: str = "number"
    term: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the meanings of its columns (or `explained`) are folded below it.

    Attributes:
        rows: cells are text, a pair of texts (the second below the first), or one of the cells of this module.
        file: the CSV file that it comes from, beside the report.
        stacks: becomes one block a row on a narrow screen.
        total: a last row.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    file: str = ""
    stacks: bool = False
    total: Sequence[Any] = ()
    explained: Sequence[tuple[str, str]] = ()

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The terms to explain, each with its meaning."""
        columns = [(column.term or column.title, column.meaning) for column in self.columns if column.meaning]
        return list(self.explained) or columns


@dataclass(frozen=True)
class Figure:
    """A figure of the catalogue, by the name of its file without the ending; `leads` gives it the whole width."""

    name: str
    title: str
    caption: str
    leads: bool = False


@dataclass(frozen=True)
class Thumbnail:
    """A small picture with its class, its path and a note. `address` holds the picture; it may be empty.

    `title` is shown on hover.
    """

    address: str
    label: str
    path: str
    note: str = ""
    title: str = ""


@dataclass(frozen=True)
class Thumbnails:
    """Small pictures beside each other, under a heading."""

    title: str
    pictures: Sequence[Thumbnail]


@dataclass(frozen=True)
class Pair:
    """Two pictures that are compared, and what is said of both."""

    first: Thumbnail
    second: Thumbnail
    note: str = ""


@dataclass(frozen=True)
class Pairs:
    """Pairs of small pictures, each side by side, under a heading."""

    title: str
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away under a line of text."""

    summary: str
    blocks: Sequence["Block"]


Block = Paragraph | Bullets | Table | Figure | Thumbnails | Pairs | Details


# Sections


Content = TypeVar("Content")
"""What a page is about: the results of an experiment, or its checked data."""


def always(content: object) -> bool:
    return True


@dataclass(frozen=True)
class Section(Generic[Content]):
    """A section: its anchor, its heading (empty: none), and the blocks that it makes of the page's content.

    It is left out where `needs` is false, or where it makes no block.
    """

    anchor: str
    title: str
    blocks: Callable[[Content], list[Block]]
    needs: Callable[[Content], bool] = always


# Shared parts


ARM = Column("arm", "", "arm")

MOST_ABREAST = 3
"""Most arms whose columns find room beside each other on a phone."""


def arm_cell(results: Results, arm: str) -> ArmName:
    """The cell that names an arm."""
    style = results.styles[arm]
    return ArmName(style.title, style.colour, style.dark_colour, results.arms["role"][arm] == "control")


def declared(table: schema.Table, name: str, kind: str = "number") -> Column:
    """The column that shows a declared column as it is, with its title and meaning."""
    column = table[name]
    return Column(column.heading, column.meaning, kind)


def over_seeds(results: Results, mean: str) -> str:
    """`mean` after a comma, where it is one over several seeds; empty if every arm has one run."""
    return f", {mean} over seeds" if results.numbers_of_runs[-1] > 1 else ""


def figure(name: str, caption: str = "", *, leads: bool = False) -> Figure:
    """A figure of the whole experiment; by default with the caption of the catalogue."""
    return Figure(name, FIGURES[name].title, caption or FIGURES[name].caption, leads)


def figure_of_arm(results: Results, name: str, arm: str, caption: str) -> Figure:
    """A figure of one arm."""
    return Figure(f"{name}_{arm}", f"{results.name_of(arm)}: {FIGURES[name].title}", caption)
