"""Pools as those of cluster software, which is not installed here: all that
ray.util.multiprocessing.Pool (ray 2.60) and mpi4py.util.pool.Pool (4.1)
publish of what the lessons use.

Their workers are processes on other machines, as far as one can be: no
children of multiprocessing, with clocks of their own, and without our folder.
python -m tests.cluster is one of them; it imports little.
"""

import concurrent.futures
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

SLOTS = 2
AHEAD = 5000.0  # seconds that the clock of a worker is


class Node:
    """A worker process. It ends with its standard input, and so with us."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-m", __name__],
            cwd=os.path.dirname(os.path.dirname(__file__)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.thread = concurrent.futures.ThreadPoolExecutor(1)

    def submit(self, work: Any, task: Any) -> Any:
        """Return the future of the result."""
        return self.thread.submit(self.do, work, task)

    def do(self, work: Any, task: Any) -> Any:
        """Return work(task), or raise what it raises, there."""
        assert self.process.stdin and self.process.stdout
        try:
            pickle.dump((work, task), self.process.stdin)
            self.process.stdin.flush()
            result, error = pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError):
            raise ActorDied("The actor died unexpectedly before finishing "
                            "this task.\n" + 20 * "\tSome common causes.\n")
        if error:
            raise error
        return result

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.thread.shutdown(wait=False, cancel_futures=True)
        self.process.kill()
        self.process.communicate()


class ActorDied(Exception):
    """A worker was killed."""


class Pool:
    """It hands out the tasks in turn; its `with` waits for nothing."""

    nodes: list[Node]

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def map_async(self, func: Any, iterable: Sequence[Any],
                  chunksize: int | None = None) -> "Result":
        """Hand out the tasks."""
        return Result([
            self.nodes[number % len(self.nodes)].submit(func, task)
            for number, task in enumerate(iterable)])


class Result:
    """It waits for all tasks, also if one has failed."""

    def __init__(self, futures: list[Any]) -> None:
        self.futures = futures

    def get(self, timeout: float | None = None) -> list[Any]:
        """Return the results in order."""
        if concurrent.futures.wait(self.futures, timeout).not_done:
            raise TimeoutError
        return [future.result() for future in self.futures]


class RayPool(Pool):
    """It has no more workers than the cluster has slots, and `with` ends
    them."""

    def __init__(self, processes: int) -> None:
        if processes > SLOTS:
            raise ValueError(
                f"Tried to start a pool with {processes} processes on an "
                f"existing ray cluster, but there are only {SLOTS} CPUs")
        self.nodes = [Node() for _ in range(processes)]

    def __exit__(self, *error: object) -> None:
        for node in self.nodes:
            node.kill()


class MPIPool(Pool):
    """As under python -m mpi4py.futures: all ranks are its workers, however
    many are asked for, and stay."""

    nodes: list[Node] = []

    def __init__(self, processes: int) -> None:
        self.nodes.extend(Node() for _ in range(SLOTS - len(self.nodes)))

    @classmethod
    def end(cls) -> None:
        """End the ranks, as mpiexec does."""
        while cls.nodes:
            cls.nodes.pop().kill()


def die(numbers: range) -> None:
    """Be killed with the second task."""
    if numbers[-1] == 20:
        os._exit(9)


def read(todo: "queue.SimpleQueue[Any]") -> None:
    """Put into the queue what comes in; end when nothing can come."""
    try:
        while True:
            todo.put(pickle.load(sys.stdin.buffer))
    finally:
        os._exit(0)


def serve(clock: Any = time.perf_counter) -> None:
    """Do what comes in."""
    time.perf_counter = lambda: clock() + AHEAD
    todo: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=read, args=[todo], daemon=True).start()
    while True:
        work, task = todo.get()
        work.notes = os.path.join(work.notes, "of another machine")
        result = error = None
        try:
            result = work(task)
        except Exception as failure:
            error = failure
        pickle.dump((result, error), sys.stdout.buffer)
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
