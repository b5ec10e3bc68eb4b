"""`triptych check`: what is found, what the workflow would refuse, and what was not looked at."""

import re
import shutil
from pathlib import Path

import pytest

from tests.console.conftest import configuration
from tests.data.user_images import age, traces
from triptych.console.__main__ import main
from triptych.storage.files import sha256


def test_a_configuration_without_files_is_one_line(here, capsys):
    configuration(here)
    assert main(["check", "tiny.yaml"]) == 0
    assert capsys.readouterr().out == "tiny.yaml: no mistakes; tiny: 2 arms x 1 seed = 2 runs\n"


def test_a_folder_is_counted_and_it_says_what_was_not_looked_at(photos, capsys):
    age(photos)
    before = traces(photos)
    age(photos)
    (photos / "ash" / "notes.txt").write_text("x")
    assert main(["check", "photos"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "photos: as triptych new would write it; photos: 3 arms x 3 seeds = 9 runs",
        "photos: 28 files in 3 classes, from 8 (ash) to 12 (elm)",
        "photos: ignored: 1 (a text file)",
        "photos: split into about train 20, validation 4, test 4",
        "photos: no file was decoded; the workflow does it first, or: triptych check --decode photos",
    ]
    (photos / "ash" / "notes.txt").unlink()
    assert {path: trace for path, trace in traces(photos).items() if "ash" not in path} == {
        path: trace for path, trace in before.items() if "ash" not in path
    }
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]


def test_a_truncated_file_is_found_by_decoding_alone(photos, capsys):
    path = next((photos / "elm").iterdir())
    path.write_bytes(path.read_bytes()[:400])
    assert main(["check", "photos"]) == 0
    capsys.readouterr()
    assert main(["check", "--decode", "photos"]) == 1
    printed = capsys.readouterr()
    assert re.match(rf"error: photos: 1 problem\.\n  '?\./elm/{path.name}'?: .*truncated", printed.err)
    assert printed.err.endswith("\nTo go on without them: dataset: {policy: quarantine}.\n")
    assert (photos.parent / "resources" / "images").is_dir()
    assert "no file was decoded" not in printed.out


@pytest.mark.parametrize("command", ["check", "estimate", "run"])
def test_a_weights_file_that_is_another_one_is_named_before_anything_runs(command, here, capsys):
    Path("own.pth").write_bytes(b"other weights")
    weights = {"source": "torchvision", "path": "own.pth"}
    configuration(here, weights=weights, arms={"fine": {"weights": "pretrained"}})
    assert main([command, "tiny.yaml"]) == 1
    checksum = sha256(Path("own.pth"))
    said = capsys.readouterr().err
    assert said.startswith(f"error: own.pth: not the file that is expected in place of a download (sha256 {checksum}")
    assert said.endswith(f"write beside its path: sha256: {checksum}\n")
    configuration(here, weights={**weights, "sha256": checksum}, arms={"fine": {"weights": "pretrained"}})
    assert main(["check", "tiny.yaml"]) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda photos: shutil.rmtree(photos / "ash"), None),
        (lambda photos: (photos / "oak").mkdir(), "./oak: the class folder has no image; "),
        (
            lambda photos: [path.unlink() for path in sorted((photos / "ash").iterdir())[2:]],
            "photos: too few different images for test and validation: ash (2); a class needs at least 3",
        ),
        (shutil.rmtree, "photos: there is no such file or folder"),
    ],
)
def test_what_the_workflow_would_refuse_is_named(change, said, photos, capsys):
    change(photos)
    assert main(["check", "photos"]) == (said is not None)
    assert (said or "") in capsys.readouterr().err


def test_files_that_are_quarantined_are_counted(photos, capsys):
    (photos / "elm" / "broken.jpg").symlink_to("nowhere.jpg")
    dataset = {"source": "folder", "path": "photos"}
    path = configuration(photos.parent, "stops", dataset=dataset)
    assert main(["check", str(path)]) == 1
    assert (
        "a link to a file that does not exist; delete the link, or restore the file.\nTo go on"
        in capsys.readouterr().err
    )
    path = configuration(photos.parent, "goes", dataset={**dataset, "policy": "quarantine"})
    assert main(["check", str(path)]) == 0
    assert "photos: 1 files cannot be used and will be left out (policy: quarantine)" in capsys.readouterr().out


def test_a_mistake_names_line_or_key(here, capsys):
    (here / "wrong.yaml").write_text("experiments: {a: {seed: 1}}\n")
    assert main(["check", "wrong.yaml"]) == 1
    assert "experiments.a.seed" in capsys.readouterr().err
