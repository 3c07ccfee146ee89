"""CPU-bound work on threads.

Claim: Threads make CPU-bound work no faster, because of the GIL.
Notice: Two sums are in flight, but one core is busy: the threads take
    turns at one GIL. On a free-threaded Python they do not have to.
Try: Run it with python3.13t or later, where there is no GIL. How much
    faster can two threads be there, if the largest sum is over half of
    the work?
"""
import math
import queue
import threading
import time

LIMITS = 1_000_000, 2_000_000, 3_000_000


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
    tasks = [range(1, limit + 1) for limit in LIMITS]
    for workers in 1, 2:
        start = time.perf_counter()
        for numbers, total in map_threads(sum_primes, tasks, workers):
            print("primes up to", numbers[-1], "add up to", total)
        seconds = time.perf_counter() - start
        print(f"threads: {workers}, seconds: {seconds:.2f}")


if __name__ == "__main__":
    if __package__:  # python -m concur_demo.primes_threads: measured
        from ._run import main
    main()
