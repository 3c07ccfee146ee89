"""Every lesson in brief: python -m concur_demo."""

import contextlib
import functools
import importlib
import json
from collections.abc import Callable, Iterator, Sequence

from . import _cli
from ._report import Report, markdown_table
from ._text import describe, say
from .whole_files import replaced_file

LESSONS = ("copy_threads", "titles_threads", "primes_threads",
           "primes_pool", "hello_pipe")


def main(argv: Sequence[str] | None = None) -> int:
    """Run every lesson quickly, print a line of verdict for each.

    Returns the exit status: 1 if a lesson failed; the others are run.
    """
    parser = _cli.Parser(
        prog="concur_demo", usage="python -m concur_demo [options]",
        description="Run every lesson quickly: what does it claim, and does "
        "that hold on this machine?",
        epilog="Each lesson runs alone as well, with a table and a picture: "
        + ", ".join(f"python -m concur_demo.{name}" for name in LESSONS))
    _cli.add_forms(parser)
    parser.add_argument(
        "--html", metavar="FILE",
        help="also write a page to teach from: code, figures, pictures")

    def command() -> int:
        options = parser.parse_args(argv)
        reports: list[Report] = []
        trouble: list[Exception] = []
        printing = functools.partial(
            _cli.output_trouble, None if options.html is None else trouble)
        with (contextlib.nullcontext() if options.html is None
              else replaced_file(options.html)) as file:
            for report in quick_reports(_cli.progress(quiet=False)):
                reports.append(report)
                if options.form is None:
                    with printing():
                        _cli.emit(brief(report))
            with printing():
                show_table(reports, options.form)
            if file:
                from ._page import page  # here, to start sooner
                file.write(page(reports))
        if trouble:
            raise trouble[0]
        failed = sum(report.failed for report in reports)
        return 1 if failed or len(reports) < len(LESSONS) else 0

    return _cli.ended(parser.prog, command)


def show_table(reports: Sequence[Report], form: str | None) -> None:
    """Print the reports of all lessons together, in a form for that."""
    if form == "json":
        _cli.emit(json.dumps([one.as_dict() for one in reports], indent=2))
    elif form == "markdown":
        _cli.emit(markdown_table(
            [["lesson", "claim", "verdict", "evidence"], *(
                [one.lesson, one.claim, *one.verdict[:2]]
                for one in reports)]))


def quick_reports(progress: Callable[[str], None]) -> Iterator[Report]:
    """Yield the report of each lesson; a lesson that fails is told of on
    standard error, and left out."""
    for name in LESSONS:
        try:
            lesson = importlib.import_module(f"{__package__}.{name}")
            try:
                report = lesson.measure(
                    quick=True,
                    progress=lambda text: progress(f"{name}: {text}"))
            finally:
                progress("")
        except Exception as error:
            say(f"{name}: {describe(error)}")
        else:
            for failed in report.errors():
                _cli.say_error(name, *failed)
            yield report


def brief(report: Report) -> str:
    """Return a report as one line."""
    return (f"{report.lesson}: {report.claim} "
            f"{report.verdict.word.capitalize()}: {report.verdict.evidence}")


if __name__ == "__main__":
    _cli.start(main)
