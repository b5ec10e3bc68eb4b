"""The data report: what check_data found, before anything is trained. One HTML file that needs nothing beside it."""

from pathlib import Path
from typing import Literal

from triptych.data.border import opened_split
from triptych.data.source import parsed
from triptych.report import formatting as words
from triptych.report.checked_data import CheckedData, CheckedFiles, read_checked_data
from triptych.report.data_sections import precision
from triptych.report.data_sections.registry import SECTIONS
from triptych.report.report import Part, template
from triptych.storage.files import write_text

TEMPLATE = "report_data.html.jinja"


def report_data(  # noqa: PLR0913
    *,
    dataset: str,
    experiment: str,
    images: Path,
    problems: Path,
    ignored: Path,
    pairs: Path,
    duplicates: Path,
    cache: Path,
    openings: Path | None = None,
    show: Literal["all", "none"] = "all",
    report: Path,
) -> None:
    """Write the data report of an experiment as one self-contained HTML file.

    Args:
        dataset: JSON, the section `dataset` of the configuration that prepare_dataset takes.
        images, problems, ignored: the tables of check_data.
        pairs, duplicates: the table and the summary of find_duplicates.
        cache: the folder of decoded images. A picture that is not there is left out.
        openings: the folder with the logs of openings of test images.
        show: none leaves out all pictures.
        report: the file to write.

    Raises:
        InputError: a table or a setting is missing or invalid.
    """
    checked = CheckedFiles(images, problems, ignored, pairs, duplicates)
    pictures = cache if show == "all" else None
    data = read_checked_data(parsed(dataset), checked, pictures, opened_split(openings))
    for note in precision.notes(data):
        print(f"warning: {note}", flush=True)
    page = render(experiment, data)
    write_text(report, page)
    print(f"wrote {report} ({words.size(len(page.encode()))})", flush=True)


def render(experiment: str, data: CheckedData) -> str:
    """The HTML of the data report."""
    made = [Part(section, section.blocks(data)) for section in SECTIONS if section.needs(data)]
    parts = [part for part in made if part.blocks]
    return template(TEMPLATE).render(experiment=experiment, parts=parts, pictures={})
