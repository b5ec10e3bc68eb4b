"""A stub until the data report is there."""

from pathlib import Path

from triptych.storage.files import write_text


def report_data(
    *,
    experiment: str,
    dataset: str,
    images: Path,
    problems: Path,
    ignored: Path,
    cache: Path,
    show: str = "all",
    report: Path,
) -> None:
    """Write a page."""
    write_text(report, f"{experiment} {dataset} {images} {problems} {ignored} {cache} {show}\n")
