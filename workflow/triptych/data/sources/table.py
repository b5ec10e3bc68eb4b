"""Images that a CSV file names, with their classes and, if wanted, splits and groups."""

import csv
import io
import os
import posixpath
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from triptych.data import user_files
from triptych.data.class_checks import SPLITS, as_label, class_problems
from triptych.data.found import DATASET, FILE, Found, Item, Problem
from triptych.data.listing import UNUSABLE, Listed
from triptych.data.user_files import LINKS, quoted
from triptych.storage.errors import InputError

COLUMNS = ("path", "label", "split", "group")
REQUIRED = ("path", "label")
MEANT = {
    "file": "path",
    "file_name": "path",
    "file_path": "path",
    "filename": "path",
    "filepath": "path",
    "image": "path",
    "image_path": "path",
    "class": "label",
    "category": "label",
    "target": "label",
    "fold": "split",
    "set": "split",
    "subset": "split",
    "patient": "group",
}
"""What others call a column, and what it is called here."""
SEPARATORS = ",;\t"
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://")
WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")

AS_UTF8 = "save it as CSV UTF-8"


class _TableError(Exception):
    """The table as a whole cannot be read: problems, each with its remedy."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__(problems)
        self.problems = problems


class Place(NamedTuple):
    """A file that the table names.

    Attributes:
        path: as `Item.path`; absolute for a file outside the table's folder.
        file: where it is.
        kind: file, or why it is none: a key of `LINKS` or of `FAULTS`, or windows.
        real: the same for all spellings of one file.
        size: as `Listed.size`.
        mtime_ns: as `Listed.mtime_ns`.
    """

    path: str
    file: str
    kind: str
    real: str
    size: int = UNUSABLE
    mtime_ns: int = 0


class Row(NamedTuple):
    """A row of the table: the line that it begins in, its cells by column, and where its file is."""

    line: int
    cells: Mapping[str, str]
    place: Place


FAULTS = {
    "missing": ("the file does not exist", "correct the path, or delete the row"),
    "folder": ("the path is that of a folder", "give the path of a file"),
    "address": ("an address, not a file", "download the file, and give its path"),
    "spaces": ("the path begins or ends with a space", "delete the space"),
    "climbs": ("the path leads out of the folder of the table", "give the absolute path"),
    "outside": (
        "the path leads out of the folder of the table by a link",
        "give the absolute path of its target",
    ),
    "other": ("neither a file nor a folder (a pipe, a socket or a device)", "delete the row"),
    "denied": ("the file cannot be read (Permission denied)", "give yourself the right to read it"),
}
"""What is wrong with a file that a row names, and what to do."""


def found(path: Path) -> Found:
    """Return the images that a table names, and what is wrong with it. No image is decoded."""
    problem = table_problem(path)
    if problem:
        return Found([], [problem], [], [])
    table = _Table(path)
    try:
        rows, problems = table.rows()
    except _TableError as error:
        return Found([], [table.problem(*one) for one in error.problems], [], [])
    search = _Search(table, rows)
    search.run()
    return Found(
        sorted(search.items, key=lambda item: item.path),
        sorted([*problems, *search.problems], key=lambda one: (one.path, one.label, one.problem)),
        [],
        sorted({item.label for item in search.items}),
    )


def candidates(path: Path) -> list[Listed]:
    """Return the table and the files that it names, as `triptych.data.listing.candidates`."""
    problem = table_problem(path)
    if problem:
        raise InputError(f"{problem.problem}; {problem.remedy}.")
    table = _Table(path)
    listed = {Listed(table.name, *user_files.fingerprint(str(path.resolve()), "file", ""))}
    try:
        places = [row.place for row in table.rows()[0]]
    except _TableError:
        places = []
    listed.update(Listed(place.path, place.size, place.mtime_ns) for place in places)
    return sorted(listed)


def table_problem(path: Path) -> Problem | None:
    """Return why there is no table to read at `path`; None where there is one."""
    name = quoted(str(path))
    kind = user_files.kind_of(path)
    if kind == "file" and os.access(path, os.R_OK):
        return None
    if kind in ("file", "hidden"):
        return Problem(DATASET, "", "", f"the table {name} cannot be read", "give yourself the right to read it")
    if kind == "folder":
        remedy = "give the CSV file as path, or source: folder for a folder of images"
        return Problem(DATASET, "", "", f"{name} is a folder, not a CSV file", remedy)
    if kind == "other":
        return Problem(DATASET, "", "", f"{name} is no regular file", "give the path of a CSV file")
    return Problem(DATASET, "", "", f"the table {name} does not exist", "give the path of a CSV file")


class _Table:
    """A CSV file, read but not judged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        base = os.path.abspath(path.parent)  # noqa: PTH100 - links in the path stay as the user wrote them
        self.base = user_files.as_text(base)
        self.real_base = os.path.realpath(base)
        self.name = f"./{user_files.as_text(path.name)}"

    def problem(self, problem: str, remedy: str) -> Problem:
        return Problem(DATASET, user_files.escaped(self.name), "", problem, remedy)

    def rows(self) -> tuple[list[Row], list[Problem]]:
        """Return the rows, and a problem for each that has not one cell for each column."""
        lines = self._lines(_text(self.path))
        _, header = next(lines, (1, []))
        columns = [name.strip() for name in header]
        faults = list(_column_faults(columns))
        if faults:
            raise _TableError(*faults)
        rows, problems = [], []
        for line, cells in lines:
            if len(cells) == len(columns):
                by_column = dict(zip(columns, cells, strict=True))
                rows.append(Row(line, by_column, self._place(by_column["path"])))
            else:
                problem = f"line {line} has {_count(len(cells), 'cell')} instead of {len(columns)}"
                remedy = f"give one cell for each of {', '.join(columns)}; quote a cell that holds a separator"
                problems.append(self.problem(problem, remedy))
        if not rows and not problems:
            raise _TableError(("the table has no rows", "add a row for each image"))
        return rows, problems

    @staticmethod
    def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the line that a row begins in, and its cells; empty lines are left out."""
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise _TableError(_quoting_fault(line, str(error))) from None
            if cells:
                yield line, cells

    def _place(self, given: str) -> Place:
        path = posixpath.normpath(given)
        if path == ".." or path.startswith("../"):
            return Place(path, "", "climbs", path)
        for form in _forms(path):  # a name that a Mac wrote may be in another Unicode form than in the table
            facts = self._facts(form)
            if facts:
                return self._present(form, facts)
        if ADDRESS.match(given):
            return Place(given, "", "address", given)
        if "\\" in given or WINDOWS_DRIVE.match(given):
            return Place(given, "", "windows", given)
        if given != given.strip() and self._facts(given.strip()):
            return Place(given, "", "spaces", given)
        return Place(path if path.startswith("/") else f"./{path}", "", "missing", path)

    def _file(self, path: str) -> str:
        return user_files.as_file(path if path.startswith("/") else f"{self.base}/{path}")

    def _facts(self, path: str) -> os.stat_result | None:
        try:
            return os.lstat(self._file(path))
        except (OSError, ValueError):
            return None

    def _present(self, path: str, facts: os.stat_result) -> Place:
        file = self._file(path)
        for base in (self.base, user_files.as_text(self.real_base)):
            path = path.removeprefix(f"{base}/")
        is_absolute = path.startswith("/")
        kind, real = _kind(file, facts, "/" if is_absolute else self.real_base)
        if kind == "file" and stat.S_ISLNK(facts.st_mode):
            facts = os.stat(file)  # noqa: PTH116
        size, mtime_ns = (facts.st_size, facts.st_mtime_ns) if kind == "file" else (UNUSABLE, 0)
        return Place(path if is_absolute else f"./{path}", file, kind, real, size, mtime_ns)


def _forms(path: str) -> Iterable[str]:
    if path.isascii():
        return (path,)
    return dict.fromkeys((path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))))


def _kind(file: str, facts: os.stat_result, root: str) -> tuple[str, str]:
    """Return `Place.kind` and `Place.real` of what is there; it must be below the real path `root`."""
    folder, _, name = file.rpartition("/")
    real = f"{_real_folder(folder or '/')}/{name}"
    if stat.S_ISLNK(facts.st_mode):
        return user_files.destination(file, root), os.path.realpath(file)
    if stat.S_ISDIR(facts.st_mode):
        return "folder", real
    if not stat.S_ISREG(facts.st_mode):
        return "other", real
    if not user_files.is_below(real, root):
        return "outside", real
    return ("file" if os.access(file, os.R_OK) else "denied"), real


@lru_cache(maxsize=1024)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _text(path: Path) -> str:
    with user_files.open_untouched(path) as file:
        content = file.read()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        raise _TableError(("the table is UTF-16, not UTF-8", AS_UTF8))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"line {line} is not UTF-8; the table is probably Latin-1 (Windows-1252)"
        raise _TableError((problem, AS_UTF8)) from None
    if "\0" in text:
        raise _TableError((f"line {text[: text.index(chr(0))].count(chr(10)) + 1} holds a NUL character", AS_UTF8))
    if not text.strip():
        raise _TableError(("the table is empty", "give a CSV file with the columns path and label"))
    return text


def _separator(text: str) -> str:
    """Return the separator of the first line: the one that separates known columns, or else most cells."""
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]

    def score(separator: str) -> tuple[int, int]:
        cells = [cell.strip().strip('"') for cell in first.split(separator)]
        return len(set(cells) & set(COLUMNS)), len(cells)

    return max(SEPARATORS, key=score)


def _quoting_fault(line: int, error: str) -> tuple[str, str]:
    if "field limit" in error:
        return f"line {line}: a cell has more than {csv.field_size_limit()} characters", "close its quotation mark"
    if "end of data" in error:
        return f"line {line}: a quotation mark is not closed", "close it, or double it if it belongs to a name"
    problem = f"line {line}: a cell goes on after its closing quotation mark"
    return problem, "quote the whole cell; double a quotation mark that belongs to a name"


def _column_faults(columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the first line, and what to do."""
    unknown = [name for name in dict.fromkeys(columns) if name not in COLUMNS]
    meant = {name: _nearest(name, COLUMNS, MEANT) for name in unknown}
    if len(unknown) == len(set(columns)) and not any(meant.values()):
        problem = f"the first line names no columns; it begins with {quoted(columns[0][:60])}"
        yield problem, "begin the table with a line that names them, such as path,label"
        return
    for name in unknown:
        if not name:
            yield f"column {columns.index(name) + 1} has no name", "delete it"
        elif meant[name]:
            yield f"there is no column {quoted(name[:60])}; the nearest is {meant[name]}", "rename the column"
        else:
            yield f"there is no column {quoted(name[:60])}; allowed are {', '.join(COLUMNS)}", "delete the column"
    for name in COLUMNS:
        if columns.count(name) > 1:
            yield f"the column {name} is there {columns.count(name)} times", "delete all but one"
    for name in REQUIRED:
        if name not in columns and name not in meant.values():
            yield f"the column {name} is missing", "add it; path and label are required"


def _nearest(name: str, names: Iterable[str], usual: Mapping[str, str]) -> str:
    """Return which of `names` is probably meant; "" if none is."""
    small = name.lower()
    return usual.get(small) or next(iter(get_close_matches(small[:100], list(names), n=1, cutoff=0.6)), "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class _Search:
    """What is wrong with the rows of a table, and the images that remain."""

    def __init__(self, table: _Table, rows: Sequence[Row]) -> None:
        self.table = table
        self.rows = rows
        self.items: list[Item] = []
        self.problems: list[Problem] = []

    def run(self) -> None:
        if self._all_missing():
            return
        for row in self.rows:
            faults = [*self._cell_faults(row), *self._file_faults(row)]
            self.problems += faults
            if not faults and row.place.kind == "file":
                self.items.append(self._item(row))
        self._windows()
        self._twice()
        if not self.items:
            return
        if self.given_splits:
            self._splits()
        labels = {as_label(label) for row in self.rows if (label := row.cells["label"].strip())}
        self._labels(labels)
        self.problems += class_problems(self.items, labels)

    @cached_property
    def given_splits(self) -> bool:
        return any(row.cells.get("split", "").strip() for row in self.rows)

    def _at(self, row: Row, problem: str, remedy: str) -> Problem:
        return self.table.problem(f"line {row.line}: {problem}", remedy)

    def _item(self, row: Row) -> Item:
        cells = row.cells
        split = SPLITS.get(cells.get("split", "").lower(), "")
        return Item(row.place.path, Path(row.place.file), as_label(cells["label"]), split, cells.get("group", ""))

    def _all_missing(self) -> bool:
        if len(self.rows) < 2 or any(row.place.kind != "missing" for row in self.rows):
            return False
        problem = f"none of the {len(self.rows)} files exists, {quoted(self.rows[0].place.path)} first"
        remedy = "write paths that are relative to the folder of the table, or absolute"
        self.problems.append(self.table.problem(problem, remedy))
        return True

    def _cell_faults(self, row: Row) -> Iterator[Problem]:
        for name in REQUIRED:
            if not row.cells[name].strip():
                yield self._at(row, f"the {name} is empty", "fill it in, or delete the row")
        for name, cell in row.cells.items():
            if name != "path" and cell.strip() and cell != cell.strip():
                yield self._at(row, f"the {name} {quoted(cell[:60])} begins or ends with a space", "delete the space")
        split = row.cells.get("split", "").strip()
        if split and split.lower() not in SPLITS:
            meant = _nearest(split, SPLITS, {"training": "train", "testing": "test", "dev": "validation"})
            nearest = f"; the nearest is {SPLITS[meant]}" if meant else ""
            problem = f"there is no split {quoted(split[:60])}{nearest}"
            yield self._at(row, problem, "give train, validation or test")

    def _file_faults(self, row: Row) -> Iterator[Problem]:
        kind = row.place.kind
        if row.cells["path"].strip() and kind not in ("file", "windows"):
            problem, remedy = FAULTS.get(kind) or LINKS[kind]
            label = as_label(row.cells["label"].strip())
            yield Problem(FILE, row.place.path, label, f"line {row.line} of the table: {problem}", remedy)

    def _windows(self) -> None:
        rows = [row for row in self.rows if row.place.kind == "windows"]
        if rows:
            problem = f"{quoted(rows[0].place.path)} is a Windows path ({_count(len(rows), 'such row')})"
            remedy = "write paths with / that are relative to the folder of the table"
            self.problems.append(self._at(rows[0], problem, remedy))

    def _twice(self) -> None:
        first: dict[str, Row] = {}
        for row in self.rows:
            if row.place.kind == "file" and first.setdefault(row.place.real, row) is not row:
                problem = f"the same file as in line {first[row.place.real].line}"
                self.problems.append(self._at(row, f"{quoted(row.place.path)} is {problem}", "delete one of the rows"))

    def _splits(self) -> None:
        without = [row for row in self.rows if not row.cells["split"].strip()]
        if without:
            problem = f"the split is empty ({_count(len(without), 'such row')}), but given in other rows"
            self.problems.append(self._at(without[0], problem, "give every row a split, or none"))
        if not any(item.split == "train" for item in self.items):
            self.problems.append(self.table.problem("no row is in the split train", "add rows with the split train"))

    def _labels(self, labels: Iterable[str]) -> None:
        """Find labels that are the same to the eye, and labels without an image that can be read."""
        written = defaultdict(set)
        for row in self.rows:
            written[as_label(row.cells["label"])].add(row.cells["label"])
        for label in sorted(label for label, forms in written.items() if len(forms) > 1):
            problem = f"the label {quoted(label)} is written in different Unicode forms"
            self.problems.append(self.table.problem(problem, "write it in one form, best in NFC"))
        for label in sorted(set(labels) - {item.label for item in self.items}):
            problem = f"no image of the class {quoted(label[:100])} can be used"
            self.problems.append(Problem(DATASET, "", label, problem, "correct its rows, or delete them"))
