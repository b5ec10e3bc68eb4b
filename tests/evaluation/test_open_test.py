"""Test images are opened after the decision alone, and every opening is recorded before they are read."""

import json
import os
import subprocess

import numpy
import pytest
import torch

from tests.conftest import bundled, command
from tests.evaluation.conftest import NETWORK
from tests.training.conftest import RECIPE, make_split, phases, train, with_margin
from triptych.data.dataset import Split, load_split, save_split
from triptych.evaluation import open_test as module
from triptych.results.decision import DECISION_KEYS, decision_digest
from triptych.storage.errors import InputError
from triptych.storage.files import sha256
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors

OF_EVALUATION = ("evaluation_batch_size", "num_threads", "device", "precision", "channels_last")


def write_decision(path, **changes) -> str:
    """A decision that ranks another arm; its digest."""
    content = dict.fromkeys(DECISION_KEYS) | {"ranking": [{"arm": "other"}]} | changes
    digest = decision_digest(content)
    path.write_text(json.dumps(content | {"digest": digest}))
    return digest


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The options of a training that saw the test images after every epoch, and what it wrote."""
    folder = tmp_path_factory.mktemp("run")
    for name, images, seed in (("train", 50, 1), ("validation", 9, 2), ("test", 20, 3)):
        save_split(folder / f"{name}.safetensors", make_split(images, seed))
    options = {
        **NETWORK,
        **RECIPE,
        "epochs": 1,
        "phases": phases(),
        "seed": 3,
        **{f"{name}_data": folder / f"{name}.safetensors" for name in ("train", "validation", "test")},
        "trained": folder / "trained.safetensors",
        "history": folder / "history.csv",
        "predictions": folder / "predictions.safetensors",
        "cost": folder / "cost.json",
    }
    train(**options)
    return options


@pytest.fixture
def arguments(run, tmp_path):
    write_decision(tmp_path / "decision.json")
    return {
        **{name: run[name] for name in ("architecture", "input_size", "seed", "trained", "test_data", *OF_EVALUATION)},
        "arm": "mine",
        "decision": tmp_path / "decision.json",
        "openings": tmp_path / "logs" / "openings" / "mine.jsonl",
        "predictions": tmp_path / "test.safetensors",
        "opened": tmp_path / "opened.json",
    }


def open_test(**options):
    module.open_test(**bundled("open_test", options))


def recorded(arguments) -> list[dict]:
    return [json.loads(line) for line in arguments["openings"].read_text().splitlines()]


def outputs(arguments) -> list[str]:
    return [name for name in ("predictions", "opened") if arguments[name].exists()]


def test_the_test_results_are_those_of_training(arguments, run):
    """Bit for bit: the same code, recipe and weights."""
    open_test(**arguments)
    expected = load_tensors(run["predictions"])["test_logits"]
    found = load_tensors(arguments["predictions"])
    assert list(found) == ["test_logits"]
    assert found["test_logits"].dtype == numpy.float32
    assert found["test_logits"].tobytes() == expected.tobytes()
    digest = json.loads(arguments["decision"].read_text())["digest"]
    assert load_metadata(arguments["predictions"]) == {"decision": digest}


def test_test_images_are_seen_as_the_others_are(arguments, run, tmp_path):
    outputs = {name: tmp_path / run[name].name for name in ("trained", "history", "predictions", "cost")}
    stored = with_margin(run, tmp_path / "data", crop=True)
    train(**run | outputs | stored)
    opened = arguments | {"trained": outputs["trained"], "test_data": stored["test_data"]}
    opened["predictions"] = tmp_path / "opened.safetensors"
    open_test(**opened)
    expected, found = (load_tensors(path)["test_logits"] for path in (outputs["predictions"], opened["predictions"]))
    assert found.tobytes() == expected.tobytes()


def test_every_opening_is_recorded(arguments):
    first = json.loads(arguments["decision"].read_text())["digest"]
    open_test(**arguments)
    before = arguments["predictions"].read_bytes()
    assert json.loads(arguments["opened"].read_text()) == {"decision": first, "openings": 1, "decisions": [first]}
    (entry,) = recorded(arguments)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {"arm": "mine", "seed": 3, "decision": first, "trained": sha256(arguments["trained"])}

    second = write_decision(arguments["decision"], prefer="cheap")
    other = arguments["openings"].read_text().replace('"seed": 3', '"seed": 4')
    with arguments["openings"].open("a") as log:
        log.write(f'{other}{{"arm": "mi')  # another run's, and a line that a power cut has cut off
    open_test(**arguments)
    assert json.loads(arguments["opened"].read_text()) == {
        "decision": second,
        "openings": 2,
        "decisions": [first, second],
    }
    assert load_metadata(arguments["predictions"]) == {"decision": second}
    write_decision(arguments["decision"])
    open_test(**arguments)
    assert arguments["predictions"].read_bytes() == before
    assert json.loads(arguments["opened"].read_text())["decisions"] == [first, second, first]


def test_an_opening_is_recorded_before_an_image_is_read(arguments, monkeypatch):
    def fail(path):
        assert path == arguments["test_data"]
        assert len(recorded(arguments)) == 1
        raise InputError("stopped")

    monkeypatch.setattr(module, "load_split", fail)
    with pytest.raises(InputError, match="stopped"):
        open_test(**arguments)
    assert len(recorded(arguments)) == 1
    assert not outputs(arguments)


def test_the_record_is_on_the_disk_before_an_image_is_read(arguments, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda number: (synced.append(os.path.realpath(f"/proc/self/fd/{number}")), fsync(number))
    )
    monkeypatch.setattr(module, "load_split", lambda path: synced.append("read") or load_split(path))
    open_test(**arguments)
    log = arguments["openings"].resolve()
    before = synced[: synced.index("read")]
    assert before[0] == str(log)
    assert {str(log.parent), str(log.parent.parent), str(log.parents[2])} <= set(before)


def edited(path):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"chosen": {"arm": "mine", "seed": 3}}))


def with_metadata(arguments, **changes):
    """A copy of the trained weights that says something else about itself."""
    copy = arguments["decision"].with_name("other.safetensors")
    metadata = load_metadata(arguments["trained"]) | changes
    save_tensors(copy, load_tensors(arguments["trained"]), {key: value for key, value in metadata.items() if value})
    return {"trained": copy}


def with_other_classes(arguments):
    split = load_split(arguments["test_data"])
    save_split(arguments["decision"].with_name("other.safetensors"), Split(split.images, split.labels, list("abc")))
    return {"test_data": arguments["decision"].with_name("other.safetensors")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (lambda given: edited(given["decision"]) or {}, r"decision\.json: the decision was changed by hand"),
        (lambda given: {"decision": given["trained"].parent / "none.json"}, r"none\.json: the file is missing"),
        (lambda given: {"architecture": "resnet34"}, "expected the architecture resnet34, found resnet18"),
        (lambda given: {"input_size": 64}, "expected the input size 64, found 32"),
        (lambda given: {"seed": 4}, "expected the seed 4, found 3"),
        (with_other_classes, r"expected the classes \['a', 'b', 'c'\], found \['dark', 'light', 'red'\]"),
        (lambda given: with_metadata(given, run=None), "expected weights from `train`"),
        (lambda given: with_metadata(given, normalisation=None), "expected weights from `train`"),
        (lambda given: {"trained": given["test_data"]}, "does not describe a network"),
        (lambda given: {"test_data": given["decision"]}, "not a safetensors file"),
    ],
)
def test_what_does_not_go_together_opens_nothing(arguments, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        open_test(**arguments | changes(arguments))
    assert "\n" not in str(caught.value)
    assert not arguments["openings"].exists()
    assert not outputs(arguments)


def test_memory_that_runs_out_names_the_setting(arguments, monkeypatch):
    monkeypatch.setattr(module, "evaluate", lambda *values: torch.empty(1 << 60, dtype=torch.uint8))
    with pytest.raises(InputError, match=r"training\.evaluation_batch_size \(now 32\)"):
        open_test(**arguments)
    assert not outputs(arguments)


@pytest.mark.slow
def test_processes_that_open_at_once_all_leave_their_line(arguments, tmp_path):
    calls = [
        command(
            "open_test", **arguments | {"predictions": tmp_path / f"{number}", "opened": tmp_path / f"{number}.json"}
        )
        for number in range(3)
    ]
    processes = [subprocess.Popen(call, stdout=subprocess.DEVNULL) for call in calls]
    assert [process.wait(300) for process in processes] == [0, 0, 0]
    assert len(recorded(arguments)) == 3
    counts = [json.loads((tmp_path / f"{number}.json").read_text())["openings"] for number in range(3)]
    assert sorted(counts) == [1, 2, 3]
    assert len({(tmp_path / f"{number}").read_bytes() for number in range(3)}) == 1
