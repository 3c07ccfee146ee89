"""Processes and memory.

Claim: A process has memory of its own; a Value is shared, and needs its lock.
Notice: Each child counts up a copy, and its parent's counter stays 0. A Value
    is shared, so updates get lost, as with threads, unless its lock is held.
Try: Set the global counter to 1000 in main(), print it in add_to_global, and
    run this by its path. What will it be under fork, and what under spawn?
"""
import functools
import multiprocessing
import time

UPDATES = 200_000
counter = 0


def add_to_global(value, updates):
    global counter
    for _ in range(updates):
        counter += 1


def add_to_value(value, updates):
    """Count up the shared value: read it, add one, and write it."""
    for _ in range(updates):
        value.value += 1


def add_to_locked(value, updates):
    """The same, but only one process at a time may read and write."""
    for _ in range(updates):
        with value.get_lock():
            value.value += 1


def serve(work, todo, done):
    """Be a worker: do tasks until one is None."""
    while (task := todo.get()) is not None:
        try:
            done.put((task, work(task)))
        except BaseException as error:  # else we would wait for ever
            done.put(error)


def map_processes(work, tasks, workers):
    """Yield (task, work(task)) as that many processes get them done."""
    todo, done = multiprocessing.Queue(), multiprocessing.Queue()
    tasks = list(tasks)
    for task in tasks + [None] * workers:  # None: the end
        todo.put(task)
    crew = [multiprocessing.Process(target=serve, args=(work, todo, done),
                                    daemon=True) for _ in range(workers)]
    for process in crew:
        process.start()
    for _ in tasks:
        if isinstance(pair := done.get(), BaseException):
            raise pair
        yield pair
    for process in crew:
        process.join()


def main():
    for add in add_to_global, add_to_value, add_to_locked:
        for workers in 1, 2:
            value = multiprocessing.Value("q", 0)
            work = functools.partial(add, value)
            start = time.perf_counter()
            list(map_processes(work, [UPDATES // 4] * 4, workers))
            seconds = time.perf_counter() - start
            print(f"{add.__name__}: counter {counter}, value {value.value}, "
                  f"processes: {workers}, seconds: {seconds:.2f}")


if __name__ == "__main__":
    if multiprocessing.get_start_method() != "fork":
        assert "__file__" in dir(), "save this to a file: workers import it"
    if __package__:  # python -m concur_demo.counter_processes: measured
        from ._run import main
    main()
