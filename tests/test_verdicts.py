"""Verdicts on given figures, as any machine might give them: each function
is made to say each of its words. Those that compare one worker with several
are in test_experiments."""

from typing import Any

from concur_demo._measure import Run, Span
from concur_demo._report import Verdict
from concur_demo._verdicts import (
    as_fast_as, judge_sieve, judge_transfers, judge_window, one_thread_waits,
    only_a_lock_saves, own_memory)

from .support import TestCase

HOLDS, NOT, CANNOT_TELL = "holds", "does not hold", "cannot tell"


def a_run(variant: str, workers: int = 2, seconds: float = 4.0,
          in_flight: float = 1.0, threads: int = 1, **figures: float) -> Run:
    """Return a run of ten tasks with these figures."""
    return Run(variant, workers, seconds, [
        Span(f"task {number}", f"thread {number % threads}", 0.0,
             in_flight * seconds / 10, 0.0) for number in range(10)],
        {name.replace("_", " "): figure for name, figure in figures.items()})


class Verdicts(TestCase):

    def check(self, word: str, verdict: Verdict, says: str = "") -> None:
        self.assertEqual(verdict.word, word, verdict)
        self.assertRegex(verdict.evidence, r"(?s)\A[A-Z].*\.\Z")
        self.assertIn(says, verdict.evidence)

    def test_as_fast_as(self) -> None:
        for seconds, in_flight, word in [
                (4.0, 1.0, HOLDS), (4.5, 1.0, HOLDS), (4.8, 1.0, CANNOT_TELL),
                (6.1, 1.0, NOT), (6.1, 1.9, HOLDS)]:
            for before in HOLDS, NOT, CANNOT_TELL:
                with self.subTest(seconds=seconds, before=before):
                    self.check(
                        word if before == HOLDS else before, as_fast_as(
                            Verdict(before, "So."),
                            a_run("ours", 2, seconds, in_flight),
                            a_run("theirs", in_flight=2.0)),
                        "So. Theirs, with as many workers: 4 s.")

    def test_only_a_lock_saves(self) -> None:
        for word, says, without, with_lock, workers in [
                (HOLDS, "without a lock: 2,000 of 5,000; with one: 0.",
                 2000, 0, 2),
                (NOT, "with one: 1.", 2000, 1, 2),
                (NOT, "with one: 1.", 0, 1, 2),
                (CANNOT_TELL, "a matter of luck", 0, 0, 2),
                (CANNOT_TELL, "as in --workers 1,2", 0, 0, 1)]:
            with self.subTest(says):
                self.check(word, only_a_lock_saves(
                    [a_run("no lock", 1, lost=0), a_run("a lock", 1, lost=0),
                     a_run("no lock", workers, lost=without),
                     a_run("a lock", workers, lost=with_lock)],
                    "lost", 5000, "no lock", "a lock"), says)

    def test_own_memory(self) -> None:
        for before in HOLDS, NOT, CANNOT_TELL:
            verdict = Verdict(before, "Updates lost: many.")
            self.check(before, own_memory(verdict, 0),
                       "no update of a global variable. Updates lost: many.")
            self.check(NOT, own_memory(verdict, 1200), "saw 1,200 updates")

    def test_transfers(self) -> None:
        def runs(stopped: int, ordered: int, workers: int = 2) -> list[Run]:
            return [a_run(
                variant, workers, coins_moved=0 if count else 90,
                threads_stopped=count, seconds_stood_still=0.5 if count else 0)
                for variant, count in [("opposite", stopped),
                                       ("one order", ordered)]]

        for word, says, given, coins in [
                (HOLDS, "0 of 90 coins were moved, and 2 threads stood "
                 "still, until they gave up after 0.50 s; in one order 90 "
                 "were moved, and none",
                 runs(2, 0), 0),
                (NOT, "2 stood still", runs(2, 2), 0),
                (NOT, "0 threads", runs(0, 0), 0),
                (NOT, "-1 coins", runs(2, 0), -1),
                (CANNOT_TELL, "held up", runs(2, 1), 0),
                (CANNOT_TELL, "as in --workers 1,2", runs(0, 0, 1), 0)]:
            with self.subTest(says):
                self.check(word, judge_transfers(given, 90, coins), says)

    def test_window(self) -> None:
        for word, says, loop, thread in [
                (HOLDS, "for 1500 ms, work in threads for 40 ms at most",
                 1500, 40),
                (NOT, "", 1500, 1400), (CANNOT_TELL, "", 1500, 600),
                (CANNOT_TELL, "too short", 200, 40),
                (CANNOT_TELL, "too short", 300, 40)]:  # of 4 s
            with self.subTest(loop=loop, thread=thread):
                self.check(word, judge_window([
                    a_run(variant, 1, longest_freeze_ms=freeze)
                    for variant, freeze in [("event loop", loop),
                                            ("threads", thread)]]), says)

    def test_one_thread_waits(self) -> None:
        cases: list[tuple[str, str, dict[str, Any], float]] = [
            (HOLDS, "On 1 thread, 9.5 of 10 pages were in flight on "
             "average", dict(in_flight=9.5), 4.0),
            (NOT, "1.0 of 10 pages", dict(in_flight=1.0), 4.0),
            (NOT, "On 2 threads", dict(in_flight=9.5, threads=2), 4.0),
            (NOT, "2.6 s", dict(in_flight=9.5), 2.6),
            (CANNOT_TELL, "", dict(in_flight=4.0), 4.0),
            (CANNOT_TELL, "too close", dict(in_flight=9.5), 3.4),
            (CANNOT_TELL, "--workers 1,5", dict(workers=1), 4.0),
            (CANNOT_TELL, "--workers 1,5", dict(workers=9), 4.0)]
        for word, says, how, rival in cases:
            with self.subTest(how=how, rival=rival):
                self.check(word, one_thread_waits([
                    a_run("asyncio", **{"workers": 10, **how}),
                    a_run("threads", 10, rival, 11.0)]), says)
        for seconds, word in (20.0, HOLDS), (4.1, NOT):
            with self.subTest(alone=seconds):
                self.check(word, one_thread_waits([
                    a_run("threads", 1, 20.0), a_run("threads", 10),
                    a_run("asyncio", 1, seconds),
                    a_run("asyncio", 10, in_flight=9.5)]))

    def test_sieve(self) -> None:
        for word, says, trial, sieve, same in [
                (HOLDS, "on 2 processes took 4 s; the sieve on one core took "
                 "0.1 s", 4.0, 0.1, True),
                (NOT, "", 4.0, 3.9, True), (NOT, "", 4.0, 8.0, True),
                (NOT, "their sums differ", 4.0, 0.1, False),
                (CANNOT_TELL, "too short", 0.09, 0.01, True)]:
            with self.subTest(trial=trial, sieve=sieve, same=same):
                self.check(word, judge_sieve(
                    a_run("trial division", seconds=trial),
                    a_run("sieve", 1, sieve),
                    a_run("sieve in segments", seconds=sieve), same, True),
                    says)
        self.check(CANNOT_TELL, judge_sieve(
            a_run("trial division", 1, 4.0), a_run("sieve", 1, 0.1),
            a_run("sieve in segments", 1, 0.1), True, False), "more cores")
