"""Check a configuration, and the image files that it names, before anything runs."""

import shlex
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import typer

from triptych.configuration.check import in_short
from triptych.configuration.downloads import downloads
from triptych.configuration.image_files import ImageFiles
from triptych.console.machine import cores
from triptych.console.target import Target, read_target
from triptych.data.found import DATASET, Found, Problem
from triptych.data.user_files import quoted
from triptych.storage.errors import InputError
from triptych.storage.files import sha256

MOST_NAMED = 20
"""The most problems, and the most classes, that are named."""


def check(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG|FOLDER",
            help="A configuration, a folder of images or a CSV file that names them.",
            show_default=False,
        ),
    ],
    decode: Annotated[
        bool,
        typer.Option(
            "--decode",
            help="Decode every file as well, as the workflow does first. What is decoded is kept in resources/images/ "
            "for the workflow.",
        ),
    ] = False,
) -> None:
    """Check a configuration, and list what is found in the images that it names.

    Looked at, always: the text and the values of the configuration, the folders and the names of the files, and
    whether each class has enough of them for the split. With --decode: the content of each file. Not looked at:
    whether downloads succeed, and whether the trainings fit into memory (triptych estimate).

    python -m triptych check checks the text and the values alone, of several files that are merged.
    """
    asked = read_target(target)
    for experiment, found in check_target(asked, decode).items():
        if not decode and found.items:
            again = shlex.join(["triptych", "check", "--decode", str(target)])
            print(f"{experiment}: no file was decoded; the workflow does it first, or: {again}", flush=True)


def check_target(target: Target, decode: bool = False) -> dict[str, Found]:
    """Print what a target holds; return the user's image files that are there, by experiment.

    Raises:
        InputError: images are missing, or are something that `check_data` or `prepare_dataset` would refuse.
    """
    name = target.path or "the default experiment"
    said = "as triptych new would write it" if target.is_images else "no mistakes"
    print(f"{name}: {said}; {in_short(target.configuration)}", flush=True)
    _check_own_files(target)
    files = {
        experiment: _check_files(settings.dataset, target, target.folders[experiment], decode)
        for experiment, settings in target.configuration.experiments.items()
        if isinstance(settings.dataset, ImageFiles)
    }
    return {experiment: found for experiment, found in files.items() if found is not None}


def _check_own_files(target: Target) -> None:
    """Compare files that the user has, in place of downloads, with their checksums. A missing one may not be needed.

    Raises:
        InputError: a file is another one.
    """
    for download in downloads(target.settings["experiments"]).values():
        if download.path is None or not Path(download.path).is_file():
            continue
        found = sha256(Path(download.path))
        if not found.startswith(download.sha256):
            raise InputError(
                f"{download.path}: not the file that is expected in place of a download (sha256 {found}, expected "
                f"{download.sha256}). If it is the one that you want, write beside its path: sha256: {found}"
            )


def _check_files(dataset: ImageFiles, target: Target, folder: Path, decode: bool) -> Found | None:
    path = Path(dataset.path)
    prepared = (folder / "data" / "train.safetensors").is_file()
    if prepared and not path.exists():
        print(f"{path}: the images are gone; those that were prepared from them are used", flush=True)
        return None
    found = found_in(dataset)
    for line in described(found):
        print(f"{path}: {line}", flush=True)
    problems = found.problems + (_decoded(dataset, target.resources / "images") if decode else [])
    refuse(path, problems, dataset.policy)
    _check_split(dataset, found)
    return found


def found_in(dataset: ImageFiles) -> Found:
    """Return what a folder or table holds, without decoding an image."""
    from triptych.data.source import file_source_of  # takes numpy along, which other configurations do without

    return file_source_of(dataset.source).found(Path(dataset.path))


def described(found: Found) -> list[str]:
    """Return the counts of images, classes, splits and ignored files, a line each."""
    by_class = Counter(item.label for item in found.items)
    if not by_class:
        return []
    sizes = sorted(by_class.items(), key=lambda one: (one[1], one[0]))
    (least, few), (most, many) = sizes[0], sizes[-1]
    spread = f"{few:,} each" if few == many else f"from {few:,} ({quoted(least)}) to {many:,} ({quoted(most)})"
    lines = [f"{len(found.items):,} files in {len(by_class):,} classes, {spread}"]
    splits = Counter(item.split for item in found.items if item.split)
    if splits:
        lines.append("given splits: " + ", ".join(f"{split} {count:,}" for split, count in sorted(splits.items())))
    reasons = Counter(one.reason for one in found.ignored)
    if reasons:
        lines.append("ignored: " + ", ".join(f"{count:,} ({reason})" for reason, count in sorted(reasons.items())))
    return lines


def _decoded(dataset: ImageFiles, cache: Path) -> list[Problem]:
    """Run `check_data` into the usual cache, and return what is wrong with the content of files."""
    from triptych.data.check_data import check_data
    from triptych.results.schema import PROBLEMS
    from triptych.results.tables import read_table
    from triptych.workflow.options import as_json

    with tempfile.TemporaryDirectory() as temporary:
        names = ("listing", "images", "problems", "ignored")
        outputs = {name: Path(temporary, name) for name in names}
        check_data(
            dataset=as_json(dataset.checking()), path=Path(dataset.path), asked="", cache=cache, num_threads=cores(),
            **outputs,
        )  # fmt: skip
        table = read_table(outputs["problems"], PROBLEMS)
    return [Problem(*row) for row in table[["kind", "path", "class", "problem", "remedy"]].itertuples(index=False)]


def refuse(path: Path, problems: list[Problem], policy: str) -> None:
    """Raise an error with the problems that stop the workflow; print the others."""
    stopping = [one for one in dict.fromkeys(problems) if one.kind == DATASET or policy == "stop"]
    others = len(set(problems)) - len(stopping)
    if others:
        print(f"{path}: {others:,} files cannot be used and will be left out (policy: quarantine)", flush=True)
    if not stopping:
        return
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in stopping:
        alike[one.problem, one.remedy].append(quoted(one.path) if one.path else quoted(one.label) if one.label else "")
    lines = []
    for (problem, remedy), names in sorted(alike.items(), key=lambda entry: entry[1]):
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        where = f"{names[0]}{more}: " if names[0] else ""
        lines.append(f"\n  {where}{problem}; {remedy}.")
    goes_on = any(one.kind != DATASET for one in stopping)
    hint = "\nTo go on without them: dataset: {policy: quarantine}." * goes_on
    rest = f"\n  and {len(lines) - MOST_NAMED:,} more." if len(lines) > MOST_NAMED else ""
    count = "1 problem" if len(stopping) == 1 else f"{len(stopping):,} problems"
    raise InputError(f"{path}: {count}.{''.join(lines[:MOST_NAMED])}{rest}{hint}")


def _check_split(dataset: ImageFiles, found: Found) -> None:
    """Check that there are enough images for the split, if each is different and none is left out.

    Raises:
        InputError: as `triptych.data.splitting.split_rows`.
    """
    import pandas

    from triptych.data.splitting import split_rows, with_groups

    rows = [(item.path, item.label, item.split, item.group, item.path, item.path) for item in found.items]
    images = pandas.DataFrame(rows, columns=["path", "class", "split", "group", "sha256", "pixels"])
    try:
        images = with_groups(images, dataset.model_dump())
        parts = split_rows(images, dataset.model_dump())
    except InputError as error:
        raise InputError(f"{dataset.path}: {error}") from None
    if all(item.split for item in found.items) and set(parts) == {item.split for item in found.items}:
        return  # as given, which is said already
    counts = ", ".join(f"{part} {len(positions):,}" for part, positions in parts.items())
    print(f"{dataset.path}: split into about {counts}", flush=True)
