"""The command line that all lessons share, and the ways a command ends."""

import argparse
import contextlib
import io
import shutil
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from ._measure import Outcome
from ._report import Report
from ._text import describe, discard, printable, say
from .whole_files import replaced_file
from .worker_pool import TERMINATIONS, heeded

# How long an interrupted command may take to tidy up before it is
# interrupted again: a thread cannot be stopped in the middle of a task.
GRACE_SECONDS = 1.0


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that says what is wrong in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.color = False  # of the help, from Python 3.14 on

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {describe(ValueError(message))} (see --help)")
        raise SystemExit(2)

    def print_help(self, file: object = None) -> None:
        """Print the help as all else: argparse hides a full disk."""
        emit(self.format_help())


def lesson_parser(
    lesson: str, claim: str, example: str, workers: Sequence[int],
    operands: str = "",
) -> Parser:
    """Return a parser with the options that all lessons share."""
    parser = Parser(
        prog=lesson,
        usage=f"python -m concur_demo.{lesson} [options] {operands}".strip(),
        description=f"Claim: {claim}",
        epilog=f"Example: python -m concur_demo.{lesson} {example}")
    parser.add_argument(
        "--workers", type=positive_list, default=tuple(workers),
        metavar="N,N,...", help="worker counts to compare (default "
        + ",".join(map(str, workers)) + ")")
    parser.add_argument(
        "--quick", action="store_true",
        help="a smaller job, a second or two a run at most")
    parser.add_argument(
        "--repeat", type=positive, default=1, metavar="N",
        help="best of N runs for each row of the table (default 1)")
    add_forms(parser)
    parser.add_argument(
        "--svg", metavar="FILE", help="also write the timeline as a picture")
    parser.add_argument(
        "--snippet", action="store_true",
        help="print the lesson as one standalone file, and run nothing")
    parser.add_argument(
        "--verbose", action="store_true",
        help="workers announce start and end of their tasks")
    return parser


def add_forms(parser: Parser) -> None:
    """Add the forms, other than plain text, that a report may take."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_const", dest="form", const="json",
        help="print the report as JSON, and nothing else")
    form.add_argument(
        "--markdown", action="store_const", dest="form", const="markdown",
        help="print the report as Markdown, and nothing else")


def positive(text: str) -> int:
    """Return the whole number in the text; it must be 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of 1 or more")
    return number


def seconds(text: str) -> float:
    """Return the number of seconds in the text; it must be above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds above 0, and at most "
            f"{threading.TIMEOUT_MAX:.0f}")
    return number


def size(text: str) -> int:
    """Return the number of bytes in the text.

    >>> size("4096"), size("250M"), size("1G")
    (4096, 250000000, 1000000000)
    """
    units = {"K": 10**3, "M": 10**6, "G": 10**9}
    unit = units.get(text[-1:].upper(), 1)
    try:
        return unit * positive(text if unit == 1 else text[:-1])
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of bytes, such as 4096 or 250M")


def positive_list(text: str) -> tuple[int, ...]:
    """Return the whole numbers in a comma list, in order, each once."""
    return tuple(dict.fromkeys(map(positive, text.split(","))))


def add_limits(parser: Parser, limits: Sequence[int]) -> None:
    """Add the limits up to which primes are summed."""
    parser.add_argument(
        "limits", nargs="*", type=positive, metavar="LIMIT",
        help="sum the primes up to each of these (default "
        + " ".join(map(str, limits)) + ")")


def run(
    parser: Parser, measure: Callable[..., Report],
    argv: Sequence[str] | None, *,
    own: str | None = None,
    expand: Callable[[Iterable[str]], Iterable[str]] = tuple,
    line: Callable[[Any, Any], Iterable[str]] = lambda *pair: map(str, pair),
    needed: bool = False,
) -> int:
    """Parse argv, measure with the options in it, print the report.

    Returns the exit status: 0, or 1 if a task failed. A ValueError of
    `measure` is one of usage. `own` names the option with the user's own
    tasks; if there are some, the texts line(task, result) are printed as
    each is done, in place of a report, and nothing is kept in memory. If
    they are `needed`, they are done even if nobody reads those texts.
    """
    def command() -> int:
        options = vars(parser.parse_args(argv))
        if options.pop("snippet"):
            from ._snippet import snippet  # here, to start sooner
            emit(snippet(parser.prog))
            return 0
        form, svg = options.pop("form"), options.pop("svg")
        quiet = options["verbose"]
        listed = False
        if own and options[own]:
            options[own] = expand(options[own])
            if listed := form is None:
                quiet = True
                options |= {"show": show_task, "keep": svg is not None}
        with (contextlib.nullcontext() if svg is None
              else replaced_file(svg)) as file:
            tell = progress(quiet)
            try:
                report = measure(**options, progress=tell)
            finally:
                tell("")
            if not listed:
                with output_trouble(trouble if file else None):
                    show_report(report, form)
            if file:
                file.write(report.svg())
        if trouble and not isinstance(trouble[0], OutputClosed):
            raise trouble[0]
        return 1 if report.failed else 0

    printing = threading.Lock()  # the workers' lines must not mix
    trouble: list[Exception] = []

    def show_task(task: Any, outcome: Outcome[Any]) -> None:
        if outcome.span.error is None:
            with printing, output_trouble(trouble if needed else None):
                emit("\t".join(map(printable, line(task, outcome.result))))
        else:
            say_error(parser.prog, outcome.span.task, outcome.span.error)

    return ended(parser.prog, command)


def say_error(lesson: str, task: str, error: str) -> None:
    """Tell what went wrong with a task, on standard error."""
    task = printable(task) or "''"
    # describe() tells what is wrong, and then where
    told = f": {error}: "
    if f": {task}: " not in told and f"/{task}: " not in told:
        error = f"{task}: {error}"
    say(f"{lesson}: {error}")


def show_report(report: Report, form: str | None) -> None:
    """Print the report, and the errors in it to standard error."""
    for task, error in report.errors():
        say_error(report.lesson, task, error)
    if form == "json":
        emit(report.json())
    elif form == "markdown":
        emit(report.markdown())
    else:
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        emit(report.text(shutil.get_terminal_size().columns, encoding))


def progress(quiet: bool) -> Callable[[str], None]:
    """Return a function that shows what is going on, on a terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        return lambda text: None
    width = shutil.get_terminal_size().columns - 1
    return lambda text: say(f"\r{text[:width]:{width}}\r", end="")


class OutputClosed(Exception):
    """Nobody reads standard output any more."""


def emit(text: str) -> None:
    """Print the text to standard output, at once.

    Raises OutputClosed if its reader has gone, OSError if it is full.
    """
    if sys.stdout is None:
        raise OSError("standard output is closed")
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from None
        raise OSError(f"standard output: {error.strerror}") from None


@contextlib.contextmanager
def output_trouble(kept: list[Exception] | None) -> Iterator[None]:
    """Keep what first goes wrong with standard output, meanwhile or before,
    on the list, so that the work can go on; None: raise it."""
    try:
        yield
    except (OutputClosed, OSError) as error:
        if kept is None:
            raise
        if not kept:
            kept.append(error)


def ended(name: str, command: Callable[[], int]) -> int:
    """Return the exit status of a command, however it ends; trouble that
    is not the program's own fault is told in one line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return command()
    except SystemExit as wish:  # of argparse
        return wish.code if isinstance(wish.code, int) else 1
    except KeyboardInterrupt as interrupt:  # its status is that of shells
        say(f"{name}: interrupted")
        number: int = (interrupt.args or (signal.SIGINT,))[0]
        return 128 + number
    except OutputClosed:  # as with `| head -1`: the reader has enough
        return 0
    except ValueError as error:
        say(f"{name}: {describe(error)} (see --help)")
        return 2
    except (OSError, RuntimeError, MemoryError) as error:
        say(f"{name}: {describe(error)}")
        return 1


def start(main: Callable[[], int]) -> NoReturn:
    """Run a lesson's main as the command of this process, and exit."""
    try:
        for number in [signal.SIGINT, *heeded()]:
            signal.signal(number, _interrupt)
        if hasattr(signal, "SIGCHLD"):
            # Some programs start others with it ignored. Then nobody could
            # tell how a process has ended.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.unraisablehook = _unraisable
        status = main()
    except KeyboardInterrupt:  # just before the command, or just after it
        say("interrupted")
        status = 128 + signal.SIGINT
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # there is nothing left
    for number in [signal.SIGTERM, *heeded()]:  # to tidy up
        signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    sys.exit(status)


def _interrupt(number: int, frame: types.FrameType | None) -> NoReturn:
    """Tidy up and end, soon: as for Ctrl-C, so when asked to terminate.

    Another Ctrl-C would not end it sooner, but leave things behind.
    """
    if hasattr(signal, "setitimer"):
        for other in [signal.SIGINT, *TERMINATIONS]:
            signal.signal(other, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, lambda _, at: _interrupt(number, at))
        # Again and again: a signal that comes just before Python begins to
        # wait for a lock does not end that wait.
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS, GRACE_SECONDS)
    raise KeyboardInterrupt(number)


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    """Tell what nobody can catch, but not of an interrupt that came in a
    destructor: it comes again."""
    if not isinstance(what.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(what)
