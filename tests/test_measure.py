"""Traced work, and the figures of its runs."""

import asyncio
import contextlib
import io
import multiprocessing
import os
import pathlib
import threading
import time
import warnings
from typing import Any
from unittest import mock

import concur_demo
from concur_demo._measure import (
    AsyncTraced, Run, Span, Traced, note_of, trace)
from concur_demo.primes_threads import map_threads

from .support import TestCase


def look_into(folder: str) -> tuple[str, int, dict[str, str]]:
    """Return which process this is, and the notes in the folder."""
    return multiprocessing.current_process().name, os.getpid(), {
        note.name: note.read_text(encoding="utf-8")
        for note in pathlib.Path(folder).iterdir()}


def burn(seconds: float) -> None:
    """Use so much CPU time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))


def run_of(workers: int, seconds: float, *errors: str | None) -> Run:
    """Return a run of such tasks, of a second each and half of it CPU."""
    return Run("sums", workers, seconds, [
        Span("task", "worker", 0.0, 1.0, 0.5, error) for error in errors])


class TracedWork(TestCase):

    def setUp(self) -> None:
        self.notes = str(self.folder())

    def in_thread(self, task: Any, work: Any, **how: Any) -> Any:
        """Return the outcome of the task, done in a new thread."""
        traced, outcomes = Traced(work, self.notes, **how), list[Any]()
        thread = threading.Thread(
            target=lambda: outcomes.append(traced(task)), name="thread 7")
        thread.start()
        thread.join()
        return outcomes[0]

    def test_who_did_it_when_and_with_what_result(self) -> None:
        before = time.perf_counter()
        result, span = self.in_thread(range(4), sum)
        self.assertEqual((result, *span[:2], span.error),
                         (6, "range(0, 4)", "thread 7", None))
        self.assertGreaterEqual(span.start, before)
        self.assertGreaterEqual(span.seconds, 0)
        self.assertLessEqual(span.start + span.seconds, time.perf_counter())
        self.assertEqual(
            Traced(sum, self.notes)([])[1].worker, "MainThread")

    def test_cpu_time_is_that_of_the_workers_own_thread(self) -> None:
        self.assertGreater(self.in_thread(0.1, burn)[1].cpu_seconds, 0.09)
        # While one waits, another burns.
        waiting = Traced(lambda seconds: self.in_thread(seconds, burn),
                         self.notes)(0.1)[1]
        self.assertLess(waiting.cpu_seconds, 0.09)
        self.assertGreater(waiting.seconds, 0.09)

    def test_a_failure_is_an_error_of_the_task(self) -> None:
        def fail(failure: BaseException) -> None:
            raise failure

        for failure, error in (
                (ValueError("not\na number"), "not a number"),
                (KeyError("x"), "KeyError: 'x'"),
                (SystemExit(3), "SystemExit: 3")):
            for traced in (Traced(fail, self.notes),
                           Traced(str, self.notes, ready=fail)):
                result, span = traced(failure)
                self.assertEqual((result, span.error), (None, error))
        with self.assertRaises(KeyboardInterrupt):  # Ctrl-C is none
            Traced(fail, self.notes)(KeyboardInterrupt())

    def test_a_task_is_made_ready_before_the_clock_starts(self) -> None:
        def ready(task: str) -> tuple[str, float]:
            burn(0.1)
            return task, time.perf_counter()

        (task, ready_at), span = self.in_thread("x", tuple, ready=ready)
        self.assertEqual((task, span.task), ("x", "x"))
        self.assertGreaterEqual(span.start, ready_at)
        self.assertLess(span.cpu_seconds, 0.09)

    def test_verbose_tells_start_and_end_in_a_line_each(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self.in_thread("no number", float, verbose=True,
                           name="{}\n\x1b".format)
        self.assertEqual(told.getvalue().splitlines(), [
            rf"thread 7: {word} no number\n\x1b" for word in ("start", "end")])

    def test_processes_leave_a_note_while_at_work(self) -> None:
        look = Traced(look_into, self.notes, name="look\ninto {}".format)
        # To fork is safe here: the other thread is the tests' deadline.
        self.enterContext(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "This process .*multi-threaded")
        for method in multiprocessing.get_all_start_methods():
            context = multiprocessing.get_context(method)
            with self.subTest(method), context.Pool(1) as pool:
                [((name, pid, notes), span)] = pool.map(look, [self.notes])
                self.assertEqual(span.worker, f"{name} (pid {pid})")
                self.assertNotEqual(pid, os.getpid())
                self.assertEqual(notes, {os.path.basename(note_of(
                    pid, self.notes)): rf"look\ninto {self.notes}"})
                [failed] = pool.map(Traced(float, self.notes), ["x"])
                self.assertIn("could not convert", str(failed[1].error))
                self.assertEqual(os.listdir(self.notes), [])
                # Once the folder is gone, nothing more is done.
                make = Traced(os.mkdir, os.path.join(self.notes, "gone"))
                task = os.path.join(self.notes, "made")
                for _, span in [make(task), *pool.map(make, [task])]:
                    self.assertIsNotNone(span.error)
                self.assertEqual(os.listdir(self.notes), [])


class AsyncTracedWork(TestCase):
    """The work of coroutines, which take turns on one thread."""

    def setUp(self) -> None:
        self.notes = str(self.folder())

    def all_done(self, work: Any, *tasks: Any) -> list[Any]:
        """Return the outcomes of the tasks, all in flight at once."""
        async def gather() -> list[Any]:
            traced = AsyncTraced(work, self.notes)
            return [*await asyncio.gather(*map(traced, tasks))]
        return asyncio.run(gather())

    def test_all_wait_on_one_thread(self) -> None:
        meeting = asyncio.Barrier(3)

        async def meet(task: int) -> int:
            await meeting.wait()  # passes only if three are in flight
            return 2 * task

        outcomes = self.all_done(meet, 1, 2, 3)
        self.assertEqual([result for result, _ in outcomes], [2, 4, 6])
        self.assertEqual({(span.worker, span.error) for _, span in outcomes},
                         {("MainThread", None)})

    def test_cpu_time_is_that_of_its_own_steps(self) -> None:
        async def work(seconds: float) -> None:
            await asyncio.sleep(0.01)
            burn(seconds)
            await asyncio.sleep(0.01)

        (_, much), (_, little) = self.all_done(work, 0.2, 0.0)
        self.assertGreaterEqual(much.cpu_seconds, 0.2)
        self.assertLess(little.cpu_seconds, 0.1)

    def test_a_task_that_fails_or_takes_too_long(self) -> None:
        async def work(task: str) -> None:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)

        async def refuse(task: str) -> None:
            await asyncio.sleep(0)
            raise LookupError(task)

        [(result, span)] = self.all_done(work, "page")
        self.assertEqual((result, span.error), (None, "TimeoutError"))
        [(result, span)] = self.all_done(refuse, "page")
        self.assertEqual((result, span.error), (None, "LookupError: page"))

    def test_nothing_is_begun_once_the_notes_are_gone(self) -> None:
        os.rmdir(self.notes)
        self.addCleanup(os.mkdir, self.notes)
        with warnings.catch_warnings(action="ignore"):  # never awaited
            [(result, span)] = self.all_done(asyncio.sleep, 60)
        self.assertEqual(span.error, "RuntimeError: the run was broken off")


class Runs(TestCase):

    def test_figures_as_a_reader_sees_them(self) -> None:
        run = run_of(2, 1.25, None, None, "broken")
        self.assertEqual(
            (run.in_flight, run.cores_busy, run.failed), (2.4, 1.2, 1))
        run = run._replace(speed_up=1.987, figures={
            "lost": 353_000, "share": 0.123456, "a second": 12_345.6})
        self.assertEqual(run.shown(), {
            "seconds": "1.250", "speed-up": "1.99", "in flight": "2.40",
            "cores busy": "1.20", "lost": "353,000", "share": "0.1235",
            "a second": "12,346"})
        self.assertEqual(run_of(1, 2.0).shown()["speed-up"], "-")

    def test_the_best_of_repeats_its_spread_and_its_speed_up(self) -> None:
        runs = iter([
            run_of(2, 1.0, "broken"), run_of(2, 2.0, None), run_of(2, 3.0),
            run_of(1, 8.0), run_of(1, 4.0), run_of(1, 5.0)])
        with mock.patch("concur_demo._lab.trace",
                        lambda *how: (next(runs), [])):
            report = concur_demo.measure(
                "primes_threads", [10], workers=[2, 1], repeat=3)
        self.assertEqual(
            [(run.workers, run.seconds, run.spread, run.speed_up)
             for run in report.runs],
            # A run may have been fast because it failed.
            [(2, 2.0, 0.5, 2.0), (1, 4.0, 1.0, 1.0)])

    def test_tasks_that_meet_are_in_flight_at_once(self) -> None:
        meeting = threading.Barrier(2)
        run, pairs = trace("meeting", map_threads, Traced(
            lambda task: meeting.wait(10) * 0 + task, str(self.folder())),
            [7, 8], 2)
        self.assertEqual((*run[:2], run.failed, sorted(pairs)),
                         ("meeting", 2, 0, [(7, 7), (8, 8)]))
        one, other = run.spans
        self.assertNotEqual(one.worker, other.worker)
        self.assertLessEqual(0, one.start)
        self.assertLess(other.start, one.start + one.seconds)
        self.assertLessEqual(other.start + other.seconds, run.seconds)

    def test_results_come_as_the_mechanism_gives_them(self) -> None:
        def backwards(work: Any, tasks: Any, workers: int) -> Any:
            return reversed([(task, work(task)) for task in tasks])

        run, pairs = trace("quotients", backwards, Traced(
            lambda n: 6 // n, str(self.folder())), [1, 0, 2, 3], 1)
        self.assertEqual(pairs, [(3, 2), (2, 3), (1, 6)])
        self.assertEqual([span.task for span in run.spans], list("1023"))
        self.assertEqual(run.failed, 1)
