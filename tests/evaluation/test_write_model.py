"""What is written beside the chosen run's weights: the description, the card, the script and its decoder."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy
import pytest
import yaml

from tests.evaluation.conftest import (
    ARM,
    CLASSES,
    FILES,
    MEMBERS,
    ensemble_options,
    mean_of_members,
    model_options,
    with_groups,
    write_decision,
)
from triptych.analysis.classes import recall_intervals
from triptych.analysis.groups import read_groups
from triptych.analysis.intervals import accuracy_interval, wilson_interval
from triptych.analysis.temperature import fitted_temperature
from triptych.analysis.variance_parts import Sampling
from triptych.data import decoding
from triptych.data.dataset import Split, load_split, save_split
from triptych.data.folds import Folds, save_folds
from triptych.evaluation.model_file import read_description
from triptych.evaluation.write_model import write_model
from triptych.storage.errors import InputError
from triptych.storage.files import sha256
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors


@pytest.fixture(scope="module")
def about(experiment):
    return json.loads((experiment / "model" / "model.json").read_text())


@pytest.fixture(scope="module")
def card(experiment):
    return (experiment / "model" / "README.md").read_text()


@pytest.fixture
def copy(experiment, tmp_path):
    """A folder with the weights alone."""
    shutil.copyfile(experiment / "model" / "model.safetensors", tmp_path / "model.safetensors")
    return tmp_path


def test_the_files_are_there_and_the_decoder_is_the_package_s_own_module(experiment):
    folder = experiment / "model"
    assert {path.name for path in folder.iterdir()} == FILES
    assert (folder / "decode.py").read_bytes() == Path(decoding.__file__).read_bytes()
    imported = re.findall(r"^\s*(?:from|import) (\w+)", (folder / "decode.py").read_text(), flags=re.M)
    assert set(imported) <= {"PIL", "numpy", "pillow_heif", *sys.stdlib_module_names}


def test_the_same_inputs_give_the_same_bytes(experiment, copy):
    write_model(**model_options(experiment, copy))
    for name in FILES:
        assert (copy / name).read_bytes() == (experiment / "model" / name).read_bytes()


def test_the_description_says_how_an_image_becomes_a_class(about, experiment):
    assert about["classes"] == sorted(CLASSES)
    assert (about["architecture"], about["library"], about["input_size"]) == ("resnet18", "torchvision", 32)
    assert {key: about["store"][key] for key in ("size", "fit", "crop")} == {"size": 37, "fit": "crop", "crop": True}
    assert about["store"]["background"] == [255, 255, 255]
    assert about["store"]["decoder"] == decoding.decoder_versions()
    assert about["normalisation"]["mean"] == [0.485, 0.456, 0.406]
    digests = about["digests"]
    assert digests["weights"] == sha256(experiment / "model" / "model.safetensors")
    assert digests["decision"] == sha256(experiment / "decision.json")
    assert digests["data"] == {
        split: sha256(experiment / "data" / f"{split}.safetensors") for split in ("train", "validation", "test")
    }


def test_the_test_results_are_those_of_the_run(about, experiment):
    labels = load_split(experiment / "data" / "test.safetensors").labels
    logits = load_tensors(experiment / "runs" / ARM / "seed0" / "test.safetensors")["test_logits"]
    correct = logits.argmax(axis=1) == labels
    tested = about["tested"]
    assert (tested["images"], tested["correct"]) == (len(labels), correct.sum())
    assert tested["accuracy"] == round(100 * correct.mean(), 4)
    low, high = wilson_interval(int(correct.sum()), len(labels), 0.95)
    assert (tested["low"], tested["high"]) == (round(100 * low, 4), round(100 * high, 4))
    for number, one in enumerate(tested["classes"]):
        assert one["class"] == about["classes"][number]
        assert (one["images"], one["correct"]) == ((labels == number).sum(), correct[labels == number].sum())


def test_intervals_of_images_in_groups_are_over_groups(about, experiment, copy):
    """As in the tables of the report, since images of one group are alike."""
    index = with_groups(experiment, copy / "index.csv", 5)
    write_model(**model_options(experiment, copy, index=index))
    tested = json.loads((copy / "model.json").read_text())["tested"]
    labels = load_split(experiment / "data" / "test.safetensors").labels
    logits = load_tensors(experiment / "runs" / ARM / "seed0" / "test.safetensors")["test_logits"]
    correct = logits.argmax(axis=1) == labels
    groups = read_groups(index, "test", len(labels))
    assert len(set(groups)) == 9
    expected = accuracy_interval(correct[None], 0.95, Sampling(groups=groups))
    assert [tested["low"], tested["high"]] == [round(end, 4) for end in expected]
    assert [tested["low"], tested["high"]] != [about["tested"]["low"], about["tested"]["high"]]
    rows = numpy.array(tested["groups"])
    assert rows[:, 1].sum() == tested["images"] and rows[:, 2].sum() == tested["correct"]
    assert "groups" not in about["tested"]
    text = (copy / "README.md").read_text()
    assert "interval over the 9 groups of these images" in text and "Wilson" not in text
    table = recall_intervals(correct[None], labels, 3, 0.95, groups=groups)
    assert [one["low"] for one in tested["classes"]] == [round(low, 4) for low in table[0]]


def test_the_card_has_what_hugging_face_reads_and_what_a_reader_needs(card, about):
    _, front, text = card.split("---\n", 2)
    matter = yaml.safe_load(front)
    assert matter["pipeline_tag"] == "image-classification"
    (result,) = matter["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == pytest.approx(about["tested"]["accuracy"] / 100, abs=1e-6)
    heads = re.findall(r"^## (.*)$", text, flags=re.M)
    assert heads == ["Use", "Data", "Recipe", "Preprocessing", "Results", "Certainty", "Limits"]
    tested = about["tested"]
    assert f"accuracy {tested['accuracy']:.1f} % ({tested['low']:.1f} to {tested['high']:.1f})" in text
    for one in tested["classes"]:
        assert f"{one['recall']:.1f} % ({one['low']:.1f} to {one['high']:.1f})" in text
    assert "Fewer than 20 test images" in text
    assert f"temperature {about['temperature']:g}" in text
    assert "of the validation images above it at most 5 % were wrong" in text and "of those images" not in text
    assert "| train images | all |" in text and "| patience |" not in text and "cache features" not in text


TORCHVISION = {"source": "torchvision", "urls": None, "sha256": None, "path": None}


@pytest.mark.parametrize(
    ("pretraining", "starts_from"),
    [
        (
            {"source": "letters", "train_images": 5000, "epochs": 1},
            "weights pretrained on 5,000 rendered letters for an epoch",
        ),
        (TORCHVISION | {"sha256": "ab" * 32}, f"the pretrained weights whose file has the SHA-256 {'ab' * 32}"),
        (TORCHVISION, "torchvision’s weights, pretrained on ImageNet-1k"),
    ],
)
def test_the_card_says_what_the_weights_were_pretrained_on(experiment, copy, pretraining, starts_from):
    arms = json.loads(model_options(experiment, copy)["arms"])
    changes = {"arms": json.dumps([arms[0] | {"weights": "pretrained"}]), "pretraining": json.dumps(pretraining)}
    write_model(**model_options(experiment, copy, **changes))
    assert f"| starts from | {starts_from} |" in (copy / "README.md").read_text()


def test_names_in_the_card_are_text(card):
    """A class name is neither a column, nor HTML, nor code."""
    assert "<b>" not in card
    (row, *_) = [line for line in card.splitlines() if line.startswith("| a ")]
    assert row.startswith(r"| a \| &lt;b&gt;rose \`x\` | ")


def test_without_validation_images_nothing_is_calibrated(experiment, copy):
    full = load_split(experiment / "data" / "validation.safetensors")
    save_split(copy / "none.safetensors", Split(full.images[:0], full.labels[:0], full.classes, full.crop))
    changes = {"validation_data": copy / "none.safetensors", "mode": "every_epoch"}
    write_model(**model_options(experiment, copy, **changes))
    about = json.loads((copy / "model.json").read_text())
    assert (about["temperature"], about["unsure_below"], about["calibration_images"]) == (None, None, 0)
    text = (copy / "README.md").read_text()
    assert "The probabilities are not calibrated" in text and "evaluated after every epoch" in text


def test_an_ensemble_is_described_by_what_its_members_say_together(ensemble):
    about = json.loads((ensemble / "model" / "model.json").read_text())
    text = (ensemble / "model" / "README.md").read_text()
    files = [ensemble / "model" / f"model-{run}.safetensors" for run in MEMBERS]
    assert about["members"] == list(MEMBERS) and "seed" not in about
    assert about["digests"]["weights"] == [sha256(path) for path in files]
    assert [one["mean"][0] for one in about["normalisation"]] == [0.485, 0.3]
    tested, labels = about["tested"], load_split(ensemble / "data" / "test.safetensors").labels
    correct = mean_of_members(ensemble, "test", "test").argmax(axis=1) == labels
    assert (tested["images"], tested["correct"]) == (len(labels), correct.sum())
    logits = numpy.log(mean_of_members(ensemble, "predictions", "validation"))
    labels = load_split(ensemble / "data" / "validation.safetensors").labels
    assert about["temperature"] == pytest.approx(fitted_temperature(logits, labels), abs=2e-4)
    assert "An ensemble of 2 resnet18 networks" in text and "Members: seed 0; seed 1." in text
    assert "A prediction takes 2 times the time of one network" in text
    assert f"accuracy {tested['accuracy']:.1f} % ({tested['low']:.1f} to {tested['high']:.1f})" in text
    assert "It is about this ensemble" in text and "those of each member" in text


def test_an_ensemble_of_folds_is_not_calibrated(ensemble, copy):
    """A held-out image is in the training of other members, so no probability of it is that of a new image."""
    full = load_split(ensemble / "data" / "validation.safetensors")
    save_split(copy / "none.safetensors", Split(full.images[:0], full.labels[:0], full.classes, full.crop))
    train = load_split(ensemble / "data" / "train.safetensors")
    save_folds(copy / "folds.safetensors", Folds(numpy.arange(len(train))[None].astype(numpy.uint8) % 2, 2))
    for fold in range(2):
        tensors, metadata = (
            read(ensemble / "model" / "model-seed0.safetensors") for read in (load_tensors, load_metadata)
        )
        about = metadata | {"run": metadata["run"] | {"fold": fold}}
        save_tensors(copy / f"model-seed0_fold{fold}.safetensors", tensors, about)
    weights = [copy / f"model-seed0_fold{fold}.safetensors" for fold in range(2)]
    changes = {"weights": weights, "folds": copy / "folds.safetensors", "validation_data": copy / "none.safetensors"}
    decision = write_decision(copy / "decision.json", {"arm": ARM, "seed": 0, "fold": 1})
    write_model(**ensemble_options(ensemble, copy, decision=decision, **changes))
    about = read_description(copy)
    assert about["members"] == ["seed0_fold0", "seed0_fold1"]
    assert (about["temperature"], about["unsure_below"], about["calibration_images"]) == (None, None, 0)
    text = (copy / "README.md").read_text()
    assert "an image that a fold holds out is in the training of other members" in text
    assert "an ensemble of one seed, 2 networks of folds" in text and "on out-of-fold images" in text


def test_weights_of_another_run_are_no_member(ensemble, copy):
    other = copy / "model-seed3.safetensors"
    shutil.copyfile(ensemble / "model" / "model-seed1.safetensors", other)
    weights = [ensemble / "model" / "model-seed0.safetensors", other]
    message = (
        r"model-seed3\.safetensors: these are the weights of model-seed1\.safetensors; delete the file and run again"
    )
    with pytest.raises(InputError, match=message):
        write_model(**ensemble_options(ensemble, copy, weights=weights))


def test_a_source_of_arrays_takes_files_of_the_stored_size(experiment, copy):
    train = load_split(experiment / "data" / "train.safetensors")
    save_split(copy / "arrays.safetensors", Split(numpy.array(train.images[:, :8, :8]), train.labels, train.classes))
    dataset = json.dumps({"source": "digits", "seed": 0})
    write_model(**model_options(experiment, copy, dataset=dataset, train_data=copy / "arrays.safetensors"))
    store = json.loads((copy / "model.json").read_text())["store"]
    assert (store["size"], store["fit"], store["crop"], store["value_range"]) == (8, "crop", False, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda folder: {"decision": write_decision(folder / "d.json", None)},
            "no run was chosen, so there is no model",
        ),
        (lambda folder: {"cost": folder / "none.json"}, r"none\.json: the file is missing"),
        (lambda folder: {"tested": [folder / "none.safetensors"]}, "none.safetensors: the file is missing"),
    ],
)
def test_what_is_missing_is_one_message_and_writes_nothing(experiment, copy, change, message):
    with pytest.raises(InputError, match=message):
        write_model(**model_options(experiment, copy, **change(copy)))
    assert not FILES - {"model.safetensors"} & {path.name for path in copy.iterdir()}
