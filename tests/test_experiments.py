"""Verdicts on given figures, the options of lessons, and what they do."""

import json
import multiprocessing
import os
import unittest
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

from concur_demo import _experiments, measure
from concur_demo._experiments import TABLE, Lab
from concur_demo._machine import this_machine
from concur_demo._measure import Run, Span
from concur_demo._report import Verdict
from concur_demo._run import lesson_parser

from .support import TestCase, run_lesson

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
    return mock.patch.object(_experiments, "this_machine", lambda: machine)


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
        waiting = [a_run(1, 4, 1, 0)]
        copy, pool = "copy_threads", "primes_pool"
        titles, threads = "titles_threads", "primes_threads"
        cases: list[tuple[str, str, list[Run], dict[str, Any]]] = [
            (copy, HOLDS, [*alone, faster], {}),
            (copy, NOT, [*alone, slower], {}),
            (copy, NOT, [*alone, a_run(2, 8)], {}),
            # More workers than cores, which are all busy
            (copy, NOT, [*alone, a_run(8, 4, 8, 2)], {}),
            (copy, CANNOT_TELL, [*alone, turns], {}),
            (copy, CANNOT_TELL, [*waiting, slower], {}),
            (copy, CANNOT_TELL, [*alone, faster], {"cores": 1}),
            (pool, HOLDS, [*alone, faster], {}),
            (pool, NOT, [*alone, slower], {}),
            (pool, CANNOT_TELL, [*alone, turns], {}),
            # The time to start its worker is most of the run
            (pool, CANNOT_TELL, [a_run(1, 4, 0.5), slower], {}),
            (pool, CANNOT_TELL, [*alone, faster], {"cores": 1}),
            (titles, HOLDS, [*waiting, a_run(5, 1, 4, 0)], {"cores": 1}),
            (titles, NOT, [*waiting, a_run(5, 4, 1, 0)], {"cores": 1}),
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
        self.assertIn("takes 45.00 of the 90.00 seconds", verdict.take_home)

    def test_why_a_comparison_cannot_tell(self) -> None:
        good = [a_run(1, 4), a_run(2, 2)]
        for says, runs, cores in [
                ("2 of 2 tasks failed", [good[0], a_run(2, 2, failed=2)], 2),
                ("include 1 and a larger number", good[:1], 2),
                ("include 1 and a larger number", good[1:], 2),
                ("too short", [good[0], a_run(2, 0.0049)], 2),
                ("Only 1 core ", good, 1)]:
            with self.subTest(says=says):
                verdict = self.verdict("primes_threads", runs, cores=cores)
                self.assertEqual(verdict.word, CANNOT_TELL)
                self.assertIn(says, verdict.evidence)

    def test_the_cap_of_whole_sums(self) -> None:
        # The tutorial's three sums cost about n**1.5.
        self.assertRegex(
            _experiments.cap_of_whole_sums([n ** 1.5 for n in (1, 2, 3)]),
            r"takes 5\.20 of the 9\.02 seconds.* 1\.74 times as fast as "
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
                self.assertIn("1 task failed" if failed else
                              "12,345 a second", verdict.evidence)


class OptionTest(TestCase):
    """What makes no sense is told in one line, or raised."""

    def test_what_makes_no_sense(self) -> None:
        bad: list[tuple[str, str, Any]] = [
            (lesson, f"--{name}", value) for lesson, name, values in [
                ("primes_threads", "workers", [
                    "0", "-1", "two", "", "1,,2", "1.5", "9" * 30, "1001"]),
                ("hello_pipe", "messages", ["0", "-5", "many", "9" * 30]),
                ("hello_pipe", "repeat", ["0", "1e3"]),
                ("copy_threads", "size", ["0", "big", "", "M", "9" * 30]),
                ("copy_threads", "files", ["0"]),
                ("copy_threads", "into", ["/nowhere/at all"]),
                ("primes_pool", "start-method", ["magic"]),
                ("primes_pool", "pool", [
                    "nonsense", "no.such.module:Pool", "os:NoPool", ":"]),
            ] for value in values]
        bad += [("primes_pool", "LIMIT", limit)
                for limit in ("0", "ten", "9" * 30)]
        words = [(lesson, argument, [value] if argument == "LIMIT" else
                  [f"{argument}={value}"]) for lesson, argument, value in bad]
        words += [
            ("primes_pool", "--start-method", [
                "--pool=multiprocessing.pool:ThreadPool",
                f"--start-method={multiprocessing.get_start_method()}"]),
            ("hello_pipe", "--nonsense", ["--nonsense"]),
            ("hello_pipe", "operand", ["operand"])]
        with ThreadPoolExecutor(2) as executor:
            for (lesson, argument, options), ended in zip(
                    words, executor.map(
                        lambda one: run_lesson(one[0], *one[2]), words)):
                with self.subTest(lesson=lesson, options=options):
                    self.assertEqual((ended.status, ended.stdout), (2, ""))
                    self.assertRegex(
                        ended.stderr, rf"\A{lesson}: [^\n]*{argument}[^\n]*"
                        r" \(see --help\)\n\Z")
        for lesson, argument, value in bad:
            with self.subTest(lesson=lesson, argument=argument, value=value):
                tasks = [value] if argument == "LIMIT" else []
                own = {} if tasks else {
                    argument[2:].replace("-", "_"):
                    value.split(",") if argument == "--workers" else value}
                with self.assertRaisesRegex(ValueError, argument):
                    measure(lesson, tasks, **own)
        with self.assertRaisesRegex(ValueError, "nonsense.*primes_pool"):
            measure("nonsense")

    def test_wildcards_are_expanded_on_windows(self) -> None:
        folder = self.folder()
        for name in "b.mp4", "a.mp4":
            (folder / name).touch()
        with mock.patch("os.name", "nt"):
            self.assertEqual(
                [os.path.basename(name)
                 for name in TABLE["copy_threads"].expand(
                     [f"{folder}/*.mp4", "missing*"])],
                ["a.mp4", "b.mp4", "missing*"])


class RunsTest(TestCase):
    """Runs of the lessons with tasks and options of the user."""

    def test_own_limits_are_compared_on_every_number(self) -> None:
        for lesson, variants in [
                ("primes_threads", ["whole sums"]),
                ("primes_pool", ["whole sums", "equal pieces"])]:
            with self.subTest(lesson=lesson):
                report = measure(lesson, [100, 10, 10], workers=[3, 1, 50, 3])
                self.assertEqual(
                    [(run.variant, run.workers) for run in report.runs],
                    [(variant, workers) for variant in variants
                     for workers in (3, 1, 50)])
                for run in report.runs:
                    self.assertEqual(
                        sorted(span.task for span in run.spans),
                        ["0 to 10", "0 to 10", "0 to 100"])
                    # More workers than tasks have nothing to do.
                    self.assertLessEqual(
                        len({span.worker for span in run.spans}), 3)
                    self.assertIsNotNone(run.speed_up)
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

    def test_figures_of_its_own_show_in_every_form(self) -> None:
        report = measure("hello_pipe", messages=50, workers=[1, 2])
        said = dict(report.results)
        name, me = said["child's name"], os.getpid()
        self.assertEqual(said["child's ppid"], me)
        self.assertNotEqual(said["child's pid"], me)
        self.assertEqual(said["child's answer"],
                         f"{name} was told: Hello {name}, this is {me}")
        for run, row in zip(report.runs, json.loads(report.json())["runs"]):
            [(name, figure)] = row["figures"].items()
            self.assertEqual(name, "round trips a second")
            self.assertGreater(figure, 0)
            self.assertEqual(run.figures, row["figures"])
            for form in (report.text(200), report.markdown(),
                         report._repr_html_()):
                self.assertIn(name, form)
                self.assertIn(f"{figure:,}", form)

    def test_more_files_than_there_is_room_for(self) -> None:
        folder = self.folder()
        ended = run_lesson("copy_threads", "--size", "900G", "--files",
                           100_000, "--into", folder)
        self.assertEqual((ended.status, ended.stdout), (1, ""))
        self.assertRegex(
            ended.stderr, r"\Acopy_threads: [^\n]*180000000000000000 bytes"
            r"[^\n]*\n\Z")
        self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main()
