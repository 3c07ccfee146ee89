"""Runs of a lesson's work, and the figures that tell them apart.

A worker calls Traced(work) in place of work, and so reports, beside the
result, a span: when it worked, and how much CPU time it took."""

import contextlib
import functools
import multiprocessing
import operator
import os
import pathlib
import sys
import threading
import time
from collections.abc import (
    Callable, Generator, Iterable, Iterator, Mapping, Sequence)
from typing import Any, NamedTuple

from ._text import describe, printable, say


class Span(NamedTuple):
    """One task under way: who worked on what, and when."""

    task: str
    worker: str
    start: float         # seconds from the run's start
    seconds: float
    cpu_seconds: float   # of the worker's own thread
    error: str | None = None


class Traced:
    """A work function that also tells who did it, and when.

    A task that fails raises nothing but has a span with an error. In the
    folder `notes` a process leaves a note while it is at a task; once that
    is gone, no more is done. `name` gives a task's name for people; `ready`
    makes a task ready before the clock starts, or raises.
    """

    def __init__(self, work: Callable[[Any], Any], notes: str,
                 name: Callable[[Any], str] = str,
                 ready: Callable[[Any], Any] | None = None,
                 verbose: bool = False) -> None:
        self.work, self.notes, self.name = work, notes, name
        self.ready, self.verbose, self.home = ready, verbose, os.getpid()

    def tell(self, event: str) -> None:
        """Announce what a worker does, if it is to be verbose."""
        if self.verbose:
            say(printable(event))

    def __call__(self, task: Any) -> tuple[Any, Span]:
        """Return the result, None if the task failed, and the span."""
        name, at_home = self.name(task), self.home == os.getpid()
        worker = this_worker() if at_home else (
            f"{multiprocessing.current_process().name} (pid {os.getpid()})")
        self.tell(f"{worker}: start {name}")
        result = error = None
        # perf_counter never jumps, and all processes of a machine share it.
        start, cpu_start = time.perf_counter(), time.thread_time()
        try:
            if at_home and not os.path.isdir(self.notes):
                raise RuntimeError("the run was broken off")
            if self.ready:
                task = self.ready(task)
            with (contextlib.nullcontext() if at_home
                  else noted(name, note_of(os.getpid(), self.notes))):
                start, cpu_start = time.perf_counter(), time.thread_time()
                result = self.work(task)
        except (Exception, SystemExit) as failure:
            error = describe(failure)
        cpu_seconds = time.thread_time() - cpu_start
        seconds = time.perf_counter() - start
        self.tell(f"{worker}: end {name}")
        return result, Span(
            name, worker, start, seconds, cpu_seconds, error)


class AsyncTraced(Traced):
    """A coroutine function that tells the same, within this process; it
    leaves no notes, and makes nothing ready."""

    async def __call__(  # type: ignore[override]
            self, task: Any) -> tuple[Any, Span]:
        """Return the result, None if the task failed, and the span."""
        name, worker = self.name(task), this_worker()
        result = error = None
        self.tell(f"{worker}: start {name}")
        start, steps = time.perf_counter(), Steps(self.work(task))
        try:
            if not os.path.isdir(self.notes):
                raise RuntimeError("the run was broken off")
            result = await steps
        except Exception as failure:
            error = describe(failure)
        seconds = time.perf_counter() - start
        self.tell(f"{worker}: end {name}")
        return result, Span(
            name, worker, start, seconds, steps.cpu_seconds, error)


class Steps:
    """Awaits a coroutine, and adds up the CPU time of its steps: between
    them its thread does other things."""

    def __init__(self, coroutine: Any) -> None:
        self.coroutine, self.cpu_seconds = coroutine, 0.0

    def __await__(self) -> Generator[Any, Any, Any]:
        step = functools.partial(self.coroutine.send, None)
        while True:
            start = time.thread_time()
            try:
                future = step()
            except StopIteration as end:
                return end.value
            finally:
                self.cpu_seconds += time.thread_time() - start
            try:
                step = functools.partial(self.coroutine.send, (yield future))
            except BaseException as error:  # as when it is cancelled
                step = functools.partial(self.coroutine.throw, error)


def this_worker() -> str:
    """Return the name of this thread, or of its interpreter."""
    # It is imported if this is an interpreter within another.
    interpreters = sys.modules.get("concurrent.interpreters")
    if interpreters and (number := interpreters.get_current().id):
        return f"interpreter {number}"
    return threading.current_thread().name


@contextlib.contextmanager
def noted(name: str, note: pathlib.Path) -> Iterator[None]:
    """Leave a note of a task meanwhile, and let this process, which another
    has started, end when that does. Workers of another's pool do neither:
    they may be on another machine, without that folder."""
    if parent := multiprocessing.parent_process():
        end_with(parent)
        note.write_text(printable(name), encoding="utf-8")
    try:
        yield
    finally:
        note.unlink(missing_ok=True)  # a run that ends early sweeps up


@functools.cache
def end_with(parent: Any) -> None:
    """Let this process end as soon as its parent has gone."""
    threading.Thread(target=lambda: parent.join() or os._exit(1),
                     daemon=True).start()


def note_of(pid: int | None, notes: str) -> pathlib.Path:
    """Return the path of the note that a process leaves while at a task."""
    return pathlib.Path(notes, f"pid-{pid}")


class Run(NamedTuple):
    """Tasks done once, by so many workers."""

    variant: str                # what was done, "equal pieces"
    workers: int
    seconds: float              # elapsed, the start of the workers included
    spans: Sequence[Span] = ()  # by start, from the run's start
    figures: Mapping[str, float] = {}  # the lesson's own, by their names
    speed_up: float | None = None   # None where 1 worker was not measured
    spread: float = 0.0         # (slowest - fastest) / fastest, of repeats

    @property
    def failed(self) -> int:
        """How many tasks failed."""
        return sum(span.error is not None for span in self.spans)

    @property
    def in_flight(self) -> float:
        """How many tasks were under way at once: concurrency."""
        return sum(span.seconds for span in self.spans) / self.seconds

    @property
    def cpu_seconds(self) -> float:
        """How much CPU time the tasks took."""
        return sum(span.cpu_seconds for span in self.spans)

    @property
    def cores_busy(self) -> float:
        """How many cores worked at once: parallelism."""
        return self.cpu_seconds / self.seconds

    def shown(self) -> dict[str, str]:
        """Return all figures by their headings, as a reader sees them."""
        speed_up = "-" if self.speed_up is None else f"{self.speed_up:.2f}"
        return {
            "seconds": f"{self.seconds:.3f}", "speed-up": speed_up,
            "in flight": f"{self.in_flight:.2f}",
            "cores busy": f"{self.cores_busy:.2f}",
            **{name: f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
               for name, value in self.figures.items()}}


by_start = operator.attrgetter("start")


def trace(variant: str, mechanism: Callable[..., Iterable[tuple[Any, Any]]],
          work: Callable[[Any], Any], tasks: Sequence[Any],
          workers: int) -> tuple[Run, list[tuple[Any, Any]]]:
    """Return the Run of these tasks on map_threads or its like, with traced
    work, and the (task, result) pairs of those that did not fail."""
    start = time.perf_counter()
    done = list(mechanism(work, tasks, workers))
    seconds = time.perf_counter() - start
    spans: list[Span] = []
    zeros: dict[str, float] = {}
    for span in sorted((span for _, (_, span) in done), key=by_start):
        # A worker with another clock, of another machine, starts at 0.
        here = start <= span.start <= start + seconds
        zero = zeros.setdefault(span.worker, start if here else span.start)
        spans.append(span._replace(start=span.start - zero))
    return (
        Run(variant, workers, seconds, sorted(spans, key=by_start)),
        [(task, result) for task, (result, span) in done
         if span.error is None])
