"""Every table of the experiment, inside the page where it is small."""

import yaml

from triptych.report.blocks import Block, Column, Paragraph, Section, Table
from triptych.report.files import download, link, without_folders
from triptych.results import schema
from triptych.results.experiment import Results


def blocks(results: Results) -> list[Block]:
    claims = results.configuration["claims"] != "none" and results.missing is None
    tables = [table for table in schema.EXPERIMENT_TABLES.values() if claims or not table.of_claims]
    settings = without_folders(results.configuration)
    configuration = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=100)
    rows = [
        *([download(results, table.file), table.title] for table in tables),
        [download(results, schema.SIZES.file), schema.SIZES.title],
        [download(results, "config.yaml", configuration), "the configuration in effect, paths shortened"],
        *(
            [download(results, f"models/{model}/printout.txt"), f"every layer of {model}"]
            for model in sorted(_models(results))
        ),
    ]
    columns = [Column("file", "", "file"), Column("content", "", "prose")]
    beside = "" if results.missing is not None else f" Checksums of all files: {link(results, 'manifest.json')}."
    return [
        Paragraph(f"The files below are inside this page, unless noted. Figures: figures/ (SVG, PNG).{beside}"),
        Table("Files", columns, rows),
    ]


SECTION = Section("files", "Tables and files", blocks)


def _models(results: Results) -> set[str]:
    """The folders of the networks."""
    table = results.tables["models"]
    return {f"{name}_{size:.0f}" for name, size in zip(table["architecture"], table["input_size"], strict=True)}
