"""The report of an experiment: one HTML file that needs nothing beside it."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from triptych.report import formatting as words
from triptych.report.blocks import Block, Details, Figure, Section
from triptych.report.files import link, svg_address
from triptych.report.sections.registry import SECTIONS
from triptych.results.experiment import Results, read_results
from triptych.storage.errors import InputError
from triptych.storage.files import write_text
from triptych.wings import FIGURES

TEMPLATE = "report.html.jinja"
LARGEST = 20_000_000
"""Most bytes of the report. With 20 arms of 20 seeds all figures find room; benchmarks/scale.md says how much."""

LINK_LENGTH = 500
"""More bytes than the line that replaces an image that was left out."""


@dataclass(frozen=True)
class Picture:
    """The image of a figure: its file, and the address that holds it, empty if it had to be left out."""

    file: str
    source: str


@dataclass(frozen=True)
class Part:
    """A section with its blocks."""

    section: Section[Any]
    blocks: Sequence[Block]


def report(*, experiment: str, experiment_folder: Path, missing: str | None = None, output: Path) -> None:
    """Write the report of an experiment as one self-contained HTML file.

    Reads config.yaml, data/, weights/ and models/ of `experiment_folder`, and tables/ and figures/*.svg beside
    `output`. The page fetches nothing; only links to files that are too large for it lead out of it.

    Args:
        missing: makes it a partial report, in a folder inside `experiment_folder`: JSON, the seeds of the runs that are
            missing by arm.

    Raises:
        InputError: a file is missing or not what it should be, or the report would be larger than LARGEST.
    """
    results = read_results(experiment_folder, output.parent, None if missing is None else json.loads(missing))
    parts = parts_of(results)
    pictures = pictures_of(results, parts)
    page = render(experiment, results, parts, pictures)
    excess = len(page.encode()) - LARGEST
    if excess > 0:
        pictures = without(pictures, excess)
        page = render(experiment, results, parts, pictures)
    size = len(page.encode())
    if size > LARGEST:
        raise InputError(
            f"{output}: the report would have {words.size(size)} even without its figures; at most "
            f"{words.size(LARGEST)} are allowed. Divide the arms into several experiments"
        )
    write_text(output, page)
    left_out = [name for name, picture in pictures.items() if not picture.source]
    print(f"wrote {output} ({words.size(size)})", flush=True)
    if left_out:
        print(f"too large to be put into it, and linked instead: {', '.join(left_out)}", flush=True)


def parts_of(results: Results) -> list[Part]:
    """The sections that have something to say, in the order of the registry."""
    made = [Part(section, section.blocks(results)) for section in SECTIONS if section.needs(results)]
    return [part for part in made if part.blocks]


def figures_in(blocks: Iterable[Block]) -> Iterator[Figure]:
    """The figures among blocks, folded ones included."""
    for block in blocks:
        if isinstance(block, Figure):
            yield block
        elif isinstance(block, Details):
            yield from figures_in(block.blocks)


def pictures_of(results: Results, parts: list[Part]) -> dict[str, Picture]:
    """The image of every figure of the page by its name, the most important first, as the catalogue orders them."""
    shown = {figure.name for part in parts for figure in figures_in(part.blocks)}
    names = [name for figure in FIGURES.values() for name in figure.names(list(results.arms["arm"])) if name in shown]
    files = {name: link(results, f"figures/{name}.svg") for name in names}
    return {name: Picture(file, svg_address(results.report_folder / file)) for name, file in files.items()}


def without(pictures: dict[str, Picture], excess: int) -> dict[str, Picture]:
    """The pictures without the images that matter least, until at least `excess` bytes are saved."""
    kept = dict(pictures)
    for name in reversed(pictures):
        saved = len(pictures[name].source) - LINK_LENGTH
        if excess > 0 and saved > 0:
            kept[name] = replace(pictures[name], source="")
            excess -= saved
    return kept


def breakable(name: str) -> Markup:
    """A name that may be broken after each underscore."""
    return escape(name).replace("_", Markup("_<wbr>"))


def unbroken(text: str) -> Markup:
    """A text in which names such as ResNet-18 are not broken at their hyphen."""
    return Markup(" ").join(
        Markup('<span class="whole">{}</span>').format(word) if re.search(r"-\d", word) else escape(word)
        for word in text.split()
    )


def render(experiment: str, results: Results, parts: list[Part], pictures: dict[str, Picture]) -> str:
    """The HTML of the report."""
    question = results.configuration["question"]
    return template(TEMPLATE).render(experiment=experiment, question=question, parts=parts, pictures=pictures)


def template(name: str) -> jinja2.Template:
    """A template of this folder. It escapes what it is given."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["kind_of"] = lambda block: type(block).__name__
    environment.filters["breakable"] = breakable
    environment.filters["unbroken"] = unbroken
    return environment.get_template(name)
