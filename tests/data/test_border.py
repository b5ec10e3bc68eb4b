"""After test images were opened, images that move in or out of test are named, and others are not."""

import json

from tests.data.photos import check, prepare_options, tree
from triptych.data.border import RECORD, opened_split, write_record
from triptych.data.prepare_dataset import prepare_dataset
from triptych.results.schema import INDEX
from triptych.results.tables import read_table

WARNING = "warning: The test images were opened before, and since then "


class Work:
    """A folder of images that is checked and split again, and its logs of openings."""

    def __init__(self, folder):
        self.folder, self.photos, self.openings = folder, folder / "photos", folder / "openings"
        tree(self.photos, {"a": 20, "b": 20})

    def prepare(self, capsys, **changes):
        """Check and split; return the warning about moves, and the paths of the test images."""
        out, cache = self.folder / "out", self.folder / "images"
        check(self.photos, out, cache)
        prepare_dataset(**prepare_options(self.photos, out, cache, **changes), openings=self.openings)
        index = read_table(out / "index.csv", INDEX)
        said = [line for line in capsys.readouterr().out.splitlines() if line.startswith(WARNING)]
        return "".join(said), set(index.loc[index["split"] == "test", "name"])

    def open(self, arm="scratch", ending=""):
        log = self.openings / arm / f"seed0{ending}.jsonl"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write('{"arm": "scratch"}\n')


def test_moves_after_an_opening_are_named_as_long_as_it_is_the_last(tmp_path, capsys):
    work = Work(tmp_path)
    first = work.prepare(capsys)[1]
    said, other = work.prepare(capsys, seed=1)
    assert (said, other != first) == ("", True)  # not opened yet

    work.open()
    assert work.prepare(capsys, seed=1)[0] == ""
    for _ in range(2):  # a rerun says it again
        said, now = work.prepare(capsys, seed=2)
        left, entered = sorted(other - now), sorted(now - other)
        assert left and entered
        assert f"{WARNING}{len(left)} images moved out of test ({', '.join(left[:5])}" in said
        assert f" and {len(entered)} images moved into test ({', '.join(entered[:5])}" in said
        assert said.endswith("). Earlier test results are about other images.")
    assert work.prepare(capsys, seed=1)[0] == ""

    work.prepare(capsys, seed=2)
    work.open("finetune", ".training")  # a training that evaluates test images after every epoch
    assert work.prepare(capsys, seed=2)[0] == ""
    assert work.prepare(capsys, seed=1)[0] != ""


def test_new_and_removed_images_are_no_moves(tmp_path, capsys):
    work = Work(tmp_path)
    test = work.prepare(capsys, test=0.1, validation=1)[1]
    work.open()
    (work.photos / sorted(test)[0]).unlink()
    tree(work.photos, {"a": 1, "b": 1}, start=100)
    said, now = work.prepare(capsys, test=0.1, validation=1)
    moved = (test & {f"./{path.relative_to(work.photos)}" for path in work.photos.rglob("*.jpg")}) ^ now
    moved -= {"./a/0100.jpg", "./b/0101.jpg"}
    assert bool(said) == bool(moved) and all(path in said for path in moved)
    assert "0100.jpg" not in said and "0101.jpg" not in said and sorted(test)[0] not in said


def test_a_record_that_is_missing_or_damaged_is_none(tmp_path):
    assert opened_split(None) is None
    assert opened_split(tmp_path) is None
    for content in ("", "{", "[]", '{"openings": 1}'):
        (tmp_path / RECORD).write_text(content)
        assert opened_split(tmp_path) is None
    parts = {"test": ["x"], "others": []}
    (tmp_path / RECORD).write_text(json.dumps({"openings": 0, "last": parts, "opened": None}))
    assert opened_split(tmp_path) is None
    (tmp_path / "log.jsonl").write_text("{}\n")
    assert opened_split(tmp_path) == parts


def test_the_record_of_images_that_are_no_files_names_no_split(tmp_path):
    write_record(tmp_path, None)
    assert json.loads((tmp_path / RECORD).read_text()) == {"openings": 0, "last": None, "opened": None}
    (tmp_path / "log.jsonl").write_text("{}\n")
    assert opened_split(tmp_path) is None
