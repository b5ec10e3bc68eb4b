import pytest
import torch

from triptych.storage.errors import InputError
from triptych.training.device import choose_device, device_name, make_deterministic, peak_memory_bytes


def test_auto_is_the_gpu_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


def test_cuda_where_there_is_none_says_what_is_allowed(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"training\.device: cuda .* auto .* cpu and cuda"):
        choose_device("cuda")


def test_the_number_of_threads_is_the_recipes():
    before = torch.get_num_threads()
    try:
        make_deterministic(3)
        assert torch.get_num_threads() == 3
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(before)


def test_the_device_has_a_name_and_memory_is_in_bytes():
    assert device_name(torch.device("cpu"))
    assert 20_000_000 < peak_memory_bytes(torch.device("cpu")) < 1e12
