"""Commands with closed streams, small terminals, and no room to write.

What the lessons print and how they are interrupted is in test_lessons.
"""

import contextlib
import io
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import urllib.request
import xml.etree.ElementTree
from collections.abc import Iterator
from unittest import mock

from concur_demo import _cli
from concur_demo.__main__ import LESSONS
from concur_demo.slow_site import slow_site

from .benchmark import site
from .command import (
    DEADLINE, PYTHON, ROOT, Ended, at_once, command, environment, mounted,
    on_small_disk, run_lesson, text_of)
from .hostile_site import OK, HostileSite, drip

SMALL: dict[str, list[str]] = {  # the least work that makes a report
    "copy_threads": ["--size", "1M", "--workers", "2"],
    "titles_threads": ["--quick", "--workers", "5"],
    "primes_threads": ["--workers", "2", "2000", "3000"],
    "primes_pool": ["--workers", "2", "2000", "3000"],
    "hello_pipe": ["--messages", "5"],
}
on_posix = unittest.skipUnless(os.name == "posix", "needs POSIX")
on_linux = unittest.skipUnless(sys.platform == "linux", "needs Linux")


class ManyTitles:
    """A command that prints so many titles, and then its own state."""

    def __init__(self, site: str, number: int) -> None:
        address = f"{site}/front/500\n".encode()
        self.line = b"A title\t" + address
        self.number = number
        self.output = tempfile.TemporaryFile()
        with tempfile.TemporaryFile() as addresses:
            addresses.write(address * number)
            addresses.seek(0)
            self.process = subprocess.Popen(
                [*PYTHON, "-c", textwrap.dedent("""
                    from concur_demo.titles_threads import main
                    assert main(["--workers", "200", "-"]) == 0
                    print(open("/proc/self/status").read())
                    """)],
                cwd=ROOT, stdin=addresses, stdout=self.output,
                stderr=subprocess.STDOUT)

    def stop(self) -> None:
        """End the command, if it has not ended."""
        self.process.kill()
        self.process.wait()
        self.output.close()


many_titles: list[ManyTitles] = []


def setUpModule() -> None:
    """Begin what takes longest, to go on beside the other tests."""
    if sys.platform == "linux":
        address = unittest.enterModuleContext(site())
        for number in 300, 10_000:
            many_titles.append(ManyTitles(address, number))
            unittest.addModuleCleanup(many_titles[-1].stop)


def run_in_shell(redirection: str, lesson: str, *options: str) -> Ended:
    """Run a lesson with a redirection as a shell writes it."""
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh",
         *command(lesson, *options)],
        cwd=ROOT, env=environment(), timeout=DEADLINE,
        stdin=subprocess.DEVNULL, capture_output=True)
    return Ended(ended.returncode, text_of(ended.stdout),
                 text_of(ended.stderr))


class Folder(unittest.TestCase):
    """With a directory of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def assert_one_line(
        self, ended: Ended, status: int, naming: str = ""
    ) -> None:
        self.assertEqual((ended.status, ended.stdout), (status, ""), ended)
        self.assertRegex(ended.stderr, r"\A\w+: [^\n]+\n\Z")
        self.assertIn(naming, ended.stderr)


class Forms(Folder):

    def test_markdown_and_picture_of_every_lesson(self) -> None:
        for lesson, ended in at_once(
                lambda lesson: run_lesson(
                    lesson, *SMALL[lesson], "--markdown", "--svg",
                    self.folder / f"{lesson}.svg", COLUMNS="20"), SMALL):
            with self.subTest(lesson=lesson):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                self.assertTrue(ended.stdout.startswith(f"## {lesson}\n"))
                tables = re.findall(r"(?:^\|.*\|$\n)+", ended.stdout, re.M)
                self.assertEqual(len(tables), 2, ended.stdout)
                for table in tables:
                    rows = table.replace(r"\|", "").splitlines()
                    self.assertEqual(len({row.count("|") for row in rows}), 1)
                xml.etree.ElementTree.parse(self.folder / f"{lesson}.svg")

    def test_help_of_every_lesson(self) -> None:
        for lesson, ended in at_once(
                lambda lesson: run_lesson(
                    lesson, "--help", COLUMNS="80", FORCE_COLOR="1"),
                ("", "slow_site", *LESSONS)):
            with self.subTest(lesson=lesson):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                self.assertNotIn("\x1b", ended.stdout)
                self.assertIn("usage: python -m concur_demo", ended.stdout)
                self.assertIn("python -m", ended.stdout.split("options:")[1])
                if lesson in LESSONS:
                    self.assertIn("\nClaim: ", ended.stdout)
                self.assertLessEqual(
                    max(map(len, ended.stdout.splitlines())), 80)

    def test_an_old_python_is_told_so(self) -> None:
        ended = subprocess.run(
            [*PYTHON, "-c", "import sys; sys.version_info = (3, 10, 0)\n"
             "import concur_demo"], cwd=ROOT, text=True, capture_output=True,
            timeout=DEADLINE)
        self.assertEqual(ended.returncode, 1)
        self.assertRegex(
            ended.stderr, r"\Aconcur_demo needs Python 3.11 or later, .*\n\Z")

    def test_narrow_terminal(self) -> None:
        for lesson, ended in at_once(
                lambda lesson: run_lesson(
                    lesson, *SMALL[lesson], COLUMNS="20",
                    PYTHONIOENCODING="ascii", LC_ALL="C"), SMALL):
            with self.subTest(lesson=lesson):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                self.assertTrue(ended.stdout.isascii())
                self.assertRegex(ended.stdout, r"\nVerdict:\s")
                for line in ended.stdout.partition("Verdict")[2].split("\n"):
                    self.assertLessEqual(len(line), 20)

    def test_processes_announce_whole_lines(self) -> None:
        for method, ended in at_once(
                lambda method: run_lesson(
                    "primes_pool", "--start-method", method, "--verbose",
                    "--workers", 2, 2000, 3000),
                multiprocessing.get_all_start_methods()):
            with self.subTest(method=method):
                self.assertEqual(ended.status, 0, ended.stderr)
                lines = ended.stderr.splitlines()
                self.assertEqual(len(lines), 2 * 2 * 2, ended.stderr)
                for line in lines:
                    self.assertRegex(
                        line, r"\A\w+-[\d:]+ \(pid \d+\): (start|end) "
                        r"1 to ([23]000) of \2\Z")


class Streams(Folder):
    """Standard streams that are closed, full, or have no reader."""

    @on_posix
    def test_standard_output_closed(self) -> None:
        self.assert_one_line(
            run_in_shell(">&-", "hello_pipe", *SMALL["hello_pipe"]),
            1, "standard output is closed")

    @on_posix
    def test_standard_error_closed(self) -> None:
        ended = run_in_shell("2>&-", "primes_pool", "--verbose",
                             *SMALL["primes_pool"])
        self.assertEqual(ended.status, 0)
        self.assertIn("\nVerdict: ", ended.stdout)

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_standard_error_full(self) -> None:
        ended = run_in_shell("2>/dev/full", "titles_threads", "--verbose",
                             *SMALL["titles_threads"])
        self.assertEqual(ended.status, 0)
        self.assertIn("\nVerdict: ", ended.stdout)
        ended = run_in_shell("2>/dev/full", "titles_threads", "--nonsense")
        self.assertEqual(ended.status, 2)

    @on_posix
    def test_no_reader_of_help_and_of_both_streams(self) -> None:
        for options in (["--help"], ["--verbose", *SMALL["titles_threads"]]):
            with self.subTest(options=options):
                reader, writer = os.pipe()
                os.close(reader)
                with open(writer, "wb") as both:
                    ended = subprocess.run(
                        command("titles_threads", *options), cwd=ROOT,
                        stdout=both, stderr=both, timeout=DEADLINE)
                self.assertEqual(ended.returncode, 0)

    @on_posix
    def test_standard_input_closed(self) -> None:
        self.assert_one_line(
            run_in_shell("<&-", "titles_threads", "-"), 1, "standard input")

    def test_standard_input_empty(self) -> None:
        self.assertEqual(run_lesson("titles_threads", "-"), Ended(0, "", ""))

    @on_posix
    def test_standard_input_that_cannot_be_read(self) -> None:
        self.assert_one_line(
            run_in_shell("0>/dev/null", "titles_threads", "-"), 1,
            "standard input: Bad file descriptor")

    def test_standard_input_without_end_of_line(self) -> None:
        self.assert_one_line(
            run_lesson("titles_threads", "-", stdin="x" * 2**21), 1,
            "standard input: a line has 1048576 bytes or more")

    def test_standard_input_as_editors_and_windows_write_it(self) -> None:
        with slow_site(0.01) as pages:
            ended = run_lesson(
                "titles_threads", "-",
                stdin=f"\ufeff{pages}1\r\n\r\n{pages}1".encode())
            line = f"Page 1 of a slow site\t{pages}1\n"
            self.assertEqual(ended, Ended(0, 2 * line, ""))

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_files_are_written_where_standard_output_fails(self) -> None:
        sources = []
        for number in range(9):
            sources.append(str(self.folder / f"{number}"))
            pathlib.Path(sources[-1]).touch()
        target = self.folder / "to"
        picture = self.folder / "picture.svg"
        for redirection, status, error in (
                ("| true", 0, ""), (">&-", 1, "closed"),
                (">/dev/full", 1, "No space left on device")):
            with self.subTest(redirection):
                shutil.rmtree(target, ignore_errors=True)
                target.mkdir()
                for lesson, options in (
                        ("copy_threads", [*sources, str(target)]),
                        ("primes_threads", [
                            "1000", "--svg", str(picture)])):
                    ended = run_in_shell(redirection, lesson, *options)
                    self.assertEqual(ended.status, status, ended)
                    self.assertRegex(
                        ended.stderr,
                        rf"\A{lesson}: .*{error}\n\Z" if error else r"\A\Z")
                self.assertEqual(len(os.listdir(target)), 9)
                picture.unlink()

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_the_report_is_printed_where_its_picture_cannot_be(self) -> None:
        ended = run_lesson(
            "primes_threads", *SMALL["primes_threads"], "--svg", "/dev/full")
        self.assertIn("\nVerdict: ", ended.stdout)
        self.assertEqual(
            (ended.status, ended.stderr),
            (1, "primes_threads: No space left on device: /dev/full\n"))


class Terminal(Folder):

    def on_terminal(
        self, lesson: str, *options: str, interrupt: bool = False
    ) -> tuple[int, str]:
        """Return the exit status of a lesson that has a terminal, and all
        that it sends there."""
        try:
            ours, its = os.openpty()
        except OSError as error:  # as in a container without /dev/pts
            self.skipTest(f"no terminal here: {error}")
        with open(its, "wb") as terminal:
            process = subprocess.Popen(
                command(lesson, *options), cwd=ROOT, stdout=terminal,
                stderr=terminal, stdin=subprocess.DEVNULL,
                env=environment(COLUMNS="80"))
        sent = b""
        with open(ours, "rb", buffering=0) as screen:
            with contextlib.suppress(OSError):  # Linux: no more writers
                while data := screen.read(65536):
                    sent += data
                    if interrupt and b"process" in sent:
                        process.send_signal(signal.SIGINT)
                        interrupt = False
        return process.wait(DEADLINE), sent.decode()

    def shown(self, sent: str) -> list[str]:
        """Return the lines as they stand on the screen in the end."""
        lines = []
        for line in sent.replace("\r\n", "\n").split("\n"):
            row = ""
            for part in line.split("\r"):
                row = part + row[len(part):]
            lines.append(row.rstrip())
        return lines

    @on_posix
    def test_progress_is_shown_and_cleared(self) -> None:
        status, sent = self.on_terminal(
            "primes_pool", "--json", *SMALL["primes_pool"])
        self.assertEqual(status, 0)
        self.assertIn("\requal pieces, 2 processes", sent)
        report = json.loads("\n".join(self.shown(sent)))
        self.assertEqual(report["lesson"], "primes_pool")

    @on_posix
    def test_progress_is_cleared_before_an_error(self) -> None:
        status, sent = self.on_terminal(
            "primes_pool", "--workers", "2", interrupt=True)
        self.assertEqual(status, 130)
        self.assertEqual(self.shown(sent), ["primes_pool: interrupted", ""])

    @on_posix
    def test_no_progress_among_what_workers_announce(self) -> None:
        status, sent = self.on_terminal(
            "primes_threads", "--verbose", *SMALL["primes_threads"])
        self.assertEqual(status, 0)
        self.assertNotIn("2 threads ", sent.partition("Verdict")[0])
        self.assertIn("thread 1: start 2000", sent)


class Places(Folder):
    """Directories that are missing, full or read-only."""

    def test_no_temporary_directory(self) -> None:
        (self.folder / "file").touch()
        for name, ended in at_once(
                lambda name: run_lesson(
                    "copy_threads", *SMALL["copy_threads"],
                    TMPDIR=str(self.folder / name)), ("missing", "file")):
            with self.subTest(TMPDIR=name):
                self.assertEqual((ended.status, ended.stderr), (0, ""))

    @on_linux
    def test_samples_that_cannot_be_written(self) -> None:
        ended = run_lesson(
            "copy_threads", *SMALL["copy_threads"], TMPDIR=str(self.folder),
            before="import resource, signal\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)")
        self.assert_one_line(ended, 1, "sample-1")
        self.assertEqual(os.listdir(self.folder), [])

    @on_linux
    def test_a_full_temporary_directory(self) -> None:
        fill = ["sh", "-c", 'head -c 1M /dev/zero >"$TMPDIR/full" 2>&1; '
                'exec "$@"', "sh"]
        for lesson in "copy_threads", "hello_pipe":
            with self.subTest(lesson=lesson):
                done = subprocess.run(
                    [*on_small_disk(self.folder, "64k"), *fill,
                     *command(lesson, *SMALL[lesson])], cwd=ROOT,
                    env=environment(TMPDIR=str(self.folder)), text=True,
                    capture_output=True, timeout=DEADLINE)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    @on_linux
    def test_nothing_can_be_written_where_it_runs(self) -> None:
        for lesson, ended in at_once(
                lambda lesson: run_lesson(
                    lesson, *SMALL[lesson], cwd=pathlib.Path("/proc"),
                    PYTHONPATH=str(ROOT), TMPDIR=str(self.folder)), SMALL):
            with self.subTest(lesson=lesson):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
        self.assertEqual(os.listdir(self.folder), [])

    @on_posix
    def test_ctrl_c_while_samples_are_removed(self) -> None:
        ended = subprocess.run(
            [*PYTHON, "-c", textwrap.dedent("""
                import os, pathlib, signal, sys
                from concur_demo.copy_threads import scratch_directory
                removed = []
                def interrupt(event, details):
                    if event == "os.remove":
                        removed.append(details[0])
                        if len(removed) == 3:
                            os.kill(os.getpid(), signal.SIGINT)
                sys.addaudithook(interrupt)
                try:
                    with scratch_directory() as name:
                        for number in range(9):
                            pathlib.Path(name, str(number)).touch()
                except KeyboardInterrupt:
                    print("interrupted")
                """)],
            cwd=ROOT, env=environment(TMPDIR=str(self.folder)), text=True,
            capture_output=True, timeout=DEADLINE)
        self.assertEqual((ended.stdout, ended.stderr), ("interrupted\n", ""))
        self.assertEqual(os.listdir(self.folder), [])


class OwnTasks(Folder):
    """The user's own files and addresses."""

    def copy(self, *options: object) -> Ended:
        return run_lesson("copy_threads", *options, cwd=self.folder,
                          PYTHONPATH=str(ROOT))

    @on_posix
    def test_odd_sources(self) -> None:
        (self.folder / "to").mkdir()
        (self.folder / "from").mkdir()
        os.mkfifo(self.folder / "fifo")
        (self.folder / "good").write_text("12345")
        ended = self.copy("from", "fifo", "good", "to")
        self.assertEqual((ended.status, ended.stdout),
                         (1, "good -> to/good\t5 bytes\n"))
        self.assertEqual(
            sorted(line.rpartition(": ")[2]
                   for line in ended.stderr.splitlines()), ["fifo", "from"])
        self.assertEqual(os.listdir(self.folder / "to"), ["good"])

    @on_posix
    def test_odd_names_break_no_line(self) -> None:
        names = ["tab\there", "line\nbreak", "\x1b[2J", " blank ", "-dash",
                 "\u202eturned", "n" * 255]
        (self.folder / "to").mkdir()
        if sys.platform == "linux":  # where such bytes may be in a name
            names.append(os.fsdecode(b"no \xff text"))
        for name in names:
            (self.folder / name).write_text("content")
        ended = self.copy("--", *names, "to")
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        lines = ended.stdout.splitlines()
        self.assertEqual(len(lines), len(names))
        for line in lines:
            self.assertTrue(line.replace("\t", "", 1).isprintable(), line)
        for name in names:
            self.assertEqual(
                (self.folder / "to" / name).read_text(), "content")

    def test_errors_name_the_task_once(self) -> None:
        for task, error, line in (
                ("b", "Permission denied: backup",
                 "b: Permission denied: backup"),
                ("b", "Not a regular file: a/b", "Not a regular file: a/b"),
                ("a: b", "No such file: x/a: b", "No such file: x/a: b"),
                ("http", "an address begins with http://",
                 "http: an address begins with http://"),
                ("", "an address begins with http://",
                 "'': an address begins with http://")):
            with contextlib.redirect_stderr(io.StringIO()) as told:
                _cli.say_error("lesson", task, error)
            self.assertEqual(told.getvalue(), f"lesson: {line}\n")

    def test_a_source_without_a_directory(self) -> None:
        (self.folder / "to").mkdir()
        for name in ("to", "missing"):
            self.assert_one_line(self.copy(name), 2, name)

    def test_a_file_and_itself(self) -> None:
        (self.folder / "file").write_text("content")
        ended = self.copy("--force", "file", ".")
        self.assert_one_line(ended, 1, "file")
        self.assertEqual((self.folder / "file").read_text(), "content")

    def test_json_tells_of_failures_too(self) -> None:
        ended = run_lesson("titles_threads", "--json", "nonsense", "a\tb")
        report = json.loads(ended.stdout)
        [run] = report["runs"]
        self.assertEqual(ended.status, 1)
        self.assertEqual(len(ended.stderr.splitlines()), 2, ended.stderr)
        self.assertEqual({task["task"] for task in run["tasks"]},
                         {"nonsense", "a\tb"})
        self.assertTrue(all(task["error"] for task in run["tasks"]))
        self.assertEqual(report["verdict"], "cannot tell")

    def test_a_title_is_there_before_the_next_address(self) -> None:
        with slow_site(0.01) as site, subprocess.Popen(
                command("titles_threads", "-"), cwd=ROOT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=environment()) as process:
            timer = threading.Timer(DEADLINE, process.kill)
            timer.start()
            assert process.stdin and process.stdout
            for number in (1, 2):
                print(f"{site}{number}", file=process.stdin, flush=True)
                self.assertEqual(
                    process.stdout.readline(),
                    f"Page {number} of a slow site\t{site}{number}\n")
            timer.cancel()
        self.assertEqual(process.returncode, 0)

    @on_posix
    def test_the_reader_leaves_half_way(self) -> None:
        with slow_site(0.01) as pages, subprocess.Popen(
                command("titles_threads", "-"), cwd=ROOT, bufsize=0,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env=environment()) as process:
            timer = threading.Timer(DEADLINE, process.kill)
            timer.start()
            assert process.stdin and process.stdout and process.stderr
            with self.assertRaises(BrokenPipeError):
                while True:  # one more address for each title, and then on
                    process.stdin.write(f"{pages}1\n".encode())
                    if not process.stdout.closed:
                        process.stdout.readline()
                        process.stdout.close()
            self.assertEqual((process.wait(), process.stderr.read()), (0, b""))
            timer.cancel()


class HostileTitles(Folder):
    """The lesson's own pages are harmless; these are not."""

    def setUp(self) -> None:
        super().setUp()
        self.site = self.enterContext(HostileSite())

    def test_good_titles_among_bad_pages(self) -> None:
        good = {"/hello": "Hello",
                "/caf%C3%A9%20au%20lait": r"caf\xe9 au lait",
                "/control": "a]0;evilb c d31m[1m ef"}
        bad = ["/silent", "/drip-title", "/headers-then-silence", "/reset",
               "/endless-headers", "/bomb", "/loop", "/to-file", "/404"]
        self.site.pages["/drip-title"] = drip(
            OK + b"\r\n<title>" + b"x" * 200, 0.02)
        ended = run_lesson(
            "titles_threads", "--timeout", 1, "--workers", 9, *(
                f"{self.site.url}{path}" for path in [*bad, *good]),
            PYTHONIOENCODING="ascii")
        self.assertEqual(ended.status, 1)
        self.assertTrue(ended.stdout.isascii())
        titles = {}
        for line in ended.stdout.splitlines():
            self.assertTrue(line.replace("\t", "", 1).isprintable(), line)
            title, address = line.split("\t")
            titles[address.removeprefix(self.site.url)] = title
        self.assertEqual(titles, good)
        errors = ended.stderr.splitlines()
        self.assertEqual(len(errors), len(bad), ended.stderr)
        for path in bad:
            self.assertEqual(sum(path in line for line in errors), 1, path)

    def test_a_password_is_never_printed(self) -> None:
        address = f"http://me:secret@{self.site.host}/login"
        picture = self.folder / "picture.svg"
        for form, ended in at_once(
                lambda form: run_lesson("titles_threads", *form, address),
                [(), ("--json",), ("--markdown",),
                 ("--verbose", "--svg", picture)]):
            with self.subTest(form=form):
                self.assertEqual(ended.status, 0)
                self.assertIn("welcome", ended.stdout)
                self.assertNotIn("secret", ended.stdout + ended.stderr)
        self.assertNotIn("secret", picture.read_text(encoding="utf-8"))


class Names(Folder):

    @on_linux
    def test_a_name_server_that_never_answers(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as server:
            try:
                server.bind(("127.0.0.99", socket.getservbyname("domain")))
            except OSError as error:
                self.skipTest(f"no name server can be started: {error}")
            servers = self.folder / "servers"
            servers.write_text("nameserver 127.0.0.99\n")
            address = "http://unanswered.example/"
            ended = subprocess.run(
                [*mounted("--bind", servers, "/etc/resolv.conf"), *command(
                    "titles_threads", "--timeout", 0.3, address)],
                cwd=ROOT, env=environment(http_proxy=""), text=True,
                capture_output=True, timeout=5)
            self.assertEqual(
                (ended.returncode, ended.stdout, ended.stderr),
                (1, "", f"titles_threads: {address}: no answer within 0.3 s\n"
                 ))
            server.settimeout(0)
            self.assertIn(b"unanswered", server.recv(512))


class Interrupted(unittest.TestCase):

    @on_posix
    def test_in_a_destructor(self) -> None:
        program = textwrap.dedent("""
            import time
            from concur_demo import _cli
            _cli.GRACE_SECONDS = 0.1
            class Slow:
                def __del__(self):
                    print("now", flush=True)
                    end = time.monotonic() + 60
                    while time.monotonic() < end:
                        pass
            def work():
                Slow()
                time.sleep(60)
                return 0
            _cli.start(lambda: _cli.ended("demo", work))
            """)
        with subprocess.Popen(
                [*PYTHON, "-c", program], cwd=ROOT, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment()) as process:
            assert process.stdout
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=DEADLINE / 2)
            self.assertEqual((process.returncode, errors),
                             (130, "demo: interrupted\n"))


@contextlib.contextmanager
def serving(*options: object) -> "Iterator[subprocess.Popen[str]]":
    """Run slow_site meanwhile; end it in any case."""
    process = subprocess.Popen(
        command("slow_site", *options), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class TenThousandAddresses(unittest.TestCase):
    """From standard input, on 200 threads: see setUpModule."""

    @on_linux
    def test_they_take_no_memory(self) -> None:
        peaks = []
        for titles in many_titles:
            titles.process.wait(DEADLINE)
            titles.output.seek(0)
            output = titles.output.read()
            self.assertTrue(
                output.startswith(titles.line * titles.number + b"Name:"),
                output[-1000:])
            [peak] = re.findall(rb"VmHWM:\s*(\d+) kB", output)
            peaks.append(int(peak))
        few, many = peaks
        self.assertLess(many - few, 6000)


class SlowSite(Folder):

    @on_posix
    def test_serves_until_ctrl_c(self) -> None:
        for twice in (False, True):
            with serving("--port", 0, "--delay", 0.01) as process:
                assert process.stdout
                line = process.stdout.readline()
                found = re.search(r"http://127\.0\.0\.1:\d+/", line)
                assert found, line
                with urllib.request.urlopen(
                        f"{found[0]}7", timeout=DEADLINE) as page:
                    self.assertIn(b"<title>Page 7 of a slow site</title>",
                                  page.read())
                process.send_signal(signal.SIGINT)
                if twice:
                    time.sleep(0.02)
                    process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=DEADLINE)
                self.assertEqual((process.returncode, errors), (0, ""))

    @on_posix
    def test_a_visitor_is_not_waited_for(self) -> None:
        with serving("--port", 0, "--delay", DEADLINE) as process:
            assert process.stdout
            found = re.search(r":(\d+)/", process.stdout.readline())
            assert found
            with socket.create_connection(
                    ("127.0.0.1", int(found[1])), DEADLINE) as visitor:
                visitor.sendall(b"GET /1 HTTP/1.0\r\n\r\n")
                time.sleep(0.1)
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=DEADLINE / 2)
                self.assertEqual(process.returncode, 0)

    def test_interrupted_while_its_thread_starts(self) -> None:
        start = threading.Thread.start

        def before(thread: threading.Thread) -> None:
            raise KeyboardInterrupt

        def after(thread: threading.Thread) -> None:
            start(thread)
            raise KeyboardInterrupt
        others = set(threading.enumerate())  # of tests before
        for interrupted in (before, after):
            with self.subTest(interrupted.__name__), mock.patch.object(
                    threading.Thread, "start", interrupted), \
                    self.assertRaises(KeyboardInterrupt), slow_site(0):
                pass
            # With a time-out, as this would be an endless wait.
            for thread in set(threading.enumerate()) - others:
                thread.join(DEADLINE)
                self.assertFalse(thread.is_alive())

    def test_port_taken(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.assert_one_line(
                run_lesson("slow_site", "--port", port), 1, str(port))

    def test_bad_usage(self) -> None:
        for options, ended in at_once(
                lambda options: run_lesson("slow_site", *options),
                [["--port", "x"], ["--port", "-1"], ["--port", "65536"],
                 ["--delay", "x"], ["--delay", "-1"], ["--delay", "nan"]]):
            with self.subTest(options=options):
                self.assert_one_line(ended, 2, options[0])


if __name__ == "__main__":
    unittest.main()
