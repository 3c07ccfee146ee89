"""Who worked on what, when: the runs of a lesson as a picture.

The same lanes and bars are drawn as text and as SVG. A lane is a worker, a
bar is a task, and one time axis serves all runs, so that the shorter run
is the shorter picture.
"""

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ._measure import FIGURES, Run, Span
from ._text import count, printable, safe

LANES = 16   # shown of a run; the others are told in a line
NARROW = 2   # columns; shorter tasks in a row are drawn as one bar

# Two neighbouring tasks, many short ones, an idle worker.
BLOCKS, ASCII = ("█", "▒", "▌", "·"), ("#", "=", "|", ".")

# SVG, in units: few to a line, so that letters stay legible on a phone.
WIDTH, LEFT, COLUMNS, RIGHT = 560, 88, 322, 422
LABEL = 11   # characters that there is room for on the left
ROW, BAR = 22, 18
# Blue and orange of Okabe and Ito's palette, which colour-blind people tell
# apart, https://jfly.uni-koeln.de/color/, with an ink legible on each.
PAINTS = (("#0072b2", "#fff"), ("#e69f00", "#000"))
THIN, FAILED = (
    'stroke="#222" stroke-width="0.5"', 'stroke="#d55e00" stroke-width="2"')
# Attributes paint for a light page, also in programs that know no styles.
# Where a page holds many pictures, the prefix keeps the classes to them.
STYLE = """@media screen and (prefers-color-scheme: dark) {
.concur-card {fill: #1b1b1b} .concur-ink {fill: #eee}
.concur-idle {fill: #3d3d3d} .concur-grid {stroke: #777}}"""


class Bar(NamedTuple):
    """One task in a lane, or several too short to show apart."""

    left: int   # columns
    right: int
    spans: list[Span]

    @property
    def failed(self) -> list[Span]:
        """The tasks that failed."""
        return [span for span in self.spans if span.error is not None]


class Panel(NamedTuple):
    """A run as a picture."""

    run: Run
    end: int                 # the column where the run ended
    lanes: list[list[Bar]]   # lane 1 is the worker that was first to start
    folded: int              # workers whose lanes are not shown,
    folded_spans: list[Span]   # and what they did


class Scale(NamedTuple):
    """The time axis: so many seconds on so many columns."""

    seconds: float
    columns: int

    def exact(self, seconds: float) -> float:
        """Return where that time is on the axis, in columns."""
        return min(max(seconds / self.seconds, 0.0), 1.0) * self.columns

    def column(self, seconds: float) -> int:
        """Return the column nearest to that time."""
        return int(self.exact(seconds) + 0.5)

    def ticks(self, most: int) -> list[float]:
        """Return round times along the axis, about that many at most.

        >>> Scale(seconds=8.1, columns=80).ticks(5)
        [0.0, 2.0, 4.0, 6.0, 8.0]
        """
        rough = self.seconds / max(most, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(step * power for step in (1, 2, 5, 10)
                    if step * power >= rough * 0.999)
        return [number * step
                for number in range(int(self.seconds / step + 1e-9) + 1)]


def common_scale(runs: Iterable[Run], columns: int) -> Scale:
    """Return the time axis on which the longest of the runs just fits."""
    return Scale(max([1e-6, *(run.seconds for run in runs)]), columns)


def panel(run: Run, scale: Scale) -> Panel:
    """Return the run as lanes of bars. Workers without a task come last."""
    workers: dict[str, list[Span]] = {}
    for span in sorted(run.spans, key=lambda span: span.start):
        workers.setdefault(span.worker, []).append(span)
    lanes = list(workers.values())
    number = max(run.workers, len(lanes)) if lanes else 0
    lanes += [[] for _ in range(len(lanes), min(number, LANES))]
    end = max(1, scale.column(run.seconds))
    return Panel(
        run, end, [bars(spans, end, scale) for spans in lanes[:LANES]],
        max(0, number - LANES),
        [span for spans in lanes[LANES:] for span in spans])


def bars(spans: Iterable[Span], end: int, scale: Scale) -> list[Bar]:
    """Return the bars of one worker. A short one pushes the next aside, but
    at the run's end it covers a column of the one before."""
    found: list[Bar] = []
    narrow_before = False
    for span in spans:
        # Another machine's clock may put a span outside its run.
        start = min(scale.exact(span.start), end)
        stop = min(scale.exact(span.start + span.seconds), end)
        left, right = int(start + 0.5), int(stop + 0.5)
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


def told(one: Panel, worker: str) -> str:
    """Return in words what is not drawn."""
    return (f"+ {count(one.folded, f'more {worker}')}: "
            f"{totals(one.folded_spans)}")


def totals(spans: Sequence[Span]) -> str:
    """Return how many tasks there are, and how many failed."""
    failed = sum(span.error is not None for span in spans)
    return count(len(spans), "task") + (f", {failed} failed" if failed else "")


def legend(
    panels: Iterable[Panel], tasks: str, many: str, idle: str
) -> list[str]:
    """Return what the marks mean, the rare ones only where they occur."""
    every = [bar for one in panels for lane in one.lanes for bar in lane]
    parts = []
    if any(len(bar.spans) == 1 for bar in every):
        parts.append(f"{tasks} neighbouring tasks")
    if any(len(bar.spans) > 1 for bar in every):
        parts.append(f"{many} tasks too short to show apart")
    parts.append(f"{idle} idle")
    if any(bar.failed for bar in every):
        parts.append("! failed")
    return parts


def text(
    runs: Sequence[Run], width: int = 80, encoding: str = "utf-8",
    worker: str = "worker",
) -> str:
    """Return the runs as text of at most that width, but 20 columns, for
    an output of that encoding; "" if their spans were not kept."""
    width = max(width, 20)
    margin = len(f"{LANES} ")
    runs = [run for run in runs if run.spans]
    scale = common_scale(runs, width - margin)
    panels = [panel(run, scale) for run in runs]
    glyphs = BLOCKS if encodable("".join(BLOCKS), encoding) else ASCII
    lines = []
    for one in panels:
        lines += textwrap.wrap(
            plain(heading(one.run, worker), encoding), width)
        lines += [
            f"{number:>{margin - 1}} {drawn(lane, one.end, scale, glyphs)}"
            for number, lane in enumerate(one.lanes, 1)]
        if one.folded:
            lines += textwrap.wrap(told(one, worker), width)
    if panels:
        lines.append(" " * margin + axis(scale))
        lines += textwrap.wrap("   ".join(
            legend(panels, "".join(glyphs[:2]), *glyphs[2:])), width)
    return "\n".join(lines)


def drawn(
    lane: Iterable[Bar], end: int, scale: Scale, glyphs: Sequence[str]
) -> str:
    """Return a lane as a line of text, as long as its run."""
    one, other, many, idle = glyphs
    cells = [idle] * end
    for number, bar in enumerate(lane):
        glyph = many if len(bar.spans) > 1 else (one, other)[number % 2]
        cells[bar.left:bar.right] = glyph * (bar.right - bar.left)
        for span in bar.failed:
            column = scale.column(span.start + span.seconds)
            cells[min(max(column, bar.left + 1), bar.right) - 1] = "!"
    return "".join(cells)


def axis(scale: Scale) -> str:
    """Return the time axis as a line of text.

    >>> axis(Scale(seconds=4.5, columns=40))
    '|0 s              |2 s              |4 s'
    """
    line = ""
    for tick in scale.ticks(max(3, scale.columns // 10)):
        mark, column = f"|{tick:g} s", scale.column(tick)
        if column + len(mark) <= scale.columns and (
                not line or len(line) < column):
            line = line.ljust(column) + mark
    return line


def encodable(string: str, encoding: str) -> bool:
    """Return whether an output of that encoding can show the string."""
    try:
        return bool(string.encode(encoding))
    except (UnicodeError, LookupError):
        return False


def plain(string: str, encoding: str) -> str:
    """Return the string with escapes where the encoding cannot show it."""
    string = printable(string)
    if encodable(string, encoding):
        return string
    return string.encode("ascii", "backslashreplace").decode()


def svg(runs: Sequence[Run], worker: str, title: str, source: str) -> str:
    """Return the runs as a picture with that title, which tells where the
    figures are from: an SVG document that needs nothing else and may also
    stand in an HTML page, many times."""
    scale = common_scale(runs, COLUMNS)
    panels = [panel(run, scale) for run in runs]
    parts, top = [], 12
    for one in panels:
        drawing, height = panel_svg(one, scale, worker)
        parts.append(f'<g transform="translate(0 {top})">{drawing}</g>')
        top += height + 14
    parts += [words(f"{tick:g}", LEFT + scale.column(tick), top + 6,
                    anchor="middle") for tick in scale.ticks(5)]
    parts.append(words("seconds", RIGHT, top + 6))
    notes = "; ".join(
        legend(panels, "blue, orange:", "stripes:", "grey:"))
    for note in [*textwrap.wrap(notes, 72), *textwrap.wrap(source, 72)]:
        top += 20
        parts.append(words(note, 12, top + 8))
    desc = ["; ".join([heading(run, worker), *(
        f"{name} {value}" for name, value in figures(run))]) for run in runs]
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" width="100%" '
        f'viewBox="0 0 {WIDTH} {top + 20}" role="img" '
        'font-family="system-ui, sans-serif">',
        f"<title>{safe(title)}</title>",
        "<desc>" + "\n".join(map(safe, desc)) + "</desc>",
        f"<style>{STYLE}</style>",
        '<rect class="concur-card" width="100%" height="100%" rx="8" '
        'fill="#fff"/>', *parts, "</svg>", ""])


def panel_svg(one: Panel, scale: Scale, worker: str) -> tuple[str, int]:
    """Return the drawing of a run with its figures, and its height."""
    parts = [words(clipped(heading(one.run, worker), 60), 12, 12, 16,
                   weight="bold")]
    for row, (name, value) in enumerate(figures(one.run)):
        y = 38 + ROW * row
        parts += [words(name, RIGHT, y),
                  words(value, WIDTH - 12, y, anchor="end")]
    for row, lane in enumerate(one.lanes):
        y = 24 + ROW * row
        label = lane[0].spans[0].worker if lane else ""
        if not 0 < len(label) <= LABEL:
            label = f"{worker} {row + 1}"
        parts += [
            words(label, LEFT - 8, y + 14, anchor="end"),
            f'<path class="concur-idle" d="M{LEFT} {y}h{one.end}v{BAR}'
            f'H{LEFT}" fill="#e4e4e4"/>']
    if not one.lanes:
        parts.append(words("(tasks not recorded)", 12, 38))
    bottom = 24 + ROW * len(one.lanes)
    parts += [
        f'<path class="concur-grid" d="M{LEFT + scale.column(tick)} 22'
        f'V{bottom}" stroke="#aaa" stroke-width="0.6"/>'
        for tick in scale.ticks(5)]
    drawings = [
        (bool(bar.failed), bar_svg(bar, 24 + ROW * row, *PAINTS[number % 2]))
        for row, lane in enumerate(one.lanes)
        for number, bar in enumerate(lane)]
    parts += [drawing for _, drawing in sorted(drawings)]  # failed on top
    if one.folded:
        parts.append(words(told(one, worker), LEFT, bottom + 12))
        bottom += ROW
    return "".join(parts), max(bottom, 24 + 3 * ROW)


def bar_svg(bar: Bar, y: int, fill: str, ink: str) -> str:
    """Return the drawing of a bar: a rectangle with its tooltip."""
    x, width = LEFT + bar.left, bar.right - bar.left
    name, stripes, stroke = bar.spans[0].task, "", THIN
    if bar.failed:
        x, width = x - max(0, 8 - width) // 2, max(8, width)  # for the mark
        name, fill, ink, stroke = f"! {name}", "#fff", "#000", FAILED
    if len(bar.spans) > 1:
        # A line as wide as the bar is high, dashed, needs no pattern and
        # so no id, which two pictures in one page might both have.
        name, fill, ink = name[:bool(bar.failed)], "#56b4e9", "#000"
        stripes = (
            f'<path d="M{x} {y + BAR // 2}h{width}" stroke="{PAINTS[0][0]}" '
            f'stroke-width="{BAR}" stroke-dasharray="1 1" '
            'pointer-events="none"/>')
    if not name.isascii() or len(name) * 7.5 + 4 > width:  # has no room
        name = "!" if bar.failed else ""
    label = (f'<text x="{x + width / 2:g}" y="{y + 14}" font-size="13" '
             f'text-anchor="middle" fill="{ink}" pointer-events="none">'
             f'{safe(name)}</text>') if name else ""
    return (f'<rect x="{x}" y="{y}" width="{width}" height="{BAR}" '
            f'fill="{fill}" {stroke}><title>{safe(tooltip(bar.spans))}'
            f'</title></rect>{stripes}{label}')


def tooltip(spans: Sequence[Span]) -> str:
    """Return what a bar stands for."""
    first, last = spans[0], spans[-1]
    if first is not last:
        return (f"{totals(spans)}, too short to show apart, from "
                f"{first.start:.3f} s to {last.start + last.seconds:.3f} s")
    failed = f", failed: {first.error}" if first.error is not None else ""
    return (f"{clipped(first.task, 200)}: start {first.start:.3f} s, took "
            f"{first.seconds:.3f} s, CPU {first.cpu_seconds:.3f} s"
            + clipped(failed, 200))


def figures(run: Run) -> list[tuple[str, str]]:
    """Return the figures beside a run; its seconds are in the heading."""
    return list(zip(FIGURES, run.figures()))[1:]


def words(
    string: str, x: int, y: int, size: int = 13,
    anchor: str = "start", weight: str = "normal",
) -> str:
    """Return a line of text in the picture."""
    return (f'<text class="concur-ink" x="{x}" y="{y}" font-size="{size}" '
            f'text-anchor="{anchor}" font-weight="{weight}" fill="#222">'
            f'{safe(string)}</text>')


def clipped(string: str, most: int) -> str:
    """Return the string, or as much of it as there is room for."""
    return string if len(string) <= most else f"{string[:most - 3]}..."
