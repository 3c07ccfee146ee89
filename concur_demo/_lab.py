"""Where a lesson is measured: its runs on each number of workers."""

import argparse
import importlib
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ._machine import Memory, this_machine
from ._measure import Run, Traced, trace
from ._report import CANNOT_TELL, Verdict
from ._text import count
from ._verdicts import as_fast_as

SHORT_SECONDS = 0.005  # below this a run is more noise than work

Results = list[tuple[str, Any]]


class Entry(NamedTuple):
    """A lesson of the table: how it is measured, and by what options."""

    experiment: Callable[["Lab"], tuple[Results, Verdict]]
    example: str                          # of its use
    workers: Sequence[int] = (1, 2)       # the counts to compare
    worker: str = "thread"                # what a worker is
    operand: Mapping[str, Any] = {}       # the user's own tasks, for argparse
    options: Mapping[str, Mapping[str, Any]] = {}  # its own, for argparse
    expand: Callable[[list[str]], list[str]] = list  # makes tasks of operands


TABLE: dict[str, Entry] = {}


def lesson(**entry: Any) -> Callable[..., None]:
    """Put the experiment of the lesson of that name into the table."""
    def put(experiment: Callable[["Lab"], tuple[Results, Verdict]]) -> None:
        TABLE[experiment.__name__] = Entry(experiment, **entry)
    return put


class Lab:
    """Where a lesson is measured: what is asked for, and the runs so far."""

    def __init__(self, name: str, options: argparse.Namespace, folder: str,
                 progress: Callable[[str], None]) -> None:
        self.lesson: Any = importlib.import_module(f"{__package__}.{name}")
        self.worker = TABLE[name].worker
        self.options = options  # with tasks: the user's own
        self.workers = options.workers or [*TABLE[name].workers]
        self.folder = folder    # for its files
        self.progress = progress
        self.runs: list[Run] = []

    def traced(self, work: Callable[..., Any], kind: type[Traced] = Traced,
               **how: Any) -> Any:
        """Return the work so that it tells who did it, and when."""
        return kind(work, self.folder, verbose=self.options.verbose, **how)

    def compare(
        self, variant: str, mechanism: Callable[..., Any],
        work: Callable[..., Any], tasks: Sequence[Any], *,
        workers: Sequence[int] = (),
        before: Callable[[], object] = lambda: None,
        figures: Callable[..., Mapping[str, float]] = lambda run, pairs: {},
        tracer: Callable[..., Any] | None = None,
    ) -> Any:
        """Run the tasks on each number of workers; return the (task, result)
        pairs of the last run. before() is called before each run, and
        figures(run, pairs) after it, for figures of the lesson's own. A
        tracer does each run in place of trace(), with the same arguments."""
        runs = []
        for number in workers or self.workers:
            self.progress(f"{variant}, {count(number, self.worker)}")
            tries = []
            for _ in range(self.options.repeat):
                os.stat(self.folder)  # gone, if the run was broken off
                before()
                # More workers than tasks would have nothing to do.
                run, pairs = (tracer or trace)(
                    variant, mechanism, work, tasks, min(number, len(tasks)))
                own = {**run.figures, **figures(run, pairs)}
                tries.append((run._replace(figures=own), pairs))
            run, pairs = min(tries, key=lambda one: (
                one[0].failed, one[0].seconds))
            slowest = max(one.seconds for one, _ in tries)
            runs.append(run._replace(
                workers=number, spread=slowest / run.seconds - 1))
        alone = [run.seconds for run in runs if run.workers == 1]
        self.runs += [run._replace(speed_up=alone[0] / run.seconds)
                      if alone else run for run in runs]
        return pairs

    def fastest(self, variant: str) -> Run:
        """Return the fastest run of that variant."""
        return min((run for run in self.runs if run.variant == variant),
                   key=lambda run: run.seconds)

    def judged(self, judge: Callable[..., Verdict], *facts: Any,
               **more: Any) -> Verdict:
        """Return judge(*facts, **more); CANNOT_TELL if a task has failed."""
        worst = max(self.runs, key=lambda run: run.failed)
        if worst.failed:
            tasks = count(len(worst.spans), "task")
            return Verdict(CANNOT_TELL, f"Of {tasks}, {worst.failed} failed.")
        return judge(*facts, **more)

    def compared(self, judge: Callable[..., Verdict],
                 variant: str | None = None, needed_cores: float = 1.5,
                 rival: str = "", **facts: Any) -> Verdict:
        """Return judge(alone, best, evidence, **facts) on the variant's run
        with one worker and the fastest with several, which is to be as fast
        as the rival's, too; CANNOT_TELL where that would mislead."""
        runs = [run for run in self.runs if variant in (None, run.variant)]
        alone = [run for run in runs if run.workers == 1]
        several = [run for run in runs if run.workers > 1]
        cores = this_machine().cores
        limit = f" (a container's limit is {cores})" if cores % 1 else ""
        if not alone or not several or len(runs[0].spans) < 2:
            why = ("There is nothing to compare: include 1 and a larger "
                   "number, as in --workers 1,2, and give two tasks or more.")
        elif min(run.seconds for run in runs) < SHORT_SECONDS:
            why = "The runs are too short to compare: give them more work."
        elif any(run.in_flight > 1.05 * run.workers for run in runs):
            why = ("More tasks were in flight than workers were asked for: "
                   "the pool takes its own number.")
        elif cores < needed_cores:
            why = f"Only {count(cores, 'core')} may be used here{limit}."
        else:
            best = min(several, key=lambda run: run.seconds)
            verdict = self.judged(judge, alone[0], best, (
                f"{best.variant.capitalize()}: "
                f"{count(best.workers, self.worker)} took {best.seconds:.3g} "
                f"s where one took {alone[0].seconds:.3g} s, with "
                f"{best.in_flight:.1f} tasks in flight and "
                f"{best.cores_busy:.2f} cores busy{limit}."), **facts)
            return as_fast_as(verdict, best, next(
                run for run in self.runs if (run.variant, run.workers) == (
                    rival, best.workers))) if rival else verdict
        return self.judged(Verdict, CANNOT_TELL, why)


def trace_memory(*run: Any) -> Any:
    """Return what trace(*run) does, and the memory it takes as a figure."""
    with Memory() as memory:
        traced_run, pairs = trace(*run)
    return traced_run._replace(figures=memory.grown()), pairs


def trace_apart(*run: Any) -> Any:
    """Return the same of a process of its own, where nothing was done
    before."""
    with multiprocessing.get_context("spawn").Pool(1) as stage:
        return stage.apply(trace_there, run)


def trace_there(*run: Any) -> Any:
    """Do what trace_apart() asks of its process."""
    from ._web import opener_installed
    run[2].home = os.getpid()  # so that its threads are named
    with opener_installed():
        return trace_memory(*run)
