"""What concur_demo costs, against what users would reach for instead.

    python -m tests.benchmark [--only NAME[,NAME...]] [--json]

A row measures two programs in turns: ours, theirs, ours, theirs. Its ratio
is the median over those pairs; its noise is the distance between their
quartiles. A target of "<=" is for our cost over theirs, ">=" for theirs
over ours. A row beyond its target by more than its noise is missed, and
the exit status is 1. Growth is our cost over that of a tenth of the work;
rows that end in -scale compare the cost for each at two sizes of the work.
"""

import contextlib
import functools
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.pool import ThreadPool

from concur_demo import _cli
from concur_demo._machine import this_machine, usable_cores
from concur_demo._measure import Run, Span, Traced, trace
from concur_demo._report import HOLDS, Report, Verdict
from concur_demo.copy_threads import (
    copies_into, measure as copy_lesson, sample_files)
from concur_demo.hello_pipe import Child, echo, name_of_echo, talk
from concur_demo.pages import fetch_title
from concur_demo.primes import sum_primes_up_to
from concur_demo.primes_pool import (
    LIMITS, equal_pieces, sum_piece, whole_sums)
from concur_demo.slow_site import slow_site
from concur_demo.titles_threads import title_of
from concur_demo.whole_files import copy_file
from concur_demo.worker_pool import heeded, map_pool, starting
from concur_demo.worker_threads import map_threads

from .side_by_side import (
    Row, Skipped, amount, command, compare, consume, costs_in_child, cpu,
    elapsed, main, per_one, python, rows)

MB = 1_000_000


# Primes ---------------------------------------------------------------

def need_two_cores() -> None:
    if usable_cores() < 2:
        raise Skipped("only 1 core may be used here")


def pieces_by_lesson(workers: int) -> None:
    consume(map_pool(sum_piece, equal_pieces(LIMITS), workers))


def whole_sums_by_pool() -> None:
    with multiprocessing.Pool(2) as pool:
        pool.map(sum_piece, whole_sums(LIMITS))


def pieces_by_executor() -> None:
    with ProcessPoolExecutor(2) as executor:
        consume(executor.map(sum_piece, equal_pieces(LIMITS)))


@rows("efficiency", "pieces", "executor")
def sums_on_processes() -> Iterator[Row]:
    need_two_cores()
    cores = min(usable_cores(), 4)   # for more, the work is too short
    runs = [(elapsed(pieces_by_lesson, 1) / cores,
             elapsed(pieces_by_lesson, cores),
             elapsed(whole_sums_by_pool), elapsed(pieces_by_lesson, 2),
             elapsed(pieces_by_executor)) for _ in range(5)]
    yield Row("efficiency", f"primes_pool, {cores} processes; one, shared out",
              0.95, [(many, ideal) for ideal, many, *_ in runs], at_least=True)
    yield Row("pieces", "primes_pool, 2 processes; Pool.map of whole sums",
              0.80, [(two, whole) for _, _, whole, two, _ in runs])
    yield Row("executor", "the same; ProcessPoolExecutor.map of the pieces",
              1.03, [(two, pieces) for *_, two, pieces in runs])


def is_prime_by_loop(n: int) -> bool:
    if n < 4:
        return n > 1
    if n % 2 == 0 or n % 3 == 0:
        return False
    divisor = 5
    while divisor * divisor <= n:
        if n % divisor == 0 or n % (divisor + 2) == 0:
            return False
        divisor += 6
    return True


def sum_by_loop(limit: int) -> int:
    total, n = 0, 2
    while n <= limit:
        if is_prime_by_loop(n):
            total += n
        n += 1
    return total


@rows("sum")
def sum_of_primes() -> list[Row]:
    return compare(
        "sum", "sum_primes(range(10**6 + 1)); while loops", 0.88, 5,
        (elapsed, sum_primes_up_to, 10**6), (elapsed, sum_by_loop, 10**6),
        tenth=(elapsed, sum_primes_up_to, 10**5))


@rows("tracing")
def tracing() -> list[Row]:
    pieces = equal_pieces([500_000], 50_000)
    return compare(
        "tracing", "sums on 2 threads, measured; without spans", 1.02, 15,
        (elapsed, trace, "", map_threads, sum_piece, pieces, 2),
        (elapsed, lambda: list(map_threads(sum_piece, pieces, 2))))


# Many small tasks -----------------------------------------------------

def nothing(task: int) -> None:
    """Do a task that is no work."""


def by_threads(tasks: int) -> None:
    consume(map_threads(nothing, range(tasks), 2))


def by_executor(tasks: int) -> None:
    with ThreadPoolExecutor(2) as executor:
        consume(executor.map(nothing, range(tasks)))


def by_thread_pool(tasks: int) -> None:
    with ThreadPool(2) as pool:
        consume(pool.imap_unordered(nothing, range(tasks)))


def by_processes(tasks: int) -> None:
    consume(map_pool(nothing, range(tasks), 2))


@rows("overhead")
def overhead() -> Iterator[Row]:
    for peer, name, limit in [
            (by_executor, "ThreadPoolExecutor.map", 0.20),
            (by_thread_pool, "ThreadPool.imap_unordered", 0.60)]:
        yield from compare(
            "overhead", f"map_threads, 100 000 tasks; {name}", limit, 5,
            (elapsed, by_threads, 100_000), (elapsed, peer, 100_000),
            tenth=(elapsed, by_threads, 10_000))


def memory_of(work: Callable[[int], None], tasks: int) -> float:
    return costs_in_child(work, tasks).growth


def told(name: str, work: Callable[[int], None]) -> str:
    """Return what memory a peer takes, where there is so much."""
    try:
        return f"{name} {amount(memory_of(work, 10**6), 'B')}"
    except (ChildProcessError, MemoryError):
        return f"{name} more than there is"


@rows("memory")
def memory() -> list[Row]:
    peers = ", ".join([told("ThreadPoolExecutor", by_executor),
                       told("ThreadPool", by_thread_pool)])
    return compare(
        "memory", f"growth, 10^6 tasks; 2 MB ({peers})", 1.0, 3,
        (memory_of, by_threads, 10**6), (float, 2 * MB),
        tenth=(memory_of, by_threads, 10**5), unit="B")


@rows("pool-scale")
def pool_scale() -> list[Row]:
    return compare(
        "pool-scale", "map_pool, for each task of 50 000; of 10 000", 1.10,
        5, (per_one, by_processes, 50_000), (per_one, by_processes, 10_000))


# Titles ---------------------------------------------------------------

TITLE = b"<!DOCTYPE html><title>A title</title>"
TEXT = b'<p class="text">Some <b>text</b> of a page &amp; <a href="/">'


@functools.cache
def answer(path: str) -> bytes:
    """Return what the site says: at /front/20000 a page of so many bytes
    with its title in front; at /back/20000 behind, all in small chunks."""
    _, kind, size = path.split("/")
    text = (TEXT * (int(size) // len(TEXT) + 1))[:int(size)]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
    if kind == "front":
        return head + b"Content-Length: %d\r\n\r\n" % len(
            TITLE + text) + TITLE + text
    chunks = [text[at:at + 64] for at in range(0, len(text), 64)]
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%b\r\n" % (len(chunk), chunk)
        for chunk in [*chunks, TITLE, b""])


def serve(pipe: Connection) -> None:
    """Serve pages until the pipe is closed; send our port through it.

    With as little work as can be, so that the clients set the pace.
    """
    def serve_each() -> None:
        while True:
            link, _ = listener.accept()
            with link, contextlib.suppress(OSError, IndexError):
                link.settimeout(10)
                link.sendall(answer(link.recv(65536).split()[1].decode()))

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        for _ in range(16):
            threading.Thread(target=serve_each, daemon=True).start()
        pipe.send(listener.getsockname()[1])
        with contextlib.suppress(EOFError):
            pipe.recv()


@contextlib.contextmanager
def site() -> Iterator[str]:
    """Run serve() in a process meanwhile; yield the site's address."""
    mine, childs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(childs,), daemon=True)
    with starting():
        process.start()
    childs.close()
    try:
        yield f"http://127.0.0.1:{mine.recv()}"
    finally:
        process.kill()
        process.join()
        mine.close()


@rows("titles-wait")
def titles_wait() -> list[Row]:
    with slow_site(0.2) as slow:
        urls = [f"{slow}{number}" for number in range(5)]
        return compare(
            "titles-wait", "five pages of 0.2 s on five threads; 0.2 s", 1.10,
            5, (elapsed, lambda: consume(
                map_threads(fetch_title, urls, 5))),
            (float, 0.2))


@rows("titles-cpu")
def titles_cpu() -> list[Row]:
    def titles(title: Callable[[str], str], pages: int) -> None:
        for _ in range(pages):
            if title(f"{address}/front/20000") != "A title":
                raise ValueError("a wrong title")

    with site() as address:
        return compare(
            "titles-cpu", "CPU, 200 pages of 20 KB; urlopen and HTMLParser",
            0.7, 5, (cpu, titles, fetch_title, 200),
            (cpu, titles, title_of, 200),
            tenth=(cpu, titles, fetch_title, 20))


@rows("titles-large")
def titles_large() -> list[Row]:
    with site() as address:
        return compare(
            "titles-large", "a page of 5 MB; urlopen and HTMLParser", 0.10, 5,
            (elapsed, fetch_title, f"{address}/front/{5 * MB}"),
            (elapsed, title_of, f"{address}/front/{5 * MB}"),
            tenth=(elapsed, fetch_title, f"{address}/front/{MB // 2}"))


@rows("back-scale")
def back_scale() -> list[Row]:
    with site() as address:
        return compare(
            "back-scale", "for each byte before a title, 5 MB in small "
            "chunks; 500 KB", 1.10, 5,
            (per_one, lambda size: fetch_title(f"{address}/back/{size}"),
             5 * MB),
            (per_one, lambda size: fetch_title(f"{address}/back/{size}"),
             MB // 2))


def fetch_titles(url: str, pages: int) -> None:
    consume(map_threads(fetch_title, (url for _ in range(pages)), 100))


@rows("titles-scale")
def titles_scale() -> Iterator[Row]:
    with site() as address:
        fetch = functools.partial(fetch_titles, f"{address}/front/2000")
        costs = [(costs_in_child(fetch, 10_000), costs_in_child(fetch, 1_000))
                 for _ in range(3)]
    yield Row(
        "titles-scale", "for each page of 10 000 on 100 threads; of 1 000",
        1.10, [(many.seconds / 10_000, few.seconds / 1_000)
               for many, few in costs])
    yield Row("titles-scale", "memory for 10 000 pages; for 1 000", 1.10,
              [(many.peak, few.peak) for many, few in costs], unit="B")


# Files ----------------------------------------------------------------

def copied(files: Sequence[str], copy: Callable[[str], object]) -> float:
    """Return the seconds of copy(directory), for a new directory."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(files[0])) as new:
        return elapsed(copy, new)


def by_lesson(files: Sequence[str], workers: int) -> float:
    return copied(files, lambda new: copy_lesson(
        [*files, new], workers=(workers,)))


@rows("copy-one")
def copy_one() -> list[Row]:
    with sample_files(1, 250 * MB) as large, sample_files(1, 25 * MB) as less:
        return compare(
            "copy-one", "250 MB through the lesson; shutil.copy", 1.05, 9,
            (by_lesson, large, 1),
            (copied, large, functools.partial(shutil.copy, large[0])),
            tenth=(by_lesson, less, 1))


@rows("copy-two")
def copy_two() -> list[Row]:
    need_two_cores()
    with sample_files(2, 250 * MB) as files:
        return compare(
            "copy-two", "two of 250 MB on two threads; on one", 0.65, 7,
            (by_lesson, files, 2), (by_lesson, files, 1))


@rows("copy-small")
def copy_small() -> list[Row]:
    def new_directory(files: Sequence[str]) -> str:
        # The copies stay, as do the samples, until the end: ext4 is slow to
        # make files where many were removed in the last minutes.
        return tempfile.mkdtemp(dir=os.path.dirname(files[0]))

    def ours(files: Sequence[str], workers: int) -> float:
        copies = copies_into(new_directory(files), files)
        return elapsed(consume, map_threads(
            lambda copy: copy_file(*copy), copies, workers))

    def theirs(files: Sequence[str]) -> float:
        return elapsed(command, "cp", *files, new_directory(files))

    if not shutil.which("cp"):
        raise Skipped("there is no cp command")
    with sample_files(5_000, 4096) as files:
        ours(files, 1)
        best = min((1, 2, 4), key=lambda workers: min(
            ours(files, workers) for _ in range(2)))
        return compare(
            "copy-small", f"5 000 files of 4 KB on {best} threads; cp",
            1.25, 7, (ours, files, best), (theirs, files),
            tenth=(ours, files[:500], best))


# The rest -------------------------------------------------------------

def bare_echo(mine: Connection, parents: Connection) -> None:
    parents.close()
    with contextlib.suppress(EOFError):
        while (message := mine.recv()) is not None:
            mine.send(message)


def bare_trips(pipe: Connection, messages: int) -> None:
    for number in range(messages):
        pipe.send(number)
        pipe.recv()


def trips_to_bare_child(messages: int) -> float:
    pipe, childs = multiprocessing.Pipe()
    process = multiprocessing.Process(
        target=bare_echo, args=(childs, pipe), daemon=True)
    process.start()
    childs.close()
    bare_trips(pipe, 1)   # waits until the child has started
    seconds = elapsed(bare_trips, pipe, messages)
    pipe.send(None)
    process.join()
    return seconds


def trips_to_child(messages: int) -> float:
    with Child(Traced(echo, name_of_echo)) as child:
        return talk(child, messages).trip_seconds * messages


@rows("pipe")
def pipe() -> list[Row]:
    return compare(
        "pipe", "10 000 round trips of hello_pipe; bare send and recv", 0.95,
        15, (trips_to_child, 10_000), (trips_to_bare_child, 10_000),
        tenth=(trips_to_child, 1_000), at_least=True)


@rows("start")
def start() -> list[Row]:
    imports = "import argparse, multiprocessing"
    with tempfile.TemporaryDirectory() as folder:
        # Both start as a user's second time does: with compiled modules.
        compiled = functools.partial(
            python, PYTHONPYCACHEPREFIX=folder, PYTHONDONTWRITEBYTECODE="")
        return compare(
            "start", f"primes_pool --help; {imports}", 1.6, 15,
            (compiled, "-m", "concur_demo.primes_pool", "--help"),
            (compiled, "-c", imports))


def draw(tasks: int) -> None:
    spans = [Span(f"task {number}", f"worker {number % 16}", number * 0.01,
                  0.1, 0.1) for number in range(tasks)]
    run = Run("tasks", 16, tasks * 0.01 + 0.1, tasks, spans=spans)
    report = Report("lesson", "claim", Verdict(HOLDS, "so"), this_machine(),
                    [run], [])
    report.text(), report.json(), report.svg()


@rows("report-scale")
def report_scale() -> list[Row]:
    return compare(
        "report-scale", "text, JSON, SVG for each task of 50 000; of 5 000",
        1.10, 5, (per_one, draw, 50_000), (per_one, draw, 5_000))


@rows("overview")
def overview() -> list[Row]:
    return [Row("overview", "python -m concur_demo; 30 s", 1.0,
                [(python("-m", "concur_demo"), 30.0)])]


if __name__ == "__main__":
    os.environ["no_proxy"] = "127.0.0.1"
    if hasattr(os, "register_at_fork"):
        # A bare Pool ends its workers by SIGTERM. With our handler, one that
        # is about to wait would miss it.
        os.register_at_fork(after_in_child=lambda: [
            signal.signal(number, signal.SIG_DFL) for number in heeded()])
    _cli.start(main)
