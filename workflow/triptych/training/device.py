"""The device of a run, and the settings that make it deterministic."""

import os
import platform
import resource
import sys
from pathlib import Path

import torch

from triptych.storage.errors import InputError
from triptych.training.gpus import claim_gpu, driver_fault, visible_gpus


def choose_device(device: str, jobs_per_gpu: int | None = None) -> torch.device:
    """Return the device of a run: for `auto` a GPU if there is one, else the CPU.

    Args:
        device: `auto`, `cpu` or `cuda`.
        jobs_per_gpu: the number of processes that may share a GPU. Claim one with a free slot, and wait until there is
            one (`triptych.training.gpus`). With None, use the first GPU without a claim.

    Raises:
        InputError: `cuda` is requested and torch can use no GPU, CUDA_VISIBLE_DEVICES names a missing GPU, or the locks
            of the claims cannot be created.
    """
    gpus = [] if device == "cpu" else visible_gpus()
    if device == "cuda" and not gpus:
        raise InputError(
            f"training.device: cuda is not available: {driver_fault() or 'torch finds no CUDA device'}; "
            "allowed are auto (a GPU if there is one, else the CPU), cpu and cuda; set one of the others."
        )
    if not gpus:
        return torch.device("cpu")
    index = 0 if jobs_per_gpu is None else claim_gpu(gpus, jobs_per_gpu)
    torch.cuda.set_device(index)  # for torch calls that take no device, such as pinning memory
    return torch.device("cuda", index)


def make_deterministic(num_threads: int, tf32: bool = False) -> None:
    """Fix the settings of torch that affect results: threads, deterministic algorithms, precision.

    `num_threads` is part of the recipe: sums on the CPU are split among threads, so their number affects rounding.
    `tf32` allows a GPU to round the factors of float32 products to a 10-bit mantissa.
    """
    # cuBLAS is deterministic only with a fixed workspace; it reads this at its first use.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.set_num_threads(num_threads)
    # As `use_deterministic_algorithms(True)`, which would also import torch's compiler for seconds.
    torch.set_deterministic_debug_mode("error")
    # By default torch also fills uninitialized memory, which takes a tenth of the training time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch creates it at import
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def device_name(device: torch.device) -> str:
    """Return the model name of the device, as its driver or the operating system reports it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory in bytes: torch's allocations on a GPU, else the resident memory of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kibibytes, but bytes on macOS


def available_memory_bytes(device: torch.device) -> int:
    """Return the free memory in bytes: of the GPU, or what the operating system reports as available."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work, so that the next clock reading is correct."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
