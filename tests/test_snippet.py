"""Each lesson as one file: what is in it, and that it runs alone."""

import ast
import contextlib
import importlib
import io
import itertools
import multiprocessing
import os
import re
import subprocess
import tempfile
import unittest

from concur_demo import _snippet
from concur_demo.__main__ import LESSONS

from .command import DEADLINE, PYTHON, at_once, command

SUMS = "".join(
    f"primes up to {limit} add up to {total}\n" for limit, total in [
        (250_000, 2_623_031_151), (500_000, 9_914_236_195),
        (1_000_000, 37_550_402_023)])

# What each prints, whichever of its tasks is done first.
PRINTED = {
    "copy_threads": r"([ab] has an equal copy: True\n){2}",
    "titles_threads":
        r"(Page [1-5] of a slow site\thttp://127.0.0.1:\d+/[1-5]\n){5}",
    "primes_threads": re.escape(SUMS),
    "primes_pool": re.escape(SUMS),
    "hello_pipe": r"Process-1: my pid is \d+, my parent's (\d+)\n"
                  r"Process-1 was told: I am the parent, and my pid is "
                  r"\1\n",
}
MOST_LINES = {"copy_threads": 60, "titles_threads": 145,
              "primes_threads": 70, "primes_pool": 95, "hello_pipe": 75}


def run_alone(text: str) -> subprocess.CompletedProcess[str]:
    """Run a file with this text in an otherwise empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "snippet.py")
        with open(file, "w", encoding="utf-8") as output:
            output.write(text)
        done = subprocess.run(
            [*PYTHON, "-I", file], cwd=folder, timeout=DEADLINE,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        left = os.listdir(folder)
    if left != ["snippet.py"]:
        raise AssertionError(f"left behind: {left}")
    return done


def bound_names(tree: ast.Module) -> list[str]:
    """Return the names that a file defines at its top, imports too."""
    found = []
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            found += [one.name for one in statement.names]
        elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            found.append(statement.name)
        elif isinstance(statement, ast.Assign):
            found += [one.id for target in statement.targets
                      for one in ast.walk(target)
                      if isinstance(one, ast.Name)]
        elif (isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)):
            found.append(statement.target.id)
    return found


class Text(unittest.TestCase):
    """What a snippet looks like."""

    def test_it_holds_lesson_code_only(self) -> None:
        for lesson in LESSONS:
            text = _snippet.snippet(lesson)
            with self.subTest(lesson=lesson):
                for word in ["argparse", "_cli", "_measure", "Report",
                             "trace(", "import concur_demo",
                             "from concur_demo", "from ."]:
                    self.assertFalse(word in text, word)

    def test_it_fits_slides(self) -> None:
        for lesson, most in MOST_LINES.items():
            lines = _snippet.snippet(lesson).splitlines()
            with self.subTest(lesson=lesson):
                self.assertLessEqual(len(lines), most)
                self.assertLessEqual(max(map(len, lines)), 79)

    def test_every_name_is_defined_once_and_used(self) -> None:
        for lesson in LESSONS:
            text = _snippet.snippet(lesson)
            names = bound_names(ast.parse(text))
            with self.subTest(lesson=lesson):
                self.assertEqual(sorted(set(names)), sorted(names))
                self.assertIn("example", names)
                for name in names:
                    found = re.findall(rf"\b{re.escape(name)}\b", text)
                    self.assertGreater(len(found), 1, name)

    def test_blank_lines_are_as_flake8_wants_them(self) -> None:
        for lesson in LESSONS:
            text = _snippet.snippet(lesson)
            with self.subTest(lesson=lesson):
                for wrong in [r"\n\n\n\n", r"[ \t]\n",
                              r"(?m)^[^\n#@].*\n\n?(@|def |class |if __)"]:
                    self.assertIsNone(re.search(wrong, text), wrong)
                self.assertEqual(text[-len(_snippet.END):], _snippet.END)

    def test_it_is_cut_from_the_source(self) -> None:
        for lesson in LESSONS:
            source = ""
            for one in _snippet.reading_order(lesson):
                source += "\n".join(one.lines) + "\n"
            lines = set(source.splitlines())
            new = [line for line in _snippet.snippet(lesson).splitlines()
                   if line not in lines]
            with self.subTest(lesson=lesson):
                for line in new:  # docstrings that are shorter, and imports
                    self.assertRegex(
                        line, r'"""$|^import |^from |^    \w+(, \w+)*[,)]+$'
                              r'|^if __name__|^    example\(\)$')

    def test_the_option_prints_it_and_runs_nothing(self) -> None:
        for lesson in LESSONS:
            module = importlib.import_module(f"concur_demo.{lesson}")
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                status = module.main(["--snippet"])
            with self.subTest(lesson=lesson):
                self.assertEqual(status, 0)
                self.assertTrue(output.getvalue() == _snippet.snippet(lesson))

    def test_the_option_as_a_command(self) -> None:
        done = subprocess.run(
            command("hello_pipe", "--snippet"),
            timeout=DEADLINE, capture_output=True, text=True)
        self.assertEqual(
            (done.returncode, done.stdout, done.stderr),
            (0, _snippet.snippet("hello_pipe"), ""))


class Running(unittest.TestCase):
    """What a snippet prints, in an empty folder, with nothing else."""

    def test_each_prints_its_result(self) -> None:
        texts = {lesson: _snippet.snippet(lesson) for lesson in LESSONS}
        for lesson, done in at_once(
                lambda lesson: run_alone(texts[lesson]), LESSONS):
            with self.subTest(lesson=lesson):
                self.assertEqual((done.stderr, done.returncode), ("", 0))
                self.assertRegex(done.stdout, rf"\A{PRINTED[lesson]}\Z")
                lines = done.stdout.splitlines()
                self.assertEqual(len(set(lines)), len(lines))

    def test_processes_under_every_start_method(self) -> None:
        texts = {lesson: _snippet.snippet(lesson) for lesson in LESSONS}

        def run(case: tuple[str, str]) -> subprocess.CompletedProcess[str]:
            lesson, method = case
            return run_alone(texts[lesson].replace(
                _snippet.END, 'if __name__ == "__main__":\n'
                f'    multiprocessing.set_start_method("{method}")\n'
                "    example()\n").replace("1_000_000", "200_000"))

        methods = {"spawn", "forkserver"} & set(
            multiprocessing.get_all_start_methods())
        for (lesson, method), done in at_once(run, itertools.product(
                ["primes_pool", "hello_pipe"], sorted(methods))):
            with self.subTest(lesson=lesson, method=method):
                self.assertEqual((done.stderr, done.returncode), ("", 0))
                self.assertIn("up to 200000 add up to 1709600813\n"
                              if lesson == "primes_pool" else
                              "I am the parent", done.stdout)

    def test_the_pool_ends_when_a_worker_dies(self) -> None:
        text = _snippet.snippet("primes_pool").replace(
            "return sum_primes(", "__import__('os')._exit(3)  #")
        done = run_alone(text)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr, r"\nChildProcessError: \S+Worker-\d died\n\Z")


class Cutting(unittest.TestCase):
    """The parts of the generator."""

    def statement(self, source: str) -> ast.stmt:
        return ast.parse(source).body[0]

    def test_names_of_the_module_are_told_from_local_ones(self) -> None:
        bound, used = _snippet.names(self.statement(
            "@decorator\n"
            "def work(one: Kind = DEFAULT) -> list[Result]:\n"
            "    queue: Queue[Any] = make()\n"
            "    count = [item for item in SOURCE if (x := item)]\n"
            "    def inner(): return count, queue, GLOBAL\n"
            "    return inner\n"))
        self.assertEqual(bound, {"work"})
        self.assertEqual(used, {
            "decorator", "Kind", "DEFAULT", "list", "Result", "Queue", "Any",
            "make", "SOURCE", "GLOBAL"})

    def test_names_that_a_class_uses(self) -> None:
        bound, used = _snippet.names(self.statement(
            "class Child(Parent):\n"
            "    size: int = SIZE\n"
            "    other: Other\n"
            "    def method(self): return self.size, HELP\n"))
        self.assertEqual(bound, {"Child"})
        self.assertEqual(
            used, {"Parent", "int", "SIZE", "Other", "HELP"})

    def test_names_that_assignments_bind(self) -> None:
        for source, name in [("A = B", "A"), ("A: int = B", "A"),
                             ("A |= B", "A")]:
            bound, used = _snippet.names(self.statement(source))
            with self.subTest(source=source):
                self.assertEqual(bound, {name})
                self.assertIn("B", used)

    def test_docstrings_are_cut_to_the_first_paragraph(self) -> None:
        short = ['    """One."""']
        self.assertEqual(_snippet.first_paragraph(short), short)
        self.assertEqual(_snippet.first_paragraph(
            ['    """One,', "    two.", "", "    >>> 1", '    """']),
            ['    """One,', '    two."""'])
        full = '    """' + "x" * 72
        self.assertEqual(_snippet.first_paragraph([full, "", '    """']),
                         [full, '    """'])

    def test_imports_are_sorted_narrowed_and_folded(self) -> None:
        many = [("typing", f"{letter}name" * 3) for letter in "abcd"]
        lines = list(_snippet.import_lines(
            [("os.path", ""), ("html.parser", ""), ("html", ""), *many],
            "html.parser.HTMLParser"))
        self.assertEqual(lines[:2], ["import html", "import html.parser"])
        self.assertEqual(
            lines[2:], ["from typing import (\n    anameanameaname, "
                        "bnamebnamebname, cnamecnamecname, dnamednamedname)"])


if __name__ == "__main__":
    unittest.main()
