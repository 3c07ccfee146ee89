"""Lesson 5: two processes and a pipe.

Processes have memory of their own: what one wants another to know it has
to send. What to look for: the child has a pid of its own, and one pipe
carries messages both ways. While one side works on a message the other
waits, so that two processes keep no more than about one core busy.
"""

import contextlib
import functools
import multiprocessing
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from . import _cli
from ._machine import this_machine
from ._measure import Outcome, Recorder, Run, Traced, best_of
from ._report import CANNOT_TELL, DOES_NOT_HOLD, HOLDS, Report, Verdict
from ._text import count
from .worker_pool import obituary, starting
from .worker_threads import map_threads

CLAIM = "Two processes talk through one pipe, in both directions."
MESSAGES = 10_000
QUICK_MESSAGES = 2_000
BATCH = 10_000  # messages that have to come back within one time-out


class Greeting(NamedTuple):
    """What the child says first."""

    name: str
    ppid: int
    pid: int


def greet(timeout: float = 10.0) -> Greeting:
    """Start a child process, answer its greeting, and return that.

    Raises TimeoutError if the child says nothing for `timeout` seconds,
    ChildProcessError if it dies.
    """
    with Child(timeout=timeout) as child:
        return exchange_greetings(child)[0]


def child_program(
    mine: Connection, parents: Connection, work: Callable[[Connection], Any]
) -> None:
    """What the child does: greet, be answered, confirm that, then work."""
    # A pipe ends when no process holds its other end any more. The child
    # is born with both ends: if it kept the parent's too, it would wait for
    # ever for a parent that has gone.
    parents.close()
    me = multiprocessing.current_process()
    # Not os.getppid(): that may be the server which starts processes.
    parent = multiprocessing.parent_process()
    ppid = parent.pid if parent and parent.pid else 0
    with contextlib.suppress(EOFError, ConnectionError):  # parent has gone
        mine.send(Greeting(me.name, ppid, os.getpid()))
        answer = mine.recv()
        mine.send(f"{me.name} was told: {answer}")
        mine.send(work(mine))


def exchange_greetings(child: "Child") -> tuple[Greeting, str]:
    """Be greeted by the child, answer; return greeting, confirmation."""
    with child.answering():
        greeting = child.connection.recv()
        child.connection.send(f"Hello {greeting.name}, this is {os.getpid()}")
        return greeting, child.connection.recv()


def name_of_echo(connection: Connection) -> str:
    """Return what the child's task is called in a report."""
    return "echo"


def echo(connection: Connection) -> int:
    """Send back every message until one is None; return how many."""
    count = 0
    while (message := connection.recv()) is not None:
        connection.send(message)
        count += 1
    return count


def round_trips(connection: Connection, messages: int) -> None:
    """Send so many messages, each when the one before has come back."""
    for number in range(messages):
        connection.send(number)
        connection.recv()


class Child:
    """A child process and the parent's end of the pipe to it.

    Leaving its context ends the process.
    """

    def __init__(
        self, work: Callable[[Connection], Any] = echo,
        program: Callable[..., None] = child_program, timeout: float = 10.0,
    ) -> None:
        self.timeout = timeout
        self.connection, childs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=program, args=(childs, self.connection, work), daemon=True)
        with starting():
            self.process.start()
        childs.close()  # as the child closes ours, and for the same reason

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *exception: object) -> None:
        self.connection.close()
        try:
            self.process.join(1)
        finally:  # also where an interrupted command has waited long enough
            self.process.kill()
            self.process.join()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Give the child `timeout` seconds for what goes on meanwhile.

        If it has died, or takes longer, which kills it, that is raised as
        ChildProcessError or TimeoutError.
        """
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self.process.kill()  # ends every wait, even in mid-message,
            hang_up(self.connection)  # and this if others hold the pipe

        timer = threading.Timer(self.timeout, give_up)
        timer.daemon = True  # or Ctrl-C in its start() would wait for it
        try:
            timer.start()
            yield
        except (EOFError, OSError) as error:
            # The garbage collector complains, or crashes, if it finds the
            # message that send() was at (CPython issues 111331, 111049).
            traceback.clear_frames(error.__traceback__)
            self.process.join(1)
            if late.is_set():
                raise TimeoutError(
                    f"{self.process.name} (pid {self.process.pid}) gave no "
                    f"answer within {self.timeout:g} s") from None
            told = obituary(self.process)
            self.process.kill()  # it may have hung up only
            raise ChildProcessError(told) from None
        finally:
            timer.cancel()
            if timer.is_alive():
                timer.join()


def hang_up(connection: Connection) -> None:
    """End every wait at a pipe, even if a process that our child started
    has kept its end."""
    if isinstance(connection, Connection):  # a socket, but not on Windows
        with contextlib.suppress(OSError), socket.socket(
                fileno=os.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)


class Talk(NamedTuple):
    """What was said between a parent and a child."""

    greeting: Greeting
    confirmation: str
    echoed: Outcome[int]   # the child's count, and when it was at work
    trip_seconds: float    # of one round trip, the mean


def talk(child: Child, messages: int) -> Talk:
    """Exchange greetings, then so many messages, with a child.

    The child's time-out is for the greetings, for each BATCH of messages,
    and for its last word: to set one for each message would take longer
    than the message.
    """
    greeting, confirmation = exchange_greetings(child)
    start = time.perf_counter()
    for done in range(0, messages, BATCH):
        with child.answering():
            round_trips(child.connection, min(BATCH, messages - done))
    seconds = time.perf_counter() - start
    with child.answering():
        child.connection.send(None)
        echoed = child.connection.recv()
    return Talk(greeting, confirmation, echoed, seconds / messages)


def example() -> None:
    """Let a child process greet, and answer it, through one pipe."""
    mine, childs = multiprocessing.Pipe()
    process = multiprocessing.Process(
        target=child_program, args=(childs, mine, echo), daemon=True)
    process.start()
    childs.close()
    if not mine.poll(timeout=10):
        raise TimeoutError("the child says nothing")
    child = mine.recv()  # or EOFError, if the child has died
    print(f"{child.name}: my pid is {child.pid}, my parent's {child.ppid}")
    mine.send(f"I am the parent, and my pid is {os.getpid()}")
    print(mine.recv())
    mine.close()  # the child has nobody to talk to, and ends
    process.join()


def measure(
    *, workers: Sequence[int] = (1,), quick: bool = False, repeat: int = 1,
    verbose: bool = False, progress: Callable[[str], None] | None = None,
    messages: int | None = None,
) -> Report:
    """Return the Report of a talk with each number of children at once.

    Every child has a pipe and, in the parent, a thread of its own, and
    sends back so many `messages`: 10 000 unless given, or fewer if quick.
    """
    messages = messages or (QUICK_MESSAGES if quick else MESSAGES)
    runs = []
    for number in workers:
        if progress:
            progress(count(number, "child"))
        run, talks = best_of(
            repeat, lambda: talk_at_once(number, messages, verbose))
        runs.append(run)
    return Report(
        "hello_pipe", CLAIM, judge(runs, talks), this_machine(), runs,
        [line for one in talks for line in results(one)], worker="child")


def talk_at_once(
    number: int, messages: int, verbose: bool
) -> tuple[Run, list[Talk]]:
    """Return the Run of so many children at once, and what was said."""
    recorder, talks = Recorder(), []
    work = Traced(echo, name_of_echo, verbose)
    talking = Traced(
        functools.partial(talk, messages=messages),
        lambda child: f"talk with {child.process.name}", verbose)
    with contextlib.ExitStack() as stack:
        children = [
            stack.enter_context(Child(work)) for _ in range(number)]
        for child, outcome in map_threads(talking, children, number):
            which = f" {children.index(child) + 1}" if number > 1 else ""
            recorder.add(outcome.span._replace(worker=f"parent{which}"))
            if one := outcome.result:
                recorder.add(one.echoed.span._replace(worker=f"child{which}"))
                talks.append(one)
        return recorder.run(f"{messages} messages", number), talks


def judge(runs: Sequence[Run], talks: Sequence[Talk]) -> Verdict:
    """Return the verdict on CLAIM from the talks of the last run."""
    if failed := sum(run.failed for run in runs):
        return Verdict(CANNOT_TELL, f"{count(failed, 'task')} failed.")
    one = talks[0]
    strangers = (one.greeting.pid != os.getpid()
                 and one.greeting.ppid == os.getpid())
    return Verdict(
        HOLDS if strangers else DOES_NOT_HOLD,
        f"{one.greeting.name} (pid {one.greeting.pid}) greeted its parent "
        f"(pid {os.getpid()}), read the answer and confirmed it; then "
        f"{one.echoed.result} messages went there and back, "
        f"{1 / one.trip_seconds:,.0f} a second.", take_home(runs[-1], one))


def results(one: Talk) -> list[tuple[str, Any]]:
    """Return what was said, as the rows of a report."""
    return [
        ("parent's pid", os.getpid()),
        ("child's name", one.greeting.name),
        ("child's ppid", one.greeting.ppid),
        ("child's pid", one.greeting.pid),
        ("child's answer", one.confirmation),
        ("round trips a second", round(1 / one.trip_seconds))]


def take_home(run: Run, one: Talk) -> str:
    """Return what the figures of a run tell about taking turns."""
    pairs = f", in {run.workers} pairs" if run.workers > 1 else ""
    return (
        f"A message there and back took {one.trip_seconds * 1e6:.0f} "
        f"microseconds. Parent and child take turns{pairs}: "
        f"{run.in_flight:.1f} tasks in flight kept {run.cores_busy:.1f} "
        "cores busy.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lesson's command line; return its exit status."""
    parser = _cli.lesson_parser(
        "hello_pipe", CLAIM, "--messages 100000", workers=(1,))
    parser.add_argument(
        "--messages", type=_cli.positive, metavar="N",
        help=f"how many messages go there and back (default {MESSAGES})")
    return _cli.run(parser, measure, argv)


if __name__ == "__main__":
    _cli.start(main)
