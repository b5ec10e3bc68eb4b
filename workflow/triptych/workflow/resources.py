"""What jobs ask for."""

from collections.abc import Callable
from typing import Any


def gpu_slots(device: Callable[[Any], str]) -> Callable[[Any], int]:
    """One GPU; none where the device is the CPU, so that no job waits for what it does not use."""

    def slots(wildcards: Any) -> int:
        return 0 if device(wildcards) == "cpu" else 1

    return slots


def double_on_retry(megabytes: int) -> Callable[[Any, int], int]:
    """The memory of a job whose need depends on the configuration: SLURM ends a job that takes more than it asked for.

    Not more than twice: a job that asks for more than any node has waits for ever.
    """

    def memory(wildcards: Any, attempt: int) -> int:
        return megabytes * min(attempt, 2)

    return memory
