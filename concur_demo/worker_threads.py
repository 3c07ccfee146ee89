"""Worker threads that take their tasks from one queue."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

# How many tasks may be taken ahead of the workers. Enough that no worker
# waits for the queue to be refilled; few enough to cost no memory.
AHEAD = 64

STOP = object()  # in place of a task: there are no more


def map_threads(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Generator[tuple[Task, Result], None, None]:
    """Yield (task, work(task)) for every task, in order of completion.

    This many threads do the work. At most workers + AHEAD tasks are taken
    and not yet yielded, so `tasks` may be endless. If work raises, the
    threads stop, each after the task it is at, and the exception reaches
    the caller with a note that names the task. If `tasks` raises, what was
    taken before is finished and yielded first. Closing the iterator stops
    the threads as well. Raises ValueError if workers is less than 1,
    RuntimeError if the system allows no more threads.

    >>> sorted(map_threads(abs, [-1, 2, -3], workers=2))
    [(-3, 3), (-1, 1), (2, 2)]
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    # SimpleQueue and not Queue: with tasks that do nothing, the locks of a
    # Queue, which is written in Python, take longer than all the rest.
    # in_completion_order keeps the bound that a Queue's maxsize would.
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threads: list[threading.Thread] = []

    def serve() -> None:
        while (task := inbox.get()) is not STOP:
            try:
                outbox.put((task, work(task), None))
            except BaseException as error:  # no task takes a thread down
                outbox.put((task, None, error))
        inbox.put(STOP)  # for the next thread

    def submit(task: Task) -> None:
        inbox.put(task)
        if len(threads) < workers:  # never more threads than tasks
            thread = threading.Thread(
                target=serve, name=f"thread {len(threads) + 1}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise RuntimeError(f"thread {len(threads) + 1} of {workers} "
                                   f"cannot start: {error}") from error
            threads.append(thread)

    def stop() -> None:
        with contextlib.suppress(queue.Empty):
            while True:  # drop what no thread has begun
                inbox.get_nowait()
        inbox.put(STOP)
        for thread in threads:
            thread.join()

    return in_completion_order(
        tasks, submit, outbox.get, outbox.empty, workers + AHEAD, stop)


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
    ends, stop() is called. Raises what the tasks raise, with a note.
    """
    trouble: list[Exception] = []
    under_way = 0
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
    if trouble:
        raise trouble[0]


def _result(
    task: Task, result: Result, error: BaseException | None
) -> tuple[Task, Result]:
    if error is not None:
        error.add_note(f"task: {task!r}")
        raise error
    return task, result


def _until_error(
    tasks: Iterable[Task], trouble: list[Exception]
) -> Iterator[Task]:
    """Yield the tasks; an error among them ends them, and is kept."""
    taken = 0
    try:
        for task in tasks:
            yield task
            taken += 1
    except Exception as error:
        after = f", after {task!r}" if taken else ""
        error.add_note(f"task {taken + 1} could not be taken{after}")
        trouble.append(error)
