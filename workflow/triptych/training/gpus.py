"""Claim a GPU for a process: Snakemake counts GPUs but does not assign them, so each process claims one.

A claim is a file lock, which the kernel releases when the process ends. So no claim is ever stale. The files are not
deleted. Each GPU has three kinds of lock:

- `NAME.lock`, the whole GPU: processes that share it hold a shared lock, a process that does not an exclusive one;
- `NAME-place-K.lock`, one slot of a shared GPU;
- `NAME-turn.lock`, a turnstile. Processes that share pass through it. A process that needs a whole GPU holds it while
  it waits, so that no new process enters and the present ones end one by one.
"""

import os
import re
import stat
import tempfile
import time
from pathlib import Path

import torch

from triptych.storage.errors import InputError
from triptych.storage.locks import try_lock

VISIBLE = "CUDA_VISIBLE_DEVICES"
LOCK_FOLDER = "TRIPTYCH_GPU_LOCKS"
SECONDS_BETWEEN_LOOKS = 0.5


def device_count() -> int:
    """Return the number of GPUs that torch can use, with CUDA_VISIBLE_DEVICES respected."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def installed_count() -> int:
    """Return the number of GPUs of the machine, with CUDA_VISIBLE_DEVICES ignored."""
    visible = os.environ.pop(VISIBLE, None)
    try:
        return torch.cuda.device_count()
    finally:
        if visible is not None:
            os.environ[VISIBLE] = visible


def driver_fault() -> str | None:
    """Return an explanation if the driver lists GPUs that torch cannot use, else None. CUDA_VISIBLE_DEVICES counts.

    Without CUDA, torch counts the GPUs that the driver's management library lists, which works with old drivers too.
    """
    count = 0 if torch.cuda.is_available() else torch.cuda.device_count()
    if not count:
        return None
    return (
        f"torch cannot use the GPU driver of this machine, which lists {count} GPU{'s' * (count > 1)}: the driver is "
        f"too old for this torch (CUDA {torch.version.cuda}) or broken"
    )


def device_uuid(index: int) -> str | None:
    """Return the UUID of torch's GPU `index`, which does not depend on CUDA_VISIBLE_DEVICES; None if it has none."""
    try:
        return str(torch.cuda.get_device_properties(index).uuid)
    except (AttributeError, AssertionError, RuntimeError):  # an older torch; no such GPU
        return None


def visible_gpus() -> list[str]:
    """Return the GPUs that may be used, in torch's order, by their names in CUDA_VISIBLE_DEVICES or their numbers.

    Return an empty list, and print why, if torch cannot use the driver.

    Raises:
        InputError: CUDA_VISIBLE_DEVICES names a missing GPU.
    """
    count = device_count()
    if not count and (fault := driver_fault()):
        print(fault, flush=True)
        return []
    if VISIBLE not in os.environ:
        return [str(index) for index in range(count)]
    named = _named(os.environ[VISIBLE])
    if count >= len(named):
        return named
    installed = installed_count()
    if installed:
        raise InputError(
            f"{VISIBLE}={os.environ[VISIBLE]}: torch finds {count} of these {len(named)} GPUs; this machine has "
            f"{installed} (allowed: {_numbers(installed)}); list each existing GPU at most once, or unset the variable."
        )
    print(f"{VISIBLE}={os.environ[VISIBLE]}: torch finds no GPU on this machine", flush=True)
    return []


def claim_gpu(gpus: list[str], jobs_per_gpu: int) -> int:
    """Claim one of these GPUs until this process ends. While all are taken, print that once, and wait.

    If CUDA_VISIBLE_DEVICES names a single GPU, a person or SLURM has assigned it, and it is not claimed.

    Args:
        gpus: the result of `visible_gpus`, at least one GPU.
        jobs_per_gpu: the number of processes that may share a GPU. With 1, this process shares with none, whatever the
            value of others.

    Returns:
        The position in `gpus`, which is torch's index.

    Raises:
        InputError: the lock folder is not usable, or `jobs_per_gpu` is less than 1.
    """
    if jobs_per_gpu < 1:
        raise InputError(f"jobs_per_gpu: {jobs_per_gpu} is not allowed; give at least 1.")
    if len(gpus) == 1 and VISIBLE in os.environ:
        return 0
    folder = lock_folder()
    names = [_lock_name(index, gpu) for index, gpu in enumerate(gpus)]
    announced = False
    turns: dict[str, int] = {}
    while True:
        for slot in range(jobs_per_gpu):  # fill slot 0 of every GPU before slot 1 of any
            for index, name in enumerate(names):
                try:
                    shares = jobs_per_gpu > 1
                    claimed = _shared(folder, name, slot) if shares else _alone(folder, name, turns)
                except OSError as error:
                    raise _unusable(folder, error.strerror) from None
                if claimed:
                    print(f"claimed GPU {gpus[index]} of {', '.join(gpus)}", flush=True)
                    return index
        if not announced:
            print(f"every GPU ({', '.join(gpus)}) is taken; waiting for one (locks: {folder})", flush=True)
            announced = True
        time.sleep(SECONDS_BETWEEN_LOOKS)


def lock_folder() -> Path:
    """Return the folder of the locks; create it if it is missing.

    It is the value of TRIPTYCH_GPU_LOCKS, by default a folder per user in the folder for temporary files. Processes
    with different folders do not see each other's claims. So set the variable if TMPDIR differs between processes, or
    if the folder for temporary files is private (of a service, a container or a SLURM job).

    Raises:
        InputError: it cannot be created, or belongs to another user.
    """
    given = os.environ.get(LOCK_FOLDER)
    folder = Path(given or Path(tempfile.gettempdir(), f"triptych-gpus-{os.getuid()}"))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise _unusable(folder, error.strerror) from None
    # In a folder that all users can write, another user may have created it, or a symbolic link instead of it.
    if not given and (status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode)):
        raise _unusable(folder, "not a folder of this user")
    return folder


def _named(text: str) -> list[str]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES names. Like CUDA, stop at the first invalid word, such as -1."""
    names: list[str] = []
    for word in map(str.strip, text.split(",")):
        if not re.match(r"\+?\d|GPU-|MIG-", word):
            break
        names.append(word)
        if word.startswith("MIG-"):  # CUDA gives a process at most one MIG instance
            break
    return names


def _numbers(count: int) -> str:
    return "0" if count == 1 else f"0 to {count - 1}"


def _lock_name(index: int, gpu: str) -> str:
    """Return the name of a GPU's locks: from its UUID, else from its name with the number normalised."""
    uuid = device_uuid(index)
    if uuid is None:
        number = re.match(r"\+?(\d+)", gpu)
        gpu = str(int(number[1])) if number else gpu
        # SLURM may number the GPUs of each of its jobs from 0
        job = os.environ.get("SLURM_JOB_ID")
        name = f"slurm-{job}-gpu-{gpu}" if job else f"gpu-{gpu}"
    else:
        name = f"gpu-{uuid.removeprefix('GPU-')}"
    return re.sub(r"[^\w-]", "_", name)


# The lock files of a claim stay open on purpose, until the process ends.


def _shared(folder: Path, name: str, slot: int) -> bool:
    """Try to claim one slot of a GPU."""
    # A shared lock, so that processes that pass do not block each other.
    turn = try_lock(folder / f"{name}-turn.lock", shared=True)
    if turn is None:
        return False
    try:
        whole = try_lock(folder / f"{name}.lock", shared=True)
    finally:
        os.close(turn)
    if whole is None:
        return False
    if try_lock(folder / f"{name}-place-{slot}.lock") is None:
        os.close(whole)
        return False
    return True


def _alone(folder: Path, name: str, turns: dict[str, int]) -> bool:
    """Try to claim a whole GPU. If it is shared, hold its turnstile, so that no new process enters.

    A process holds the turnstile of one GPU only, because the slots that become free behind it stay empty.

    Args:
        turns: the turnstile lock that this process holds, by the name of the GPU; modified in place.
    """
    turn = turns.get(name)
    if turn is None:
        turn = try_lock(folder / f"{name}-turn.lock")
    if turn is None:
        return False
    claimed = try_lock(folder / f"{name}.lock") is not None
    if claimed:
        turns.setdefault(name, turn)
        while turns:
            os.close(turns.popitem()[1])
    elif not turns and (shared := try_lock(folder / f"{name}.lock", shared=True)) is not None:
        os.close(shared)
        turns[name] = turn
    elif name not in turns:
        os.close(turn)
    return claimed


def _unusable(folder: Path, reason: str | None) -> InputError:
    return InputError(
        f"{folder}: GPU locks cannot be created here ({reason}); set {LOCK_FOLDER} to another folder, on a disk of "
        "this machine, that this user can write."
    )
