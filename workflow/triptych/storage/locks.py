"""File locks. The kernel releases them when their process ends, so no lock is ever stale."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
"""Errors of network file systems without locks. Atomic writes are safe there too, but two processes may both write."""


@contextmanager
def held(path: Path) -> Iterator[Callable[[], bool]]:
    """Hold the lock of the output `path` during the block; wait if another process holds it.

    The lock is a file beside `path` with the name of its holder, and is removed afterwards. The folder is created if it
    is missing. Processes that wait share the lock of a second file.

    Yields:
        A function that returns whether another process waits for the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    descriptor = _take(lock, path)
    try:
        yield lambda: _is_waited_for(path)
    finally:
        _is_waited_for(path)  # removes that file if a process was killed while it waited
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _waiting(path: Path) -> Path:
    return path.with_name(f".{path.name}.waiting")


def _is_waited_for(path: Path) -> bool:
    """Whether a process waits for the lock of `path`; if none does, remove the stale file of the waiting ones."""
    waiting = _waiting(path)
    if not waiting.exists():
        return False
    alone = try_lock(waiting)
    if alone is None:
        return True
    waiting.unlink(missing_ok=True)
    os.close(alone)
    return False


def try_lock(path: Path, shared: bool = False) -> int | None:
    """Lock a file without waiting, exclusively or `shared`; create the file if it is missing.

    The file is touched, so that cleaners of temporary files do not delete it as old.

    Returns:
        A descriptor that holds the lock until it is closed; None if another process holds it.

    Raises:
        OSError: the file cannot be opened, or the file system has no locks.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                os.utime(descriptor)
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _take(lock: Path, path: Path) -> int:
    """Open and lock a file, and return its descriptor."""
    name = f"{os.getpid()} on {socket.gethostname()}\n".encode()
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 300, 0).decode("ascii", "replace").strip() or "unknown"
                while (waits := try_lock(_waiting(path), shared=True)) is None:
                    time.sleep(0.001)  # the holder looks at this moment, and would not see this process
                print(f"{path}: process {holder} is making this file; waiting for it", flush=True)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.close(waits)
                _is_waited_for(path)  # the last process that waited removes that file
        except OSError as error:
            if error.errno not in NO_LOCKS_HERE:
                os.close(descriptor)
                raise
            print(
                f"{path}: this file system has no locks ({error.strerror}); make sure that no other process writes "
                "this file.",
                flush=True,
            )
            return descriptor
        if _is_at(descriptor, lock):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, name, 0)
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still at this path: it may be removed between opening and locking."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
