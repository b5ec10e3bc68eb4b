"""The jobs that Snakemake would run, and how long they take together."""

import heapq
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

NODE = re.compile(r'^\s*(\d+)\[label = "(.*?)", color = .*style="(.*?)"\];$')
EDGE = re.compile(r"^\s*(\d+) -> (\d+)$")


@dataclass(frozen=True)
class Job:
    """A job of the graph.

    Attributes:
        rule: its name.
        wildcards: its own, and those of the jobs that it depends on.
        after: the numbers of the jobs that it depends on.
        is_done: its outputs are there.
    """

    rule: str
    wildcards: Mapping[str, str]
    after: frozenset[int] = frozenset()
    is_done: bool = False


@dataclass(frozen=True)
class Needs:
    """What a job takes while it runs: seconds, cores, GPUs (or parts of one); higher priorities start first."""

    seconds: float
    cores: int = 1
    gpus: int = 0
    priority: int = 0


def read_jobs(dot: str) -> dict[int, Job]:
    """Read the graph that `snakemake --dag` prints, by the number of each job.

    Snakemake names those wildcards of a job that the jobs before it do not have.
    """
    own: dict[int, tuple[str, dict[str, str], bool]] = {}
    after: dict[int, set[int]] = {}
    for line in dot.splitlines():
        if node := NODE.match(line):
            rule, *pairs = node[2].split("\\n")
            wildcards = dict(pair.split(": ", 1) for pair in pairs if ": " in pair)
            own[int(node[1])] = (rule, wildcards, "dashed" in node[3])
        elif edge := EDGE.match(line):
            after.setdefault(int(edge[2]), set()).add(int(edge[1]))
    known: dict[int, dict[str, str]] = {}

    def wildcards_of(number: int) -> dict[str, str]:
        if number not in known:
            known[number] = {}
            for other in sorted(after.get(number, ())):
                known[number] |= wildcards_of(other)
            known[number] |= own[number][1]
        return known[number]

    return {
        number: Job(rule, wildcards_of(number), frozenset(after.get(number, ())), is_done)
        for number, (rule, _, is_done) in own.items()
    }


def duration(jobs: Mapping[int, Job], needs: Callable[[Job], Needs], cores: int, gpus: int) -> float:
    """Return the seconds until all jobs are done, if each starts as soon as it can, by priority.

    Args:
        jobs: by number; those that are done take no time.
        needs: of a job; what is more than there is, is cut.
        cores, gpus: of the machine, as Snakemake counts them; with 0 GPUs none is counted.
    """
    wanted = {number: _cut(needs(job), cores, gpus) for number, job in jobs.items() if not job.is_done}
    waiting = {number: {other for other in jobs[number].after if other in wanted} for number in wanted}
    readers: dict[int, list[int]] = defaultdict(list)
    for number, others in waiting.items():
        for other in others:
            readers[other].append(number)
    ready = {number for number, others in waiting.items() if not others}
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        for number in sorted(ready, key=lambda number: (-wanted[number].priority, number)):
            need = wanted[number]
            if need.cores <= cores and need.gpus <= gpus:
                cores, gpus = cores - need.cores, gpus - need.gpus
                ready.remove(number)
                heapq.heappush(running, (now + need.seconds, number))
        now, number = heapq.heappop(running)
        cores, gpus = cores + wanted[number].cores, gpus + wanted[number].gpus
        for reader in readers[number]:
            waiting[reader].discard(number)
            if not waiting[reader]:
                ready.add(reader)
    return now


def _cut(need: Needs, cores: int, gpus: int) -> Needs:
    """Return what Snakemake gives a job that asks for more than there is."""
    return replace(need, cores=min(need.cores, cores), gpus=min(need.gpus, gpus))
