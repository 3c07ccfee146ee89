"""Two costs measured in turns, and the table of such measurements."""

import argparse
import contextlib
import dataclasses
import functools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from concur_demo import _cli
from concur_demo._machine import this_machine
from concur_demo._text import describe
from concur_demo.worker_pool import map_pool

# A function that measures what something costs, in seconds or bytes, and
# its arguments: (elapsed, sum, [1, 2, 3]).
Cost = tuple[Any, ...]
Pairs = list[tuple[float, float]]   # (our cost, theirs)
Cells = dict[str, Any]   # a row's figures and outcome, by their names

LONGEST = 300.0   # seconds that one process may take


@dataclasses.dataclass
class Row:
    """One line of the table. Growth is our cost over that of a tenth of
    the work."""

    name: str
    what: str   # ours; theirs
    limit: float
    pairs: Pairs
    at_least: bool = False   # the limit is for their cost over ours
    growth: float | None = None
    unit: str = "s"

    def cells(self) -> Cells:
        """Return the row's figures and outcome, in seconds and bytes."""
        ratios = [theirs / ours if self.at_least else ours / theirs
                  for ours, theirs in self.pairs]
        ours, theirs = map(statistics.median, zip(*self.pairs))
        low, _, high = statistics.quantiles(
            ratios if len(ratios) > 1 else 2 * ratios, method="inclusive")
        ratio, noise = statistics.median(ratios), high - low
        beyond = (self.limit - ratio) * (1 if self.at_least else -1)
        return {
            "name": self.name, "ours": ours, "against": theirs,
            "unit": self.unit, "ratio": ratio, "limit": self.limit,
            "at_least": self.at_least, "noise": noise, "growth": self.growth,
            "outcome": "met" if beyond <= 0 else
            "within noise" if beyond <= noise else "missed",
            "what": self.what}


def unmeasured(name: str, outcome: str, why: object) -> Cells:
    """Return the cells of a row for which there are no figures."""
    return dict.fromkeys(Row("", "", 0.0, [(1.0, 1.0)]).cells()) | {
        "name": name, "outcome": outcome, "what": str(why)}


class Skipped(Exception):
    """Why a row cannot be measured here."""


Measure = Callable[[], Iterable[Row]]
MEASURES: dict[str, Measure] = {}   # by the name of a row


def rows(*names: str) -> Callable[[Measure], Measure]:
    """Return a decorator for a function that measures these rows."""
    def add(measure: Measure) -> Measure:
        MEASURES.update(dict.fromkeys(names, measure))
        return measure
    return add


# Measuring ------------------------------------------------------------

def compare(
    name: str, what: str, limit: float, samples: int, ours: Cost,
    theirs: Cost, tenth: Cost | None = None, **options: Any,
) -> list[Row]:
    """Return the row of two costs, measured in turns after a run of each
    to warm up; `tenth` is the cost of a tenth of our work."""
    pairs = [(cost(ours), cost(theirs)) for _ in range(samples + 1)][1:]
    if tenth:
        small = statistics.median(cost(tenth) for _ in range(3))
        if small:   # the peak of memory need not rise
            options["growth"] = statistics.median(
                mine for mine, _ in pairs) / small
    return [Row(name, what, limit, pairs, **options)]


def cost(how: Cost) -> float:
    """Return what is measured by how[0] called with the rest."""
    function, *args = how
    return float(function(*args))


def elapsed(work: Callable[..., object], *args: Any) -> float:
    """Return the seconds that work(*args) takes."""
    start = time.perf_counter()
    work(*args)
    return time.perf_counter() - start


def cpu(work: Callable[..., object], *args: Any) -> float:
    """Return the CPU seconds that work(*args) takes of this process."""
    start = time.process_time()
    work(*args)
    return time.process_time() - start


def per_one(work: Callable[[int], object], number: int) -> float:
    """Return the seconds that work(number) takes for each."""
    return elapsed(work, number) / number


def consume(results: Iterable[object]) -> None:
    """Take all results, and keep none."""
    for _ in results:
        pass


def command(*words: str, **changes: str) -> None:
    """Run a command, with these changes to its environment;
    CalledProcessError if it fails."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL,
                          env={**os.environ, **changes}) as process:
        timer = threading.Timer(LONGEST, process.kill)
        timer.start()
        try:
            status = process.wait()   # its own time-out polls: 50 ms late
        finally:
            timer.cancel()
    if status:
        raise subprocess.CalledProcessError(status, words[:3])


def python(*words: str, **changes: str) -> float:
    """Return the seconds that a command of this interpreter takes."""
    start = time.perf_counter()
    command(sys.executable, *words, **changes)
    return time.perf_counter() - start


class Costs(NamedTuple):
    """What some work took of a process that did nothing before."""

    seconds: float
    peak: int     # bytes, the most memory that the process had
    growth: int   # bytes, by which the work raised that


def costs_in_child(work: Callable[[int], object], number: int) -> Costs:
    """Return the costs of work(number), in a new process."""
    peak_memory()   # if it is Skipped, then here
    spawn = multiprocessing.get_context("spawn")
    [(_, costs)] = map_pool(
        functools.partial(costs_of, work), [number], 1, spawn.Pool)
    return costs


def costs_of(work: Callable[[int], object], number: int) -> Costs:
    """Return the costs of work(number), in this process."""
    start = peak_memory()
    # What the work takes shows only where no memory is free in the heap.
    ballast = []
    while (before := peak_memory()) < start + 2**20:
        ballast.append([bytes(size) for size in range(16, 2000, 16)])
    seconds = elapsed(work, number)
    peak = peak_memory()
    return Costs(seconds, peak, peak - before)


def peak_memory() -> int:
    """Return the most memory that this process has had, in bytes."""
    with contextlib.suppress(OSError):
        # Not ru_maxrss, in which Linux counts what the parent had, too.
        with open("/proc/self/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        raise Skipped("this system does not tell the peak of memory")
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


# The table ------------------------------------------------------------

LINE = ("{name:13} {ours:>7} {against:>7} {ratio:>5} {target:7} "
        "{noise:>5} {growth:>6}  {outcome:12} {what}")


def amount(value: float, unit: str) -> str:
    """Return a value with its unit.

    >>> amount(0.0123, "s"), amount(0.9996, "s"), amount(1_730_000_000, "B")
    ('12.3 ms', '1 s', '1.73 GB')
    """
    scales = {"B": [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")],
              "s": [(1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")]}[unit]
    factor, prefix = next(
        (scale for scale in scales if value >= 0.9995 * scale[0]), scales[-1])
    return f"{value / factor:.3g} {prefix}{unit}"


def line(cells: Cells) -> str:
    """Return a row as a line of text."""
    if cells["ratio"] is None:
        return "{name:13} {outcome}: {what}".format(**cells)
    growth, sign = cells["growth"], ">=" if cells["at_least"] else "<="
    return LINE.format(**cells | {
        "ours": amount(cells["ours"], cells["unit"]),
        "against": amount(cells["against"], cells["unit"]),
        "ratio": f"{cells['ratio']:.2f}", "noise": f"{cells['noise']:.2f}",
        "target": f"{sign} {cells['limit']:.2f}",
        "growth": "-" if growth is None else f"{growth:.1f}"})


def measured(
    names: Sequence[str], progress: Callable[[str], None]
) -> Iterator[Cells]:
    """Yield the rows of these names as they are done."""
    for measure in dict.fromkeys(MEASURES[name] for name in names):
        mine = [name for name in names if MEASURES[name] is measure]
        progress(", ".join(mine))
        try:
            found = [row.cells() for row in measure() if row.name in mine]
        except Skipped as reason:
            found = [unmeasured(name, "skipped", reason) for name in mine]
        except Exception as error:   # the others are measured all the same
            why = f"{type(error).__name__}: {describe(error)}"
            found = [unmeasured(name, "failed", why) for name in mine]
        finally:
            progress("")
        yield from found


def known(text: str) -> list[str]:
    """Return the names in a comma list."""
    for name in text.split(","):
        if name not in MEASURES:
            raise argparse.ArgumentTypeError(
                f"no row {name!r}; there are {', '.join(MEASURES)}")
    return text.split(",")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if a row of it is missed or failed."""
    parser = _cli.Parser(
        prog="benchmark", usage="python -m tests.benchmark [options]")
    parser.add_argument(
        "--only", action="extend", type=known, metavar="NAME,NAME...",
        help=f"measure these rows; there are {', '.join(MEASURES)}")
    parser.add_argument("--json", action="store_true", help="print JSON")

    def command() -> int:
        options = parser.parse_args(argv)
        if not options.json:
            names = [word.strip("{}").split(":")[0] for word in LINE.split()]
            _cli.emit(f"{this_machine()}\n"
                      + LINE.format(**dict(zip(names, names))))
        found = []
        for cells in measured(list(dict.fromkeys(options.only or MEASURES)),
                              _cli.progress(quiet=False)):
            found.append(cells)
            if not options.json:
                _cli.emit(line(cells))
        if options.json:
            _cli.emit(json.dumps({"machine": this_machine()._asdict(),
                                  "rows": found}, indent=2))
        return int(any(cells["outcome"] in ("missed", "failed")
                       for cells in found))

    return _cli.ended(parser.prog, command)
