"""The report of a lesson: whatever a reader sees of it comes from here."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from . import _timeline
from ._machine import Machine
from ._measure import Run
from ._text import printable, safe

HOLDS = "holds"
DOES_NOT_HOLD = "does not hold"
CANNOT_TELL = "cannot tell"

COMMON = 6    # columns of the table, which all lessons have
NOISY = 0.10  # a spread of repeated runs that is worth showing


class Verdict(NamedTuple):
    """Whether a claim holds on this machine, and by what figures."""

    word: str            # HOLDS, DOES_NOT_HOLD or CANNOT_TELL
    evidence: str        # one sentence, with figures of this run
    take_home: str = ""  # what they teach, where they teach something


class Report(NamedTuple):
    """What a lesson claims, did, measured and concludes."""

    lesson: str                          # "primes_pool"
    claim: str
    verdict: Verdict
    machine: Machine
    runs: Sequence[Run]
    results: Sequence[tuple[str, Any]]   # (task, result)
    worker: str = "thread"               # what a worker is in this lesson

    def __repr__(self) -> str:
        return f"<{self.lesson}: {' '.join(self.verdict[:2])}>"

    def errors(self) -> list[tuple[str, str]]:
        """Return (task, error) of the tasks that failed, each once."""
        return list(dict.fromkeys(
            (span.task, span.error)
            for run in self.runs for span in run.spans
            if span.error is not None))

    def table(self) -> list[list[str]]:
        """Return the runs as rows of text, the first of them headings."""
        names = list(dict.fromkeys(
            name for run in self.runs for name in run.shown()))
        rows = [["variant", "workers", *names]]
        for run in self.runs:
            shown = run.shown()
            rows.append([run.variant, str(run.workers),
                         *(shown.get(name, "-") for name in names)])
        if any(run.spread > NOISY for run in self.runs):
            rows[0].append("spread")
            for row, run in zip(rows[1:], self.runs):
                row.append(f"{run.spread:.0%}")
        return rows

    def result_rows(self) -> list[list[str]]:
        """Return the results as rows of text, with headings."""
        return [["task", "result"], *(
            [printable(task), printable(str(result))]
            for task, result in self.results)]

    def text(self, width: int = 80, encoding: str = "utf-8") -> str:
        """Return the report for a terminal of that width and encoding."""
        word, evidence, take_home = self.verdict
        table, own = self.table(), []
        if width < len(aligned(table).splitlines()[0]):
            own = [row[:2] + row[COMMON:] for row in table if row[COMMON:]]
            table = [row[:COMMON] for row in table]
        fold = textwrap.TextWrapper(max(width, 20), break_long_words=False,
                                    break_on_hyphens=False).fill
        return "\n\n".join(filter(None, [
            fold(f"{self.lesson}: {self.claim}"), fold(str(self.machine)),
            aligned(self.result_rows()[1:]),
            f"{aligned(table)}\n" + fold(
                "in flight: tasks under way at once; cores busy: cores at "
                "work at once (both on average)") if self.runs else "",
            aligned(own),
            _timeline.text(self.runs, width, encoding, self.worker),
            fold(f"Verdict: {word}. {evidence}"), fold(take_home)])) + "\n"

    def svg(self) -> str:
        """Return the timelines as a picture, an SVG document."""
        return _timeline.svg(
            self.runs, self.worker, f"{self.lesson}: {self.claim}",
            f"{self.lesson}, {self.machine}")

    def trace(self) -> str:
        """Return the tasks as Trace Event JSON."""
        return _timeline.trace_events(self.runs, self.lesson)

    def _repr_html_(self) -> str:
        """Return table, timelines and verdict, as a notebook shows them."""
        return "\n".join([
            '<div class="concur-report">', *([
                html_table(self.table()),
                f'<figure style="max-width: 48rem">{self.svg()}</figure>',
            ] if self.runs else []),
            '<p class="verdict"><strong>'
            f"{safe(self.verdict.word.capitalize())}.</strong> "
            f"{safe(self.verdict.evidence)}</p>",
            f"<p>{safe(self.verdict.take_home)}</p>"
            if self.verdict.take_home else "", "</div>"])

    def markdown(self) -> str:
        """Return the report as GitHub-flavoured Markdown."""
        word, evidence, take_home = self.verdict
        return "\n\n".join(filter(None, [
            f"## {self.lesson}", f"**Claim:** {escaped(self.claim)}",
            escaped(f"{self.machine}"),
            markdown_table(self.result_rows()) if self.results else "",
            markdown_table(self.table()) if self.runs else "",
            f"**Verdict: {word}.** {escaped(evidence)}",
            escaped(take_home)])) + "\n"

    def json(self) -> str:
        """Return the report as JSON; times in seconds."""
        import json  # here, to start sooner
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as what JSON is made of."""
        return {
            "lesson": self.lesson, "claim": self.claim,
            "verdict": self.verdict.word, "evidence": self.verdict.evidence,
            "machine": self.machine._asdict(),
            "runs": [{
                "variant": run.variant, "workers": run.workers,
                "seconds": run.seconds, "speed_up": run.speed_up,
                "in_flight": run.in_flight, "cores_busy": run.cores_busy,
                "figures": dict(run.figures),
                "tasks": [span._asdict() for span in run.spans],
            } for run in self.runs],
            "results": [{"task": task, "result": result}
                        for task, result in self.results]}


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows in columns: the first to the left, the others to the
    right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in rows)


def markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """Return the rows, headings first, as a Markdown table."""
    head, *body = [[escaped(cell) for cell in row] for row in rows]
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *body])


def html_table(rows: Iterable[Sequence[str]]) -> str:
    """Return the rows, headings first, as an HTML table that scrolls where
    it is too wide."""
    head, *body = [[safe(cell) for cell in row] for row in rows]
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{first}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"
        for first, *cells in body)
    return (f'<div style="overflow-x: auto"><table><thead><tr>{top}</tr>'
            f"</thead>\n<tbody>{lines}</tbody></table></div>")


def escaped(text: str) -> str:
    """Return the text so that Markdown shows it as it is, in one line:
    nothing in it is markup, an address to link or a name to mention."""
    text = re.sub(r"[\\`*_\[\]<>|#~&$]|:(?=//)|(?<=www)\.", r"\\\g<0>",
                  printable(text), flags=re.IGNORECASE)
    # GitHub sees mentions (@name, #1) even behind a backslash.
    return re.sub(r"(?<=@)|(?<=#)(?=\w)", "<!-- -->", text)
