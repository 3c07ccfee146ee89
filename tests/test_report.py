"""A report as text, Markdown, JSON: the same figures in every form."""

import json
import re
import unicodedata

from concur_demo._machine import Machine
from concur_demo._measure import Run, Span
from concur_demo._report import DOES_NOT_HOLD, Report, Verdict

from .support import TestCase

# What comes from outside: names of files, titles of pages, what went wrong.
HOSTILE = (
    "\x1b[2J\a", "two\r\nlines", "a\x00b\x85\u2028c", "\u202eright to left",
    "\udcff\ud800", "\ufffe \u00e9 \u732b \U0001f40d", "", " ",
    "<script>alert(1)</script>", "</title></style></svg></pre></code>",
    '"><img src=http://example.org/x onerror=alert(1)>', "' onload='x",
    "&amp; &lt; &#60;", "]]>", "<!-- ", "| a | b |", "`code`", "trailing\\",
    "[a](javascript:b)", "**a** _b_ ~c~", "x" * 10_000)


def report_of(lesson: str = "primes_pool", text: str = "plain") -> Report:
    """Return a report with this text wherever one may come from outside."""
    spans = [Span(f"task {text}", f"worker {text}", 0.0, 1.0, 0.9),
             Span(text, f"worker {text}", 1.0, 0.5, 0.1, f"broken: {text}")]
    return Report(
        lesson, "Two are faster <than> one.",
        Verdict(DOES_NOT_HOLD, "Two took as long.", "Measure, then believe."),
        Machine("3.13.0", "CPython", True, 2, "Linux x86_64"),
        [Run("whole sums", 1, 2.0, spans, {"updates lost": 123_456}, 1.0),
         Run("whole sums", 2, 1.25, spans, {
             "updates lost": 0, "longest freeze": 0.01234}, 1.6, 0.05),
         Run("pieces", 2, 0.5, spans)],
        [(text, text), ("sum of the primes up to 100", 1060)], "process")


def controls_in(text: str) -> str:
    """Return what moves a cursor, ends a line or turns the text around."""
    return "".join(char for char in text if char != "\n" and (
        unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}))


class Text(TestCase):

    def test_all_parts_in_the_order_in_which_a_person_reads(self) -> None:
        text = report_of().text()
        self.assertEqual(text.partition("\n 1 █")[0], """\
primes_pool: Two are faster <than> one.

CPython 3.13.0 with the GIL, 2 cores, Linux x86_64

plain                        plain
sum of the primes up to 100   1060

variant     workers  seconds  speed-up  in flight  cores busy
whole sums        1    2.000      1.00       0.75        0.50
whole sums        2    1.250      1.60       1.20        0.80
pieces            2    0.500         -       3.00        2.00
in flight: tasks under way at once; cores busy: cores at work at once (both on
average)

variant     workers  updates lost  longest freeze
whole sums        1       123,456               -
whole sums        2             0         0.01234
pieces            2             -               -

whole sums, 1 process: 2.000 s""")
        self.assertEqual(text.split("\n\n")[-2:], [
            "Verdict: does not hold. Two took as long.",
            "Measure, then believe.\n"])

    def test_ascii_and_20_columns(self) -> None:
        self.assertTrue(report_of().text(80, "ascii").isascii())
        wide = report_of().text().splitlines()
        for line in report_of().text(1).splitlines():
            # The tables cannot be narrower.
            self.assertTrue(len(line) <= 20 or line in wide, line)

    def test_without_runs_there_is_no_picture(self) -> None:
        report = report_of()._replace(runs=[], results=[])
        self.assertIn("Verdict: does not hold.", report.text())
        self.assertNotIn("0 s", report.text())
        self.assertNotIn("<svg", report._repr_html_())
        self.assertEqual(report.errors(), [])
        self.assertEqual(json.loads(report.json())["runs"], [])

    def test_one_line_for_a_notebook(self) -> None:
        self.assertRegex(repr(report_of()), r"^<primes_pool: does not hold\W+"
                         r"Two took as long\.>$")


class EveryForm(TestCase):

    def test_a_spread_is_shown_only_if_it_is_large(self) -> None:
        report = report_of()
        noisy = report._replace(runs=[
            report.runs[0]._replace(spread=0.25), *report.runs[1:]])
        for form in Report.text, Report.markdown, Report._repr_html_:
            self.assertNotRegex(form(report), r"spread|\b5%")
            self.assertRegex(form(noisy), r"(?s)spread.*\b25%.*\b5%.*\b0%")

    def test_the_lessons_own_figures(self) -> None:
        for form in (Report.text, Report.markdown, Report._repr_html_,
                     Report.svg, Report.json):
            shown = form(report_of()).replace("123,456", "123456")
            for part in ("updates lost", "123456", "longest freeze",
                         "0.01234"):
                self.assertIn(part, shown)

    def test_errors_each_once(self) -> None:
        self.assertEqual(report_of().errors(), [("plain", "broken: plain")])

    def test_hostile_text_stays_in_its_place(self) -> None:
        def shape(text: str) -> list[int]:
            bare = text.replace(r"\\", "").replace(r"\|", "")
            return [line.count("|") for line in bare.split("\n")]

        for hostile in HOSTILE:
            with self.subTest(hostile[:40]):
                report = report_of(text=hostile)
                text, markdown = report.text(), report.markdown()
                self.assertEqual(controls_in(text + markdown), "")
                self.assertEqual(
                    text.count("\n"), report_of().text().count("\n"))
                self.assertEqual(
                    shape(markdown), shape(report_of().markdown()))
                self.assertTrue(report.json().isascii())
                self.assertEqual(json.loads(report.json())["results"][0], {
                    "task": hostile, "result": hostile})


class Forms(TestCase):

    def test_json_has_these_keys_and_no_others(self) -> None:
        report = json.loads(report_of().json())
        self.assertEqual(list(report), [
            "lesson", "claim", "verdict", "evidence", "machine", "runs",
            "results"])
        self.assertEqual(report["machine"], {
            "python": "3.13.0", "implementation": "CPython", "gil": True,
            "cores": 2, "platform": "Linux x86_64"})
        self.assertEqual(report["results"][1], {
            "task": "sum of the primes up to 100", "result": 1060})
        one, *_, last = report["runs"]
        self.assertEqual(one.pop("tasks")[1], {
            "task": "plain", "worker": "worker plain", "start": 1.0,
            "seconds": 0.5, "cpu_seconds": 0.1, "error": "broken: plain"})
        self.assertEqual(one, {
            "variant": "whole sums", "workers": 1, "seconds": 2.0,
            "speed_up": 1.0, "in_flight": 0.75, "cores_busy": 0.5,
            "figures": {"updates lost": 123_456}})
        self.assertEqual((last["speed_up"], last["figures"]), (None, {}))

    def test_what_json_does_not_know_is_never_written(self) -> None:
        run = Run("sums", 1, 1.0, figures={"lost": float("nan")})
        with self.assertRaises(ValueError):
            report_of()._replace(runs=[run]).json()

    def test_in_markdown_nothing_is_markup(self) -> None:
        for text, shown in (
                ("a|b", r"a\|b"), ("<b>", r"\<b\>"), ("`a`", r"\`a\`"),
                ("a\\", r"a\\"), ("a\\|b", r"a\\\|b"),
                ("two\nlines", r"two\\nlines"), ("[a](b)", r"\[a\](b)"),
                ("www.example.org", r"www\.example.org"),
                ("http://example.org", r"http\://example.org"),
                ("@user, me@example.org",
                 "@<!-- -->user, me@<!-- -->example.org"),
                ("see #12", r"see \#<!-- -->12"), ("$x$", r"\$x\$"),
                ("a_b *c* ~d~ &amp;", r"a\_b \*c\* \~d\~ \&amp;"),
                ("speed-up: 1.5 (2 cores)", "speed-up: 1.5 (2 cores)")):
            self.assertIn(f"\n| {shown} | {shown} |\n",
                          report_of(text=text).markdown())

    def test_in_markdown_numbers_stand_to_the_right(self) -> None:
        self.assertEqual(re.findall(r"\| ---.*", report_of().markdown()), [
            "| --- | ---: |", "| --- |" + 7 * " ---: |"])
