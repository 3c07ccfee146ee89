"""Lessons on threads and processes that measure their own claims.

``python -m concur_demo`` runs every lesson briefly; each also runs alone,
as ``python -m concur_demo.primes_pool``. The lessons, in teaching order:
copy_threads, titles_threads, primes_threads, primes_pool, hello_pipe.
"""

__version__ = "1.0.0"
