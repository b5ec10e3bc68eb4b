"""Images in class folders (`roses/a.jpg`), or in split folders of class folders (`train/roses/a.jpg`)."""

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from triptych.data import user_files
from triptych.data.class_checks import SPLITS, as_label, class_problems
from triptych.data.found import DATASET, FILE, Found, Ignored, Item, Problem
from triptych.data.listing import Listed
from triptych.data.user_files import LINKS, TEXT_ENDINGS, Entry, escaped, quoted
from triptych.storage.errors import InputError

TOP = "."


@dataclass(frozen=True)
class Layout:
    """What the folders of a data set are.

    Attributes:
        splits: the split of each split folder, by its name; empty where classes are at the top.
        problem: why the folders cannot be told apart; None where they can.
    """

    splits: dict[str, str] = field(default_factory=dict)
    problem: Problem | None = None


def found(path: Path) -> Found:
    """Return the images of a folder, what is wrong with it, and what is ignored. No image is decoded."""
    problem = folder_problem(path)
    if problem:
        return Found([], [problem], [], [])
    search = _Search(os.path.realpath(path))
    search.run()
    return search.found()


def candidates(path: Path) -> list[Listed]:
    """Return files and folders as `triptych.data.listing.candidates`.

    Files without an image's ending are listed in class folders only, where their content decides.
    """
    problem = folder_problem(path)
    if problem:
        raise InputError(f"{problem.problem}; {problem.remedy}.")
    root = os.path.realpath(path)
    top = 3 if _layout(root).splits else 2  # slashes in the path of a file of a class
    listed = []
    for entry in user_files.walk(root, TOP):
        if entry.kind == "folder":
            listed.append(Listed(f"{entry.path}/", 0, 0))
        elif entry.path.count("/") >= top or entry.is_image_by_name:
            listed.append(Listed(entry.path, *user_files.fingerprint(entry.file, entry.kind, root)))
    return sorted(listed)


def folder_problem(path: Path) -> Problem | None:
    """Return why there is no folder to read at `path`; None where there is one."""
    name = quoted(str(path))
    kind = user_files.kind_of(path)
    if kind == "folder" and os.access(path, os.R_OK | os.X_OK):
        return None
    if kind in ("folder", "hidden"):
        return Problem(DATASET, "", "", f"the folder {name} cannot be read", "give yourself the right to read it")
    if kind != "missing":
        remedy = "give the folder with the class folders as path, or source: table for a CSV file"
        return Problem(DATASET, "", "", f"{name} is a file, not a folder", remedy)
    return Problem(DATASET, "", "", f"the folder {name} does not exist", "give the path of the folder with the images")


def _layout(root: str) -> Layout:
    top = sorted(user_files.walk(root, TOP, depth=1))
    folders = [entry for entry in top if entry.kind == "folder"]
    named = {entry: SPLITS[entry.name.lower()] for entry in folders if entry.name.lower() in SPLITS}
    others = [entry for entry in folders if entry not in named and _holds_image(entry)]
    if len(named) + len(others) == 1:
        (only,) = [*named, *others]
        return Layout(problem=_one_level(only) if _has_class_folders(only) and not _holds_image(only, 1) else None)
    if len(set(named.values())) < 2 or (others and not any(_has_class_folders(entry) for entry in named)):
        return Layout()
    if "train" not in named.values():
        names = ", ".join(entry.name for entry in named)
        return Layout(problem=_whole(f"there are the split folders {names}, and no folder train", "add a folder train"))
    if others:
        problem = f"the folder {quoted(others[0].name)} is beside split folders and holds images"
        return Layout(problem=_whole(problem, "move it into the split folders, or out of the data set", others[0]))
    splits = {entry.name: split for entry, split in named.items()}
    for split in SPLITS.values():
        twice = [name for name in splits if splits[name] == split]
        if len(twice) > 1:
            problem = f"the folders {' and '.join(twice)} are both the {split} split"
            return Layout(problem=_whole(problem, "merge them, or rename one of them"))
    return Layout(splits)


def _one_level(entry: Entry) -> Problem:
    remedy = f"give the folder {quoted(entry.name)} in it as path"
    return _whole(f"the class folders are one level deeper, in {quoted(entry.name)}", remedy, entry)


def _whole(problem: str, remedy: str, entry: Entry | None = None) -> Problem:
    path = escaped(entry.path) if entry and entry.path != TOP else ""
    return Problem(DATASET, path, "", problem, remedy)


def _holds_image(folder: Entry, depth: int | None = None) -> bool:
    return any(map(user_files.is_image, user_files.walk(folder.file, folder.path, depth)))


def _has_class_folders(folder: Entry) -> bool:
    inside = user_files.walk(folder.file, folder.path, depth=1)
    return any(entry.kind == "folder" and _holds_image(entry) for entry in inside)


class _Search:
    """One pass over a data set's folder."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.items: list[Item] = []
        self.problems: list[Problem] = []
        self.ignored: list[Ignored] = []
        self.classes: list[tuple[str, Entry]] = []
        """The class folders, with their split or ""."""

    def run(self) -> None:
        layout = _layout(self.root)
        if layout.problem:
            self.problems.append(layout.problem)
            return
        self._outside(Entry(TOP, self.root, "folder"), "", layout.splits)
        self._twice_in_unicode()
        named = [(split, entry) for split, entry in self.classes if user_files.is_utf8(entry.name)]
        for split, entry in named:
            self._class(split, entry)
        if not self.items and not self.problems:
            remedy = "put the images into one folder for each class"
            self.problems.append(_whole("there is no image in the folder", remedy))
            return
        self._empty_splits(layout.splits)
        self.problems += class_problems(self.items, (as_label(entry.name) for _, entry in named))

    def found(self) -> Found:
        return Found(
            sorted(self.items, key=lambda item: item.path),
            sorted(self.problems, key=lambda one: (one.path, one.label, one.problem)),
            sorted(self.ignored, key=lambda one: one.path),
            sorted({item.label for item in self.items}),
        )

    def _outside(self, folder: Entry, split: str, splits: dict[str, str]) -> None:
        """Find the class folders in the top folder or in a split folder."""
        loose = []
        for entry in self._entries(folder):
            if entry.kind == "folder" and entry.name in splits:
                self._outside(entry, splits[entry.name], {})
            elif entry.kind == "folder" and splits:
                self._without_images(entry, "a folder without images beside split folders")
            elif entry.kind == "folder":
                self.classes.append((split, entry))
            elif entry.kind == "link" and user_files.destination(entry.file, self.root) == "folder":
                self.problems.append(_whole(*LINKS["folder"], entry))
            elif entry.is_image_by_name and entry.kind != "other":
                loose.append(entry)
            else:
                self._ignore(entry, "outside class folders")
        if loose:
            name = quoted(loose[0].name)
            several = f"{len(loose)} images are in no class folder, {name} first"
            problem = f"the image {name} is in no class folder" if len(loose) == 1 else several
            remedy = "move each image into the folder of its class"
            if folder.path == "." and not self.classes:
                remedy += "; if this is the folder of one class, give the folder around it"
            self.problems.append(_whole(problem, remedy, folder))

    def _entries(self, folder: Entry) -> list[Entry]:
        """Return the entries of a folder but for junk, which is noted."""
        try:
            listed = user_files.entries(folder.file, folder.path)
        except OSError as error:
            problem = f"the folder cannot be read ({error.strerror})"
            self.problems.append(_whole(problem, "give yourself the right to read it", folder))
            return []
        for entry in listed:
            if user_files.is_junk(entry.name):
                self._ignore(entry, "hidden or made by the system")
        return [entry for entry in listed if not user_files.is_junk(entry.name)]

    def _ignore(self, entry: Entry, reason: str) -> None:
        self.ignored.append(Ignored(escaped(entry.path), reason))

    def _twice_in_unicode(self) -> None:
        """Find class folders whose names are the same to the eye; in different splits they are one class."""
        by_name = defaultdict(list)
        for split, entry in self.classes:
            by_name[split, as_label(entry.name)].append(entry)
        for (_, label), (_, *others) in by_name.items():
            for other in others:
                problem = f"two class folders are called {quoted(label)}, in different Unicode forms"
                self.problems.append(Problem(DATASET, escaped(other.path), label, problem, "merge them, or rename one"))
        for entry in (entry for _, entry in self.classes if not user_files.is_utf8(entry.name)):
            problem = f"the name of the class folder {quoted(entry.name)} is not UTF-8"
            self.problems.append(_whole(problem, "rename it (convmv converts many names)", entry))

    def _class(self, split: str, folder: Entry) -> None:
        label = as_label(folder.name)
        before = len(self.items)
        nested = []
        for entry in self._entries(folder):
            if entry.kind != "folder":
                self._file(entry, label, split)
            elif _holds_image(entry):
                nested.append(entry)
            else:
                self._without_images(entry, "a folder without images")
        if nested:
            folders = "a folder" if len(nested) == 1 else f"{len(nested)} folders"
            problem = f"the class folder holds {folders} with images, {quoted(nested[0].name)}"
            problem += " first" if len(nested) > 1 else ""
            remedy = "move the images into the class folder; split folders are called train, val and test"
            self.problems.append(Problem(DATASET, escaped(folder.path), label, problem, remedy))
        elif len(self.items) == before:
            remedy = "put images of the class into it, or delete it"
            self.problems.append(Problem(DATASET, escaped(folder.path), label, "the class folder has no image", remedy))

    def _without_images(self, folder: Entry, reason: str) -> None:
        """Ignore a folder in which no image was found, if all of it can be read."""
        unreadable: list[str] = []
        for _ in user_files.walk(folder.file, folder.path, unreadable=unreadable):
            pass
        for path in unreadable:
            remedy = "give yourself the right to read it, or move it out of the data set"
            self.problems.append(_whole("the folder cannot be read", remedy, Entry(path, "", "folder")))
        if not unreadable:
            self._ignore(folder, reason)

    def _empty_splits(self, splits: dict[str, str]) -> None:
        full = {split for split, _ in self.classes}
        for name, split in splits.items():
            path = f"./{name}"
            if split not in full and all(problem.path != path for problem in self.problems):
                remedy = "add a folder with images for each class, or delete the folder"
                self.problems.append(
                    Problem(DATASET, path, "", f"the folder of the split {split} has no class folder", remedy)
                )

    def _file(self, entry: Entry, label: str, split: str) -> None:
        """Take a file of a class folder: an image, a problem, or neither."""
        kind = user_files.destination(entry.file, self.root) if entry.kind == "link" else entry.kind
        fault = _fault(entry, kind)
        if fault:
            scope = DATASET if kind == "folder" else FILE  # a folder is many files
            self.problems.append(Problem(scope, escaped(entry.path), label, *fault))
        elif user_files.is_image(entry):
            if user_files.is_utf8(entry.path):
                self.items.append(Item(entry.path, Path(entry.file), label, split))
            else:
                problem = "the file's name is not UTF-8"
                remedy = "rename it (convmv converts many names)"
                self.problems.append(Problem(FILE, escaped(entry.path), label, problem, remedy))
        else:
            is_text = os.path.splitext(entry.path)[1].lower() in TEXT_ENDINGS  # noqa: PTH122
            self._ignore(entry, "a text file" if is_text else "not an image")


def _fault(entry: Entry, kind: str) -> tuple[str, str] | None:
    """Return what is wrong with an entry that is no folder, and what to do; None for a file that can be read."""
    if entry.kind == "link" and kind != "file":
        return LINKS[kind]
    if kind != "file":
        return "neither a file nor a folder (a pipe, a socket or a device)", "delete it"
    if not os.access(entry.file, os.R_OK):
        return "the file cannot be read (Permission denied)", "give yourself the right to read it"
    return None
