"""Work in several processes: all results come, also where a process dies, and none outlives its parent."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import ROOT
from triptych.data.processes import Died, in_processes


def double(number):
    return 2 * number


def die_of_thirteen(number):
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(number):
    raise OSError(28, "No space left on device", "somewhere")


@pytest.mark.parametrize("processes", [1, 2])
def test_every_item_has_its_result(processes):
    assert sorted(in_processes(double, range(50), processes)) == [2 * number for number in range(50)]


def test_no_item_needs_no_process():
    assert list(in_processes(double, [], 2)) == []


def test_an_item_that_ends_its_process_is_named_and_the_others_are_done():
    results = list(in_processes(die_of_thirteen, range(20), 2))
    assert [one for one in results if isinstance(one, Died)] == [Died(13, -signal.SIGKILL)]
    others = [one for one in results if not isinstance(one, Died)]
    assert sorted(others) == [number for number in range(20) if number != 13]


def test_what_the_function_raises_is_raised_here_and_all_processes_end():
    with pytest.raises(OSError, match="No space left on device: 'somewhere'"):
        list(in_processes(refuse, range(50), 2))
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


WAITING = """
import time
from tests.data.test_processes import wait_long
from triptych.data.processes import in_processes
if __name__ == "__main__":
    list(in_processes(wait_long, range(2), 1))
"""


def wait_long(number):
    print(os.getpid(), flush=True)
    time.sleep(0.5)


@pytest.mark.slow
def test_no_process_outlives_a_killed_parent(tmp_path):
    (tmp_path / "waiting.py").write_text(WAITING)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'workflow'}"}
    call = [sys.executable, tmp_path / "waiting.py"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait(30)
        worker.wait(30)
