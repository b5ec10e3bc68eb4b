"""The files of an experiment as the report links them: their places, and their content inside the page."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from triptych.report import formatting as words
from triptych.report.blocks import Download
from triptych.results import schema
from triptych.results.experiment import Results
from triptych.storage.errors import InputError
from triptych.storage.files import read_text
from triptych.wings import FIGURES

LARGEST_INSIDE = 200_000
"""Most bytes of a table that is kept inside the page."""

NEED_NO_RUN = (
    *(table.file for table in schema.EXPERIMENT_TABLES.values() if not table.needs_runs),
    *(f"figures/{name}.svg" for name, figure in FIGURES.items() if not figure.needs_runs),
)
"""What is made without the runs, so that a partial report shares it with the whole one."""


def link(results: Results, file: str) -> str:
    """The address of a file of the experiment, relative to the report."""
    own = file == "decision.json" or (file.startswith(("tables/", "figures/")) and file not in NEED_NO_RUN)
    return file if results.missing is None or own else f"../{file}"


def download(results: Results, file: str, text: str | None = None) -> Download:
    """A file as the page offers it: its content (or `text` instead) up to LARGEST_INSIDE, else its path.

    Raises:
        InputError: the file is missing or no text.
    """
    path = link(results, file)
    name = PurePosixPath(file).name
    content = _content(results.report_folder / path) if text is None else text
    bytes_ = (results.report_folder / path).stat().st_size if content is None else len(content.encode())
    if content is None or bytes_ > LARGEST_INSIDE:
        return Download(name, path, f"{words.size(bytes_)}, not inside this page: {path}", "")
    kind = "text/csv" if name.endswith(".csv") else "text/plain"
    address = Markup(f"data:{kind};charset=utf-8,{_quoted(content, spaces=False)}")
    return Download(name, path, words.size(bytes_), address)


def _content(path: Path) -> str | None:
    """The text of a file; None if it is too large for the page, whose size alone matters then."""
    return None if path.is_file() and path.stat().st_size > LARGEST_INSIDE else read_text(path)


def svg_address(path: Path) -> str:
    """An SVG file as the address of an image that holds it, for an attribute in double quotation marks.

    The text is kept as it is, except for what an address cannot hold: base64 would be a third longer, and so would the
    pictures inside, which are base64 already.

    Raises:
        InputError: there is no such file, or it is not SVG.
    """
    try:
        svg = read_text(path)
    except InputError:
        raise InputError(f"{path}: the figure is missing, or not an SVG file") from None
    _, tag, drawing = svg.partition("<svg")
    if not tag:
        raise InputError(f"{path}: not an SVG file")
    svg = tag + drawing
    for pattern, kept in ((r"<!--.*?-->|<metadata>.*?</metadata>", ""), (r"\s+", " "), (r"> <", "><")):
        svg = re.sub(pattern, kept, svg, flags=re.DOTALL)
    if "'" not in svg:
        svg = svg.replace('"', "'")
    return Markup(f"data:image/svg+xml,{_quoted(svg.strip())}")


def _quoted(text: str, spaces: bool = True) -> str:
    """Text as part of an address. quote() alone looks up every character, which takes seconds for a hundred figures."""
    kept = r"\w" + " " * spaces + r"'/:;,()=+@!*?.~{}\[\]|^`$-"
    return re.sub(f"[^{kept}]+", lambda part: quote(part[0]), text, flags=re.ASCII)


def without_folders(value: Any) -> Any:
    """A value of the configuration in which absolute paths are reduced to their last part: they may name people."""
    if isinstance(value, Mapping):
        return {key: without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_folders(inner) for inner in value]
    if isinstance(value, str):
        path = value.removeprefix("file://")
        if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]|\\\\", path):
            return f"…/{PureWindowsPath(path).name}"
    return value
