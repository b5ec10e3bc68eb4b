"""Of two who make one file, the second waits."""

import errno
import threading
import time

import pytest

from triptych import locks
from triptych.locks import held


def test_the_lock_is_a_file_that_goes_again(tmp_path):
    path = tmp_path / "new" / "file"
    with held(path):
        assert [entry.name for entry in path.parent.iterdir()] == [".file.lock"]
    assert not list(path.parent.iterdir())


def test_it_is_given_back_on_an_error(tmp_path):
    with pytest.raises(ValueError, match="x"), held(tmp_path / "file"):
        raise ValueError("x")
    with held(tmp_path / "file"):
        pass


def test_never_two_at_once(tmp_path):
    """Two openings of the file are two holders to the kernel, so threads do as well as processes."""
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


def test_where_the_file_system_has_no_locks_it_goes_on(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with held(tmp_path / "file"):
        pass
    assert not list(tmp_path.iterdir())
