"""Threads and shared memory.

Claim: Threads share memory: without a lock updates can get lost, with one
    none do.
Notice: A thread that is stopped between reading and writing then writes what
    is out of date: what others have added meanwhile is lost. Under the GIL,
    counter += 1 may lose nothing, but that is luck, and no promise.
Try: Let each task count in a variable of its own, and add that to counter
    once, in the end. How many updates can get lost now?
"""
import queue
import threading
import time

UPDATES = 2_000_000

counter = 0
lock = threading.Lock()


def plus_one(number):
    return number + 1


def add_at_once(updates):
    global counter
    for _ in range(updates):
        counter += 1  # that, too, reads, adds and writes


def add_by_call(updates):
    global counter
    for _ in range(updates):
        counter = plus_one(counter)  # a call between reading and writing


def add_with_lock(updates):
    global counter
    for _ in range(updates):
        with lock:
            counter = plus_one(counter)


def map_threads(work, tasks, workers):
    """Yield (task, work(task)) as that many threads get them done."""
    todo, done, tasks = queue.Queue(), queue.Queue(), list(tasks)
    for task in tasks + [None] * workers:  # None: the end
        todo.put(task)

    def serve():
        while (task := todo.get()) is not None:
            try:
                done.put((task, work(task)))
            except BaseException as error:  # else we would wait for ever
                done.put(error)

    for _ in range(workers):
        threading.Thread(target=serve, daemon=True).start()
    for _ in tasks:
        if isinstance(pair := done.get(), BaseException):
            raise pair
        yield pair


def main():
    global counter
    for add in add_at_once, add_by_call, add_with_lock:
        for workers in 1, 2:
            counter = 0
            start = time.perf_counter()
            list(map_threads(add, [UPDATES // 4] * 4, workers))
            seconds = time.perf_counter() - start
            print(f"{add.__name__}: {UPDATES - counter} of {UPDATES} lost, "
                  f"threads: {workers}, seconds: {seconds:.2f}")


if __name__ == "__main__":
    if __package__:  # python -m concur_demo.counter_threads: measured
        from ._run import main
    main()
