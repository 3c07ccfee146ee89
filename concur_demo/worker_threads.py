"""Worker threads that take their tasks from one queue."""

import contextlib
import queue
import sys
import threading
import time
from collections.abc import (
    Callable, Generator, Iterable, Iterator, Sequence)
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

# How many tasks may be taken ahead of the workers. Enough that no worker
# waits for the queue to be refilled; few enough to cost no memory.
AHEAD = 64

LOOK_SECONDS = 0.5  # how often to look for Ctrl-C
NAP_SECONDS = 0.0005  # see next_done
BEGIN_SECONDS = 1.0  # how long a thread may take from its start to its code

STOP = object()  # in place of a task: there are no more


def map_threads(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Generator[tuple[Task, Result], None, None]:
    """Yield (task, work(task)) for every task, in order of completion.

    This many threads do the work. At most workers + AHEAD tasks are taken
    and not yet yielded, so `tasks` may be endless. It is asked for tasks by
    the caller's thread, between results, which wait if it makes us wait. If
    work raises, the threads stop, each after the task it is at, and the
    exception reaches the caller with a note that names the task. If `tasks`
    raises, what was taken before is finished and yielded first. Closing the
    iterator stops the threads as well. Raises ValueError if workers is less
    than 1, RuntimeError if the system allows no more threads.

    >>> sorted(map_threads(abs, [-1, 2, -3], workers=2))
    [(-3, 3), (-1, 1), (2, 2)]
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    # SimpleQueue and not Queue: with tasks that do nothing, the locks of a
    # Queue, which is written in Python, take longer than all the rest.
    # in_completion_order keeps the bound that a Queue's maxsize would.
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    outbox: queue.SimpleQueue[
        tuple[Task, Any, BaseException | None]] = queue.SimpleQueue()
    begun: list[threading.Thread] = []
    started = 0
    taken = 0  # results since the last wait for one

    def serve() -> None:
        begun.append(threading.current_thread())
        while (task := inbox.get()) is not STOP:
            try:
                outbox.put((task, work(task), None))
            except BaseException as error:  # no task takes a thread down
                outbox.put((task, None, error))
        inbox.put(STOP)  # for the next thread

    def submit(task: Task) -> None:
        nonlocal started
        inbox.put(task)
        if started < workers:  # never more threads than tasks
            started += 1
            name = f"thread {started}"
            try:
                threading.Thread(target=serve, name=name, daemon=True).start()
            except Exception as error:
                if isinstance(error.__context__, KeyboardInterrupt):
                    raise error.__context__  # which broke start() itself
                started -= 1
                raise RuntimeError(
                    f"{name} of {workers} cannot start: {error}") from error

    def stop() -> None:
        nonlocal started
        if sys.is_finalizing():
            return  # at Python's own end no thread runs that could be joined
        with contextlib.suppress(queue.Empty):
            while True:  # drop what no thread has begun
                inbox.get_nowait()
        inbox.put(STOP)
        # Ctrl-C may have interrupted start(), and a thread cannot be joined
        # before it has begun.
        until = time.monotonic() + BEGIN_SECONDS
        while len(begun) < started and time.monotonic() < until:
            time.sleep(0.001)
        started = len(begun)
        for thread in begun:
            # A thread cannot join itself, which it would if Python's garbage
            # collector, run there, closes the iterator.
            if thread is not threading.current_thread():
                thread.join()

    def next_done() -> tuple[Task, Any, BaseException | None]:
        nonlocal taken
        taken += 1
        try:
            return outbox.get_nowait()
        except queue.Empty:
            pass
        # To wake up for each of many short tasks would take the GIL from
        # the threads as often: where few came, let some more come.
        if taken < AHEAD // 2:
            time.sleep(NAP_SECONDS)
        taken = 0
        # A signal that comes just before Python begins to wait for a lock
        # does not end that wait: no wait may be for ever.
        while True:
            try:
                return outbox.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                pass

    return in_completion_order(
        tasks, submit, next_done, outbox.empty, workers + AHEAD, stop)


def in_completion_order(
    tasks: Iterable[Task],
    submit: Callable[[Task], None],
    next_done: Callable[[], tuple[Task, Any, BaseException | None]],
    none_done: Callable[[], bool],
    ahead: int,
    stop: Callable[[], None] = lambda: None,
) -> Generator[tuple[Task, Any], None, None]:
    """Yield (task, result) for every task, as each is done.

    submit(task) hands a task to the workers; next_done() waits for one and
    returns (task, result, error); none_done() tells whether it would wait.
    At most `ahead` tasks are submitted and not yet yielded. However this
    ends, stop() is called, and again after Ctrl-C. Raises what the tasks
    raise, with a note.
    """
    trouble: list[Exception] = []
    under_way = 0
    try:
        try:
            for task in _until_error(tasks, trouble):
                submit(task)
                under_way += 1
                while under_way == ahead or not none_done():
                    yield _result(*next_done())
                    under_way -= 1
            for _ in range(under_way):
                yield _result(*next_done())
        finally:
            stop()
    except KeyboardInterrupt:  # it may have cut stop() short
        stop()
        raise
    if trouble:
        raise trouble[0]


def _result(
    task: Task, result: Result, error: BaseException | None
) -> tuple[Task, Result]:
    if error is None:
        return task, result
    if isinstance(error, StopIteration):  # no generator may raise it
        stopped = RuntimeError("work raised StopIteration")
        raise noted(stopped, f"task: {shown(task)}") from error
    raise noted(error, f"task: {shown(task)}")


def noted(error: BaseException, note: str) -> BaseException:
    """Return the error with the note, unless it refuses to take one."""
    with contextlib.suppress(Exception):
        error.add_note(note)
    return error


def _until_error(
    tasks: Iterable[Task], trouble: list[Exception]
) -> Iterator[Task]:
    """Yield the tasks; an Exception among them ends them, and is kept."""
    taken = 0
    try:
        for task in tasks:
            yield task
            taken += 1
    except GeneratorExit:  # our caller ends
        raise
    except BaseException as error:
        after = f", after {shown(task)}" if taken else ""
        noted(error, f"task {taken + 1} could not be taken{after}")
        if not isinstance(error, Exception):
            raise  # Ctrl-C, say: what was taken is not waited for
        trouble.append(error)


def shown(task: object) -> str:
    """Return a task as Python shows it, in 200 characters at most."""
    try:
        return f"{task!r:.200}"
    except Exception:  # of its __repr__: it must not hide the task's error
        return f"a {type(task).__name__} that cannot be shown"


def map_few(
    work: Callable[[Any], Any], tasks: Sequence[Any], workers: int
) -> list[tuple[Any, Any]]:
    """Return (task, work(task)) for each of a few tasks, as they are done.

    What map_threads does, for a slide: all tasks are taken at once, all are
    waited for, and one that fails has its exception for a result.

    >>> sorted(map_few(abs, [-1, 2, -3], workers=2))
    [(-3, 3), (-1, 1), (2, 2)]
    """
    todo: queue.Queue[Any] = queue.Queue()
    done: queue.Queue[Any] = queue.Queue()
    for task in [*tasks, *[STOP] * workers]:
        todo.put(task)

    def serve() -> None:
        while (task := todo.get()) is not STOP:
            try:
                done.put((task, work(task)))
            except BaseException as error:  # or nobody would hear of it
                done.put((task, error))

    for _ in range(workers):
        threading.Thread(target=serve).start()
    return [done.get() for _ in tasks]
