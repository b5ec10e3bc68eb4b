"""BatchNorm's statistics are re-estimated, and nothing else is touched."""

import random

import numpy
import pandas
import pytest
import torch
from sklearn.datasets import load_digits

from tests.training.conftest import phases, train
from tests.training.test_train import evaluated
from triptych.data.dataset import Split, save_split
from triptych.storage.tensors import load_metadata, load_tensors
from triptych.training import train as train_module
from triptych.training.batchnorm import FollowingBatchNorm, _chosen_batches
from triptych.training.reestimation import MOST_IMAGES
from triptych.training.regime import Trainable
from triptych.training.residency import Resident

LAYERS = ("0", "3")
STATISTICS = [f"{layer}.{name}" for layer in LAYERS for name in ("running_mean", "running_var", "num_batches_tracked")]


@pytest.fixture
def network():
    """A network with dropout between two BatchNorm layers of different momenta, with statistics of other data."""
    torch.manual_seed(0)
    made = torch.nn.Sequential(
        torch.nn.BatchNorm1d(4),
        torch.nn.Linear(4, 8),
        torch.nn.Dropout(0.5),
        torch.nn.BatchNorm1d(8, momentum=0.3),
        torch.nn.Linear(8, 3),
    )
    for _ in range(3):
        made(torch.randn(16, 4) * 7 - 2)
    return made


@pytest.fixture
def data():
    """100 rows of features of three classes."""
    features = numpy.random.default_rng(0).normal(5, 3, (100, 4)).astype(numpy.float32)
    return Resident(Split(features, numpy.arange(100) % 3, ["a", "b", "c"]), torch.device("cpu"))


def contents(network):
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


def test_statistics_are_means_over_batches_with_fixed_weights(network, data):
    batchnorm = FollowingBatchNorm(network, Trainable([], STATISTICS), network)
    batchnorm.reestimate(data, 3, 32)
    batches = [data.images[rows] for rows in _chosen_batches(100, 3, 32)]
    assert [len(batch) for batch in batches] == [25] * 4
    for layer, inputs in zip(LAYERS, (lambda batch: batch, lambda batch: network[1](normalised(batch))), strict=True):
        found = network.get_submodule(layer)
        means = torch.stack([inputs(batch).mean(0) for batch in batches]).mean(0)
        variances = torch.stack([inputs(batch).var(0) for batch in batches]).mean(0)
        assert torch.allclose(found.running_mean, means, atol=1e-5)
        assert torch.allclose(found.running_var, variances, rtol=1e-5)
        assert found.num_batches_tracked == 4


def normalised(batch):
    """The output of the first layer for a batch, in train mode: its weights are 1 and 0."""
    return (batch - batch.mean(0)) / (batch.var(0, correction=0) + 1e-5).sqrt()


def test_nothing_else_is_switched_and_no_random_number_is_drawn(network, data):
    modes = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda module, *_, name=name: modes.setdefault(name, set()).add(module.training))
    network.eval()
    numpy.random.seed(1)  # the global generator is what is compared
    states = torch.get_rng_state(), numpy.random.get_state()[1].tolist(), random.getstate()
    before = contents(network)
    batchnorm = FollowingBatchNorm(network, Trainable([], STATISTICS), network)
    kept = batchnorm.statistics()
    batchnorm.reestimate(data, 3, 32)
    assert modes == {name: {name in LAYERS} for name in modes} and len(modes) == 6
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (numpy.random.get_state()[1].tolist(), random.getstate()) == states[1:]
    assert not any(module.training for module in network.modules())
    assert [network[0].momentum, network[3].momentum] == [0.1, 0.3]
    changed = {name for name, content in contents(network).items() if content != before[name]}
    assert changed == set(STATISTICS)
    batchnorm.load(kept)
    assert contents(network) == before


def test_frozen_layers_are_not_touched(network, data):
    before = contents(network)
    batchnorm = FollowingBatchNorm(network, Trainable([], STATISTICS[:3]), network.eval())
    batchnorm.reestimate(data, 3, 32)
    assert {name for name, content in contents(network).items() if content != before[name]} == set(STATISTICS[:3])
    assert not FollowingBatchNorm(network, Trainable([], []), network)


def test_a_module_inside_a_layer_stays_in_eval_mode(data):
    """As the dropout in timm's BatchNorm layers."""

    class Dropping(torch.nn.BatchNorm1d):
        def __init__(self):
            super().__init__(4)
            self.drop = torch.nn.Dropout(0.5)

        def forward(self, images):
            return self.drop(super().forward(images))

    network = torch.nn.Sequential(Dropping()).eval()
    state = torch.get_rng_state()
    FollowingBatchNorm(network, Trainable.everything(network), network).reestimate(data, 3, 32)
    assert torch.equal(torch.get_rng_state(), state)
    assert network[0].num_batches_tracked == 4


def test_statistics_lag_until_less_than_a_thousandth_of_the_initial_ones_is_left(network):
    batchnorm = FollowingBatchNorm(network, Trainable([], STATISTICS), network)  # the smaller momentum is 0.1
    assert batchnorm.lags(1) and batchnorm.lags(65) and not batchnorm.lags(66)
    network[0].momentum = network[3].momentum = None  # the mean over all steps
    assert not FollowingBatchNorm(network, Trainable([], STATISTICS), network).lags(1)


@pytest.mark.parametrize(
    ("images", "classes", "batch_size"),
    [(200, 10, 32), (1, 3, 32), (3, 2, 2), (33, 2, 32), (5, 2, 1), (11_000, 26, 128), (4096, 26, 64), (50_000, 10, 32)],
)
def test_batches_are_even_in_size_and_classes(images, classes, batch_size):
    batches = _chosen_batches(images, classes, batch_size)
    rows, sizes = torch.cat(batches), {len(batch) for batch in batches}
    assert min(images, MOST_IMAGES // 2) <= len(rows) <= MOST_IMAGES
    assert set((rows[1:] - rows[:-1]).tolist()) <= {int(rows[1]) if len(rows) > 1 else 1}  # every k-th
    assert max(sizes) - min(sizes) <= 1
    assert min(2, images) <= min(sizes) and max(sizes) <= max(batch_size, 3)
    counts = torch.bincount(rows % classes, minlength=min(classes, images))  # as stored: the classes take turns
    assert counts.max() - counts.min() <= 1


def columns(path):
    """The columns of a history with re-estimated statistics, and the others."""
    history = pandas.read_csv(path)
    own = [name for name in history if name.startswith("reestimated_")]
    assert len(own) == 4
    return history[own], history.drop(columns=own)


@pytest.fixture
def of_digits(arguments, tmp_path):
    """Arguments of `train()` for a run from random weights on 200 handwritten digits, in batches of 32."""
    digits = load_digits()
    images = numpy.repeat((digits.images * (255 / 16)).astype(numpy.uint8)[..., None], 3, axis=-1)
    names = [str(number) for number in range(10)]
    for name, rows in (("train", slice(200)), ("validation", slice(200, 400))):
        labels = digits.target[rows].astype(numpy.int64)
        save_split(tmp_path / f"{name}.safetensors", Split(images[rows], labels, names))
    files = {f"{name}_data": tmp_path / f"{name}.safetensors" for name in ("train", "validation")}
    return arguments | files | {"test_data": None, "pretrained": None, "batch_size": 32}


def test_recording_changes_no_weight(arguments, tmp_path, monkeypatch):
    """With dropout, a single random number too many would change all weights after it."""
    arguments |= {"architecture": "mobilenet_v3_small", "pretrained": None}
    train(**arguments)
    recorded, rest = columns(arguments["history"])
    assert recorded.notna().all(axis="columns").tolist() == [False, True, True]
    unrecorded = arguments | {name: tmp_path / "plain" / name for name in ("trained", "history", "predictions", "cost")}
    monkeypatch.setattr(FollowingBatchNorm, "lags", lambda self, steps: False)
    train(**unrecorded)
    assert columns(unrecorded["history"])[0].isna().all(axis=None)
    pandas.testing.assert_frame_equal(columns(unrecorded["history"])[1], rest)
    for name in ("trained", "predictions"):
        assert unrecorded[name].read_bytes() == arguments[name].read_bytes()


@pytest.mark.parametrize(
    "fast", [{}, pytest.param({"channels_last": True, "fused_optimizer": True}, marks=pytest.mark.slow)]
)
def test_a_recalibrated_run_ends_with_re_estimated_statistics(arguments, tmp_path, fast):
    """The parameters are those of a run that is not recalibrated; all that is reported is of the saved network."""
    arguments |= {"learning_rate": 1e-3, **fast}
    plain = arguments | {name: tmp_path / "plain" / name for name in ("trained", "history", "predictions", "cost")}
    train(**plain)
    train(**arguments, recalibrate_batchnorm="final")
    before, after = load_tensors(plain["trained"]), load_tensors(arguments["trained"])
    buffers = load_metadata(arguments["trained"])["buffers"]
    assert {name for name in before if before[name].tobytes() != after[name].tobytes()} == set(buffers)
    (recorded, rest), (first_recorded, first) = (columns(run["history"]) for run in (arguments, plain))
    fit = ["fit_loss", "fit_accuracy"]
    pandas.testing.assert_frame_equal(recorded, first_recorded)
    pandas.testing.assert_frame_equal(rest.drop(columns=fit), first.drop(columns=fit))
    assert not rest[fit].equals(first[fit])
    for split in ("validation", "test"):
        loss, accuracy, logits = evaluated(arguments["trained"], arguments[f"{split}_data"])
        assert recorded[f"reestimated_{split}_loss"][2] == pytest.approx(loss, rel=1e-4)
        assert recorded[f"reestimated_{split}_accuracy"][2] == pytest.approx(accuracy)
        assert rest[f"{split}_loss"][2] != pytest.approx(loss, rel=1e-2)
        assert numpy.allclose(load_tensors(arguments["predictions"])[f"{split}_logits"], logits.numpy(), atol=1e-5)
    assert rest["fit_loss"][2] == pytest.approx(evaluated(arguments["trained"], arguments["train_data"])[0], rel=1e-4)


def test_the_epoch_is_selected_with_re_estimated_statistics(of_digits, monkeypatch):
    """Every validation image selects here, so that the accuracies in the history are those that select."""
    monkeypatch.setattr(train_module, "decision_half", lambda images, labels: numpy.zeros(len(labels), bool))
    train(**of_digits | {"learning_rate": 1e-3, "epochs": 4, "keep": "best"}, recalibrate_batchnorm="final")
    history = pandas.read_csv(of_digits["history"])
    reestimated, selecting = history["reestimated_validation_accuracy"][1:], history["selection_accuracy"][1:]
    assert selecting.tolist() == reestimated.tolist() != history["validation_accuracy"][1:].tolist()
    kept = int(history["kept"].argmax())
    assert kept == reestimated.idxmax()
    _, accuracy, logits = evaluated(of_digits["trained"], of_digits["validation_data"])
    assert reestimated[kept] == pytest.approx(accuracy)
    assert numpy.allclose(load_tensors(of_digits["predictions"])["validation_logits"], logits.numpy(), atol=1e-3)


def test_frozen_batchnorm_is_not_recalibrated(arguments, tmp_path):
    arguments |= {"phases": phases("head", "frozen")}
    plain = arguments | {name: tmp_path / "plain" / name for name in ("trained", "history", "predictions", "cost")}
    train(**plain)
    train(**arguments, recalibrate_batchnorm="final")
    assert arguments["history"].read_bytes() == plain["history"].read_bytes()
    assert arguments["predictions"].read_bytes() == plain["predictions"].read_bytes()
    before, after = (load_tensors(run["trained"]) for run in (plain, arguments))
    assert {name: array.tobytes() for name, array in before.items()} == {
        name: array.tobytes() for name, array in after.items()
    }


def test_after_few_steps_the_lag_hides_what_the_weights_have_learnt(of_digits):
    """Seven steps an epoch, from random weights."""
    train(**of_digits | {"architecture": "resnet18", "epochs": 1})
    first = pandas.read_csv(of_digits["history"]).iloc[1]
    assert first["validation_accuracy"] < 40 < 55 < first["reestimated_validation_accuracy"]
