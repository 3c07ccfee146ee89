"""Copies and replaced files under every fault that a disk can show."""

import contextlib
import errno
import importlib.util
import itertools
import os
import pathlib
import re
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from concur_demo import whole_files
from concur_demo.whole_files import BLOCK, Part, copy_file, replaced_file

from .command import PYTHON, ROOT, on_small_disk

PART = re.compile(r"\.concur_demo-[0-9a-f]{16}\.part")
DEADLINE = 60  # seconds for any child
on_posix = unittest.skipUnless(os.name == "posix", "needs POSIX")
on_linux = unittest.skipUnless(sys.platform == "linux", "needs Linux")

# Starts a child: drops root's rights, which know no permissions.
AS_NOBODY = """
import os, sys
from concur_demo.whole_files import copy_file, replaced_file
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
"""

# Ends a child: exits 0 with the message of the OSError it expects.
TRY_COPY = """
try:
    copy_file(*sys.argv[1:3], overwrite=len(sys.argv) > 3)
except OSError as error:
    print(error)
else:
    sys.exit("copied")
"""


def child(code: str, *args: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*PYTHON, "-c", code, *map(str, args)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.source = self.folder / "source"
        self.source.write_bytes(b"new content")
        self.destination = self.folder / "destination"

    def names(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    def refused(self, *args: Any, **options: Any) -> OSError:
        """The OSError of copy_file(*args), which must change no name."""
        before = self.names()
        with self.assertRaises(OSError) as caught:
            copy_file(*args, **options)
        self.assertEqual(self.names(), before)
        self.assertNotIn(".part", str(caught.exception))
        return caught.exception

    def output(self, process: "subprocess.Popen[str]") -> str:
        """What the child prints; it must succeed, and without a word."""
        try:
            printed, errors = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
            process.wait()
        self.assertEqual((process.returncode, errors), (0, ""))
        return printed

    def in_time(self, work: Callable[[], object]) -> None:
        """Do the work on a thread, which must end by itself."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(DEADLINE)
        self.assertFalse(thread.is_alive(), "it hangs")

    def first(self, prepare: Callable[[], object]) -> Any:
        """Have copy_file() do this once it has looked at everything."""
        real = whole_files.copy_content

        def prepared(*args: int) -> int:
            prepare()
            return real(*args)

        return mock.patch.object(whole_files, "copy_content", prepared)


class Copies(Files):
    def test_content_bits_and_count(self) -> None:
        for size in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK // 2):
            content = os.urandom(size)
            for overwrite in (False, True):
                with self.subTest(size=size, overwrite=overwrite):
                    self.source.write_bytes(content)
                    self.assertEqual(copy_file(
                        self.source, self.destination, overwrite), size)
                    self.assertEqual(self.destination.read_bytes(), content)
            self.destination.unlink()
        self.assertEqual(self.names(), ["source"])

    @on_posix
    def test_bits_whatever_the_umask(self) -> None:
        self.addCleanup(os.umask, os.umask(0o077))
        for bits in (0o666, 0o755, 0o640, 0o444, 0o4755):
            with self.subTest(bits=oct(bits)):
                self.source.chmod(bits)
                copy_file(self.source, self.destination, True)
                mode = stat.S_IMODE(self.destination.stat().st_mode)
                self.assertEqual(mode, bits & 0o777)

    @on_posix
    def test_private_until_published(self) -> None:
        self.addCleanup(os.umask, os.umask(0))
        with Part(str(self.destination), 0o600) as part:
            mode = os.fstat(part.descriptor).st_mode
        self.assertEqual(mode & 0o777, 0o600)

    def test_read_only_files(self) -> None:
        self.source.chmod(0o444)
        self.addCleanup(self.source.chmod, 0o644)
        copy_file(self.source, self.destination)
        self.addCleanup(self.destination.chmod, 0o644)
        self.refused(self.source, self.destination)
        self.assertEqual(self.names(), ["destination", "source"])

    @on_linux
    def test_content_of_no_known_size(self) -> None:
        # Such a file is read in short pieces, and its size is 0.
        for source in ("/proc/kallsyms", "/proc/self/smaps"):
            copied = copy_file(source, self.destination, True)
            self.assertEqual(copied, self.destination.stat().st_size)
            self.assertGreater(copied, 8192)
        with open("/proc/kallsyms", "rb") as file:
            content = file.read()
        copy_file("/proc/kallsyms", self.destination, True)
        self.assertTrue(self.destination.read_bytes() == content)

    def test_every_kind_of_path(self) -> None:
        path = os.fspath(self.source)
        for source in (path, os.fsencode(path), self.source):
            for place in (os.fspath(self.destination),
                          os.fsencode(self.destination), self.destination):
                copy_file(source, place)
                self.destination.unlink()
        with contextlib.chdir(self.folder):
            copy_file("source", "destination")
        self.assertEqual(self.destination.read_bytes(), b"new content")

    def test_old_file_stays_where_names_are_given_late(self) -> None:
        for unnamed in {0, whole_files.UNNAMED}:
            with mock.patch.object(whole_files, "UNNAMED", unnamed):
                self.destination.write_bytes(b"old")
                self.refused(self.source, self.destination)
                self.assertEqual(self.destination.read_bytes(), b"old")
                copy_file(self.source, self.destination, True)
                self.assertEqual(
                    self.destination.read_bytes(), b"new content")
            self.assertEqual(self.names(), ["destination", "source"])

    def test_names(self) -> None:
        names = [b"a b", b"-n", b"tab\tand\nnewline", b"'\"$(x)", b"y" * 255]
        if sys.platform == "linux":
            names += [b"\xff\xfe", b"\xff" * 255]
        elif os.name == "nt":
            names = [b"a b", b"-n", b"y" * 200]
        for name in names:
            with self.subTest(name=name):
                source = os.fsencode(self.folder) + os.fsencode(os.sep) + name
                os.replace(self.source, source)
                copy_file(source, self.destination, True)
                os.replace(source, self.source)
                copy_file(self.destination, source)
                error = self.refused(self.destination, source)
                str(error).encode()  # fit for any screen
                os.unlink(source)

    def test_through_a_link_to_the_source(self) -> None:
        link = self.folder / "link"
        self.link(link, self.source)
        copy_file(link, self.destination)
        self.assertFalse(self.destination.is_symlink())
        self.assertEqual(self.destination.read_bytes(), b"new content")

    def link(self, link: pathlib.Path, target: object) -> None:
        try:
            link.symlink_to(str(target))
        except (OSError, NotImplementedError) as error:  # Windows
            self.skipTest(f"no links: {error}")


class Sources(Files):
    def test_missing(self) -> None:
        error = self.refused(self.folder / "none", self.destination)
        self.assertIsInstance(error, FileNotFoundError)
        self.assertEqual(error.filename, str(self.folder / "none"))

    def test_empty_name(self) -> None:
        self.refused("", self.destination)
        self.refused(self.source, "")

    def test_directory(self) -> None:
        error = self.refused(self.folder, self.destination)
        self.assertIn("Not a regular file", str(error))
        self.assertEqual(error.filename, str(self.folder))

    @on_posix
    def test_fifo_does_not_block(self) -> None:
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        errors: list[OSError] = []
        self.in_time(lambda: errors.append(
            self.refused(fifo, self.destination)))
        self.assertIn("Not a regular file", str(errors[0]))

    @on_posix
    def test_device_and_socket(self) -> None:
        self.assertIn("Not a regular file", str(
            self.refused(os.devnull, self.destination)))
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.folder / "socket"))
            self.assertIn("Not a regular file", str(
                self.refused(self.folder / "socket", self.destination)))

    @on_posix
    def test_links_to_nothing(self) -> None:
        for target in ("none", "link"):
            link = self.folder / "link"
            link.symlink_to(target)
            self.assertEqual(
                self.refused(link, self.destination).filename, str(link))
            link.unlink()

    @on_posix
    def test_unreadable(self) -> None:
        self.folder.chmod(0o777)
        self.source.chmod(0)
        printed = self.output(child(
            AS_NOBODY + TRY_COPY, self.source, self.destination))
        self.assertIn("Permission denied", printed)
        self.assertIn(repr(str(self.source)), printed)
        self.assertEqual(self.names(), ["source"])

    def each_way(self) -> Iterator[None]:
        """Copy by sendfile(), where that is done, and without it."""
        for way in {False, whole_files.SENDFILE}:
            with self.subTest(sendfile=way), \
                    mock.patch.object(whole_files, "SENDFILE", way):
                yield

    def between_blocks(self, change: Callable[[], object]) -> Any:
        """Have a copy in progress do this after its first block."""
        name = "sendfile" if whole_files.SENDFILE else "read"
        real, moves = getattr(os, name), itertools.count(1)

        def move(*args: Any) -> Any:
            moved = real(*args)
            if next(moves) == 1:
                change()
            return moved
        return mock.patch.object(os, name, move)

    def test_shrinks(self) -> None:
        for _ in self.each_way():
            self.source.write_bytes(bytes(3 * BLOCK))
            self.destination.write_bytes(b"old")
            with self.between_blocks(
                    lambda: os.truncate(self.source, BLOCK + 4)):
                error = self.refused(self.source, self.destination, True)
            self.assertIn(f"Ended after {BLOCK + 4} of {3 * BLOCK} bytes",
                          str(error))
            self.assertEqual(error.filename, str(self.source))
            self.assertEqual(self.destination.read_bytes(), b"old")

    def test_grows(self) -> None:
        content = os.urandom(5 * BLOCK)

        def grow() -> None:
            with open(self.source, "ab") as file:
                file.write(content[2 * BLOCK:])
        for _ in self.each_way():
            self.source.write_bytes(content[:2 * BLOCK])
            with self.between_blocks(grow):
                copied = copy_file(self.source, self.destination, True)
            self.assertEqual(copied, len(content))
            self.assertEqual(self.destination.read_bytes(), content)

    def test_a_small_one_becomes_another_size(self) -> None:
        for size in (50, 200, 3 * BLOCK):
            for _ in self.each_way():
                content = os.urandom(size)
                self.source.write_bytes(bytes(100))
                with self.first(lambda: self.source.write_bytes(content)):
                    if size < 100:
                        error = self.refused(
                            self.source, self.destination, True)
                        self.assertIn("Ended after 50 of 100", str(error))
                    else:
                        self.assertEqual(size, copy_file(
                            self.source, self.destination, True))
                        self.assertEqual(
                            self.destination.read_bytes(), content)

    @unittest.skipUnless(whole_files.SENDFILE, "is not used here")
    def test_sendfile_is_not_to_be_had(self) -> None:
        content = os.urandom(2 * BLOCK)
        self.source.write_bytes(content)
        with mock.patch.object(
                os, "sendfile", side_effect=OSError(errno.EINVAL, "no")):
            self.assertEqual(
                copy_file(self.source, self.destination), len(content))
        self.assertEqual(self.destination.read_bytes(), content)

    def in_its_place(self, change: Callable[[], object]) -> Any:
        """Have a file changed once copy_file() has looked at its kind."""
        real = whole_files.check_regular

        def check(*args: Any) -> None:
            real(*args)
            if next(looks) == 1:
                self.source.unlink()
                change()
        looks = itertools.count(1)
        return mock.patch.object(whole_files, "check_regular", check)

    @on_posix
    def test_another_file_comes_in_its_place(self) -> None:
        def private() -> None:
            self.source.touch(0o600)
            self.source.write_bytes(b"other")
        with self.in_its_place(private):
            self.assertEqual(copy_file(self.source, self.destination), 5)
        self.assertEqual(self.destination.stat().st_mode & 0o777, 0o600)
        self.destination.unlink()

        def copy() -> None:
            with self.in_its_place(lambda: os.mkfifo(self.source)):
                errors.append(self.refused(self.source, self.destination))
        errors: list[OSError] = []
        self.in_time(copy)
        self.assertIn("Not a regular file", str(errors[0]))

    def test_has_less_than_its_size(self) -> None:
        setting = "/sys/kernel/mm/transparent_hugepage/enabled"
        if not os.path.exists(setting):
            self.skipTest("there are no such files")
        self.assertLess(copy_file(setting, self.destination),
                        os.path.getsize(setting))

    @on_linux
    def test_size_unknown(self) -> None:
        self.assertGreater(
            copy_file("/proc/self/status", self.destination), 100)

    @on_linux
    def test_read_error(self) -> None:
        error = self.refused("/proc/self/mem", self.destination)
        self.assertEqual(error.errno, errno.EIO)
        self.assertIn("'/proc/self/mem' -> ", str(error))


class Destinations(Files):
    def test_exists(self) -> None:
        self.destination.write_bytes(b"old")
        for size in (11, 2 * BLOCK):  # found out late and early
            self.source.write_bytes(bytes(size))
            error = self.refused(self.source, self.destination)
            self.assertIsInstance(error, FileExistsError)
            self.assertEqual(error.filename, str(self.destination))
            self.assertEqual(self.destination.read_bytes(), b"old")

    def test_large_copy_is_refused_before_it_begins(self) -> None:
        self.destination.write_bytes(b"old")
        self.source.write_bytes(bytes(2 * BLOCK))
        with self.first(lambda: self.fail("copied in vain")):
            self.refused(self.source, self.destination)

    def test_appears_meanwhile(self) -> None:
        for size, unnamed in itertools.product(
                (11, 2 * BLOCK), {0, whole_files.UNNAMED}):
            self.source.write_bytes(bytes(size))
            with self.first(lambda: self.destination.write_bytes(b"old")), \
                    mock.patch.object(whole_files, "UNNAMED", unnamed):
                with self.assertRaises(FileExistsError) as caught:
                    copy_file(self.source, self.destination)
            self.assertEqual(
                caught.exception.filename, str(self.destination))
            self.assertEqual(self.destination.read_bytes(), b"old")
            self.assertEqual(self.names(), ["destination", "source"])
            self.destination.unlink()

    def test_two_at_once_and_one_wins(self) -> None:
        start = threading.Barrier(2, timeout=DEADLINE)
        refusals: list[int] = []

        def copy(number: int) -> None:
            with contextlib.suppress(threading.BrokenBarrierError):
                try:
                    copy_file(sources[number], self.destination)
                except FileExistsError:
                    refusals.append(number)

        sources = [self.folder / "0", self.folder / "1"]
        for number, source in enumerate(sources):
            source.write_bytes(b"%d" % number * BLOCK)
        with self.first(start.wait):  # both saw no destination
            threads = [threading.Thread(target=copy, args=[number])
                       for number in (0, 1)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(len(refusals), 1)
        winner = sources[1 - refusals[0]]
        self.assertEqual(self.destination.read_bytes(), winner.read_bytes())

    def test_directory(self) -> None:
        self.destination.mkdir()
        for name in (self.destination, f"{self.destination}{os.sep}"):
            for overwrite in (False, True):
                error = self.refused(
                    self.source, name, overwrite=overwrite)
                self.assertIsInstance(error, IsADirectoryError)
                self.assertEqual(os.listdir(self.destination), [])

    def test_source_itself(self) -> None:
        hard = self.folder / "hard"
        soft = self.folder / "soft"
        os.link(self.source, hard)
        same = [(self.source, self.source), (self.source, hard),
                (self.source, self.folder / "." / "source")]
        if os.name == "posix":
            soft.symlink_to("source")
            same += [(self.source, soft), (soft, self.source), (soft, soft)]
        for source, destination in same:
            for overwrite in (False, True):
                with self.subTest(source=source, destination=destination):
                    error = self.refused(
                        source, destination, overwrite=overwrite)
                    self.assertIn("same file", str(error))
                    self.assertIn(str(destination), str(error))
        self.assertEqual(self.source.read_bytes(), b"new content")

    @on_posix
    def test_links_are_never_written_through(self) -> None:
        target = self.folder / "target"
        target.write_bytes(b"old")
        for aim in (target, self.folder / "none"):
            self.destination.symlink_to(aim)
            for size in (11, 2 * BLOCK):
                self.source.write_bytes(bytes(size))
                error = self.refused(self.source, self.destination)
                self.assertIsInstance(error, FileExistsError)
            copy_file(self.source, self.destination, True)
            self.assertFalse(self.destination.is_symlink())
            self.destination.unlink()
        self.assertEqual(target.read_bytes(), b"old")
        self.assertEqual(self.names(), ["source", "target"])

    @on_posix
    def test_fifo_stays(self) -> None:
        os.mkfifo(self.destination)
        for overwrite in (False, True):
            self.refused(self.source, self.destination, overwrite=overwrite)
            self.assertTrue(self.destination.is_fifo())

    def test_overwrite(self) -> None:
        self.destination.write_bytes(b"old")
        other = self.folder / "other name"
        os.link(self.destination, other)
        copy_file(self.source, self.destination, overwrite=True)
        self.assertEqual(self.destination.read_bytes(), b"new content")
        self.assertEqual(other.read_bytes(), b"old")

    def test_directory_missing(self) -> None:
        missing = self.folder / "none"
        error = self.refused(self.source, missing / "destination")
        self.assertIsInstance(error, FileNotFoundError)
        self.assertEqual(error.filename, str(missing))
        self.assertIsInstance(
            self.refused(self.source, self.source / "destination"),
            (NotADirectoryError, FileNotFoundError))

    @on_posix
    def test_directory_read_only(self) -> None:
        folder = self.folder / "read-only"
        folder.mkdir(0o555)
        self.folder.chmod(0o755)
        for place, named in ((folder, str(folder)), ("", ".")):
            printed = self.output(child(
                AS_NOBODY + f"os.chdir({str(folder)!r})" + TRY_COPY,
                self.source, os.path.join(place, "destination")))
            self.assertIn(f"Permission denied: {named!r}", printed)

    def test_no_hard_links(self) -> None:
        refusal = OSError(errno.EPERM, "no hard links here")
        with mock.patch.object(os, "link", side_effect=refusal), \
                mock.patch.object(whole_files, "UNNAMED", 0):
            copy_file(self.source, self.destination)
            self.source.write_bytes(b"newer")
            self.refused(self.source, self.destination)
        self.assertEqual(self.destination.read_bytes(), b"new content")
        self.assertEqual(self.names(), ["destination", "source"])


class Accidents(Files):
    """What stops a copy half-way."""

    def test_exception(self) -> None:
        def free_descriptors() -> tuple[int, int]:
            with open(self.source) as one, open(self.source) as two:
                return one.fileno(), two.fileno()

        self.destination.write_bytes(b"old")
        free = free_descriptors()
        for stop in (KeyboardInterrupt, MemoryError, SystemExit):
            with self.first(mock.Mock(side_effect=stop)):
                with self.assertRaises(stop):
                    copy_file(self.source, self.destination, True)
            self.assertEqual(self.destination.read_bytes(), b"old")
            self.assertEqual(self.names(), ["destination", "source"])
        self.assertEqual(free_descriptors(), free)

    @unittest.skipUnless(importlib.util.find_spec("resource"), "no limits")
    def test_file_size_limit(self) -> None:
        self.destination.write_bytes(b"old")
        for blocks in (1, 3):  # the first write is cut short, or a later
            self.source.write_bytes(bytes(blocks * BLOCK))
            printed = self.output(child(
                "import resource, signal, sys\n"
                "from concur_demo.whole_files import copy_file\n"
                "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
                "limit = int(sys.argv.pop())\n"
                "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
                + TRY_COPY, self.source, self.destination, "overwrite",
                blocks * BLOCK - 1000))
            self.assertIn("File too large", printed)
            self.assertIn(repr(str(self.destination)), printed)
            self.assertEqual(self.destination.read_bytes(), b"old")
            self.assertEqual(self.names(), ["destination", "source"])

    @on_linux
    def test_disk_full(self) -> None:
        small = self.folder / "small"
        small.mkdir()
        self.source.write_bytes(bytes(3 * BLOCK))
        code = (
            "import os, sys\n"
            "from concur_demo.whole_files import copy_file\n"
            + TRY_COPY + "print(os.listdir(os.path.dirname(sys.argv[2])))")
        done = subprocess.run(
            [*on_small_disk(small, "1m"), *PYTHON, "-c", code,
             str(self.source), str(small / "destination")],
            cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        message, left = done.stdout.splitlines()
        self.assertIn("No space left on device", message)
        self.assertIn(str(small / "destination"), message)
        self.assertNotIn(".part", message)
        self.assertEqual(left, "[]")

    def test_killed_half_way(self) -> None:
        content = os.urandom(3 * BLOCK)
        self.source.write_bytes(content)
        code = (
            "import os, sys\n"
            "from concur_demo import whole_files\n"
            "def half(reader, writer, size):\n"
            "    os.write(writer, os.read(reader, size // 2))\n"
            "    print('half', flush=True)\n"
            "    sys.stdin.read()\n"  # ends with the parent at the latest
            "whole_files.copy_content = half\n"
            "whole_files.UNNAMED *= int(sys.argv[3])\n"
            "whole_files.copy_file(*sys.argv[1:3], overwrite=True)")
        for old, unnamed in itertools.product((None, b"old"), (0, 1)):
            with self.subTest(old=old, unnamed=unnamed):
                if old is not None:
                    self.destination.write_bytes(old)
                process = child(
                    code, self.source, self.destination, unnamed)
                assert process.stdout is not None
                self.assertEqual(process.stdout.readline(), "half\n")
                process.kill()
                process.communicate(timeout=DEADLINE)
                left = [name for name in self.names() if PART.fullmatch(name)]
                # On Linux nothing is left of what has no name yet.
                self.assertEqual(
                    len(left), 0 if unnamed and whole_files.UNNAMED else 1)
                for name in left:
                    self.assertLess(
                        (self.folder / name).stat().st_size, len(content))
                if old is None:
                    self.assertFalse(self.destination.exists())
                else:
                    self.assertEqual(self.destination.read_bytes(), old)
                copy_file(self.source, self.destination, True)
                self.assertEqual(self.destination.read_bytes(), content)
                for name in left:
                    (self.folder / name).unlink()
                self.destination.unlink()
        self.assertEqual(self.names(), ["source"])

    @unittest.skipUnless(importlib.util.find_spec("resource"), "no limits")
    def test_20_000_files_with_64_descriptors(self) -> None:
        shared = "/dev/shm"  # in memory where there is such a place
        place = shared if os.path.isdir(shared) else None
        with tempfile.TemporaryDirectory(dir=place) as folder:
            printed = self.output(child(
                "import os, resource, sys\n"
                "from concur_demo.whole_files import copy_file\n"
                "from concur_demo.worker_threads import map_threads\n"
                "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
                "source, folder = sys.argv[1:]\n"
                "def copy(number):\n"
                "    return copy_file(source, f'{folder}/{number}')\n"
                "copies = map_threads(copy, range(20_000), 8)\n"
                "print(sum(copied for _, copied in copies))",
                self.source, folder))
            self.assertEqual(int(printed), 20_000 * 11)
            self.assertEqual(len(os.listdir(folder)), 20_000)


class ReplacedFiles(Files):
    def replace(self, path: object, text: str = "new") -> None:
        with replaced_file(str(path)) as file:
            file.write(text)

    def test_text(self) -> None:
        self.replace(self.destination, "a\nß\udcff\n")
        self.assertEqual(
            self.destination.read_bytes(), b"a\n\xc3\x9f\\udcff\n")
        self.assertEqual(self.names(), ["destination", "source"])

    def test_old_until_the_end(self) -> None:
        with replaced_file(self.source) as file:
            file.write("newer")
            file.flush()
            self.assertEqual(self.source.read_bytes(), b"new content")
        self.assertEqual(self.source.read_bytes(), b"newer")
        self.assertEqual(self.names(), ["source"])

    @on_posix
    def test_bits(self) -> None:
        self.addCleanup(os.umask, os.umask(0o027))
        self.replace(self.destination)
        self.assertEqual(self.destination.stat().st_mode & 0o777, 0o640)
        self.destination.chmod(0o604)
        self.replace(self.destination)
        self.assertEqual(self.destination.stat().st_mode & 0o777, 0o604)

    def test_exception(self) -> None:
        for stop in (ValueError, KeyboardInterrupt):
            for path in (self.source, self.destination):
                with self.assertRaises(stop):
                    with replaced_file(path) as file:
                        file.write("half of it")
                        raise stop
        self.assertEqual(self.source.read_bytes(), b"new content")
        self.assertEqual(self.names(), ["source"])

    def test_unfit_paths_are_refused_at_once(self) -> None:
        for path, error in (
                (self.folder, IsADirectoryError),
                (self.folder / "none" / "file", FileNotFoundError),
                (f"{self.folder / 'new'}{os.sep}", FileNotFoundError),
                ("", FileNotFoundError)):
            with self.assertRaises(error) as caught:
                with replaced_file(path):
                    self.fail("entered")
            self.assertNotIn(".part", str(caught.exception))

    @on_posix
    def test_read_only_is_refused_at_once(self) -> None:
        for bits, path, named in (
                (0o555, self.destination, self.folder),  # the directory
                (0o777, self.source, self.source)):  # the file
            self.source.chmod(0o444)
            self.folder.chmod(bits)
            self.refused_to_nobody(path, named)

    def refused_to_nobody(
        self, path: pathlib.Path, named: pathlib.Path
    ) -> None:
        printed = self.output(child(
            AS_NOBODY +
            "try:\n"
            "    with replaced_file(sys.argv[1]): print('entered')\n"
            "except OSError as error: print(error)", path))
        self.assertIn(f"Permission denied: {str(named)!r}", printed)
        self.assertNotIn("entered", printed)

    @unittest.skipUnless(importlib.util.find_spec("resource"), "no limits")
    def test_file_size_limit(self) -> None:
        printed = self.output(child(
            "import resource, signal, sys\n"
            "from concur_demo.whole_files import replaced_file\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (10**4, 10**4))\n"
            "for size in 10**6, 10**4 + 1:\n"  # at write(), at the end
            "    try:\n"
            "        with replaced_file(sys.argv[1]) as file:\n"
            "            file.write(size * 'x')\n"
            "    except OSError as error: print(error)", self.source))
        message = f"File too large: {str(self.source)!r}\n"
        self.assertEqual(printed.count(message), 2)
        self.assertEqual(self.source.read_bytes(), b"new content")
        self.assertEqual(self.names(), ["source"])

    @on_posix
    def test_links_stay(self) -> None:
        for target in ("source", "none"):
            link = self.folder / f"link to {target}"
            link.symlink_to(target)
            self.replace(link)
            self.assertTrue(link.is_symlink())
            self.assertEqual((self.folder / target).read_text(), "new")

    @on_posix
    def test_special_files_are_written_to(self) -> None:
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.replace(fifo)
        self.assertEqual(os.read(reader, 10), b"new")
        self.assertTrue(fifo.is_fifo())

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_a_full_device(self) -> None:
        with self.assertRaises(OSError) as caught:
            self.replace("/dev/full")
        self.assertEqual(caught.exception.filename, "/dev/full")

    @on_linux
    def test_standard_output(self) -> None:
        # Not /dev/stdout: root could lose it if the code were wrong.
        code = ("from concur_demo.whole_files import replaced_file\n"
                "with replaced_file('/proc/self/fd/1') as file:\n"
                "    file.write(10 ** 6 * 'x')")  # more than a pipe holds
        self.assertEqual(self.output(child(code)), 10 ** 6 * "x")

    @on_posix
    def test_fifo_that_nobody_reads(self) -> None:
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        errors: list[OSError] = []

        def replace() -> None:
            try:
                self.replace(fifo)
            except OSError as error:
                errors.append(error)

        self.in_time(replace)
        self.assertEqual(errors[0].filename, str(fifo))


if __name__ == "__main__":
    unittest.main()
