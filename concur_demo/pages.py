"""Fetch a web page and read its title: the network I/O of the lessons.

fetch_title(url) is the whole task. Below it, in reading order: which
addresses are fetched, how all of a fetch shares one deadline, and how the
bytes of a page arrive. What they say is the matter of page_title.
"""

import base64
import contextlib
import functools
import http.client
import io
import ipaddress
import queue
import re
import socket
import ssl
import string
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import (HTTPHandler, HTTPSHandler, OpenerDirector,
                            ProxyHandler, Request, UnknownHandler)

from .page_title import CONTROLS, decode, find_title, tidy

MAX_REDIRECTS = 20           # as many as browsers follow
MAX_PAGE = 16 * 2**20        # bytes looked through for a title, unpacked
PIECE = 2**16                # bytes, the most that are read at once
SLICE = 2**12                # bytes, the most that are looked at at once


def fetch_title(url: str, timeout: float = 10.0) -> str:
    """Return the title of the web page at url, as a browser shows it.

    Character references are decoded, white space is folded, control
    characters are dropped. A page without a title gives "".

    timeout, in seconds, is for the whole fetch: the look-up of the host,
    connection, redirects and page.

    Raises OSError or ValueError, with a message for the user in one
    line, when there is no page to read: no answer, an HTTP error, not
    a web page, not an address that can be fetched.
    """
    deadline = Deadline(timeout)
    try:
        with open_page(url, deadline) as response:
            title = read_title(response, deadline)
            if not title and response.headers.defects:
                # After a line that is no header, http.client takes the rest
                # for no headers either, such as that the page is packed.
                raise OSError("the answer's headers are not valid HTTP")
            return title
    except (OSError, http.client.HTTPException) as error:
        raise plain_error(error, deadline) from None


def read_title(response: http.client.HTTPResponse,
               deadline: "Deadline") -> str:
    """Return the title of the page in response, read no further."""
    if not 200 <= response.status < 300:
        raise OSError(status_line(response))
    if response.length == 0:
        return ""
    deadline.awaited = "title"
    content_type = response.headers.get_all("Content-Type", [""])[-1]
    kind = re.split(r"[;,\s]", content_type.strip())[0].lower()
    if kind not in PAGE_TYPES:
        raise ValueError(f"not a web page but {token(kind)}")
    codings = ",".join(response.headers.get_all("Content-Encoding", []))
    pieces = unpack(read_pieces(response), codings.lower())
    return find_title(decode(limit(pieces, deadline), content_type),
                      xhtml=kind == "application/xhtml+xml")


# The last ones tell nothing; then browsers look at the page itself:
# https://mimesniff.spec.whatwg.org/#mime-type-sniffing-algorithm
PAGE_TYPES = ("text/html", "application/xhtml+xml",
              "", "*/*", "unknown/unknown", "application/unknown")


def status_line(response: http.client.HTTPResponse) -> str:
    """Return what the server answered, such as "HTTP 404 Not Found"."""
    reason = (tidy(response.reason or "")[:80]
              or http.client.responses.get(response.status, ""))
    return f"HTTP {response.status} {reason}".strip()


def token(text: str) -> str:
    """Return a word of a header as it may be shown; it should be ASCII."""
    return re.sub("[^ -~]+", "?", text)[:80]


def plain_error(error: Exception, deadline: "Deadline") -> OSError:
    """Return what went wrong with a fetch, in one line for the user."""
    # urllib wraps what went wrong in an error of its own
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return TimeoutError(f"no {deadline.awaited} within "
                            f"{deadline.seconds:g} s")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return OSError("the certificate does not verify: "
                       + tidy(cause.verify_message))
    if isinstance(cause, ssl.SSLError):
        reason = tidy(cause.reason or "no reason given").lower()
        return OSError(f"no secure connection: {reason.replace('_', ' ')}")
    if isinstance(cause, socket.gaierror):
        return OSError(f"unknown host ({tidy(cause.strerror or '')})")
    if isinstance(cause, ConnectionRefusedError):
        return ConnectionRefusedError("connection refused")
    if isinstance(cause, ConnectionError):
        return ConnectionError("the server broke the connection")
    if isinstance(cause, http.client.IncompleteRead):
        return OSError("the page ends half-way")
    if (isinstance(cause, http.client.LineTooLong)
            or type(cause) is http.client.HTTPException):
        return OSError("the answer has more headers or longer lines than "
                       "allowed")
    if isinstance(cause, http.client.InvalidURL):
        return OSError("the proxy's address cannot be used (see http_proxy)")
    if isinstance(cause, http.client.HTTPException):
        return OSError("the answer is not valid HTTP")
    return OSError(tidy(getattr(cause, "strerror", "") or str(cause)))


# Addresses ----------------------------------------------------------

# The user and password of an address that can be fetched.
LOGIN = re.compile(r"^([^/]*//)[^/?#]*@")
# What surely holds no password, of an address that may be mistyped.
START = re.compile(
    r"\s*(?:https?:|[a-z][a-z0-9+.-]*:(?=[/\\]))?[/\\]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """Return the address as it may be shown: no user, no password.

    >>> without_password("https://me:secret@example.org/@you")
    'https://example.org/@you'
    """
    try:
        parse_address(url)
        return LOGIN.sub(r"\1", url)
    except ValueError:
        found = START.match(url)
        start = found.end() if found else 0
        # The others are taken for an @ too, where there should be none.
        at = max(url.rfind(sign) for sign in "@\ufe6b\uff20")
        login = url[start:max(at, start)]
        mistyped = ":" in login or "/" not in login  # if not a path's @
        return url[:start] + url[at + 1:] if at >= start and mistyped else url


def parse_address(url: str) -> tuple[str, str, str]:
    """Return origin, path and login of url, or raise ValueError.

    >>> parse_address("http://me:secret@example.org/a page")
    ('http://example.org', '/a%20page', 'bWU6c2VjcmV0')
    """
    url = url.strip(" \t\r\n")
    if CONTROLS.search(url) or re.search(r"[\t\r\n\f]", url):
        raise ValueError("the address has control characters in it")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.netloc.rpartition("@")[2]
        if "[" in host and not re.fullmatch(
                rf"\[{IPV6}\](:[0-9]*)?", host, re.I):
            raise ValueError
    except ValueError:
        raise ValueError("not a valid address: look at its host and port"
                         ) from None
    if parts.scheme not in ("http", "https"):
        if re.match(r"[a-z][a-z0-9+-]*:(//|[^0-9@]*$|\D[^@]*$)", url, re.I):
            raise ValueError("only http and https addresses can be "
                             f"fetched, not {parts.scheme[:80]}:")
        raise ValueError("an address begins with http:// or https://")
    origin = f"{parts.scheme}://{host_name(parts.hostname or '')}"
    if port is not None:
        origin += f":{port}"
    path = quote(parts.path or "/", safe=string.punctuation)
    if parts.query:
        path += "?" + quote(parts.query, safe=string.punctuation)
    login = ""
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = base64.b64encode(user.encode()).decode()
    return origin, path, login


IPV6 = r"[0-9a-f]*:[0-9a-f.:]*"


def host_name(host: str) -> str:
    """Return the name of a host as sent: ASCII (by IDNA 2003, as Python has
    it), and IPv6 in brackets."""
    if re.fullmatch(IPV6, host, re.I):
        return f"[{host}]"
    try:
        name = unquote(host)[:1000].encode("idna").decode()
    except UnicodeError:
        name = ""
    if not re.fullmatch(r"[a-z0-9_.~!$&'()*+,;=-]{1,255}", name, re.I):
        raise ValueError("the address has no valid host name")
    return name


# One deadline for a whole fetch --------------------------------------

class Deadline:
    """The moment when something that may take some seconds must end."""

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError("the time-out must be more than 0 seconds")
        self.seconds = seconds
        self.awaited = "answer"
        self.end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, or raise TimeoutError."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError("time is up")
        return min(left, 86400.0)    # a socket refuses 1e10 s and more


class PageRequest(Request):
    """A request that knows when its answer must be there."""

    def __init__(self, url: str, deadline: Deadline) -> None:
        super().__init__(url, headers={
            "Accept": "text/html,application/xhtml+xml,*/*;q=0.1",
            "User-Agent": "Mozilla/5.0 (compatible; concur_demo)"})
        self.deadline = deadline


def open_page(url: str, deadline: Deadline) -> http.client.HTTPResponse:
    """Return the answer for url, after all redirects, to be closed."""
    logins = {}     # a password is for one site only
    for _ in range(MAX_REDIRECTS + 1):
        origin, path, login = parse_address(url)
        if login:
            logins[origin] = login
        request = PageRequest(origin + path, deadline)
        if origin in logins:
            request.add_header("Authorization", f"Basic {logins[origin]}")
        response: http.client.HTTPResponse = opener().open(
            request, timeout=deadline.left())
        target = response.headers.get("Location")
        if response.status not in (301, 302, 303, 307, 308) or not target:
            return response
        response.close()
        url = redirected(request.full_url, target)
    raise OSError(f"redirected {MAX_REDIRECTS} times without an end")


def redirected(url: str, target: str) -> str:
    """Return where the header "Location: target" leads from url."""
    # http.client takes the header's bytes for Latin-1, and leaves it the
    # white space around them and, as browsers do not, that within
    target = re.sub("[\t\r\n]", "", target).strip(" ")
    target = quote(target, string.punctuation, encoding="latin-1")
    try:
        with contextlib.suppress(ValueError):   # parse_address says why
            target = urljoin(url, target)
        parse_address(target)
    except ValueError as error:
        raise ValueError(f"redirected, but {error}") from None
    return target


@functools.cache
def opener() -> OpenerDirector:
    """Return what opens addresses, as urlopen does: http and https only."""
    director = OpenerDirector()
    for handler in (Proxies(), HttpHandler(), HttpsHandler(),
                    UnknownHandler()):
        director.add_handler(handler)
    return director


class Proxies(ProxyHandler):
    """The proxies of the environment, but none to this machine itself."""

    def proxy_open(self, req: Request, proxy: str, type: str) -> Any:
        if re.match(r"(localhost|127\.[0-9.]+|\[::1\])(:|$)", req.host):
            return None
        try:
            parse_address(proxy if "://" in proxy
                          else "http://" + proxy.lstrip("/"))
            return super().proxy_open(req, proxy, type)
        except ValueError:  # whose message may have its password
            raise http.client.InvalidURL from None


class HttpHandler(HTTPHandler):
    """Opens http: addresses within their deadline."""

    def http_open(self, request: Request) -> Any:
        assert isinstance(request, PageRequest)
        return self.do_open(functools.partial(
            HttpConnection, deadline=request.deadline), request)


class HttpsHandler(HTTPSHandler):
    """Opens https: addresses within their deadline."""

    def __init__(self) -> None:
        # not used, but HTTPSHandler would make one that takes long
        super().__init__(context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.lock = threading.Lock()
        self.context: ssl.SSLContext | None = None

    def https_open(self, request: Request) -> Any:
        assert isinstance(request, PageRequest)
        with self.lock:    # one for all: it reads every root certificate
            if self.context is None:
                self.context = ssl.create_default_context()
                self.context.set_alpn_protocols(["http/1.1"])
        return self.do_open(functools.partial(
            HttpsConnection, deadline=request.deadline,
            context=self.context), request)


class HttpConnection(http.client.HTTPConnection):
    """A connection on which every wait ends at the deadline.

    http.client waits up to its time-out for each address of the host
    and again for each piece of the answer, however small.
    """

    def __init__(self, host: str, *, deadline: Deadline,
                 **options: Any) -> None:
        super().__init__(host, **options)
        self.response_class = functools.partial(    # type: ignore
            TimedResponse, deadline=deadline)
        # No public name leads to where http.client connects.
        self._create_connection = functools.partial(
            connect, deadline=deadline)


class HttpsConnection(HttpConnection, http.client.HTTPSConnection):
    """The same, encrypted."""


def connect(address: tuple[str, int], *_: object,
            deadline: Deadline) -> socket.socket:
    """Return a socket connected to the host and port in address."""
    found = look_up(address, deadline)
    for left in range(len(found), 0, -1):
        try:
            return connect_to(found[-left], deadline, shares=left)
        except OSError:
            if left == 1:
                raise
    raise OSError("the host has no address")


def look_up(address: tuple[str, int], deadline: Deadline) -> list[Any]:
    """Return what getaddrinfo() tells of a host and port.

    It has no time-out. Only on a thread can it be left to itself. A host
    given by its number is not asked for anywhere, and needs none.
    """
    find = functools.partial(
        socket.getaddrinfo, *address, type=socket.SOCK_STREAM)
    try:
        ipaddress.ip_address(address[0])
    except ValueError:
        pass
    else:
        return find()
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(find())
        except Exception as error:
            answers.put(error)

    try:
        threading.Thread(target=ask, daemon=True).start()
    except RuntimeError as error:
        raise OSError(f"the host cannot be looked up: {error}") from None
    try:
        answer = answers.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError("time is up") from None
    if isinstance(answer, Exception):
        raise answer
    found: list[Any] = answer
    return found


def connect_to(info: Any, deadline: Deadline, shares: int) -> socket.socket:
    """Return a socket connected to one of the addresses of a host."""
    family, kind, protocol, _name, place = info
    link = socket.socket(family, kind, protocol)
    try:
        # so that a dead address leaves time for those after it
        link.settimeout(deadline.left() / shares)
        link.connect(place)
        link.settimeout(deadline.left())
    except OSError:
        link.close()
        raise
    return link


class TimedResponse(http.client.HTTPResponse):
    """An answer that is read from its socket until the deadline."""

    def __init__(self, sock: socket.socket, *args: Any,
                 deadline: Deadline, **options: Any) -> None:
        stream = TimedStream(sock, deadline)
        super().__init__(stream, *args, **options)  # type: ignore

    def begin(self, **options: Any) -> None:
        """Read the answer's head; http.client skips no more than 100."""
        super().begin(**options)
        while 100 <= self.status < 200 and self.status != 101:
            self.headers = None     # type: ignore
            super().begin(**options)


class TimedStream(io.RawIOBase):
    """The bytes that come from a socket, until the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.sock = sock
        self.deadline = deadline
        self.stream = sock.makefile("rb", buffering=0)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what http.client reads the answer from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.sock.settimeout(self.deadline.left())
        return self.stream.readinto(buffer)

    def close(self) -> None:
        self.stream.close()
        super().close()


# The bytes of a page --------------------------------------------------

def read_pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the body as it arrives: small pieces, then larger ones."""
    size = PIECE // 8
    while piece := response.read1(size):
        yield piece
        size = min(2 * size, PIECE)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)


# All of https://www.iana.org/assignments/http-parameters/ that web pages are
# packed as. Browsers ignore others, such as "utf-8", which some send.
CODINGS = ("gzip", "x-gzip", "deflate", "compress", "x-compress", "br",
           "zstd", "dcb", "dcz")


def unpack(pieces: Iterable[bytes], codings: str) -> Iterator[bytes]:
    """Yield the body without its Content-Encoding, a little at a time."""
    coding = ", ".join(
        one for one in re.split(r"[,\s]+", codings) if one in CODINGS)
    if not coding:
        yield from pieces
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"the page is packed as {coding}, which cannot be "
                         "read here")
    unpacker, ended = None, False
    for piece in pieces:
        while piece:
            if unpacker is None:
                if ended and not piece.startswith(b"\x1f"):
                    return  # only another gzip file is of the page as well
                # "deflate" means zlib, but some send it without its header
                bare = coding == "deflate" and piece[0] & 15 != 8
                unpacker = zlib.decompressobj(-15 if bare else 47)
            try:
                yield unpacker.decompress(piece, PIECE)
            except zlib.error:
                raise OSError("the page is packed wrongly") from None
            piece = unpacker.unconsumed_tail
            if unpacker.eof:
                piece, unpacker, ended = unpacker.unused_data, None, True
    if unpacker is not None:
        yield unpacker.flush()
        if not unpacker.eof:
            raise http.client.IncompleteRead(b"")


def limit(pieces: Iterable[bytes], deadline: Deadline) -> Iterator[bytes]:
    """Yield the pieces, in small ones, as there is time for little more
    than one that is hard to parse; and not too many."""
    seen = 0
    for piece in pieces:
        seen += len(piece)
        if seen > MAX_PAGE:
            raise ValueError(f"no title in the first {MAX_PAGE >> 20} MiB")
        for start in range(0, len(piece), SLICE):
            deadline.left()
            yield piece[start:start + SLICE]
