"""Worker processes in a pool, fed one task at a time.

map_pool is the idea. The rest makes sure that it ends: Pool by itself
waits for ever when a worker is killed (CPython issue 96062) or when an
exception cannot be unpickled (103061), and its workers go on when their
parent is killed.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.pool
import multiprocessing.process
import os
import pickle
import queue
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

from .worker_threads import AHEAD, in_completion_order

Task = TypeVar("Task")
Result = TypeVar("Result")

LOOK_SECONDS = 0.2  # how often to look whether a worker has died
STOP_SECONDS = 1.0  # how long a pool may take to stop its workers


def map_pool(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int,
    pool_factory: Callable[..., Any] = multiprocessing.Pool,
) -> Generator[tuple[Task, Result], None, None]:
    """Yield (task, work(task)) for every task, in order of completion.

    As map_threads, but on processes: work, tasks and results must be what
    pickle can send to another process. `pool_factory` is the class of the
    pool, multiprocessing.Pool or one with its interface. Raises what work
    and tasks raise, with a note that names the task; ChildProcessError if
    a worker process dies; ValueError if workers is less than 1. When the
    iterator ends or is closed, so do the processes.

    >>> from multiprocessing.pool import ThreadPool
    >>> sorted(map_pool(abs, [-1, 2, -3], 2, pool_factory=ThreadPool))
    [(-3, 3), (-1, 1), (2, 2)]
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    return _map_pool(work, tasks, workers, pool_factory)


def _map_pool(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int,
    pool_factory: Callable[..., Any],
) -> Generator[tuple[Task, Result], None, None]:
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def submit(task: Task) -> None:
        pool.apply_async(
            run_task, [Sealed((work, task))],
            callback=lambda answer: done.put((task, answer)),
            error_callback=lambda error: done.put(
                (task, Sealed((None, error)))))

    def next_done() -> tuple[Task, Any, BaseException | None]:
        while True:
            team.check()
            with contextlib.suppress(queue.Empty):
                task, answer = done.get(timeout=LOOK_SECONDS)
                return task, *answer.open()

    with started(pool_factory, workers) as (pool, team):
        yield from in_completion_order(
            tasks, submit, next_done, done.empty, workers + AHEAD)


class Sealed:
    """A value on its way to another process, where open() returns it.

    What cannot be pickled or unpickled is then an error of its task. Bare,
    it would end the pool's worker or the thread that reads the results.
    """

    def __init__(self, value: Any = None, data: bytes = b"") -> None:
        self.value = value
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return Sealed, (None, self.data or pickle.dumps(self.value))

    def open(self) -> Any:
        return pickle.loads(self.data) if self.data else self.value


def run_task(call: Sealed) -> Sealed:
    """Run work(task) in a worker; return (result, error), sealed."""
    try:
        work, task = call.open()
        return Sealed((work(task), None))
    except BaseException as error:  # even SystemExit: the worker lives on
        return Sealed((None, error))


class Team:
    """The processes of a pool, watched."""

    def __init__(self, processes: Iterable[Any]) -> None:
        self.processes = list(processes)
        self.looked = time.monotonic()

    def check(self) -> None:
        """Raise ChildProcessError if a process has ended."""
        if time.monotonic() < self.looked + LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        dead = multiprocessing.connection.wait(
            [process.sentinel for process in self.processes], timeout=0)
        for process in self.processes:
            if process.sentinel in dead:
                # Under forkserver an exit status can be read but once;
                # leave the pool's own thread the time to do so.
                time.sleep(LOOK_SECONDS)
                raise ChildProcessError(obituary(process))


def obituary(process: Any) -> str:
    """Return in a sentence how a process that has ended did so."""
    code = process.exitcode
    if code is not None and code < 0:
        try:
            end = f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            end = f"was killed by signal {-code}"
    else:
        end = f"ended with exit status {code}"
    return (f"worker process {process.name} (pid {process.pid}) {end}, "
            "and its task is lost")


@contextlib.contextmanager
def started(
    pool_factory: Callable[..., Any], workers: int
) -> Iterator[tuple[Any, Team]]:
    """Start a pool; yield it and its Team; in the end stop its workers."""
    others = set(multiprocessing.active_children())
    with workers_signals():
        pool = pool_factory(workers, initializer=serve_parent)
    team = Team(set(multiprocessing.active_children()) - others)
    try:
        if team.processes and len(team.processes) < workers:
            raise ChildProcessError("a worker process died at its start")
        yield pool, team
    finally:
        # A worker that is killed may take a lock of the pool with it;
        # terminate() then waits for ever (CPython issue 73945).
        stopping = threading.Thread(target=pool.terminate, daemon=True)
        stopping.start()
        stopping.join(STOP_SECONDS)
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
            process.join()


@contextlib.contextmanager
def workers_signals() -> Iterator[None]:
    """Have processes that start meanwhile ignore Ctrl-C, which a terminal
    sends to them too, and end quietly when terminated."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signals
        return
    before = {number: signal.signal(number, action) for number, action in [
        (signal.SIGINT, signal.SIG_IGN), (signal.SIGTERM, signal.SIG_DFL)]}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def serve_parent() -> None:
    """Make a worker process ignore Ctrl-C and end when its parent does."""
    parent = multiprocessing.parent_process()
    if parent is None:  # a worker that is a thread, or is on a cluster
        return
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)
    threading.Thread(target=end_with_parent, daemon=True).start()
