"""window_threads: a real window, and machines that can show none."""

import threading
import unittest
from typing import Any
from unittest import mock

from concur_demo import _experiments, measure, window_threads

from .support import (
    DEADLINE, HAS_WINDOWS, PYTHON, TestCase, run, run_lesson)


def close_and_wait(numbers: range) -> int:
    """In a thread, close the window as its user would, and go on with the
    work for ever."""
    if threading.current_thread() is not threading.main_thread():
        window = window_threads.windows[-1]
        window.after(0, window.destroy)
        threading.Event().wait(DEADLINE)
    return 0


def refuse(numbers: range) -> int:
    raise LookupError("broken")


@unittest.skipUnless(HAS_WINDOWS, "needs a display")
class Window(TestCase):
    """On a display, as the main thread of this process shows it."""

    def in_window(self, map_tasks: Any, work: Any, workers: int = 1) -> Any:
        map_in_window: Any = window_threads.map_in_window
        return map_in_window(map_tasks, work, [range(9), range(5)], workers)

    def test_it_ticks_while_threads_work(self) -> None:
        window_ticked = threading.Event()
        label: Any = None

        def work(numbers: range) -> int:
            nonlocal label
            [label] = window_threads.windows[-1].winfo_children()
            before = label["text"]
            while label["text"] == before:  # which the main thread changes
                pass
            window_ticked.set()
            return sum(numbers)

        pairs, freeze = self.in_window(window_threads.map_threads, work, 2)
        self.assertTrue(window_ticked.is_set())
        self.assertEqual(sorted(pairs, key=str),
                         [(range(5), 10), (range(9), 36)])
        self.assertGreater(freeze, 0)

    def test_no_tick_while_its_event_loop_works(self) -> None:
        seen = []

        def work(numbers: range) -> int:
            [label] = window_threads.windows[-1].winfo_children()
            seen.append(label["text"])
            threading.Event().wait(0.1)  # five ticks
            seen.append(label["text"])
            return sum(numbers)

        pairs, freeze = self.in_window(window_threads.map_here, work)
        self.assertEqual(pairs, [(range(9), 36), (range(5), 10)])
        self.assertEqual(len(set(seen)), 1)
        self.assertGreaterEqual(freeze, 0.2)

    def test_closing_it_ends_it(self) -> None:
        ended = run([*PYTHON, "-c", """if True:
            from concur_demo import window_threads
            from tests.test_window import close_and_wait
            window_threads.sum_primes = close_and_wait
            window_threads.main()"""])
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        self.assertIn("map_here, ", ended.stdout)
        self.assertNotIn("map_threads", ended.stdout)

    def test_closing_it_is_no_verdict(self) -> None:
        with mock.patch.object(window_threads, "sum_primes", close_and_wait):
            report = measure("window_threads", [100, 200])
        self.assertEqual(report.verdict[:2], (
            "cannot tell", "The window was closed before the work was done."))

    def test_an_error_of_the_work_closes_it(self) -> None:
        for map_tasks in window_threads.map_here, window_threads.map_threads:
            with self.assertRaisesRegex(LookupError, "broken"):
                self.in_window(map_tasks, refuse)


class NoWindow(TestCase):
    """No display, or a Python without tkinter."""

    def assert_told(self, why: str, **environment: str) -> None:
        for words in (), ("--svg", "/dev/null", "--repeat", "3"):
            ended = run_lesson("window_threads", *words, **environment)
            self.assertEqual((ended.status, ended.stderr), (0, ""))
            self.assertRegex(ended.stdout, r"(?s)\nVerdict: cannot tell\. No "
                             rf"window can be shown: .*{why}")

    @unittest.skipUnless(HAS_WINDOWS, "needs tkinter")
    def test_no_display(self) -> None:
        self.assert_told("TclError", DISPLAY="")
        self.assert_told("TclError", DISPLAY=":12345")

    def test_no_tkinter(self) -> None:
        folder = self.folder()
        (folder / "tkinter.py").write_text("import no_such_module")
        self.assert_told("no_such_module", PYTHONPATH=str(folder))
        for name in "", "window_threads":
            ended = run_lesson(name, "--help", PYTHONPATH=str(folder))
            self.assertEqual((ended.status, ended.stderr), (0, ""))

    def test_why(self) -> None:
        with mock.patch.dict("sys.modules", {"tkinter": None}):
            self.assertIn("tkinter", _experiments.why_no_window())
