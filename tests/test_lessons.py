"""The lessons from end to end, started as a user starts them."""

import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from typing import NamedTuple

from concur_demo.__main__ import LESSONS
from concur_demo.slow_site import slow_site

from .command import (
    DEADLINE, PYTHON, ROOT, Ended, at_once, command, environment, run_lesson,
    text_of)

QUICK: dict[str, list[str]] = {  # the least work that makes a report
    "copy_threads": ["--size", "1M"],
    "titles_threads": ["--quick", "--workers", "1,5"],
    "primes_threads": ["--workers", "1,2", "20000", "30000"],
    "primes_pool": ["--workers", "1,2", "20000", "30000"],
    "hello_pipe": ["--messages", "50"],
}
REPORT = {"lesson", "claim", "verdict", "evidence", "machine", "runs",
          "results"}
RUN = {"variant", "workers", "seconds", "speed_up", "in_flight",
       "cores_busy", "tasks"}
TASK = {"task", "worker", "start", "seconds", "cpu_seconds", "error"}


def sum_below(limit: int) -> int:
    """Return the sum of the primes up to limit, by a sieve."""
    prime = bytearray([1]) * (limit + 1)
    prime[:2] = b"\0\0"
    for n in range(2, int(limit ** 0.5) + 1):
        if prime[n]:
            prime[n * n::n] = bytes(len(range(n * n, limit + 1, n)))
    return sum(n for n in range(limit + 1) if prime[n])


def overview(before: str = "", *options: str) -> Ended:
    """Run all lessons as `python -m concur_demo` does; return how it ended.

    But for the sums, which are smaller: how long they are proves nothing
    here, if only they are long enough for a verdict. The code `before`
    limits the process.
    """
    ended = subprocess.run(
        [*PYTHON, "-c", textwrap.dedent("""
            import runpy
            from concur_demo import primes_pool, primes_threads
            primes_pool.QUICK_LIMITS = (100_000, 150_000)
            primes_threads.QUICK_LIMITS = (100_000, 150_000)
            """) + before + textwrap.dedent("""
            runpy.run_module("concur_demo", run_name="__main__")
            """), *options],
        cwd=ROOT, env=environment(), timeout=DEADLINE,
        stdin=subprocess.DEVNULL, capture_output=True)
    return Ended(ended.returncode, text_of(ended.stdout),
                 text_of(ended.stderr))


class FormsTest(unittest.TestCase):
    """What a lesson prints."""

    def test_text(self) -> None:
        for lesson, ended in at_once(
                lambda lesson: run_lesson(
                    lesson, *QUICK[lesson], COLUMNS="80"), QUICK):
            with self.subTest(lesson=lesson):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                self.assertIn("seconds", ended.stdout)
                self.assertIn("\nVerdict: ", ended.stdout)

    def test_json(self) -> None:
        for lesson, ended in at_once(
                lambda lesson: run_lesson(
                    lesson, *QUICK[lesson], "--json"), QUICK):
            with self.subTest(lesson=lesson):
                report = json.loads(ended.stdout)
                self.assertEqual(set(report), REPORT)
                self.assertEqual(report["lesson"], lesson)
                for run in report["runs"]:
                    self.assertEqual(set(run), RUN)
                    for task in run["tasks"]:
                        self.assertEqual(set(task), TASK)
                        self.assertIsNone(task["error"])
                        self.assertLessEqual(
                            task["start"] + task["seconds"],
                            run["seconds"] + 0.001)

    def test_the_sums_are_right_on_every_number_of_workers(self) -> None:
        expected = [
            {"task": f"sum of the primes up to {limit}",
             "result": sum_below(limit)} for limit in (20_000, 100_001)]
        for (lesson, workers), ended in at_once(
                lambda case: run_lesson(
                    case[0], "--workers", case[1], "--json",
                    20_000, 100_001, 20_000),
                itertools.product(
                    ["primes_threads", "primes_pool"], [1, 2, 5])):
            with self.subTest(lesson=lesson, workers=workers):
                self.assertEqual(
                    json.loads(ended.stdout)["results"], expected)

    def test_other_pools(self) -> None:
        for options, ended in at_once(
                lambda options: run_lesson(
                    "primes_pool", *options, "--json", "--workers", "2",
                    "20000"),
                [["--pool", "multiprocessing.pool:ThreadPool"],
                 ["--start-method", "spawn"]]):
            with self.subTest(options=options):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                [result] = json.loads(ended.stdout)["results"]
                self.assertEqual(result["result"], sum_below(20_000))

    def test_the_child_is_another_process(self) -> None:
        process = subprocess.Popen(
            command("hello_pipe", "--json"), stdout=subprocess.PIPE,
            env=environment())
        output, _ = process.communicate(timeout=DEADLINE)
        said = {line["task"]: line["result"]
                for line in json.loads(output)["results"]}
        self.assertEqual(said["child's ppid"], process.pid)
        self.assertNotEqual(said["child's pid"], process.pid)

    def test_verbose_and_repeat(self) -> None:
        ended = run_lesson("primes_threads", "--verbose", "--repeat", "2",
                           "--workers", "2", "5000", "6000")
        lines = sorted(ended.stderr.splitlines())
        self.assertEqual(len(lines), 2 * 2 * 2)
        for line in lines:
            self.assertRegex(line, r"\Athread [12]: (start|end) [56]000\Z")

    def test_overview_also_where_one_lesson_fails(self) -> None:
        no_large_files = (  # only copy_threads needs some
            "import resource, signal\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)")
        [(_, well), (_, failed)] = at_once(
            lambda words: overview(*words),
            [[], [no_large_files, "--json"]])
        self.assertEqual((well.status, well.stderr), (0, ""))
        self.assertEqual(
            [line.partition(":")[0] for line in well.stdout.splitlines()],
            list(LESSONS))
        self.assertEqual(failed.status, 1)
        self.assertRegex(failed.stderr, r"\Acopy_threads: [^\n]*\n\Z")
        self.assertEqual([one["lesson"] for one in json.loads(failed.stdout)],
                         list(LESSONS[1:]))


class UsageTest(unittest.TestCase):
    """Bad input: one line, and exit status 2."""

    def test_one_line(self) -> None:
        for (lesson, *options), ended in at_once(
                lambda words: run_lesson(*words), [
                ("primes_threads", "--workers", "0"),
                ("primes_threads", "--workers", "-1"),
                ("primes_threads", "--workers", "two"),
                ("primes_threads", "--workers", ""),
                ("primes_threads", "--workers", "1,,2"),
                ("primes_threads", "--repeat", "0"),
                ("primes_pool", "0"), ("primes_pool", "ten"),
                ("primes_pool", "--start-method", "magic"),
                ("primes_pool", "--pool", "nonsense"),
                ("primes_pool", "--pool", "no.such.module:Pool"),
                ("primes_pool", "--pool", "multiprocessing:NoPool"),
                ("primes_pool", "--pool", "collections:OrderedDict"),
                ("primes_pool", "--pool", "builtins:print"),
                ("hello_pipe", "--messages", "0"),
                ("copy_threads", "--size", "big"),
                ("copy_threads", "only_one"),
                ("copy_threads", "a", "no such directory"),
                ("titles_threads", "--timeout", "0"),
                ("titles_threads", "--nonsense"),
                ("", "lesson")]):
            with self.subTest(lesson=lesson, options=options):
                self.assertEqual((ended.status, ended.stdout), (2, ""))
                self.assertRegex(ended.stderr, r"\A\w+: [^\n]+\n\Z")

    def test_unwritable_picture_is_told_before_measuring(self) -> None:
        ended = run_lesson("primes_threads", "--verbose", "--svg",
                           "/no/such/directory/x.svg")
        self.assertEqual((ended.status, ended.stdout), (1, ""))
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
        self.assertIn("/no/such/directory", ended.stderr)


class OwnTasksTest(unittest.TestCase):
    """The user's own files and addresses."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "to").mkdir()

    def copy(self, *names: str) -> tuple[int, list[str]]:
        ended = run_lesson("copy_threads", *names, cwd=self.folder,
                           PYTHONPATH=os.getcwd())
        return ended.status, ended.stderr.splitlines()

    def test_copies(self) -> None:
        (self.folder / "a").write_text("one")
        (self.folder / "b\nc").write_text("two")
        status, errors = self.copy("a", "missing", "b\nc", "to", "to")
        self.assertEqual((status, len(errors)), (1, 2), errors)
        self.assertEqual((self.folder / "to/a").read_text(), "one")
        self.assertEqual((self.folder / "to/b\nc").read_text(), "two")
        (self.folder / "a").write_text("new")
        status, errors = self.copy("a", "to")
        self.assertEqual((status, len(errors)), (1, 1), errors)
        self.assertEqual((self.folder / "to/a").read_text(), "one")
        self.assertEqual(self.copy("--force", "a", "to"), (0, []))
        self.assertEqual((self.folder / "to/a").read_text(), "new")

    def test_two_of_one_name_are_refused_before_anything_is_copied(
            self) -> None:
        (self.folder / "a").write_text("one")
        (self.folder / "b").write_text("two")
        status, errors = self.copy("b", "a", "./a", "to")
        self.assertEqual((status, len(errors)), (2, 1), errors)
        self.assertEqual(os.listdir(self.folder / "to"), [])

    def test_no_room_for_samples(self) -> None:
        ended = run_lesson("copy_threads", "--size", "900000G",
                           TMPDIR=str(self.folder))
        self.assertEqual(ended.status, 1)
        self.assertRegex(ended.stderr, r"\Acopy_threads: [^\n]*free[^\n]*\n\Z")
        self.assertEqual(os.listdir(self.folder), ["to"])

    def test_titles(self) -> None:
        with slow_site(0.01) as site, socket.socket() as refusing:
            refusing.bind(("127.0.0.1", 0))
            dead = "http://me:secret@127.0.0.1:%d/" % refusing.getsockname()[1]
            ended = run_lesson(
                "titles_threads", f"{site}1", dead, "file:///x", "-",
                stdin=f"\n{site}2\n  {site}3  \n\xff\n".encode("latin-1"))
        self.assertEqual(ended.status, 1)
        self.assertEqual(sorted(ended.stdout.splitlines()), [
            f"Page {n} of a slow site\t{site}{n}" for n in (1, 2, 3)])
        self.assertEqual(len(ended.stderr.splitlines()), 3, ended.stderr)
        self.assertNotIn("secret", ended.stdout + ended.stderr)


def when_at_work(pid: int) -> None:
    """Wait until a lesson has begun, and can have had time to get on."""
    status = pathlib.Path(f"/proc/{pid}/status")
    if not status.exists():
        time.sleep(1)
        return
    until = time.monotonic() + DEADLINE
    caught = 0
    while not caught >> (signal.SIGTERM - 1) & 1:  # it begins by that
        assert time.monotonic() < until, "it does not begin"
        time.sleep(0.01)
        [mask] = re.findall(r"(?m)^SigCgt:\s*(\w+)$", status.read_text())
        caught = int(mask, 16)
    time.sleep(0.3)


class Interrupt(NamedTuple):
    """A lesson that is interrupted soon after its start."""

    lesson: str
    options: tuple[str, ...]
    number: int   # of the signal
    group: bool   # as a terminal does
    twice: bool

    def outcome(self) -> tuple[int, str, list[str]]:
        """Return exit status, standard error, and what is left behind."""
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(
                command(self.lesson, *self.options),
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                start_new_session=True, env=environment(TMPDIR=folder))
            try:
                when_at_work(process.pid)
                for _ in range(1 + self.twice):
                    (os.killpg if self.group else os.kill)(
                        process.pid, self.number)
                _, errors = process.communicate(timeout=DEADLINE)
            except BaseException:  # else it would go on after the tests
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                raise
            left = os.listdir(folder)
        try:
            for _ in range(100):
                os.killpg(process.pid, 0)
                time.sleep(0.05)
            left.append("a process")
        except ProcessLookupError:
            pass
        return process.returncode, text_of(errors), left


class ProxyTest(unittest.TestCase):
    """A proxy of the environment."""

    def test_none_to_this_machine(self) -> None:
        ended = run_lesson("titles_threads", "--quick", "--workers", 5,
                           http_proxy="http://127.0.0.1:9", no_proxy="")
        self.assertEqual((ended.status, ended.stderr), (0, ""))


class EndingTest(unittest.TestCase):
    """However a lesson is ended, it is tidy and tells in one line."""

    @unittest.skipIf(sys.platform == "win32", "Windows has no such signals")
    def test_interrupts(self) -> None:
        cases = [
            Interrupt(lesson, options, number, group, twice)
            for lesson, options in [
                ("copy_threads", ("--size", "300M", "--repeat", "99")),
                ("titles_threads", ("--repeat", "99")),
                ("primes_threads", ()), ("primes_pool", ()),
                ("hello_pipe", ("--messages", "9000000")), ("", ())]
            for number, group, twice in [
                (signal.SIGINT, False, False), (signal.SIGINT, True, True),
                (signal.SIGTERM, False, False)]]
        for case, (status, errors, left) in at_once(
                Interrupt.outcome, cases, workers=6):
            with self.subTest(case=case):
                self.assertEqual(status, 128 + case.number, errors)
                self.assertRegex(errors, r"\A\w+: interrupted\n\Z")
                self.assertEqual(left, [])

    @unittest.skipIf(sys.platform == "win32", "Windows has no such signals")
    def test_interrupted_before_the_command_begins(self) -> None:
        ended = subprocess.run(
            [*PYTHON, "-c", "import sys; sys.argv = ['-m']\n"
             "import concur_demo, os, signal, time\n"
             "os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"],
            cwd=ROOT, stderr=subprocess.PIPE, timeout=DEADLINE)
        self.assertEqual((ended.returncode, ended.stderr), (130, b""))

    def test_output_closed_early(self) -> None:
        for lesson in ["primes_threads", "hello_pipe"]:
            with self.subTest(lesson=lesson):
                reader, writer = os.pipe()
                os.close(reader)
                try:
                    ended = subprocess.run(
                        command(lesson, *QUICK[lesson]), stdout=writer,
                        stderr=subprocess.PIPE, timeout=DEADLINE)
                finally:
                    os.close(writer)
                self.assertEqual((ended.returncode, ended.stderr), (0, b""))

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_output_full(self) -> None:
        for options in [[], ["--help"], ["--json"]]:
            with self.subTest(options=options), open("/dev/full", "w") as full:
                ended = subprocess.run(
                    command("primes_threads", *QUICK["primes_threads"],
                            *options), stdout=full, stderr=subprocess.PIPE,
                    timeout=DEADLINE)
                self.assertEqual(ended.returncode, 1)
                self.assertRegex(
                    text_of(ended.stderr),
                    r"\Aprimes_threads: standard output: [^\n]*\n\Z")

    def test_ascii_and_narrow_terminals(self) -> None:
        for (encoding, columns), ended in at_once(
                lambda case: run_lesson(
                    "primes_pool", *QUICK["primes_pool"], COLUMNS=case[1],
                    PYTHONIOENCODING=case[0]),
                [("ascii", "80"), ("utf-8", "20")]):
            with self.subTest(encoding=encoding, columns=columns):
                self.assertEqual((ended.status, ended.stderr), (0, ""))
                self.assertEqual(ended.stdout.isascii(), encoding == "ascii")


if __name__ == "__main__":
    unittest.main()
