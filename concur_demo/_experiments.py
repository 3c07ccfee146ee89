"""For each lesson: its runs, its verdict, and the options of its own.

A new lesson takes a function here, with its options above it; all else, the
tests included, finds it in TABLE."""

import argparse
import contextlib
import functools
import glob
import heapq
import importlib
import math
import multiprocessing
import os
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ._machine import this_machine
from ._measure import Run, Traced, trace
from ._report import CANNOT_TELL, DOES_NOT_HOLD, HOLDS, Verdict
from ._text import count, describe

FASTER = 1 / 1.15  # of the time: less than a noisy machine feigns
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
        self.folder = folder    # for its files
        self.progress = progress
        self.runs: list[Run] = []

    def traced(self, work: Callable[[Any], Any], **how: Any) -> Traced:
        """Return the work so that it tells who did it, and when."""
        return Traced(work, self.folder, verbose=self.options.verbose, **how)

    def compare(
        self, variant: str, mechanism: Callable[..., Any],
        work: Callable[[Any], Any], tasks: Sequence[Any],
        before: Callable[[], object] = lambda: None,
    ) -> list[tuple[Any, Any]]:
        """Run the tasks on each number of workers; return the (task, result)
        pairs of the last run. before() is called before each."""
        runs = []
        for workers in self.options.workers:
            self.progress(f"{variant}, {count(workers, self.worker)}")
            tries = []
            for _ in range(self.options.repeat):
                os.stat(self.folder)  # gone, if the run was broken off
                before()
                # More workers than tasks would have nothing to do.
                tries.append(trace(variant, mechanism, work, tasks,
                                   min(workers, len(tasks))))
            run, pairs = min(tries, key=lambda one: (
                one[0].failed, one[0].seconds))
            slowest = max(one.seconds for one, _ in tries)
            runs.append(run._replace(
                workers=workers, spread=slowest / run.seconds - 1))
        alone = [run.seconds for run in runs if run.workers == 1]
        self.runs += [run._replace(speed_up=alone[0] / run.seconds)
                      if alone else run for run in runs]
        return pairs

    def compared(self, judge: Callable[..., Verdict],
                 variant: str | None = None, needed_cores: int = 2,
                 **facts: Any) -> Verdict:
        """Return judge(alone, best, evidence, **facts) on the variant's run
        with one worker and the fastest with several; CANNOT_TELL where that
        would mislead."""
        runs = [run for run in self.runs if variant in (None, run.variant)]
        alone = [run for run in runs if run.workers == 1]
        several = [run for run in runs if run.workers > 1]
        cores = this_machine().cores
        if failed := max(run.failed for run in runs):
            why = f"{failed} of {count(len(runs[0].spans), 'task')} failed."
        elif not alone or not several or len(runs[0].spans) < 2:
            why = ("There is nothing to compare: include 1 and a larger "
                   "number, as in --workers 1,2, and give two tasks or more.")
        elif min(run.seconds for run in runs) < SHORT_SECONDS:
            why = "The runs are too short to compare: give them more work."
        elif cores < needed_cores:
            why = f"Only {count(cores, 'core')} may be used here."
        else:
            best = min(several, key=lambda run: run.seconds)
            return judge(alone[0], best, (
                f"{best.variant.capitalize()}: "
                f"{count(best.workers, self.worker)} took {best.seconds:.3g} "
                f"s where one took {alone[0].seconds:.3g} s, with "
                f"{best.in_flight:.1f} tasks in flight and "
                f"{best.cores_busy:.2f} cores busy."), **facts)
        return Verdict(CANNOT_TELL, why)


def several_are_faster(alone: Run, best: Run, evidence: str,
                       take_home: str = "", cores: int = 0,
                       parallel: bool = False) -> Verdict:
    """Judge the claim that several workers are faster, which can keep so
    many cores busy, or none if they only wait; and do so, if `parallel`."""
    if best.seconds <= FASTER * alone.seconds and (not parallel or (
            alone.cores_busy >= 0.9 and FASTER * best.cores_busy >= 1)):
        return Verdict(HOLDS, evidence, take_home)
    if cores and (alone.cores_busy < 0.9 or best.cores_busy < 0.9 * min(
            best.in_flight, cores)):
        return Verdict(CANNOT_TELL, (
            f"{evidence} One kept {alone.cores_busy:.2f} busy: the start of "
            "workers, the disk or other programs may have slowed them."))
    return Verdict(DOES_NOT_HOLD, evidence)


def none_is_faster(alone: Run, best: Run, evidence: str, gil: bool) -> Verdict:
    """Judge the claim that threads, because of the GIL, are no faster."""
    faster = best.seconds <= FASTER * alone.seconds
    if gil and not faster:
        return Verdict(
            HOLDS, evidence, "Concurrency without parallelism: the threads "
            "take turns at the GIL. To use more cores under the GIL, use "
            "processes, as primes_pool does.")
    if faster and not gil:
        return Verdict(
            DOES_NOT_HOLD, evidence, "This Python has no GIL, so threads run "
            "Python code on several cores at once: parallelism.")
    return Verdict(CANNOT_TELL, evidence + (
        " Under the GIL that cannot be: other programs disturbed the runs."
        if gil else " This Python has no GIL, so the cause is another: a "
        "single large task, or other programs on this machine."))


def positive(text: str, most: int = 10**12) -> int:
    """Return the whole number in the text, from 1 to `most`."""
    with contextlib.suppress(ValueError):
        if 1 <= int(text) <= most:
            return int(text)
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a whole number from 1 to {most}")


def size(text: str) -> int:
    """Return the number of bytes in the text, such as 4096 or 250M."""
    unit = {"K": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:].upper(), 1)
    return unit * positive(text if unit == 1 else text[:-1], 10**12 // unit)


def pool_class(text: str) -> Any:
    """Return the class, or whatever makes pools, at MODULE:CLASS."""
    module, _, name = text.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # of any kind: importing runs any code
        raise argparse.ArgumentTypeError(
            f"{text!r} is not MODULE:CLASS of a pool: {describe(error)}")


def with_standard_input(urls: list[str]) -> list[str]:
    """Return the addresses; in place of "-", those on standard input."""
    if "-" not in urls:
        return urls
    try:
        text = sys.stdin.read(10**7) if sys.stdin else ""
    except OSError as error:
        raise OSError(f"standard input: {describe(error)}") from None
    lines = text.lstrip("\ufeff").split("\n")  # the mark of some editors
    found = [line.strip() for url in urls
             for line in (lines if url == "-" else [url]) if line.strip()]
    if not found:
        raise ValueError("no addresses on standard input")
    return found


@lesson(
    example="--workers 1,2,4 *.jpg",
    expand=lambda names: [found for name in names for found in (
        # Windows leaves wildcards to the program.
        os.name == "nt" and sorted(glob.glob(name)) or [name])],
    operand=dict(metavar="FILE", help="copy these files instead; they are "
                 "only read, and the copies are removed"),
    options=dict(
        files=dict(type=positive, default=2, metavar="N",
                   help="how many files the lesson makes (default 2)"),
        size=dict(type=size, metavar="BYTES", help="the size of each, as "
                  "250M (default 100M, or 50M if quick)"),
        into=dict(metavar="DIR", help="where to put the copies, to choose "
                  "the disk (default: where temporary files go)")))
def copy_threads(lab: Lab) -> tuple[Results, Verdict]:
    """Copy the files: once for the caches, then measured."""
    options, sources = lab.options, lab.options.tasks
    if not sources:
        size = options.size or lab.lesson.SIZE // (1 + options.quick)
        needed = 2 * options.files * size
        if shutil.disk_usage(lab.folder).free < needed:
            raise OSError(f"{os.path.dirname(lab.folder)}: there are no "
                          f"{needed} bytes free: take a smaller --size, or "
                          "another disk with --into")
        sources = lab.lesson.make_files(lab.folder, options.files, size)
    tasks = [(source, os.path.join(lab.folder, f"copy-{number}"))
             for number, source in enumerate(sources)]

    def shown(task: tuple[str, str]) -> str:
        return task[0] if options.tasks else os.path.basename(task[0])

    def remove_copies() -> None:
        for _, copy in tasks:
            with contextlib.suppress(OSError):
                os.remove(copy)

    for task in tasks:
        with contextlib.suppress(OSError):
            lab.lesson.copy_file(with_an_end(task))
    work = lab.traced(lab.lesson.copy_file, name=shown, ready=with_an_end)
    done = lab.compare("copies", lab.lesson.map_threads, work, tasks,
                       before=remove_copies)
    return [(f"bytes of {shown(task)} copied", os.path.getsize(task[1]))
            for task, _ in sorted(done)], lab.compared(
        several_are_faster, cores=this_machine().cores, take_home="While the "
        "system copies, the thread releases the GIL. Copying within memory is "
        "work too: it keeps cores busy.")


def with_an_end(task: tuple[str, str]) -> tuple[str, str]:
    """Return the task if it is of a file: a device may never end."""
    if not stat.S_ISREG(os.stat(task[0]).st_mode):
        raise OSError("not a file, but a directory, a pipe or a device")
    if (os.path.getsize(task[0])
            > shutil.disk_usage(os.path.dirname(task[1])).free):
        raise OSError("too little room for its copy")
    return task


@lesson(
    example="--workers 1,5 --repeat 3", workers=(1, 2, 5),
    operand=dict(metavar="URL", help="fetch these pages instead; - reads "
                 "addresses from standard input, one a line"),
    expand=with_standard_input)
def titles_threads(lab: Lab) -> tuple[Results, Verdict]:
    """Fetch the pages of the slow site, or the user's own."""
    from . import _web  # here, as its imports take a while
    fetch = lab.traced(lab.lesson.fetch_title, name=_web.without_password,
                       ready=_web.request_for)
    urls = lab.options.tasks
    with _web.opener_installed(bool(urls)), open_site(lab.lesson) as home:
        urls = urls or [f"{home}/{page + 1}"
                        for page in range(lab.lesson.PAGES)]
        done = dict(lab.compare(
            "pages", lab.lesson.map_threads,
            _web.limited(fetch, 1.1 * lab.lesson.TIMEOUT), urls))
    return [(_web.without_password(url), done[url][:200] or "(none)")
            for url in urls if url in done], lab.compared(
        several_are_faster, needed_cores=1, take_home="Waiting needs no "
        "core, so threads can wait together, even under the GIL.")


@contextlib.contextmanager
def open_site(lesson: Any) -> Iterator[str]:
    """Open the slow site of a lesson meanwhile; yield its address."""
    with lesson.SlowSite(("127.0.0.1", 0), lesson.SlowPage) as site:
        threading.Thread(target=site.serve_forever, args=[0.05],
                         daemon=True).start()
        try:
            yield f"http://127.0.0.1:{site.server_address[1]}"
        finally:
            site.shutdown()


LIMIT = dict(metavar="LIMIT", type=functools.partial(positive, most=10**9),
             help="sum the primes up to each of these instead")


def limits_of(lab: Lab) -> list[int]:
    """Return the limits up to which primes are to be summed."""
    return lab.options.tasks or [limit // 5 if lab.options.quick
                                 else limit for limit in lab.lesson.LIMITS]


def shown_range(numbers: range) -> str:
    """Return the numbers of a task in words."""
    return f"{numbers[0]} to {numbers[-1]}"


def shown_sums(totals: Iterable[tuple[int, int]]) -> Results:
    """Return the (limit, total) pairs as results."""
    return [(f"sum of the primes up to {limit}", total)
            for limit, total in sorted(totals)]


@lesson(example="--workers 1,2,4 500000 500000", operand=LIMIT)
def primes_threads(lab: Lab) -> tuple[Results, Verdict]:
    """Sum primes on threads."""
    done = lab.compare(
        "whole sums", lab.lesson.map_threads,
        lab.traced(lab.lesson.sum_primes, name=shown_range),
        [range(1, limit + 1) for limit in limits_of(lab)])
    return (shown_sums((numbers[-1], total) for numbers, total in done),
            lab.compared(none_is_faster, gil=this_machine().gil))


@lesson(
    example="--workers 1,2,4 500000 600000", workers=(1, 2, 3),
    worker="process", operand=LIMIT, options=dict(
        start_method=dict(choices=multiprocessing.get_all_start_methods(),
                          help="how processes are started"),
        pool=dict(type=pool_class, metavar="MODULE:CLASS", help="another "
                  "pool with the interface of multiprocessing.Pool, such as "
                  "multiprocessing.pool:ThreadPool")))
def primes_pool(lab: Lab) -> tuple[Results, Verdict]:
    """Sum primes on a pool: in whole sums, then in equal pieces."""
    pool, cores = lab.options.pool, this_machine().cores
    if pool and lab.options.start_method:
        raise ValueError("--start-method goes with multiprocessing.Pool, "
                         "not with another --pool")
    if pool:
        lab.worker, cores = "worker", 1  # it may be threads, at one GIL
    else:
        pool = multiprocessing.get_context(lab.options.start_method).Pool

    def map_pool(work: Any, tasks: Any, workers: int) -> Any:
        try:
            return [(task, (result, span)) for task, (result, span) in zip(
                tasks, lab.lesson.map_pool(
                    work, tasks, workers, pool, timeout=None), strict=True)]
        except (Exception, SystemExit) as error:  # as another's pool may raise
            raise RuntimeError(f"the pool failed: {describe(error)}")

    limits = limits_of(lab)
    work = lab.traced(lab.lesson.sum_primes, name=shown_range)
    for variant, size in [("whole sums", max(limits)),
                          ("equal pieces", lab.lesson.PIECE)]:
        jobs = [lab.lesson.cut(limit, size) for limit in limits]
        pieces = [piece for job in jobs for piece in job]
        done = dict(lab.compare(variant, map_pool, work, pieces))
    verdict = lab.compared(several_are_faster, variant, cores=cores,
                           parallel=True)
    if any(run.failed for run in lab.runs):
        return [], verdict
    if verdict.word == HOLDS:
        alone = next(run for run in lab.runs if run.workers == 1)
        verdict = verdict._replace(take_home=cap_of_whole_sums(
            [span.cpu_seconds for span in alone.spans]))
    return shown_sums(zip(limits, lab.lesson.add_up(
        jobs, map(done.__getitem__, pieces)))), verdict


def cap_of_whole_sums(seconds: Sequence[float]) -> str:
    """Return in words how much whole sums can gain at best, from the CPU
    seconds that each of them takes."""
    total, longest = sum(seconds), max(seconds)
    free_at = [0.0, 0.0]  # two workers; a sum goes to the first that is free
    for one in seconds:
        heapq.heapreplace(free_at, free_at[0] + one)
    return (
        f"Whole sums can gain no more than this: the longest alone takes "
        f"{longest:.2f} of their {total:.2f} CPU seconds. So any number of "
        f"workers is at best {total / longest:.2f} times as fast as one, and "
        "two, given the sums in this order, at best "
        f"{total / max(free_at):.2f} times.")


@lesson(
    example="--messages 100000", workers=(1,), worker="pair", options=dict(
        messages=dict(type=positive, metavar="N", help="how many messages go "
                      "there and back (default 10000, or 2000 if quick)")))
def hello_pipe(lab: Lab) -> tuple[Results, Verdict]:
    """Let pairs of parent and child talk; they share out the messages."""
    from .primes_threads import map_threads  # a thread for each pair

    def map_pairs(work: Any, tasks: Any, workers: int) -> Iterator[Any]:
        for task, (said, span) in map_threads(work, tasks, workers):
            yield task, (said, span._replace(worker="parent"))
            if said:
                yield task, (None, said[4][1]._replace(worker="child"))

    pairs = max(lab.options.workers)
    messages = lab.options.messages or (
        lab.lesson.MESSAGES // (1 + 4 * lab.options.quick))
    share = math.ceil(messages / pairs)
    talk = functools.partial(
        lab.lesson.talk, work=lab.traced(lab.lesson.echo, name="echo".format))
    done = lab.compare(
        f"{share * pairs} messages", map_pairs,
        lab.traced(talk, name="talk about {} messages".format),
        [share] * pairs)
    for number, run in enumerate(lab.runs):
        if seconds := sum(span.seconds for span in run.spans
                          if span.worker == "child"):
            lab.runs[number] = run._replace(figures={"round trips a second": (
                round(share * pairs * run.workers / seconds))})
    said = next((said for _, said in done if said), None)
    return [] if said is None else list(zip(
        ("child's name", "its parent's pid", "its own pid", "its answer"),
        said)), judge_talk(lab.runs, said)


def judge_talk(runs: Sequence[Run], said: Any) -> Verdict:
    """Judge the claim that two processes talk in both directions."""
    if failed := sum(run.failed for run in runs):
        return Verdict(CANNOT_TELL, f"{count(failed, 'task')} failed.")
    (name, ppid, pid, *_), me, run = said, os.getpid(), runs[-1]
    return Verdict(
        HOLDS if ppid == me != pid else DOES_NOT_HOLD,
        f"{name} (pid {pid}) greeted its parent (pid {me}), read the answer "
        f"and confirmed it; then {run.variant} went there and back, "
        f"{run.figures['round trips a second']:,} a second.",
        f"Parent and child take turns: {run.in_flight:.1f} tasks in flight "
        f"kept {run.cores_busy:.1f} cores busy.")
