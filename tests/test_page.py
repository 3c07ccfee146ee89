"""The page to teach from, and the report as a notebook shows it."""

import contextlib
import html.parser
import io
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
from unittest import mock

from concur_demo import __main__, _page, hello_pipe
from concur_demo._machine import Machine
from concur_demo._measure import Run, Span
from concur_demo._report import (
    DOES_NOT_HOLD, Report, Verdict, escaped, markdown_table)
from concur_demo._snippet import notice, snippet
from concur_demo._text import printable

from .command import ROOT, command

DEADLINE = 60  # seconds, for a child process
VOID = {"meta", "br", "hr", "img", "link", "input"}

HOSTILE = [
    "<script>alert(1)</script>", "</title></style></script></svg>",
    '"><img src=http://example.org/x onerror=alert(1)>', "' onload='alert(1)",
    "&amp; &lt; &#60;", "]]>", "<!-- ", "a\x00b\x1b[31m\r\n\ud800\u202e",
    "a|b", "`code`", "trailing\\", "javascript:alert(1)",
    "\ufffe \u00e9 \u732b"]


class Reader(html.parser.HTMLParser):
    """Reads a document, and fails where a tag is not closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: set[str] = set()
        self.feed(text)
        self.close()
        if self.open:
            raise AssertionError(f"not closed: {self.open}")

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.tags.append(tag)
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            raise AssertionError(f"{tag} has an attribute twice: {names}")
        self.attributes |= set(names)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name.endswith(("href", "src", "action", "data", "poster")):
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data


def report(lesson: str = "primes_pool", text: str = "plain") -> Report:
    """Return a report with this text wherever one can come from outside."""
    spans = [Span(text, f"worker {text}", 0.0, 1.0, 0.9),
             Span(text, f"worker {text}", 1.0, 0.5, 0.1, f"failed: {text}")]
    runs = [Run(f"pieces {text}", 1, 1.5, 2, 1, 1.5, 1.0, spans, 1.0),
            Run(f"whole {text}", 2, 0.8, 2, 1, 1.5, 1.0, spans, 1.87, 0.3)]
    return Report(
        lesson, f"Claim: {text}",
        Verdict(DOES_NOT_HOLD, f"Evidence: {text}", f"Take home: {text}"),
        Machine("3.11", text, True, 2, f"Linux {text}"), runs,
        [(text, text), ("sum", 1060)], "process")


def every_lesson(text: str = "plain") -> str:
    """Return the page of such reports, one of each lesson."""
    return _page.page([report(name, text) for name in __main__.LESSONS])


class Page(unittest.TestCase):
    """What is in a page."""

    def test_its_tags_are_balanced_and_its_links_lead_somewhere(self) -> None:
        page = Reader(every_lesson())
        self.assertEqual(len(set(page.ids)), len(page.ids))
        self.assertGreaterEqual(len(page.links), len(__main__.LESSONS))
        for link in page.links:
            self.assertEqual(link[:1], "#")
            self.assertIn(link[1:], page.ids)
        for tag in ["html", "head", "title", "body", "main", "h1", "dl"]:
            self.assertEqual(page.tags.count(tag), 1 + (tag == "title") * (
                page.tags.count("title") - 1), tag)

    def test_it_needs_nothing_else(self) -> None:
        text = every_lesson()
        self.assertFalse({"link", "img", "iframe", "object", "embed"}
                         & set(Reader(text).tags))
        for way in ["url(", "@import", "import(", "fetch(", "src="]:
            page = re.sub("(?s)<pre.*?</pre>", "", text)
            self.assertFalse(way in page, way)
        self.assertEqual(
            set(re.findall(r"https?://[^ \"]+", page)) - {
                "http://www.w3.org/2000/svg"}, set())

    def test_it_tells_all_about_each_lesson(self) -> None:
        page = Reader(every_lesson())
        self.assertEqual(
            page.texts["dt"],
            ["Concurrency", "Parallelism", "Thread", "Process", "GIL"])
        readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
        for term, meaning in zip(page.texts["dt"], page.texts["dd"]):
            self.assertIn(f"**{term}**: {meaning}", readme)
        self.assertEqual(len(page.texts["section"]), 6)
        for number, name in enumerate(__main__.LESSONS, 1):
            one, section = report(name), page.texts["section"][number]
            for part in [one.claim, notice(name), one.verdict.evidence,
                         one.verdict.take_home, f"Lesson {number}: ",
                         f"python -m concur_demo.{name}"]:
                self.assertTrue(part in section, part)
            self.assertTrue(page.texts["pre"][number - 1] == snippet(name))
        self.assertIn("3.11", page.texts["header"][0])
        self.assertEqual(page.tags.count("svg"), len(__main__.LESSONS))

    def test_its_figures_are_those_of_the_table(self) -> None:
        one = report()
        for text in [_page.page([one]), one._repr_html_()]:
            page = Reader(text)
            rows = [cell for row in one.table() for cell in row]
            cells = [cell.strip() for row in page.texts["tr"]
                     for cell in [row]]
            self.assertEqual("".join(cells[:len(one.table())]),
                             "".join(rows))

    def test_nothing_from_outside_is_markup(self) -> None:
        plain = Reader(every_lesson())
        for text in HOSTILE:
            with self.subTest(text=text):
                page = every_lesson(text)
                page.encode()
                found = Reader(page)
                self.assertEqual(found.links, plain.links)
                self.assertEqual(found.attributes, plain.attributes)
                self.assertEqual(
                    set(found.tags), set(plain.tags))
                self.assertEqual(found.tags.count("script"), 1)
                self.assertTrue(f"Claim: {printable(text)}"
                                .replace("\ufffe", "\\ufffe")
                                in found.texts["nav"][0])
                for char in "\x00\x1b\r\u202e\ufffe":
                    self.assertFalse(char in page, repr(char))

    def test_it_works_without_scripts(self) -> None:
        buttons = re.findall("<button[^>]*>", every_lesson())
        self.assertEqual(len(buttons), len(__main__.LESSONS))
        for button in buttons:  # only the script shows them
            self.assertIn(" hidden", button)

    def test_it_may_tell_of_fewer_lessons(self) -> None:
        page = Reader(_page.page([report("hello_pipe")]))
        self.assertEqual(len(page.texts["section"]), 2)
        Reader(_page.page([]))


class Notebook(unittest.TestCase):
    """What a notebook shows of a report."""

    def test_a_real_report(self) -> None:
        one = hello_pipe.measure(messages=100)
        self.assertEqual(len(repr(one).splitlines()), 1)
        self.assertIn("hello_pipe", repr(one))
        shown = Reader(one._repr_html_())
        self.assertEqual(
            [shown.tags.count(tag) for tag in ["table", "svg", "script"]],
            [1, 1, 0])
        self.assertTrue(one.verdict.evidence in shown.texts["p"][-2])
        self.assertTrue(one.verdict.take_home in shown.texts["p"][-1])

    def test_nothing_from_outside_is_markup(self) -> None:
        plain = Reader(report()._repr_html_())
        for text in HOSTILE:
            with self.subTest(text=text):
                shown = Reader(report(text=text)._repr_html_())
                self.assertEqual(set(shown.tags), set(plain.tags))
                self.assertEqual(shown.attributes, plain.attributes)

    def test_a_report_without_tasks(self) -> None:
        Reader(report()._replace(runs=[], results=[])._repr_html_())


class Markdown(unittest.TestCase):
    """A report as GitHub-flavoured Markdown."""

    def test_what_would_be_markup_is_escaped(self) -> None:
        for text, shown in [
                ("a|b", r"a\|b"), ("<b>", r"\<b\>"), ("`a`", r"\`a\`"),
                ("a\\", r"a\\"), ("a\\|b", r"a\\\|b"),
                ("two\nlines", r"two\\nlines"), ("[a](b)", r"\[a\](b)"),
                ("www.example.org", r"www\.example.org"),
                ("http://example.org", r"http\://example.org"),
                ("@user, me@example.org",
                 "@<!-- -->user, me@<!-- -->example.org"),
                ("see #12", r"see \#<!-- -->12"), ("$x$", r"\$x\$"),
                ("a_b *c* ~d~ &amp;", r"a\_b \*c\* \~d\~ \&amp;"),
                ("speed-up: 1.5 (2 cores)", "speed-up: 1.5 (2 cores)")]:
            with self.subTest(text=text):
                self.assertEqual(escaped(text), shown)

    def test_numbers_stand_to_the_right(self) -> None:
        self.assertEqual(
            markdown_table([["task", "n", "share"], ["a", "1.5", "10%"],
                            ["2", "-", "7%"]]),
            "| task | n | share |\n| --- | ---: | ---: |\n"
            "| a | 1.5 | 10% |\n| 2 | - | 7% |")
        self.assertEqual(markdown_table([["a", "b"]]),
                         "| a | b |\n| --- | --- |")

    def test_a_hostile_report_stays_in_its_lines(self) -> None:
        lines = len(report().markdown().splitlines())
        for text in HOSTILE:
            with self.subTest(text=text):
                shown = report(text=text).markdown()
                self.assertEqual(len(shown.splitlines()), lines)
                for line in shown.splitlines():
                    if line.startswith("| ") and "pieces" in line:
                        columns = re.findall(r"(?<!\\)(?:\\\\)*\|", line)
                        self.assertEqual(len(columns), 8)


class Command(unittest.TestCase):
    """python -m concur_demo --html FILE."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_the_page_is_written(self) -> None:
        file = self.folder / "page <1>.html"
        file.write_text("old")
        output = io.StringIO()
        with mock.patch.object(__main__, "LESSONS", ["hello_pipe"]):
            with contextlib.redirect_stdout(output):
                status = __main__.main(["--html", str(file)])
        self.assertEqual(status, 0)
        self.assertRegex(output.getvalue(), r"\Ahello_pipe: .*\n\Z")
        page = Reader(file.read_text(encoding="utf-8"))
        self.assertEqual(len(page.texts["section"]), 2)
        self.assertEqual(os.listdir(self.folder), [file.name])

    def test_an_unwritable_file_is_told_before_the_measuring(self) -> None:
        for file in [self.folder / "missing" / "page.html", self.folder]:
            done = subprocess.run(
                command("", "--html", file),
                timeout=DEADLINE, capture_output=True, text=True)
            with self.subTest(file=file):
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertEqual(len(done.stderr.splitlines()), 1)
                self.assertIn(str(self.folder), done.stderr)

    def test_an_old_page_stays_if_there_is_no_new_one(self) -> None:
        file = self.folder / "page.html"
        file.write_text("old")
        with mock.patch.object(
                __main__, "quick_reports", side_effect=KeyboardInterrupt):
            with contextlib.redirect_stderr(io.StringIO()) as told:
                status = __main__.main(["--html", str(file)])
        self.assertEqual(status, 130)
        self.assertEqual(told.getvalue(), "concur_demo: interrupted\n")
        self.assertEqual(file.read_text(), "old")
        self.assertEqual(os.listdir(self.folder), [file.name])


if __name__ == "__main__":
    unittest.main()
