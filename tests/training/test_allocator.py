import platform
import subprocess
import sys

import pytest

glibc = platform.libc_ver()
pytestmark = pytest.mark.skipif(
    glibc[0] != "glibc" or tuple(map(int, glibc[1].split("."))) < (2, 35),
    reason="older ones keep 32 MB a block at most",
)

PROBE = """
import ctypes, resource, torch
from triptych.training.allocator import keep_freed_memory, release_freed_memory

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: a fault is of one page then

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def cleared(megabytes):  # of pages that the operating system cleared while a tensor was made, in MB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(megabytes * 2**20, dtype=torch.uint8).fill_(1)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / 2**20

{keep}
first, again = cleared(100), cleared(90)  # not as much: glibc asks for a little more than it hands out
kept = resident()
release_freed_memory()
print(first, again, (kept - resident()) / 2**20, cleared(400), cleared(400))
"""


def probe(keep: str) -> list[float]:
    printed = subprocess.run(
        [sys.executable, "-c", PROBE.format(keep=keep)], capture_output=True, text=True, check=True
    )
    return [float(number) for number in printed.stdout.split()]


@pytest.mark.slow
def test_memory_that_a_step_frees_is_there_for_the_next():
    first, again, given_back, *large = probe("keep_freed_memory()")
    assert first > 90  # it was new
    assert again < 10  # the same pages
    assert given_back > 90
    assert min(large) > 350  # too large to be kept


@pytest.mark.slow
def test_without_it_every_page_is_new_each_time():
    first, again, given_back, *_ = probe("")
    assert min(first, again) > 80
    assert given_back < 10
