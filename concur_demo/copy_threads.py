"""Lesson 1: file I/O on threads.

A thread that reads or writes a file has released the GIL meanwhile, so
two threads can copy two files at once. What to look for: two copies in
flight, and less time than one thread takes, as far as the disk allows.
"""

import contextlib
import errno
import filecmp
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from . import _cli
from ._machine import this_machine
from ._measure import Run, Show, best_of, trace, with_speed_ups
from ._report import (
    CANNOT_TELL, DOES_NOT_HOLD, FASTER, HOLDS, OWN_TASKS, Report, Verdict,
    compared)
from ._text import count
from .whole_files import copy_file
from .worker_threads import map_few, map_threads

CLAIM = "Threads overlap file I/O: two copy files faster than one."
FILES = 2
SIZE = 100_000_000  # bytes
QUICK_SIZE = 50_000_000
BLOCK = 4096  # bytes that even the smallest file takes of most disks


class Copy(NamedTuple):
    """One file to copy."""

    source: str
    destination: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination}"


def name_of(source: str) -> str:
    """Return the name of a source, without its directories."""
    return os.path.basename(source.rstrip(os.sep)) or source


def copies_into(
    directory: str, sources: Iterable[str]
) -> list[Copy]:
    """Return the copies of the sources into a directory, by their names.

    Raises ValueError if it is no directory, or if two have one name.
    """
    if not os.path.isdir(directory):
        raise ValueError(f"{directory!r} is not a directory to copy into")
    copies: dict[str, Copy] = {}
    for source in sources:
        name = name_of(source)
        copy = Copy(source, os.path.join(directory, name))
        other = copies.setdefault(os.path.normcase(name), copy)
        if other is not copy:
            raise ValueError(f"{other.source} and {source} would both be "
                             f"copied to {copy.destination}")
    return list(copies.values())


@contextlib.contextmanager
def scratch_directory() -> Iterator[str]:
    """Make a temporary directory; yield its name; remove it, however often
    Ctrl-C comes while it is being removed."""
    scratch = tempfile.TemporaryDirectory(prefix="concur_demo-")
    try:
        yield scratch.name
    finally:
        interrupt = None
        while os.path.isdir(scratch.name):
            try:
                scratch.cleanup()
            except KeyboardInterrupt as another:
                interrupt = another
        if interrupt:
            raise interrupt


@contextlib.contextmanager
def sample_files(number: int, size: int) -> Iterator[list[str]]:
    """Make so many files of so many bytes; yield their names; remove them
    and all else in their directory.

    Raises OSError if there is no room for them and for a copy of each.
    """
    with scratch_directory() as directory:
        free = shutil.disk_usage(directory).free
        needed = 2 * number * max(size, BLOCK)
        if free < needed:
            raise OSError(
                errno.ENOSPC, f"The samples and their copies need "
                f"{needed:,} bytes, but {free:,} are free (see --size and "
                "--files)", tempfile.gettempdir())
        sources = [os.path.join(directory, f"sample-{index + 1}")
                   for index in range(number)]
        for source in sources:
            write_sample(source, size)
        yield sources


def write_sample(path: str, size: int) -> None:
    """Make a file of that many bytes, which no disk can compress."""
    block = os.urandom(min(size, 2**20))
    try:
        with open(path, "wb") as file:
            for start in range(0, size, len(block)):
                file.write(block[:size - start])
    except OSError as error:  # write() knows no name
        raise OSError(error.errno, error.strerror, path) from None


def example() -> None:
    """Copy two files on two threads."""
    with tempfile.TemporaryDirectory() as directory:
        sources = [os.path.join(directory, name) for name in "ab"]
        for source in sources:
            with open(source, "wb") as file:
                file.write(os.urandom(10_000_000))
        for source, equal in map_few(copy_beside, sources, workers=2):
            print(os.path.basename(source), "has an equal copy:", equal)


def copy_beside(source: str) -> bool:
    """Copy a file to a file beside it; return whether they are equal."""
    copy = shutil.copy(source, f"{source}.copy")
    return filecmp.cmp(source, copy, shallow=False)


def measure(
    paths: Sequence[str] = (), *,
    workers: Sequence[int] = (1, 2), quick: bool = False,
    repeat: int = 1, verbose: bool = False,
    progress: Callable[[str], None] | None = None,
    size: int | None = None, files: int = FILES, force: bool = False,
    show: Show | None = None, keep: bool = True,
) -> Report:
    """Return the Report of copying sample files on each number of threads.

    `files` files of `size` bytes are made, and removed in the end. If
    there are `paths`, SOURCE... DIRECTORY, those sources are copied, once,
    on the last number of threads; `force` replaces what is there. `show`
    and `keep` are those of trace(). Raises OSError if there is no room for
    the samples, ValueError if the paths do not go together.
    """
    traced = functools.partial(
        trace, "copies", map_threads,
        lambda copy: copy_file(copy.source, copy.destination, force),
        name=lambda copy: name_of(copy.source),
        verbose=verbose, show=show, keep=keep)

    def copy_samples(
        sources: Iterable[str], number: int
    ) -> tuple[Run, list[tuple[Copy, int]]]:
        with scratch_directory() as directory:
            return traced(copies_into(directory, sources), number)

    runs = []
    if len(paths) == 1:
        raise ValueError(f"{paths[0]!r}: a source and a directory to copy it "
                         "into belong together")
    if paths:
        *sources, directory = paths
        run, copied = traced(copies_into(directory, sources), workers[-1])
        runs.append(run)
    else:
        with sample_files(
                files, size or (QUICK_SIZE if quick else SIZE)) as sources:
            copy_samples(sources, 1)  # fills caches, for all runs alike
            for number in workers:
                if progress:
                    progress(count(number, "thread"))
                run, copied = best_of(
                    repeat, lambda: copy_samples(sources, number))
                runs.append(run)
    machine = this_machine()
    runs = with_speed_ups(runs)
    return Report(
        "copy_threads", CLAIM,
        OWN_TASKS if paths else compared(runs, machine, judge), machine, runs,
        [(f"bytes of {name_of(copy.source)} copied", size)
         for copy, size in sorted(copied)])


def judge(alone: Run, best: Run) -> Verdict:
    """Return the verdict on CLAIM from one thread and from several."""
    speed_up = alone.seconds / best.seconds
    figures = (
        f"{best.workers} threads copied {best.tasks} files in "
        f"{best.seconds:.3f} s, where one took {alone.seconds:.3f} s, with "
        f"{best.in_flight:.1f} copies in flight.")
    if speed_up >= FASTER:
        return Verdict(
            HOLDS, figures, f"On average {best.in_flight:.1f} copies were in "
            "flight: the system reads and writes for a thread without needing "
            f"the GIL. Copying kept {best.cores_busy:.1f} cores busy.")
    share = alone.cpu_seconds / alone.task_seconds
    if share < 0.9 or best.cores_busy < FASTER:
        return Verdict(CANNOT_TELL, f"{figures} The disk held them up, or "
                       f"other programs did: one thread got {share:.2f} of a "
                       f"core, and {best.workers} got {best.cores_busy:.2f}.")
    return Verdict(DOES_NOT_HOLD, figures)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lesson's command line; return its exit status."""
    parser = _cli.lesson_parser(
        "copy_threads", CLAIM, "--workers 4 *.jpg backup/", (1, 2),
        "[SOURCE... DIRECTORY]")
    parser.add_argument(
        "paths", nargs="*", metavar="SOURCE... DIRECTORY",
        help="copy these files into the directory instead of samples, on "
        "the last worker count")
    parser.add_argument(
        "--force", action="store_true",
        help="replace files that exist in DIRECTORY")
    parser.add_argument(
        "--size", type=_cli.size, metavar="BYTES",
        help="size of each sample, as 250M (default 100M, or 50M if quick)")
    parser.add_argument(
        "--files", type=_cli.positive, default=FILES, metavar="N",
        help=f"how many samples (default {FILES})")
    return _cli.run(
        parser, measure, argv, own="paths", needed=True,
        line=lambda copy, size: (str(copy), f"{size} bytes"))


if __name__ == "__main__":
    _cli.start(main)
