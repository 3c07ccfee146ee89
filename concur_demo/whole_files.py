"""Files that are either whole or not there: copy one, or replace one.

Everything is written to a file of its own beside the destination, which
takes the destination's name in one step once it is complete. Whatever
stops the work half-way, a full disk, Ctrl-C or a kill, the destination is
as it was before. Where files need a name from the start, a kill leaves the
unfinished one behind, `.concur_demo-<digits>.part`: it is in nobody's way
and can be removed.

Nothing here waits for the disk (fsync): the promise holds when a program
dies, not when the machine loses power.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

BLOCK = 1 << 20  # bytes read at once: few calls, yet little memory
BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would change newlines
CHMOD_FD = os.chmod in os.supports_fd  # not on Windows
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)  # Windows has no FIFOs
READ = os.O_RDONLY | BINARY | NONBLOCK  # open() would wait at a FIFO
# From file to file, as shutil does; elsewhere it sends to sockets only.
SENDFILE = sys.platform == "linux"
# On Linux a file can be made without a name, and given one later: see
# https://man7.org/linux/man-pages/man2/open.2.html on O_TMPFILE.
FILES = "/proc/self/fd"
UNNAMED: int = getattr(os, "O_TMPFILE", 0) if os.path.isdir(FILES) else 0


def copy_file(
    source: AnyPath, destination: AnyPath, overwrite: bool = False
) -> int:
    """Copy content and permission bits; return the number of bytes.

    `destination` is the name of the copy, not a directory to copy into.
    It ends up whole or stays untouched. A link there is never written
    through: it counts as existing, and `overwrite` replaces it.

    Raises FileExistsError when `destination` exists, or appears during
    the copy, and `overwrite` is false; OSError when `source` is not a
    regular file, is `destination` itself, or ends too early because
    somebody shortens it. The error names the file that is at fault.
    """
    source, destination = os.fsdecode(source), os.fsdecode(destination)
    check_regular(os.stat(source), source)  # opening a device may do things
    reader = os.open(source, READ)  # perhaps of another, come in its place
    try:
        status = os.fstat(reader)
        check_regular(status, source)
        if overwrite or status.st_size > BLOCK:  # publish() has the last word
            check_destination(source, destination, overwrite)
        with Part(destination, status.st_mode & 0o777) as part:
            copied = copy_content(reader, part.descriptor, status.st_size)
            if copied < status.st_size and changed(reader, status):
                problem = f"Ended after {copied} of {status.st_size} bytes"
                raise OSError(errno.EIO, problem, source)
            part.publish(overwrite)
    except FileExistsError:
        check_destination(source, destination, overwrite)
        raise
    except OSError as error:
        if error.filename is None:  # read() and write() know no names
            error.filename, error.filename2 = source, destination
        raise
    finally:
        os.close(reader)
    return copied


def check_regular(status: os.stat_result, source: str) -> None:
    """Raise OSError if that is the status of no regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", source)


def changed(reader: int, before: os.stat_result) -> bool:
    """Return whether the open file is another than it was.

    A file that has less than its size may be whole: all in /sys are so.
    """
    now = os.fstat(reader)
    return (now.st_size, now.st_mtime_ns) != (
        before.st_size, before.st_mtime_ns)


def check_destination(
    source: str, destination: str, overwrite: bool
) -> None:
    """Raise OSError if what exists at `destination` has to stay."""
    if not os.path.exists(destination):
        return  # a link to nothing is left to publish()
    mode = os.lstat(destination).st_mode
    if stat.S_ISDIR(mode):
        raise named_error(errno.EISDIR, destination)
    if os.path.samefile(source, destination):
        problem = "Source and destination are the same file"
        raise OSError(errno.EINVAL, problem, source, None, destination)
    if not overwrite:
        raise named_error(errno.EEXIST, destination)
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        raise OSError(errno.EINVAL, "Not a regular file", destination)


def copy_content(reader: int, writer: int, size: int) -> int:
    """Copy from one descriptor to another; return the number of bytes.

    `size` is the number expected, or 0 if it is not known.
    """
    copied = 0
    if SENDFILE and size:
        # A small file takes one call, as each gives the GIL away and may have
        # to wait to get it back: less than was asked for is the end.
        try:
            while sent := os.sendfile(writer, reader, None, BLOCK):
                copied += sent
                if copied == size and sent < BLOCK:
                    return copied
        except OSError:
            if copied:
                raise  # else it may be that this file system cannot
    while block := os.read(reader, min(size + 4096, BLOCK)):
        copied += len(block)
        while block:  # a disk that is nearly full takes part of a block
            block = block[os.write(writer, block):]
    return copied


def named_error(number: int, path: str) -> OSError:
    """The OSError of this errno, in its usual words, about `path`."""
    return OSError(number, os.strerror(number), path)


class Part:
    """The unfinished file that becomes `destination` by publish().

    It needs the same directory, as nothing changes its file system in
    one step, and a short name of its own, as the destination's may be as
    long as a name can be. Left without publish(), it is removed. Its
    permission bits are `mode`, or the usual ones: never more, as the file
    may be private.
    """

    def __init__(self, destination: str, mode: int | None = None) -> None:
        self.destination = destination
        self.mode = mode
        self.path = ""  # as long as it has no name
        bits = 0o666 if mode is None else mode
        if UNNAMED:
            # With neither os.path.dirname() nor suppress(): what Python does
            # between two system calls keeps other threads from theirs, and
            # that is what many small files take their time for.
            directory = destination[:destination.rfind("/") + 1] or os.curdir
            try:
                self.descriptor = os.open(
                    directory, os.O_WRONLY | UNNAMED, bits)
                return
            except OSError:
                pass  # not every file system has such files
        self.path = self.new_path()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY
        try:
            self.descriptor = os.open(self.path, flags, bits)
        except OSError as error:
            raise OSError(error.errno, error.strerror,
                          os.path.dirname(self.path) or os.curdir) from None

    def new_path(self) -> str:
        """Return a path beside the destination that no other file has."""
        name = f".concur_demo-{os.urandom(8).hex()}.part"
        return os.path.join(os.path.dirname(self.destination), name)

    def __enter__(self) -> "Part":
        return self

    def publish(self, overwrite: bool) -> None:
        """Give the finished file its permission bits and its name."""
        try:
            # The umask may have taken some. To look is cheaper than to set
            # them: of a small file's copy, that took a tenth of the time.
            if self.mode not in (
                    None, os.fstat(self.descriptor).st_mode & 0o777):
                os.chmod(self.descriptor if CHMOD_FD else self.path,
                         self.mode)
            if not self.path:
                if overwrite:  # which link() does not
                    self.path = self.new_path()
                # With src_dir_fd, and only so, it follows the link that
                # stands for the file (CPython issue 81793).
                os.link(f"{FILES}/{self.descriptor}",
                        self.path or self.destination,
                        src_dir_fd=self.descriptor)
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)
            if overwrite:
                os.replace(self.path, self.destination)
            elif self.path:
                rename_new(self.path, self.destination)
        except OSError as error:
            raise OSError(
                error.errno, error.strerror, self.destination
            ) from None
        self.path = ""

    def __exit__(self, *_: object) -> None:
        if self.descriptor >= 0:  # a second close might hit another's file
            with suppress(OSError):  # what went wrong before matters more
                os.close(self.descriptor)
        if self.path:
            with suppress(OSError):
                if os.name == "nt":  # where read-only files cannot go
                    os.chmod(self.path, 0o600)
                os.unlink(self.path)


def rename_new(path: str, destination: str) -> None:
    """Rename `path`, or raise FileExistsError if `destination` exists."""
    if os.name != "nt":  # only Windows refuses to rename over a file
        try:
            os.link(path, destination)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links, such as FAT
            if os.path.lexists(destination):
                raise named_error(errno.EEXIST, destination) from None
        else:
            os.unlink(path)
            return
    os.rename(path, destination)


@contextmanager
def replaced_file(path: AnyPath) -> Iterator[TextIO]:
    """A text file (UTF-8) that replaces `path` when the block ends well.

    If an exception ends the block, the file at `path` stays as it is.
    The new file has the permission bits of the old one, or else the usual
    ones. A link stays, and the file it points to is replaced. What is not
    a regular file, such as /dev/stdout, is written to directly.

    Raises OSError before the block runs when `path` is a directory or
    read-only, or when its directory is missing or read-only.
    """
    path = os.fsdecode(path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
        if not os.path.basename(path):  # "" or "new/"
            raise
    if mode is not None and stat.S_ISDIR(mode):
        raise named_error(errno.EISDIR, path)
    if mode is not None and not os.access(path, os.W_OK):
        raise named_error(errno.EACCES, path)
    try:
        if mode is None or stat.S_ISREG(mode):
            bits = None if mode is None else mode & 0o777
            with Part(os.path.realpath(path), bits) as part:
                with text_file(part.descriptor, closefd=False) as file:
                    yield file
                part.publish(True)
        else:  # without O_NONBLOCK, open() waits for a reader of a FIFO
            descriptor = os.open(path, os.O_WRONLY | NONBLOCK)
            if sys.platform != "win32":
                os.set_blocking(descriptor, True)
            with text_file(descriptor, closefd=True) as file:
                yield file
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = path  # write() knows no name
        raise


def text_file(descriptor: int, closefd: bool) -> TextIO:
    """The descriptor as a text file: UTF-8, lines end in a newline only.

    A file name can hold bytes that are no text; they become backslash
    escapes rather than an error.
    """
    return open(
        descriptor, "w", encoding="utf-8", errors="backslashreplace",
        newline="\n", closefd=closefd,
    )
