"""Lessons on threads and processes that measure their own claims.

``python -m concur_demo`` runs every lesson briefly; each also runs alone,
as ``python -m concur_demo.primes_pool``. LESSONS has their names, in
teaching order, and measure() gives the report of one, for notebooks.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__version__ = "2.0.0"
__all__ = ["LESSONS", "measure"]

LESSONS: tuple[str, ...]

if sys.version_info < (3, 11):
    sys.exit("concur_demo needs Python 3.11 or later, not "
             + sys.version.split()[0])
if sys.argv[:1] == ["-m"]:
    # The start of a command: let Ctrl-C end its imports without a traceback.
    with contextlib.suppress(ValueError):  # if not the main interpreter
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))


def measure(lesson: str, tasks: Iterable[Any] = (), *,
            workers: Sequence[int] | None = None, quick: bool = False,
            repeat: int = 1, **own: Any) -> Any:
    """Measure a lesson on each number of workers; return its Report, which
    a notebook shows with its table and picture.

    `tasks` are your own files, addresses or limits; each row is the best of
    `repeat` runs; `own` are the lesson's own options, as on the command
    line: start_method="spawn". Raises ValueError for what makes no sense,
    ChildProcessError if a worker process dies. Two calls at once, in two
    threads, take turns.

    >>> measure("primes_threads", [10, 100], workers=[1]).results
    [('sum of the primes up to 10', 17), ('sum of the primes up to 100', 1060)]
    """
    from . import _run  # here, as worker processes import this file too
    options = {"workers": workers and ",".join(map(str, workers)),
               "repeat": repeat, **own}
    words = [f"--{key.replace('_', '-')}={value}"
             for key, value in options.items() if value is not None]
    if operands := list(map(str, tasks)):
        words += ["--", *operands]
    return _run.measured(lesson, _run.lesson_parser(lesson).parse_args(
        ["--quick"] * quick + words))


def __getattr__(name: str) -> Any:
    if name == "LESSONS":
        from ._experiments import TABLE  # here, for the same reason
        return tuple(TABLE)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
