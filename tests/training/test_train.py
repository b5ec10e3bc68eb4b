import contextlib
import json
import os
import subprocess
import threading
import time

import numpy
import pandas
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.conftest import command
from tests.training.conftest import RECIPE, initial_of, phases, train, with_margin
from triptych.data.dataset import Split, load_split, save_split
from triptych.data.halves import decision_half
from triptych.models.initialise_model import initialise_model
from triptych.models.networks import load_network, load_state
from triptych.results.schema import AFTER_DECISION, EVERY_EPOCH, RUN_HISTORY
from triptych.storage.errors import InputError
from triptych.storage.locks import held
from triptych.storage.tensors import load_metadata, load_tensors, tensors_sha256
from triptych.training import train as module
from triptych.training.batches import EvaluationTransform, TrainingTransform, epoch_order

HEAD = ["fc.weight", "fc.bias"]


def moved(arguments) -> set[str]:
    before, after = initial_of(arguments)[0], load_tensors(arguments["trained"])
    assert before.keys() == after.keys()
    return {name for name in before if before[name].tobytes() != after[name].tobytes()}


def evaluated(path, data) -> tuple[float, float, numpy.ndarray]:
    """Loss, accuracy and logits of a file's network on a split, computed apart from the package's loop."""
    network, metadata = load_network(path)
    network.eval()
    split = load_split(data)
    pixels = EvaluationTransform(32, *[metadata["normalisation"][key] for key in ("mean", "std")], torch.device("cpu"))(
        torch.from_numpy(split.images)
    )
    with torch.no_grad():
        logits = network(pixels)
    labels = torch.from_numpy(split.labels)
    return cross_entropy(logits, labels).item(), 100 * (logits.argmax(1) == labels).double().mean().item(), logits


def test_a_run_records_history_predictions_and_cost(arguments):
    train(**arguments)
    initial = arguments["trained"].with_name("initial.safetensors")
    initialise_model(trained=arguments["trained"], pretrained=arguments["pretrained"], initial=initial)
    history = pandas.read_csv(arguments["history"])
    assert list(history.columns) == RUN_HISTORY.in_mode(EVERY_EPOCH).names
    assert history["selection_accuracy"].isna().all()  # no epoch is selected
    assert history["epoch"].tolist() == [0, 1, 2]
    assert history["train_loss"].isna().tolist() == [True, False, False]
    assert history["fit_loss"].isna().tolist() == [True, True, False]
    for row, weights in ((0, initial), (2, arguments["trained"])):
        for split in ("validation", "test"):
            loss, accuracy, _ = evaluated(weights, arguments[f"{split}_data"])
            assert history[f"{split}_loss"][row] == pytest.approx(loss, rel=1e-5)
            assert history[f"{split}_accuracy"][row] == pytest.approx(accuracy)
    loss, accuracy, _ = evaluated(arguments["trained"], arguments["train_data"])
    assert history["fit_loss"][2] == pytest.approx(loss, rel=1e-5)
    assert history["fit_accuracy"][2] == pytest.approx(accuracy)

    predictions = load_tensors(arguments["predictions"])
    assert predictions["test_logits"].shape == (20, 3)
    assert predictions["validation_logits"].shape == (9, 3)
    assert predictions["test_logits"].dtype == numpy.float32
    logits = evaluated(arguments["trained"], arguments["test_data"])[2]
    assert numpy.allclose(predictions["test_logits"], logits.numpy(), atol=1e-5)

    described = load_metadata(arguments["trained"])
    run = described.pop("run")
    assert described == load_metadata(initial)
    assert run == {
        "phases": json.loads(phases()),
        "trained": {
            "parameters": [name for name in described["tensors"] if name not in described["buffers"]],
            "statistics": described["buffers"],
        },
        "seed": 0,
        "recipe": {
            **RECIPE,
            "fused_optimizer": False,
            "keep": "last",
            "patience": None,
            "recalibrate_batchnorm": "never",
        },
        "initial_sha256": tensors_sha256(load_tensors(initial)),
        "torch": torch.__version__,
    }
    cost = json.loads(arguments["cost"].read_text())
    assert cost["device"] == "cpu"
    assert cost["num_threads"] == 1
    assert 0 < cost["training_seconds"] < cost["seconds"]
    assert cost["images_per_second"] == pytest.approx(100 / cost["training_seconds"])
    assert cost["peak_memory_bytes"] > 10_000_000


def test_without_test_images_a_run_is_the_same_but_for_their_results(arguments, tmp_path):
    """Not even their file has to be there."""
    train(**arguments)
    outputs = ("trained", "history", "predictions", "cost")
    unopened = arguments | {name: tmp_path / "unopened" / arguments[name].name for name in outputs}
    train(**unopened | {"test_data": None, "openings": tmp_path / "openings.jsonl"})
    assert not (tmp_path / "openings.jsonl").exists()
    assert unopened["trained"].read_bytes() == arguments["trained"].read_bytes()
    columns = RUN_HISTORY.in_mode(AFTER_DECISION).names
    assert not [name for name in columns if name.startswith("test")]
    expected = pandas.read_csv(arguments["history"], dtype=str)[columns]
    pandas.testing.assert_frame_equal(pandas.read_csv(unopened["history"], dtype=str), expected)
    found, every_epoch = load_tensors(unopened["predictions"]), load_tensors(arguments["predictions"])
    assert list(found) == ["validation_logits"]
    assert found["validation_logits"].tobytes() == every_epoch["validation_logits"].tobytes()


def test_training_is_the_plain_loop(arguments):
    """The same losses and weights as a plain loop, bit for bit, from the same weights, batches and threads."""
    train(**arguments)
    torch.set_num_threads(1)
    network, metadata = load_network(arguments["trained"])
    load_state(network, {name: torch.from_numpy(array) for name, array in initial_of(arguments)[0].items()})
    split = load_split(arguments["train_data"])
    transform = EvaluationTransform(
        32, metadata["normalisation"]["mean"], metadata["normalisation"]["std"], torch.device("cpu")
    )
    inputs, labels = transform(torch.from_numpy(split.images)), torch.from_numpy(split.labels)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    losses = []
    for epoch in (1, 2):
        network.train()
        running = 0.0
        for rows in epoch_order(0, epoch, 50).split(16):
            optimiser.zero_grad()
            loss = torch.nn.functional.nll_loss(torch.log_softmax(network(inputs[rows]), 1), labels[rows])
            loss.backward()
            optimiser.step()
            running += loss.item() * len(rows)
        losses.append(running / 50)
    trained = load_tensors(arguments["trained"])
    assert all(torch.equal(tensor, torch.from_numpy(trained[name])) for name, tensor in network.state_dict().items())
    assert pandas.read_csv(arguments["history"])["train_loss"][1:].tolist() == pytest.approx(losses, rel=1e-12)


@pytest.mark.parametrize("batchnorm", ["train", "frozen"])
def test_the_last_layer_alone_moves(arguments, batchnorm):
    train(**arguments | {"phases": phases("head", batchnorm)})
    buffers = set(load_metadata(arguments["trained"])["buffers"])
    assert moved(arguments) == set(HEAD) | (buffers if batchnorm == "train" else set())


def test_everything_moves_end_to_end(arguments):
    train(**arguments)
    assert moved(arguments) == set(load_metadata(arguments["trained"])["tensors"])


def test_a_changed_frozen_tensor_is_an_error(arguments, monkeypatch):
    honest = module.fit

    def careless(network, *rest):
        outcome = honest(network, *rest)
        with torch.no_grad():
            network.conv1[0].weight[0, 0, 0, 0] += 1e-6
        return outcome

    monkeypatch.setattr(module, "fit", careless)
    with pytest.raises(RuntimeError, match=r"training changed 1 frozen tensors: conv1\.0\.weight"):
        train(**arguments | {"phases": phases("head")})
    assert not arguments["trained"].exists()


def test_fewer_training_images(arguments):
    train(**arguments | {"train_images": 20, "epochs": 1})
    assert json.loads(arguments["cost"].read_text())["images_per_second"] > 0
    with pytest.raises(
        InputError, match="train_images: 51 is not allowed; there are 50 training images; give at most 50,"
    ):
        train(**arguments | {"train_images": 51})


def test_without_validation_images_its_columns_are_empty(arguments, tmp_path):
    save_split(tmp_path / "none.safetensors", load_split(arguments["validation_data"]).first(0))
    train(**arguments | {"validation_data": tmp_path / "none.safetensors", "epochs": 1})
    history = pandas.read_csv(arguments["history"])
    assert history["validation_loss"].isna().all()
    assert history["validation_accuracy"].isna().all()
    assert load_tensors(arguments["predictions"])["validation_logits"].shape == (0, 3)


def test_a_last_batch_of_one_image_names_the_batch_size(arguments):
    with pytest.raises(InputError, match=r"training\.batch_size: 7 leaves one of 50 images for the last batch"):
        train(**arguments | {"batch_size": 7})


def test_a_loss_that_is_not_finite_stops_the_run(arguments):
    message = (
        r"the training loss is (nan|inf) in epoch 1, step 2 \(no checkpoint\); "
        r"lower training\.learning_rate \(now 1e\+30\), or choose another training\.precision \(now float32\)"
    )
    with pytest.raises(InputError, match=message):
        train(**arguments | {"learning_rate": 1e30})
    assert not arguments["trained"].exists()


@pytest.mark.slow
def test_two_processes_give_the_same_bytes_whatever_the_environment_says_of_threads(arguments, tmp_path):
    contents = []
    arguments = {**arguments, "num_threads": 2}
    for threads in ("1", "4"):
        folder = tmp_path / threads
        outputs = {name: folder / arguments[name].name for name in ("trained", "history", "predictions", "cost")}
        call = command("train", **arguments | outputs)
        subprocess.run(call, check=True, env={**os.environ, "OMP_NUM_THREADS": threads})
        contents.append({path.name: path.read_bytes() for path in folder.iterdir() if path.name != "cost.json"})
    assert len(contents[0]) == 3
    assert contents[0] == contents[1]


def selection_accuracies(arguments):
    return pandas.read_csv(arguments["history"])["selection_accuracy"][1:]


def test_the_best_epoch_is_restored_bitwise(arguments, tmp_path):
    """The kept epoch of five is the last epoch of a training that ends with it."""
    recipe = {**arguments, "learning_rate": 3e-3, "epochs": 5}
    train(**recipe | {"keep": "best"})
    history = pandas.read_csv(arguments["history"])
    best = int(selection_accuracies(arguments).idxmax())
    assert 1 <= best < 5  # else the test shows nothing
    assert history["kept"].tolist() == [int(epoch == best) for epoch in range(6)]
    assert history.index[history["fit_loss"].notna()].tolist() == [best]
    outputs = ("trained", "predictions")
    kept = [{name: array.tobytes() for name, array in load_tensors(arguments[output]).items()} for output in outputs]
    fit = history.loc[best, ["fit_loss", "fit_accuracy"]].tolist()

    again = recipe | {output: tmp_path / "again" / output for output in (*outputs, "history", "cost")}
    train(**again | {"epochs": best})
    assert [
        {name: array.tobytes() for name, array in load_tensors(again[output]).items()} for output in outputs
    ] == kept
    shorter = pandas.read_csv(again["history"])
    assert shorter.loc[best, ["fit_loss", "fit_accuracy"]].tolist() == fit
    assert shorter["kept"].tolist() == [0] * best + [1]


@pytest.mark.parametrize("selects", [{"keep": "best"}, {"patience": 2}])
def test_one_half_of_the_validation_images_selects_the_epoch(arguments, selects):
    train(**arguments | {"learning_rate": 1e-3} | selects)
    history = pandas.read_csv(arguments["history"])
    kept = history[history["kept"] == 1].iloc[0]
    validation = load_split(arguments["validation_data"])
    logits = load_tensors(arguments["predictions"])["validation_logits"]
    correct = logits.argmax(1) == validation.labels
    selection = ~decision_half(validation.images, validation.labels)
    assert selection.sum() == 3
    assert kept["selection_accuracy"] == pytest.approx(100 * correct[selection].mean())
    assert kept["validation_accuracy"] == pytest.approx(100 * correct.mean())  # of all of them


def test_the_images_that_decide_change_no_epoch(arguments, tmp_path):
    """Their labels are changed: the same epoch is kept, with the same weights."""
    recipe = arguments | {"learning_rate": 3e-3, "epochs": 4, "keep": "best"}
    train(**recipe)
    validation = load_split(arguments["validation_data"])
    decides = decision_half(validation.images, validation.labels)
    images = validation.images.copy()
    images[decides] = numpy.random.default_rng(0).integers(0, 256, images[decides].shape)
    save_split(tmp_path / "changed.safetensors", Split(images, validation.labels, validation.classes))
    outputs = ("trained", "history", "predictions", "cost")
    changed = recipe | {name: tmp_path / "changed" / arguments[name].name for name in outputs}
    # which images decide depends on their pixels; here it is the same ones
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "decision_half", lambda *split: decides)
        train(**changed | {"validation_data": tmp_path / "changed.safetensors"})
    assert changed["trained"].read_bytes() == arguments["trained"].read_bytes()
    before, after = (pandas.read_csv(options["history"]) for options in (arguments, changed))
    assert before["selection_accuracy"].equals(after["selection_accuracy"])
    assert not before["validation_loss"].equals(after["validation_loss"])


def test_training_ends_when_the_selection_accuracy_no_longer_rises(arguments):
    train(**arguments | {"learning_rate": 3e-3, "epochs": 30, "patience": 2})
    accuracies = selection_accuracies(arguments)
    assert 3 <= len(accuracies) < 30
    assert accuracies.idxmax() == len(accuracies) - 2
    history = pandas.read_csv(arguments["history"])
    assert history["kept"].tolist() == [0] * len(accuracies) + [1]  # keep is last


@pytest.mark.parametrize("selection", [{"keep": "best"}, {"patience": 1}])
def test_model_selection_needs_validation_images(arguments, tmp_path, selection):
    save_split(tmp_path / "none.safetensors", load_split(arguments["validation_data"]).first(0))
    with pytest.raises(InputError, match="needs validation images, and there are none"):
        train(**arguments | {"validation_data": tmp_path / "none.safetensors"} | selection)
    save_split(tmp_path / "few.safetensors", load_split(arguments["validation_data"]).first(3))  # one of each class
    with pytest.raises(InputError, match=r"needs validation images, and no class has two: .* at least 2 of each class"):
        train(**arguments | {"validation_data": tmp_path / "few.safetensors"} | selection)
    assert not arguments["history"].exists()


def test_waiting_for_a_lock_is_not_part_of_the_cost(arguments, tmp_path):
    wait = 1.5
    with contextlib.ExitStack() as other:
        other.enter_context(held(tmp_path / "checkpoints"))
        threading.Timer(wait, other.pop_all().close).start()
        clock = time.perf_counter()
        train(**arguments, checkpoints=tmp_path / "checkpoints")
        elapsed = time.perf_counter() - clock
    assert elapsed > wait
    assert json.loads(arguments["cost"].read_text())["seconds"] < elapsed - wait / 2


def test_a_margin_is_neither_trained_on_nor_evaluated(arguments, tmp_path):
    """The run is that on the central pixels alone, bit for bit, and its weights say how inputs are made."""
    outputs = ("trained", "history", "predictions")
    runs = []
    for crop in (True, False):
        folder = tmp_path / f"crop{crop}"
        own = {name: folder / arguments[name].name for name in (*outputs, "cost")}
        train(**arguments | with_margin(arguments, folder, crop=crop) | own | {"epochs": 1, "train_images": 16})
        runs.append(own)
    cropped, central = runs
    for name in ("history", "predictions"):
        assert cropped[name].read_bytes() == central[name].read_bytes()
    assert tensors_of(cropped) == tensors_of(central)
    assert load_metadata(cropped["trained"])["crop"] is True
    assert "crop" not in load_metadata(central["trained"])


def tensors_of(run) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in load_tensors(run["trained"]).items()}


def test_the_training_transform_reaches_no_evaluation(arguments, monkeypatch):
    """Neither evaluations nor re-estimated statistics: with blank training images, epoch 0 is what it was."""
    plain = arguments | {"epochs": 1, "train_images": 20, "recalibrate_batchnorm": "final"}
    train(**plain)
    before = pandas.read_csv(arguments["history"])
    seen = []
    monkeypatch.setattr(TrainingTransform, "view", lambda self, images: seen.append(len(images)) or images * 0)
    train(**plain)
    after = pandas.read_csv(arguments["history"])
    assert seen == [16, 4]  # the batches of the one epoch
    pandas.testing.assert_series_equal(after.iloc[0], before.iloc[0])
    assert after["train_loss"][1] != before["train_loss"][1]
