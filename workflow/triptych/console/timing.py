"""Time parts of an experiment: steps of arms and the start of a command in processes of their own, and decoding."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from triptych.console.plan import Arm
from triptych.data.found import Found
from triptych.storage.errors import InputError

SAMPLE = 48
"""The files that are decoded to time it."""
MEASURE = [sys.executable, "-m", "triptych.console.measure"]


def timed(request: Mapping[str, Any], copies: int) -> Arm:
    """Time steps of an arm.

    Args:
        request: as `triptych.console.measure.Request`.
        copies: the processes that do it side by side, as the arm's runs will; the mean counts.
    """
    text = json.dumps(request)
    clock = time.perf_counter()
    children = [
        subprocess.Popen(MEASURE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(copies)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(text)
        child.stdin.close()
        child.stdin = None
    said = [child.communicate() for child in children]
    wall = time.perf_counter() - clock
    for child, (_, errors) in zip(children, said, strict=True):
        if child.returncode:
            return Arm(problem=_problem(child.returncode, errors))
    answers = [json.loads(output.splitlines()[-1]) for output, _ in said]
    mean = {
        key: fmean(answer[key] for answer in answers) if key.endswith("seconds") else value
        for key, value in answers[0].items()
    }
    return Arm(mean, max(0.0, wall - mean["measuring_seconds"]))


def _problem(status: int, errors: str) -> str:
    """Return in a line why a process failed."""
    lines = [line for line in errors.splitlines() if line.strip()]
    if lines and lines[-1].startswith("error: "):
        return lines[-1].removeprefix("error: ")
    if status < 0:
        return f"ended by signal {-status}: this machine has too little memory, perhaps"
    raise InputError(f"timing an arm failed:\n{errors.strip()}")


def largest_batch(request: Mapping[str, Any], memory: int) -> int:
    """Return of how many images a batch would fit into `memory` bytes, by what can be computed; 0 for none."""
    asked = json.dumps({**request, "memory": memory})
    done = subprocess.run(MEASURE, input=asked, capture_output=True, text=True, check=False)
    return int(json.loads(done.stdout.splitlines()[-1])["largest_batch"]) if done.returncode == 0 else 0


def start_up() -> float:
    """Return the seconds that `python -m triptych train --help` takes: Python and imports."""
    call = [sys.executable, "-m", "triptych", "train", "--help"]
    subprocess.run(call, stdout=subprocess.DEVNULL, check=True)  # reads the files into memory
    clock = time.perf_counter()
    subprocess.run(call, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - clock


def decoding(found: Found, settings: Mapping[str, Any]) -> float:
    """Return the seconds that one process takes to check and decode a file, by some of them.

    Args:
        settings: the keys of the section `dataset`.
    """
    from triptych.data.cache import Cache, StoredRule
    from triptych.data.file_check import FileCheck

    files = found.items[:: max(1, len(found.items) // SAMPLE)][:SAMPLE]
    if not files:
        return 0.0
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder), StoredRule.of(settings))
        cache.open()
        check = FileCheck(cache)
        check((0, str(files[0].file)))
        clock = time.perf_counter()
        for number, item in enumerate(files[1:]):
            check((number, str(item.file)))
        return (time.perf_counter() - clock) / max(1, len(files) - 1)
