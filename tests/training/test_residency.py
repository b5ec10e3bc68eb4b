import numpy
import pytest
import torch

from tests.training.conftest import train
from triptych.data.dataset import load_split
from triptych.training import residency as module
from triptych.training.batches import epoch_order
from triptych.training.residency import Resident, choose_residency

CPU = torch.device("cpu")
RESIDENCIES = ["device", "host", "mapped"]

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")


def test_auto_takes_the_first_residency_with_room(monkeypatch):
    free = {"cuda": 1000, "cpu": 10_000}
    monkeypatch.setattr(module, "available_memory_bytes", lambda device: free[device.type])
    gpu = torch.device("cuda")
    assert [choose_residency("auto", size, gpu) for size in (250, 251, 2500, 2501)] == [
        "device",
        "host",
        "host",
        "mapped",
    ]
    assert [choose_residency("auto", size, CPU) for size in (250, 2500, 2501)] == ["host", "host", "mapped"]
    assert choose_residency("mapped", 1, gpu) == "mapped"


@pytest.mark.parametrize("residency", RESIDENCIES)
def test_batches_are_the_images_in_the_order_asked_for(files, residency):
    split = load_split(files / "train.safetensors")
    resident = Resident(split, CPU, residency)
    for order in (None, epoch_order(3, 1, len(split))):
        rows = numpy.arange(len(split)) if order is None else order.numpy()
        batches = list(resident.batches(16, order))
        assert [len(labels) for _, labels in batches] == [16, 16, 16, 2]
        assert torch.cat([images for images, _ in batches]).numpy().tobytes() == split.images[rows].tobytes()
        assert torch.cat([labels for _, labels in batches]).tolist() == split.labels[rows].tolist()


@pytest.mark.parametrize("residency", RESIDENCIES)
def test_no_images_are_no_batches(files, residency):
    split = load_split(files / "train.safetensors").first(0)
    resident = Resident(split, CPU, residency)
    assert list(resident.batches(4)) == list(resident.batches(4, epoch_order(0, 1, 0))) == []


def test_only_mapped_images_are_read_from_the_file(files):
    split = load_split(files / "train.safetensors")
    assert isinstance(split.images, numpy.memmap)
    for residency in RESIDENCIES:
        shared = numpy.shares_memory(Resident(split, CPU, residency).images.numpy(), split.images)
        assert shared == (residency == "mapped")


def test_residency_does_not_affect_results(arguments, tmp_path):
    found = set()
    for residency in RESIDENCIES:
        train(**arguments | {"epochs": 1}, residency=residency)
        found.add(b"".join((tmp_path / name).read_bytes() for name in ("trained.safetensors", "history.csv")))
    assert len(found) == 1


@needs_gpu
@pytest.mark.parametrize("residency", RESIDENCIES)
def test_batches_come_to_the_gpu_from_each_residency(files, residency):
    gpu = torch.device("cuda")
    split = load_split(files / "train.safetensors")
    resident = Resident(split, gpu, residency)
    assert resident.images.is_cuda == (residency == "device")
    assert resident.images.is_pinned() == (residency == "host")
    for order in (None, epoch_order(3, 1, len(split))):
        rows = numpy.arange(len(split)) if order is None else order.numpy()
        batches = list(resident.batches(16, order))
        assert {tensor.device.type for batch in batches for tensor in batch} == {"cuda"}
        assert torch.cat([images for images, _ in batches]).cpu().numpy().tobytes() == split.images[rows].tobytes()
        assert torch.cat([labels for _, labels in batches]).tolist() == split.labels[rows].tolist()


@needs_gpu
def test_residency_does_not_affect_results_on_a_gpu(arguments, tmp_path):
    found = set()
    for residency in RESIDENCIES:
        train(**arguments | {"device": "cuda"}, residency=residency)
        found.add(b"".join((tmp_path / name).read_bytes() for name in ("trained.safetensors", "history.csv")))
    assert len(found) == 1
