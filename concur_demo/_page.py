"""All lessons on one HTML page to teach from."""

import html
from collections.abc import Sequence

from ._lesson import read_lesson
from ._report import Report, html_table
from ._text import safe

TITLE = "Concurrency and parallelism, measured"
STYLE = """
:root { color-scheme: light dark; }
body { max-width: 48rem; margin: 0 auto; padding: 1rem;
  font: 1.1rem/1.55 system-ui, sans-serif; }
section { margin-top: 3rem; border-top: 1px solid gray; }
.claim { font-weight: 600; }
.verdict { border-left: .4em solid gray; padding: .5em .8em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .9em .25em 0; text-align: right;
  border-bottom: 1px solid gray; }
tbody th { font-weight: 400; }
th:first-child, .results :is(th, td) { text-align: left; }
pre { padding: 1em; border: 1px solid gray; overflow: auto;
  font-size: .8em; line-height: 1.45; }
@media print {
  section { break-before: page; border: 0; }
  figure, table { break-inside: avoid; }
  pre { white-space: pre-wrap; font-size: 7.5pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def page(reports: Sequence[Report]) -> str:
    """Return the lessons reported on as one HTML document, which needs
    nothing else."""
    machines = dict.fromkeys(str(one.machine) for one in reports)
    contents = "".join(
        f'<li><a href="#{one.lesson}">{one.lesson}</a>. {safe(one.claim)} '
        f"<em>{one.verdict.word.capitalize()}.</em></li>\n"
        for one in reports)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{TITLE}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{TITLE}</h1>
<p>Lessons on threads and processes in Python, with figures from a real run.
Measured on {safe("; ".join(machines))}.</p>
<p><b>In flight</b> is how many tasks were under way at once: concurrency.
<b>Cores busy</b> is how many cores worked at once: parallelism. Both are
averages over a run. The <b>speed-up</b> is the time of one worker by that of
several.</p>
<main>
<ul>{contents}</ul>
{"".join(map(section, reports))}</main>
</body>
</html>
"""


def section(report: Report) -> str:
    """Return the part of the page on one lesson."""
    name, lesson = report.lesson, read_lesson(report.lesson)
    results = f"""<h3>What the work gave</h3>
<div class="results">{html_table(report.result_rows())}</div>
""" if report.results else ""
    return f"""<section id="{name}">
<h2>{name}: {safe(lesson.title)}</h2>
<p class="claim">{safe(report.claim)}</p>
<h3>What to notice</h3>
<p>{safe(lesson.notice)}</p>
<h3>The code</h3>
<pre tabindex="0"><code>{html.escape(lesson.snippet)}</code></pre>
<h3>The figures</h3>
{report._repr_html_()}
{results}<h3>What to try</h3>
<p>{safe(lesson.try_)}</p>
<p>To run it: <code>python -m concur_demo.{name}</code></p>
</section>
"""
