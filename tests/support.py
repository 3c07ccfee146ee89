"""What the tests share: commands run as users run them, and deadlines."""

import atexit
import faulthandler
import importlib.util
import multiprocessing
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import concur_demo

ROOT = pathlib.Path(__file__).resolve().parent.parent
LESSONS = concur_demo.LESSONS
DEADLINE = 60.0  # seconds, for any test and any command
# The standard library and nothing else that may be installed here, nor what
# that does at every start of Python: it took half the time of a start.
PYTHON = [sys.executable, "-S"]
# The least work of a lesson that can be measured, where --quick takes long.
SMALL: dict[str, dict[str, Any]] = {
    "copy_threads": {"size": "1M"},
    **{lesson: {"tasks": [20_000, 30_000]} for lesson in LESSONS
       if lesson.startswith(("primes", "window"))},
    "hello_pipe": {"messages": 50},
    "counter_threads": {"updates": 4000},
    "counter_processes": {"updates": 4000},
}

# The usual start method and another, so that all are tried on some Python.
METHODS = multiprocessing.get_all_start_methods()[:2]

Case = TypeVar("Case")
Result = TypeVar("Result")

if multiprocessing.parent_process() is None:
    # A window is shown on a virtual display, if at all.
    os.environ.pop("DISPLAY", None)
    if shutil.which("Xvfb"):
        # It ends with its standard input, and so with us, however we end.
        screen = subprocess.Popen(
            ["sh", "-c", "Xvfb -displayfd 1 -nolisten tcp & read -r _; "
             "kill $!"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        atexit.register(screen.communicate)
        assert screen.stdout
        os.environ["DISPLAY"] = f":{int(screen.stdout.readline())}"
# What some lessons need, and not every machine has.
HAS_WINDOWS = bool(importlib.util.find_spec("_tkinter")) and (
    sys.platform != "linux" or "DISPLAY" in os.environ)
HAS_INTERPRETERS = sys.version_info >= (3, 14)
ABLE = tuple(lesson for lesson in LESSONS if {
    "window_threads": HAS_WINDOWS, "primes_interpreters": HAS_INTERPRETERS,
}.get(lesson, True))

on_posix = unittest.skipUnless(os.name == "posix", "needs POSIX")
on_linux = unittest.skipUnless(sys.platform == "linux", "needs Linux")


class TestCase(unittest.TestCase):
    """A test with a deadline of its own: one that hangs ends the run, and
    shows where all threads are."""

    def run(self, result: unittest.TestResult | None = None) -> Any:
        """Run the test, but not for ever."""
        faulthandler.dump_traceback_later(2 * DEADLINE, exit=True)
        try:
            return super().run(result)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def folder(self) -> pathlib.Path:
        """Return a new folder, which is removed after the test."""
        return pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))


def at_once(function: Callable[[Case], Result], cases: Iterable[Case]
            ) -> Iterator[tuple[Case, Result]]:
    """Yield each case with the function's result; several are under way."""
    cases = list(cases)
    with ThreadPoolExecutor(4) as executor:
        yield from zip(cases, executor.map(function, cases))


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str


def command(lesson: str, *options: object) -> list[str]:
    """Return the words of a command; lesson "" is all of them."""
    module = f"concur_demo.{lesson}" if lesson else "concur_demo"
    return [*PYTHON, "-m", module, *map(str, options)]


def small(lesson: str) -> list[str]:
    """Return the options that make a lesson's command short."""
    if lesson not in SMALL:
        return ["--quick"]
    job = SMALL[lesson]
    return [*(f"--{key}={value}" for key, value in job.items()
              if key != "tasks"), *map(str, job.get("tasks", ()))]


def run(words: list[str], stdin: str | bytes = b"", before: str = "",
        cwd: pathlib.Path = ROOT, **changes: str) -> Ended:
    """Run a command to its end; return how it ended.

    `before` is Python code that the child runs first, such as one that
    limits it; `changes` are those of its environment.
    """
    if before:
        words = [*PYTHON, "-c", f"{before}\nimport os, sys\n"
                 "os.execv(sys.argv[1], sys.argv[1:])", *words]
    ended = subprocess.run(
        words, cwd=cwd, timeout=DEADLINE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **changes},
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return Ended(ended.returncode, text_of(ended.stdout),
                 text_of(ended.stderr))


def run_lesson(lesson: str, *options: object, **how: Any) -> Ended:
    """Run a lesson as a user does; see run()."""
    return run(command(lesson, *options), **how)


def text_of(data: bytes) -> str:
    """Return output as text, its lines ended as Python ends them."""
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def on_small_disk(folder: pathlib.Path, size: str) -> list[str]:
    """Return the words before a command that give it a file system of this
    size at the folder; SkipTest where that takes more rights."""
    mount = shlex.join(["mount", "-t", "tmpfs", "-o", f"size={size}", "none",
                        str(folder)])
    return in_container("--mount", "sh", "-c", f'{mount} && exec "$@"', "sh")


def in_container(*words: str) -> list[str]:
    """Return the words before a command that let it see less of the machine,
    as containers do; SkipTest where that takes more rights."""
    words = ("unshare", *words)
    if shutil.which("unshare") is None or subprocess.run(
            [*words, "true"], capture_output=True,
            timeout=DEADLINE).returncode:
        raise unittest.SkipTest("no container can be made without root's "
                                "rights")
    return [*words]
