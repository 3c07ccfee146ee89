"""Work for other processes, which import it by name, and commands that
work until a test does something to them."""

import contextlib
import itertools
import multiprocessing
import os
import pathlib
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from concur_demo import _cli, hello_pipe
from concur_demo.worker_pool import map_pool

HALF_A_MESSAGE = struct.pack("!i", 1000) + b"only so much"


def pid_after(seconds: float) -> int:
    """Return the pid of this process, after so many seconds."""
    time.sleep(seconds)
    return os.getpid()


def meet(place: pathlib.Path) -> int:
    """Come to a directory; return how many came, two if all is well."""
    (place / str(os.getpid())).touch()
    until = time.monotonic() + 10
    while len(os.listdir(place)) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    return len(os.listdir(place))


def square_or_die(number: int) -> int:
    """Return the square of a number; if negative, die of that signal."""
    if number < 0:
        os.kill(os.getpid(), -number)
    return number * number


def ignored_signals(task: object) -> tuple[bool, bool]:
    """Return whether Ctrl-C, and SIGTERM, can do nothing to this process."""
    return (signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
            signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)


def make(size: int) -> bytes:
    """Return that many bytes."""
    return bytes(size)


def make_too_much(limit: int) -> int:
    """Make twice as many bytes as this process may have from now on."""
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return len(bytes(2 * limit))


class Unsendable(Exception):
    """An exception that cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class Nothing(Exception):
    """An exception that becomes None where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return dict().get, ("not there",)


class OneWay(Exception):
    """An exception that can be pickled, but not unpickled."""

    def __init__(self, text: str, more: str) -> None:
        super().__init__(text)


class Trap:
    """A result that cannot be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("not a number",)


class Exit:
    """A task that would end who pickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        sys.exit(3)


def lock(task: object) -> Any:
    """Return what cannot be pickled."""
    return threading.Lock()


def trap(task: object) -> Trap:
    """Return what cannot be unpickled."""
    return Trap()


def greet(pipe: Connection) -> None:
    """Send a greeting through a pipe that is the task."""
    pipe.send("hello")
    pipe.close()


def raise_value_error(task: object) -> None:
    raise ValueError("wrong value")


def raise_stop_iteration(task: object) -> Any:
    return next(iter(()))


def working_directory(task: object) -> str:
    return os.getcwd()


def raise_keyboard_interrupt(task: object) -> None:
    raise KeyboardInterrupt


def raise_nothing(task: object) -> None:
    raise Nothing("became None")


def raise_unsendable(task: object) -> None:
    raise Unsendable("cannot be pickled")


def raise_one_way(task: object) -> None:
    raise OneWay("cannot be unpickled", "at all")


def exits(status: int) -> Any:
    """Return the children's program that exits at once."""
    os._exit(status)


# Programs for a Child: what it runs in place of child_program.

def die_at_once(mine: Connection, parents: Connection, work: object) -> None:
    """Die before the first message."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_the_middle(
    mine: Connection, parents: Connection, work: object
) -> None:
    """Die when half of a message has been sent."""
    parents.close()
    os.write(mine.fileno(), HALF_A_MESSAGE)
    os._exit(3)


def leave_the_pipe_to_another(
    mine: Connection, parents: Connection, work: object
) -> None:
    """End, but leave a process that keeps the pipe until we hang up."""
    parents.close()
    if os.fork() == 0:
        with contextlib.suppress(EOFError, OSError):
            mine.recv()
        os._exit(0)


def say_nothing(mine: Connection, parents: Connection, work: object) -> None:
    """Never answer."""
    time.sleep(60)


def stop_in_the_middle(
    mine: Connection, parents: Connection, work: object
) -> None:
    """Stop, as a debugger stops a process, within a message."""
    os.write(mine.fileno(), HALF_A_MESSAGE)
    os.kill(os.getpid(), signal.SIGSTOP)


def hang_up(mine: Connection, parents: Connection, work: object) -> None:
    """Close the pipe, and live on."""
    parents.close()
    mine.close()
    time.sleep(60)


# Work for a Child that has been greeted.

def echo_twice_then_die(connection: Connection) -> None:
    """Die between two messages."""
    for _ in range(2):
        connection.send(connection.recv())
    os.kill(os.getpid(), signal.SIGKILL)


def send_for_ever(connection: Connection) -> None:
    """Send, whether the parent reads it or not."""
    while True:
        connection.send(bytes(100_000))


def send_much_first(connection: Connection) -> int:
    """Send 100 MB before anything is read; return what comes then."""
    connection.send(bytes(10**8))
    return len(connection.recv())


# Commands: python -m tests.programs METHOD NAME [OPTION...]

def pool() -> int:
    """Keep two workers busy for ever; print each task that is done."""
    for _, pid in map_pool(pid_after, itertools.repeat(0.05), 2):
        _cli.emit(str(pid))
    return 0


def hog() -> int:
    """Keep a worker in C code that keeps the GIL, for a minute or so."""
    for _ in map_pool(sum, [[], range(4 * 10**9)], 1):
        _cli.emit("begun")
    return 0


def kill_idle() -> int:
    """Kill the worker that has nothing to do while the other works."""
    for _, pid in map_pool(pid_after, [0, 20], 2):
        _cli.emit(str(pid))
        time.sleep(0.2)  # it now waits for a task, and holds a lock
        os.kill(pid, signal.SIGKILL)
    return 0


def chat() -> int:
    """Exchange messages with two children for ever."""
    with hello_pipe.Child() as one, hello_pipe.Child() as two:
        for child in (one, two):
            _cli.emit(str(hello_pipe.exchange_greetings(child)[0].pid))
        while True:
            for child in (one, two):
                with child.answering():
                    hello_pipe.round_trips(child.connection, 10)


COMMANDS: dict[str, Callable[[], int]] = {
    "pool": pool, "hog": hog, "kill_idle": kill_idle, "chat": chat,
    "hello_pipe": lambda: hello_pipe.main(sys.argv[3:]),
}


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    _cli.start(lambda: _cli.ended(sys.argv[2], COMMANDS[sys.argv[2]]))
