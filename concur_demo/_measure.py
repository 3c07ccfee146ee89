"""Runs of a lesson's work, and the three figures that tell them apart.

A worker calls Traced(work) in place of work, and so reports, beside the
result, when it worked and how much CPU time it took. The spans of all the
tasks make a Run, and a Run knows its figures.
"""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from ._text import describe, printable, say

Task = TypeVar("Task")
Result = TypeVar("Result")

# map_threads and map_pool: (work, tasks, workers) -> (task, result) pairs.
Mechanism = Callable[[Callable[[Any], Any], Iterable[Any], int],
                     Iterable[tuple[Any, Any]]]


class Span(NamedTuple):
    """One task under way: who worked on what, and when."""

    task: str
    worker: str
    start: float         # seconds from the run's start
    seconds: float
    cpu_seconds: float   # of the worker's own thread
    error: str | None = None


class Outcome(NamedTuple, Generic[Result]):
    """What became of a task. The result is None where the span has an
    error."""

    result: Result | None
    span: Span


# Called, by its worker, with each task and its Outcome once it is done.
Show = Callable[[Any, Outcome[Any]], None]


class Traced(Generic[Task, Result]):
    """A work function that also tells who did it, and when.

    A task that fails raises no Exception but is a span with an error, so
    that the others go on. It can be pickled if work, name and show can.
    """

    def __init__(
        self, work: Callable[[Task], Result],
        name: Callable[[Task], str] = str, verbose: bool = False,
        show: Show | None = None,
    ) -> None:
        self.work = work
        self.name = name
        self.verbose = verbose
        self.show = show

    def __call__(self, task: Task) -> Outcome[Result]:
        name, worker = self.name(task), worker_name()
        if self.verbose:
            say(printable(f"{worker}: start {name}"))
        result = error = None
        # perf_counter and not time: it never jumps, and all processes of
        # a machine share it.
        start, cpu_start = time.perf_counter(), time.thread_time()
        try:
            result = self.work(task)
        except Exception as failure:
            error = describe(failure)
        cpu_seconds = time.thread_time() - cpu_start
        seconds = time.perf_counter() - start
        if self.verbose:
            say(printable(f"{worker}: end {name}"))
        outcome = Outcome(
            result, Span(name, worker, start, seconds, cpu_seconds, error))
        if self.show:
            self.show(task, outcome)
        return outcome


def worker_name() -> str:
    """Return a name for the thread or the process that calls this."""
    thread = threading.current_thread()
    if thread is not threading.main_thread():
        return thread.name
    return f"{multiprocessing.current_process().name} (pid {os.getpid()})"


class Run(NamedTuple):
    """Tasks done once, by so many workers."""

    variant: str                # what was done, "equal pieces"
    workers: int
    seconds: float              # elapsed, the start of the workers included
    tasks: int = 0              # how many were done, or failed
    failed: int = 0
    task_seconds: float = 0.0   # sum of the tasks' durations
    cpu_seconds: float = 0.0    # sum of the tasks' CPU time
    spans: Sequence[Span] = ()  # by start, from the run's start
    speed_up: float | None = None   # None where 1 worker was not measured
    spread: float = 0.0         # (slowest - fastest) / fastest, of repeats

    @property
    def in_flight(self) -> float:
        """How many tasks were under way at once: concurrency."""
        return self.task_seconds / self.seconds

    @property
    def cores_busy(self) -> float:
        """How many cores worked at once: parallelism."""
        return self.cpu_seconds / self.seconds

    def figures(self) -> list[str]:
        """Return the figures, those of the headings, as they are shown."""
        return [
            f"{self.seconds:.3f}",
            "-" if self.speed_up is None else f"{self.speed_up:.2f}",
            f"{self.in_flight:.2f}", f"{self.cores_busy:.2f}"]


FIGURES = ("seconds", "speed-up", "in flight", "cores busy")


class Recorder:
    """Takes the spans of a run that has just begun, and makes the Run."""

    def __init__(self, keep: bool = True) -> None:
        self.keep = keep
        self.spans: list[Span] = []
        self.tasks = self.failed = 0
        self.task_seconds = self.cpu_seconds = 0.0
        self.start = time.perf_counter()

    def add(self, span: Span) -> None:
        """Count a span in, and keep it if spans are to be kept."""
        self.tasks += 1
        self.failed += span.error is not None
        self.task_seconds += span.seconds
        self.cpu_seconds += span.cpu_seconds
        if self.keep:
            self.spans.append(span._replace(start=span.start - self.start))

    def run(self, variant: str, workers: int) -> Run:
        """Return the Run, which ends now."""
        seconds = time.perf_counter() - self.start
        return Run(
            variant, workers, seconds, self.tasks, self.failed,
            self.task_seconds, self.cpu_seconds,
            sorted(self.spans, key=lambda span: span.start))


def trace(
    variant: str, mechanism: Mechanism, work: Callable[[Any], Any],
    tasks: Iterable[Any], workers: int, *,
    name: Callable[[Any], str] = str, verbose: bool = False,
    show: Show | None = None, keep: bool = True,
) -> tuple[Run, list[tuple[Any, Any]]]:
    """Return the Run of these tasks, and the (task, result) pairs of those
    that did not fail, in order of completion.

    `name` gives a task's name for people. `show` is called with each task
    and its Outcome once it is done, by the worker: so it need not wait for
    a slow source of tasks. With keep=False spans and pairs are dropped, so
    that any number of tasks fits in memory.
    """
    recorder = Recorder(keep)
    results = []
    for task, outcome in mechanism(
            Traced(work, name, verbose, show), tasks, workers):
        recorder.add(outcome.span)
        if keep and outcome.span.error is None:
            results.append((task, outcome.result))
    return recorder.run(variant, workers), results


def best_of(
    repeat: int, measured: Callable[[], tuple[Run, Any]]
) -> tuple[Run, Any]:
    """Return the fastest of so many runs, which knows their spread."""
    tries = [measured() for _ in range(repeat)]
    best, results = min(
        tries, key=lambda one: (one[0].failed, one[0].seconds))
    seconds = [run.seconds for run, _ in tries]
    spread = (max(seconds) - min(seconds)) / min(seconds)
    return best._replace(spread=spread), results


def with_speed_ups(runs: Iterable[Run]) -> list[Run]:
    """Return the runs, each with its speed-up over the run of the same
    variant on one worker."""
    runs = list(runs)
    alone = {run.variant: run.seconds for run in runs if run.workers == 1}
    return [
        run._replace(speed_up=alone[run.variant] / run.seconds)
        if run.variant in alone else run
        for run in runs]
