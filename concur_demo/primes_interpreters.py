"""CPU-bound work on interpreters.

Claim: Interpreters of one process use all cores: each has a GIL of its own.
Notice: There is one process, and each interpreter runs on a thread of it. They
    share no objects: a queue copies what goes through, as between processes.
Try: Print os.getpid() in sum_primes. How many pids here, and in primes_pool?
"""
import math
import threading
import time

LIMITS = 1_000_000, 2_000_000, 3_000_000
PIECE = 100_000  # numbers


def is_prime(n):
    """Tell whether n is prime, by trial division with 2, 3, 6k - 1, 6k + 1."""
    if n < 4:
        return n > 1
    if n % 2 == 0 or n % 3 == 0:
        return False
    for divisor in range(5, math.isqrt(n) + 1, 6):
        if n % divisor == 0 or n % (divisor + 2) == 0:
            return False
    return True


def sum_primes(numbers):
    """Return the sum of those numbers that are prime."""
    return sum(filter(is_prime, numbers))


def serve(work, todo, done):
    """Be a worker: do tasks until one is None."""
    while (task := todo.get()) is not None:
        try:
            done.put((task, work(task)))
        except BaseException as error:  # else we would wait for ever
            done.put(error)


def map_interpreters(work, tasks, workers):
    """Yield (task, work(task)) as that many interpreters get them done."""
    from concurrent import interpreters  # needs Python 3.14 or later
    todo, done = interpreters.create_queue(), interpreters.create_queue()
    tasks = list(tasks)
    for task in tasks + [None] * workers:  # None: the end
        todo.put(task)
    # What an interpreter has sent is lost when nobody holds it any more.
    crew = [interpreters.create() for _ in range(workers)]
    # Daemons, unlike those of call_in_thread(): else Ctrl-C would wait.
    threads = [threading.Thread(target=one.call, daemon=True, args=(
        serve, work, todo, done)) for one in crew]
    for thread in threads:
        thread.start()
    for _ in tasks:
        if isinstance(pair := done.get(), BaseException):
            raise pair
        yield pair
    for thread in threads:
        thread.join()


def main():
    for workers in 1, 2:
        start = time.perf_counter()
        for limit in LIMITS:
            pieces = [range(first, min(first + PIECE, limit + 1))
                      for first in range(1, limit + 1, PIECE)]
            sums = dict(map_interpreters(sum_primes, pieces, workers))
            print("primes up to", limit, "add up to", sum(sums.values()))
        seconds = time.perf_counter() - start
        print(f"interpreters: {workers}, seconds: {seconds:.2f}")


if __name__ == "__main__":
    assert "__file__" in dir(), "save this to a file: interpreters import it"
    if __package__:  # python -m concur_demo.primes_interpreters: measured
        from ._run import main
    main()
