"""Classify image files with a model that an experiment has written."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas

from triptych.data import user_files
from triptych.data.class_checks import FORMULAS
from triptych.data.user_files import kind_of, quoted
from triptych.evaluation.model_folder import Answer, Model, load_model
from triptych.evaluation.tables import OF_FILES
from triptych.results.tables import cell, save_table
from triptych.storage.errors import InputError


def predict(model: Path, files: list[Path], *, csv: Path | None = None, device: str = "auto") -> None:
    """Print for each image file the class, its probability, and whether that is too low to be sure.

    The probability is that of the experiment's `tables/predictions.csv`: the same bits with the same versions, kind of
    device, processor and number of threads, else nearly so. The calibrated one uses the model's temperature; a
    prediction is unsure if it is below the model's threshold. A file that cannot be used is named and skipped.

    Args:
        model: the folder of the model, such as results/EXPERIMENT/model. Nothing in it is changed.
        files: image files, or folders: all images in them.
        csv: a table to write: path, predicted, probability, calibrated, unsure (1 or 0).
        device: cpu, cuda, or auto (default): as where the model was tested, if that is there.

    Raises:
        InputError: the model's files do not belong together, there is no image, or some files could not be used; the
            others are then predicted and written.
    """
    named = list(images_of(files))
    loaded = load_model(model, device)
    tell(loaded)
    rows, failed = [], 0
    for (name, _), prediction in zip(named, loaded.predict(file for _, file in named), strict=True):
        if prediction.logits is None:
            failed += 1
            print(f"{quoted(name)}: {prediction.problem}; skipped", file=sys.stderr, flush=True)
            continue
        answer = loaded.answer(prediction.logits)
        rows.append({"path": user_files.escaped(name), **columns_of(answer)})
        print(f"{quoted(name)}: {in_words(answer)}", flush=True)
    if csv is not None:
        save_table(csv, pandas.DataFrame(rows, columns=OF_FILES.names), OF_FILES)
    if failed:
        raise InputError(f"{failed:,} of {len(named):,} files could not be used; they are named above.")


def tell(model: Model) -> None:
    """Print on stderr what differs here from where the model was tested."""
    for note in model.notes:
        print(f"note: {note}", file=sys.stderr, flush=True)


def images_of(paths: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the name and the path of each file: as given, and of a folder the path of each image in it.

    A single folder is `./` in these, as in the tables of an experiment; of several each begins with its folder. A name
    that spreadsheets would read as a formula begins with `./`.

    Raises:
        InputError: a folder cannot be read, or holds no image.
    """
    paths = list(paths)
    for path in paths:
        name = f"./{path}" if str(path).startswith(FORMULAS) else str(path)
        if kind_of(path) != "folder":
            yield name, path
            continue
        unreadable: list[str] = []
        inside = user_files.walk(os.path.realpath(path), ".", unreadable=unreadable)
        found = sorted(entry for entry in inside if entry.kind in ("file", "link") and user_files.is_image(entry))
        if unreadable:
            raise InputError(f"{path}: the folder {unreadable[0]} cannot be read; give yourself the right to read it.")
        if not found:
            raise InputError(f"{path}: no image in this folder; give image files, or a folder of images.")
        within = "." if len(paths) == 1 else name.rstrip("/")
        yield from ((within + entry.path.removeprefix("."), Path(entry.file)) for entry in found)


def columns_of(answer: Answer) -> dict[str, object]:
    """Return the cells of an answer in a table."""
    return {key: cell(value) for key, value in answer._asdict().items()}


def in_words(answer: Answer) -> str:
    """Return an answer for the terminal."""
    calibrated = "" if answer.calibrated is None else f", calibrated {answer.calibrated:.4f}"
    return f"{answer.predicted} {answer.probability:.4f}{calibrated}{', unsure' if answer.unsure else ''}"
