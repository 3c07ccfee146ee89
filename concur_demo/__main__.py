"""Every lesson in brief: python -m concur_demo."""

import json
from collections.abc import Sequence

from . import _run
from ._experiments import TABLE
from ._report import Report, markdown_table
from ._text import describe, say


def command(argv: Sequence[str] | None = None) -> int:
    """Run every lesson quickly, print a line of verdict for each; return
    the exit status: 1 if a lesson failed."""
    parser = _run.Parser(
        prog="python -m concur_demo", usage="%(prog)s [options]",
        description="Run every lesson quickly: what does it claim, and does "
        "that hold on this machine?",
        epilog="Each lesson runs alone as well, with a table and a picture, "
        "as python -m concur_demo.LESSON. The lessons: " + ", ".join(TABLE))
    parser.add_argument(
        "--html", metavar="FILE",
        help="also write a page to teach from: code, figures, pictures")
    options, rest = parser.parse_known_args(argv)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}. One lesson "
                     "is measured by python -m concur_demo.LESSON")
    if options.html:
        _run.check_writable(options.html)
    tell = _run.progress_line(quiet=False)
    reports: list[Report] = []
    for name in TABLE:
        try:
            reports.append(_run.measured(
                name, _run.lesson_parser(name).parse_args(["--quick"]),
                lambda text: tell(text and f"{name}: {text}")))
        except Exception as error:  # the others are run all the same
            say(f"{name}: {describe(error)}")
            continue
        _run.say_errors(reports[-1])
        if not options.form:
            word, evidence, _ = reports[-1].verdict
            _run.emit(f"{name}: {reports[-1].claim} "
                      f"{word.capitalize()}: {evidence}")
    if options.html:
        from ._page import page  # here, to start sooner
        _run.write(options.html, page(reports))
    if options.form == "json":
        _run.emit(json.dumps([one.as_dict() for one in reports], indent=2))
    elif options.form == "markdown":
        _run.emit(markdown_table(
            [["lesson", "claim", "verdict", "evidence"], *(
                [one.lesson, one.claim, *one.verdict[:2]]
                for one in reports)]))
    failed = any(report.errors() for report in reports)
    return 1 if failed or len(reports) < len(TABLE) else 0


if __name__ == "__main__":
    _run.be_command("concur_demo", command)
