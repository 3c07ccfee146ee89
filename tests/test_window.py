"""window_threads: a real window, and machines that can show none."""

import socket
import threading
import unittest
from typing import Any
from unittest import mock

from concur_demo import _experiments, measure, window_threads

from .support import (
    DEADLINE, HAS_WINDOWS, PYTHON, TestCase, on_linux, run, run_lesson)


def close_and_wait(numbers: range, here: bool = False) -> int:
    """In a thread, close the window as its user would, and go on with the
    work for ever; `here`, in the event loop, only close it."""
    in_loop = threading.current_thread() is threading.main_thread()
    if here or not in_loop:
        window = window_threads.windows[-1]
        window.after(0, window.tk.eval, window.protocol("WM_DELETE_WINDOW"))
    if not in_loop:
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

    def test_closing_it_while_it_is_frozen(self) -> None:
        def work(numbers: range) -> int:
            if numbers == range(9):  # once
                close_and_wait(numbers, here=True)
            threading.Event().wait(0.1)
            return sum(numbers)

        pairs, freeze = self.in_window(window_threads.map_here, work)
        self.assertEqual(pairs, [(range(9), 36), (range(5), 10)])
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

    @on_linux
    @unittest.skipUnless(HAS_WINDOWS, "needs tkinter")
    def test_a_display_that_does_not_answer(self) -> None:
        with socket.socket(socket.AF_UNIX) as display, mock.patch.object(
                _experiments, "ANSWER_SECONDS", 0.7), mock.patch.dict(
                "os.environ", DISPLAY=":54321"):
            display.bind("\0/tmp/.X11-unix/X54321")
            display.listen()
            self.assertEqual(measure("window_threads").verdict[:2], (
                "cannot tell", "No window can be shown: no answer of the "
                "display within 0.7 seconds."))

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
