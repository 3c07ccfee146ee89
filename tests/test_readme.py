"""The README tells what is so: claims, commands, options, files."""

import re
import shlex

from concur_demo._lesson import read_lesson
from concur_demo._run import lesson_parser

from .support import LESSONS, ROOT, TestCase, run_lesson

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def folded(text: str) -> str:
    """Return the text in one line, without marks and quotes."""
    return " ".join(re.sub("[*\"“”`]", "", text).split())


def options_in(text: str) -> set[str]:
    """Return the options that the text has."""
    return set(re.findall("--[a-z][a-z-]*", text))


class Readme(TestCase):

    def assert_there(self, part: str, text: str) -> None:
        self.assertTrue(part in text, f"{part!r} is not there")

    def test_short_and_with_the_tests_that_ci_runs(self) -> None:
        self.assertLessEqual(len(TEXT.splitlines()), 250)
        self.assert_there("python -m unittest", TEXT)

    def test_every_lesson_with_its_claim_and_its_command(self) -> None:
        for name in LESSONS:
            self.assert_there(folded(read_lesson(name).claim), folded(TEXT))
            self.assert_there(f"python -m concur_demo.{name}", TEXT)

    def test_every_command_can_be_run(self) -> None:
        overview = options_in(run_lesson("", "--help").stdout)
        for name, rest in re.findall(
                r"python\S* -m concur_demo(?:\.(\w+|<\w+>))?(?!\w)([^`\n]*)",
                TEXT.replace("\\\n", " ")):
            # What it does may stand beside it, or where its output goes.
            words = shlex.split(re.split(r"\s{2}|\s[|>#&]", rest)[0])
            with self.subTest(name=name, words=words):
                if not name:
                    self.assertLessEqual(options_in(" ".join(words)), overview)
                elif words != ["--help"]:
                    for lesson in LESSONS if name[0] == "<" else [name]:
                        lesson_parser(lesson).parse_args(words)

    def test_every_option_in_a_table_is_one(self) -> None:
        helps = [run_lesson("", "--help").stdout, *(
            lesson_parser(name).format_help() for name in LESSONS)]
        for row in re.findall(r"(?m)^\|.*", TEXT):
            self.assertLessEqual(options_in(row), options_in(" ".join(helps)))

    def test_every_file_is_there(self) -> None:
        paths = re.findall(
            r"(?<![\w/])(?:concur_demo|tests|\.ci)/[\w./]*\w", TEXT)
        self.assertTrue(paths)
        for path in paths:
            self.assertTrue((ROOT / path).exists(), path)
