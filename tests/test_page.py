"""The page to teach from, and a report as a notebook shows it."""

import html.parser
import re

import concur_demo
from concur_demo._lesson import read_lesson
from concur_demo._page import page
from concur_demo._text import printable

from .support import LESSONS, TestCase
from .test_report import HOSTILE, controls_in, report_of


class Reader(html.parser.HTMLParser):
    """Reads a document, and fails where a tag is not closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.texts: dict[str, list[str]] = {}   # by tag
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        assert len(dict(attrs)) == len(attrs), f"twice: {attrs}"
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
        self.texts.setdefault(tag, []).append("")
        if tag != "meta":  # which is never closed
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data


class Page(TestCase):

    def setUp(self) -> None:
        self.reports = [report_of(name) for name in LESSONS]
        self.text = page(self.reports)
        self.page = Reader(self.text)

    def test_one_document_that_needs_nothing_else(self) -> None:
        for tag in "html", "head", "body", "h1":
            self.assertEqual(len(self.page.texts[tag]), 1, tag)
        ids = self.page.attributes["id"]
        self.assertEqual(len(set(ids)), len(ids))
        links = self.page.attributes["href"]
        self.assertEqual(links, [f"#{name}" for name in LESSONS])
        self.assertLessEqual(set(LESSONS), set(ids))
        shown = re.sub("(?s)<pre.*?</pre>", "", self.text)
        self.assertNotRegex(
            shown, r"<(link|img|iframe|object|embed)\b|url\(|@import|import\("
            r"|fetch\(|src=")
        self.assertEqual(set(re.findall(r"https?://[^ \"]+", shown)),
                         {"http://www.w3.org/2000/svg"})

    def test_it_tells_all_about_each_lesson(self) -> None:
        [body] = self.page.texts["body"]
        self.assertIn("CPython 3.13.0 with the GIL", body)
        self.assertEqual(self.page.texts["pre"], [
            read_lesson(name).snippet for name in LESSONS])
        self.assertEqual(len(self.page.texts["svg"]), len(LESSONS))
        for report, section in zip(
                self.reports, self.page.texts["section"][-len(LESSONS):]):
            lesson = read_lesson(report.lesson)
            self.assertIn(f"{lesson.name}. {report.claim} Does not hold.",
                          body)
            for part in (
                    lesson.title, report.claim, lesson.notice, lesson.try_,
                    "Does not hold. " + report.verdict.evidence,
                    report.verdict.take_home, *map("".join, report.table()),
                    f"python -m concur_demo.{lesson.name}"):
                self.assertIn(part, section)

    def test_nothing_from_outside_is_markup(self) -> None:
        for hostile in HOSTILE:
            with self.subTest(hostile[:40]):
                report = report_of(text=hostile)
                text = page([report._replace(
                    claim=hostile, machine=report.machine._replace(
                        platform=hostile), verdict=report.verdict._replace(
                            evidence=hostile, take_home=hostile))])
                self.assertEqual(controls_in(text), "")
                self.assertNotRegex(text, "[\ud800-\udfff\ufffe\uffff]")
                found = Reader(text)
                self.assertEqual(set(found.texts), set(self.page.texts))
                self.assertEqual(
                    set(found.attributes), set(self.page.attributes))
                self.assertEqual(
                    found.attributes["href"], ["#primes_pool"])
                self.assertIn(printable(hostile).replace(
                    "\ufffe", r"\ufffe"), found.texts["body"][0])

    def test_a_notebook_shows_table_picture_and_verdict(self) -> None:
        report = concur_demo.measure("primes_threads", [1000, 2000])
        shown = Reader(report._repr_html_())
        self.assertEqual([len(shown.texts.get(tag, [])) for tag in
                          ("table", "svg", "script", "html")], [1, 1, 0, 0])
        self.assertIn(report.verdict.evidence, shown.texts["p"][0])
        for row in report.table():
            self.assertIn("".join(row), shown.texts["div"][1])
