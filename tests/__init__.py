"""The tests: python -m unittest."""

import signal

# A job in the background of a script, as CI may be, ignores Ctrl-C, and so
# would all that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
