"""A web site on this machine that answers as the worst ones do.

    with HostileSite() as site:
        fetch_title(site.url + "/endless-body")

PAGES says what is at each path; site.pages may be changed. Every
visit ends after VISIT seconds, or when the site closes.
"""

import base64
import gzip
import socket
import ssl
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

VISIT = 5.0     # seconds


def answer(body: bytes | str = b"", *headers: str, status: str = "200 OK",
           kind: str = "text/html", length: int | None = None) -> bytes:
    """A whole HTTP answer; length is what it says, not what it has."""
    body = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status}", *headers]
    if kind:
        head.append(f"Content-Type: {kind}")
    head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(head + ["", ""]).encode("latin-1") + body


def titled(text: str) -> str:
    """A page with this title."""
    return f"<!DOCTYPE html><title>{text}</title><p>A page"


class Visit:
    """One request to the site, to be answered one way or another."""

    def __init__(self, link: socket.socket, request: bytes) -> None:
        self.link = link
        self.request = request
        self.end = time.monotonic() + VISIT

    def send(self, data: bytes) -> bool:
        """Whether data was sent, and there is time for more."""
        try:
            self.link.sendall(data)
        except OSError:
            return False
        return time.monotonic() < self.end

    def wait(self) -> None:
        """Do nothing until the visitor goes away."""
        try:
            while time.monotonic() < self.end and self.link.recv(1024):
                pass
        except OSError:
            pass

    def reset(self) -> None:
        """Break the connection, as a crashed server does."""
        time.sleep(0.05)    # let the visitor read what was sent
        linger = struct.pack("HH" if hasattr(socket, "SO_EXCLUSIVEADDRUSE")
                             else "ii", 1, 0)
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.link.close()


Page = bytes | Callable[[Visit], None]


def endless(first: bytes, again: bytes) -> Page:
    """Sends first, and then again, again and again."""
    def page(visit: Visit) -> None:
        more = visit.send(first)
        while more:
            more = visit.send(again)
    return page


def stop_after(data: bytes) -> Page:
    """Sends data and falls silent."""
    def page(visit: Visit) -> None:
        visit.send(data)
        visit.wait()
    return page


def reset_after(data: bytes) -> Page:
    """Sends data and breaks the connection."""
    def page(visit: Visit) -> None:
        visit.send(data)
        visit.reset()
    return page


def drip(data: bytes, seconds: float = 0.05) -> Page:
    """Sends data byte by byte."""
    def page(visit: Visit) -> None:
        for i in range(len(data)):
            if not visit.send(data[i:i + 1]):
                break
            time.sleep(seconds)
    return page


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """An answer in chunks."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + body + end


def echo(visit: Visit) -> None:
    """A page that has the request in its title."""
    text = visit.request.decode("latin-1").replace("\r\n", " | ")
    visit.send(answer(titled(text.replace("<", "&lt;"))))


def login(visit: Visit) -> None:
    """A page for me, with the password secret."""
    allowed = base64.b64encode(b"me:secret")
    known = b"\r\nAuthorization: Basic " + allowed in visit.request
    visit.send(answer(titled("welcome" if known else "who are you?")))


def redirect(target: str, code: str = "302 Found") -> bytes:
    """An answer that sends the visitor to target."""
    return answer("", f"Location: {target}", status=code)


def bomb(size: int) -> bytes:
    """size bytes of nothing, packed, so a thousandth of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(2**20)
    packed = [packer.compress(zeros) for _ in range(size >> 20)]
    return b"".join(packed) + packer.flush()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
HELLO = titled("Hello")
BARE_DEFLATE = zlib.compressobj(wbits=-15)

PAGES: dict[str, Page] = {
    "/hello": answer(HELLO),
    "/silent": stop_after(b""),
    "/headers-then-silence": stop_after(OK + b"\r\n"),
    "/half-headers": stop_after(OK),
    "/title-then-silence": stop_after(
        OK[:-2] + b"; charset=utf-8\r\n\r\n" + HELLO.encode()),
    "/byte-by-byte": drip(answer(HELLO)),
    "/drip": drip(answer("<p>" * 1000)),
    "/endless-body": endless(OK + b"\r\n", b"<p>all work and no play" * 999),
    "/endless-tag": endless(OK + b"\r\n<p ", b"all work and no play" * 999),
    "/endless-title": endless(OK + b"\r\n<title>", b"all work " * 999),
    "/endless-comment": endless(OK + b"\r\n<!--", b"all work " * 999),
    "/endless-header": endless(OK + b"X: ", b"all work " * 999),
    "/endless-headers": endless(OK, b"X: all work and no play\r\n"),
    "/endless-status": endless(b"HTTP/1.1 ", b"200 " * 999),
    "/endless-continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "/endless-redirect": endless(
        b"HTTP/1.1 302 Found\r\nLocation: /hello\r\n\r\n", b"moved " * 999),
    "/late": answer("<p class='a b'>filler</p>\n" * 400_000 + HELLO),
    "/late-attribute": answer(f"<p data='{'>' * 10**7}'>" + HELLO),
    "/loop": redirect("/loop"),
    "/loop-1": redirect("/loop-2"),
    "/loop-2": redirect("/loop-1", "307 Temporary Redirect"),
    "/moved": redirect("/hello", "301 Moved Permanently"),
    "/see-other": redirect("hello", "303 See Other"),
    "/moved-for-good": redirect("//{host}/hello#x", "308 Permanent Redirect"),
    "/to-file": redirect("file:///etc/passwd"),
    "/to-ftp": redirect("ftp://127.0.0.1/"),
    "/to-data": redirect("data:text/html,<title>x</title>"),
    "/to-script": redirect("javascript:alert(1)"),
    "/to-nowhere": answer("", status="302 Found"),
    "/to-bad": redirect("http://[::1/"),
    "/to-unicode": redirect("/caf\xc3\xa9 au lait"),
    "/to-spaces": redirect(" /hello \t"),
    "/to-tabs": redirect("/he\tllo"),
    "/to-login": redirect("/login"),
    "/to-elsewhere": redirect("http://localhost:{port}/echo"),
    "/404": answer(titled("Oh no"), status="404 Not Found"),
    "/500": answer(titled("Oh no"), status="500 Internal Server Error"),
    "/599": answer(titled("Oh no"), status="599 \x1b[31mred\tlight"),
    "/204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "/empty": answer(""),
    "/empty-image": answer("", kind="image/png"),
    "/empty-chunks": chunked(),
    "/no-type": answer(HELLO, kind=""),
    "/xhtml": answer(HELLO, kind="Application/XHTML+XML; charset=utf-8"),
    "/xhtml-script": answer(
        '<head><script src="a.js"/>' + HELLO, kind="application/xhtml+xml"),
    "/two-types": answer(b"<title>\xe9", "Content-Type: image/png",
                         kind="text/html; charset=latin1"),
    "/any-type": answer(HELLO, kind="*/*"),
    "/no-semicolon": answer(HELLO, kind="text/html charset=utf-8"),
    "/interim": b"HTTP/1.1 104 Later\r\n\r\n" + answer(HELLO),
    "/early-hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 9
                    + answer(HELLO),
    "/endless-hints": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "/image": answer(b"\x89PNG\r\n", kind="image/png"),
    "/json": answer("{}", kind="application/json; charset=utf-8"),
    "/odd-type": answer("x", kind="\x1b]0;evil\x07/x"),
    "/gzip": answer(gzip.compress(HELLO.encode()), "Content-Encoding: gzip"),
    "/x-gzip": answer(gzip.compress(b"<p>") + gzip.compress(HELLO.encode()),
                      "Content-Encoding: X-GZIP"),
    "/gzip-chunks": chunked(
        gzip.compress(b"<p>"), gzip.compress(HELLO.encode()), b"more"
        ).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1),
    "/twice-packed": answer(gzip.compress(HELLO.encode()),
                            "Content-Encoding: identity",
                            "Content-Encoding: gzip"),
    "/deflate": answer(zlib.compress(HELLO.encode()),
                       "Content-Encoding: deflate"),
    "/bare-deflate": answer(
        BARE_DEFLATE.compress(HELLO.encode()) + BARE_DEFLATE.flush(),
        "Content-Encoding: deflate"),
    "/folded-gzip": answer(gzip.compress(HELLO.encode()),
                           "Content-Encoding:\r\n gzip"),
    "/packed-as-nothing": answer(HELLO, "Content-Encoding: utf-8"),
    "/gzip-after-junk": answer(gzip.compress(HELLO.encode()), "junk",
                               "Content-Encoding: gzip"),
    "/junk": answer(HELLO, "junk"),
    "/brotli": answer(b"\x0b\x02\x80", "Content-Encoding: br"),
    "/not-gzip": answer(HELLO, "Content-Encoding: gzip"),
    "/half-gzip": answer(gzip.compress(bytes(range(256)) * 9)[:99],
                         "Content-Encoding: gzip"),
    "/bomb": answer(bomb(2**26), "Content-Encoding: gzip"),
    "/reset": reset_after(b""),
    "/reset-in-headers": reset_after(OK),
    "/reset-in-body": reset_after(OK + b"\r\n<title>Hel"),
    "/reset-after-title": reset_after(OK + b"\r\n" + HELLO.encode()),
    "/short": answer("<p>and so", length=1000),
    "/short-after-title": answer(HELLO, length=10**30),
    "/short-chunk": chunked(b"<p>", end=b"ffff\r\n<p>"),
    "/no-chunk": chunked(b"<p>", end=b"all work\r\n"),
    "/negative-chunk": chunked(b"<p>", end=b"-5\r\n<p>" + HELLO.encode()),
    "/chunks": chunked(*(bytes([c]) for c in HELLO.encode())),
    "/close": b"",
    "/not-http": b"SSH-2.0-OpenSSH_9.9\r\n",
    "/binary": bytes(range(256)) * 9,
    "/old-http": b"<title>Hello</title>",
    "/echo": echo,
    "/login": login,
    "/caf%C3%A9%20au%20lait": answer(titled("caf\xe9 au lait")),
    "/control": answer(titled(
        "a\x1b]0;evil\x07b\tc\nd\x9b31m&#27;[1m&#9;e\x7f\u2028f")),
}


class HostileSite:
    """Serves pages on a free port of this machine while it is open.

    With secure=True over TLS, with a certificate that no one signed.
    """

    def __init__(self, secure: bool = False) -> None:
        self.pages = dict(PAGES)
        self.visits = 0
        self.context = unsigned_context() if secure else None
        self.scheme = "https" if secure else "http"

    def __enter__(self) -> "HostileSite":
        self.door = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self.door.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{self.scheme}://{self.host}"
        self.closing = False
        self.links: set[socket.socket] = set()
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.closing = True
        # a visit of our own, as closing a door wakes no one who waits at it
        socket.create_connection(self.door.getsockname(), 5).close()
        self.threads[0].join(VISIT)
        self.door.close()
        for link in list(self.links):
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(VISIT)

    def serve(self) -> None:
        """Let visitors in, each with a thread."""
        while True:
            link, _ = self.door.accept()
            if self.closing:
                link.close()
                return
            self.visits += 1
            self.links.add(link)
            self.threads = [t for t in self.threads if t.is_alive()]
            self.threads.append(threading.Thread(
                target=self.receive, args=(link,)))
            self.threads[-1].start()

    def receive(self, link: socket.socket) -> None:
        """Read a request and answer it."""
        outer = link
        try:
            link.settimeout(VISIT)
            if self.context:
                link = self.context.wrap_socket(link, server_side=True)
            request = b""
            while b"\r\n\r\n" not in request:
                piece = link.recv(65536)
                if not piece:
                    return
                request += piece
            path = request.split(b" ", 2)[1].decode("latin-1")
            page = self.pages.get(path, answer(status="404 Not Found"))
            if callable(page):
                page(Visit(link, request))
            else:
                link.sendall(page.replace(b"{host}", self.host.encode())
                             .replace(b"{port}", b"%d" % self.port))
        except OSError:
            pass
        finally:
            link.close()
            self.links.discard(outer)


def unsigned_context() -> ssl.SSLContext:
    """TLS with a certificate for localhost that no one signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "localhost.pem")
        path.write_text(CERTIFICATE)
        context.load_cert_chain(path)
    return context


# For tests only, valid until 2126. Made with:
# openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes
#     -days 36500 -subj /CN=localhost
#     -addext subjectAltName=DNS:localhost,IP:127.0.0.1
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgGI10VhwJmBIVPQkq
Rw9fBgxWKwdHoXWG1Pfzx/hWV0uhRANCAASW33bNQMZiznH1p4xjDL8ZpWErRtph
HoUC1hZkhDobdfirlmrXHmWlyrRx/KhGoawFFZ1YWvdk9uq/BKw8M/cb
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUM65TxkyjMg6dqKDxQLwIgQHZI/swCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzA5MjE0NVoYDzIxMjYxMDMw
MDkyMTQ1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASW33bNQMZiznH1p4xjDL8ZpWErRtphHoUC1hZkhDobdfirlmrXHmWl
yrRx/KhGoawFFZ1YWvdk9uq/BKw8M/cbo28wbTAdBgNVHQ4EFgQUX/6dgmW6PNcD
EeBTTeQDnmGltF0wHwYDVR0jBBgwFoAUX/6dgmW6PNcDEeBTTeQDnmGltF0wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAN+E64iYwnBxKPFG6Ied1KuIZqHqG97oQ+ZTMJad+rUKAiEA
+3UuI1YuchtkfUr38Th/1XvQRKw5OK706Wb2wB1KGvM=
-----END CERTIFICATE-----
"""
