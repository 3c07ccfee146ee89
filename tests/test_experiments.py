"""Verdicts on given figures, the options of lessons, and what they do."""

import contextlib
import json
import math
import multiprocessing
import multiprocessing.pool
import os
import unittest
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

from concur_demo import (
    _experiments, _lab, _verdicts, measure, primes_pool, primes_threads)
from concur_demo._experiments import TABLE
from concur_demo._lab import Lab
from concur_demo._machine import this_machine
from concur_demo._measure import Run, Span
from concur_demo._report import Verdict
from concur_demo._run import lesson_parser

from . import cluster
from .support import PYTHON, TestCase, run, run_lesson

# A look at a process takes so long that it often ends meanwhile.
SLOW_LOOK = """
import runpy, threading, time
from multiprocessing.process import BaseProcess
exitcode = BaseProcess.exitcode.fget

def slow(process):
    end = time.perf_counter() + 0.2
    while (threading.current_thread() is threading.main_thread() and
           exitcode(process) is None and time.perf_counter() < end):
        time.sleep(0.01)
    return exitcode(process)

BaseProcess.exitcode = property(slow)
runpy.run_module("concur_demo.primes_pool", run_name="__main__",
                 alter_sys=True)
"""


class short_pool(multiprocessing.pool.ThreadPool):
    """A pool that loses a result."""

    def map_async(  # type: ignore[override]
            self, work: Any, tasks: Any, chunksize: Any) -> Any:
        return super().map_async(work, tasks[1:], chunksize)


def leaving_pool(workers: int) -> None:
    """Leave Python in place of making a pool."""
    raise SystemExit


HOLDS, NOT, CANNOT_TELL = "holds", "does not hold", "cannot tell"


def a_run(workers: int, seconds: float, in_flight: float | None = None,
          cores_busy: float | None = None, variant: str = "equal pieces",
          failed: int = 0) -> Run:
    """Return a run of two tasks with these figures; if they are not given,
    all workers are at work all the time, and each keeps a core busy."""
    in_flight = workers if in_flight is None else in_flight
    cores_busy = in_flight if cores_busy is None else cores_busy
    return Run(variant, workers, seconds, [
        Span(f"task {number}", "worker", 0.0, in_flight * seconds / 2,
             cores_busy * seconds / 2, "broken" if number < failed else None)
        for number in range(2)], {"round trips a second": 12_345})


def on_machine(**changes: Any) -> Any:
    """Have the lessons judged as on such a machine."""
    machine = this_machine()._replace(**{"cores": 2, "gil": True, **changes})
    patched = contextlib.ExitStack()
    for module in _experiments, _lab:
        patched.enter_context(mock.patch.object(
            module, "this_machine", lambda: machine))
    return patched


class VerdictTest(TestCase):
    """Each lesson is made to say each of its words."""

    def verdict(self, lesson: str, runs: Sequence[Run],
                result: Callable[[Any], Any] | None = None,
                options: Sequence[str] = (), **machine: Any) -> Verdict:
        """Return the verdict of a lesson, had it been measured like that;
        result() gives the results of its tasks."""
        def compare(lab: Lab, variant: str, mechanism: object, work: object,
                    tasks: Sequence[Any], **how: Any) -> list[Any]:
            lab.runs = list(runs)
            return [(task, result(task)) for task in tasks if result]

        with (on_machine(**machine), mock.patch.object(
                Lab, "compare", compare)):
            return TABLE[lesson].experiment(Lab(
                lesson, lesson_parser(lesson).parse_args(options),
                str(self.folder()), print))[1]

    def test_lessons_on_several_workers(self) -> None:
        alone = [a_run(1, 4, variant="whole sums"), a_run(1, 4)]
        faster, slower = a_run(2, 4 / 1.16), a_run(2, 4 / 1.14)
        turns = a_run(2, 4, 2, 1)  # at one core, or at the GIL
        waiting = [a_run(1, 4, 1, 0), a_run(1, 4, 1, 0, variant="pages")]
        copy, pool = "copy_threads", "primes_pool"
        titles, threads = "titles_threads", "primes_threads"
        cases: list[tuple[str, str, list[Run], dict[str, Any]]] = [
            (copy, HOLDS, [*alone, faster], {}),
            (copy, NOT, [*alone, slower], {}),
            (copy, NOT, [*alone, a_run(2, 8)], {}),
            # More workers than cores, which are all busy
            (copy, NOT, [*alone, a_run(8, 4, 8, 2)], {}),
            (copy, CANNOT_TELL, [*alone, turns], {}),
            (copy, CANNOT_TELL, [waiting[0], slower], {}),
            (copy, CANNOT_TELL, [*alone, faster], {"cores": 1}),
            (pool, HOLDS, [*alone, faster], {}),
            # The same work took more CPU time: as on slower cores
            (pool, CANNOT_TELL, [*alone, slower], {}),
            (pool, CANNOT_TELL, [*alone, a_run(2, 4)], {}),
            # A single large task leaves the other process without work
            (pool, NOT, [*alone, a_run(2, 4, 1)], {}),
            # Too short for a clock that ticks 64 times a second
            (copy, CANNOT_TELL, [a_run(1, 0.09), a_run(2, 0.09)], {}),
            (copy, HOLDS, [a_run(1, 0.09), a_run(2, 0.05)], {}),
            (pool, CANNOT_TELL, [a_run(1, 0.09), a_run(2, 0.05)], {}),
            (pool, CANNOT_TELL, [*alone, turns], {}),
            # Faster, but on one core
            (pool, CANNOT_TELL, [*alone, a_run(2, 2, 2, 1)], {}),
            # The time to start its worker is most of the run
            (pool, CANNOT_TELL, [a_run(1, 4, 0.5), slower], {}),
            (pool, CANNOT_TELL, [*alone, faster], {"cores": 1}),
            (pool, CANNOT_TELL, [*alone, faster], {"cores": 1.1}),
            (pool, HOLDS, [*alone, a_run(2, 8 / 3, 2, 1.5)], {"cores": 1.5}),
            # All of two and a half cores is not the fault of others
            (copy, NOT, [*alone, a_run(3, 4, 3, 2.5)], {"cores": 2.5}),
            (titles, HOLDS, [*waiting, a_run(5, 1, 4, 0, "pages")],
             {"cores": 0.5}),
            (titles, NOT, [*waiting, a_run(5, 4, 1, 0, "pages")],
             {"cores": 1}),
            (threads, HOLDS, [*alone, turns], {}),
            (threads, HOLDS, [*alone, slower], {}),
            (threads, CANNOT_TELL, [*alone, faster], {}),
            (threads, CANNOT_TELL, [*alone, turns], {"cores": 1}),
            (threads, NOT, [*alone, faster], {"gil": False}),
            # A single large task leaves the other thread without work
            (threads, CANNOT_TELL, [*alone, turns], {"gil": False})]
        for number, (lesson, word, runs, machine) in enumerate(cases):
            with self.subTest(number=number, lesson=lesson, word=word):
                verdict = self.verdict(
                    lesson, runs, len if lesson == pool else None,
                    [__file__] * (lesson == copy), **machine)
                self.assertEqual(verdict.word, word)
                self.assertRegex(verdict.evidence, r"\A[A-Z].*\.\Z")
                # What it teaches is told only where it has shown it.
                self.assertEqual(
                    bool(verdict.take_home), word == HOLDS or
                    (word, lesson) == (NOT, threads))

    def test_one_worker_is_compared_with_the_fastest_of_several(self) -> None:
        verdict = self.verdict("primes_pool", [
            a_run(1, 90, variant="whole sums"),
            a_run(3, 1, variant="whole sums"),
            a_run(2, 5), a_run(3, 4), a_run(1, 8), a_run(4, 6)], len)
        self.assertEqual(
            verdict.evidence, "Equal pieces: 3 processes took 4 s where one "
            "took 8 s, with 3.0 tasks in flight and 3.00 cores busy.")
        self.assertIn("takes 45.00 of their 90.00 CPU", verdict.take_home)

    def test_why_a_comparison_cannot_tell(self) -> None:
        good = [a_run(1, 4), a_run(2, 2)]
        for says, runs, cores in [
                ("Of 2 tasks, 2 failed", [good[0], a_run(2, 2, failed=2)], 2),
                ("include 1 and a larger number", good[:1], 2),
                ("include 1 and a larger number", good[1:], 2),
                ("Of 2 tasks, 2 failed", [
                    a_run(1, 4)._replace(spans=good[0].spans[:1]),
                    a_run(2, 2, failed=2)], 2),
                ("too short", [good[0], a_run(2, 0.0049)], 2),
                ("takes its own number", [a_run(1, 4, 1.3), good[1]], 2),
                ("Only 1 core may be used here.", good, 1),
                ("Only 1.1 cores may be used here (a container's limit is "
                 "1.1).", good, 1.1),
                ("2.00 cores busy (a container's limit is 1.5).", good, 1.5)]:
            with self.subTest(says=says):
                verdict = self.verdict("primes_threads", runs, cores=cores)
                self.assertEqual(verdict.word, CANNOT_TELL)
                self.assertIn(says, verdict.evidence)

    def test_the_cap_of_whole_sums(self) -> None:
        # The tutorial's three sums cost about n**1.5.
        self.assertRegex(
            _verdicts.cap_of_whole_sums([n ** 1.5 for n in (1, 2, 3)]),
            r"takes 5\.20 of their 9\.02 CPU seconds.* 1\.74 times as fast as "
            r"one.* 1\.46 times\.\Z")

    def test_a_talk(self) -> None:
        me = os.getpid()
        for word, ppid, pid, failed in [
                (HOLDS, me, me + 1, 0), (NOT, me, me, 0),
                (NOT, me + 2, me + 1, 0), (CANNOT_TELL, me, me + 1, 1)]:
            with self.subTest(word=word, ppid=ppid, pid=pid):
                verdict = self.verdict(
                    "hello_pipe", [a_run(1, 4, failed=failed), a_run(2, 4)],
                    lambda task: ("Process-1", ppid, pid, "told", 9, 0.1))
                self.assertEqual(verdict.word, word)
                self.assertIn("Of 2 tasks, 1 failed" if failed else
                              "12,345 a second", verdict.evidence)


class OptionTest(TestCase):
    """What makes no sense is told in one line, or raised."""

    def test_what_makes_no_sense(self) -> None:
        cases: list[tuple[str, str, list[Any]]] = [
            *((lesson, "workers", [
                "1000000", "0", "-1", "two", "", "1,,2", "1.5", "9" * 30,
                "1001"]) for lesson in TABLE),
            *((lesson, "LIMIT", ["9" * 30, "ten", "0"])
              for lesson, entry in TABLE.items()
              if entry.operand.get("metavar") == "LIMIT"),
            ("titles_asyncio", "pages", ["0", "-1", "many", "10001"]),
            ("counter_threads", "updates", ["0", "-1", "many", "9" * 30]),
            ("counter_processes", "updates", ["0", "-1", "many", "9" * 30]),
            ("torn_pipe", "size", ["2G"]),
            ("hello_pipe", "messages", ["-5", "0", "many", "9" * 30]),
            ("hello_pipe", "repeat", ["9" * 30, "0", "1e3"]),
            ("copy_threads", "size", ["big", "0", "", "M", "9" * 30]),
            ("copy_threads", "files", ["0"]),
            ("copy_threads", "into", ["/nowhere/at all"]),
            ("primes_pool", "start-method", ["magic"]),
            ("primes_pool", "pool", [
                "nonsense", "no.such.module:Pool", "os:NoPool", ":"]),
            ("titles_threads", "nonsense", ["1"])]
        for lesson, name, values in cases:
            for value in values:
                own: dict[str, Any] = {
                    name.replace("-", "_"): [value] if (
                        name in ("workers", "LIMIT")) else value}
                with (self.subTest(name=name, value=value),
                      self.assertRaisesRegex(ValueError, name)):
                    measure(lesson, own.pop("LIMIT", ()), **own)
        with self.assertRaisesRegex(ValueError, "nonsense.*primes_pool"):
            measure("nonsense")
        with mock.patch("importlib.import_module",
                        side_effect=SystemExit("needs ray")), \
                self.assertRaisesRegex(ValueError, "pool.*needs ray"):
            measure("primes_pool", pool="module:Pool")
        # As a command, of the options that all have one lesson's will do.
        commands = [(lesson, name, [
            ("" if name == "LIMIT" else f"--{name}=") + values[0]])
            for lesson, name, values in cases if lesson == "primes_threads"
            or name not in ("workers", "LIMIT")]
        commands += [
            ("primes_pool", "--start-method", [
                "--pool=multiprocessing.pool:ThreadPool",
                f"--start-method={multiprocessing.get_start_method()}"]),
            ("hello_pipe", "operand", ["operand"])]
        with ThreadPoolExecutor(2) as executor:
            for (lesson, name, words), ended in zip(commands, executor.map(
                    lambda one: run_lesson(one[0], *one[2]), commands)):
                with self.subTest(lesson=lesson, words=words):
                    self.assertEqual((ended.status, ended.stdout), (2, ""))
                    self.assertRegex(
                        ended.stderr, rf"\A{lesson}: .*{name}.*\n\Z")


class RunsTest(TestCase):
    """Runs of the lessons with tasks and options of the user."""

    def test_own_limits_are_compared_on_every_number(self) -> None:
        for mechanism, variants in [
                (primes_threads.map_threads, ["whole sums"]),
                (primes_pool.map_pool, ["whole sums", "equal pieces"])]:
            lesson = mechanism.__module__.rpartition(".")[2]
            with (self.subTest(lesson=lesson), mock.patch(
                    f"{mechanism.__module__}.{mechanism.__name__}",
                    wraps=mechanism) as used):
                report = measure(lesson, [100, 10, 10], workers=[3, 1, 50, 3])
                # More workers than tasks would have nothing to do.
                self.assertEqual([call.args[2] for call in used.mock_calls
                                  if call.args], [3, 1, 3] * len(variants))
                self.assertEqual(
                    [(one.variant, one.workers) for one in report.runs],
                    [(variant, workers) for variant in variants
                     for workers in (3, 1, 50)])
                for one in report.runs:
                    self.assertEqual(
                        sorted(span.task for span in one.spans),
                        ["1 to 10", "1 to 10", "1 to 100"])
                    self.assertIsNotNone(one.speed_up)
                self.assertEqual(report.results, [
                    (f"sum of the primes up to {limit}", total)
                    for limit, total in ((10, 17), (10, 17), (100, 1060))])

    def test_each_pool(self) -> None:
        for option, value in [
                ("pool", "multiprocessing.pool:ThreadPool"),
                ("pool", "tests.test_lessons:least_pool"),
                *(("start_method", method)
                  for method in multiprocessing.get_all_start_methods())]:
            own: dict[str, Any] = {option: value}
            with self.subTest(value):
                report = measure("primes_pool", [110_000], workers=[2], **own)
                self.assertEqual(report.results, [
                    ("sum of the primes up to 110000", 544_815_056)])
                self.assertEqual(report.worker, (
                    "worker" if option == "pool" else "process"))
        with self.assertRaisesRegex(RuntimeError, "the pool failed: "):
            measure("primes_pool", [9], pool="collections:OrderedDict")

    def test_a_pool_may_end_its_processes(self) -> None:
        ended = run([*PYTHON, "-c", SLOW_LOOK, "20000", "30000",
                     "--workers", "2,3", "--repeat", "9"])
        self.assertEqual((ended.status, ended.stderr), (0, ""))

    def test_a_password_in_the_wrong_place_is_not_echoed(self) -> None:
        ended = run_lesson("titles_threads", "--repeat", "http://me:secret@h/")
        self.assertEqual(ended.status, 2)
        self.assertIn("--repeat: 'http://h/'", ended.stderr)

    def test_a_pool_that_lies(self) -> None:
        for pool in "short_pool", "leaving_pool":
            with self.assertRaisesRegex(RuntimeError, "the pool failed: "):
                measure("primes_pool", [9, 99], pool=f"{__name__}:{pool}")

    def test_a_single_task_proves_nothing(self) -> None:
        self.assertEqual(measure("primes_threads", [50_000]).verdict[0],
                         CANNOT_TELL)

    def test_figures_of_its_own_show_in_every_form(self) -> None:
        report = measure("hello_pipe", messages=50, workers=[1, 2])
        said = dict(report.results)
        name, me = said["child's name"], os.getpid()
        self.assertEqual(said["its parent's pid"], me)
        self.assertNotEqual(said["its own pid"], me)
        self.assertEqual(said["its answer"],
                         f"{name} was told: Hello {name}, this is {me}")
        for one, row in zip(report.runs, json.loads(report.json())["runs"]):
            [(name, figure)] = row["figures"].items()
            self.assertEqual(name, "round trips a second")
            self.assertGreater(figure, 0)
            self.assertEqual(one.figures, row["figures"])
            for form in (report.text(200), report.markdown(),
                         report._repr_html_()):
                self.assertIn(name, form)
                self.assertIn(f"{figure:,}", form)


class ClusterTest(TestCase):
    """Pools of cluster software, whose workers are on other machines."""

    def test_their_figures_count(self) -> None:
        self.addCleanup(cluster.MPIPool.end)
        for pool in "RayPool", "MPIPool":
            with self.subTest(pool):
                report = measure("primes_pool", [10, 100, 10], workers=[2],
                                 pool=f"tests.cluster:{pool}")
                self.assertEqual(report.errors(), [])
                self.assertEqual(report.results[-1], (
                    "sum of the primes up to 100", 1060))
                for one in report.runs:
                    self.assertEqual(
                        len({span.worker for span in one.spans}), one.workers)
                    # However far ahead their clocks are, the picture holds.
                    for span in one.spans:
                        self.assertLessEqual(0, span.start)
                        self.assertLessEqual(
                            span.start + span.seconds, one.seconds)

    def test_what_fails_is_told_in_a_line(self) -> None:
        pool = "tests.cluster:RayPool"
        with self.assertRaisesRegex(
                RuntimeError, "^the pool failed: Tried to .* only 2 CPUs$"):
            measure("primes_pool", [9, 9, 9], workers=[3], pool=pool)
        with (mock.patch("concur_demo.primes_pool.sum_primes", cluster.die),
              self.assertRaisesRegex(
                  RuntimeError, "^the pool failed: ActorDied: .{,190}$")):
            measure("primes_pool", [10, 20], workers=[2], pool=pool)
        with mock.patch("concur_demo.primes_pool.sum_primes", math.sqrt):
            report = measure("primes_pool", [10], workers=[1], pool=pool)
        self.assertIn("TypeError: must be real number", report.errors()[0][1])


if __name__ == "__main__":
    unittest.main()
