"""Prediction gives the bits of the experiment's own table, whatever is beside an image, and names what is broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pandas
import pytest
from PIL import Image

from tests.conftest import without_rights
from tests.evaluation.conftest import CLASSES, FILES, IMAGES, MEMBERS, mean_of_members
from triptych.__main__ import main
from triptych.data.dataset import load_split
from triptych.evaluation.model_file import read_description
from triptych.evaluation.model_folder import differences, load_model
from triptych.evaluation.predict import images_of, predict
from triptych.results.mistakes import DECIMALS, softmax
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_tensors

LINES = 60
"""The most of predict.py."""


def table(path):
    return pandas.read_csv(path, dtype=str, keep_default_na=False)


def test_files_of(experiment):
    """The test images in the order of the split, and their logits."""
    index = table(experiment / "data" / "index.csv")
    names = index[index["split"] == "test"]["name"].tolist()
    logits = load_tensors(experiment / "runs/mine/seed0/test.safetensors")["test_logits"]
    return [experiment.parent / "photos" / name for name in names], logits


test_files_of.__test__ = False


@pytest.fixture(scope="module")
def model(experiment):
    return load_model(experiment / "model")


def test_the_table_is_that_of_the_experiment(experiment, tmp_path, capsys):
    """As texts: predicted class and probability of each file, of every split with predictions."""
    predict(experiment, [experiment.parent / "photos"], csv=tmp_path / "mine.csv")
    expected = table(experiment / "tables" / "predictions.csv")
    found = table(tmp_path / "mine.csv").set_index("path").loc[expected["path"]]
    assert set(expected["split"]) == {"validation", "test"}
    for column in ("predicted", "probability"):
        assert found[column].tolist() == expected[column].tolist()
    said = capsys.readouterr()
    assert said.err == ""
    assert len(said.out.splitlines()) == 3 * IMAGES
    assert set(table(tmp_path / "mine.csv")["unsure"]) == {"0", "1"}


def test_the_logits_are_the_same_bits_whatever_is_beside_an_image(experiment, model):
    files, logits = test_files_of(experiment)
    for order in (numpy.arange(len(files)), numpy.arange(len(files))[::-1], numpy.array([3])):
        found = numpy.stack([one.logits for one in model.predict(files[row] for row in order)])
        assert found.tobytes() == logits[order].tobytes()


def test_a_file_becomes_the_stored_pixels(experiment, model):
    files, _ = test_files_of(experiment)
    images = load_split(experiment / "data" / "test.safetensors").images
    assert all(numpy.array_equal(model.stored(file), image) for file, image in zip(files, images, strict=True))


@pytest.mark.slow
def test_an_ensemble_gives_the_mean_of_its_members_probabilities(ensemble, tmp_path):
    """The members' logits are the bits of `open_test`; `predict.py` says the same."""
    files, _ = test_files_of(ensemble)
    found = load_model(ensemble)
    mean = mean_of_members(ensemble, "test", "test")
    answers = [found.answer(one.logits) for one in found.predict(files)]
    assert [one.predicted for one in answers] == [found.classes[number] for number in mean.argmax(axis=1)]
    assert [one.probability for one in answers] == mean.max(axis=1).round(DECIMALS).tolist()
    sharper = mean ** (1 / found.about["temperature"])
    expected = (sharper / sharper.sum(axis=1, keepdims=True)).max(axis=1)
    assert [one.calibrated for one in answers] == pytest.approx(expected, abs=1e-4)
    runs = [ensemble / "runs" / "mine" / run for run in MEMBERS]
    alone = [softmax(load_tensors(run / "test.safetensors")["test_logits"]).max(axis=1).round(DECIMALS) for run in runs]
    assert all((probability != mean.max(axis=1).round(DECIMALS)).any() for probability in alone)  # neither is the mean
    call = [sys.executable, "-W", "error", ensemble / "model" / "predict.py", *files]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=True)
    lines = [line.removeprefix(str(file)).strip() for line, file in zip(done.stdout.splitlines(), files, strict=True)]
    for line, one in zip(lines, answers, strict=True):
        expected = f"{one.predicted}  {one.probability:.4f}  {one.calibrated:.4f}" + "  unsure" * bool(one.unsure)
        assert line == expected


def test_what_cannot_be_used_is_named_and_skipped(experiment, tmp_path, capsys):
    files, _ = test_files_of(experiment)
    broken = tmp_path / "broken.png"
    broken.write_bytes(files[0].read_bytes()[:200])
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    given = [files[0], broken, tmp_path / "none.jpg", pipe, files[1]]
    assert main(["predict", str(experiment / "model"), *map(str, given), "--csv", str(tmp_path / "mine.csv")]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    problems = said.err.splitlines()
    assert [line.partition(": ")[0] for line in problems[:3]] == [str(path) for path in given[1:4]]
    assert all(line.endswith("; skipped") for line in problems[:3])
    assert problems[3:] == ["error: 3 of 5 files could not be used; they are named above."]
    assert table(tmp_path / "mine.csv")["path"].tolist() == [str(files[0]), str(files[1])]


def test_images_of_several_folders_have_names_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("first", "second", "=third"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "a.png")
    given = [Path("first"), Path("second/"), Path("=third"), Path("=third/a.png"), tmp_path / "first"]
    names = [name for name, _ in images_of(given)]
    assert names == ["first/a.png", "second/a.png", "./=third/a.png", "./=third/a.png", f"{tmp_path}/first/a.png"]
    assert [name for name, _ in images_of(given[:1])] == ["./a.png"]
    assert all(path.is_file() for _, path in images_of(given))


def test_an_empty_folder_is_a_message(experiment, tmp_path):
    with pytest.raises(InputError, match="no image in this folder; give image files, or a folder of images"):
        predict(experiment, [tmp_path])


def test_another_version_is_said_and_an_unknown_device_refused(experiment, monkeypatch):
    monkeypatch.setattr("triptych.evaluation.model_folder.decoder_versions", lambda: "others")
    (note,) = load_model(experiment / "model").notes
    assert "probabilities agree to about 0.0001: decoders others (there rules 2, " in note
    about = read_description(experiment / "model")
    half = about | {"precision": "bfloat16"}
    (note,) = differences(half, load_model(experiment / "model").arithmetic)
    assert "probabilities differ, by more than in float32 since it was tested in bfloat16: decoders others" in note
    with pytest.raises(InputError, match="--device: 'tpu' is not allowed; give one of auto, cpu, cuda"):
        load_model(experiment / "model", "tpu")


def test_a_precision_that_cannot_be_computed_here_is_said(experiment, monkeypatch):
    def refuse(arithmetic):
        if arithmetic.precision != "float32":
            raise InputError("no units for it")

    about = read_description(experiment / "model")
    monkeypatch.setattr("triptych.evaluation.model_folder.read_description", lambda folder: {**about, **half})
    monkeypatch.setattr("triptych.evaluation.model_folder.check_precision", refuse)
    half = {"precision": "bfloat16"}
    found = load_model(experiment)
    assert found.arithmetic.precision == "float32"
    assert found.notes == (
        "It was tested in bfloat16, which cannot be computed here; float32 is used, and rounds less.",
    )


@pytest.mark.slow
def test_a_read_only_folder_is_enough_and_no_snakemake(experiment, tmp_path):
    """A process of its own, whose rights end at those of the files; it imports no Snakemake."""
    folder = tmp_path / "model"
    shutil.copytree(experiment / "model", folder)
    file = test_files_of(experiment)[0][0]
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    without = "import sys; sys.modules['snakemake'] = None; from triptych.__main__ import main; sys.exit(main())"
    call = [*without_rights(), sys.executable, "-W", "error", "-c", without, "predict", folder, file]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{file}: ") or file.name in done.stdout
    assert {path.name for path in folder.iterdir()} == FILES


def test_the_script_needs_no_triptych_and_says_the_same(experiment, tmp_path):
    """A process of its own in which the package is not found."""
    files, _ = test_files_of(experiment)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    script = experiment / "model" / "predict.py"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    call = [sys.executable, "-W", "error", script, *files, broken]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{broken}: ") and done.stderr.count("\n") == 1
    expected = table(experiment / "tables" / "predictions.csv").query("split == 'test'")
    lines = [line.removeprefix(str(file)).strip() for line, file in zip(done.stdout.splitlines(), files, strict=True)]
    for line, (predicted, probability) in zip(lines, expected[["predicted", "probability"]].to_numpy(), strict=True):
        assert line.startswith(f"{predicted}  {float(probability):.4f}")
    assert {path.name for path in script.parent.iterdir()} == FILES
    assert len(script.read_text().splitlines()) <= LINES
    assert CLASSES[0] in done.stdout
