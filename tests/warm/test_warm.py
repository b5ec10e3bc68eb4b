"""What a process that begins warm has of its own, and that it ends as its caller does."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from tests import warm
from tests.conftest import limited

PACKAGE = """
import os, sys, time
print(sys.argv[1:], os.getcwd(), os.environ.get("PYTHONPATH"), "torch" in sys.modules, input(), flush=True)
print(os.getpid(), os.getppid(), file=sys.stderr, flush=True)
action, value = sys.argv[1:]
if action == "exit":
    raise SystemExit(value if value.isalpha() else int(value))
if action == "raise":
    raise ValueError(value)
time.sleep(float(value))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package of the name of ours, of which a process is in stock."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "triptych").mkdir()
    (folder / "triptych" / "__init__.py").touch()
    (folder / "triptych" / "__main__.py").write_text(PACKAGE)
    for _ in range(3):
        done(folder)
    return folder


def started(folder, action="exit", value="0", limit=None, **variables):
    return subprocess.Popen(
        [warm.program(), "-m", "triptych", action, value],
        cwd=folder,
        env={**warm.environment(), "PYTHONPATH": str(folder), **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited(limit),
    )


def done(folder, *arguments, **options):
    """The exit status, the first line of stdout, and stderr."""
    process = started(folder, *arguments, **options)
    out, err = process.communicate("typed\n", timeout=60)
    return process.returncode, out.splitlines()[0], err


def test_it_has_the_arguments_folder_variables_and_files_of_its_call(package):
    status, line, err = done(package)
    assert (status, line) == (0, f"['exit', '0'] {package} {package} True typed")
    process, parent = map(int, err.split())
    assert len({process, parent, os.getpid()}) == 3


@pytest.mark.parametrize(("value", "status"), [("0", 0), ("3", 3), ("256", 0), ("words", 1)])
def test_its_exit_status_is_that_of_python(package, value, status):
    assert done(package, "exit", value)[0] == status


def test_an_exception_is_a_traceback(package):
    status, _, err = done(package, "raise", "of the test")
    assert status == 1 and err.endswith("ValueError: of the test\n")


def ends(process):
    """Whether a process is gone soon."""
    for _ in range(200):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_its_caller_ends_it(package, number):
    process = started(package, "sleep", "60")
    process.stdin.write("typed\n")
    process.stdin.flush()
    process.stdout.readline()
    child = int(process.stderr.readline().split()[0])
    assert child != process.pid
    process.send_signal(number)
    assert process.wait(timeout=60) == -number
    process.communicate()
    assert ends(child)


@pytest.mark.parametrize("differs", ["a limit", "a variable", "a matplotlibrc"])
def test_what_a_fork_cannot_show_is_done_by_a_real_process(package, differs):
    if differs == "a limit":
        line = done(package, limit=10**9)[1]
    elif differs == "a variable":
        line = done(package, LC_ALL="C")[1]
    else:
        (package / "matplotlibrc").touch()
        line = done(package)[1]
        (package / "matplotlibrc").unlink()
    assert " False typed" in line
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10**9


def test_without_a_broker_it_is_python(monkeypatch):
    monkeypatch.delenv(warm.FOLDER)
    assert warm.program() == sys.executable and warm.environment() == dict(os.environ)
