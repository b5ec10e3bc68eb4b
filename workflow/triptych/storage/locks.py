"""Locks that the kernel frees when their holder ends, however it ends, so none is ever stale."""

import errno
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
"""What some network file systems answer. What is written whole or not at all is safe there too, only made twice."""


@contextmanager
def held(path: Path) -> Iterator[Callable[[], bool]]:
    """Hold the lock of a file that is to be made for as long as the block runs; wait for another process that holds it.

    It is a file beside `path` that names its holder and is removed again; the folder is made if it is missing. Who
    waits shares the lock of a second file meanwhile. Yields a function that tells whether somebody does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    descriptor = _take(lock, path)
    try:
        yield lambda: _is_waited_for(path)
    finally:
        _is_waited_for(path)  # one who was killed while it waited has left that file
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _waiting(path: Path) -> Path:
    return path.with_name(f".{path.name}.waiting")


def _is_waited_for(path: Path) -> bool:
    """Whether a living process waits for the lock of `path`. The file that tells it is removed where none does."""
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
    """Lock a file, made if it is missing, without waiting; `shared` only keeps out those who want it for themselves.

    The file is touched, lest a cleaner of temporary files takes it for an old one.

    Returns:
        A descriptor that holds the lock until it is closed; None where another holds it.

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
    """Open and lock a file; returns its descriptor."""
    name = f"{os.getpid()} on {socket.gethostname()}\n".encode()
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 300, 0).decode("ascii", "replace").strip() or "unknown"
                waits = try_lock(_waiting(path), shared=True)
                print(f"{path}: process {holder} is making this file; waiting for it", flush=True)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if waits is not None:  # None: the holder looked right now, and may not have seen it
                    os.close(waits)
                _is_waited_for(path)  # the last one who waited removes that file
        except OSError as error:
            if error.errno not in NO_LOCKS_HERE:
                os.close(descriptor)
                raise
            print(
                f"{path}: this file system has no locks ({error.strerror}); see to it that no other process makes "
                "the same file",
                flush=True,
            )
            return descriptor
        if _is_at(descriptor, lock):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, name, 0)
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at this path: it may be removed between our opening and our locking it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
