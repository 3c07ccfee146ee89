"""CPU-bound work on a pool of processes.

Claim: Processes do CPU-bound work on all cores at once.
Notice: In equal pieces the sums keep all cores busy to the end. As three
    whole sums they cannot: the largest alone is over half of the work.
Try: Hand out the largest whole sum first (reverse LIMITS). How much faster
    will two processes be, and will a third one help?
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


def map_pool(work, tasks, workers, pool=multiprocessing.Pool, timeout=600):
    """Return work(task) for each task, in order, from so many processes;
    raise TimeoutError if that takes more than `timeout` seconds."""
    with pool(workers) as processes:
        results = processes.map_async(work, tasks, chunksize=1)
        # The result of a process that is killed never comes, and map() would
        # wait for it for ever (CPython issue 96062): so set a limit.
        return results.get(timeout)


def cut(limit, size):
    """Return the numbers up to the limit in pieces of that size."""
    return [range(start, min(start + size, limit + 1))
            for start in range(1, limit + 1, size)]


def add_up(jobs, sums):
    """Return the total of each job, whose pieces' sums come in order."""
    sums = iter(sums)
    return [sum(next(sums) for piece in job) for job in jobs]


def main():
    for shape, size in ("whole sums", max(LIMITS)), ("equal pieces", PIECE):
        jobs = [cut(limit, size) for limit in LIMITS]
        pieces = [piece for job in jobs for piece in job]
        for workers in 1, 2, 3:
            start = time.perf_counter()
            sums = map_pool(sum_primes, pieces, workers)
            seconds = time.perf_counter() - start
            print(f"{shape}, processes: {workers}, seconds: {seconds:.2f}")
        for limit, total in zip(LIMITS, add_up(jobs, sums)):
            print("primes up to", limit, "add up to", total)


if __name__ == "__main__":
    if multiprocessing.get_start_method() != "fork":
        assert "__file__" in dir(), "save this to a file: workers import it"
    if __package__:  # python -m concur_demo.primes_pool: measured
        from ._run import main
    main()
