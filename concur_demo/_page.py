"""All lessons on one HTML page to teach from."""

import html
from collections.abc import Sequence

from ._report import Report, html_table
from ._snippet import notice, snippet, title
from ._text import safe

TITLE = "Concurrency and parallelism, measured"

# Each in a sentence, which also stands in the README.
TERMS = {
    "Concurrency": "tasks overlap in time, though perhaps never at the same "
    "instant; the figure “in flight” tells how many were under way at once.",
    "Parallelism": "tasks run at the same instant; the figure “cores busy” "
    "tells how many cores worked at once.",
    "Thread": "a line of execution within a process; all threads of a "
    "process share its memory.",
    "Process": "a running program with memory of its own and, in CPython, "
    "with an interpreter and a GIL of its own.",
    "GIL": "CPython’s global interpreter lock, which lets one thread at a "
    "time run Python code; a thread that waits for I/O has released it, and "
    "free-threaded builds do without it.",
}

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1c1e21; --soft: #5a6069; --paper: #fff; --shade: #f4f5f7;
  --line: #d5d8dd; --link: #005a9c; --yes: #00633f; --no: #a33b00;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ink: #e8e8e6; --soft: #a9afb8; --paper: #141517; --shade: #1f2124;
    --line: #3b3f45; --link: #7cc0ff; --yes: #5fd0a0; --no: #ff9d66;
  }
}
* { box-sizing: border-box; }
html {
  font: clamp(1rem, .85rem + .45vw, 1.3rem)/1.55 system-ui, sans-serif;
  color: var(--ink); background: var(--paper);
  -webkit-text-size-adjust: 100%; text-size-adjust: 100%;
}
body { max-width: 48rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 2em; line-height: 1.15; margin: .5em 0 .3em; }
h2 { font-size: 1.5em; line-height: 1.2; margin: 0 0 .5em; }
nav { margin-top: 2.5rem; }
nav ul { padding: 0; list-style: none; }
h3 { font-size: 1em; margin: 1.8em 0 .4em; }
a { color: var(--link); text-underline-offset: .15em; }
code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; }
section { margin-top: 3.5rem; border-top: 1px solid var(--line);
  padding-top: 1.5rem; }
dt { font-weight: 600; }
dd { margin: 0 0 .7em; }
nav li { margin: .5em 0; }
em { font-style: normal; color: var(--soft); }
.soft { color: var(--soft); font-size: .85em; }
.claim { font-size: 1.2em; line-height: 1.35; margin: 0; }
.verdict { border-left: .3em solid var(--soft);
  padding: .5em .8em; background: var(--shade); }
.holds { border-color: var(--yes); }
.does-not-hold { border-color: var(--no); }
.holds strong { color: var(--yes); }
.does-not-hold strong { color: var(--no); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .9em .25em 0; text-align: right;
  border-bottom: 1px solid var(--line); vertical-align: baseline; }
th:first-child { text-align: left; font-weight: 400; }
thead th, thead th:first-child { font-weight: 600; }
th:last-child, td:last-child { padding-right: 0; }
.results :is(th, td) { text-align: left; }
figure { margin: 1.2em 0; }
figure svg { display: block; border: 1px solid var(--line);
  border-radius: 8px; }
pre { clear: both; margin: 0; padding: .9em 1em; background: var(--shade);
  border: 1px solid var(--line); border-radius: 8px; overflow: auto;
  max-height: 34rem; font-size: .78em; line-height: 1.45; tab-size: 4; }
button { float: right; margin: -2.2em 0 .4em; font: inherit;
  font-size: .8em; padding: .2em .8em; color: var(--ink);
  background: var(--paper); border: 1px solid var(--line);
  border-radius: 5px; cursor: pointer; }
@media print {
  @page { margin: 16mm; }
  html { font-size: 10.5pt; }
  body { max-width: none; padding: 0; }
  section { break-before: page; border: 0; padding: 0; margin: 0; }
  #terms { break-before: auto; margin-top: 1.5rem; }
  button { display: none; }
  figure svg { width: 75%; }
  a { color: inherit; text-decoration: none; }
  h2, h3 { break-after: avoid; }
  figure, table, dt, .verdict { break-inside: avoid; }
  pre { max-height: none; overflow: visible; white-space: pre-wrap;
    font-size: 7.5pt; border: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

# Without it the page lacks the buttons only. A page opened from a file may
# be denied the clipboard: its code is selected then, for Ctrl-C.
SCRIPT = """
for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.onclick = async () => {
    const code = document.getElementById(button.dataset.copies);
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
}
"""


def page(reports: Sequence[Report]) -> str:
    """Return the lessons reported on as one HTML document, which needs
    nothing else."""
    contents = [
        f'<li><a href="#{one.lesson}">{heading(one)}</a>. '
        f"{safe(one.claim)} <em>{one.verdict.word.capitalize()}.</em></li>"
        for one in reports]
    terms = [f"<dt>{term}</dt><dd>{meaning}</dd>"
             for term, meaning in TERMS.items()]
    machines = [f"<p>Measured on {safe(machine)}.</p>" for machine in
                dict.fromkeys(str(one.machine) for one in reports)]
    return lines(
        "<!DOCTYPE html>", '<html lang="en">', "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{TITLE}</title>", f"<style>{STYLE}</style>", "</head>",
        "<body>", "<header>", f"<h1>{TITLE}</h1>",
        "<p>Lessons on threads and processes in Python, with figures from a "
        "real run.</p>", *machines, "</header>", '<main><section id="terms">',
        "<h2>Five terms</h2>", "<dl>", *terms, "</dl>", "</section>",
        '<nav aria-labelledby="contents">', '<h2 id="contents">Lessons</h2>',
        "<ul>", *contents, "</ul>", "</nav>", *map(section, reports),
        "</main>", f"<script>{SCRIPT}</script>", "</body>", "</html>", "")


def section(report: Report) -> str:
    """Return the part of the page on one lesson."""
    lesson = report.lesson
    results = [["task", "result"], *(
        [task, str(result)] for task, result in report.results)]
    return lines(
        f'<section id="{lesson}">', f"<h2>{heading(report)}</h2>",
        f'<p class="claim">{safe(report.claim)}</p>',
        "<h3>What to notice</h3>", f"<p>{safe(notice(lesson))}</p>",
        "<h3>The code</h3>",
        f'<button type="button" data-copies="{lesson}-code" hidden>Copy'
        "</button>", f'<pre tabindex="0"><code id="{lesson}-code">'
        f"{html.escape(snippet(lesson))}</code></pre>",
        "<h3>The figures</h3>", report._repr_html_(),
        "<h3>What the work gave</h3>", '<div class="results">',
        html_table(results), "</div>",
        f'<p class="soft">To run it: <code>python -m concur_demo.{lesson}'
        "</code></p>", "</section>")


def heading(report: Report) -> str:
    """Return what the lesson is about: Lesson 1: file I/O on threads."""
    return safe(title(report.lesson).rstrip("."))


def lines(*parts: str) -> str:
    """Return the parts, each on a line of its own."""
    return "\n".join(parts)
