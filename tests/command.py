"""Runs a lesson as a user does: as a command of its own, from the root."""

import os
import pathlib
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEADLINE = 60.0  # seconds, for any command


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str


def command(lesson: str, *options: object) -> list[str]:
    """Return the words of a command; lesson "" is all of them."""
    module = f"concur_demo.{lesson}" if lesson else "concur_demo"
    return [sys.executable, "-m", module, *map(str, options)]


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
        words = [sys.executable, "-c", f"{before}\nimport os, sys\n"
                 "os.execv(sys.argv[1], sys.argv[1:])", *words]
    ended = subprocess.run(
        words, cwd=cwd, env=environment(**changes), timeout=DEADLINE,
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return Ended(ended.returncode, text_of(ended.stdout),
                 text_of(ended.stderr))


def text_of(data: bytes) -> str:
    """Return output as text, its lines ended as Python ends them."""
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
