"""Every lesson of the table: its file, run alone, and measured.

A new lesson is tested here without a change.
"""

import ast
import contextlib
import functools
import importlib
import itertools
import json
import multiprocessing
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import types
import unittest
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any, TypeVar
from unittest import mock

import concur_demo
from concur_demo._experiments import TABLE

from .smaller import constants_of, smaller
from .support import (
    ABLE, DEADLINE, HAS_INTERPRETERS, LESSONS, METHODS, PYTHON, ROOT, Ended,
    TestCase, command, on_posix, run, run_lesson, small)

Outcome = TypeVar("Outcome")

PACKAGE = ROOT / "concur_demo"
SOURCES = {lesson: (PACKAGE / f"{lesson}.py").read_text(encoding="utf-8")
           for lesson in LESSONS}
MODULES: dict[str, Any] = {
    lesson: importlib.import_module(f"concur_demo.{lesson}")
    for lesson in LESSONS}
LONGER = ("titles", "window")  # lessons of 120 lines; the others have 80
# What a lesson is about stands in its file, in the mechanism's own words.
WORDS = {
    "threads": "threading.Thread", "pool": "multiprocessing.Pool",
    "pipe": "multiprocessing.Pipe", "queue": "multiprocessing.Queue",
    "executor": "futures.ThreadPoolExecutor", "asyncio": "asyncio.run",
    "processes": "multiprocessing.Process", "sieve": "multiprocessing.Pool",
    "interpreters": "interpreters.create"}
KEYS = [keys.split() for keys in [
    "lesson claim verdict evidence machine runs results",
    "python implementation gil cores platform",
    "variant workers seconds speed_up in_flight cores_busy figures tasks",
    "task worker start seconds cpu_seconds error", "task result"]]
START = 'if __name__ == "__main__":\n'
# Where main() names the work that its mechanism is to do.
WORK = re.compile(r"(?:map_\w+\(\s*|\bwork=)(?!work\b)(\w+)")
WORKING = [
    lesson for lesson in ABLE if (work := WORK.search(SOURCES[lesson])) and
    re.search(rf"(?m)^(async )?def {work[1]}\(", SOURCES[lesson])]


def each(lessons: Iterable[str]) -> Callable[..., Callable[[Any], None]]:
    """Make a test of these lessons from the test of one."""
    def make(test: Callable[[Any, str], None]) -> Callable[[Any], None]:
        @functools.wraps(test)
        def test_all(self: TestCase) -> None:
            for lesson in lessons:
                with self.subTest(lesson=lesson):
                    test(self, lesson)
        return test_all
    return make


def some_at_once(
    function: Callable[[str], Outcome], lessons: Iterable[str] = ABLE
) -> Iterator[tuple[str, Outcome]]:
    """Yield each lesson with the function's result; most wait a lot."""
    with ThreadPoolExecutor(4) as executor:
        yield from zip(lessons, executor.map(function, lessons))


def snippet_of(lesson: str) -> str:
    """Return the file less the two middle lines of its ending."""
    lines = SOURCES[lesson].splitlines(keepends=True)
    return "".join(lines[:-3] + lines[-1:])


def with_less_to_do(source: str) -> str:
    """Return a lesson's source, its constants made smaller; one that is not
    a plain number stays as it is, and its lesson takes longer."""
    lines = source.splitlines(keepends=True)
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.Assign):
            name = ast.unparse(node.targets[0])
            with contextlib.suppress(ValueError):
                value = smaller(ast.literal_eval(node.value))
                if name.isupper():
                    lines[node.lineno - 1:node.end_lineno] = [
                        f"{name} = {value!r}\n"]
    return "".join(lines)


def with_work(lesson: str, *lines: str) -> str:
    """Return the snippet, its work made to begin with these lines."""
    work = WORK.search(SOURCES[lesson])
    return re.sub(
        rf"(?m)^(?:async )?def {work and work[1]}\(.*",
        "\n    ".join([r"\g<0>", *lines]), with_less_to_do(snippet_of(lesson)))


def measured(lesson: str, **options: Any) -> Any:
    """Return the Report of a lesson that has less to do."""
    with mock.patch.multiple(
            MODULES[lesson], **constants_of(MODULES[lesson])):
        return concur_demo.measure(lesson, **options)


def defined(lesson: str) -> dict[str, str]:
    """Return the functions, and the classes with methods, of a lesson."""
    return {node.name: ast.get_source_segment(SOURCES[lesson], node) or ""
            for node in ast.parse(SOURCES[lesson]).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or
            isinstance(node, ast.ClassDef) and "def " in ast.unparse(node)}


def sum_of_primes(limit: int) -> int:
    """Return the sum of the primes up to the limit, by a sieve."""
    prime = bytearray([0, 0]) + bytearray([1]) * (limit - 1)
    for n in range(2, limit + 1):
        if prime[n]:
            prime[n * n::n] = bytes(len(range(n * n, limit + 1, n)))
    return sum(n for n in range(limit + 1) if prime[n])


def words_of(code: types.CodeType) -> str:
    """Return what tells code from all other code of a file."""
    return (f"{code.co_firstlineno} {code.co_qualname} "
            f"{code.co_names} {code.co_code.hex()}")


def codes_of(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code and all that is defined in it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from codes_of(const)


class FileTest(TestCase):
    """What a reader opens."""

    @each(LESSONS)
    def test_it_is_short_and_plain(self, lesson: str) -> None:
        lines = SOURCES[lesson].splitlines()
        self.assertLessEqual(
            len(lines), 120 if lesson.startswith(LONGER) else 80)
        self.assertLessEqual(max(map(len, lines)), 79)
        # What Windows writes to a file by > is in no encoding of Python's.
        self.assertTrue(SOURCES[lesson].isascii())
        self.assertIn(WORDS.get(lesson.rpartition("_")[2], ""),
                      SOURCES[lesson])
        self.assertLessEqual(
            set(re.findall(r"\btime\.(\w+)", SOURCES[lesson])),
            {"perf_counter", "sleep"})
        for node in ast.walk(ast.parse(SOURCES[lesson])):
            self.assertIsNone(getattr(node, "annotation", None))
            self.assertIsNone(getattr(node, "returns", None))

    @each(LESSONS)
    def test_it_needs_the_standard_library_only(self, lesson: str) -> None:
        names = []
        for node in ast.walk(ast.parse(SOURCES[lesson])):
            if isinstance(node, ast.ImportFrom):
                names.append("." * node.level + str(node.module))
            elif isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
        self.assertEqual(
            [name for name in names if name.partition(".")[0] not in
             sys.stdlib_module_names - {"argparse"}], ["._run"])

    def test_what_lessons_share_is_the_same_text(self) -> None:
        first: dict[str, str] = {}
        shared = set()
        for lesson in LESSONS:
            for name, text in defined(lesson).items():
                if name in first and name != "main":
                    shared.add(name)
                    with self.subTest(lesson=lesson, name=name):
                        self.assertEqual(text, first[name])
                first.setdefault(name, text)
        self.assertLessEqual(
            {"map_threads", "is_prime", "sum_primes"}, shared)

    def test_the_snippet_is_the_file_without_the_runner(self) -> None:
        for lesson, ended in some_at_once(
                lambda lesson: run_lesson(lesson, "--snippet"), LESSONS):
            with self.subTest(lesson=lesson):
                self.assertEqual(ended, Ended(0, snippet_of(lesson), ""))

    @unittest.skipUnless("fork" in METHODS, "a fork keeps the profiler")
    @each(ABLE)
    def test_the_measured_functions_are_those_of_the_snippet(
            self, lesson: str) -> None:
        log = self.folder() / "log"
        seen = set()

        def profile(frame: types.FrameType, event: str, _: object) -> None:
            code = frame.f_code
            if code.co_filename == MODULES[lesson].__file__ and (
                    id(code) not in seen):
                seen.add(id(code))
                with log.open("a") as lines:  # also of child processes
                    lines.write(words_of(code) + "\n")

        before = multiprocessing.get_start_method(allow_none=True)
        fork = multiprocessing.get_context("fork")
        multiprocessing.set_start_method("fork", force=True)
        threading.setprofile(profile)
        try:
            with mock.patch("multiprocessing.get_context", lambda method=None:
                            fork):
                measured(lesson, quick=True)
        finally:
            threading.setprofile(None)
            multiprocessing.set_start_method(before, force=True)
        called = set(log.read_text().splitlines())
        self.assertLessEqual(called, set(map(words_of, codes_of(compile(
            snippet_of(lesson), lesson, "exec", dont_inherit=True)))))
        if lesson == "primes_interpreters":
            return  # no profiler looks into them
        self.assertLessEqual(
            defined(lesson).keys() - {"main"},
            {words.split()[1].partition(".")[0] for words in called})


class AloneTest(TestCase):
    """The file as a program of its own, with less to do."""

    def setUp(self) -> None:
        self.home = self.folder()
        self.package = self.home / "concur_demo"
        self.elsewhere = self.home / "Übung 1 あ"
        for folder in self.package, self.elsewhere, self.home / "tmp":
            folder.mkdir()

    def tearDown(self) -> None:
        self.assertEqual(os.listdir(self.home / "tmp"), [])

    def run_there(self, *words: object, **changes: str) -> Ended:
        return run([*PYTHON, *map(str, words)], cwd=self.elsewhere,
                   **{"TMPDIR": str(self.home / "tmp"), **changes})

    def pasted(self, lesson: str, text: str, method: str = "") -> pathlib.Path:
        """Return a file of another name with this text, away from the
        package; it starts its processes by that method."""
        path = self.elsewhere / f"copy é of {lesson}.py"
        path.write_text(text if not method else text.replace(
            START, f"{START}    import multiprocessing\n"
            f"    multiprocessing.set_start_method({method!r})\n"),
            encoding="utf-8")
        return path

    def assert_ran(self, lesson: str, ended: Ended) -> None:
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        self.assertRegex(ended.stdout, r"seconds: \d+\.\d")
        if len(TABLE[lesson].workers) > 1:
            counts = list(map(int, re.findall(
                r"(\d+), seconds: \d+\.\d", ended.stdout)))
            self.assertTrue(1 in counts and max(counts) > 1, ended.stdout)
        totals = re.findall(
            r"primes up to (\d+) add up to (\d+)", ended.stdout)
        self.assertEqual(bool(totals), "add up to" in SOURCES[lesson])
        for limit, total in totals:
            self.assertEqual(int(total), sum_of_primes(int(limit)))

    def test_in_its_folder(self) -> None:
        for path in PACKAGE.glob("*.py"):  # whose names are all in its way
            text = path.read_text(encoding="utf-8")
            (self.package / path.name).write_text(
                with_less_to_do(text) if path.stem in LESSONS else text,
                encoding="utf-8")
        for lesson, ended in some_at_once(lambda lesson: self.run_there(
                self.package / f"{lesson}.py")):
            with self.subTest(lesson=lesson):
                self.assert_ran(lesson, ended)
        self.assert_ran("primes_pool", self.run_there(
            "-m", "primes_pool", PYTHONPATH=str(self.package)))

    def test_pasted_into_another_file(self) -> None:
        for method in METHODS:
            for lesson, ended in some_at_once(
                    lambda lesson: self.run_there("-I", self.pasted(
                        lesson, with_less_to_do(snippet_of(lesson)), method)),
                    [lesson for lesson in ABLE if method == METHODS[0]
                     or "multiprocessing" in SOURCES[lesson]]):
                with self.subTest(lesson=lesson, method=method):
                    self.assert_ran(lesson, ended)

    def test_pasted_into_a_prompt(self) -> None:
        for method in METHODS:
            for lesson, ended in some_at_once(
                    lambda lesson: run([*PYTHON, "-qi"], stdin=(
                        "import multiprocessing\n"
                        f"multiprocessing.set_start_method({method!r})\n"
                        f"{with_less_to_do(snippet_of(lesson))}\n"
                        "print('ready for more')\n")),
                    [lesson for lesson in LESSONS if re.search(
                        "multiprocessing|interpreters", SOURCES[lesson])]):
                with self.subTest(lesson=lesson, method=method):
                    # What is typed there other processes cannot import.
                    alone = method == "fork" and "interp" not in lesson
                    told = ended.stderr.replace(">>> ", "").replace("... ", "")
                    self.assertRegex(told, r"\A\s*\Z" if alone else (
                        r"\A\s*Traceback .*\n  File .*\n(?:    .*\n)*Assertion"
                        r"Error: save this to a file: \w+ import it\s*\Z"))
                    self.assertEqual("seconds" in ended.stdout, alone)
                    self.assertTrue(
                        ended.stdout.endswith("ready for more\n"))

    def test_without_the_line_that_its_processes_need(self) -> None:
        for method in METHODS:
            with self.subTest(method=method):
                ended = self.run_there("-I", self.pasted(
                    "hello_pipe", with_less_to_do(snippet_of(
                        "hello_pipe")).replace(START, f"""
import multiprocessing
multiprocessing.set_start_method({method!r}, force=True)
if True:
""")))
                self.assertEqual(ended.status, int(method != "fork"))
                self.assertEqual(  # as the README says
                    "An attempt has been made to start a new process before "
                    "the current process has finished its bootstrapping phase"
                    in " ".join(ended.stderr.split()), method != "fork")

    def test_an_error_of_the_work_is_told_and_no_result(self) -> None:
        for lesson, ended in some_at_once(
                lambda lesson: self.run_there("-I", self.pasted(
                    lesson, with_work(lesson, "raise LookupError('broken')"))),
                WORKING):
            with self.subTest(lesson=lesson):
                self.assertEqual(ended.status, 1)
                self.assertIn("LookupError: broken", ended.stderr)
                self.assertNotIn("seconds", ended.stdout)

    @on_posix
    def test_one_interrupt_ends_it(self) -> None:
        self.assertGreaterEqual(len(WORKING), 5)
        for lesson in WORKING:
            if "ThreadPoolExecutor" in SOURCES[lesson]:
                continue  # as it says, that waits for its threads
            with self.subTest(lesson=lesson), subprocess.Popen(
                    [*PYTHON, self.pasted(lesson, with_work(
                        lesson,
                        # Main may be starting this very thread: Ctrl-C then
                        # can end in an error of Python's own Condition.
                        "time.sleep(0.05)", "print('at work', flush=True)",
                        # An event loop that sleeps for long may miss it.
                        "while True: await asyncio.sleep(0.1)"
                        if "asyncio" in lesson
                        else "time.sleep(3600)"))],
                    env={**os.environ, "TMPDIR": str(self.home / "tmp")},
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    start_new_session=True) as process:
                try:
                    assert process.stdout
                    while process.stdout.readline() != b"at work\n":
                        self.assertIsNone(process.poll())
                    os.killpg(process.pid, signal.SIGINT)  # as a terminal
                    _, errors = process.communicate(timeout=DEADLINE)
                    # Python itself may crash if interpreters are at work.
                    self.assertIn(-process.returncode, (
                        signal.SIGINT, *[signal.SIGSEGV] * (
                            "interpreters" in lesson)))
                    self.assertIn(b"KeyboardInterrupt", errors)
                finally:  # a test that fails leaves nothing either
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)

    def test_a_child_that_dies_at_once(self) -> None:
        text = snippet_of("hello_pipe").replace(
            "    parents_end.close()", "    os._exit(3)")
        self.assertIn("os._exit(3)", text)
        for method in METHODS:
            with self.subTest(method=method):
                ended = self.run_there("-I", self.pasted(
                    "hello_pipe", text, method))
                self.assertEqual((ended.status, ended.stdout), (1, ""))
                self.assertRegex(ended.stderr, r"\nEOFError\n\Z")


class MeasuredTest(TestCase):
    """The lesson as the package measures it."""

    def test_text_in_its_order(self) -> None:
        folder = self.folder()
        for lesson, ended in some_at_once(lambda lesson: run(
                [*PYTHON, "-X", "dev", "-W", "error", *command(
                    lesson, *small(lesson), "--workers=2")[len(PYTHON):]],
                cwd=folder, PYTHONPATH=str(ROOT), COLUMNS="200")):
            with self.subTest(lesson=lesson):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                [claim] = re.findall(
                    r"(?s)\nClaim: (.*)\nNotice:", SOURCES[lesson])
                claim = re.escape(" ".join(claim.split()))
                worker = TABLE[lesson].worker[:4]  # of one, and of several
                self.assertRegex(
                    ended.stdout, rf"(?s)\A{lesson}: {claim}\n.*"
                    r"\nvariant +\w+ +seconds .*\nin flight: .*"
                    rf"\n[^\n]+, \d {worker}\w*: [\d.]+ s\n.*\nVerdict: "
                    r"(holds|does not hold|cannot tell)\. [A-Z]")

    def test_claim_where_python_drops_docstrings(self) -> None:
        [claim] = re.findall(r"\nClaim: (.*)\n", SOURCES["primes_pool"])
        for option in "-O", "-OO":
            ended = run([*PYTHON, option, *command(
                "primes_pool", "9", "--workers=2")[len(PYTHON):]])
            self.assertEqual((ended.status, ended.stderr), (0, ""))
            self.assertIn(claim, ended.stdout)

    def assert_complete(self, lesson: str, text: str) -> None:
        report = json.loads(text)
        self.assertEqual(report["lesson"], lesson)
        self.assertIn(report["verdict"],
                      {"holds", "does not hold", "cannot tell"})
        self.assertTrue(report["results"] and report["runs"])
        for row in report["results"]:
            if limit := re.fullmatch(
                    r"sum of the primes up to (\d+)", row["task"]):
                self.assertEqual(row["result"], sum_of_primes(int(limit[1])))
        for one in report["runs"]:
            self.assertTrue(one["tasks"])
            for task in one["tasks"]:
                self.assertEqual(
                    [list(part) for part in (
                        report, report["machine"], one, task, row)], KEYS)
                self.assertIsNone(task["error"])
                self.assertGreaterEqual(task["start"], 0)
                self.assertLessEqual(
                    task["start"] + task["seconds"], one["seconds"] + 0.001)

    @each(ABLE)
    def test_measure(self, lesson: str) -> None:
        report = measured(lesson, workers=[1, 2], quick=True)
        self.assert_complete(lesson, report.json())
        counts: dict[str, list[int]] = {}
        for one in report.runs:
            counts.setdefault(one.variant, []).append(one.workers)
        for numbers in counts.values():
            self.assertIn(numbers, ([1, 2], [1]))  # 1, where no more can be


@contextlib.contextmanager
def least_pool(workers: int) -> Iterator[Any]:
    """No more of Pool's interface than map_pool needs."""
    yield types.SimpleNamespace(map_async=lambda work, tasks, chunksize: (
        types.SimpleNamespace(get=lambda timeout: list(map(work, tasks)))))


def die(task: object) -> None:
    os._exit(3)


def refuse(task: object) -> None:
    raise LookupError(task)


class MechanismTest(TestCase):
    """map_threads, which is the same in all lessons, and map_pool."""

    map_threads = staticmethod(MODULES["primes_threads"].map_threads)
    map_pool = staticmethod(MODULES["primes_pool"].map_pool)

    def setUp(self) -> None:
        # A pool replaces a worker that died with a fork from its own thread.
        self.enterContext(warnings.catch_warnings(action="ignore"))

    def test_threads_do_each_task_once(self) -> None:
        for tasks, workers in ([], 2), ([5], 3), (list(range(99)), 4):
            self.assertEqual(
                sorted(self.map_threads(str, tasks, workers)),
                [(task, str(task)) for task in tasks])

    def test_tasks_of_a_generator(self) -> None:
        mechanisms = [("primes_threads", "map_threads"),
                      ("primes_queue", "map_processes"),
                      ("titles_executor", "map_executor"),
                      ("primes_pool", "map_pool")]
        if HAS_INTERPRETERS:
            mechanisms.append(("primes_interpreters", "map_interpreters"))
        for lesson, mechanism in mechanisms:
            with self.subTest(mechanism):
                map_tasks = getattr(MODULES[lesson], mechanism)
                results = map_tasks(str, (task for task in (7, 8)), 2)
                self.assertEqual(len(list(results)), 2)

    def test_threads_overlap_and_are_daemons(self) -> None:
        all_here = threading.Barrier(3)

        def meet(task: int) -> tuple[str, bool]:
            all_here.wait(DEADLINE)  # passes only if three are in flight
            thread = threading.current_thread()
            return thread.name, thread.daemon

        met = dict(self.map_threads(meet, range(3), 3)).values()
        self.assertEqual(len({name for name, _ in met}), 3)
        self.assertEqual({daemon for _, daemon in met}, {True})

    def test_what_the_work_of_threads_raises_reaches_the_caller(self) -> None:
        for kind in (
                LookupError, SystemExit, KeyboardInterrupt, GeneratorExit):
            def work(task: int) -> None:
                if task == 3:
                    raise kind("broken")

            with self.subTest(kind=kind), self.assertRaisesRegex(
                    kind, "broken"):
                list(self.map_threads(work, range(6), 2))
        # But an exception may be a result as well.
        [(_, result)] = self.map_threads(LookupError, ["key"], 1)
        self.assertIsInstance(result, LookupError)

    def test_a_pool_keeps_the_order_of_the_tasks(self) -> None:
        second = threading.Event()

        def work(task: int) -> int:
            if task == 1:
                self.assertTrue(second.wait(DEADLINE))
            second.set()
            return task

        self.assertEqual(self.map_pool(work, [1, 2], 2, ThreadPool), [1, 2])
        self.assertEqual(self.map_pool(abs, [3, -1], 2, least_pool), [3, 1])

    def test_a_pool_whose_worker_dies_comes_to_its_limit(self) -> None:
        with self.assertRaises(multiprocessing.TimeoutError):
            self.map_pool(die, range(2), 1, timeout=0.5)

    def test_what_the_work_of_a_pool_raises_reaches_the_caller(self) -> None:
        with self.assertRaisesRegex(LookupError, "7"):
            self.map_pool(refuse, [7], 1)

    def test_the_sieve_of_any_piece(self) -> None:
        lesson = MODULES["primes_sieve"]
        for piece in itertools.combinations(range(1, 60), 2):
            numbers = range(*piece)
            self.assertEqual(lesson.sieve(numbers),
                             lesson.sum_primes(numbers), numbers)

    def test_the_sum_up_to_a_million(self) -> None:
        lesson = MODULES["primes_pool"]
        jobs = [lesson.cut(1_000_000, 100_000), lesson.cut(100, 50)]
        self.assertEqual(lesson.add_up(jobs, self.map_pool(
            lesson.sum_primes, sum(jobs, []), 2)), [37_550_402_023, 1060])


if __name__ == "__main__":
    unittest.main()
