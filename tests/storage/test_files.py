import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

from triptych.storage import locks
from triptych.storage.files import (
    _prefix,
    append_line,
    atomic_write,
    remove_stale_tempfiles,
    sha256,
    write_json,
    write_table,
    write_text,
)


def test_a_file_is_written_whole_with_the_usual_rights(tmp_path):
    path = tmp_path / "new" / "folder" / "text.txt"
    write_text(path, "grün\n")
    assert path.read_bytes() == "grün\n".encode()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "text.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


HALF = """
import sys, time
from pathlib import Path
from triptych.storage.files import atomic_write
with atomic_write(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    path = tmp_path / "text.txt"
    other, elsewhere = tmp_path / f"{_prefix('other')}abcdefgh", tmp_path / ".text.abcd.abcdefgh"
    other.mkdir()
    elsewhere.mkdir()  # of another machine: a lock may not hold there
    with subprocess.Popen([sys.executable, "-c", HALF, path], stdout=subprocess.PIPE, text=True) as process:
        temporary = Path(process.stdout.readline().strip())
        write_text(path, "first")
        assert temporary.read_text() == "half"
        process.kill()
    assert set(tmp_path.iterdir()) == {path, temporary.parent, other, elsewhere}
    write_text(path, "second")
    assert set(tmp_path.iterdir()) == {path, other, elsewhere}
    assert path.read_text() == "second"
    remove_stale_tempfiles(tmp_path)
    assert set(tmp_path.iterdir()) == {path, elsewhere}


def test_where_the_file_system_has_no_locks_nothing_is_removed(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    path = tmp_path / "text.txt"
    perhaps_alive = tmp_path / f"{_prefix('text')}abcdefgh"
    perhaps_alive.mkdir()
    write_text(path, "whole")
    assert set(tmp_path.iterdir()) == {path, perhaps_alive}
    assert path.read_text() == "whole"


def test_the_bytes_are_on_the_disk_before_they_are_in_place_and_the_name_after(tmp_path, monkeypatch):
    path, done, fsync = tmp_path / "text.txt", [], os.fsync

    def to_disk(descriptor):
        done.append((os.fstat(descriptor).st_ino, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", to_disk)
    write_text(path, "whole")
    assert done == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_the_temporary_file_keeps_the_name_and_is_on_the_same_disk(tmp_path):
    with atomic_write(tmp_path / "picture.svg") as temporary:
        assert temporary.name == "picture.svg"
        assert temporary.parent.parent == tmp_path
        temporary.touch()


def test_tables_have_no_index_empty_missing_values_and_floats_that_read_back(tmp_path):
    write_table(tmp_path / "t.csv", pandas.DataFrame({"a": [0.1 + 0.2, None], "b": ["x", None]}))
    assert (tmp_path / "t.csv").read_bytes() == b"a,b\n0.30000000000000004,x\n,\n"


def test_a_carriage_return_comes_back(tmp_path):
    table = pandas.DataFrame({"a": ["x\ry", 'q"', ""], "b": ["", "n\nm", "z"], "c": [1, 2, 3]})
    write_table(tmp_path / "t.csv", table)
    assert pandas.read_csv(tmp_path / "t.csv", keep_default_na=False).equals(table)


def test_json_is_sorted(tmp_path):
    write_json(tmp_path / "x.json", {"b": 1, "a": "é"})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_sha256_of_a_known_text(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


CALLS = {
    "prepare-dataset": ["train", "validation", "test", "index", "sizes", "left-out", "leaks"],
    "prepare-letters": ["train", "validation"],
}


def prepare(command, folder, before="pass"):
    """Run a command that writes several files, after these statements, in a separate process."""
    options = {
        "prepare-dataset": [
            "--dataset",
            '{"source": "digits", "train_per_class": 5, "validation_per_class": 2, "seed": 0}',
        ],
        "prepare-letters": ["--image-size", "24", "--train-images", "52", "--validation-images", "26", "--seed", "0"],
    }[command]
    for name in CALLS[command]:
        options += [f"--{name}", str(folder / name)]
    code = f"import resource, sys; {before}; from triptych.__main__ import main; sys.exit(main(sys.argv[1:]))"
    call = [sys.executable, "-c", code, command, *options]
    return subprocess.run(call, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 60_000])
@pytest.mark.parametrize("command", CALLS)
def test_where_no_more_can_be_written_it_is_one_message_and_no_half_file(tmp_path, command, limit):
    """A file size limit simulates a full disk: the kernel refuses the write in the same way."""
    limited = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    done = prepare(command, tmp_path / "out", limited)
    assert done.returncode == 1
    *warnings, message = done.stderr.splitlines()  # libraries may print warnings first
    assert message.startswith("error: ")
    assert "File too large" in message
    assert not any("Traceback" in line for line in warnings)
    small_enough = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert small_enough.keys() < set(CALLS[command])
    assert prepare(command, tmp_path / "out").returncode == 0  # anew, in the place of all
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert whole.keys() == set(CALLS[command])
    assert small_enough.items() <= whole.items()


def test_a_folder_that_may_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = prepare("prepare-dataset", tmp_path / "file")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_line_is_appended_below_what_is_there(tmp_path):
    log = tmp_path / "new" / "folder" / "log.jsonl"
    assert append_line(log, "first") == ["first"]
    log.write_bytes(log.read_bytes() + b"cut o")  # by a power cut
    assert append_line(log, "second") == ["first", "cut o", "second"]
    assert log.read_bytes() == b"first\ncut o\nsecond\n"
    assert [path.name for path in log.parent.iterdir()] == ["log.jsonl"]  # the lock is gone


def test_processes_append_their_lines_in_turn(tmp_path):
    code = (
        "import sys, pathlib; from triptych.storage.files import append_line\n"
        "for number in range(20): append_line(pathlib.Path(sys.argv[1]), sys.argv[2] * 5000)"
    )
    calls = [[sys.executable, "-c", code, str(tmp_path / "log"), letter] for letter in "abc"]
    processes = [subprocess.Popen(call, stdout=subprocess.DEVNULL) for call in calls]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(lines) == sorted(letter * 5000 for letter in "abc" for _ in range(20))
