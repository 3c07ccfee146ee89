"""Lesson 3: CPU-bound work on threads.

Under the GIL, one thread at a time runs Python code: threads take turns.
What to look for: two threads have two sums in flight, keep one core busy,
and finish no sooner than one. On a free-threaded Python they do.
"""

import functools
from collections.abc import Callable, Sequence

from . import _cli
from ._machine import this_machine
from ._measure import Run, best_of, trace, with_speed_ups
from ._report import (
    CANNOT_TELL, DOES_NOT_HOLD, FASTER, HOLDS, Report, Verdict, compared)
from ._text import count
from .primes import sum_primes_up_to
from .worker_threads import map_few, map_threads

CLAIM = "Threads make CPU-bound work no faster, because of the GIL."
LIMITS = (1_000_000, 2_000_000, 3_000_000)
QUICK_LIMITS = (300_000, 600_000, 900_000)


def sums_on_threads(limits: Sequence[int], workers: int) -> dict[int, int]:
    """Return, for each limit, the sum of the primes up to it.

    >>> sums_on_threads([10, 100], workers=2)
    {10: 17, 100: 1060}
    """
    return dict(sorted(map_few(sum_primes_up_to, limits, workers)))


def example() -> None:
    """Print three sums of primes, from two threads."""
    limits = [250_000, 500_000, 1_000_000]
    for limit, total in sums_on_threads(limits, workers=2).items():
        print("primes up to", limit, "add up to", total)


def measure(
    limits: Sequence[int] | None = None, *,
    workers: Sequence[int] = (1, 2), quick: bool = False, repeat: int = 1,
    verbose: bool = False, progress: Callable[[str], None] | None = None,
) -> Report:
    """Return the Report of the sums on each number of threads.

    `limits` are the three of the tutorial unless given, or smaller ones if
    quick; each row is the best of `repeat` runs.
    """
    limits = limits or (QUICK_LIMITS if quick else LIMITS)
    runs = []
    for number in workers:
        if progress:
            progress(count(number, "thread"))
        run, sums = best_of(repeat, lambda: trace(
            "whole sums", map_threads, sum_primes_up_to, limits, number,
            verbose=verbose))
        runs.append(run)
    machine = this_machine()
    runs = with_speed_ups(runs)
    return Report(
        "primes_threads", CLAIM,
        compared(runs, machine, functools.partial(judge, gil=machine.gil)),
        machine, runs,
        [(f"sum of the primes up to {limit}", total)
         for limit, total in sorted(set(sums))])


def judge(alone: Run, best: Run, gil: bool) -> Verdict:
    """Return the verdict on CLAIM from one thread and from several."""
    speed_up = alone.seconds / best.seconds
    figures = (
        f"{best.workers} threads were {speed_up:.2f} times as fast as one, "
        f"with {best.in_flight:.1f} tasks in flight and "
        f"{best.cores_busy:.1f} cores busy")
    in_flight = f"On average {best.in_flight:.1f} sums were in flight"
    if speed_up < FASTER and gil:
        return Verdict(
            HOLDS, f"{figures}.", f"{in_flight}, but {best.cores_busy:.1f} "
            "cores were busy: concurrency without parallelism. To put more "
            "cores to work under the GIL, take processes, as primes_pool "
            "does.")
    if speed_up < FASTER:
        return Verdict(CANNOT_TELL, f"{figures}. This Python has no GIL, so "
                       "the cause is another: a single large task, or other "
                       "programs on this machine.")
    if gil:
        return Verdict(CANNOT_TELL, f"{figures}, which the GIL rules out: "
                       "other programs disturbed the runs.")
    return Verdict(
        DOES_NOT_HOLD, f"{figures}: this Python has no GIL, so threads run "
        "Python code on several cores at once.", f"{in_flight}, and "
        f"{best.cores_busy:.1f} cores were busy: without the GIL, threads "
        "give parallelism too.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lesson's command line; return its exit status."""
    parser = _cli.lesson_parser(
        "primes_threads", CLAIM, "--workers 1,2,4 500000 500000",
        (1, 2), "[LIMIT...]")
    _cli.add_limits(parser, LIMITS)
    return _cli.run(parser, measure, argv)


if __name__ == "__main__":
    _cli.start(main)
