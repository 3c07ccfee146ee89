"""copy_threads on the user's own files, and on disks of every kind."""

import contextlib
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest
from collections.abc import Sequence
from typing import Any
from unittest import mock

from concur_demo import measure
from concur_demo._experiments import TABLE
from concur_demo._report import CANNOT_TELL, DOES_NOT_HOLD, HOLDS

from .support import DEADLINE, PYTHON, ROOT, Ended, TestCase, command
from .support import on_linux, on_posix, on_small_disk, run

lesson: Any = importlib.import_module("concur_demo.copy_threads")

# Root may read what nobody may; the child gives that up, where it can.
AS_OTHERS = "" if sys.platform != "linux" or os.getuid() else """
import ctypes
for capability in 1, 2:  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
"""
# The lesson's command, to which every disk seems to be empty.
ROOM_FOR_ALL = [*PYTHON, "-c", """
import shutil, sys
from unittest import mock
from concur_demo import _run, copy_threads
shutil.disk_usage = mock.Mock(**{"return_value.free": 10**12})
sys.argv[0] = copy_threads.__file__
_run.main()
"""]
GONE = "No such file|cannot find"  # the latter on Windows


class Copies(TestCase):
    """A folder for the sources, and another one for the copies."""

    def setUp(self) -> None:
        self.sources = self.folder()
        self.into = self.folder()

    def source(self, name: str, content: bytes = b"content") -> str:
        """Make a file of that name, and return the name."""
        path = self.sources / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return name

    def copy(self, *options: object, words: Sequence[str] = (),
             **how: Any) -> Ended:
        """Run the lesson where the sources are."""
        return run(
            [*words, *command("copy_threads", "--into", self.into, *options)],
            cwd=self.sources, PYTHONPATH=str(ROOT), **how)

    def state(self) -> dict[str, tuple[float, bytes]]:
        """Return what is in the folder of the sources."""
        return {str(path): (path.lstat().st_mtime, path.read_bytes())
                for path in self.sources.rglob("*") if path.is_file()}

    def assert_results(self, ended: Ended, sizes: dict[str, int]) -> None:
        """The results of a command, as JSON, tell of these bytes."""
        self.assertEqual(
            {row["task"]: row["result"]
             for row in json.loads(ended.stdout)["results"]},
            {f"bytes of {name} copied": size for name, size in sizes.items()})
        self.assertEqual(os.listdir(self.into), [])


class OwnFiles(Copies):
    def names(self) -> list[str]:
        """Make files whose names are unusual; return them."""
        names = ["plain", "a b", "-n", "--json", "caf\u00e9", "one/same",
                 "two/same"]
        if os.name == "posix":
            names += ["a\tb\n", "\x1b[31mred", "x" * 255]
        if sys.platform == "linux":
            names.append(os.fsdecode(b"\xff\xfe"))
        return [self.source(name, b"x" * number)
                for number, name in enumerate(names)]  # the first is empty

    def test_compared_and_left_as_they_are(self) -> None:
        sizes = {name: number for number, name in enumerate(self.names())}
        with open(self.sources / "sparse", "wb") as file:
            file.truncate(20_000_000)
        sizes["sparse"] = 20_000_000
        with contextlib.suppress(OSError):  # Windows may not allow it
            (self.sources / "link").symlink_to("plain")
            sizes["link"] = 0
        before = self.state()
        ended = self.copy("--json", "--workers", "1,2,3", "--", *sizes)
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        self.assert_results(ended, sizes)
        self.assertEqual(self.state(), before)
        report = json.loads(ended.stdout)
        self.assertEqual(
            [(one["workers"], {task["task"] for task in one["tasks"]})
             for one in report["runs"]],
            [(workers, set(sizes)) for workers in (1, 2, 3)])
        self.assertIn(report["verdict"], (HOLDS, DOES_NOT_HOLD, CANNOT_TELL))

    def test_names_fit_for_a_terminal(self) -> None:
        names = self.names()
        ended = self.copy("--verbose", "--workers", 1, "--", *names, "no\x1b")
        self.assertEqual(ended.status, 1)
        for line in (ended.stdout + ended.stderr).split("\n"):
            self.assertTrue(line.isprintable(), ascii(line))
        for number, name in enumerate(names):
            shown = ascii(name)[1:-1].replace("\\xe9", "\u00e9")
            self.assertRegex(ended.stdout, "(?m)^bytes of "
                             f"{re.escape(shown)} copied +{number}$")


class Faults(Copies):
    def test_bad_ones_among_good_ones(self) -> None:
        bad = {"missing": GONE, "": GONE, ".": "directory"}
        if os.name == "posix":
            os.mkfifo(self.sources / "fifo")
            bad["fifo"] = bad["/dev/zero"] = "pipe.*device"
            (self.sources / "dangling").symlink_to("nowhere")
            bad["dangling"] = GONE
        if AS_OTHERS or os.name == "posix" and os.getuid():
            (self.sources / self.source("unreadable")).chmod(0)
            bad["unreadable"] = "Permission denied"
        good = {self.source("good"): 7, self.source("empty", b""): 0}
        ended = self.copy("--json", "--workers", 2, *bad, *good,
                          before=AS_OTHERS)
        self.assertEqual(ended.status, 1)
        lines = ended.stderr.splitlines()
        for name, message in bad.items():
            start = f"copy_threads: {name or repr(name)}: "
            with self.subTest(name):
                line, = [line for line in lines if line.startswith(start)]
                self.assertRegex(line.removeprefix(start), message)
        self.assertEqual(len(lines), len(bad), ended.stderr)
        self.assert_results(ended, good)

    @on_linux
    def test_no_room_for_one_of_them(self) -> None:
        sizes = {self.source("small", b"x" * 1000): 1000,
                 self.source("late", b"x" * 2000): 2000}
        os.truncate(self.sources / self.source("sparse"), 10**10)
        ended = self.copy(
            "--json", "--workers", 1, "small", "sparse", "late",
            words=on_small_disk(self.into, "2M"))
        self.assertEqual(ended.status, 1)
        self.assertRegex(ended.stderr, r"\Acopy_threads: sparse: .+\n\Z")
        self.assert_results(ended, sizes)

    @on_linux
    def test_disk_that_others_fill_meanwhile(self) -> None:
        # As if the room that there was were gone before the end of a copy.
        self.source("large", b"x" * 3_000_000)
        ended = run(
            [*on_small_disk(self.into, "2M"), *ROOM_FOR_ALL, "--json",
             "--workers", "1", "--into", str(self.into), "large",
             self.source("late")], cwd=self.sources, PYTHONPATH=str(ROOT))
        self.assertEqual(ended.status, 1)
        self.assertRegex(
            ended.stderr, r"\Acopy_threads: large: No space left .+\n\Z")
        self.assert_results(ended, {"late": 7})

    def test_files_that_grow_and_shrink(self) -> None:
        changes = {"grows": +1, "shrinks": -1, "stays": 0}

        def change_and_copy(paths: tuple[str, str]) -> None:
            os.truncate(paths[0], os.path.getsize(paths[0])
                        + changes[os.path.basename(paths[0])])
            copy_file(paths)
        paths = [str(self.sources / self.source(name)) for name in changes]
        copy_file = lesson.copy_file
        with mock.patch.object(lesson, "copy_file", change_and_copy):
            report = measure("copy_threads", paths, into=str(self.into))
        self.assertEqual(report.errors(), [
            (path, "its copy has another size")
            for path in paths[:2]])
        self.assertEqual(report.results, [(f"bytes of {paths[2]} copied", 7)])
        self.assertEqual(os.listdir(self.into), [])

    def test_share_that_refuses_to_change_modes(self) -> None:
        paths = [str(self.sources / self.source(name)) for name in "ab"]
        refuse = mock.Mock(side_effect=PermissionError(1, "not permitted"))
        with mock.patch.multiple(os, chmod=refuse, utime=refuse):
            report = measure("copy_threads", paths, into=str(self.into))
        self.assertEqual(len(report.results), 2)
        self.assertEqual(os.listdir(self.into), [])

    @on_linux
    def test_no_room_for_the_lessons_own(self) -> None:
        ended = self.copy("--size", "2M", "--files", 3,
                          words=on_small_disk(self.into, "5M"))
        self.assertEqual((ended.status, ended.stdout), (1, ""))
        self.assertRegex(ended.stderr, rf"\Acopy_threads: {self.into}: .*"
                         r"free.* --size.* --into.*\n\Z")


class Endings(Copies):
    def test_files_and_size(self) -> None:
        ended = self.copy("--json", "--files", 3, "--size", "1M")
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        self.assert_results(ended, dict.fromkeys(
            ("file-1", "file-2", "file-3"), 1_000_000))

    @on_posix
    def test_interrupted_in_the_middle(self) -> None:
        names = [self.source(name, b"x" * 10**6) for name in ("a", "b")]
        before, elsewhere = self.state(), self.folder()
        with subprocess.Popen(
                command("copy_threads", "--into", self.into, "--repeat",
                        10**6, *names), cwd=self.sources, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT),
                     "TMPDIR": str(elsewhere)},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE
                ) as process, contextlib.ExitStack() as stack:
            stack.callback(process.kill)
            end = time.monotonic() + DEADLINE / 2
            while not any(self.into.glob("*/copy*")):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)
            self.assertEqual(self.state(), before)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual((process.returncode, output, errors),
                         (130, "", "copy_threads: interrupted\n"))
        for folder in self.into, elsewhere:
            self.assertEqual(os.listdir(folder), [])
        self.assertEqual(self.state(), before)


class Wildcards(Copies):
    def test_expanded_on_windows_alone(self) -> None:
        for name in "a.mp4", "b.mp4", "c.txt":
            self.source(name)
        words = ["*.mp4", "c.txt", "*.none"]
        expand = TABLE["copy_threads"].expand
        with contextlib.chdir(self.sources):
            with mock.patch.object(os, "name", "nt"):
                self.assertEqual(expand(words), [
                    "a.mp4", "b.mp4", "c.txt", "*.none"])
            with mock.patch.object(os, "name", "posix"):
                self.assertEqual(expand(words), words)


if __name__ == "__main__":
    unittest.main()
