"""Who worked on what, when: the runs of a lesson as a picture.

A lane is a worker, a bar is a task, shaded by the share of a core that it got:
two threads that take turns at the GIL are half as dark as two processes."""

import contextlib
import itertools
import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ._measure import Run, Span
from ._text import count, printable, safe

LANES = 16   # shown of a run; the others are counted
NARROW = 2   # columns; shorter tasks in a row are drawn as one bar

# Shares of a core: 0, 25, 50, 75, 100 %; where the next task starts; idle.
BLOCKS, ASCII = "─░▒▓█│·", "-=+*#|."

# SVG, in units: few to a line, so that letters stay legible on a phone.
WIDTH, LEFT, COLUMNS, ROW, BAR, LINE = 560, 88, 448, 22, 18, 80
# One hue in shades: nobody has to tell colours apart, and grey print serves.
# Attributes paint for a light page, also in programs that know no styles.
# Where a page holds many pictures, the prefix keeps the classes to them.
STYLE = """@media screen and (prefers-color-scheme: dark) {
.concur-card {fill: #1b1b1b} .concur-ink {fill: #eee}
.concur-bar {fill: #56b4e9; stroke: #56b4e9} .concur-on {fill: #111}
.concur-grid {stroke: #777}}"""


class Scale(NamedTuple):
    """The time axis: so many seconds on so many columns."""

    seconds: float
    columns: int

    def exact(self, seconds: float) -> float:
        """Return where that time is on the axis, in columns."""
        return min(max(seconds / self.seconds, 0.0), 1.0) * self.columns

    def ticks(self, most: int) -> list[tuple[float, int]]:
        """Return round times along the axis, about that many at most, and
        their columns."""
        rough = self.seconds / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(step * power for step in (1, 2, 5, 10)
                    if step * power >= rough * 0.999)
        times = [number * step
                 for number in range(int(self.seconds / step + 1e-9) + 1)]
        return [(time, round(self.exact(time))) for time in times]


class Bar(NamedTuple):
    """One task in a lane, or several too short to show apart."""

    left: int   # columns
    right: int
    spans: list[Span]

    @property
    def error(self) -> str | None:
        """What went wrong, if something did."""
        return next((span.error for span in self.spans
                     if span.error is not None), None)


def share(spans: Sequence[Span]) -> float:
    """Return the share of a core that the tasks got, from 0 to 1: their CPU
    time by their duration. A coarse clock may make it seem more than 1."""
    seconds = sum(span.seconds for span in spans)
    cpu_seconds = sum(span.cpu_seconds for span in spans)
    return min(max(cpu_seconds / seconds, 0.0), 1.0) if seconds > 0 else 0.0


def lanes(run: Run) -> list[list[Span]]:
    """Return the spans of the run by worker, and by start. A worker with
    several tasks under way at once, as asyncio has, gets several lanes."""
    workers: dict[str, list[list[Span]]] = {}
    for span in run.spans:
        own = workers.setdefault(span.worker, [])
        for lane in own:
            # To a microsecond, as sums of floats are not exact.
            if lane[-1].start + lane[-1].seconds < span.start + 1e-6:
                lane.append(span)
                break
        else:
            own.append([span])
    return [lane for own in workers.values() for lane in own]


def bars(spans: Iterable[Span], end: int, scale: Scale) -> list[Bar]:
    """Return the bars of one lane of a run that ends at that column. A
    short one pushes the next aside, but not beyond the end."""
    found: list[Bar] = []
    narrow_before = False
    for span in spans:
        # Another machine's clock may put a span outside its run.
        start = min(scale.exact(span.start), end)
        stop = min(scale.exact(span.start + span.seconds), end)
        left, right = round(start), round(stop)
        before = found[-1].right if found else 0
        narrow = stop - start < NARROW
        if narrow and narrow_before and left - before < NARROW:
            found[-1].spans.append(span)
            found[-1] = found[-1]._replace(right=max(before, right))
        else:
            left = min(max(left, before), end - 1)
            found.append(Bar(left, max(left + 1, right), [span]))
        narrow_before = narrow
    return found


def heading(run: Run, worker: str) -> str:
    """Return what the run was, and how long it took."""
    return f"{run.variant}, {count(run.workers, worker)}: {run.seconds:.3f} s"


def text(runs: Sequence[Run], width: int = 80, encoding: str = "utf-8",
         worker: str = "worker") -> str:
    """Return the runs as text of that width, at least 20 columns, for an
    output of that encoding."""
    width = max(width, 20)
    margin = len(f"{LANES} ")
    if not runs:
        return ""
    scale = Scale(max(run.seconds for run in runs), width - margin)
    glyphs, lines = ASCII, []
    with contextlib.suppress(UnicodeError, LookupError):
        glyphs = BLOCKS.encode(encoding).decode(encoding)
    for run in runs:
        lines += textwrap.wrap(heading(run, worker), width)
        end, every = max(1, round(scale.exact(run.seconds))), lanes(run)
        every += [[]] * (run.workers - len(every))
        for number, lane in enumerate(every[:LANES], 1):
            cells = drawn(bars(lane, end, scale), end, glyphs)
            lines.append(f"{number:>{margin - 1}} {cells}")
        if every[LANES:]:
            lines.append(f"+ {count(len(every) - LANES, 'more lane')}")
    lines.append(" " * margin + axis(scale))
    wait, *work, edge, idle = list(glyphs)
    legend = [f"{''.join(work[::-1])} CPU: a whole core to a quarter",
              f"{wait} waiting", f"{edge} next task (short ones together)",
              f"{idle} idle"]
    if any(run.failed for run in runs):
        legend.append("! failed")
    # A no-break space keeps a mark and its meaning on one line.
    notes = "   ".join(words.replace(" ", "\xa0") for words in legend)
    return "\n".join([*lines, *(line.replace("\xa0", " ") for line
                                in textwrap.wrap(notes, width))])


def drawn(lane: Iterable[Bar], end: int, glyphs: str) -> str:
    """Return a lane as a line of text, as long as its run."""
    *shades, edge, idle = list(glyphs)
    cells, before = [idle] * end, -1
    for bar in lane:
        shade = shades[round(share(bar.spans) * (len(shades) - 1))]
        cells[bar.left:bar.right] = shade * (bar.right - bar.left)
        if bar.left == before:  # no idle column tells the two apart
            cells[bar.left] = edge
        if bar.error is not None:
            cells[bar.right - 1] = "!"
        before = bar.right
    return "".join(cells)


def axis(scale: Scale) -> str:
    """Return the time axis as a line of text."""
    line = ""
    for time, column in scale.ticks(max(3, scale.columns // 10)):
        mark = f"|{time:g} s"
        if column + len(mark) <= scale.columns and (
                not line or len(line) < column):
            line = line.ljust(column) + mark
    return line


def svg(runs: Sequence[Run], worker: str, title: str, source: str) -> str:
    """Return the runs as an SVG document, which tells what machine its
    figures are from, and may stand in an HTML page, many times."""
    scale = Scale(max([1e-6, *(run.seconds for run in runs)]), COLUMNS)
    parts, top = [], 24
    for run in runs:
        parts.append(words(heading(run, worker), 12, top, " font-size='16'"))
        figures = "; ".join(f"{name} {value}" for name, value
                            in list(run.shown().items())[1:])
        for line in textwrap.wrap(figures, LINE):
            top += 20
            parts.append(words(line, 12, top))
        end, every = max(1, round(scale.exact(run.seconds))), lanes(run)
        every += [[]] * (run.workers - len(every))
        for number, lane in enumerate(every[:LANES], 1):
            label = lane[0].worker if lane else ""
            if not 0 < len(label) < 12:  # characters that there is room for
                label = f"{worker} {number}"
            parts.append(lane_svg(
                bars(lane, end, scale), end, label, top + 10))
            top += ROW
        if every[LANES:]:
            top += ROW
            parts.append(words(
                f"+ {count(len(every) - LANES, 'more lane')}", LEFT, top))
        top += 38
    parts += [words(f"{time:g} s", LEFT + column, top - 12,
                    " text-anchor='middle'")
              for time, column in scale.ticks(5)]
    notes = ("The fuller its colour, the larger the share of a core that a "
             "task got; no colour: it waited. Dots: idle."
             + " !: failed." * any(run.failed for run in runs))
    for line in [*textwrap.wrap(notes, LINE), *textwrap.wrap(source, LINE)]:
        top += 20
        parts.append(words(line, 12, top))
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" width="100%" '
        f'viewBox="0 0 {WIDTH} {top + 16}" role="img" class="concur-ink" '
        'font-family="system-ui, sans-serif" font-size="13" fill="#222">',
        f"<title>{safe(title)}</title>", f"<style>{STYLE}</style>",
        '<rect class="concur-card" width="100%" height="100%" rx="8" '
        'fill="#fff"/>', *parts, "</svg>", ""])


def lane_svg(lane: Iterable[Bar], end: int, label: str, y: int) -> str:
    """Return the drawing of a lane, y units from the top."""
    parts = [
        words(label, 12, y + 14),
        f'<path class="concur-grid" d="M{LEFT} {y + BAR // 2}h{end}" '
        'stroke="#888" stroke-dasharray="1 3"/>']
    for bar in lane:
        x, width, name = LEFT + bar.left, bar.right - bar.left, ""
        shade, task = share(bar.spans), bar.spans[0].task
        if len(bar.spans) == 1 and task.isascii() and (
                len(task) * 7.5 + 8 < width):
            name = words(task, x + 4, y + 14,
                         " class='concur-on' fill='#fff'" * (shade > 0.6))
        # The card beneath hides the dots; the gaps keep neighbours apart.
        parts.append(
            f"<g><title>{safe(tooltip(bar))}</title>"
            f'<rect class="concur-card" x="{x}" y="{y}" width="{width}" '
            f'height="{BAR}" fill="#fff"/>'
            f'<rect class="concur-bar" x="{x + 0.75}" y="{y + 0.5}" '
            f'width="{max(0.3, width - 1.5)}" height="{BAR - 1}" '
            f'fill="#005a8f" fill-opacity="{shade:.2f}" stroke="#005a8f"/>'
            f"{name}</g>")
    # On top, so that no neighbour hides them.
    parts += [words("!", LEFT + bar.right - 6, y + 14, " class='concur-on' "
                    "fill='#fff'" * (share(bar.spans) > 0.6))
              for bar in lane if bar.error is not None]
    return "".join(parts)


def tooltip(bar: Bar) -> str:
    """Return what a bar stands for."""
    first, last = bar.spans[0], bar.spans[-1]
    what = (first.task if len(bar.spans) == 1
            else f"{len(bar.spans)} tasks too short to show apart")
    cpu_seconds = sum(span.cpu_seconds for span in bar.spans)
    return (f"{what}: start {first.start:.3f} s, took "
            f"{last.start + last.seconds - first.start:.3f} s, CPU "
            f"{cpu_seconds:.3f} s, {share(bar.spans):.0%} of a core"
            + (f", failed: {bar.error}" if bar.error is not None else ""))


def words(string: str, x: float, y: int, style: str = "") -> str:
    """Return a line of text in the picture."""
    return f'<text x="{x}" y="{y}"{style}>{safe(string)}</text>'


def trace_events(runs: Sequence[Run], lesson: str) -> str:
    """Return the spans of the runs as Trace Event JSON, in microseconds,
    for a file in UTF-8 that https://ui.perfetto.dev and chrome://tracing
    open: a run is a process there, a worker a thread. The format:
    https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
    """
    import json  # here, to start sooner
    # Perfetto does not read all of the escapes that ASCII would need.
    encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode
    events = ",\n".join(map(encode, events_of(runs, lesson)))
    return f'{{"traceEvents": [\n{events}]}}'


def events_of(runs: Sequence[Run], lesson: str) -> Iterator[dict[str, Any]]:
    """Yield the events, one by one: all of them at once take much memory."""
    def name(kind: str, pid: int, tid: int, text: str) -> dict[str, Any]:
        return {"ph": "M", "name": f"{kind}_name", "pid": pid, "tid": tid,
                "args": {"name": printable(text)}}

    numbers = itertools.count(1)  # a tid in two runs would get one name
    for run in runs:
        pid = next(numbers)
        yield name("process", pid, pid, heading(run, "worker"))
        for lane in lanes(run):
            tid = next(numbers)
            yield name("thread", pid, tid, lane[0].worker)
            for span in lane:
                # All runs start at 0, one below the other, for the eye to
                # compare. Whole microseconds, rounded down, as no task may
                # seem to start before the last has ended.
                start = int(span.start * 1e6)
                end = int((span.start + span.seconds) * 1e6)
                args: dict[str, Any] = {
                    "cpu_seconds": span.cpu_seconds, "share_of_a_core": round(
                        share([span]), 3)}
                if span.error is not None:
                    args["error"] = printable(span.error)
                yield {
                    "ph": "X", "name": printable(span.task), "cat": lesson,
                    "pid": pid, "tid": tid, "ts": start, "dur": end - start,
                    "args": args}
