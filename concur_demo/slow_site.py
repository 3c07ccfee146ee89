"""A web site on this machine that answers slowly.

It stands in for the network, so that titles_threads needs none.

    python -m concur_demo.slow_site --delay 0.2 --port 8000
"""

import argparse
import contextlib
import http.server
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>Served {delay:g} seconds late.</p></body>
</html>
"""


class SlowSite(http.server.ThreadingHTTPServer):
    """A server of pages with titles, each `delay` seconds late.

    The page at /7 has the title "Page 7 of a slow site", and so on.
    """

    request_queue_size = 1024  # many clients may knock at the same moment
    timeout = 0.05  # seconds, after which to look whether it is closing

    def __init__(self, delay: float, port: int = 0) -> None:
        self.delay = delay
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", port), SlowPage)

    def serve(self) -> None:
        """Answer requests until the site is closing."""
        # Not serve_forever: its shutdown() waits for ever where Ctrl-C came
        # before it had begun.
        while not self.closing.is_set():
            self.handle_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that has gone before its answer came."""


class SlowPage(http.server.BaseHTTPRequestHandler):
    """The answer to one request."""

    server: SlowSite
    timeout = 10.0  # seconds, for a client that connects and asks nothing

    def do_GET(self) -> None:
        if self.server.closing.wait(self.server.delay):
            return
        number = self.path.strip("/")
        title = (f"Page {number} of a slow site" if number.isdecimal()
                 else "A slow site")
        body = PAGE.format(title=title, delay=self.server.delay).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the lessons have their own output."""


@contextlib.contextmanager
def slow_site(delay: float = 0.2, port: int = 0) -> Iterator[str]:
    """Run the site in a thread meanwhile; yield its address, to which the
    number of a page is added.

    `delay` is in seconds; port 0 takes any free port. Raises OSError if
    the port is taken.

    >>> import urllib.request
    >>> with slow_site(delay=0.01) as url:
    ...     page = urllib.request.urlopen(url + "7").read().decode()
    >>> "<title>Page 7 of a slow site</title>" in page
    True
    """
    with SlowSite(delay, port) as site:
        thread = threading.Thread(target=site.serve, daemon=True)
        try:
            thread.start()
            yield f"http://127.0.0.1:{site.server_port}/"
        finally:
            site.closing.set()
            if thread.is_alive():
                thread.join()


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that says what is wrong in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.color = False  # of the help, from Python 3.14 on

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; return the exit status."""
    parser = Parser(
        prog="slow_site", usage="python -m concur_demo.slow_site [options]",
        description="A web site that answers slowly.",
        epilog="Example: python -m concur_demo.slow_site --delay 1")
    parser.add_argument("--delay", type=float, default=0.2, metavar="SECONDS",
                        help="how late every page is (default 0.2)")
    parser.add_argument("--port", type=int, default=8000,
                        help="where to listen (default 8000; 0: any free)")
    options = parser.parse_args(argv)
    if not 0 <= options.delay < threading.TIMEOUT_MAX:
        parser.error(f"--delay {options.delay}: give 0 or more seconds")
    if not 0 <= options.port <= 65535:
        parser.error(f"--port {options.port}: give 0 to 65535")
    place = f"port {options.port}"
    try:
        with slow_site(options.delay, options.port) as url:
            place = "standard output"
            print(f"Serving {url}1, {url}2 and so on, each "
                  f"{options.delay:g} s late. Ctrl-C ends it.", flush=True)
            while True:  # a single wait might miss a Ctrl-C at its start
                time.sleep(1)
    except OSError as error:
        print(f"slow_site: {place}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    # Also where a script starts it in the background, to ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to end
    sys.exit(status)
