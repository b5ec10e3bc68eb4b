"""The resources of jobs."""

from collections.abc import Callable
from typing import Any


def gpu_slots(device: Callable[[Any], str]) -> Callable[[Any], int]:
    """Request one GPU; none if the device is the CPU, so that the job does not wait for a GPU."""

    def slots(wildcards: Any) -> int:
        return 0 if device(wildcards) == "cpu" else 1

    return slots


def double_on_retry(megabytes: int) -> Callable[[Any, int], int]:
    """Request memory, and twice as much on a retry, because SLURM ends a job that exceeds its request.

    Further retries do not request more: a job that requests more than any node has would wait for ever.
    """

    def memory(wildcards: Any, attempt: int) -> int:
        return megabytes * min(attempt, 2)

    return memory


def of_decoders(megabytes: int, each: int) -> Callable[[Any, int, int], int]:
    """Request memory for a command, and for each of its processes that decode images; twice as much on a retry."""

    def memory(wildcards: Any, threads: int, attempt: int) -> int:
        return double_on_retry(megabytes + each * threads)(wildcards, attempt)

    return memory
