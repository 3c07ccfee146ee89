"""The tests: python -m unittest."""

import atexit
import multiprocessing
import os
import signal
import sys
import tempfile

# A job in the background of a script, as CI may be, ignores Ctrl-C, and so
# would all that the tests start and interrupt. The workers of a pool, which
# import the tests for their work, are to go on ignoring it.
if (multiprocessing.parent_process() is None
        and signal.getsignal(signal.SIGINT) is signal.SIG_IGN):
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):  # so with nohup, and what a closed terminal does
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Where Python is told to keep no compiled modules, each of the processes that
# the tests start would compile them all anew. They get a place for them.
if os.environ.get("PYTHONDONTWRITEBYTECODE"):
    compiled = tempfile.TemporaryDirectory(prefix="compiled-tests-")
    atexit.register(compiled.cleanup)
    sys.pycache_prefix = compiled.name
    sys.dont_write_bytecode = False
    os.environ["PYTHONPYCACHEPREFIX"] = compiled.name
    os.environ["PYTHONDONTWRITEBYTECODE"] = ""
