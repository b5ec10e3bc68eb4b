import numpy
import pytest
import torch

from triptych.models.networks import build_network, head_tensors
from triptych.storage.errors import InputError
from triptych.training.regime import (
    Phase,
    Trainable,
    assert_unchanged,
    frozen_tensors,
    read_phases,
    select_trainable,
    set_training_mode,
)

HEAD = ["fc.weight", "fc.bias"]


@pytest.fixture
def network():
    return build_network("resnet18", 10, 32)


def trainable(network, what, batchnorm="train", head=HEAD):
    return Trainable.of(network, head, Phase(what, batchnorm))


def test_only_what_trains_has_gradients(network):
    chosen = select_trainable(network, trainable(network, "head"))
    assert sum(parameter.numel() for parameter in chosen.values()) == 5130
    assert list(chosen) == HEAD
    assert {name for name, p in network.named_parameters() if p.requires_grad} == set(HEAD)
    everything = select_trainable(network, trainable(network, "all"))
    assert sum(parameter.numel() for parameter in everything.values()) == 11_181_642
    assert trainable(network, "all") == Trainable.everything(network)


def test_no_backward_pass_is_recorded_for_a_trunk_that_does_not_train(network):
    select_trainable(network, trainable(network, "head", head=head_tensors("resnet18", 10, 32)))
    recorded = []
    network.avgpool.register_forward_hook(lambda module, inputs, output: recorded.append(output.requires_grad))
    assert network(torch.zeros(2, 3, 32, 32)).requires_grad
    assert recorded == [False]


def test_frozen_batchnorm_is_in_eval_mode_and_nothing_else_is(network):
    set_training_mode(network, trainable(network, "head", "frozen"))
    in_eval = {type(module) for module in network.modules() if not module.training}
    assert in_eval == {torch.nn.BatchNorm2d}
    set_training_mode(network, trainable(network, "head"))
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize(
    ("what", "batchnorm", "count"),
    # resnet18: 62 parameters of which 2 are the head's; 20 BatchNorm layers with 3 buffers each
    [("all", "train", 0), ("head", "train", 60), ("head", "frozen", 120), ("all", "frozen", 60)],
)
def test_frozen_tensors(network, what, batchnorm, count):
    names = frozen_tensors(network, trainable(network, what, batchnorm))
    assert len(names) == len(set(names)) == count
    assert set(names) <= set(network.state_dict()) - set(HEAD)


def test_buffers_that_are_not_statistics_are_frozen():
    swin = build_network("swin_t", 10, 64)
    names = frozen_tensors(swin, Trainable.everything(swin))
    assert names
    assert all(name.endswith("relative_position_index") for name in names)


def test_a_single_changed_bit_is_found():
    before = {"a": numpy.array([0.0, 1.0]), "b": numpy.array([1])}
    assert_unchanged(before, {name: array.copy() for name, array in before.items()}, ["a", "b"])
    negative_zero = {**before, "a": numpy.array([-0.0, 1.0])}
    with pytest.raises(RuntimeError, match=r"changed 1 frozen tensors: a"):
        assert_unchanged(before, negative_zero, ["a", "b"])
    assert_unchanged(before, negative_zero, ["b"])


@pytest.mark.parametrize("arguments", [("some", "train"), ("all", "off")])
def test_an_unknown_phase_is_refused(arguments):
    with pytest.raises(InputError, match="is not allowed; give one of"):
        Phase(*arguments)


@pytest.mark.parametrize("text", ["head", "{}", '["head"]', '[{"trainable": "head"}]', '[{"phase": 1}]', "3"])
def test_what_is_no_list_of_phases_is_refused(text):
    with pytest.raises(InputError, match=r"^phases: "):
        read_phases(text)


def test_a_run_has_one_phase():
    one = '{"trainable": "head", "batchnorm": "frozen"}'
    assert read_phases(f"[{one}]") == [Phase("head", "frozen")]
    with pytest.raises(InputError, match="one phase, found 2"):
        read_phases(f"[{one}, {one}]")
