"""fetch_title() on pages of every kind, and the slow site of the lesson."""

import concurrent.futures
import contextlib
import importlib
import socket
import sys
import threading
import unittest
from typing import Any
from unittest import mock

from .hostile_site import VISIT, SiteTest, answer, chunked
from .support import DEADLINE

lesson: Any = importlib.import_module("concur_demo.titles_threads")

# page: title, by https://html.spec.whatwg.org/multipage/parsing.html
TITLES = {
    "": "",
    "no tags at all": "",
    "<title></title>": "",
    "<!DOCTYPE html><html><head><TITLE>a</TiTlE>": "a",
    "<title\nid=x\tlang='>'>a</title >": "a",
    "<title>  a \r\n\t b\f </title>": "a b",
    # text, and no tags in it
    "<title><p></title>": "<p>",
    "<title>a</b</title>": "a</b",
    "<title>a<!--b</title>c-->": "a<!--b",
    "<title>a<title>b</title>c</title>": "a<title>b",
    "<title>a</titles>b</title>": "a</titles>b",
    "<title>&lt;p&gt; &eacute;&#65; &amp;amp;</title>": "<p> \u00e9A &amp;",
    "<title>a & b &lt &nosuch; &notit;</title>": "a & b < &nosuch; \u00acit;",
    # unclosed
    "<title>": "",
    "<title>a &amp; b": "a & b",
    "<title>a</title": "a</title",
    # the first, and what only looks like one
    "<title>a</title><title>b</title>": "a",
    "<title></title><title>b</title>": "",
    "</title><title>a</title>": "a",
    "<titles>a</titles><title>b</title>": "b",
    "<p title='<title>a</title>'><title>b</title>": "b",
    "<!--<title>a</title>--><title>b</title>": "b",
    "<!-- - > <title>a</title>": "",
    "<script>'<title>a</title>'</script><title>b</title>": "b",
    "<script>'</title>'</script><title>a</title>": "a",
    "<style><title>a</title></style><title>b</title>": "b",
    # where a title need not be, as in html5lib's tests
    "<body><table><tr><td><title>a</title>": "a",
    "<select><option><title>a</title></select>": "a",
    "</html><p <title>a</title><title>b</title>": "b",
    "a < b <<title>c</title>": "c",
    "<?xml version='1.0'?><title>a</title>": "a",
    "<math><mi><title>a</title></mi></math>": "a",
}
META = b"<meta charset=latin1>"
HTTP_EQUIV = (b"<META http-equiv='Content-Type' "
              b"content='text/html; charset=Shift_JIS'>")
# (page, Content-Type): title
CHARSETS = {
    (b"<title>\xc3\xa9", ""): "\u00e9",
    (b"<title>\xe9\x80", ""): "\u00e9\u20ac",
    (b"<title>\x81", ""): "\x81",  # which Windows-1252 does not have
    (b"<title>\xc3\xa9", 'text/html; CharSet="ISO-8859-1"'): "\u00c3\u00a9",
    (b"<title>\x83\x65\x95\x5c", "text/html; charset=Shift_JIS"):
        "\u30c6\u8868",
    (META + b"<title>\xc3\xa9", ""): "\u00c3\u00a9",
    (b"<META\nCharset = 'koi8-r'><title>\xd6", ""): "\u0436",
    (HTTP_EQUIV + b"<title>\x83\x65", ""): "\u30c6",
    (b"<title>\x83\x65</title>" + HTTP_EQUIV, ""): "\u30c6",
    (META + b"<title>\xc3\xa9", "text/html; charset=utf-8"): "\u00e9",
    # unknown, or a lie
    (b"<title>\xc3\xa9", "text/html; charset=nonsense"): "\u00e9",
    (b"<title>\xc3\xa9", "text/html; charset=rot13"): "\u00e9",
    (b"<title>\xe9", "text/html; charset=utf-8"): "\u00e9",
    (b"<meta charset=ascii>" + META + b"<title>\xc3\xa9", ""): "\u00c3\u00a9",
}


class FetchTitle(SiteTest):
    def title_of(self, page: bytes, kind: str = "text/html") -> object:
        return lesson.fetch_title(self.page(answer(page, kind=kind)))

    def test_titles(self) -> None:
        for page, title in TITLES.items():
            with self.subTest(page=page):
                self.assertEqual(self.title_of(page.encode()), title)

    def test_charsets(self) -> None:
        for (page, kind), title in CHARSETS.items():
            with self.subTest(page=page, kind=kind):
                self.assertEqual(self.title_of(page, kind), title)

    def test_a_number_too_large_for_int(self) -> None:
        with contextlib.suppress(ValueError):  # that is fair, but not None
            self.assertIsInstance(self.title_of(
                b"<title>&#" + b"9" * 5000 + b";</title>"), str)

    def test_a_page_of_unfinished_tags_takes_no_minutes(self) -> None:
        self.assertEqual("", self.title_of(  # quadratic, it would take hours
            b"<script>" + b"<meta " * 160_000))

    def test_split_anywhere(self) -> None:
        page = (b"<!-- > <title> --><script>'</title>'</script><p a='>'>"
                b"<title lang='>'>a &lt;</b &amp; \xc3\xa9</title><p>")
        pieces = [[page[:cut], page[cut:]] for cut in range(len(page))]
        pieces.append([bytes([byte]) for byte in page])
        for chunks in pieces:
            self.assertEqual("a <</b & \u00e9", lesson.fetch_title(
                self.page(chunked(*chunks))), chunks)

    def test_after_a_long_script(self) -> None:
        # From 3.14 on html.parser looks again at what it could not parse
        # only when that has doubled.
        page = b"<script>" + b"//" * 20_000 + b"</script><title>a</title>"
        self.assertEqual(self.title_of(page), "a")

    def test_no_more_is_read_than_the_title(self) -> None:
        # The site sends the title, then nothing, and does not hang up.
        url = self.site.url + "/silent-title"
        self.assertEqual(lesson.fetch_title(url), "Hello")

    def test_limit(self) -> None:
        late = b"<p>filler</p>" * 30_000 + b"<title>late</title>"
        self.assertEqual(self.title_of(late), "late")
        with mock.patch.object(lesson, "LIMIT", 100_000):
            self.assertEqual(self.title_of(late), "")
            for part in "body", "tag", "comment", "title":
                title = lesson.fetch_title(f"{self.site.url}/endless-{part}")
                self.assertEqual(
                    title[:9], "all work " if part == "title" else "")
                self.assertLess(len(title), 110_000)

    def test_time_out(self) -> None:
        paths = ["/silent", "/silent-headers", "/silent-body", "/drip-body"]
        with (mock.patch.object(lesson, "TIMEOUT", 0.5),
              concurrent.futures.ThreadPoolExecutor(len(paths)) as pool):
            futures = [pool.submit(lesson.fetch_title, self.site.url + path)
                       for path in paths]
            for path, future in zip(paths, futures):
                with self.subTest(path):
                    self.assertIsInstance(future.exception(), TimeoutError)


class MapThreads(SiteTest):
    def test_five_pages_at_once(self) -> None:
        barrier = threading.Barrier(5)

        def page(link: socket.socket, request: bytes) -> None:
            barrier.wait(VISIT)
            link.sendall(answer(b"<title>" + request.split()[1]))
        paths = [f"/{number}" for number in range(5)]
        urls = [self.page(page, path) for path in paths]
        self.assertEqual(
            dict(lesson.map_threads(lesson.fetch_title, urls, 5)),
            dict(zip(urls, paths)))


class SlowSite(SiteTest):
    def test_many_knock_at_once_and_no_name_is_looked_up(self) -> None:
        many = 200 if sys.platform == "linux" else 100  # macOS allows 128
        no_look_up = mock.Mock(side_effect=AssertionError("looked up"))
        with (mock.patch.multiple(socket, getfqdn=no_look_up,
                                  gethostbyaddr=no_look_up),
              lesson.SlowSite(("127.0.0.1", 0), lesson.SlowPage) as site,
              contextlib.ExitStack() as stack):
            links = [stack.enter_context(socket.create_connection(
                site.server_address, timeout=5)) for _ in range(many)]
            threading.Thread(target=site.serve_forever, args=[0.05],
                             daemon=True).start()
            for number, link in enumerate(links):
                link.settimeout(DEADLINE)
                link.sendall(b"GET /%d HTTP/1.0\r\n\r\n" % number)
            for number, link in enumerate(links):
                with link.makefile("rb") as file:
                    self.assertTrue(file.read().endswith(
                        b"<title>Page %d</title>" % number))
            site.shutdown()


if __name__ == "__main__":
    unittest.main()
