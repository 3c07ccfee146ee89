"""A better algorithm, and more cores.

Claim: A better algorithm beats more cores: the sieve on one core is faster
    than trial division on all of them.
Notice: All give the same sum. Two cores save half the time at most, the sieve
    nearly all. It gains little on two cores: processes take time to start.
Try: Make LIMIT ten times as large: it takes a minute. Which of the three in
    main() will take about ten times as long, which more, and why?
"""
import itertools
import math
import multiprocessing
import time

LIMIT = 3_000_000
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


def sieve(numbers):
    """Return the same for a range: cross out multiples, add up the rest."""
    start, end = max(3, numbers[0] | 1), numbers[-1] + 1
    odd = range(start, end, 2)  # of the even numbers only 2 is prime
    prime = bytearray([1]) * len(odd)
    for divisor in filter(is_prime, range(3, math.isqrt(end - 1) + 1)):
        # The first odd multiple from start on; smaller ones are crossed out.
        first = max(divisor ** 2, start + (divisor - start) % (2 * divisor))
        multiples = range(first, end, 2 * divisor)
        prime[(first - start) // 2::divisor] = bytes(len(multiples))
    return sum(itertools.compress(odd, prime)) + 2 * (2 in numbers)


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


def main():
    for work, size, workers in [
            (sum_primes, PIECE, 2), (sieve, LIMIT, 1), (sieve, PIECE, 2)]:
        start = time.perf_counter()
        total = sum(map_pool(work, cut(LIMIT, size), workers))
        seconds = time.perf_counter() - start
        print("primes up to", LIMIT, "add up to", total)
        print(f"{work.__name__}, processes: {workers}, seconds: {seconds:.2f}")


if __name__ == "__main__":
    if multiprocessing.get_start_method() != "fork":
        assert "__file__" in dir(), "save this to a file: workers import it"
    if __package__:  # python -m concur_demo.primes_sieve: measured
        from ._run import main
    main()
