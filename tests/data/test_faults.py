"""Every fault of `faults.md`, planted alone among good images, is named as the table says, and nothing is changed."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import without_rights
from tests.data.user_images import age, class_folders, put, split_folders, table_lines, traces
from triptych.data.found import Found, Ignored, Item, Problem
from triptych.data.sources import folder, table

NFD = unicodedata.normalize("NFD", "rosé")
FIELDS = ("kind", "path", "label", "problem", "remedy")


def cell(text: str) -> str:
    """The content of a cell of the table of faults."""
    text = text.strip()
    text = text[1:-1] if text[:2] == "' " or text[-2:] == " '" else text
    return re.sub(r"\\(.)", lambda escape: {"t": "\t", "n": "\n"}.get(escape[1], escape[1]), text)


def faults() -> dict[tuple[str, str], list[Problem]]:
    """The problems of each fault, by layout and fault."""
    expected = defaultdict(list)
    lines = Path(__file__).with_name("faults.md").read_text().splitlines()
    for line in lines[2 + next(n for n, line in enumerate(lines) if line.startswith("| layout")) :]:
        layout, fault, *rest = (cell(text) for text in line.strip("|").split("|"))
        expected[layout, fault].append(Problem(**dict(zip(FIELDS, rest, strict=True))))
    return dict(expected)


FAULTS = faults()
PLANTS = {}
"""The functions that plant a fault, by layout and fault."""


def plants(layout: str, fault: str):
    """Register a function that plants a fault in a folder, or that changes the lines of a table."""

    def register(plant):
        PLANTS[layout, fault] = plant
        return plant

    return register


def planted(layout: str, **by_fault) -> None:
    """Register one function for each fault; an underscore stands for a space."""
    PLANTS.update({(layout, fault.replace("_", " ")): plant for fault, plant in by_fault.items()})


def emptied(root: Path) -> Path:
    shutil.rmtree(root)
    root.mkdir()
    return root


def new_class(name: str | bytes, *more: str):
    """Plant a class folder, as it should not be called, with two images."""

    def plant(root: Path) -> None:
        for one in (name, *more):
            for number in range(2):
                put(root / os.fsdecode(one) / f"{number:02}.jpg", 100 + number)

    return plant


def link(name: str, target: str):
    return lambda root: (root / name).symlink_to(target)


def flatten(root: Path) -> None:
    for number, file in enumerate(sorted(root.glob("*/*.jpg"))):
        file.rename(root / f"{number:02}.jpg")
    for name in ("roses", "tulips"):
        (root / name).rmdir()


def flatten_splits(root: Path) -> None:
    for split in ("train", "val", "test"):
        flatten(root / split)


def text_only(root: Path) -> None:
    (emptied(root) / "roses.txt").write_text("none")


def daisies_of_text(root: Path) -> None:
    (root / "daisies").mkdir()
    (root / "daisies" / "note.txt").write_text("none")


def daisies_of_a_link(root: Path) -> None:
    (root / "daisies").mkdir()
    (root / "daisies" / "a.jpg").symlink_to("gone.jpg")


def replaced_by_a_file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("none")


def deeper(name: str):
    def plant(root: Path) -> None:
        root.rename(root.with_name("away"))
        root.mkdir()
        root.with_name("away").rename(root / name)

    return plant


def bind(name: str):
    def plant(root: Path) -> None:
        with socket.socket(socket.AF_UNIX) as one:
            here = Path.cwd()
            os.chdir(root)  # the path of a socket is short
            one.bind(name)
            os.chdir(here)

    return plant


def link_out(name: str):
    def plant(root: Path) -> None:
        put(root.parent / "elsewhere" / "more.jpg")
        (root / name).symlink_to(root.parent / "elsewhere" / "more.jpg")

    return plant


def linked_folder_out(root: Path) -> None:
    put(root.parent / "elsewhere" / "more.jpg")
    (root / "daisies").symlink_to(root.parent / "elsewhere")


def moved(old: str, new: str):
    return lambda root: (root / old).rename(root / new)


def split_link(root: Path) -> None:
    (root / "test").rename(root.parent / "away")
    (root / "test").symlink_to(root.parent / "away")


def closed(name: str, new: bool = False):
    def plant(root: Path) -> None:
        if new:
            (root / name).mkdir(parents=True)
        (root / name).chmod(0)

    return plant


planted(
    "folder",
    folder_missing=shutil.rmtree,
    a_file_instead_of_the_folder=replaced_by_a_file,
    folder_unreadable=closed("."),
    folder_empty=emptied,
    text_files_only=text_only,
    images_without_class_folders=flatten,
    an_image_beside_the_class_folders=lambda root: put(root / "more.jpg"),
    one_class=lambda root: shutil.rmtree(root / "tulips"),
    class_folder_empty=lambda root: (root / "daisies").mkdir(),
    class_folder_with_text_only=daisies_of_text,
    class_folder_with_a_broken_link_only=daisies_of_a_link,
    class_in_a_class=lambda root: put(root / "roses" / "red" / "more.jpg"),
    two_classes_in_a_class=new_class("roses/dark red", "roses/red"),
    one_level_deeper=deeper("flowers"),
    training_folder_alone=deeper("train"),
    names_equal_but_for_case=new_class("Roses"),
    names_equal_but_for_Unicode_form=new_class(NFD, "rosé"),
    class_name_not_UTF_8=new_class(b"ros\xe9"),
    class_folder_unreadable=closed("roses"),
    folder_unreadable_in_a_class_folder=closed("roses/more/red", new=True),
    class_folder_is_a_link_into_the_folder=link("daisies", "roses"),
    class_folder_is_a_link_out_of_the_folder=linked_folder_out,
    link_to_a_folder_in_a_class_folder=link("roses/more", "../tulips"),
    link_broken=link("roses/more.jpg", "gone.jpg"),
    link_to_itself=link("roses/more.jpg", "more.jpg"),
    link_out_of_the_folder=link_out("roses/more.jpg"),
    link_to_a_device=link("roses/more.jpg", "/dev/zero"),
    file_name_not_UTF_8=lambda root: put(root / "roses" / os.fsdecode(b"\xe9.jpg")),
    named_pipe=lambda root: os.mkfifo(root / "roses" / "more.jpg"),
    socket=bind("roses/more.jpg"),
    file_unreadable=closed("roses/00.jpg"),
)
for fault, name in {
    "begins with =": "=1+1",
    "begins with +": "+red",
    "begins with @": "@red",
    "begins with -": "-red",
    "with a tab": "red\troses",
    "with a line feed": "red\nroses",
    "of 101 characters": "r" * 101,
    "with a space at its end": "red ",
}.items():
    PLANTS["folder", f"class name {fault}"] = new_class(name)

planted(
    "splits",
    class_not_in_test=lambda root: shutil.rmtree(root / "test" / "roses"),
    class_only_in_test=new_class("test/daisies"),
    class_folder_of_a_split_empty=lambda root: [file.unlink() for file in (root / "val" / "roses").iterdir()],
    an_image_beside_the_class_folders_of_a_split=lambda root: put(root / "train" / "more.jpg"),
    split_folders_without_classes=flatten_splits,
    two_folders_of_a_split=lambda root: shutil.copytree(root / "val", root / "validation"),
    two_training_folders=lambda root: shutil.copytree(root / "train", root / "Train"),
    no_training_folder=lambda root: shutil.rmtree(root / "train"),
    training_folder_empty=lambda root: emptied(root / "train"),
    test_folder_empty=lambda root: emptied(root / "test"),
    class_folder_beside_split_folders=new_class("daisies"),
    names_equal_but_for_case_in_two_splits=moved("test/roses", "test/Roses"),
    class_in_a_class_of_a_split=lambda root: put(root / "train" / "roses" / "red" / "more.jpg"),
    folder_unreadable_beside_split_folders=closed("more", new=True),
    split_folder_is_a_link=split_link,
)


def written(lines) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def added(*lines: str, beside=None, image: str = ""):
    """Add lines to the table; the first is its line 22. `beside` changes its folder, `image` is a new image there."""

    def plant(root: Path, table_of: list[str]) -> bytes:
        if beside:
            beside(root)
        if image:
            put(root / image)
        return written([*table_of, *lines])

    return plant


def header(line: str, more: str = ""):
    """Replace the first line, and add `more` to each of the others."""
    return lambda root, lines: written([line, *(f"{one}{more}" for one in lines[1:])])


def third(line: str):
    """Replace the third line of the table."""
    return lambda root, lines: written([*lines[:2], line, *lines[3:]])


def changed(change):
    """Change each line below the first one."""
    return lambda root, lines: written([lines[0], *(change(line) for line in lines[1:])])


def instead(plant):
    """Put something else where the table is: nothing where the function returns none."""

    def replace(root: Path, lines: list[str]) -> None:
        (root / "photos.csv").unlink()
        plant(root / "photos.csv")

    return replace


def put_two(root: Path) -> bool:
    return bool(put(root / "a.jpg", 30) and put(root / "b.jpg", 31))


def closed_table(root: Path, lines: list[str]) -> None:
    (root / "photos.csv").chmod(0)


def linked_elsewhere(root: Path) -> None:
    put(root.parent / "away" / "more.jpg")
    (root / "elsewhere").symlink_to(root.parent / "away")


def absolute_again(root: Path, lines: list[str]) -> bytes:
    return written([*lines, f"{root.resolve()}/roses/00.jpg,roses"])


planted(
    "table",
    table_missing=instead(lambda path: None),
    a_folder_instead_of_the_table=instead(Path.mkdir),
    a_named_pipe_instead_of_the_table=instead(os.mkfifo),
    table_unreadable=closed_table,
    table_empty=lambda root, lines: b"\xef\xbb\xbf\n",
    no_rows=lambda root, lines: written(lines[:1]),
    no_header=lambda root, lines: written(lines[1:]),
    column_label_missing=lambda root, lines: written(line.split(",")[0] for line in lines),
    column_misspelt=header("path,lable"),
    column_in_capitals=header("Path,label"),
    column_as_others_call_it=header("path,class"),
    column_unknown=header("path,label,id", ",7"),
    column_twice=header("path,label,label", ",roses"),
    column_without_a_name=header("path,label,", ","),
    UTF_16=lambda root, lines: "\n".join(lines).encode("utf-16"),
    UTF_16_without_a_mark=lambda root, lines: "\n".join(lines).encode("utf-16-le"),
    Latin_1=lambda root, lines: "\n".join([*lines[:2], "rosé.jpg,roses", *lines[3:]]).encode("latin-1"),
    NUL_character=third("roses/\0.jpg,roses"),
    quotation_mark_not_closed=lambda root, lines: written([*lines[:20], f'"{lines[20]}']),
    text_after_a_quotation_mark=third('"roses"/01.jpg,roses'),
    endless_cell=third(f"{'r' * 200_000},roses"),
    too_many_cells=added("roses/more.jpg,roses,red", image="roses/more.jpg"),
    too_few_cells=added("roses/more.jpg", image="roses/more.jpg"),
    file_missing=added("roses/more.jpg,roses"),
    all_files_missing=changed("photos/{}".format),
    absolute_path_of_no_file=added("/no/such/more.jpg,roses"),
    address_of_a_file=added("https://example.org/more.jpg,roses"),
    path_of_a_folder=added("roses,roses"),
    path_out_of_the_folder=added("../more.jpg,roses", image="../more.jpg"),
    path_out_of_the_folder_by_a_detour=added("roses/../../more.jpg,roses", image="../more.jpg"),
    path_out_of_the_folder_by_a_link_to_a_folder=added("elsewhere/more.jpg,roses", beside=linked_elsewhere),
    path_out_of_the_folder_by_a_link=added("roses/more.jpg,roses", beside=link_out("roses/more.jpg")),
    link_broken=added("roses/more.jpg,roses", beside=link("roses/more.jpg", "gone.jpg")),
    link_to_itself=added("roses/more.jpg,roses", beside=link("roses/more.jpg", "more.jpg")),
    named_pipe=added("roses/more.jpg,roses", beside=lambda root: os.mkfifo(root / "roses" / "more.jpg")),
    file_unreadable=lambda root, lines: closed("roses/00.jpg")(root) or written(lines),
    path_longer_than_a_name_may_be=added(f"{'r' * 300},roses"),
    Windows_paths=changed(lambda line: line.replace("/", "\\")),
    path_with_a_drive=added("C:/roses/00.jpg,roses"),
    path_twice=added("roses/00.jpg,roses"),
    path_empty=added(",roses"),
    space_before_a_path=added(" roses/more.jpg,roses", image="roses/more.jpg"),
    label_empty=added("more.jpg,", image="more.jpg"),
    label_of_spaces=added("more.jpg,  ", image="more.jpg"),
    space_before_a_label=added("more.jpg, roses", image="more.jpg"),
    labels_equal_but_for_case=added("more.jpg,Roses", image="more.jpg"),
    labels_equal_but_for_Unicode_form=lambda root, lines: (
        written([*lines, "a.jpg,rosé", f"b.jpg,{NFD}"]) if put_two(root) else b""
    ),
    label_that_is_a_formula=added("more.jpg,=1+1", image="more.jpg"),
    label_with_a_line_feed=added('more.jpg,"red\nroses"', image="more.jpg"),
    one_class=lambda root, lines: written(lines[:11]),
    class_without_a_file=added("more.jpg,daisies"),
)
planted(
    "split table",
    split_misspelt=added("more.jpg,roses,trian,", image="more.jpg"),
    split_as_others_call_it=added("more.jpg,roses,dev,", image="more.jpg"),
    split_unknown=added("more.jpg,roses,7,", image="more.jpg"),
    space_after_a_split=added("more.jpg,roses,train ,", image="more.jpg"),
    split_in_some_rows_only=lambda root, lines: written(
        line if number not in (2, 3) else line.replace("train", "") for number, line in enumerate(lines)
    ),
    no_training_rows=changed(lambda line: line.replace("train", "test")),
    class_not_in_test=changed(lambda line: line.replace("roses,test", "roses,train")),
)
PLANTS["table", "path twice, once with ./"] = added("./roses/00.jpg,roses")
PLANTS["table", "path twice, once with a detour"] = added("tulips/..//roses/./00.jpg,roses")
PLANTS["table", "path twice, once absolute"] = absolute_again
PLANTS["table", "path twice, once by a link"] = added("again.jpg,roses", beside=link("again.jpg", "roses/00.jpg"))
PLANTS = {(layout, re.sub(r"(UTF|Latin) (\d)", r"\1-\2", fault)): plant for (layout, fault), plant in PLANTS.items()}


def prepare(layout: str, root: Path) -> str:
    """Make the 20 good images of a layout; return its source."""
    if layout == "splits":
        split_folders(root)
    else:
        class_folders(root)
    if "table" not in layout:
        return "folder"
    (root / "photos.csv").write_bytes(written(table_lines("split" in layout)))
    return "table"


def plant_in(layout: str, fault: str, root: Path) -> None:
    plant = PLANTS[layout, fault]
    if "table" in layout:
        content = plant(root, table_lines("split" in layout))
        if content is not None:
            (root / "photos.csv").write_bytes(content)
    else:
        plant(root)


def found_by(source: str, path: str, call: list[str]) -> Found:
    """What a source finds in a process of its own, which `call` starts."""
    program = (
        "import json, sys, dataclasses, pathlib, importlib\n"
        f"found = importlib.import_module('triptych.data.sources.{source}').found(pathlib.Path({path!r}))\n"
        "print(json.dumps(dataclasses.asdict(found), default=str))"
    )
    result = subprocess.run([*call, sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    value = json.loads(result.stdout)
    kinds = {"items": Item, "problems": Problem, "ignored": Ignored}
    return Found(**{key: [kind(**one) for one in value[key]] for key, kind in kinds.items()}, classes=value["classes"])


def test_the_table_of_faults_is_complete():
    assert PLANTS.keys() == FAULTS.keys()
    assert len(FAULTS) >= 60


def told(problems) -> list[tuple[str, ...]]:
    return sorted((one.path, one.label, one.problem, one.remedy, one.kind) for one in problems)


@pytest.mark.parametrize(("layout", "fault"), FAULTS, ids=[": ".join(key) for key in FAULTS])
def test_fault(layout, fault, tmp_path, monkeypatch):
    root = tmp_path / "photos"
    source = prepare(layout, root)
    plant_in(layout, fault, root)
    age(tmp_path)
    before = traces(tmp_path)
    age(tmp_path)
    monkeypatch.chdir(root if source == "table" else tmp_path)
    path = "photos.csv" if source == "table" else "photos"
    if "unreadable" in fault:
        found = found_by(source, path, without_rights())
    else:
        found = (table if source == "table" else folder).found(Path(path))
    assert traces(tmp_path) == before
    assert told(found.problems) == told(FAULTS[layout, fault])
    if all(problem.kind == "file" for problem in found.problems):
        assert len(found.items) == 20 - ("file unreadable" in fault)
        assert found.classes == ["roses", "tulips"]
    str([*found.problems, *found.ignored]).encode()  # what is shown is UTF-8
