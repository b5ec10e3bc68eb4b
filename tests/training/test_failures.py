import pytest
import torch

from triptych.errors import InputError
from triptych.training.arithmetic import Arithmetic
from triptych.training.failures import explained

CPU = Arithmetic(torch.device("cpu"))


def test_too_large_a_batch_names_the_settings():
    message = r"memory of the computer .* lower training.batch_size \(now 32\)"
    with pytest.raises(InputError, match=message), explained(32, 100, CPU):
        torch.empty(1 << 60, dtype=torch.uint8)  # more than any address space


def test_a_gpus_memory_is_called_so():
    gpu = Arithmetic(torch.device("cuda"), "bfloat16")
    message = r"memory of the GPU .*training.precision \(now bfloat16\)"
    with pytest.raises(InputError, match=message), explained(32, 100, gpu):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="something else"), explained(32, 100, CPU):
        raise RuntimeError("something else")
