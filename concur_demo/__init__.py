"""Lessons on threads and processes that measure their own claims.

``python -m concur_demo`` runs every lesson briefly; each also runs alone,
as ``python -m concur_demo.primes_pool``. The lessons, in teaching order:
copy_threads, titles_threads, primes_threads, primes_pool, hello_pipe.
"""

import os
import signal
import sys

__version__ = "1.0.0"

if sys.version_info < (3, 11):
    sys.exit("concur_demo needs Python 3.11 or later, not "
             + sys.version.split()[0])
if sys.argv[:1] == ["-m"]:
    # This is the start of a command, and its imports take a moment. Until
    # it takes care of Ctrl-C itself, that ends it without a traceback, and
    # another at once, as there is nothing to tidy up.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
