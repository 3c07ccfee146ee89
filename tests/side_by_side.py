"""Two costs measured in turns, and the table of such measurements."""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from concur_demo._machine import this_machine
from concur_demo._report import markdown_table
from concur_demo._run import Parser, emit, progress_line
from concur_demo._text import describe

Cost = Callable[[], float]  # measures something once, in seconds or bytes
# Our cost and theirs; the third, if any, is ours for a tenth of the work.
Costs = tuple[Cost, Cost] | tuple[Cost, Cost, Cost]
Cells = dict[str, Any]  # a row's figures and outcome, by their names


class Row(NamedTuple):
    """Two costs that are to be compared, and what is expected of them."""

    name: str
    what: str       # ours; theirs
    target: float   # for our cost over theirs
    at_least: bool  # if it is for theirs over ours
    pairs: int      # how many to measure
    unit: str       # of the costs: s or B
    costs: Callable[[], contextlib.AbstractContextManager[Costs]]


ROWS: list[Row] = []


class Skipped(Exception):
    """Why a row cannot be measured here."""


def row(name: str, what: str, *, at_most: float = 0.0, at_least: float = 0.0,
        pairs: int = 5, unit: str = "s"
        ) -> Callable[[Callable[[], Iterator[Costs]]], None]:
    """Return a decorator for a function that makes ready what a row of the
    table needs, yields its costs, and tidies up."""
    def add(costs: Callable[[], Iterator[Costs]]) -> None:
        ROWS.append(Row(name, what, at_most or at_least, bool(at_least),
                        pairs, unit, contextlib.contextmanager(costs)))
    return add


# Costs ----------------------------------------------------------------

def elapsed(work: Callable[..., object], *args: Any) -> float:
    """Return the seconds that work(*args) takes, and its results, if it is
    a generator."""
    start = time.perf_counter()
    results = work(*args)
    if isinstance(results, Iterator):
        for _ in results:
            pass
    return time.perf_counter() - start


def cpu(work: Callable[..., object], *args: Any) -> float:
    """Return the CPU seconds that work(*args) takes of this process."""
    start = time.process_time()
    work(*args)
    return time.process_time() - start


def python(*words: str) -> float:
    """Return the seconds that a command of this interpreter takes."""
    def run() -> None:
        with subprocess.Popen([sys.executable, *words],
                              stdout=subprocess.DEVNULL) as process:
            try:
                status = process.wait()
            finally:  # it tidies up, which it could not if it were killed
                process.terminate()
                process.wait()
        if status:
            raise subprocess.CalledProcessError(status, words)

    return elapsed(run)


# The table ------------------------------------------------------------

def judged(row: Row, pairs: Sequence[tuple[float, float]],
           growth: float | None) -> Cells:
    """Return the figures and the outcome of a row."""
    ratios = [theirs / ours if row.at_least else ours / theirs
              for ours, theirs in pairs]
    ours, theirs = map(statistics.median, zip(*pairs))
    low, _, high = statistics.quantiles(
        ratios if len(ratios) > 1 else 2 * ratios, method="inclusive")
    ratio, noise = statistics.median(ratios), high - low
    beyond = (row.target - ratio) * (1 if row.at_least else -1)
    return {
        "name": row.name, "ours": ours, "against": theirs, "unit": row.unit,
        "ratio": ratio, "limit": row.target, "at_least": row.at_least,
        "noise": noise, "growth": growth, "outcome":
        "met" if beyond <= 0 else "within noise" if beyond <= noise
        else "missed", "what": row.what}


def measured(row: Row) -> Cells:
    """Measure a row; one that cannot be has the same cells, with None."""
    try:
        with row.costs() as (ours, theirs, *tenth):
            if row.pairs > 1:
                ours(), theirs()  # to warm up
            pairs = [(ours(), theirs()) for _ in range(row.pairs)]
            small = [cost() for cost in tenth for _ in range(3)]
    except Exception as error:  # the others are measured all the same
        outcome, why = ("skipped", str(error)) if isinstance(
            error, Skipped) else ("failed", describe(error))
        return dict.fromkeys(judged(row, [(1, 1)], None)) | {
            "name": row.name, "outcome": outcome, "what": why}
    return judged(row, pairs, statistics.median(
        ours for ours, _ in pairs) / statistics.median(small) if small
        else None)


def amount(value: float, unit: str) -> str:
    """Return a value with its unit, such as 12.3 ms."""
    scales = {"B": [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")],
              "s": [(1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")]}[unit]
    factor, prefix = next(
        (scale for scale in scales if value >= scale[0]), scales[-1])
    return f"{value / factor:.3g} {prefix}{unit}"


HEADINGS = ("name", "ours", "against", "ratio", "target", "noise", "growth",
            "outcome", "what")
LINE = "{:15} {:>7} {:>7} {:>6} {:8} {:>6} {:>6}  {:12} {}".format


def shown(cells: Cells) -> list[str]:
    """Return a row's cells as a reader sees them."""
    if cells["ratio"] is None:
        return [cells["name"], *6 * "-", cells["outcome"], cells["what"]]
    growth = cells["growth"]
    return [
        cells["name"], amount(cells["ours"], cells["unit"]),
        amount(cells["against"], cells["unit"]), f"{cells['ratio']:.3f}",
        f"{'>=' if cells['at_least'] else '<='} {cells['limit']:.3g}",
        f"{cells['noise']:.3f}", "-" if growth is None else f"{growth:.1f}",
        cells["outcome"], cells["what"]]


def command(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if a row of it is missed or failed."""
    names = list(dict.fromkeys(row.name for row in ROWS))
    parser = Parser(
        prog="python -m tests.benchmark", usage="%(prog)s [options]",
        description="Measure what concur_demo costs, beside what users would "
        "reach for instead.")
    parser.add_argument(
        "--only", metavar="NAME,NAME...", default=",".join(names),
        help=f"measure these rows; there are {', '.join(names)}")
    options = parser.parse_args(argv)
    only = options.only.split(",")
    for name in only:
        if name not in names:
            parser.error(f"argument --only: no row {name!r}; there are "
                         + ", ".join(names))
    if not options.form:
        emit(f"{this_machine()}\n{LINE(*HEADINGS)}")
    tell = progress_line(quiet=False)
    found = []
    for one in ROWS:
        if one.name in only:
            tell(one.name)
            found.append(measured(one))
            tell("")
            if not options.form:
                emit(LINE(*shown(found[-1])))
    if options.form == "json":
        emit(json.dumps({"machine": this_machine()._asdict(), "rows": found},
                        indent=2))
    elif options.form == "markdown":
        emit(markdown_table([HEADINGS, *map(shown, found)]))
    return int(any(cells["outcome"] in ("missed", "failed")
                   for cells in found))
