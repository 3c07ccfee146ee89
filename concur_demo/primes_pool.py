"""Lesson 4: CPU-bound work on a pool of processes.

Each process has an interpreter and a GIL of its own, so processes run
Python code on all cores at once. What to look for: two processes keep two
cores busy and halve the time, if the work is cut into equal pieces. Three
whole sums are not equal: the largest is over half of the work.
"""

import argparse
import functools
import heapq
import importlib
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from . import _cli
from ._machine import this_machine
from ._measure import Run, best_of, trace, with_speed_ups
from ._report import (
    CANNOT_TELL, DOES_NOT_HOLD, FASTER, HOLDS, Report, Verdict, compared)
from ._text import count, describe
from .primes import sum_primes
from .worker_pool import map_pool

CLAIM = "Processes do CPU-bound work on all cores at once."
LIMITS = (1_000_000, 2_000_000, 3_000_000)
QUICK_LIMITS = (300_000, 600_000, 900_000)
PIECE = 100_000


class Piece(NamedTuple):
    """A part of the sum of the primes up to a limit."""

    limit: int
    numbers: range

    def __str__(self) -> str:
        first, last = self.numbers[0], self.numbers[-1]
        return f"{first} to {last} of {self.limit}"


def equal_pieces(limits: Iterable[int], size: int = PIECE) -> list[Piece]:
    """Return the sums up to the limits in pieces of that many numbers.

    The largest numbers come first: they take longest, and the shorter the
    tasks at the end, the less a worker waits there for the others.
    """
    pieces = [
        Piece(limit, range(start, min(start + size, limit + 1)))
        for limit in dict.fromkeys(limits)
        for start in range(1, limit + 1, size)]
    return sorted(pieces, key=lambda piece: -piece.numbers.start)


def whole_sums(limits: Iterable[int]) -> list[Piece]:
    """Return each sum as one piece, in the order given."""
    return [Piece(limit, range(1, limit + 1))
            for limit in dict.fromkeys(limits)]


def sum_piece(piece: Piece) -> int:
    """Return the sum of the primes in a piece."""
    return sum_primes(piece.numbers)


def added_up(sums: Iterable[tuple[Piece, int]]) -> dict[int, int]:
    """Return, for each limit, the total of its pieces."""
    totals: dict[int, int] = {}
    for piece, subtotal in sums:
        totals[piece.limit] = totals.get(piece.limit, 0) + subtotal
    return dict(sorted(totals.items()))


def sums_on_pool(limits: Iterable[int], workers: int) -> dict[int, int]:
    """Return, for each limit, the sum of the primes up to it.

    Pool alone, without what map_pool adds to it. Raises ChildProcessError
    if a worker process dies.
    """
    pieces = equal_pieces(limits)
    others = set(multiprocessing.active_children())
    with multiprocessing.Pool(workers) as pool:
        team = set(multiprocessing.active_children()) - others
        sums = pool.imap(sum_piece, pieces)
        return added_up([(piece, result_of(sums, team)) for piece in pieces])


def result_of(results: Any, team: Iterable[BaseProcess]) -> Any:
    """Return the next result of a pool, whose workers are the team."""
    while True:
        try:
            return results.next(timeout=1)
        except multiprocessing.TimeoutError:
            # Pool waits for ever for a dead worker (CPython issue 96062).
            for process in team:
                if not process.is_alive():
                    raise ChildProcessError(f"{process.name} died") from None


def example() -> None:
    """Print three sums of primes, from two processes."""
    limits = [250_000, 500_000, 1_000_000]
    for limit, total in sums_on_pool(limits, workers=2).items():
        print("primes up to", limit, "add up to", total)


def measure(
    limits: Sequence[int] | None = None, *,
    workers: Sequence[int] = (1, 2, 3), quick: bool = False,
    repeat: int = 1, verbose: bool = False,
    progress: Callable[[str], None] | None = None,
    pool: Callable[..., Any] | None = None, start_method: str | None = None,
) -> Report:
    """Return the Report of the sums, in equal pieces and whole, on each
    number of processes.

    `limits` are the three of the tutorial unless given, or smaller ones if
    quick; each row is the best of `repeat` runs. `pool` is the class of
    the pool, else multiprocessing.Pool with the given start method.
    """
    if pool and start_method:
        raise ValueError("a start method goes with multiprocessing.Pool, "
                         "not with another pool")
    context = multiprocessing.get_context(start_method)
    mechanism = functools.partial(
        map_pool, pool_factory=pool or context.Pool)
    limits = limits or (QUICK_LIMITS if quick else LIMITS)
    worker = "worker" if pool else "process"  # it may be a thread
    runs, sums = [], {}
    for variant, pieces in [("equal pieces", equal_pieces(limits)),
                            ("whole sums", whole_sums(limits))]:
        for number in workers:
            if progress:
                progress(f"{variant}, {count(number, worker)}")
            # As with threads, never more workers than tasks are started.
            run, done = best_of(repeat, lambda: trace(
                variant, mechanism, sum_piece, pieces,
                min(number, len(pieces)), verbose=verbose))
            runs.append(run._replace(workers=number))
            sums = added_up(done)
    runs = with_speed_ups(runs)
    machine = this_machine()
    verdict = compared(
        [run for run in runs if run.variant == "equal pieces"], machine,
        functools.partial(judge, cores=machine.cores, worker=worker))
    for run in runs:
        if verdict.word == HOLDS and (
                run.variant, run.workers, run.failed) == ("whole sums", 1, 0):
            verdict = verdict._replace(take_home=cap_of_whole_sums(run))
    return Report(
        "primes_pool", CLAIM, verdict, machine, runs,
        [(f"sum of the primes up to {limit}", total)
         for limit, total in sums.items()], worker)


def judge(
    alone: Run, best: Run, cores: int, worker: str = "process"
) -> Verdict:
    """Return the verdict on CLAIM from one worker and from several, where
    so many cores may be used."""
    speed_up = alone.seconds / best.seconds
    figures = (
        f"In equal pieces, {count(best.workers, worker)} were "
        f"{speed_up:.2f} times as fast as one and kept "
        f"{best.cores_busy:.2f} cores busy.")
    if min(speed_up, best.cores_busy) >= FASTER:
        return Verdict(HOLDS, figures)
    if alone.in_flight < 0.9:
        return Verdict(CANNOT_TELL, f"{figures} One {worker} was at work only "
                       f"{alone.in_flight:.0%} of its time, as starting it "
                       "took the rest: give it more work.")
    share = alone.cpu_seconds / alone.task_seconds
    if share < 0.9 or speed_up >= FASTER:
        return Verdict(CANNOT_TELL, f"{figures} One {worker} got {share:.2f} "
                       "of a core: other programs are using this machine.")
    # Processes, unlike threads, do not wait for each other's GIL.
    if worker == "process" and best.cores_busy < 0.9 * min(
            best.in_flight, cores):
        return Verdict(CANNOT_TELL, f"{figures} With {best.in_flight:.1f} "
                       f"tasks in flight on {count(cores, 'core')}, other "
                       "programs must be using this machine.")
    return Verdict(DOES_NOT_HOLD, figures)


def cap_of_whole_sums(alone: Run) -> str:
    """Return in a sentence why whole sums gain less than equal pieces do,
    from the CPU time that each of them took on one worker."""
    seconds = [span.cpu_seconds for span in alone.spans]
    total, longest = sum(seconds), max(seconds)
    return (
        f"Why the whole sums gain less: the longest of them alone takes "
        f"{longest:.2f} of the {total:.2f} seconds of work, so that any "
        f"number of workers is at best about {total / longest:.2f} times "
        f"as fast as one, and two, given them in this order, at best about "
        f"{total / finish(seconds, 2):.2f} times.")


def finish(seconds: Iterable[float], workers: int) -> float:
    """Return when the last task ends, if each in turn goes to the worker
    that is free first.

    >>> finish([1, 2, 3], workers=2)
    4.0
    """
    free_at = [0.0] * workers
    for task in seconds:
        heapq.heapreplace(free_at, free_at[0] + task)
    return max(free_at)


def pool_class(text: str) -> Callable[..., Any]:
    """Return a function that makes pools of the class MODULE:CLASS."""
    module, colon, name = text.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except Exception as error:  # of any kind: importing runs any code
        raise argparse.ArgumentTypeError(
            f"{text!r} is not MODULE:CLASS of a pool: {describe(error)}")

    def new_pool(*args: Any, **options: Any) -> Any:
        try:
            pool = factory(*args, **options)
        except Exception as error:
            raise ValueError(f"{text} makes no pool: {describe(error)}")
        if not hasattr(pool, "apply_async"):
            raise ValueError(f"{text} makes no pool: what it makes has no "
                             "apply_async")
        return pool
    return new_pool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lesson's command line; return its exit status."""
    parser = _cli.lesson_parser(
        "primes_pool", CLAIM, "--workers 1,2,4 500000 600000",
        (1, 2, 3), "[LIMIT...]")
    _cli.add_limits(parser, LIMITS)
    parser.add_argument(
        "--start-method", choices=multiprocessing.get_all_start_methods(),
        help="how processes are started")
    parser.add_argument(
        "--pool", type=pool_class, metavar="MODULE:CLASS",
        help="another pool with the interface of multiprocessing.Pool, "
        "such as multiprocessing.pool:ThreadPool")
    return _cli.run(parser, measure, argv)


if __name__ == "__main__":
    _cli.start(main)
