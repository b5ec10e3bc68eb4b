"""If two processes write one file, the second waits."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from triptych.storage import locks
from triptych.storage.locks import held, try_lock


def test_the_lock_is_a_file_that_goes_again(tmp_path):
    path = tmp_path / "new" / "file"
    with held(path):
        assert [entry.name for entry in path.parent.iterdir()] == [".file.lock"]
        assert (path.parent / ".file.lock").read_text() == f"{os.getpid()} on {socket.gethostname()}\n"
    assert not list(path.parent.iterdir())


def test_it_is_given_back_on_an_error(tmp_path):
    with pytest.raises(ValueError, match="x"), held(tmp_path / "file"):
        raise ValueError("x")
    with held(tmp_path / "file"):
        pass


def test_never_two_at_once(tmp_path):
    """The kernel treats each open of the file as a holder, so threads can stand in for processes."""
    inside, most, rounds = [], [], []

    def work():
        for _ in range(40):
            with held(tmp_path / "file"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()
                rounds.append(1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(rounds), max(most)) == (240, 1)
    assert not list(tmp_path.iterdir())


def test_the_holder_knows_whether_another_waits_and_that_one_knows_the_holder(tmp_path, capfd):
    def wait():
        with held(tmp_path / "file") as waited_for:
            assert not waited_for()

    second = threading.Thread(target=wait)
    with held(tmp_path / "file") as waited_for:
        assert not waited_for()
        second.start()
        end = time.monotonic() + 60
        while not waited_for():
            assert time.monotonic() < end
            time.sleep(0.001)
    second.join()
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    assert f"{tmp_path / 'file'}: {holder} is making this file; waiting for it\n" in capfd.readouterr().out
    assert not list(tmp_path.iterdir())


WAIT = """
import sys
from pathlib import Path
from triptych.storage.locks import held
with held(Path(sys.argv[1])):
    pass
"""


def test_one_who_was_killed_while_it_waited_waits_no_longer(tmp_path):
    path = tmp_path / "file"
    with held(path) as waited_for:
        with subprocess.Popen([sys.executable, "-c", WAIT, path], stdout=subprocess.PIPE, text=True) as process:
            assert "waiting for it" in process.stdout.readline()
            assert waited_for()
            process.kill()
        assert not waited_for()
    assert not list(tmp_path.iterdir())


def test_where_the_file_system_has_no_locks_it_says_so_and_goes_on(tmp_path, monkeypatch, capsys):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with held(tmp_path / "file") as waited_for:
        assert not waited_for()
    assert not list(tmp_path.iterdir())
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path / 'file'}: this file system has no locks (No locks available)")


def test_a_lock_that_is_tried_is_shared_or_not_and_looks_new(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    os.utime(path, (0, 0))
    first = try_lock(path, shared=True)
    assert time.time() - path.stat().st_mtime < 60
    os.utime(path, (0, 0))
    assert try_lock(path) is None
    assert path.stat().st_mtime == 0
    second = try_lock(path, shared=True)
    os.close(first)
    assert try_lock(path) is None
    os.close(second)
    alone = try_lock(path)
    assert try_lock(path, shared=True) is None
    os.close(alone)


def test_a_file_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    path, kernel, removals = tmp_path / "lock", fcntl.flock, [1, 2]

    def flock(descriptor, operation):
        if removals:
            removals.pop()
            path.unlink()
        kernel(descriptor, operation)

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    descriptor = try_lock(path)
    assert not removals
    assert os.path.samestat(os.fstat(descriptor), path.stat())
    assert try_lock(path) is None
    os.close(descriptor)
