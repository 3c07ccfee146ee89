"""The tests: python -m unittest."""

import multiprocessing
import signal

# A job in the background of a script, as CI may be, ignores Ctrl-C, and so
# would all that the tests start and interrupt. The workers of a pool, which
# import the tests for their work, are to go on ignoring it.
if (multiprocessing.parent_process() is None
        and signal.getsignal(signal.SIGINT) is signal.SIG_IGN):
    signal.signal(signal.SIGINT, signal.default_int_handler)
