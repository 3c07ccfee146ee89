"""CPU-bound work on processes that are fed by queues.

Claim: Processes fed by a multiprocessing.Queue use all cores, as a pool does.
Notice: The mechanism is that of primes_threads. But tasks and results are
    pickled on the way, so serve() cannot be an inner function. And a process
    has to be told to end, by None: else its parent would wait for it.
Try: Let sum_primes return a lambda (Ctrl-C ends it). What happens here, and
    what happens in primes_threads?
"""
import math
import multiprocessing
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
    for workers in 1, 2:
        start = time.perf_counter()
        for limit in LIMITS:
            pieces = [range(first, min(first + PIECE, limit + 1))
                      for first in range(1, limit + 1, PIECE)]
            sums = dict(map_processes(sum_primes, pieces, workers))
            print("primes up to", limit, "add up to", sum(sums.values()))
        seconds = time.perf_counter() - start
        print(f"processes: {workers}, seconds: {seconds:.2f}")


if __name__ == "__main__":
    if multiprocessing.get_start_method() != "fork":
        assert "__file__" in dir(), "save this to a file: workers import it"
    if __package__:  # python -m concur_demo.primes_queue: measured
        from ._run import main
    main()
