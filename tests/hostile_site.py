"""A web site on this machine that answers as the worst ones do."""

import contextlib
import functools
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from .support import TestCase

VISIT = 20.0  # seconds, after which even the worst page has an end

Page = bytes | Callable[[socket.socket, bytes], None]


def answer(body: bytes | str = b"", *headers: str, status: str = "200 OK",
           kind: str = "text/html; charset=utf-8") -> bytes:
    """Return a whole HTTP answer; kind is its Content-Type."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}",
             *[f"Content-Type: {kind}"] * bool(kind), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def redirect(target: str) -> bytes:
    """Return an answer that sends the visitor on."""
    return answer("", f"Location: {target}", status="302 Found")


def chunked(*chunks: bytes) -> bytes:
    """Return a page that comes in these pieces, which stay apart."""
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%s\r\n" % (len(chunk), chunk)
        for chunk in [*filter(None, chunks), b""])


def endless(first: bytes, again: bytes = b"", pause: float = 0.05) -> Page:
    """Return a page that sends the first, then the other without end."""
    def page(link: socket.socket, request: bytes) -> None:
        end = time.monotonic() + VISIT
        link.sendall(first)
        while time.monotonic() < end:
            link.sendall(again)
            time.sleep(pause)
    return page


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
BODY = OK + b"\r\n"
WORDS = b"all work and no play " * 500
HELLO = answer("<!DOCTYPE html><title>Hello</title><p>A page")
flood = functools.partial(endless, pause=0)
PAGES: dict[str, Page] = {
    "/hello": HELLO,
    "/silent": endless(b""),
    "/silent-headers": endless(OK),
    "/silent-body": endless(BODY),
    "/silent-title": endless(BODY + b"<title>Hello</title>"),
    "/drip-status": endless(b"HTTP/1.1 200 ", b"O"),
    "/drip-headers": endless(OK, b"X: 1\r\n", 0.2),
    "/drip-body": endless(BODY, b"<"),
    "/endless-status": flood(b"HTTP/1.1 200 ", WORDS),
    "/endless-header": flood(OK + b"X: ", WORDS),
    "/endless-headers": flood(OK, b"X: 1\r\n" * 500),
    "/endless-body": flood(BODY, b"<p>" + WORDS),
    "/endless-tag": flood(BODY + b"<p ", WORDS),
    "/endless-comment": flood(BODY + b"<!--", WORDS),
    "/endless-title": flood(BODY + b"<title>", WORDS),
    "/endless-redirect": flood(
        b"HTTP/1.1 302 Found\r\nLocation: /hello\r\n\r\n", WORDS),
    "/hung-up": b"",
}


class HostileSite(socketserver.ThreadingTCPServer):
    """Serves pages on a free port of this machine while it is open."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 100

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.address_family = (socket.AF_INET6 if ":" in host
                               else socket.AF_INET)
        super().__init__((host, 0), Visit)
        self.port = self.server_address[1]
        host = f"[{host}]" if ":" in host else host
        self.host = f"{host}:{self.port}"
        self.url = f"http://{self.host}"
        self.pages = dict(PAGES)

    def __enter__(self) -> "HostileSite":
        threading.Thread(target=self.serve_forever, args=[0.05],
                         daemon=True).start()
        return self

    def __exit__(self, *rest: Any) -> None:
        self.shutdown()
        self.server_close()


class Visit(socketserver.StreamRequestHandler):
    """One request to the site, to be answered one way or another."""

    server: HostileSite

    def handle(self) -> None:
        """Answer as the page at the path does."""
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            if not (line := self.rfile.readline()):
                return  # somebody who only knocked
            request += line
        path = request.split()[1].decode("latin-1").partition("?")[0]
        page = self.server.pages[path]
        with contextlib.suppress(OSError, threading.BrokenBarrierError):
            if callable(page):
                page(self.connection, request)
            else:
                self.connection.sendall(page)


class SiteTest(TestCase):
    """Tests with a site; no proxy stands between this machine and itself."""

    site: HostileSite

    @classmethod
    def setUpClass(cls) -> None:
        """Open the site for all tests of the class."""
        cls.site = cls.enterClassContext(HostileSite())
        cls.enterClassContext(mock.patch.dict(os.environ, no_proxy="*"))

    def page(self, page: Page, path: str = "/page") -> str:
        """Put a page on the site; return its address."""
        self.site.pages[path] = page
        return self.site.url + path
