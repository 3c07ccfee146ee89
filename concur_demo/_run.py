"""A lesson's command: its options, its supervised run, its exit status."""

import argparse
import atexit
import contextlib
import io
import os
import pathlib
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.util import _run_finalizers  # type: ignore
from typing import Any, NoReturn

from ._experiments import TABLE
from ._lab import Lab
from ._lesson import read_lesson
from ._machine import this_machine
from ._options import positive
from ._report import CANNOT_TELL, Report, Verdict
from ._supervisor import EXPERIMENT, leaving, quietly, supervised
from ._text import describe, printable, say

PAUSE_SECONDS = 2.0  # longer than other programs hold up a look

# What asks a command to end: Ctrl-C, a request, a closed terminal.
ENDINGS = [number for number in signal.Signals
           if number.name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")]


def main() -> None:
    """Be the command python -m concur_demo.<lesson>."""
    # A path, or, as a debugger has it, concur_demo.<lesson>.
    name = pathlib.Path(sys.argv[0]).name.removesuffix(".py").split(".")[-1]
    be_command(name, lambda: command(name, sys.argv[1:]))


def command(name: str, argv: Sequence[str]) -> int:
    """Measure a lesson as the arguments have it; return the exit status."""
    options = lesson_parser(name).parse_args(argv)
    if options.snippet:
        emit(read_lesson(name).snippet)
        return 0
    for path in filter(None, (options.svg, options.trace)):
        check_writable(path)
    options.tasks = TABLE[name].expand(options.tasks)
    report = measured(name, options, progress_line(options.verbose))
    say_errors(report)
    try:
        if options.svg:
            write(options.svg, report.svg())
        if options.trace:
            write(options.trace, report.trace())
    finally:
        emit(report.json() if options.form == "json" else
             report.markdown() if options.form == "markdown" else
             report.text(shutil.get_terminal_size().columns,
                         getattr(sys.stdout, "encoding", None) or "ascii"))
    return 1 if report.errors() else 0


def measured(name: str, options: argparse.Namespace,
             progress: Callable[[str], None] = lambda text: None) -> Report:
    """Return the Report of a lesson; see concur_demo.measure()."""
    into = getattr(options, "into", None)
    if into and not os.path.isdir(into):
        raise ValueError(f"argument --into: {into!r} is not a directory")

    def experiment(folder: str) -> Report:
        lab = Lab(name, options, folder, progress)
        results, verdict = TABLE[name].experiment(lab)
        return Report(name, read_lesson(name).claim, verdict, this_machine(),
                      lab.runs, results, lab.worker)

    report: Report
    try:
        report, pause = supervised(experiment, into)
    finally:
        progress("")
    if pause > PAUSE_SECONDS:
        report = report._replace(verdict=Verdict(CANNOT_TELL, (
            f"{report.verdict.evidence} But all stood still for {pause:.0f} s "
            "meanwhile: the machine slept or had no time for it, or the "
            "program was stopped.")))
    return report


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises ValueError for what makes no sense, and
    knows the forms of a report."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.color = False  # of the help, from Python 3.14 on
        form = self.add_mutually_exclusive_group()
        for name, title in ("json", "JSON"), ("markdown", "Markdown"):
            form.add_argument(
                f"--{name}", action="store_const", dest="form", const=name,
                help=f"print the report as {title}, and nothing else")

    def error(self, message: str) -> NoReturn:
        raise ValueError(re.sub(r"//[^/\s]*@", "//", message))  # a password

    def print_help(self, file: object = None) -> None:
        """Print the help as all else: argparse hides a full disk."""
        emit(self.format_help())


def lesson_parser(name: str) -> Parser:
    """Return the parser of a lesson's options; ValueError if there is none
    of that name."""
    if name not in TABLE:
        raise ValueError(f"no lesson {name!r}: choose from {', '.join(TABLE)}")
    entry = TABLE[name]
    parser = Parser(
        prog=f"python -m concur_demo.{name}", usage="%(prog)s [options]"
        + (entry.operand and f" [{entry.operand['metavar']} ...]" or ""),
        description=f"Claim: {read_lesson(name).claim}",
        epilog=f"Example: python -m concur_demo.{name} {entry.example}")
    if entry.operand:
        parser.add_argument("tasks", nargs="*", **entry.operand)
    parser.set_defaults(tasks=[])
    default = ",".join(map(str, entry.workers))
    flag = dict(action="store_true")
    for key, option in {
        **entry.options,
        "workers": dict(
            type=positive_list, metavar="N,N,...",
            help=f"worker counts to compare (default {default})"),
        "quick": flag | dict(help="a smaller job, where the lesson's is long"),
        "repeat": dict(type=positive, default=1, metavar="N",
                       help="best of N runs for each row (default 1)"),
        "svg": dict(metavar="FILE", help="also write the timeline to FILE, "
                    "as a picture"),
        "trace": dict(metavar="FILE", help="also write it as Trace Event "
                      "JSON, for Perfetto and chrome://tracing"),
        "snippet": flag | dict(help="print the lesson's file, ready to copy, "
                               "and run nothing"),
        "verbose": flag | dict(help="workers announce start and end of their "
                               "tasks"),
    }.items():
        parser.add_argument("--" + key.replace("_", "-"), **option)
    return parser


def positive_list(text: str) -> list[int]:
    """Return the whole numbers in a comma list, in order, each once."""
    return list(dict.fromkeys(
        positive(number, most=1000) for number in text.split(",")))


def check_writable(path: str) -> None:
    """Raise OSError, before a long run, if the file cannot be written."""
    is_new = not os.path.exists(path)
    open(path, "a").close()
    if is_new:
        os.remove(os.path.realpath(path))


def write(path: str, text: str) -> None:
    """Write a file. Raises OSError, which names it."""
    try:
        pathlib.Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        error.filename = path
        raise


def say_errors(report: Report) -> None:
    """Tell what went wrong with tasks, each once, on standard error."""
    for task, error in report.errors():
        error = error.removesuffix(f": {task}")  # as those of files end
        say(printable(f"{report.lesson}: {task or repr(task)}: {error}"))


def progress_line(quiet: bool) -> Callable[[str], None]:
    """Return a function that shows what is going on, on a terminal."""
    # A dumb one, or the shell of an editor, which claims to be a terminal,
    # would heed no "\r".
    if quiet or os.environ.get("TERM") == "dumb" or not (
            isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr.isatty()):
        return lambda text: None
    width = shutil.get_terminal_size().columns - 1
    return lambda text: say(f"\r{text[:width]:{width}}\r", end="")


def emit(text: str) -> None:
    """Print the text to standard output, at once. Raises BrokenPipeError if
    its reader has gone, OSError if it is full."""
    if sys.stdout is None:
        raise OSError("standard output is closed")
    try:
        print(text.removesuffix("\n"), flush=True)
    except OSError as error:
        # What is in its buffer would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        error.filename = "standard output"
        raise


def be_command(name: str, command: Callable[[], int]) -> None:
    """Run a command as this process, and end that with its status."""
    home = os.getpid()

    def interrupt(number: int, frame: Any) -> None:
        if os.getpid() != home:  # a worker that has just been born
            os._exit(128 + number)
        # A second one would only disturb the end. It is not SIG_IGN that is
        # set, as Python tells of a signal that has come in already.
        for other in ENDINGS:
            signal.signal(other, lambda *_: None)
        leaving.set()
        raise KeyboardInterrupt(number)

    if hasattr(os, "register_at_fork"):
        # The system may give a signal to another thread of a worker, and the
        # one at a lock would not learn of it.
        os.register_at_fork(after_in_child=lambda: [
            signal.signal(number, signal.SIG_DFL) for number in ENDINGS])
    before = {number: signal.getsignal(number) for number in ENDINGS}
    for number, handler in before.items():
        # Ignored: by nohup, which we heed, or Ctrl-C in a script's background.
        if handler is not signal.SIG_IGN or number == signal.SIGINT:
            signal.signal(number, interrupt)
    if hasattr(signal, "SIGCHLD"):
        # Where it is ignored, nobody can tell how a process has ended.
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = status_of(name, command)
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.signal(signal.SIGINT, signal.default_int_handler if (
        sys.flags.inspect) else signal.SIG_IGN)  # nothing is left to end
    if any(thread.name == EXPERIMENT for thread in threading.enumerate()):
        # What it waits for never comes, and Python would wait with it.
        quietly(atexit._run_exitfuncs)
        quietly(_run_finalizers)  # those that one which hangs has kept back
        os._exit(status)
    if status or not sys.flags.inspect:  # -i keeps the interpreter
        sys.exit(status)


def status_of(name: str, command: Callable[[], int]) -> int:
    """Return the exit status of a command, however it ends; trouble that
    is not the program's own fault is told in one line."""
    for stream in sys.stdin, sys.stdout:
        # A debugger has read from this one: it cannot be changed any more.
        with contextlib.suppress(io.UnsupportedOperation):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
    try:
        return command()
    except SystemExit:  # of argparse, after its help
        return 0
    except KeyboardInterrupt as interrupt:  # its status is that of shells
        quietly(lambda: say(f"{name}: interrupted"))  # nobody may read it
        number: int = (interrupt.args or (signal.SIGINT,))[0]
        return 128 + number
    except BrokenPipeError:  # as with `| head -1`: the reader has enough
        return 0
    except ValueError as error:
        say(f"{name}: {describe(error)} (see --help)")
        return 2
    except (OSError, RuntimeError, MemoryError, ImportError) as error:
        say(f"{name}: {describe(error)}")
        return 1
