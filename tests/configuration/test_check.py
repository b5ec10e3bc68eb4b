"""`python -m triptych check`: one line about files that are right, else one for each mistake."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from triptych.__main__ import main

RIGHT = "experiments: {mine: {seeds: [0, 1], arms: {one: {}, two: {train: head}}}}\n"


def test_it_says_what_is_in_the_files(tmp_path, capsys):
    path, other = tmp_path / "my.yaml", tmp_path / "other.yaml"
    path.write_text(RIGHT + "pathvars: {results: elsewhere}\n")
    other.write_text("experiments: {other: {arms: {one: {}}}}\n")
    assert main(["check", str(path), str(other)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out == (
        f"{path}, {other}: no mistakes; mine: 2 arms x 2 seeds = 4 runs; other: 1 arm x 1 seed = 1 run\n"
    )


@pytest.mark.parametrize(
    "content", ["images: photos\n", "experiments: {photos: {dataset: {source: folder, path: photos}}}\n"]
)
def test_a_folder_of_images_is_enough(tmp_path, capsys, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my.yaml"
    path.write_text(content)
    assert main(["check", str(path)]) == 0
    said = f"{path}: no mistakes; photos: 3 arms x 3 seeds = 9 runs"
    assert capsys.readouterr().out == f"{said} (no images here: photos does not exist)\n"
    (tmp_path / "photos").mkdir()
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == f"{said}\n"


def test_runs_of_repeated_folds_are_counted(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    path = tmp_path / "my.yaml"
    path.write_text("experiments: {photos: {dataset: {source: folder, path: photos, folds: 5, repeats: 2}}}\n")
    assert main(["check", str(path)]) == 0
    assert "photos: 3 arms x 3 seeds x 10 folds = 90 runs" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_what_is_shipped_is_right(path, capsys):
    assert main(["check", str(path)]) == 0
    assert f"no mistakes; {path.stem.replace('config', 'digits')}: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("[0, 1]", "3", ["experiments.mine.seeds: 3 is not allowed;"]),
        ("{}", "{", [": line 1: "]),
        ("two", "one", [": line 1: "]),
        ("\n", "\npathvars: {result: x}\n", ["pathvars.result: there is no such key"]),
        (
            "head",
            "last_layer, lr: 1",
            ["experiments.mine.arms.two.train: 'last_layer'", "experiments.mine.arms.two.lr"],
        ),
    ],
)
def test_each_mistake_is_a_line(tmp_path, capsys, old, new, messages):
    path = tmp_path / "my.yaml"
    path.write_text(RIGHT.replace(old, new, 1))
    assert main(["check", str(path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    if len(messages) > 1:
        assert lines.pop(0) == f"error: {len(messages)} problems:"
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert message.replace(": line", f"{path}, line") in line
        assert line.endswith(".")


def test_it_waits_for_no_slow_import(tmp_path):
    """In a fresh process, since the tests have imported much."""
    path = tmp_path / "my.yaml"
    path.write_text(RIGHT)
    code = (
        "import sys; from triptych.__main__ import main; "
        f"assert main(['check', {str(path)!r}]) == 0; "
        "print([name for name in ('torch', 'snakemake') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
