"""A program that measures lessons and does the worst to their processes:
python -m tests.faults METHOD, with a folder $MEETING. It tells what happens.

Worker processes import this file, so it imports little.
"""

import faulthandler
import functools
import itertools
import multiprocessing
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
import warnings
from multiprocessing.process import BaseProcess
from typing import Any

from concur_demo import measure

TASKS = (2000, 3000)
RESULTS = [("sum of the primes up to 2000", 277050),
           ("sum of the primes up to 3000", 593823)]
OPTIONS: dict[str, Any] = {
    "primes_pool": dict(tasks=TASKS, workers=[2]),
    "hello_pipe": dict(messages=50)}
LONG = 100  # seconds, longer than any test may take


def die(how: int, *task: object) -> None:
    """Die of that signal, or else with the status that is its negative."""
    if how > 0:
        import resource  # no core and no traceback, on purpose as it is
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), how)
    os._exit(-how)


def meet(number: int) -> list[str]:
    """Return the pids of so many workers, each with a task of its own."""
    place = os.environ["MEETING"]
    pathlib.Path(place, str(os.getpid())).touch()
    until = time.monotonic() + LONG
    while len(os.listdir(place)) < number and time.monotonic() < until:
        time.sleep(0.01)
    return os.listdir(place)


def wait_for_ever(task: object) -> None:
    """Be at work, and silent."""
    meet(1)
    time.sleep(LONG)


def kill_the_idle(numbers: range) -> int:
    """Return at once with the first task; with the other, kill the worker
    of that, which waits for a task by then and has the lock of the queue."""
    for pid in map(int, meet(2)):
        if numbers[-1] == max(TASKS) and pid != os.getpid():
            time.sleep(0.2)
            os.kill(pid, signal.SIGKILL)
            time.sleep(LONG)
    return 0


def first_killed_at_birth(start: Any = BaseProcess.start) -> Any:
    """Return a start() of processes that kills the first at once."""
    alive = itertools.count()

    def start_or_kill(process: BaseProcess) -> None:
        start(process)
        if not next(alive):
            os.kill(process.pid or 0, signal.SIGKILL)
    return start_or_kill


def retiring(workers: int) -> Any:
    """Return a pool whose workers retire after each task."""
    return multiprocessing.Pool(workers, maxtasksperchild=1)


FAULTS: list[tuple[str, Any, str]] = [
    *(("primes_pool.sum_primes", functools.partial(die, how),
       f"{words} while at work on 1 to [23]000") for how, words in [
           (0, "ended with exit status 0"), (-3, "ended with exit status 3"),
           (signal.SIGABRT, "was killed by SIGABRT")]),
    ("primes_pool.multiprocessing.process.BaseProcess.start",
     first_killed_at_birth(), "was killed by SIGKILL"),
    ("hello_pipe.echo", functools.partial(die, 0),
     "ended with exit status 0 while at work on echo"),
    ("hello_pipe.child", functools.partial(die, -3),
     "ended with exit status 3"),
    ("primes_pool.sum_primes", kill_the_idle, "was killed by SIGKILL"),
]


def state() -> list[object]:
    """Return what a program has, and is to find again."""
    return [
        list(map(signal.getsignal, signal.valid_signals())),
        hasattr(signal, "pthread_sigmask") and signal.pthread_sigmask(
            signal.SIG_BLOCK, []),
        [*sys.warnoptions], [*warnings.filters], tempfile.gettempdir(),
        dict(os.environ), dict(vars(BaseProcess)),
        getattr(sys.modules.get("urllib.request"), "_opener", None),
        multiprocessing.active_children(), threading.excepthook,
        multiprocessing.get_start_method()]


def program(method: str) -> None:
    """Measure lessons whatever happens; tell what does."""
    from unittest import mock  # here, as it takes long

    def told(target: str, work: Any) -> str:
        lesson = target.partition(".")[0]
        before = state()
        with mock.patch(f"concur_demo.{target}", work):
            try:
                return repr(measure(lesson, **OPTIONS[lesson]))
            except (ChildProcessError, KeyboardInterrupt) as error:
                outcome = f"{type(error).__name__}: {error}"
        for now, then in zip(state(), before):
            assert now == then, (target, now, then)
        for note in pathlib.Path(os.environ["MEETING"]).iterdir():
            note.unlink()
        return outcome

    def interrupt() -> None:
        meet(2)  # with a worker
        os.kill(os.getpid(), signal.SIGINT)

    multiprocessing.set_start_method(method)
    signal.signal(signal.SIGHUP, lambda number, frame: None)  # of its own
    for target, work, _ in FAULTS:
        print(told(target, work))
    print(measure("primes_pool", **OPTIONS["primes_pool"]).results)
    for target in "primes_pool.sum_primes", "hello_pipe.echo":
        threading.Thread(target=interrupt).start()
        print(told(target, wait_for_ever))
    print(measure("primes_pool", **OPTIONS["primes_pool"],
                  pool=f"{__name__}:retiring").results)


if __name__ == "__main__":
    program(sys.argv[1])
