"""Figures, verdicts and the machine they are of."""

import pathlib
import tempfile
import threading
import time
import unittest

from concur_demo import (
    copy_threads, primes_pool, primes_threads, titles_threads)
from concur_demo._machine import Machine, this_machine, usable_cores
from concur_demo._measure import (
    Recorder, Run, Span, Traced, best_of, trace, with_speed_ups)
from concur_demo._report import (
    CANNOT_TELL, DOES_NOT_HOLD, HOLDS, Report, Verdict, compared)
from concur_demo._text import describe, printable
from concur_demo.worker_threads import map_threads

TWO_CORES = Machine("3.13.0", "CPython", True, 2, "Linux x86_64")


def run_of(workers: int, seconds: float, failed: int = 0,
           cpu_seconds: float = 1.0) -> Run:
    """Return a run of two tasks of a second each."""
    return Run("sums", workers, seconds, 2, failed, 2.0, cpu_seconds)


class FiguresTest(unittest.TestCase):
    """in_flight, cores_busy, speed_up."""

    def test_their_definitions(self) -> None:
        run = run_of(2, 4.0, cpu_seconds=1.0)
        self.assertEqual((run.in_flight, run.cores_busy), (0.5, 0.25))
        runs = with_speed_ups([run_of(1, 8.0), run_of(4, 2.0)])
        self.assertEqual([one.speed_up for one in runs], [1.0, 4.0])
        self.assertEqual(with_speed_ups([run_of(2, 2.0)])[0].speed_up, None)

    def test_tasks_that_meet_are_in_flight_at_once(self) -> None:
        meeting = threading.Barrier(2)
        run, results = trace(
            "meeting", map_threads, lambda task: meeting.wait(10), [1, 2], 2)
        self.assertEqual((run.tasks, run.failed, len(results)), (2, 0, 2))
        one, other = run.spans
        self.assertLess(max(one.start, other.start),
                        min(one.start + one.seconds,
                            other.start + other.seconds))
        self.assertEqual({one.worker, other.worker}, {"thread 1", "thread 2"})

    def test_waiting_takes_no_cpu_time_and_work_does(self) -> None:
        waiting = Traced(threading.Event().wait)(0.2).span
        self.assertLess(waiting.cpu_seconds, waiting.seconds / 2)
        work: Traced[range, int] = Traced(sum)
        working = work(range(10**6)).span
        self.assertGreater(working.cpu_seconds, 0)

    def test_a_task_that_fails_is_a_span_with_an_error(self) -> None:
        run, results = trace(
            "quotients", map_threads, lambda n: 1 // n, [0, 1], 1)
        self.assertEqual((run.tasks, run.failed), (2, 1))
        self.assertEqual(results, [(1, 1)])
        self.assertEqual([span.error is None for span in run.spans],
                         [False, True])

    def test_nothing_need_be_kept(self) -> None:
        shown = []
        run, results = trace(
            "squares", map_threads, lambda n: n * n, range(100), 2,
            show=lambda task, outcome: shown.append(outcome.result),
            keep=False)
        self.assertEqual((len(run.spans), results, run.tasks), (0, [], 100))
        self.assertEqual(sorted(shown), [n * n for n in range(100)])

    def test_best_of_repeats_knows_the_spread(self) -> None:
        seconds = iter([3.0, 2.0, 2.5])
        best, _ = best_of(3, lambda: (run_of(1, next(seconds)), []))
        self.assertEqual((best.seconds, best.spread), (2.0, 0.5))
        failing = iter([run_of(1, 1.0, failed=1), run_of(1, 2.0)])
        best, _ = best_of(2, lambda: (next(failing), []))
        self.assertEqual(best.failed, 0)

    def test_recorder_counts_from_its_start(self) -> None:
        recorder = Recorder()
        recorder.add(Span("b", "w", recorder.start + 2, 1.0, 0.5))
        recorder.add(Span("a", "w", recorder.start + 1, 1.0, 0.5, "broken"))
        time.sleep(0.001)
        run = recorder.run("two", 1)
        self.assertEqual([span.task for span in run.spans], ["a", "b"])
        self.assertAlmostEqual(run.spans[0].start, 1)
        self.assertEqual((run.tasks, run.failed, run.task_seconds,
                          run.cpu_seconds), (2, 1, 2.0, 1.0))


class VerdictTest(unittest.TestCase):
    """What is concluded from figures."""

    def test_where_it_cannot_be_told(self) -> None:
        for runs, machine, words in [
                ([run_of(1, 2.0)], TWO_CORES, "one worker and one on several"),
                ([run_of(2, 2.0)], TWO_CORES, "one worker and one on several"),
                ([run_of(1, 2.0), run_of(2, 1.0, failed=1)], TWO_CORES,
                 "1 task failed"),
                ([run_of(1, 0.002), run_of(2, 0.001)], TWO_CORES, "too short"),
                ([run_of(1, 2.0), run_of(2, 1.0)],
                 TWO_CORES._replace(cores=1), "Only 1 core")]:
            verdict = compared(runs, machine, lambda *_: Verdict(HOLDS, ""))
            with self.subTest(words=words):
                self.assertEqual(verdict.word, CANNOT_TELL)
                self.assertIn(words, verdict.evidence)

    def test_the_fastest_on_several_is_compared(self) -> None:
        verdict = compared(
            [run_of(1, 4.0), run_of(2, 3.0), run_of(3, 2.0)], TWO_CORES,
            lambda alone, best: Verdict(
                HOLDS, f"{alone.seconds} {best.seconds}"))
        self.assertEqual(verdict.evidence, "4.0 2.0")

    def test_threads_without_the_gil(self) -> None:
        alone, best = run_of(1, 4.0), run_of(2, 2.0)
        self.assertEqual([
            primes_threads.judge(alone, best, gil=False).word,
            primes_threads.judge(alone, best, gil=True).word,
            primes_threads.judge(alone, run_of(2, 4.1), gil=True).word],
            [DOES_NOT_HOLD, CANNOT_TELL, HOLDS])

    def test_copies(self) -> None:
        self.assertEqual(
            [copy_threads.judge(alone, best).word
             for alone in (run_of(1, 2.0, cpu_seconds=2.0), run_of(1, 2.0))
             for best in (run_of(2, 1.2), run_of(2, 2.0),
                          run_of(2, 2.0, cpu_seconds=4.0))],
            [HOLDS, CANNOT_TELL, DOES_NOT_HOLD,
             HOLDS, CANNOT_TELL, CANNOT_TELL])

    def test_what_cannot_be_told_teaches_nothing(self) -> None:
        alone = run_of(1, 2.0, cpu_seconds=2.0)
        for verdict in [
                copy_threads.judge(alone, run_of(2, 4.0)),
                titles_threads.judge(alone, run_of(2, 2.0)),
                primes_threads.judge(alone, run_of(2, 1.0), gil=True),
                primes_pool.judge(run_of(1, 2.0), run_of(2, 2.0), cores=2)]:
            self.assertEqual(verdict.take_home, "")

    def test_processes(self) -> None:
        alone = run_of(1, 2.0, cpu_seconds=2.0)
        starved = run_of(1, 2.0, cpu_seconds=1.0)
        crowded = run_of(2, 2.0, cpu_seconds=2.0)._replace(task_seconds=4.0)
        for one, best, word in [
                (alone, run_of(2, 1.0, cpu_seconds=2.0), HOLDS),
                (alone, run_of(2, 2.0, cpu_seconds=2.0), DOES_NOT_HOLD),
                (alone, crowded, CANNOT_TELL),
                (alone, run_of(2, 1.0, cpu_seconds=1.0), CANNOT_TELL),
                (starved, run_of(2, 2.0, cpu_seconds=1.0), CANNOT_TELL)]:
            with self.subTest(one=one, best=best):
                self.assertEqual(
                    primes_pool.judge(one, best, cores=2).word, word)
        self.assertEqual(  # these may be threads, with a GIL
            primes_pool.judge(alone, crowded, 2, "worker").word,
            DOES_NOT_HOLD)

    def test_cap_of_the_whole_sums(self) -> None:
        spans = [Span(str(n), "w", 0.0, share, share)
                 for n, share in enumerate([0.11, 0.31, 0.58])]
        sentence = primes_pool.cap_of_whole_sums(
            run_of(1, 1.0)._replace(spans=spans))
        self.assertIn("1.72 times", sentence)
        self.assertIn("1.45 times", sentence)


class ReportTest(unittest.TestCase):
    """The report that all forms are drawn from."""

    def test_spread_is_shown_when_it_is_large(self) -> None:
        for spread, shown in [(0.05, False), (0.25, True)]:
            run = run_of(1, 2.0)._replace(spread=spread)
            report = Report("x", "y", Verdict(HOLDS, "z."), TWO_CORES,
                            [run], [])
            with self.subTest(spread=spread):
                self.assertEqual("spread" in report.table()[0], shown)
                self.assertEqual("25%" in report.text(), shown)

    def test_one_line_for_a_notebook(self) -> None:
        report = primes_threads.measure([1000], workers=[1, 2])
        self.assertEqual(len(repr(report).splitlines()), 1)


class MachineTest(unittest.TestCase):
    """Cores that may be used, by affinity and control groups."""

    def cores(self, **files: str) -> int:
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return usable_cores(root)

    def test_limits_of_control_groups(self) -> None:
        every = self.cores()
        v2, v1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu"
        group = {"proc/self/cgroup": "0::/one/two\n"}
        old = {"proc/self/cgroup": "4:cpu,cpuacct:/one\n3:memory:/x\n"}
        for files, cores in [
                (group, every),
                (group | {f"{v2}/one/two/cpu.max": "max 100000"}, every),
                (group | {f"{v2}/one/two/cpu.max": "50000 100000"}, 1),
                (group | {f"{v2}/one/cpu.max": "100000 100000"}, 1),
                (group | {f"{v2}/cpu.max": "100000 100000"}, 1),
                (group | {f"{v2}/one/cpu.max": "9900000 100000"}, every),
                (old | {f"{v1}/one/cpu.cfs_quota_us": "-1",
                        f"{v1}/one/cpu.cfs_period_us": "100000"}, every),
                (old | {f"{v1}/one/cpu.cfs_quota_us": "90000",
                        f"{v1}/one/cpu.cfs_period_us": "100000"}, 1)]:
            with self.subTest(files=files):
                self.assertEqual(self.cores(**files), cores)

    def test_this_machine(self) -> None:
        machine = this_machine()
        self.assertGreaterEqual(machine.cores, 1)
        self.assertIn(machine.python, str(machine))


class TextTest(unittest.TestCase):
    """Text fit for a terminal."""

    def test_nothing_controls_the_terminal(self) -> None:
        for text in ["\x1b[31m", "a\nb\tc\r", "\u202e", "\u2028", "\udcff",
                     "\x9b1m", "\x00\x7f"]:
            with self.subTest(text=ascii(text)):
                self.assertTrue(printable(text).isprintable())
        for text in ["Käse 猫", "می\u200cخواهم", "👨\u200d👧"]:
            self.assertEqual(printable(text), text)

    def test_errors_in_one_line(self) -> None:
        try:
            open("no such\nfile")
        except OSError as error:
            self.assertEqual(
                describe(error), "No such file or directory: no such\\nfile")
        self.assertEqual(describe(KeyError()), "KeyError")


if __name__ == "__main__":
    unittest.main()
