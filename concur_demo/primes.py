"""CPU-bound work: sums of primes, by trial division."""

import math
from collections.abc import Iterable


def is_prime(n: int) -> bool:
    """Return whether n is a prime number.

    Trial division: every prime above 3 is 6k - 1 or 6k + 1, so only such
    divisors are tried, up to the square root of n.

    >>> [n for n in range(30) if is_prime(n)]
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    """
    if n < 4:
        return n > 1
    if n % 2 == 0 or n % 3 == 0:
        return False
    for divisor in range(5, math.isqrt(n) + 1, 6):
        if n % divisor == 0 or n % (divisor + 2) == 0:
            return False
    return True


def sum_primes(numbers: Iterable[int]) -> int:
    """Return the sum of those numbers that are prime.

    >>> sum_primes(range(100))
    1060
    """
    return sum(filter(is_prime, numbers))


def sum_primes_up_to(limit: int) -> int:
    """Return the sum of the primes from 2 to the limit, itself included.

    >>> sum_primes_up_to(11)
    28
    """
    return sum_primes(range(limit + 1))
