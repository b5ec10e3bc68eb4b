"""Tables of images: what is accepted, and where files are."""

import pytest

from tests.data.test_faults import written
from tests.data.user_images import class_folders, put, table_lines
from triptych.data.sources import table


@pytest.fixture
def root(tmp_path):
    class_folders(tmp_path / "photos")
    return tmp_path / "photos"


def found_in(root, content):
    (root / "photos.csv").write_bytes(content)
    found = table.found(root / "photos.csv")
    assert found.problems == [] and found.ignored == []
    return found


LINES = table_lines()
ACCEPTED = {
    "plain": written(LINES),
    "no line end at the end": written(LINES)[:-1],
    "Windows line ends": written(LINES).replace(b"\n", b"\r\n"),
    "line ends of old Macs": written(LINES).replace(b"\n", b"\r"),
    "empty lines": written([*LINES[:3], "", *LINES[3:], "", ""]),
    "byte order mark": b"\xef\xbb\xbf" + written(LINES),
    "semicolons": written(LINES).replace(b",", b";"),
    "tabs": written(LINES).replace(b",", b"\t"),
    "all quoted": "".join(f'"{line.replace(",", chr(34) + "," + chr(34))}"\n' for line in LINES).encode(),
    "columns exchanged": written(",".join(reversed(line.split(","))) for line in LINES),
    "spaces around the names of columns": written([" path , label ", *LINES[1:]]),
    "an empty column of splits": written([f"{LINES[0]},split", *(f"{line}," for line in LINES[1:])]),
    "paths with detours": written([LINES[0], *(f"./tulips/..//{line}" for line in LINES[1:])]),
}


@pytest.mark.parametrize("content", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(root, content):
    found = found_in(root, content)
    expected = [(f"./{path}", label, "") for path, label in (line.split(",") for line in LINES[1:])]
    assert [(item.path, item.label, item.split) for item in found.items] == expected
    assert all(item.file.samefile(root / item.path) for item in found.items)


def test_splits_and_groups(root):
    lines = table_lines(with_splits=True)
    found = found_in(root, written(lines))
    assert [(item.split, item.group) for item in found.items[:9:4]] == [
        ("train", "g0"),
        ("train", "g4"),
        ("test", "g8"),
    ]
    capitals = [line.replace("train", "TRAIN").replace(",val,", ",Valid,") for line in lines]
    assert found_in(root, written(capitals)) == found


def test_a_group_of_several_images_in_one_split(root):
    lines = [f"{line},{'bush' if number in (1, 2) else ''}" for number, line in enumerate(LINES)]
    found = found_in(root, written([f"{LINES[0]},group", *lines[1:]]))
    assert [item.group for item in found.items] == ["bush", "bush", *[""] * 18]


def test_absolute_paths_may_lead_anywhere(root):
    outside = put(root.parent / "elsewhere" / "more.jpg")
    linked = root.parent / "elsewhere" / "linked.jpg"
    linked.symlink_to("more.jpg")
    again = put(root / "tulips" / "again.jpg", 998)
    lines = [*LINES, f"{outside},roses", f"{again},tulips"]
    found = found_in(root, written(lines))
    assert {item.path for item in found.items} >= {str(outside), "./tulips/again.jpg"}
    (root.parent / "link").symlink_to("photos")
    assert table.found(root.parent / "link" / "photos.csv").classes == found.classes
    sizes = {one.path: one.size for one in table.candidates(root / "photos.csv")}
    assert sizes[str(outside)] == outside.stat().st_size
    assert sizes["./photos.csv"] == (root / "photos.csv").stat().st_size


def test_names_with_line_feeds_quotes_and_commas(root):
    names = [
        "two\nlines.jpg",
        'say ""no"".jpg',
        "a,b;c.jpg",
        "$(touch hacked).jpg",
        "-rf.jpg",
        "a\\b.jpg",
        " x.jpg",
        "é.jpg",
    ]
    for number, name in enumerate(names):
        put(root / name.replace('""', '"'), 900 + number)
    found = found_in(root, written([*LINES, *(f'"{name}",roses' for name in names)]))
    assert {item.path for item in found.items} > {"./" + name.replace('""', '"') for name in names}
    assert not (root / "hacked").exists()


def test_lines_are_counted_in_the_file_not_in_rows(root):
    put(root / "two\nlines.jpg", 900)
    (root / "photos.csv").write_bytes(written([*LINES[:3], '"two\nlines.jpg",roses', "", "gone.jpg,roses", *LINES[3:]]))
    (problem,) = table.found(root / "photos.csv").problems
    assert problem.problem == "line 7 of the table: the file does not exist"


def test_candidates_of_a_table_that_cannot_be_read(root):
    (root / "photos.csv").write_bytes(b"\xff\xfe\0")
    assert [(one.path, one.size) for one in table.candidates(root / "photos.csv")] == [("./photos.csv", 3)]


def test_candidates_name_missing_files_and_never_what_leads_out(root):
    put(root / "../more.jpg")
    (root / "photos.csv").write_bytes(written([*LINES, "../more.jpg,roses", "gone.jpg,roses", "roses,roses"]))
    listed = {one.path: one.size for one in table.candidates(root / "photos.csv")}
    assert [path for path, size in listed.items() if size == -1] == ["../more.jpg", "./gone.jpg", "./roses"]
    assert len(listed) == 24
