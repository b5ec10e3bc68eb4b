"""Call a function on many items in several processes, whatever one of the items does to its process.

`concurrent.futures` gives up when a process dies, and does not say which item did that; and its processes outlive a
parent that was killed.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Died(Generic[Item]):
    """The process died over this item, twice: first with others in its batch, then alone."""

    item: Item
    exit_code: int | None


@dataclass(frozen=True)
class _Batch:
    items: list[Any]
    alone: bool = False


def in_processes(
    function: Callable[[Item], Result], items: Iterable[Item], processes: int, batch_size: int = 8
) -> Iterator[Result | Died[Item]]:
    """Yield the result of `function` for each item, in any order.

    A process that dies is replaced, and each item that it had is tried again alone.

    Args:
        function: picklable, as are the items and the results. It should return errors that are expected.
        batch_size: items that a process gets at once; sending costs about 0.1 ms.

    Raises:
        Exception: what `function` raised.
    """
    again: deque[_Batch] = deque()
    batches = _batches(items, batch_size)

    def next_batch() -> _Batch | None:
        return again.popleft() if again else next(batches, None)

    workers: dict[Connection, _Worker] = {}
    try:
        while True:
            while len(workers) < processes and (batch := next_batch()):
                worker = _Worker(function)
                workers[worker.connection] = worker
                worker.send(batch)
            if not workers:
                return
            for connection in wait(list(workers)):
                worker = workers[connection]  # type: ignore[index]  # `wait` takes other types as well
                results = worker.receive()
                if results is None:
                    del workers[worker.connection]
                    exit_code = worker.stop()
                    if worker.batch.alone:
                        yield Died(worker.batch.items[0], exit_code)
                    again.extend(_Batch([item], True) for item in worker.batch.items if not worker.batch.alone)
                    continue
                if batch := next_batch():
                    worker.send(batch)
                else:
                    del workers[worker.connection]
                    worker.stop()
                yield from results
    finally:
        for worker in workers.values():
            worker.process.kill()
            worker.stop()


def _batches(items: Iterable[Item], size: int) -> Iterator[_Batch]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield _Batch(batch)


class _Worker:
    """A process that works on one batch at a time."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        # Spawned: it inherits no thread, no lock and no memory of this one.
        context = multiprocessing.get_context("spawn")
        self.connection, worker_end = context.Pipe()
        self.process = context.Process(target=_work, args=(function, worker_end), daemon=True)
        self.process.start()
        worker_end.close()  # so that the end of the process is seen
        self.batch = _Batch([])

    def send(self, batch: _Batch) -> None:
        self.batch = batch
        try:
            self.connection.send(batch.items)
        except (BrokenPipeError, ConnectionResetError):  # it has died: `receive` finds out
            return

    def receive(self) -> list[Any] | None:
        """Return the results of the batch; None if the process died. Raise what the function raised."""
        try:
            results, error = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None
        if error is not None:
            raise error
        return list(results)

    def stop(self) -> int | None:
        """Let the process end, and return its exit code."""
        self.connection.close()
        self.process.join()
        return self.process.exitcode


def _work(function: Callable[[Any], Any], connection: Connection) -> None:
    """Work on batches until the other side is closed: by the parent, or by the parent's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends this one
    while True:
        try:
            batch = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        results: list[Any] = []
        error = None
        try:
            results = [function(item) for item in batch]
        except Exception as raised:
            error = raised
        try:
            connection.send((results, error))
        except (BrokenPipeError, ConnectionResetError):  # the parent was killed
            return
