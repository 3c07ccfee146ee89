"""Runs a lesson as a user does: as a command of its own, from the root."""

import concurrent.futures
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import unittest
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEADLINE = 60.0  # seconds, for any command
AT_ONCE = 3  # commands: one more than the usual cores, as some wait
# The standard library and nothing else that may be installed here, nor what
# that does at every start of Python: it took half the time of a start.
PYTHON = [sys.executable, "-S"]

Case = TypeVar("Case")
Result = TypeVar("Result")


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str


def command(lesson: str, *options: object) -> list[str]:
    """Return the words of a command; lesson "" is all of them."""
    module = f"concur_demo.{lesson}" if lesson else "concur_demo"
    return [*PYTHON, "-m", module, *map(str, options)]


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment, so changed; output is UTF-8."""
    return {**os.environ, "PYTHONIOENCODING": "utf-8", **changes}


def run_lesson(
    lesson: str, *options: object, stdin: str | bytes = b"",
    before: str = "", cwd: pathlib.Path = ROOT, **changes: str
) -> Ended:
    """Run a lesson to its end; return how it ended.

    `before` is Python code that the child runs first, such as one that
    limits it; `changes` are those of its environment.
    """
    words = command(lesson, *options)
    if before:
        words = [*PYTHON, "-c", f"{before}\nimport os, sys\n"
                 "os.execv(sys.argv[1], sys.argv[1:])", *words]
    ended = subprocess.run(
        words, cwd=cwd, env=environment(**changes), timeout=DEADLINE,
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return Ended(ended.returncode, text_of(ended.stdout),
                 text_of(ended.stderr))


def at_once(
    work: Callable[[Case], Result], cases: Iterable[Case],
    workers: int = AT_ONCE,
) -> list[tuple[Case, Result]]:
    """Return (case, work(case)) for each case, in their order.

    Several are at work at a time: for commands that do not depend on each
    other, nor on how long they take. What one raises has a note that tells
    the case. Not by map_threads, which is what is tested.
    """
    def named(case: Case) -> Result:
        try:
            return work(case)
        except Exception as error:
            error.add_note(f"case: {case}")
            raise

    cases = list(cases)
    with concurrent.futures.ThreadPoolExecutor(workers) as threads:
        return list(zip(cases, threads.map(named, cases)))


def mounted(*options: object) -> list[str]:
    """Return the words before a command that mount something so, for it
    alone; SkipTest where that takes more rights."""
    mount = shlex.join(["mount", *map(str, options)])
    words = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run(
            [*words, "true"], capture_output=True,
            timeout=DEADLINE).returncode:
        raise unittest.SkipTest("nothing can be mounted without root's rights")
    return words


def on_small_disk(folder: pathlib.Path, size: str) -> list[str]:
    """Return the words before a command that give it a file system of this
    size at the folder."""
    return mounted("-t", "tmpfs", "-o", f"size={size}", "none", folder)


def text_of(data: bytes) -> str:
    """Return output as text, its lines ended as Python ends them."""
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
