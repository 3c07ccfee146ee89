"""The report of a lesson: computed once, here, then drawn in many forms.

Whatever a reader sees of a measurement, as text, Markdown, JSON, SVG or
HTML, comes from a Report.
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ._machine import Machine
from ._measure import FIGURES, Run
from ._text import count, plural, printable, safe

HOLDS = "holds"
DOES_NOT_HOLD = "does not hold"
CANNOT_TELL = "cannot tell"

FASTER = 1.15  # a speed-up above what a noisy machine feigns
SHORT_SECONDS = 0.005  # below this a run is more noise than work
NOISY = 0.10  # a spread of repeated runs that is worth showing
NUMBER = re.compile(r"-|[0-9.]*[0-9]%?")


class Verdict(NamedTuple):
    """Whether a claim holds on this machine, and by what figures."""

    word: str            # HOLDS, DOES_NOT_HOLD or CANNOT_TELL
    evidence: str        # one sentence, with figures of this run
    take_home: str = ""  # what they teach, where they teach something


# The user's own tasks are done once, on one number of workers.
OWN_TASKS = Verdict(CANNOT_TELL, "Tasks of your own are done only once: "
                    "there is nothing to compare.")


def compared(
    runs: Iterable[Run], machine: Machine,
    judge: Callable[[Run, Run], Verdict], needed_cores: int = 2,
) -> Verdict:
    """Return judge(alone, best): the run on one worker against the fastest
    on several; or CANNOT_TELL where such a comparison would mislead."""
    runs = list(runs)
    failed = sum(run.failed for run in runs)
    alone = [run for run in runs if run.workers == 1]
    several = [run for run in runs if run.workers > 1]
    if failed:
        return Verdict(CANNOT_TELL, f"{count(failed, 'task')} failed.")
    if not alone or not several:
        return Verdict(CANNOT_TELL, "It takes a run on one worker and one "
                       "on several, as --workers 1,2 has them.")
    if min(run.seconds for run in runs) < SHORT_SECONDS:
        return Verdict(CANNOT_TELL, "The runs are too short to compare; "
                       "give them more work.")
    if machine.cores < needed_cores:
        return Verdict(CANNOT_TELL, "Only "
                       f"{count(machine.cores, 'core')} may be used here.")
    return judge(alone[0], min(several, key=lambda run: run.seconds))


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
        return (f"<{self.lesson}: {self.verdict.word}; "
                f"{self.verdict.evidence}>")

    @property
    def failed(self) -> int:
        """How many tasks failed, over all runs."""
        return sum(run.failed for run in self.runs)

    def errors(self) -> list[tuple[str, str]]:
        """Return (task, error) of the tasks that failed, each once."""
        return list(dict.fromkeys(
            (span.task, span.error)
            for run in self.runs for span in run.spans
            if span.error is not None))

    def table(self) -> list[list[str]]:
        """Return the runs as rows of text, the first of them headings."""
        rows = [["variant", plural(self.worker), *FIGURES]]
        for run in self.runs:
            rows.append([run.variant, str(run.workers), *run.figures()])
        if any(run.spread > NOISY for run in self.runs):
            rows[0].append("spread")
            for row, run in zip(rows[1:], self.runs):
                row.append(f"{run.spread:.0%}")
        return rows

    def text(self, width: int = 80, encoding: str = "utf-8") -> str:
        """Return the report for a terminal of that width and encoding."""
        from . import _timeline  # here, to start sooner
        results = [[printable(task), printable(str(result))]
                   for task, result in self.results]
        parts = [
            folded(f"{self.lesson}: {self.claim}", width),
            folded(str(self.machine), width),
            aligned(results),
            aligned(self.table()) + "\n" + folded(
                "in flight: tasks under way at once; cores busy: cores at "
                "work at once", width),
            _timeline.text(self.runs, width, encoding, self.worker),
            folded(f"Verdict: {self.verdict.word}. {self.verdict.evidence}",
                   width),
            folded(self.verdict.take_home, width),
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    def svg(self) -> str:
        """Return the timelines as a picture, an SVG document."""
        from . import _timeline
        return _timeline.svg(
            self.runs, self.worker, f"{self.lesson}: {self.claim}",
            f"{self.lesson}, {self.machine}")

    def _repr_html_(self) -> str:
        """Return table, timelines and verdict, as a notebook shows them."""
        kind = self.verdict.word.replace(" ", "-")
        return "\n".join([
            '<div class="concur-report">', html_table(self.table()),
            f'<figure style="max-width: 48rem">{self.svg()}</figure>',
            f'<p class="verdict {kind}"><strong>'
            f"{safe(self.verdict.word.capitalize())}.</strong> "
            f"{safe(self.verdict.evidence)}</p>",
            f"<p>{safe(self.verdict.take_home)}</p>"
            if self.verdict.take_home else "", "</div>"])

    def markdown(self) -> str:
        """Return the report as GitHub-flavoured Markdown."""
        results = [["task", "result"], *(
            [task, str(result)] for task, result in self.results)]
        return "\n\n".join(filter(None, [
            f"## {self.lesson}",
            f"**Claim:** {escaped(self.claim)}",
            escaped(f"{self.machine}"),
            markdown_table(results),
            markdown_table(self.table()),
            f"**Verdict: {self.verdict.word}.** "
            + escaped(self.verdict.evidence),
            escaped(self.verdict.take_home),
        ])) + "\n"

    def json(self) -> str:
        """Return the report as JSON; times in seconds."""
        import json  # here, to start sooner
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as what JSON is made of."""
        return {
            "lesson": self.lesson,
            "claim": self.claim,
            "verdict": self.verdict.word,
            "evidence": self.verdict.evidence,
            "machine": self.machine._asdict(),
            "runs": [
                {"variant": run.variant,
                 "workers": run.workers,
                 "seconds": run.seconds,
                 "speed_up": run.speed_up,
                 "in_flight": run.in_flight,
                 "cores_busy": run.cores_busy,
                 "tasks": [span._asdict() for span in run.spans]}
                for run in self.runs],
            "results": [{"task": task, "result": result}
                        for task, result in self.results],
        }


def folded(text: str, width: int) -> str:
    """Return the text in lines of at most that width, where words allow."""
    return textwrap.fill(text, max(width, 20), break_long_words=False,
                         break_on_hyphens=False)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows in columns: the first to the left, the others to the
    right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in rows)


def markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """Return the rows, headings first, as a Markdown table; columns of
    numbers stand to the right."""
    head, *body = rows
    rule = ["---:" if all(map(NUMBER.fullmatch, column)) else "---"
            for column in zip(*body)] or ["---" for _ in head]
    cells = [[escaped(cell) for cell in row] for row in [head, *body]]
    return "\n".join("| " + " | ".join(row) + " |"
                     for row in [cells[0], rule, *cells[1:]])


def html_table(rows: Iterable[Sequence[str]]) -> str:
    """Return the rows, headings first, as an HTML table that scrolls where
    it is too wide."""
    head, *body = [[safe(cell) for cell in row] for row in rows]
    return "\n".join([
        '<div style="overflow-x: auto"><table>', "<thead><tr>"
        + "".join(f'<th scope="col">{cell}</th>' for cell in head)
        + "</tr></thead>", "<tbody>",
        *(f'<tr><th scope="row">{row[0]}</th>'
          + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
          for row in body), "</tbody></table></div>"])


def escaped(text: str) -> str:
    """Return the text so that Markdown shows it as it is, in one line:
    nothing in it is markup, an address to link or a name to mention."""
    text = re.sub(r"[\\`*_\[\]<>|#~&$]|:(?=//)|(?<=www)\.", r"\\\g<0>",
                  printable(text), flags=re.IGNORECASE)
    # GitHub sees mentions (@name, #1) even behind a backslash.
    return re.sub(r"(?<=@)|(?<=#)(?=\w)", "<!-- -->", text)
