"""File I/O on threads.

Claim: Threads overlap file I/O: two threads copy two files faster than one.
Notice: With two threads two copies are in flight. While the system copies
    a file, its thread has released the GIL, so the other one can run.
Try: Four files instead of two, on four threads. How much faster will that
    be than two threads, and what sets the limit: Python or the machine?
"""
import os
import queue
import shutil
import tempfile
import threading
import time

FILES = 2
SIZE = 100_000_000  # bytes of each file


def copy_file(paths):
    """Copy a file; paths are the pair (source, copy)."""
    source, copy = paths
    return shutil.copyfile(source, copy)


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


def make_files(folder, files, size):
    """Fill files with random bytes; return their paths."""
    block = os.urandom(1_000_000)
    paths = [os.path.join(folder, f"file-{i + 1}") for i in range(files)]
    for path in paths:
        with open(path, "wb") as file:
            for start in range(0, size, len(block)):
                file.write(block[:size - start])
    return paths


def main():
    with tempfile.TemporaryDirectory() as folder:
        tasks = [(path, path + ".copy")
                 for path in make_files(folder, FILES, SIZE)]
        for workers in 1, 2, 1, 2:  # the first run also warms the caches
            start = time.perf_counter()
            for (source, _), _ in map_threads(copy_file, tasks, workers):
                print("copied", source)
            seconds = time.perf_counter() - start
            print(f"threads: {workers}, seconds: {seconds:.3f}")
            for source, copy in tasks:
                os.remove(copy)  # the next run makes new files as well


if __name__ == "__main__":
    if __package__:  # python -m concur_demo.copy_threads: measured
        from ._run import main
    main()
