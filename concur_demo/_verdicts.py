"""What the figures of runs say about a claim: it holds, it does not, or they
cannot tell. Each function returns a Verdict, with its evidence."""

import heapq
import os
from collections.abc import Sequence
from typing import Any

from ._measure import Run
from ._report import CANNOT_TELL, DOES_NOT_HOLD, HOLDS, Verdict
from ._text import count

FASTER = 1 / 1.15  # of the time: less than a noisy machine feigns
SLOWER = 1.5       # times: more than it feigns between two mechanisms
SHORT = 0.1        # seconds: Windows counts CPU time in ticks of 1/64 second


def several_are_faster(alone: Run, best: Run, evidence: str,
                       take_home: str = "", cores: float = 0,
                       parallel: bool = False) -> Verdict:
    """Judge the claim that several workers are faster than one. They can
    keep so many cores busy, 0 if they only wait; and they have to keep more
    than one busy, if `parallel`."""
    faster = best.seconds <= FASTER * alone.seconds
    if faster and not parallel:
        return Verdict(HOLDS, evidence, take_home)
    if cores and alone.seconds < SHORT:
        return Verdict(CANNOT_TELL, f"{evidence} That is too short to tell.")
    if faster and alone.cores_busy >= 0.8 and FASTER * best.cores_busy >= 1:
        return Verdict(HOLDS, evidence, take_home)
    if cores and (alone.cores_busy < 0.8 or best.cores_busy < 0.9 * min(
            best.in_flight, cores)):
        return Verdict(CANNOT_TELL, (
            f"{evidence} One worker kept {alone.cores_busy:.2f} busy: other "
            "programs, the disk or the start of workers may have slowed it."))
    if parallel and FASTER * best.cpu_seconds > alone.cpu_seconds:
        return Verdict(CANNOT_TELL, (
            f"{evidence} The same work took {alone.cpu_seconds:.3g} seconds "
            f"of CPU time with one, and {best.cpu_seconds:.3g} with several: "
            "their cores may be slower ones, or shared with others."))
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
        " Under the GIL that cannot be: other programs, or cores of two "
        "speeds, disturbed the runs."
        if gil else " This Python has no GIL, so the cause is another: a "
        "single large task, or other programs on this machine."))


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


def judge_talk(runs: Sequence[Run], said: Any) -> Verdict:
    """Judge the claim that two processes talk in both directions."""
    (name, ppid, pid, *_), me, run = said, os.getpid(), runs[-1]
    return Verdict(
        HOLDS if ppid == me != pid else DOES_NOT_HOLD,
        f"{name} (pid {pid}) greeted its parent (pid {me}), read the answer "
        f"and confirmed it; then {run.variant} went there and back, "
        f"{run.figures['round trips a second']:,} a second.",
        f"Parent and child take turns: {run.in_flight:.1f} tasks in flight "
        f"kept {run.cores_busy:.1f} cores busy.")


def as_fast_as(verdict: Verdict, best: Run, rival: Run) -> Verdict:
    """Return the verdict on the best run, which is to take no more time than
    the rival as well."""
    evidence = (f"{verdict.evidence} {rival.variant.capitalize()}, with as "
                f"many workers: {rival.seconds:.3g} s.")
    # With as many tasks in flight it was the machine that was slower.
    slower = (FASTER * best.seconds > rival.seconds and
              best.in_flight < FASTER * rival.in_flight)
    if verdict.word == HOLDS and slower:
        if best.seconds > SLOWER * rival.seconds:
            return Verdict(DOES_NOT_HOLD, evidence)
        return Verdict(CANNOT_TELL, f"{evidence} That is too close to tell.")
    return verdict._replace(evidence=evidence)


def only_a_lock_saves(runs: Sequence[Run], lost: str, of: int, unsafe: str,
                      safe: str, take_home: str = "") -> Verdict:
    """Judge the claim that without a lock several workers lose something,
    and with one nothing: `lost` is the name of the figure, `unsafe` and
    `safe` those of the variants."""
    without, with_lock = (max((
        run.figures[lost] for run in runs
        if run.variant == variant and run.workers > 1), default=None)
        for variant in (unsafe, safe))
    if without is None or with_lock is None:
        return Verdict(CANNOT_TELL, (
            "One worker alone disturbs nobody: include a larger number, as "
            "in --workers 1,2."))
    evidence = (f"{lost.capitalize()} without a lock: {without:,.0f} of "
                f"{of:,}; with one: {with_lock:,.0f}.")
    if with_lock:
        return Verdict(DOES_NOT_HOLD, evidence)
    if not without:
        return Verdict(CANNOT_TELL, evidence + (
            " Without a lock, it is a matter of luck. Run it once more."))
    return Verdict(HOLDS, evidence, take_home)


def own_memory(verdict: Verdict, seen: float) -> Verdict:
    """Return the verdict, if a parent saw nothing of what its children have
    written to a global variable."""
    if seen:
        return Verdict(DOES_NOT_HOLD, (
            f"The parent saw {seen:,.0f} updates of its children's global "
            "variable."))
    return verdict._replace(evidence=(
        f"The parent saw no update of a global variable. {verdict.evidence}"))


def judge_transfers(runs: Sequence[Run], of: int, gained: int) -> Verdict:
    """Judge the claim that locks in opposite order can stop threads, and in
    one order never. The runs have figures: coins moved, threads stopped,
    seconds stood still; `gained` tells how many coins came from nowhere."""
    several = {run.variant: run for run in runs if run.workers > 1}
    if not several:
        return Verdict(CANNOT_TELL, (
            "One thread alone never waits for a lock: include a larger "
            "number, as in --workers 1,2."))
    opposite, ordered = (several[variant].figures for variant in (
        "opposite", "one order"))
    evidence = (
        f"In opposite order {opposite['coins moved']:,.0f} of {of:,} coins "
        f"were moved, and {opposite['threads stopped']:.0f} threads stood "
        f"still, until they gave up after "
        f"{opposite['seconds stood still']:.2f} s; in one order "
        f"{ordered['coins moved']:,.0f} were moved, and "
        f"{ordered['threads stopped'] or 'none'} stood still.")
    if gained:
        return Verdict(DOES_NOT_HOLD, (
            f"{evidence} But the accounts have {gained:+} coins."))
    if opposite["threads stopped"] < 2 or ordered["threads stopped"] > 1:
        return Verdict(DOES_NOT_HOLD, evidence)
    if ordered["threads stopped"]:  # no deadlock: the other thread has gone on
        return Verdict(CANNOT_TELL, (
            f"{evidence} Something else held up the threads."))
    return Verdict(HOLDS, evidence, (
        "A cycle of threads that wait for each other is a deadlock. Where "
        "all take locks in the same order, there can be no cycle."))


def judge_window(runs: Sequence[Run]) -> Verdict:
    """Judge the claim that work in the event loop freezes a window, and work
    in a thread does not. The runs have a figure: longest freeze ms."""
    loop, thread = (max(
        run.figures["longest freeze ms"] for run in runs
        if run.variant == variant) for variant in ("event loop", "threads"))
    evidence = (f"Work in the event loop froze the window for {loop:.0f} ms, "
                f"work in threads for {thread:.0f} ms at most.")
    work = min(1000 * run.seconds for run in runs)
    if loop < 250 or loop < work / 3:
        return Verdict(CANNOT_TELL, f"{evidence} That is too short to tell.")
    if thread <= loop / 4:
        return Verdict(HOLDS, evidence, (
            "People notice what takes longer than a tenth of a second. Leave "
            "the event loop nothing that takes as long."))
    return Verdict(DOES_NOT_HOLD if thread > loop / 2 else CANNOT_TELL,
                   evidence)


def one_thread_waits(runs: Sequence[Run]) -> Verdict:
    """Judge the claim that asyncio waits for all pages at once, on a single
    thread, in the time that so many threads take."""
    most = {run.variant: run for run in sorted(
        runs, key=lambda run: run.workers)}
    run, threads = most["asyncio"], count(
        len({span.worker for span in most["asyncio"].spans}), "thread")
    pages = len(run.spans)
    alone = [one.seconds for one in runs
             if (one.variant, one.workers) == ("asyncio", 1)]
    evidence = (f"On {threads}, {run.in_flight:.1f} of "
                f"{count(pages, 'page')} were in flight on average, which "
                f"took {run.seconds:.3g} s.")
    if pages < 2 or run.workers < min(pages, 1000):
        return Verdict(CANNOT_TELL, (
            "The pages could not all be in flight at once: give two or more, "
            "and as many workers, as in --pages 5 --workers 1,5."))
    if threads != "1 thread" or run.in_flight < 1.15 or (
            alone and run.seconds > FASTER * alone[0]):
        return Verdict(DOES_NOT_HOLD, evidence)
    if run.in_flight < min(run.workers, pages) / 2:
        return Verdict(CANNOT_TELL, evidence)
    return as_fast_as(Verdict(HOLDS, evidence, (
        "Waiting needs neither a core nor a thread for each page.")),
        run, most["threads"])


def judge_sieve(trial: Run, sieve: Run, segments: Run, same: bool,
                all_cores: bool) -> Verdict:
    """Judge the claim that the sieve on one core is faster than trial
    division, at its fastest, on all; `same` tells whether the sums agree,
    and `all_cores` whether that was given as many processes."""
    processes = min(trial.workers, len(trial.spans))
    evidence = (
        f"Trial division on {count(processes, 'process')} took "
        f"{trial.seconds:.3g} s; the sieve on one core took "
        f"{sieve.seconds:.3g} s.")
    if not same:
        return Verdict(DOES_NOT_HOLD, f"{evidence} But their sums differ.")
    if trial.seconds < SHORT:
        return Verdict(CANNOT_TELL, f"{evidence} That is too short to tell.")
    if sieve.seconds > FASTER * trial.seconds:
        return Verdict(DOES_NOT_HOLD, evidence)
    if not all_cores:
        return Verdict(CANNOT_TELL, (
            f"{evidence} There are more cores: include as many --workers."))
    return Verdict(HOLDS, evidence, (
        f"That is {trial.seconds / sieve.seconds:.3g} times as fast. The "
        f"sieve in segments on {count(segments.workers, 'process')} took "
        f"{segments.seconds:.3g} s: what more cores can gain is at most their "
        "number, and their start has to be paid."))
