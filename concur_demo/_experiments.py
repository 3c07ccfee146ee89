"""For each lesson: its runs, its verdict, and the options of its own.

A new lesson takes a function here, with its options above it; all else, the
tests included, finds it in TABLE."""

import contextlib
import functools
import importlib.util
import math
import multiprocessing
import os
import pathlib
import shutil
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ._lab import TABLE, Lab, Results, lesson, trace_apart, trace_memory
from ._machine import files_allowed, this_machine, usable_cores
from ._measure import AsyncTraced, Run
from ._options import (
    pool_class, positive, size, with_standard_input, with_wildcards)
from ._report import CANNOT_TELL, HOLDS, Verdict
from ._text import count, describe
from ._verdicts import (
    cap_of_whole_sums, judge_sieve, judge_talk, judge_transfers,
    judge_window, none_is_faster, one_thread_waits, only_a_lock_saves,
    own_memory, several_are_faster)

__all__ = ["TABLE"]


@lesson(
    example="--workers 1,2,4 *.jpg",
    expand=with_wildcards,
    operand=dict(metavar="FILE", help="copy these files instead; they are "
                 "only read, and the copies are removed"),
    options=dict(
        files=dict(type=positive, default=2, metavar="N",
                   help="how many files the lesson makes (default 2)"),
        size=dict(type=size, metavar="BYTES", help="the size of each, as "
                  "250M (default 100M, or 50M if quick)"),
        into=dict(metavar="DIR", help="where to put the copies, to choose "
                  "the disk (default: where temporary files go)")))
def copy_threads(lab: Lab) -> tuple[Results, Verdict]:
    """Copy the files: once for the caches, then measured."""
    options, sources = lab.options, lab.options.tasks
    if not sources:
        size = options.size or lab.lesson.SIZE // (1 + options.quick)
        needed = 2 * options.files * size
        if shutil.disk_usage(lab.folder).free < needed:
            raise OSError(f"{os.path.dirname(lab.folder)}: there are no "
                          f"{needed} bytes free: take a smaller --size, or "
                          "another disk with --into")
        sources = lab.lesson.make_files(lab.folder, options.files, size)
    tasks = [(source, os.path.join(lab.folder, f"copy-{number}"))
             for number, source in enumerate(sources)]

    def shown(task: tuple[str, str]) -> str:
        return task[0] if options.tasks else os.path.basename(task[0])

    def copy_whole(task: tuple[str, str]) -> None:
        """Copy a file; on failure leave others the room that it took."""
        size = os.path.getsize(task[0])
        try:
            lab.lesson.copy_file(task)
            if os.path.getsize(task[1]) != size:
                raise OSError("its copy has another size")
        except OSError:
            pathlib.Path(task[1]).unlink(missing_ok=True)
            raise

    def remove_copies() -> None:
        for _, copy in tasks:
            with contextlib.suppress(OSError):
                os.remove(copy)

    for task in tasks:
        with contextlib.suppress(OSError):
            copy_whole(with_an_end(task))
    work = lab.traced(copy_whole, name=shown, ready=with_an_end)
    done = lab.compare("copies", lab.lesson.map_threads, work, tasks,
                       before=remove_copies)
    return [(f"bytes of {shown(task)} copied", os.path.getsize(task[1]))
            for task, _ in sorted(done)], lab.compared(
        several_are_faster, cores=this_machine().cores, take_home="While the "
        "system copies, the thread releases the GIL. Copying within memory is "
        "work too: it keeps cores busy.")


def with_an_end(task: tuple[str, str]) -> tuple[str, str]:
    """Return the task if it is of a file: a device may never end."""
    if not stat.S_ISREG(os.stat(task[0]).st_mode):
        raise OSError("not a file, but a directory, a pipe or a device")
    if (os.path.getsize(task[0])
            > shutil.disk_usage(os.path.dirname(task[1])).free):
        raise OSError("too little room for its copy")
    return task


URLS: dict[str, Any] = dict(
    operand=dict(metavar="URL", help="fetch these pages instead; - reads "
                 "addresses from standard input, one a line"),
    expand=with_standard_input)


def compare_titles(
    lab: Lab, mechanisms: dict[str, Callable[..., Any]], take_home: str,
    rival: str = "",
) -> tuple[Results, Verdict]:
    """Fetch the pages of the slow site, or the user's own, by each of the
    mechanisms; judge the first, also against the rival."""
    from . import _web  # here, as its imports take a while
    fetch = lab.traced(lab.lesson.fetch_title, name=_web.without_password,
                       ready=_web.request_for)
    urls = lab.options.tasks
    with _web.opener_installed(), open_site(lab.lesson) as home:
        urls = urls or [f"{home}/{page + 1}"
                        for page in range(lab.lesson.PAGES)]
        for variant, mechanism in mechanisms.items():
            done = dict(lab.compare(
                variant, mechanism,
                _web.limited(fetch, 1.1 * lab.lesson.TIMEOUT), urls))
    return [(_web.without_password(url), done[url][:200] or "(none)")
            for url in urls if url in done], lab.compared(
        several_are_faster, next(iter(mechanisms)), needed_cores=0,
        rival=rival, take_home=take_home)


@lesson(example="--workers 1,5 --repeat 3", workers=(1, 2, 5), **URLS)
def titles_threads(lab: Lab) -> tuple[Results, Verdict]:
    """Fetch pages on threads."""
    return compare_titles(lab, {"pages": lab.lesson.map_threads}, (
        "Waiting needs no core, so threads can wait together, even under the "
        "GIL."))


@lesson(example="--workers 1,5,10", workers=(1, 5), **URLS)
def titles_executor(lab: Lab) -> tuple[Results, Verdict]:
    """Fetch pages on an executor, and on threads with a queue."""
    from .titles_threads import map_threads
    return compare_titles(
        lab, {"executor": lab.lesson.map_executor, "queue": map_threads}, (
            "Use an executor, unless you need what it lacks: daemon threads, "
            "or a bound on the tasks it holds."), rival="queue")


@lesson(
    example="--pages 1000", workers=(1, 5), worker="worker", options=dict(
        pages=dict(type=functools.partial(positive, most=10_000), metavar="N",
                   help="how many pages (default 5); without --workers, all "
                   "are in flight at once, up to 1000")))
def titles_asyncio(lab: Lab) -> tuple[Results, Verdict]:
    """Fetch pages of a slow site in a process of its own, on threads, and by
    asyncio on one thread."""
    from . import titles_threads
    pages = lab.options.pages or lab.lesson.PAGES
    if not lab.options.workers and (lab.options.pages or lab.options.quick):
        lab.workers = [min(pages, 1000)]
    at_once = min(pages, max(lab.workers))
    # It takes a while to ask for many pages: let them take longer, too.
    delay = max(lab.lesson.DELAY, at_once / 1000)
    ports: Any = multiprocessing.SimpleQueue()
    site = multiprocessing.Process(
        target=lab.lesson.slow_site, args=[ports.put, delay], daemon=True)
    with files_allowed(at_once + 100):
        site.start()
        home = f"http://127.0.0.1:{ports.get()}"
        urls = [f"{home}/{page + 1}" for page in range(pages)]
        lab.compare("threads", titles_threads.map_threads,
                    lab.traced(titles_threads.fetch_title), urls,
                    tracer=trace_apart)
        done = dict(lab.compare("asyncio", lab.lesson.map_asyncio,
                                lab.traced(lab.lesson.get_title, AsyncTraced),
                                urls, tracer=trace_apart))
    site.terminate()
    return [(url, done[url]) for url in urls if url in done][:10], (
        lab.judged(one_thread_waits, lab.runs))


@contextlib.contextmanager
def open_site(lesson: Any) -> Iterator[str]:
    """Open the slow site of a lesson meanwhile; yield its address."""
    with lesson.SlowSite(("127.0.0.1", 0), lesson.SlowPage) as site:
        site.handle_error = lambda *words: None  # the page tells of it
        threading.Thread(target=site.serve_forever, args=[0.05],
                         daemon=True).start()
        try:
            yield f"http://127.0.0.1:{site.server_address[1]}"
        finally:
            site.shutdown()


LIMIT = dict(metavar="LIMIT", type=functools.partial(positive, most=10**9),
             help="sum the primes up to each of these instead")


def limits_of(lab: Lab, quick: int = 5) -> list[int]:
    """Return the limits up to which primes are to be summed, `quick` times
    smaller if it is to be quick."""
    return lab.options.tasks or [
        limit // (quick if lab.options.quick else 1)
        for limit in lab.lesson.LIMITS]


def shown_range(numbers: range) -> str:
    """Return the numbers of a task in words."""
    return f"{numbers[0]} to {numbers[-1]}"


def shown_sums(totals: Iterable[tuple[int, int]]) -> Results:
    """Return the (limit, total) pairs as results."""
    return [(f"sum of the primes up to {limit}", total)
            for limit, total in sorted(totals)]


@lesson(example="--workers 1,2,4 500000 500000", operand=LIMIT)
def primes_threads(lab: Lab) -> tuple[Results, Verdict]:
    """Sum primes on threads."""
    done = lab.compare(
        "whole sums", lab.lesson.map_threads,
        lab.traced(lab.lesson.sum_primes, name=shown_range),
        [range(1, limit + 1) for limit in limits_of(lab)])
    return (shown_sums((numbers[-1], total) for numbers, total in done),
            lab.compared(none_is_faster, gil=this_machine().gil))


UPDATES = dict(type=functools.partial(positive, most=10**9), metavar="N")


@lesson(example="--workers 1,2,4 --updates 100000", options=dict(
    updates=UPDATES | dict(help="how often to count up (default 2000000)")))
def counter_threads(lab: Lab) -> tuple[Results, Verdict]:
    """Count up a global variable in three ways."""
    shares = shares_of(lab.options.updates or lab.lesson.UPDATES)

    def reset() -> None:
        lab.lesson.counter = 0

    def figures(run: Run, pairs: object) -> dict[str, float]:
        return {"updates lost": sum(shares) - lab.lesson.counter,
                "ns an update": 1e9 * run.seconds / sum(shares)}

    for variant, add in [("+= 1", lab.lesson.add_at_once),
                         ("a call between", lab.lesson.add_by_call),
                         ("with a lock", lab.lesson.add_with_lock)]:
        lab.compare(
            variant, lab.lesson.map_threads,
            lab.traced(add, name="{} updates".format), shares, before=reset,
            figures=figures)
    first = {run.variant: run for run in reversed(lab.runs)}
    without, lock = (first[variant].figures["ns an update"]
                     for variant in ("a call between", "with a lock"))
    at_once = max(run.figures["updates lost"] for run in lab.runs
                  if run.variant == "+= 1")
    return [("updates made", sum(shares))], lab.judged(
        only_a_lock_saves, lab.runs, "updates lost", sum(shares),
        "a call between", "with a lock", take_home=(
            f"On {count(lab.runs[0].workers, 'thread')} an update took "
            f"{without:.0f} ns without the lock and {lock:.0f} ns with it. "
            "A mere += 1 lost " + (f"{at_once:,.0f}." if at_once else
                                   "none: that is luck, and no promise.")))


def shares_of(updates: int) -> list[int]:
    """Return so many updates in four shares, or fewer."""
    return [updates // 4 + (number < updates % 4)
            for number in range(min(updates, 4))]


@lesson(example="--repeat 3")
def transfer_threads(lab: Lab) -> tuple[Results, Verdict]:
    """Move coins with two locks, in opposite order and in one order."""
    coins = sum(lab.lesson.coins.values())

    def figures(run: Run, pairs: Sequence[Any]) -> dict[str, float]:
        still = [seconds for _, (_, seconds) in pairs if seconds]
        return {"coins moved": sum(done for _, (done, _) in pairs),
                "threads stopped": len(still),
                "seconds stood still": max(still, default=0)}

    def move(in_one_order: bool, transfer: Any, tasks: Any,
             workers: int) -> Any:
        meeting = threading.Barrier(1 if in_one_order else workers)
        return lab.lesson.map_threads(lab.traced(
            functools.partial(transfer, in_one_order, meeting),
            name=" to ".join), tasks, workers)

    for variant, in_one_order in ("opposite", False), ("one order", True):
        lab.compare(variant, functools.partial(move, in_one_order),
                    lab.lesson.transfer, [("a", "b"), ("b", "a")],
                    figures=figures)
    now = sum(lab.lesson.coins.values())
    return [("coins before", coins), ("coins after", now)], lab.judged(
        judge_transfers, lab.runs, 2 * lab.lesson.TRANSFERS, now - coins)


ANSWER_SECONDS = 10  # for a display to say that it is there


@lesson(example="--workers 1,4", workers=(1,), operand=LIMIT)
def window_threads(lab: Lab) -> tuple[Results, Verdict]:
    """Sum primes while a window ticks: in its event loop, then on threads.
    It is in a process of its own, as it has to be in a main thread."""
    tasks = [range(1, limit + 1) for limit in limits_of(lab, quick=2)]
    work = lab.traced(lab.lesson.sum_primes, name=shown_range)
    freeze = 0.0

    def in_window(map_tasks: Any, work: Any, tasks: Any, workers: int) -> Any:
        nonlocal freeze
        pairs, freeze = stage.apply(at_home, (
            lab.lesson.map_in_window, map_tasks, work, tasks, workers))
        if len(pairs) < len(tasks):
            raise InterruptedError
        return pairs

    def figures(run: Run, pairs: object) -> dict[str, float]:
        return {"longest freeze ms": 1000 * freeze}

    with multiprocessing.get_context("spawn").Pool(1) as stage:
        try:
            why = stage.apply_async(why_no_window).get(ANSWER_SECONDS)
        except multiprocessing.TimeoutError:
            why = f"no answer of the display within {ANSWER_SECONDS} seconds"
        if why:
            return [], Verdict(CANNOT_TELL, f"No window can be shown: {why}.")
        try:
            for variant, map_tasks, workers in [
                    ("event loop", lab.lesson.map_here, [1]),
                    ("threads", lab.lesson.map_threads, [])]:
                done = lab.compare(
                    variant, functools.partial(in_window, map_tasks), work,
                    tasks, workers=workers, figures=figures)
        except InterruptedError:
            return [], Verdict(CANNOT_TELL, (
                "The window was closed before the work was done."))
    return (shown_sums((numbers[-1], total) for numbers, total in done),
            lab.judged(judge_window, lab.runs))


def at_home(map_in_window: Any, map_tasks: Any, work: Any, *how: Any) -> Any:
    """Do the work in a window of this process, as if it began here."""
    work.home = os.getpid()  # so that its threads are named
    return map_in_window(map_tasks, work, *how)


def why_no_window() -> str:
    """Return why no window can be shown here, or "" if one can."""
    try:
        import tkinter
        tkinter.Tk().destroy()
    except Exception as error:  # of kinds that only tkinter knows
        return describe(error)
    return ""


@lesson(
    example="--workers 1,2,4 500000 600000", workers=(1, 2, 3),
    worker="process", operand=LIMIT, options=dict(
        start_method=dict(choices=multiprocessing.get_all_start_methods(),
                          help="how processes are started"),
        pool=dict(type=pool_class, metavar="MODULE:CLASS", help="another "
                  "pool with the interface of multiprocessing.Pool, such as "
                  "multiprocessing.pool:ThreadPool")))
def primes_pool(lab: Lab) -> tuple[Results, Verdict]:
    """Sum primes on a pool: in whole sums, then in equal pieces."""
    pool, cores = lab.options.pool, this_machine().cores
    if pool and lab.options.start_method:
        raise ValueError("--start-method goes with multiprocessing.Pool, "
                         "not with another --pool")
    if pool:
        lab.worker, cores = "worker", 1  # it may be threads, at one GIL
    else:
        pool = multiprocessing.get_context(lab.options.start_method).Pool

    map_pool = pairs_of(lab.lesson.map_pool, pool)
    limits = limits_of(lab)
    work = lab.traced(lab.lesson.sum_primes, name=shown_range)
    for variant, most in [("whole sums", max(limits)),
                          ("equal pieces", lab.lesson.PIECE)]:
        jobs = [lab.lesson.cut(limit, most) for limit in limits]
        pieces = [piece for job in jobs for piece in job]
        done = dict(lab.compare(variant, map_pool, work, pieces))
    verdict = lab.compared(several_are_faster, variant, cores=cores,
                           parallel=True)
    if any(run.failed for run in lab.runs):
        return [], verdict
    if verdict.word == HOLDS:
        alone = next(run for run in lab.runs if run.workers == 1)
        verdict = verdict._replace(take_home=cap_of_whole_sums(
            [span.cpu_seconds for span in alone.spans]))
    return shown_sums(zip(limits, lab.lesson.add_up(
        jobs, map(done.__getitem__, pieces)))), verdict


def pairs_of(map_pool: Any, pool: Any = multiprocessing.Pool) -> Any:
    """Return map_pool with that pool so that it returns (task, result)
    pairs, as map_threads yields them, and knows no time-out."""
    def mechanism(work: Any, tasks: Any, workers: int) -> Any:
        try:
            return [(task, (result, span)) for task, (result, span) in zip(
                tasks, map_pool(work, tasks, workers, pool, timeout=None),
                strict=True)]
        except (Exception, SystemExit) as error:  # as another's pool may raise
            why = describe(error)
            if len(why) > 200:  # some tell all that they know
                why = f"{why[:90]} ... {why[-90:]}"
            raise RuntimeError(f"the pool failed: {why}")
    return mechanism


@lesson(example="--updates 1000000", worker="process", options=dict(
    updates=UPDATES | dict(help="how often to count up (default 200000)")))
def counter_processes(lab: Lab) -> tuple[Results, Verdict]:
    """Count up a global variable, and a Value without and with its lock."""
    shares = shares_of(lab.options.updates or lab.lesson.UPDATES)
    value = multiprocessing.Value("q", 0)

    def reset() -> None:
        lab.lesson.counter = value.value = 0

    def figures(run: Run, pairs: object) -> dict[str, float]:
        if run.variant == "global":
            return {"parent sees": lab.lesson.counter}
        return {"parent sees": value.value,
                "updates lost": sum(shares) - value.value}

    for variant, add in [("global", lab.lesson.add_to_global),
                         ("Value, no lock", lab.lesson.add_to_value),
                         ("Value, its lock", lab.lesson.add_to_locked)]:
        lab.compare(variant, lab.lesson.map_processes, lab.traced(
            functools.partial(add, value), name="{} updates".format),
            shares, before=reset, figures=figures)
    verdict = lab.judged(
        only_a_lock_saves, lab.runs, "updates lost", sum(shares),
        "Value, no lock", "Value, its lock", take_home=(
            "What processes are to share has to be handed to them; and to "
            "change it takes a lock, as with threads."))
    return [("updates made", sum(shares))], own_memory(verdict, max(
        run.figures["parent sees"] for run in lab.runs
        if run.variant == "global"))


@lesson(
    example="--messages 100000", workers=(1,), worker="pair", options=dict(
        messages=dict(type=positive, metavar="N", help="how many messages go "
                      "there and back (default 10000, or 2000 if quick)")))
def hello_pipe(lab: Lab) -> tuple[Results, Verdict]:
    """Let pairs of parent and child talk; they share out the messages."""
    from .primes_threads import map_threads  # a thread for each pair

    def map_pairs(work: Any, tasks: Any, workers: int) -> Iterator[Any]:
        for task, (said, span) in map_threads(work, tasks, workers):
            yield task, (said, span._replace(worker="parent"))
            if said:
                yield task, (None, said[4][1]._replace(worker="child"))

    pairs = max(lab.workers)
    messages = lab.options.messages or (
        lab.lesson.MESSAGES // (1 + 4 * lab.options.quick))
    share = math.ceil(messages / pairs)
    talk = functools.partial(
        lab.lesson.talk, work=lab.traced(lab.lesson.echo, name="echo".format))

    def figures(run: Run, _: object) -> dict[str, float]:
        seconds = sum(span.seconds for span in run.spans
                      if span.worker == "child")
        return {"round trips a second": round(
            share * pairs * run.workers / seconds)} if seconds else {}

    done = lab.compare(
        f"{share * pairs} messages", map_pairs,
        lab.traced(talk, name="talk about {} messages".format),
        [share] * pairs, figures=figures)
    said = next((said for _, said in done if said), None)
    return [] if said is None else list(zip(
        ("child's name", "its parent's pid", "its own pid", "its answer"),
        said)), lab.judged(judge_talk, lab.runs, said)


@lesson(example="--workers 1,2,4 500000 600000", worker="process",
        operand=LIMIT)
def primes_queue(lab: Lab) -> tuple[Results, Verdict]:
    """Sum primes on processes fed by queues, and on a pool."""
    return compare_pieces(lab, ["queues", "pool"], lab.lesson.map_processes,
                          rival="pool")


def compare_pieces(
    lab: Lab, variants: list[str], mechanism: Callable[..., Any],
    rival: str = "", tracers: Sequence[Any] = (None, None), **how: Any,
) -> tuple[Results, Verdict]:
    """Sum primes in equal pieces by the mechanism, then on a pool of
    processes, each run done by its tracer; judge the first, also against
    the rival."""
    from . import primes_pool
    limits = limits_of(lab, quick=3)
    jobs = [primes_pool.cut(limit, lab.lesson.PIECE) for limit in limits]
    pieces = [piece for job in jobs for piece in job]
    work = lab.traced(lab.lesson.sum_primes, name=shown_range)
    for variant, mechanism, tracer in zip(variants, [
            mechanism, pairs_of(primes_pool.map_pool)], tracers):
        done = dict(lab.compare(
            variant, mechanism, work, pieces, tracer=tracer, **how))
    verdict = lab.compared(
        several_are_faster, variants[0], cores=this_machine().cores,
        parallel=True, rival=rival)
    if any(run.failed for run in lab.runs):
        return [], verdict
    return shown_sums(zip(limits, primes_pool.add_up(
        jobs, map(done.__getitem__, pieces)))), verdict


@lesson(example="--repeat 3", worker="process")
def torn_pipe(lab: Lab) -> tuple[Results, Verdict]:
    """Let processes send through one end of a pipe, without and with a
    lock."""
    messages = 2 * lab.lesson.MESSAGES
    whole = 0

    def race(lock: Any, send: Any, letters: Any, workers: int) -> Any:
        nonlocal whole
        pipe, writers_end = multiprocessing.Pipe()
        pairs, whole = lab.lesson.map_writers(
            lab.traced(functools.partial(send, writers_end, lock),
                       name="send {}".format),
            letters, workers, pipe, writers_end)
        return pairs

    def figures(run: Run, pairs: object) -> dict[str, float]:
        return {"whole": whole, "messages not whole": messages - whole}

    for variant, lock in [("no lock", contextlib.nullcontext()),
                          ("a lock", multiprocessing.Lock())]:
        lab.compare(variant, functools.partial(race, lock), lab.lesson.send,
                    "ab", figures=figures)
    # A run that was broken off is not fast.
    lab.runs = [run._replace(speed_up=None) if run.figures[
        "messages not whole"] else run for run in lab.runs]
    return [("messages to send", messages)], lab.judged(
        only_a_lock_saves, lab.runs, "messages not whole", messages,
        "no lock", "a lock", take_home=(
            "A large message is more than one write. After one that is torn, "
            "nobody knows where the next begins, so all that follow are "
            "lost."))


@lesson(example="--workers 1,2,4 500000 600000", worker="worker",
        operand=LIMIT)
def primes_interpreters(lab: Lab) -> tuple[Results, Verdict]:
    """Sum primes on interpreters, and on processes."""
    if importlib.util.find_spec("concurrent.interpreters") is None:
        return [], Verdict(CANNOT_TELL, (
            "Interpreters need Python 3.14 or later, and this is "
            f"{this_machine().python}."))

    def start_up(run: Run, pairs: object) -> dict[str, float]:
        first = {span.worker: span.start for span in reversed(run.spans)}
        return {"start-up ms": 1000 * max(first.values(), default=0)}

    return compare_pieces(
        lab, ["interpreters", "processes"], lab.lesson.map_interpreters,
        tracers=(trace_apart, trace_memory), figures=start_up)


@lesson(example="--workers 1,2,4 5000000", worker="process",
        workers=sorted({1, math.ceil(usable_cores())}), operand=LIMIT)
def primes_sieve(lab: Lab) -> tuple[Results, Verdict]:
    """Sum primes by trial division, by a sieve, and by one in segments."""
    from .window_threads import map_here
    limits = lab.options.tasks or [
        lab.lesson.LIMIT // (5 if lab.options.quick else 1)]
    whole = [range(1, limit + 1) for limit in limits]
    pieces = [piece for limit in limits
              for piece in lab.lesson.cut(limit, lab.lesson.PIECE)]
    map_pool = pairs_of(lab.lesson.map_pool)
    sieve = lab.traced(lab.lesson.sieve, name=shown_range)
    divided = lab.compare("trial division", map_pool, lab.traced(
        lab.lesson.sum_primes, name=shown_range), pieces)
    sieved = lab.compare("sieve", map_here, sieve, whole, workers=[1])
    in_segments = lab.compare("sieve in segments", map_pool, sieve, pieces)
    sums = {sum(total for _, total in done)
            for done in (divided, sieved, in_segments)}
    return (shown_sums((numbers[-1], total) for numbers, total in sieved),
            lab.judged(judge_sieve, *map(lab.fastest, (
                "trial division", "sieve", "sieve in segments")),
                same=len(sums) == 1, all_cores=max(lab.workers) >= (
                    this_machine().cores)))
