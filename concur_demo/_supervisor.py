"""Runs an experiment in a thread of its own, and only looks on.

A lesson may wait for ever, for a process that was killed. The supervisor
waits a moment at a time, and notices a death, or that the user has enough.
"""

import contextlib
import math
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.util import _finalizer_registry  # type: ignore
from typing import Any

from ._measure import note_of
from ._text import describe

LOOK_SECONDS = 0.1  # how often to look whether a process has died
END_SECONDS = 1.0   # how long one may take to end
EXPERIMENT = "experiment"  # the name of its thread

leaving = threading.Event()  # set once this process is about to end
turn = threading.Lock()  # two experiments at once would disturb each other


def supervised(experiment: Callable[[str], Any],
               into: str | None = None) -> tuple[Any, float]:
    """Return experiment(folder), with a folder in `into` for its files, and
    the longest time, in seconds, that this process stood still between two
    looks. Raises what the experiment raises, and ChildProcessError if a
    process that it has started dies. However it ends, its processes and the
    folder are gone then; its thread may wait on."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        leave_signals_to_parent()
        try:
            answers.put((experiment(folder), None))
        except BaseException as error:
            answers.put((None, error))

    # The folder goes first: then no more tasks are begun.
    with (turn, without_warnings(), failing_threads(answers),
          started_processes() as started, scratch_folder(into) as folder):
        pause, before = 0.0, time_not_worked()
        threading.Thread(target=run, daemon=True, name=EXPERIMENT).start()
        while True:
            try:
                result, error = answers.get(timeout=LOOK_SECONDS)
                break
            except queue.Empty:
                look_for_death(started, folder)
            finally:
                now = time_not_worked()
                pause, before = max(pause, now - before), now
        for process in list(started):
            quietly(process.join)
        look_for_death(started, folder)  # it may be the cause of the error
        if error:
            raise error
        return result, pause


def time_not_worked() -> float:
    """Return the seconds of a clock, less those of CPU time: while this
    process computes, it may keep the GIL from the thread that looks on."""
    return time.perf_counter() - time.process_time()


def leave_signals_to_parent() -> None:
    """Keep Ctrl-C and the end of a terminal from the processes that this
    thread starts: they inherit the mask. Windows has none; there a worker
    that is interrupted says so."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        # The start of the resource tracker would unblock Ctrl-C again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


@contextlib.contextmanager
def scratch_folder(into: str | None) -> Iterator[str]:
    """Make a folder, and remove it in the end."""
    folder = tempfile.mkdtemp(prefix="concur_demo-", dir=into)
    spare = os.pipe()  # for the end, if no more files can be opened then
    try:
        yield folder
    finally:
        for end in spare:
            os.close(end)
        gone = f"{folder}-gone"  # Under its old name threads find it no more.
        with contextlib.suppress(OSError):  # Windows, while a file is open
            os.rename(folder, gone)
        try:
            shutil.rmtree(gone, ignore_errors=True)
        finally:  # even if Ctrl-C comes now
            for name in folder, gone:
                shutil.rmtree(name, ignore_errors=True)


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Keep three warnings from the user meanwhile."""
    # The resource tracker takes over this option. If this process is killed,
    # the tracker tidies up, and would say so.
    sys.warnoptions.append("ignore:resource_tracker")
    try:
        with warnings.catch_warnings():
            # To fork beside the main thread is safe: that only looks on.
            # A cookie that makes no sense is no bug of http.cookiejar.
            for about in ("This process .*multi-threaded", "resource_tracker",
                          "http.cookiejar"):
                warnings.filterwarnings("ignore", about)
            yield
    finally:
        sys.warnoptions.remove("ignore:resource_tracker")


@contextlib.contextmanager
def failing_threads(answers: "queue.SimpleQueue[Any]") -> Iterator[None]:
    """Meanwhile, let an error that ends a thread end the experiment: others
    might wait for that thread for ever."""
    strangers, before = set(threading.enumerate()), threading.excepthook

    def hook(failure: Any) -> None:
        if failure.thread in strangers:
            before(failure)
        elif failure.exc_type is not SystemExit:  # as the usual hook
            answers.put((None, RuntimeError(
                f"{failure.thread.name} failed: "
                f"{describe(failure.exc_value)}")))

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


@contextlib.contextmanager
def started_processes() -> Iterator[dict[BaseProcess, float]]:
    """Yield the processes that are started meanwhile, and when they were
    asked to end. If this ends with an exception, so do they, and what else
    multiprocessing has under way."""
    started: dict[BaseProcess, float] = {}
    finalizers, broken_off = set(_finalizer_registry), threading.Event()
    # Held while a process is started, also by that process if it is forked,
    # which may start others.
    birth = threading.RLock()
    strangers = set(threading.enumerate())  # their processes are not ours
    # A pool forgets a worker as soon as it has died. The only way to know
    # them all, in any lesson, is to be there when they start and end.
    methods = {name: getattr(BaseProcess, name)
               for name in ("start", "terminate", "kill", "close")}

    def noting(name: str) -> Callable[[BaseProcess], None]:
        def method(process: BaseProcess) -> None:
            if name == "start" and threading.current_thread() not in strangers:
                with birth:
                    if broken_off.is_set():
                        raise SystemExit  # which ends a thread silently
                    # A forked one would close it, and IDLE's then waits for
                    # an answer that never comes.
                    stdin, sys.stdin = sys.stdin, None
                    try:
                        methods[name](process)
                    finally:
                        sys.stdin = stdin
                    started[process] = math.inf
                return
            if process in started and process.exitcode is None:
                started[process] = time.monotonic()
            methods[name](process)
            if name == "close":
                started.pop(process, None)
        return method

    for name in methods:
        setattr(BaseProcess, name, noting(name))
    try:
        yield started
    except BaseException:
        broken_off.set()
        if birth.acquire(timeout=END_SECONDS):  # then all are in `started`
            birth.release()
        # A worker that was killed may have held the lock of its pool's
        # queue (CPython issue 96062): so nobody waits for a pool for long.
        # Keys begin with a priority: 15 for pools, 0 for semaphores, which a
        # process looks for at its birth, less for the end of Python.
        for least in 1, 0:
            try:
                for key in sorted((key for key in set(_finalizer_registry)
                                   - finalizers if key[0] is not None
                                   and key[0] >= least), reverse=True):
                    quietly(_finalizer_registry.get(key))
            finally:  # even if Ctrl-C comes now
                for process in list(started):
                    quietly(process.kill)
                    quietly(process.join)
        raise
    finally:
        # The experiment's thread may be just about to start a process.
        for name, method in methods.items() if not leaving.is_set() else ():
            setattr(BaseProcess, name, method)


def quietly(function: Callable[[], object]) -> None:
    """Call it, for a second; never mind whether it fails."""
    def call() -> None:
        with contextlib.suppress(Exception):
            function()

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(END_SECONDS)


def look_for_death(started: dict[BaseProcess, float], notes: str) -> None:
    """Raise ChildProcessError if one of the processes has died by accident:
    by itself and with an error, or in the middle of a task."""
    for process in list(started):
        code, asked = process.exitcode, started[process]
        if code is None:
            # A SIGTERM may get lost while a process is being forked.
            if time.monotonic() > asked + 1:
                process.kill()
            continue
        note = note_of(process.pid, notes)
        task = note.read_text(encoding="utf-8") if note.exists() else ""
        # Under forkserver, 255 may only mean that two threads asked at once.
        if asked == math.inf and (task or code not in (0, 255)):
            killed = {-number: f"was killed by {number.name}"
                      for number in signal.Signals}
            raise ChildProcessError(
                f"{process.name} (pid {process.pid}) "
                + killed.get(code, f"ended with exit status {code}")
                + (f" while at work on {task}" if task else ""))
        started.pop(process, None)  # else its descriptors stay open
