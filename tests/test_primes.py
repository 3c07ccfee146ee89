"""The sums of primes, against values that others have published."""

import random
import unittest

from concur_demo._measure import Run
from concur_demo._report import CANNOT_TELL, HOLDS
from concur_demo.primes import is_prime, sum_primes, sum_primes_up_to
from concur_demo.primes_pool import (
    equal_pieces, finish, sum_piece, whole_sums)
from concur_demo.primes_threads import judge
from concur_demo.worker_pool import map_pool


def sieve(limit: int) -> list[int]:
    """Return the primes up to the limit, by Eratosthenes' sieve."""
    prime = bytearray([0, 0]) + bytearray([1]) * (limit - 1)
    for n in range(2, limit + 1):
        if prime[n]:
            prime[n * n::n] = bytes(len(range(n * n, limit + 1, n)))
    return [n for n in range(limit + 1) if prime[n]]


class Primes(unittest.TestCase):

    def test_every_number_up_to_100_000(self) -> None:
        self.assertEqual(
            [n for n in range(100_001) if is_prime(n)], sieve(100_000))

    def test_none_below_two(self) -> None:
        self.assertFalse(any(map(is_prime, range(-1000, 2))))

    def test_squares_and_products_of_neighbours(self) -> None:
        primes = sieve(2000)
        for one, other in zip(primes, primes[1:]):
            self.assertFalse(is_prime(one * one), one)
            self.assertFalse(is_prime(one * other), one)

    def test_large_ones(self) -> None:
        # Mersenne's, the first above a million millions, and a composite
        # that fools Fermat's test: https://oeis.org/A000668, A002997
        self.assertTrue(is_prime(2**31 - 1))
        self.assertTrue(is_prime(10**12 + 39))
        self.assertFalse(is_prime(10**12 + 41))
        self.assertFalse(is_prime(825_265))

    def test_sums_of_any_iterable(self) -> None:
        numbers = list(range(-5, 2000))
        random.Random(3).shuffle(numbers)
        self.assertEqual(sum_primes(iter(numbers)), sum(sieve(1999)))
        self.assertEqual(sum_primes([7, 7, 8]), 14)
        self.assertEqual(sum_primes([]), 0)

    def test_the_limit_itself_counts(self) -> None:
        self.assertEqual([sum_primes_up_to(n) for n in range(8)],
                         [0, 0, 2, 5, 5, 10, 10, 17])


class Pieces(unittest.TestCase):

    def test_each_number_is_in_one_piece(self) -> None:
        for size in (1, 7, 100, 1000):
            pieces = equal_pieces([100, 31, 100, 1], size)
            for limit in (100, 31, 1):
                self.assertEqual(
                    sorted(n for piece in pieces if piece.limit == limit
                           for n in piece.numbers),
                    list(range(1, limit + 1)))
            self.assertLessEqual(
                max(len(piece.numbers) for piece in pieces), size)

    def test_the_largest_numbers_come_first(self) -> None:
        starts = [piece.numbers[0] for piece in equal_pieces([50, 80], 9)]
        self.assertEqual(starts, sorted(starts, reverse=True))

    def test_whole_sums_keep_their_order(self) -> None:
        self.assertEqual([piece.limit for piece in whole_sums([9, 3, 5, 3])],
                         [9, 3, 5])

    def test_the_cap_of_the_tutorial(self) -> None:
        # The three sums cost about n**1.5.
        cost = [n ** 1.5 for n in (1, 2, 3)]
        self.assertAlmostEqual(sum(cost) / max(cost), 1.74, 2)
        self.assertAlmostEqual(sum(cost) / finish(cost, 2), 1.46, 2)
        self.assertEqual(finish(cost, 3), max(cost))

    def test_the_sums_below_one_and_two_million(self) -> None:
        # https://oeis.org/A046731, and Project Euler's problem 10
        sums = list(map_pool(sum_piece, equal_pieces([2_000_000]), 2))
        first = [total for piece, total in sums
                 if piece.numbers[-1] <= 1_000_000]
        self.assertEqual(sum(first), 37_550_402_023)
        self.assertEqual(sum(total for _, total in sums), 142_913_828_922)


class WithoutTheGil(unittest.TestCase):

    def test_threads_that_are_no_faster_are_not_put_down_to_it(self) -> None:
        # One large sum, say, leaves the second thread without work.
        alone, best = Run("", 1, 4.0), Run("", 2, 4.1)
        self.assertEqual(judge(alone, best, gil=True).word, HOLDS)
        self.assertEqual(judge(alone, best, gil=False).word, CANNOT_TELL)


if __name__ == "__main__":
    unittest.main()
