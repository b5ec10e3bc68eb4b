"""Which GPU a process computes on: Snakemake counts GPUs and does not say which is free, so each process claims one.

A claim is a lock on a file that the kernel frees when the process ends, however it ends, so none is ever stale. The
files stay where they are. Each GPU has three kinds:

- `NAME.lock`, the whole GPU: who shares it holds this in common, who does not holds it alone;
- `NAME-place-K.lock`, one place of those that share;
- `NAME-turn.lock`, a turnstile: who shares passes through it, and who wants a GPU alone that is being shared holds it
  while it waits, so that nobody else comes in and those who are there end one by one.
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
    """How many GPUs torch can compute on, CUDA_VISIBLE_DEVICES obeyed."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def installed_count() -> int:
    """How many GPUs the machine has, whatever CUDA_VISIBLE_DEVICES says."""
    visible = os.environ.pop(VISIBLE, None)
    try:
        return torch.cuda.device_count()
    finally:
        if visible is not None:
            os.environ[VISIBLE] = visible


def driver_fault() -> str | None:
    """What to say where the driver shows GPUs (those that CUDA_VISIBLE_DEVICES allows) and torch can compute on none.

    Without CUDA torch counts what the driver's management library shows, which works with a driver of any age.
    """
    shown = 0 if torch.cuda.is_available() else torch.cuda.device_count()
    if not shown:
        return None
    return (
        f"torch cannot use the GPU driver of this machine, which shows {shown} GPU{'s' * (shown > 1)}: it is too old "
        f"for this torch (CUDA {torch.version.cuda}) or does not work"
    )


def device_uuid(index: int) -> str | None:
    """The UUID of torch's GPU of this number: the same whatever CUDA_VISIBLE_DEVICES calls it; None if it has none."""
    try:
        return str(torch.cuda.get_device_properties(index).uuid)
    except (AttributeError, AssertionError, RuntimeError):  # an older torch; no such GPU
        return None


def visible_gpus() -> list[str]:
    """The GPUs that may be used, in torch's order, each as CUDA_VISIBLE_DEVICES names it or by its number.

    None where torch cannot use the driver, which it says.

    Raises:
        InputError: CUDA_VISIBLE_DEVICES names one that is not there.
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
            f"{VISIBLE}={os.environ[VISIBLE]}: names {len(named)} and torch finds {count} of them on this machine, "
            f"which has {installed} ({_numbers(installed)}); name each GPU once and none that is not there, or unset it"
        )
    print(f"{VISIBLE}={os.environ[VISIBLE]}: torch sees no GPU on this machine", flush=True)
    return []


def claim_gpu(gpus: list[str], jobs_per_gpu: int) -> int:
    """Claim one of these GPUs until this process ends; wait, and say so once, while all are taken.

    A single one that CUDA_VISIBLE_DEVICES names has been chosen already, by a person or by SLURM, and is not claimed.

    Args:
        gpus: what `visible_gpus` gives, at least one.
        jobs_per_gpu: how many processes may share one; one that says 1 has its GPU for itself, whatever others say.

    Returns:
        The position in `gpus`: torch's index.

    Raises:
        InputError: the folder of the locks cannot be used, or `jobs_per_gpu` is less than 1.
    """
    if jobs_per_gpu < 1:
        raise InputError(f"jobs_per_gpu: {jobs_per_gpu} is not allowed; give at least 1")
    if len(gpus) == 1 and VISIBLE in os.environ:
        return 0
    folder = lock_folder()
    names = [_lock_name(index, gpu) for index, gpu in enumerate(gpus)]
    said = False
    turns: dict[str, int] = {}
    while True:
        for place in range(jobs_per_gpu):  # each GPU once before any twice
            for index, name in enumerate(names):
                try:
                    shares = jobs_per_gpu > 1
                    claimed = _shared(folder, name, place) if shares else _alone(folder, name, turns)
                except OSError as error:
                    raise _unusable(folder, error.strerror) from None
                if claimed:
                    print(f"claimed GPU {gpus[index]} of {', '.join(gpus)}", flush=True)
                    return index
        if not said:
            print(f"every GPU ({', '.join(gpus)}) is taken; waiting for one (locks: {folder})", flush=True)
            said = True
        time.sleep(SECONDS_BETWEEN_LOOKS)


def lock_folder() -> Path:
    """The folder of the locks: made if it is missing.

    It is what TRIPTYCH_GPU_LOCKS names, else a folder of the user's own in the one for temporary files. Processes that
    find different folders do not see each other's claims: where TMPDIR differs between them, or the folder for
    temporary files is private (of a service, a container or a job of SLURM), name a common one.

    Raises:
        InputError: it cannot be made, or belongs to somebody else.
    """
    given = os.environ.get(LOCK_FOLDER)
    folder = Path(given or Path(tempfile.gettempdir(), f"triptych-gpus-{os.getuid()}"))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise _unusable(folder, error.strerror) from None
    # Where everybody may write, somebody else may have made it, or a link in its place.
    if not given and (status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode)):
        raise _unusable(folder, "not a folder of this user")
    return folder


def _named(text: str) -> list[str]:
    """The GPUs that CUDA_VISIBLE_DEVICES names. Like CUDA, stop at the first word that names none (-1, nothing)."""
    names: list[str] = []
    for word in map(str.strip, text.split(",")):
        if not re.match(r"\+?\d|GPU-|MIG-", word):
            break
        names.append(word)
        if word.startswith("MIG-"):  # CUDA shows a process one of these at most
            break
    return names


def _numbers(count: int) -> str:
    return "0" if count == 1 else f"0 to {count - 1}"


def _lock_name(index: int, gpu: str) -> str:
    """The name of a GPU's locks: by its UUID, else by what it is called here, a number without sign and zeros."""
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


# The locks of a claim are left open on purpose: they end with the process.


def _shared(folder: Path, name: str, place: int) -> bool:
    """Try to claim one place on a GPU."""
    turn = try_lock(folder / f"{name}-turn.lock", shared=True)  # shared: those who pass do not hinder each other
    if turn is None:
        return False
    try:
        whole = try_lock(folder / f"{name}.lock", shared=True)
    finally:
        os.close(turn)
    if whole is None:
        return False
    if try_lock(folder / f"{name}-place-{place}.lock") is None:
        os.close(whole)
        return False
    return True


def _alone(folder: Path, name: str, turns: dict[str, int]) -> bool:
    """Try to claim a whole GPU; where it is shared, stop others from coming in until it is free.

    Of one GPU only, since the places that become free meanwhile are left empty.

    Args:
        turns: the lock of the turnstile that this process holds, by the GPU's name; changed here.
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
        f"{folder}: the locks that tell which GPU is taken cannot be kept here ({reason}); name another folder with "
        f"{LOCK_FOLDER}, on a disk of this machine, where this user may write"
    )
