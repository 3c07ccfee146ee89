"""What a lesson that fetches pages is not troubled with: addresses as people
write them, a limit for all of a page, and answers that are no page."""

import base64
import codecs
import contextlib
import queue
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ._measure import Span, Traced

AGENT = {"User-Agent": "Mozilla/5.0 (compatible; concur_demo)"}
THIS_MACHINE = r"(?i)(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$"
PAGE_TYPES = ("text/html", "application/xhtml+xml")


def without_password(url: str) -> str:
    """Return an address, even a mistyped one, as it may be shown."""
    url = re.sub(r"(?<=//)[^/?#]*[@\uff20\ufe6b]", "", url, count=1)
    if re.match(r"https?://[\w.-]+(:\d+)?(/|$)", url):
        return url
    return re.sub(r"(?s)^(https?:/*)?.*:.*[@\uff20\ufe6b]", r"\1", url)


def request_for(url: str) -> urllib.request.Request:
    """Return the request for an address as a person may write it; raise
    ValueError if it is none of a web page."""
    try:
        parts = urlsplit(url)
        login, _, place = parts.netloc.rpartition("@")
        place = place.encode("idna").decode()
        if parts.scheme not in ("http", "https") or not place or (
                parts.port == 0):
            raise ValueError
    except ValueError:  # its own message may hold a password
        raise ValueError("not an address such as https://example.org/"
                         ) from None
    path = quote(urlunsplit(("", "", parts.path, parts.query, "")),
                 safe="%/:=&?~#+!$,;'@()*[]")
    request = urllib.request.Request(
        f"{parts.scheme}://{place}{path}", headers=AGENT)
    if login:
        code = base64.b64encode(unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {code}")
    return request


def limited(work: Traced, seconds: float) -> Callable[[str], Any]:
    """Return the work on a page so that it is given up after so long: the
    time-out of a socket is for each wait, and a drip of bytes has many."""
    def within(url: str) -> Any:
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        start, worker = time.perf_counter(), threading.current_thread().name
        threading.Thread(target=lambda: done.put(work(url)),
                         name=worker, daemon=True).start()
        try:
            return done.get(timeout=seconds)
        except queue.Empty:
            return None, Span(
                work.name(url), worker, start, seconds, 0.0,
                f"no page within {seconds:g} seconds")
    return within


class Answers(urllib.request.HTTPErrorProcessor):
    """Follows redirects, and refuses what is not a web page; one in UTF-16,
    as its first bytes tell, is read as one in UTF-8."""

    def http_response(self, request: Any, response: Any) -> Any:
        """Return the page; raise OSError if this leads to none."""
        if 300 <= response.status < 400:
            response.read = bytes  # urllib reads it to an end that may not be
        try:
            response = super().http_response(request, response)
        except HTTPError as error:
            error.close()
            raise OSError(f"HTTP {error.code} {error.reason}") from None
        headers, trouble = response.headers, ""
        coding = headers.get("Content-Encoding", "identity")
        if coding != "identity":
            trouble = f"packed as {coding}, which nobody asked for"
        if "Content-Type" in headers and (
                headers.get_content_type() not in PAGE_TYPES):
            trouble = f"not a web page but {headers.get_content_type()}"
        if trouble:
            response.close()
            raise OSError(trouble)
        if response.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            response.read1 = codecs.EncodedFile(
                response, "utf-8", "utf-16", "replace").read
            del headers["Content-Type"]
            headers["Content-Type"] = "text/html; charset=utf-8"
        return response

    https_response = http_response


class Cookies(threading.local, CookieJar):
    """The cookies of one page, as each has a thread of its own, by limited():
    no page is faster for what another, or an earlier run, was given."""


class Proxies(urllib.request.ProxyHandler):
    """Knows, as browsers do, that no proxy leads to this machine."""

    def proxy_open(self, request: Any, *proxy: Any) -> Any:
        """Let the request go by the proxy, or return None."""
        if re.match(THIS_MACHINE, request.host):
            return None
        return super().proxy_open(request, *proxy)


@contextlib.contextmanager
def opener_installed() -> Iterator[None]:
    """Let urlopen() get Answers meanwhile, by Proxies if there are any."""
    before = getattr(urllib.request, "_opener", None)
    urllib.request.install_opener(
        urllib.request.build_opener(
            Answers, Proxies, urllib.request.HTTPCookieProcessor(Cookies())))
    try:
        yield
    finally:
        urllib.request.install_opener(before)
