"""Every table of the experiment, inside the page where it is small."""

from collections.abc import Sequence
from typing import Any

import yaml

from triptych.configuration.claims import NONE
from triptych.report.blocks import Block, Column, Details, Paragraph, Section, Table
from triptych.report.files import download, link, without_folders
from triptych.results import schema
from triptych.results.experiment import Results
from triptych.wings import tables_with

MOST_ROWS = 10
"""The most files that are folded away together."""


def blocks(results: Results) -> list[Block]:
    claims = results.configuration["claims"] if results.missing is None else NONE
    without = () if results.leaked else (schema.LEAK_PRICE.name,)  # it is empty
    tables = [table for name, table in tables_with(claims, results.mode).items() if name not in without]
    settings = without_folders(results.configuration)
    configuration = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=100)
    rows = [
        *([download(results, table.file), table.title] for table in tables),
        *([download(results, schema.LEAKS.file), schema.LEAKS.title] for _ in results.leaked[:1]),
        [download(results, "decision.json"), "the decision with its reasons"],
        [download(results, schema.SIZES.file), schema.SIZES.title],
        [download(results, "config.yaml", configuration), "the configuration in effect, paths shortened"],
        *(
            [download(results, f"models/{model}/printout.txt"), f"every layer of {model}"]
            for model in sorted(_models(results))
        ),
    ]
    columns = [Column("file", "", "file"), Column("content", "", "prose")]
    folded = [rows[first : first + MOST_ROWS] for first in range(0, len(rows), MOST_ROWS)]
    beside = "" if results.missing is not None else f" Checksums of all files: {link(results, 'manifest.json')}."
    return [
        Paragraph(
            "The files below are inside this page; a file that is too large is marked. In the same folder: "
            f"figures/ (SVG, PNG).{beside}"
        ),
        *(Details(_span(part), [Table("Files", columns, part)]) for part in folded),
    ]


def _span(rows: Sequence[Sequence[Any]]) -> str:
    """The first and the last file of some rows."""
    return " to ".join(dict.fromkeys(row[0].name for row in (rows[0], rows[-1])))


SECTION = Section("files", "Tables and files", blocks)


def _models(results: Results) -> set[str]:
    """The folders of the networks."""
    table = results.tables["models"]
    return {f"{name}_{size:.0f}" for name, size in zip(table["architecture"], table["input_size"], strict=True)}
