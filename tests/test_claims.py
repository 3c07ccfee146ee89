"""Every claim of the lessons on locks, orders and mechanisms can fail: what
it rests on is taken away, and the verdict changes."""

import asyncio
import contextlib
import threading
import time
import unittest
from typing import Any
from unittest import mock

from concur_demo import (
    counter_processes, counter_threads, measure, primes_threads,
    titles_executor, transfer_threads, window_threads)
from concur_demo._machine import this_machine

from .support import HAS_INTERPRETERS, HAS_WINDOWS, TestCase


def one_by_one(work: Any, tasks: Any, workers: int) -> Any:
    """Wait for each page before the next is asked for."""
    async def wait() -> list[Any]:
        return [(task, await work(task)) for task in tasks]
    return asyncio.run(wait())


def burn(numbers: range) -> int:
    """Compute for half a second for a million numbers, on any machine."""
    end = time.perf_counter() + len(numbers) / 2_000_000
    while time.perf_counter() < end:
        pass
    return len(numbers)


def burn_more(numbers: range) -> int:
    """Compute for so long that also the start of a process costs less."""
    return [burn(numbers) for _ in range(2)][0]


def meeting_plus_one() -> Any:
    """Return a plus_one() in which each thread, at its first call, waits for
    a second one: both have read the same number then."""
    meeting, known = threading.Barrier(2), threading.local()

    def plus_one(number: int) -> int:
        if not hasattr(known, "met"):
            known.met = meeting.wait(timeout=10)
        return number + 1
    return plus_one


class Claims(TestCase):

    def assert_verdict(self, word: str, lesson: str, *changes: Any,
                       **options: Any) -> None:
        with contextlib.ExitStack() as changed:
            for change in changes:
                changed.enter_context(change)
            verdict = measure(lesson, **{"workers": [1, 2], **options}).verdict
        self.assertEqual(verdict.word, word, verdict)

    def patched(self, target: str, value: Any) -> Any:
        return mock.patch(f"concur_demo.{target}", value)

    def test_threads_without_their_lock(self) -> None:
        self.assert_verdict(
            "does not hold", "counter_threads", self.patched(
                "counter_threads.lock", contextlib.nullcontext()),
            self.patched("counter_threads.plus_one", meeting_plus_one()),
            updates=400, workers=[2])

    def test_a_mere_plus_one_that_is_without_luck(self) -> None:
        def add(updates: int) -> None:  # as on a Python without the GIL
            counter_threads.counter += updates - 1

        with self.patched("counter_threads.add_at_once", add), \
                self.patched("counter_threads.add_by_call", add):
            verdict = measure("counter_threads", updates=400,
                              workers=[2]).verdict
        self.assertEqual(verdict.word, "holds")
        self.assertRegex(verdict.take_home, r"\+= 1 lost [1-9][\d,]*\.$")

    def test_processes_without_their_lock(self) -> None:
        self.assert_verdict(
            "does not hold", "counter_processes", self.patched(
                "counter_processes.add_to_locked",
                counter_processes.add_to_value), workers=[2])

    def test_threads_in_place_of_processes(self) -> None:
        self.assert_verdict(
            "does not hold", "counter_processes", self.patched(
                "counter_processes.map_processes",
                primes_threads.map_threads), self.patched(
                "counter_processes.counter", 0), updates=400)

    def test_one_order_that_is_none(self) -> None:
        transfer: Any = transfer_threads.transfer
        barrier = threading.Barrier

        def in_opposite_order(_: bool, meeting: Any, task: Any) -> Any:
            return transfer(False, meeting, task)

        self.assert_verdict(
            "does not hold", "transfer_threads", self.patched(
                "transfer_threads.transfer", in_opposite_order),
            self.patched("transfer_threads.PATIENCE", 0.1),
            mock.patch("threading.Barrier", lambda _: barrier(2)),
            workers=[2])

    def test_coins_that_come_from_nowhere(self) -> None:
        class Mint(dict[str, int]):
            def __setitem__(self, name: str, coins: int) -> None:
                super().__setitem__(name, coins + (name == "a"))

        self.assert_verdict(
            "does not hold", "transfer_threads", self.patched(
                "transfer_threads.coins", Mint(a=100, b=100)),
            self.patched("transfer_threads.PATIENCE", 0.1))

    @unittest.skipUnless(HAS_WINDOWS, "needs a display")
    def test_a_thread_that_is_none(self) -> None:
        self.assert_verdict(
            "does not hold", "window_threads", self.patched(
                "window_threads.map_threads", window_threads.map_here),
            self.patched("window_threads.sum_primes", burn),
            tasks=[700_000], workers=[1])

    def test_writers_without_their_lock(self) -> None:
        self.assert_verdict(
            "does not hold", "torn_pipe",
            mock.patch("multiprocessing.Lock", contextlib.nullcontext),
            workers=[2])

    def test_an_executor_of_one_thread(self) -> None:
        map_executor: Any = titles_executor.map_executor
        self.assert_verdict(
            "does not hold", "titles_executor", self.patched(
                "titles_executor.DELAY", 0.05), self.patched(
                "titles_executor.map_executor", lambda work, tasks, workers:
                map_executor(work, tasks, 1)))

    def test_pages_one_by_one(self) -> None:
        self.assert_verdict(
            "does not hold", "titles_asyncio", self.patched(
                "titles_asyncio.DELAY", 0.02), self.patched(
                "titles_asyncio.map_asyncio", one_by_one), workers=[5])

    @unittest.skipUnless(this_machine().gil, "needs the GIL")
    def test_threads_that_take_turns_at_the_gil(self) -> None:
        map_threads = primes_threads.map_threads
        cases = [("primes_queue", "map_processes")]
        if HAS_INTERPRETERS:
            cases.append(("primes_interpreters", "map_interpreters"))
        machine = this_machine()._replace(cores=2)
        for lesson, mechanism in cases:
            with self.subTest(lesson=lesson):
                self.assert_verdict(
                    "cannot tell", lesson, self.patched(
                        f"{lesson}.{mechanism}", map_threads), self.patched(
                        "_lab.this_machine", lambda: machine),
                    tasks=[200_000, 200_000])

    def test_a_sieve_that_is_none(self) -> None:
        self.assert_verdict(
            "does not hold", "primes_sieve", self.patched(
                "primes_sieve.sum_primes", burn), self.patched(
                "primes_sieve.sieve", burn_more), tasks=[300_000])
