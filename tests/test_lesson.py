"""A lesson's own file: what its docstring says, and the file to copy."""

import importlib
import json
import pathlib

from concur_demo._lesson import read_lesson

from .support import LESSONS, PYTHON, TestCase, run


class Lesson(TestCase):

    def test_what_its_docstring_says(self) -> None:
        for name in LESSONS:
            with self.subTest(name):
                lesson = read_lesson(name)
                module = importlib.import_module(f"concur_demo.{name}")
                self.assertEqual(
                    f"{lesson.title}. Claim: {lesson.claim} Notice: "
                    f"{lesson.notice} Try: {lesson.try_}",
                    " ".join((module.__doc__ or "").split()))
                self.assertRegex(lesson.title, r"^[A-Z].*\w$")
                for part in lesson.claim, lesson.notice, lesson.try_:
                    self.assertRegex(part, r"^[A-Z].*[.?]$")
                # A question, to be answered before it is run.
                self.assertIn("?", lesson.try_)

    def test_the_copy_lacks_two_lines_of_the_file(self) -> None:
        for name in LESSONS:
            with self.subTest(name):
                lesson = read_lesson(name)
                path = importlib.import_module(f"concur_demo.{name}").__file__
                self.assertEqual(lesson.source, pathlib.Path(
                    str(path)).read_text(encoding="utf-8"))
                *body, package, runner, main = lesson.source.splitlines()
                self.assertEqual([package, runner, main], [
                    f"    if __package__:  # python -m concur_demo.{name}: "
                    "measured", "        from ._run import main",
                    "    main()"])
                self.assertEqual(
                    lesson.snippet, "\n".join([*body, main, ""]))

    def test_also_where_python_drops_docstrings(self) -> None:
        ended = run([*PYTHON, "-OO", "-c", """if True:
            import json, concur_demo
            from concur_demo._lesson import read_lesson
            print(json.dumps([concur_demo.__doc__, *map(
                read_lesson, concur_demo.LESSONS)]))"""])
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        self.assertEqual(json.loads(ended.stdout), [
            None, *([*read_lesson(name)] for name in LESSONS)])
