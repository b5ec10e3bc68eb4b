"""What this machine has: cores and GPUs, found without importing torch where there can be none."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Files of the drivers of NVIDIA, of AMD, and of Windows below WSL."""

LOOK = "from triptych.training.gpus import visible_gpus; print('gpus:', len(visible_gpus()))"


def cores() -> int:
    """Return the number of cores that this process may use, by its affinity and the limit of its container."""
    import joblib  # takes numpy along

    return int(joblib.cpu_count())


def gpus(devices: Iterable[str]) -> int:
    """Return how many GPUs there are for trainings; 0 where all of them are on the CPU.

    Args:
        devices: `training.device` of each arm.
    """
    if set(devices) <= {"cpu"} or not _may_have_gpus():
        return 0
    looked = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=False)
    for line in looked.stdout.splitlines():
        if line.startswith("gpus: "):
            return int(line.removeprefix("gpus: "))
    return 0


def _may_have_gpus() -> bool:
    """Return whether torch may find a GPU: it is no CPU build, and there is a driver."""
    try:
        if metadata.version("torch").endswith("+cpu"):
            return False
    except metadata.PackageNotFoundError:
        return False
    return not sys.platform.startswith("linux") or any(Path(device).exists() for device in DEVICES)


def devices_of(settings: Mapping[str, Any]) -> list[str]:
    """Return `training.device` of every arm of an effective configuration."""
    arms = [arm for experiment in settings["experiments"].values() for arm in experiment["arms"].values()]
    return [arm["training"]["device"] for arm in arms]
