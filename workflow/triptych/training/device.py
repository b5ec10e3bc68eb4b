"""Where a run computes, and the settings that make it give the same bits twice."""

import os
import platform
import resource
import sys
from pathlib import Path

import torch

from triptych.storage.errors import InputError
from triptych.training.gpus import claim_gpu, driver_fault, visible_gpus


def choose_device(device: str, jobs_per_gpu: int | None = None) -> torch.device:
    """The device of a run: `auto` is a GPU where there is one, else the CPU.

    A run keeps the device it starts on.

    Args:
        device: `auto`, `cpu` or `cuda`.
        jobs_per_gpu: claim a GPU that fewer than so many processes have, and wait for one if need be
            (`triptych.training.gpus`); None takes the first and asks nobody.

    Raises:
        InputError: `cuda` is asked for where torch can use none, CUDA_VISIBLE_DEVICES names one that is not there, or
            claims cannot be made here.
    """
    gpus = [] if device == "cpu" else visible_gpus()
    if device == "cuda" and not gpus:
        raise InputError(
            f"training.device: cuda was asked for, and {driver_fault() or 'torch sees no CUDA device here'}; "
            "allowed are auto (the GPU if there is one, else the CPU), cpu and cuda"
        )
    if not gpus:
        return torch.device("cpu")
    index = 0 if jobs_per_gpu is None else claim_gpu(gpus, jobs_per_gpu)
    torch.cuda.set_device(index)  # for what torch does without being told a device, such as pinning memory
    return torch.device("cuda", index)


def make_deterministic(num_threads: int, tf32: bool = False) -> None:
    """Fix everything of torch that would make two runs differ: threads, algorithms, precision.

    `num_threads` is part of the recipe: sums on the CPU are split by threads, so another number gives other bits.
    `tf32` lets a GPU round the factors of float32 products to ten bits.
    """
    # cuBLAS reads it at its first use, and gives the same bits twice only with a fixed workspace.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.set_num_threads(num_threads)
    torch.use_deterministic_algorithms(True)
    # Torch would also fill all new memory, lest somebody reads it before it is written: a tenth of a training's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch makes it at import
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def device_name(device: torch.device) -> str:
    """The model name of the device as its driver or the operating system gives it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory in use so far, in bytes: torch's allocations on a GPU, else the process's resident memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kibibytes, but bytes on macOS


def available_memory_bytes(device: torch.device) -> int:
    """The memory that is free now, in bytes: the GPU's, or what the operating system could give to a process."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock read next is true."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
