"""A lesson's command, and that of all lessons: what it prints and where, how
it ends, and what it does where streams and files fail it."""

import contextlib
import io
import json
import multiprocessing
import os
import re
import signal
import subprocess
import unittest
import xml.etree.ElementTree
from unittest import mock

from concur_demo._run import command as command_of, status_of

from .support import (
    ABLE,
    DEADLINE, LESSONS, PYTHON, ROOT, Ended, TestCase, at_once, command,
    on_posix, run, run_lesson, small)

SUMS = ("primes_threads", 2000, 3000)  # the command that is soonest done
ONE_LINE = r"\A{}: [^\n]+\n\Z"
on_full = unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
# All lessons, with less to do in some, and one that is to fail.
OVERVIEW = """
import importlib, runpy, sys
from concur_demo._experiments import TABLE
from tests.smaller import constants_of

for name in TABLE:
    lesson = importlib.import_module(f"concur_demo.{name}")
    vars(lesson).update(constants_of(lesson))
if sys.argv[1] == "fail":
    for name in {*TABLE} - {"copy_threads", "primes_threads", "hello_pipe"}:
        del TABLE[name]
    del importlib.import_module("concur_demo.primes_threads").LIMITS
del sys.argv[1]
runpy.run_module("concur_demo", run_name="__main__", alter_sys=True)
"""


def in_shell(redirection: str, *words: object) -> Ended:
    """Run a lesson with a redirection as a shell writes it."""
    return run(["sh", "-c", f'exec "$@" {redirection}', "sh",
                *command(*map(str, words))])


class Help(TestCase):
    """--help, and what is said of bad usage."""

    def test_of_every_command(self) -> None:
        for lesson, ended in at_once(
                lambda lesson: run_lesson(
                    lesson, "--help", COLUMNS="80", FORCE_COLOR="1"),
                ["", *LESSONS]):
            with self.subTest(lesson=lesson):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                name = f"python -m concur_demo{lesson and '.'}{lesson}"
                self.assertTrue(ended.stdout.startswith(f"usage: {name} ["))
                self.assertLessEqual(
                    max(map(len, ended.stdout.splitlines())), 80)
                self.assertNotIn("\x1b", ended.stdout)
                about, options = ended.stdout.split("\noptions:\n")
                self.assertIn("--json", options)
                if lesson:
                    self.assertIn("\nClaim: ", about)
                    self.assertIn(f"\nExample: {name} ", options)

    def test_bad_usage_of_the_overview(self) -> None:
        for option, ended in at_once(
                lambda option: run_lesson("", option),
                ["lesson", "--nonsense"]):
            with self.subTest(option):
                self.assertEqual((ended.status, ended.stdout), (2, ""))
                self.assertRegex(ended.stderr, ONE_LINE.format("concur_demo"))
                self.assertIn(option, ended.stderr)

    def test_an_old_python_is_told_so(self) -> None:
        ended = run([*PYTHON, "-c", "import sys\n"
                     "sys.version_info = (3, 10, 0)\nimport concur_demo"])
        self.assertEqual((ended.status, ended.stdout), (1, ""))
        self.assertRegex(ended.stderr,
                         r"\Aconcur_demo needs Python 3.11 or later, .*\n\Z")


class Forms(TestCase):
    """What a command prints and writes."""

    def test_text_and_files_where_little_fits(self) -> None:
        folder = self.folder()
        for lesson, ended in at_once(
                lambda lesson: run_lesson(
                    lesson, *small(lesson), "--workers=2",
                    "--svg", folder / f"{lesson}.svg",
                    "--trace", folder / f"{lesson}.json", COLUMNS="20",
                    LC_ALL="C", PYTHONIOENCODING="ascii"), LESSONS[::2]):
            with self.subTest(lesson=lesson):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                self.assertTrue(ended.stdout.isascii())
                self.assertRegex(ended.stdout, r"\nVerdict:\s")
                for part in ended.stdout.split("\n\n"):  # tables may be wide
                    if not re.search(r"\S  +\w", part) or "|" in part:
                        # A long word stays whole.
                        self.assertNotRegex(part, r"(?m)^(?=.* ).{21}")
                picture = xml.etree.ElementTree.parse(folder / f"{lesson}.svg")
                self.assertTrue(picture.getroot().tag.endswith("}svg"))
                events = json.loads((folder / f"{lesson}.json").read_text())
                self.assertEqual(bool(events["traceEvents"]), lesson in ABLE)

    def test_nothing_beside_json_or_markdown(self) -> None:
        (_, as_json), (_, markdown) = at_once(
            lambda form: run_lesson(*SUMS, "--repeat=2", form),
            ["--json", "--markdown"])
        for ended in as_json, markdown:
            self.assertEqual((ended.status, ended.stderr), (0, ""))
        report = json.loads(as_json.stdout)
        self.assertEqual(
            [one["result"] for one in report["results"]], [277050, 593823])
        self.assertRegex(
            markdown.stdout, r"(?s)\A## primes_threads\n\n\*\*Claim:\*\* .*"
            r"\n\*\*Verdict: [\w ]+\.\*\* [^\n]+\n(\n[^\n]+\n)?\Z")

    def test_workers_announce_whole_lines(self) -> None:
        for words, ended in at_once(
                lambda words: run_lesson(
                    *words, "--verbose", "--workers=2", 2000, 3000),
                [("primes_threads",), *(
                    ("primes_pool", "--start-method", method)
                    for method in multiprocessing.get_all_start_methods())]):
            with self.subTest(words):
                self.assertEqual(ended.status, 0)
                worker = (r"\w+-[\d:]+ \(pid \d+\)" if len(words) > 1
                          else r"Thread-\d+ \(serve\)")
                tasks = ["1 to 2000", "1 to 3000"] * len(words[:2])
                lines = ended.stderr.splitlines()
                for what in "start", "end":
                    self.assertEqual(sorted(
                        task[1] for task in map(re.compile(
                            rf"{worker}: {what} (.*)").fullmatch, lines)
                        if task), sorted(tasks), ended.stderr)
                self.assertEqual(len(lines), 2 * len(tasks), ended.stderr)


class Overview(TestCase):
    """python -m concur_demo."""

    def test_every_form_also_where_a_lesson_fails(self) -> None:
        page = self.folder() / "page.html"
        cases = [("well",), ("fail", "--json"),
                 ("fail", "--markdown", "--html", str(page))]
        (_, well), (_, as_json), (_, markdown) = at_once(
            lambda words: run([*PYTHON, "-c", OVERVIEW, *words], DISPLAY=""),
            cases)
        self.assertEqual((well.status, well.stderr), (0, ""))
        self.assertEqual([line.split(":")[0]
                          for line in well.stdout.splitlines()],
                         list(LESSONS))
        others = ["copy_threads", "hello_pipe"]
        for ended in as_json, markdown:
            self.assertEqual(ended.status, 1)
            self.assertRegex(ended.stderr, ONE_LINE.format("primes_threads"))
        self.assertEqual([report["lesson"] for report in
                          json.loads(as_json.stdout)], others)
        self.assertEqual(re.findall(
            r"(?m)^\| (\w+) \|", markdown.stdout.replace("\\_", "_")),
                         ["lesson", *others])
        for name in others:
            self.assertIn(f'<section id="{name}">',
                          page.read_text(encoding="utf-8"))

    def test_a_lesson_after_a_space_in_place_of_a_dot(self) -> None:
        ended = run_lesson("", "primes_pool")
        self.assertEqual((ended.status, ended.stdout), (2, ""))
        self.assertRegex(ended.stderr, r"\Aconcur_demo: .* primes_pool\. One "
                         r"lesson .* python -m concur_demo\.LESSON .*\n\Z")


class Files(TestCase):
    """--svg and --trace, where they cannot be written."""

    def test_told_before_the_run(self) -> None:
        folder = self.folder()
        for option, ended in at_once(
                lambda option: run_lesson(
                    *SUMS, "--verbose", option, folder / "missing" / "file"),
                ["--svg", "--trace"]):
            with self.subTest(option):
                self.assertEqual((ended.status, ended.stdout), (1, ""))
                self.assertRegex(
                    ended.stderr, ONE_LINE.format("primes_threads"))
                self.assertIn(str(folder / "missing"), ended.stderr)
        ended = run_lesson(*SUMS, "--svg", folder / "new", "--trace", folder)
        self.assertEqual((ended.status, os.listdir(folder)), (1, []))

    @on_full
    def test_no_room_and_the_report_is_printed_all_the_same(self) -> None:
        for option, ended in at_once(
                lambda option: run_lesson(*SUMS, option, "/dev/full"),
                ["--svg", "--trace"]):
            with self.subTest(option):
                self.assertEqual(
                    (ended.status, ended.stderr),
                    (1, "primes_threads: No space left on device: /dev/full\n"
                     ))
                self.assertIn("\nVerdict: ", ended.stdout)


@on_posix
class Streams(TestCase):
    """Standard streams that are closed, full, or have no reader, and those of
    other encodings."""

    def test_other_encodings(self) -> None:
        for encoding in "utf-16", "cp437", "ascii":
            ended = run_lesson(*SUMS, PYTHONIOENCODING=encoding)
            with self.subTest(encoding):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                text = ended.stdout.encode("utf-8", "surrogateescape").decode(
                    encoding)
                self.assertRegex(text, r"(?s)2 threads: .*\nVerdict: ")
                self.assertEqual(text.isascii(), encoding == "ascii")

    @on_full
    def test_standard_output(self) -> None:
        folder = self.folder()
        cases = [(number, where, options) for number, where in enumerate(
            ["| true", ">&-", ">/dev/full"]) for options in (
                ["--help"], ["--snippet"], ["--json"],
                [f"--svg={folder}/{number}.svg",
                 f"--trace={folder}/{number}.json"])]
        status, line = (0, 1, 1), [
            r"\A\Z", r"\Aprimes_threads: standard output is closed\n\Z",
            r"\Aprimes_threads: No space left on device: standard output\n\Z"]
        for (number, where, options), ended in at_once(
                lambda case: in_shell(case[1], *SUMS, *case[2]), cases):
            with self.subTest(where, options=options):
                self.assertRegex(ended.stderr, line[number])
                self.assertEqual(ended.status, status[number])
        for number in range(3):
            xml.etree.ElementTree.parse(folder / f"{number}.svg")
            self.assertTrue(json.loads(
                (folder / f"{number}.json").read_text())["traceEvents"])

    @on_full
    def test_standard_error(self) -> None:
        for (where, words), ended in at_once(
                lambda case: in_shell(case[0], *case[1]),
                [(where, words) for where in ("2>&-", "2>/dev/full")
                 for words in [
                     (*SUMS, "--verbose"), ("primes_threads", "--nonsense"),
                     ("primes_pool", "--verbose", *SUMS[1:])]]):
            with self.subTest(where, words=words):
                bad = "--nonsense" in words
                self.assertEqual(ended.status, 2 if bad else 0)
                self.assertEqual("\nVerdict: " in ended.stdout, not bad)

    def test_no_reader_of_either(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as both:
            status = subprocess.run(
                command(*map(str, SUMS), "--verbose"), cwd=ROOT, stdout=both,
                stderr=both, timeout=DEADLINE).returncode
        self.assertEqual(status, 0)


@on_posix
class Terminal(TestCase):
    """Progress, which is shown on a terminal only."""

    def on_terminal(self, *words: object, interrupt: bool = False,
                    kind: str = "xterm") -> tuple[int, str, list[str]]:
        """Return exit status, what a lesson sends to its terminal, and the
        lines that stand there in the end."""
        try:
            ours, its = os.openpty()
        except OSError as error:  # as in a container without /dev/pts
            self.skipTest(f"no terminal here: {error}")
        with open(its, "wb") as terminal:
            process = subprocess.Popen(
                command(*map(str, words)), cwd=ROOT, stdout=terminal,
                stderr=terminal, stdin=subprocess.DEVNULL,
                env={**os.environ, "COLUMNS": "80", "TERM": kind})
        self.addCleanup(process.kill)
        sent = b""
        with (open(ours, "rb", buffering=0) as screen,
              contextlib.suppress(OSError)):  # Linux: no more writers
            while data := screen.read(65536):
                sent += data
                if interrupt and b"process" in sent:
                    process.send_signal(signal.SIGINT)
                    interrupt = False
        shown = []
        for line in sent.decode().replace("\r\n", "\n").split("\n"):
            row = ""
            for part in line.split("\r"):
                row = part + row[len(part):]
            shown.append(row.rstrip())
        return process.wait(DEADLINE), sent.decode(), shown

    def test_it_is_cleared_before_the_report(self) -> None:
        status, sent, shown = self.on_terminal(
            "primes_pool", "--json", "--workers=2", 2000)
        self.assertEqual(status, 0)
        self.assertIn("\requal pieces, 2 processes", sent)
        self.assertEqual(json.loads("\n".join(shown))["lesson"], "primes_pool")

    def test_it_is_cleared_before_an_error(self) -> None:
        status, _, shown = self.on_terminal(
            "primes_pool", "--workers=2", 10**8, interrupt=True)
        self.assertEqual((status, shown),
                         (130, ["primes_pool: interrupted", ""]))

    def test_none_among_what_workers_announce(self) -> None:
        status, sent, _ = self.on_terminal(*SUMS, "--verbose")
        self.assertEqual(status, 0)
        self.assertNotIn("2 threads  ", sent)
        self.assertIn(": start 1 to 2000", sent)

    def test_none_where_a_line_cannot_be_written_over(self) -> None:
        status, sent, _ = self.on_terminal(*SUMS, kind="dumb")
        self.assertEqual(status, 0)
        self.assertNotIn("\r", sent.replace("\r\n", "\n"))


class EditorShell(io.TextIOBase):
    """What IDLE, or another editor, has in place of a standard stream: it
    claims to be a terminal, and has neither a file nor a buffer."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        """Claim to be a terminal."""
        return True

    def write(self, text: str) -> int:
        """Show the text."""
        self.text += text
        return len(text)


class Editor(TestCase):
    """A command in the shell of an editor."""

    def test_its_report_and_its_errors_and_nothing_else(self) -> None:
        for words, status, told in [
                (["2000", "3000"], 0, ""), (["--help"], 0, ""),
                (["--snippet"], 0, ""),
                (["--nonsense"], 2, r"primes_threads: .*--nonsense.*\n"),
                (["--svg=/no/file"], 1, r"primes_threads: .*/no/file\n")]:
            out, err = EditorShell(), EditorShell()
            with self.subTest(words), mock.patch.multiple(
                    "sys", stdin=EditorShell(), stdout=out, stderr=err):
                self.assertEqual(status_of(
                    "primes_threads",
                    lambda: command_of("primes_threads", words)), status)
            self.assertRegex(err.text, rf"\A{told}\Z")
            self.assertEqual(out.text == "", status > 0)


@on_posix
class FirstMoments(TestCase):
    """Ctrl-C before a command has begun."""

    def test_no_traceback_from_its_imports(self) -> None:
        # Each module of ours is interrupted when Python looks for it.
        interrupt = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv[0] = "-m"
runpy.run_module("concur_demo", run_name="__main__", alter_sys=True)
"""
        for name, ended in at_once(
                lambda name: run([*PYTHON, "-c", interrupt, name]),
                [f"concur_demo.{name}" for name in (
                    "_run", "_measure", "_experiments", "_text")]):
            with self.subTest(name):
                self.assertEqual(ended, Ended(130, "", ""))


class Debugger(TestCase):
    """A lesson under pdb, which reads its commands from standard input."""

    def test_it_is_measured(self) -> None:
        for lesson, ended in at_once(lambda lesson: run(
                [*PYTHON, "-m", "pdb", *command(lesson, 20_000, 30_000)[
                    len(PYTHON):]], stdin="c\nq\n"),
                ["primes_threads", "primes_pool"]):
            with self.subTest(lesson):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                self.assertRegex(
                    ended.stdout, rf"(?s)\(Pdb\) {lesson}: .*\nVerdict: .*"
                    r"\nThe program exited via sys.exit\(\). Exit status: 0")


if __name__ == "__main__":
    unittest.main()
