"""Whatever happens to a lesson's processes, or to the command: one line
tells it, nobody waits for ever, and nothing is left behind."""

import _thread
import contextlib
import errno
import functools
import gc
import importlib
import itertools
import multiprocessing
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from unittest import mock

from concur_demo import measure

from .faults import FAULTS, RESULTS, TASKS, state
from .smaller import constants_of
from .support import (
    ABLE, DEADLINE, METHODS, PYTHON, ROOT, Ended, TestCase, at_once, command,
    in_container, on_linux, on_posix, run, run_lesson, small)

SOON = 5.0  # seconds, within which all is over
ANNOUNCED = re.compile(r"(.+?)(?: \(pid (\d+)\))?: (?:start|end) .*\n")
PROCESS = r"\w+-[\d:]+ \(pid \d+\)"

programs: dict[str, Future[Ended]] = {}


def setUpModule() -> None:
    """Begin what takes longest, and mostly waits, beside the other tests."""
    executor = unittest.enterModuleContext(ThreadPoolExecutor(3))
    for method in METHODS if os.name == "posix" else ():
        programs[method] = executor.submit(
            run, [*PYTHON, "-m", "tests.faults", method],
            MEETING=unittest.enterModuleContext(
                tempfile.TemporaryDirectory()))


def site_that_dies(tell: Callable[[int], None], delay: float) -> None:
    """Be a site whose process has gone before it is asked for a page."""
    tell(9)
    os._exit(3)


# Commands, to which the worst is done from outside ------------------------

class Command:
    """A command that works until something is done to it: when so many
    workers have begun or, if 0, when the first process is just born."""

    def __init__(self, words: list[str], workers: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.errors = pathlib.Path(self.folder.name, "errors")
        self.scratch = pathlib.Path(self.folder.name, "scratch")
        self.scratch.mkdir()
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors,
                env={**os.environ, "TMPDIR": str(self.scratch)},
                start_new_session=True)
        self.wait_until(lambda: len(self.workers()) >= workers > 0
                        or workers == 0 and len(self.group()) > 1, DEADLINE)
        self.semaphores = {
            name for pid in self.group() for name in re.findall(
                r"/dev/shm/\S+", read(f"/proc/{pid}/maps"))}

    def wait_until(self, is_so: Callable[[], bool], seconds: float) -> None:
        """Wait until it is so, or it is too late."""
        until = time.monotonic() + seconds
        while not is_so() and time.monotonic() < until:
            time.sleep(0.01)

    def workers(self) -> dict[str, int]:
        """Return name and pid of the workers that have begun; a thread has
        none."""
        return {found[1]: int(found[2] or 0) for found in ANNOUNCED.finditer(
            self.errors.read_text())}

    def group(self) -> list[int]:
        """Return the processes of the command, its own included."""
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            fields = read(stat).rpartition(")")[2].split()
            if (fields and fields[0] != "Z"
                    and int(fields[2]) == self.process.pid):
                found.append(int(stat.parent.name))
        return found

    def end(self) -> tuple[int | None, str, list[str]]:
        """Return exit status, what is said, and what is left behind."""
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(SOON)
            status = self.process.returncode
            self.wait_until(lambda: not self.group(), SOON)
            left = [f"process {pid}" for pid in self.group()]
            left += filter(os.path.exists, self.semaphores)
            if status != -signal.SIGKILL:
                left += os.listdir(self.scratch)
            return status, ANNOUNCED.sub("", self.errors.read_text()), left
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.folder.cleanup()


def read(path: str | pathlib.Path) -> str:
    """Return the text of a file, "" if there is none."""
    with contextlib.suppress(OSError):
        return pathlib.Path(path).read_text()
    return ""


def job(lesson: str, *options: object) -> list[str]:
    """Return a command that goes on for minutes, and tells what it does."""
    return command(lesson, "--verbose", *options or [
        "--repeat", 10**6, *small(lesson)])


def sums(method: str) -> list[str]:
    """Return one with a pool of two, each at a long task."""
    return job("primes_pool", "--workers=2", "--start-method", method,
               10**8, 10**8)


def talk() -> list[str]:
    """Return one with a child that is at a long task."""
    return job("hello_pipe", "--messages", 10**9)


def dev(words: list[str]) -> list[str]:
    """Return a command in Python's development mode, which warns more."""
    return [*PYTHON, "-X", "dev", *words[len(PYTHON):]]


def ignoring(number: int, words: list[str]) -> list[str]:
    """Return a command that is started where a signal is ignored."""
    return [*PYTHON, "-c", "import os, signal, sys\n"
            f"signal.signal({number}, signal.SIG_IGN)\n"
            "os.execv(sys.argv[1], sys.argv[1:])", *words]


def to_all(*numbers: int) -> Callable[[Command], None]:
    """Return what sends these signals to all processes of a command."""
    def send(command: Command) -> None:
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(command.process.pid, number)
            time.sleep(0.02)
    return send


def to_parent(*numbers: int) -> Callable[[Command], None]:
    """Return what sends signals to the command alone."""
    def send(command: Command) -> None:
        for number in numbers:
            command.process.send_signal(number)
    return send


def to_worker(number: int) -> Callable[[Command], None]:
    """Return what sends a signal to one of the workers."""
    return lambda command: os.kill(max(command.workers().values()), number)


@on_linux  # where processes and semaphores can be found
class CommandTest(TestCase):
    """What is done to a command once its workers are at work."""

    def check(self, *cases: tuple[list[str], int, Any, int, str]) -> None:
        """Check (words, workers, what is done, status, line) cases."""
        def outcome(case: Any) -> tuple[int | None, str, list[str]]:
            words, workers, act, *_ = case
            command = Command(words, workers)
            act(command)
            return command.end()

        for (words, *_, status, line), ended in at_once(outcome, cases):
            with self.subTest(words=words[len(PYTHON):]):
                self.assertRegex(ended[1], rf"\A{line}\Z")
                self.assertEqual((ended[0], ended[2]), (status, []))

    def test_a_worker_is_killed(self) -> None:
        self.check(
            *((sums(method), 2, to_worker(number), 1,
               rf"primes_pool: {PROCESS} was killed by {number.name}( while at"
               r" work on 1 to 100000000)?\n") for method in METHODS
              for number in (signal.SIGKILL, signal.SIGTERM)),
            (talk(), 2, to_worker(signal.SIGKILL), 1,
             rf"hello_pipe: {PROCESS} was killed by SIGKILL.*\n"))

    def test_interrupted(self) -> None:
        self.check(*(
            (words, 2, send, status, "primes_pool: interrupted\n")
            for method in METHODS for words, send, status in [
                (dev(sums(method)), to_all(signal.SIGINT), 130),
                (sums(method), to_all(signal.SIGINT, signal.SIGINT), 130),
                (sums(method), to_parent(signal.SIGINT), 130),
                (sums(method), to_parent(signal.SIGTERM), 143),
                (dev(sums(method)), to_all(signal.SIGHUP), 129)]),
            (sums("fork"), 2, to_parent(signal.SIGINT, signal.SIGTERM), 130,
             "primes_pool: interrupted\n"))

    def test_interrupted_while_it_is_interrupted(self) -> None:
        ended = run([*PYTHON, "-c", """if True:
            import os, signal
            from concur_demo import _run

            def set_event():
                os.kill(os.getpid(), signal.SIGTERM)
                set_it()

            set_it, _run.leaving.set = _run.leaving.set, set_event
            _run.be_command(
                "lesson", lambda: os.kill(os.getpid(), signal.SIGINT))"""])
        self.assertEqual(ended, Ended(130, "", "lesson: interrupted\n"))

    def test_interrupted_while_processes_are_born(self) -> None:
        def soon(command: Command, seconds: float) -> None:
            time.sleep(seconds)
            to_all(signal.SIGINT)(command)

        self.check(*(
            (sums(method), 0, functools.partial(soon, seconds=seconds), 130,
             "primes_pool: interrupted\n") for method in METHODS
            for seconds in (0.0, 0.01)))

    def test_no_process_is_born_to_a_command_that_is_leaving(self) -> None:
        ended = run([*PYTHON, "-c", """if True:
            import atexit, multiprocessing, os, signal, time
            from concur_demo import _run, primes_pool

            def map_pool(*rest, **options):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.4)  # the command has tidied up by then
                multiprocessing.Process(
                    target=print, args=["born"], daemon=True).start()
                time.sleep(9)

            primes_pool.map_pool = map_pool
            atexit.register(time.sleep, 0.9)  # and takes this long to end
            _run.be_command("primes_pool", lambda: _run.command(
                "primes_pool", ["9"]))"""])
        self.assertEqual(ended, Ended(130, "", "primes_pool: interrupted\n"))

    def test_interrupted_as_the_first_process_of_a_container(self) -> None:
        # To that, a signal without a handler would be as none.
        ended = run([*in_container("--pid", "--fork", "--mount-proc"),
                     *PYTHON, "-c", """if True:
            import os, signal, sys
            from concur_demo import _run, primes_pool

            def map_pool(work, tasks, workers, pool, timeout):
                with pool(2) as processes:
                    os.kill(os.getpid(), signal.SIGTERM)
                    processes.apply(signal.pause)

            primes_pool.map_pool = map_pool
            print(os.getpid(), flush=True)
            _run.be_command("primes_pool", lambda: _run.command(
                "primes_pool", ["9"]))"""])
        self.assertEqual(
            ended, Ended(143, "1\n", "primes_pool: interrupted\n"))

    def test_interrupted_whatever_it_waits_for(self) -> None:
        def stop_one(command: Command) -> None:
            to_worker(signal.SIGSTOP)(command)  # it can neither speak nor end
            to_all(signal.SIGINT)(command)

        self.check(
            *((dev(job(lesson)), 1, to_all(signal.SIGINT), 130,
               f"{lesson}: interrupted\n") for lesson in ABLE),
            *((job("primes_pool", "--pool", f"tests.cluster:{pool}", 10**8),
               1, to_all(number), 128 + number, "primes_pool: interrupted\n")
              for pool, number in [("RayPool", signal.SIGINT),
                                   ("MPIPool", signal.SIGTERM)]),
            (sums("fork"), 2, stop_one, 130, "primes_pool: interrupted\n"),
            (talk(), 2, stop_one, 130, "hello_pipe: interrupted\n"))

    def test_signals_that_are_ignored_at_its_start(self) -> None:
        self.check(
            # As is what a script starts in the background.
            (ignoring(signal.SIGINT, sums("fork")), 2, to_all(signal.SIGINT),
             130, "primes_pool: interrupted\n"),
            # As with nohup: only the second signal ends it.
            (ignoring(signal.SIGHUP, sums("fork")), 2,
             to_all(signal.SIGHUP, signal.SIGINT), 130,
             "primes_pool: interrupted\n"),
            # The system would not tell how a process has ended.
            (ignoring(signal.SIGCHLD, sums("fork")), 2,
             to_worker(signal.SIGKILL), 1, "primes_pool: .*SIGKILL.*\n"))

    def test_the_parent_is_killed(self) -> None:
        self.check(*(
            (words, 2, to_parent(signal.SIGKILL), -signal.SIGKILL, "")
            for words in [*map(sums, METHODS), talk()]))

    def test_no_warning_where_nothing_happens(self) -> None:
        for method, ended in at_once(lambda method: run([
                *PYTHON, "-X", "dev", "-W", "error", *command(
                    "primes_pool", "--start-method", method, "--workers=2",
                    *TASKS)[len(PYTHON):]]), METHODS):
            with self.subTest(method):
                self.assertEqual((ended.status, ended.stderr), (0, ""))


@on_posix
class ProgramTest(TestCase):
    """measure() in a program that goes on, and ends by itself."""

    def test_every_start_method(self) -> None:
        expected = [*(f"ChildProcessError: {PROCESS} {line}"
                      for _, _, line in FAULTS),
                    re.escape(str(RESULTS)), *["KeyboardInterrupt: "] * 2,
                    re.escape(str(RESULTS))]
        for method, future in programs.items():
            with self.subTest(method):
                ended = future.result()
                self.assertEqual((ended.status, ended.stderr), (0, ""), ended)
                lines = ended.stdout.splitlines()
                for line, pattern in itertools.zip_longest(lines, expected):
                    self.assertRegex(str(line), f"^{pattern}$")


class MeasureTest(TestCase):
    """measure() in this process."""

    def test_all_is_as_before(self) -> None:
        for lesson in ABLE:
            with self.subTest(lesson=lesson):
                before, module = state(), importlib.import_module(
                    f"concur_demo.{lesson}")
                with mock.patch.multiple(module, **constants_of(module)):
                    measure(lesson, workers=[2])
                self.assertEqual(state(), before)
        with mock.patch("concur_demo.titles_threads.SlowSite",
                        side_effect=OSError("no port is free")), \
                self.assertRaisesRegex(OSError, "no port is free"):
            measure("titles_threads")
        self.assertEqual(state(), before)

    def test_a_thread_that_ends_with_an_error(self) -> None:
        def refuse() -> None:
            raise LookupError("broken")

        def map_threads(work: Any, tasks: Any, workers: int) -> Any:
            threading.Thread(target=refuse, name="thread 7").start()
            threading.Event().wait(DEADLINE)

        with (mock.patch("concur_demo.primes_threads.map_threads",
                         map_threads),
              self.assertRaisesRegex(RuntimeError, "^thread 7 failed: "
                                     "LookupError: broken$")):
            measure("primes_threads", [9])

    def test_a_process_that_died_before_it_was_to_end(self) -> None:
        with (mock.patch("concur_demo.titles_asyncio.slow_site",
                         site_that_dies),
              self.assertRaisesRegex(
                  ChildProcessError, "exit status 3$")):
            measure("titles_asyncio", workers=[2])

    def test_standard_input_of_an_editor(self) -> None:
        def close() -> None:  # in IDLE it would wait for ever
            raise LookupError("no answer")

        for method in METHODS:
            with self.subTest(method), mock.patch("sys.stdin") as stdin:
                stdin.close = close
                report = measure("primes_pool", [9], workers=[1],
                                 start_method=method)
                self.assertEqual(report.results[0][1], 17)
                self.assertIs(sys.stdin, stdin)

    @on_posix
    def test_no_descriptor_is_kept_for_a_process_that_has_ended(self) -> None:
        real: Any = importlib.import_module(
            "concur_demo.primes_pool").map_pool
        opened = []

        def map_pool(*how: Any, **more: Any) -> Any:
            results = real(*how, **more)
            time.sleep(0.4)  # until somebody has looked
            gc.collect()
            opened.append(len(os.listdir("/dev/fd")))
            return results

        with mock.patch("concur_demo.primes_pool.map_pool", map_pool):
            measure("primes_pool", [9], workers=[1])
        self.assertLessEqual(opened[-1], opened[0])

    def test_no_semaphores(self) -> None:
        # As on some phones, in AWS Lambda, and without /dev/shm.
        for lesson in ("primes_pool", "primes_queue", "torn_pipe",
                       "counter_processes", "window_threads"):
            with (self.subTest(lesson), mock.patch(
                    "_multiprocessing.SemLock", side_effect=OSError(
                        errno.ENOSYS, "Function not implemented")),
                  self.assertRaisesRegex((OSError, RuntimeError),
                                         "Function not implemented$")):
                measure(lesson, quick=True)

    @on_posix
    def test_a_program_that_was_stopped_cannot_tell(self) -> None:
        ended = run([*PYTHON, "-c", """if True:
            import os, subprocess
            from concur_demo import _run, measure, primes_threads

            def sum_primes(numbers):  # by others, as the machine sleeps
                subprocess.run(["sh", "-c", "kill -STOP $0; sleep 0.7;"
                                "kill -CONT $0", str(os.getpid())])

            primes_threads.sum_primes = sum_primes
            _run.PAUSE_SECONDS = 0.6
            print(*measure("primes_threads", [9], workers=[1]).verdict)
            """])
        self.assertRegex(
            ended.stdout, r"\Acannot tell There is nothing to compare[^\n]+"
            r" But all stood still for \d+ s meanwhile: the machine slept "
            r"[^\n]+\n\Z")

    @on_posix
    def test_the_folder_goes_also_where_no_file_can_be_opened(self) -> None:
        folder = self.folder()
        ended = run_lesson(
            "primes_queue", 2000, 3000, "--workers=60", before="import "
            "resource; resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))",
            TMPDIR=str(folder))
        self.assertEqual(ended.status, 1)
        self.assertRegex(ended.stderr, r"\Aprimes_queue: [^\n]+\n\Z")
        self.assertEqual(os.listdir(folder), [])

    def test_an_error_of_a_thread_of_others_is_theirs(self) -> None:
        go = threading.Event()

        def refuse() -> None:
            go.wait(DEADLINE)
            raise LookupError("broken")

        def work(numbers: range) -> int:
            go.set()
            other.join()
            return 17

        told: list[Any] = []
        other = threading.Thread(target=refuse)
        other.start()
        with (mock.patch("threading.excepthook", told.append), mock.patch(
                "concur_demo.primes_threads.sum_primes", work)):
            report = measure("primes_threads", [9], workers=[1])
        self.assertEqual([one.exc_type for one in told], [LookupError])
        self.assertEqual(report.results[0][1], 17)

    def test_processes_of_others_are_let_be(self) -> None:
        measuring = threading.Thread(target=lambda: measure(
            "primes_threads", [150_000, 150_000], workers=[1]))
        measuring.start()
        context = multiprocessing.get_context("spawn")
        failing = context.Process(target=sys.exit, args=[3])
        failing.start()
        failing.join()
        waiting = context.Process(target=time.sleep, args=[60], daemon=True)
        waiting.start()
        measuring.join()
        self.assertTrue(waiting.is_alive())
        waiting.kill()
        waiting.join()

    def test_two_at_once_in_threads(self) -> None:
        for _, report in at_once(
                lambda lesson: measure(lesson, TASKS),
                ["primes_pool", "primes_threads"] * 2):
            self.assertEqual(report.results, RESULTS)

    def test_interrupted_as_by_a_notebook(self) -> None:
        begun, go_on = threading.Event(), threading.Event()
        calls: list[range] = []

        def work(numbers: range) -> None:
            calls.append(numbers)
            if not begun.is_set():
                begun.set()
                _thread.interrupt_main()
            go_on.wait(DEADLINE)

        others = set(threading.enumerate())
        with mock.patch("concur_demo.primes_threads.sum_primes", work), \
                self.assertRaises(KeyboardInterrupt):
            measure("primes_threads", range(1, 9), workers=[2])
        at_work = len(calls)
        go_on.set()  # what is under way may end, and nothing begins
        for thread in set(threading.enumerate()) - others:
            if thread.ident:  # one may be just about to start
                thread.join(DEADLINE)
        self.assertEqual((len(calls), at_work <= 2), (at_work, True))

    @on_posix
    def test_at_a_prompt_twice_and_interrupted(self) -> None:
        def typed(method: str) -> Ended:
            return run([*PYTHON, "-qi"], stdin=f"""
import multiprocessing, os, signal, threading, concur_demo
multiprocessing.set_start_method({method!r})
for _ in 1, 2:
    report = concur_demo.measure("primes_pool", {TASKS}, workers=[2])
    print(report.results, "<table" in report._repr_html_(), end=" ")
    print("<svg" in report._repr_html_())

threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
concur_demo.measure("primes_pool", [10**8, 10**8], workers=[2])
print(multiprocessing.active_children())
""")

        for method, ended in at_once(typed, METHODS):
            with self.subTest(method):
                self.assertEqual(ended.stdout, f"{RESULTS} True True\n" * 2
                                 + "[]\n")
                # Of this process alone.
                self.assertEqual(ended.stderr.count("KeyboardInterrupt\n"), 1,
                                 ended.stderr)

    def test_an_interpreter_that_is_kept(self) -> None:
        ended = run(
            [*PYTHON, "-i", *command("hello_pipe", "--messages=9", "--json")[
                len(PYTHON):]], stdin="import signal\n"
            "print([signal.getsignal(n) for n in (2, 15)] == "
            "[signal.default_int_handler, signal.SIG_DFL])\n")
        self.assertEqual((ended.status, ended.stdout[-7:]), (0, "}\nTrue\n"))


if __name__ == "__main__":
    unittest.main()
