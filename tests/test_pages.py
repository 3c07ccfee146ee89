"""fetch_title against pages and servers of every kind."""

import codecs
import contextlib
import gzip
import os
import random
import socket
import ssl
import sys
import tempfile
import threading
import time
import tracemalloc
import unittest
import zlib
from concur_demo import page_title, pages
from concur_demo.page_title import find_title
from concur_demo.pages import fetch_title, without_password
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from unittest import mock

from . import hostile_site
from .command import at_once
from .hostile_site import HostileSite, answer, stop_after, titled

SHORT = 0.4     # seconds, for those that never answer
LONG = 20.0     # for those that do, on a busy machine

# page: title, by https://html.spec.whatwg.org/multipage/parsing.html
TITLES = {
    "": "",
    "no tags at all": "",
    "<title>": "",
    "<title></title>": "",
    "<title>a</title>": "a",
    "<TITLE>a</TiTlE>": "a",
    "<title>a": "a",
    "<title>a</title": "a</title",
    "<title>a</title ": "a",
    "<title>a</title b='>'>": "a",
    "<title>a</title/>": "a",
    "<title>a</titles>b</title>": "a</titles>b",
    "<title>a< /title>b</title>": "a< /title>b",
    "<title/>a</title>": "a",
    "<title\nid=x\tlang='>'>a</title>": "a",
    "<title a=\"<title>b</title>\">c</title>": "c",
    "<title a b = c d>e</title>": "e",
    "<title a=>b</title>": "b",
    "<title a==\"b>c\">d</title>": "c\">d",
    "<title a'>b</title>": "b",
    "<titl\0e>a</title><title>b</title>": "b",
    "<title\0>a</title><title>b</title>": "b",
    "<title\v>a</title><title>b</title>": "b",
    "<titles>a</titles><title>b</title>": "b",
    "<title>a\0b</title>": "a\ufffdb",
    "<title>a</title><title>b</title>": "a",
    "<title></title><title>b</title>": "",
    "<title>  a \r\n\t b\f </title>": "a b",
    "<title>a\u00a0\u2003b</title>": "a\u00a0\u2003b",
    "<title>a\x1b[31m\x07\x9b\x7fb\u2028c</title>": "a[31mbc",
    "<title>a &amp; b &lt;p&gt; &eacute;</title>": "a & b <p> \u00e9",
    "<title>&lt &notit; &amp;amp; &nosuch; &</title>":
        "< \u00acit; &amp; &nosuch; &",
    "<title>&#65;&#x42;&#67 &#128; &#0; &#xD800;</title>":
        "ABC \u20ac \ufffd \ufffd",
    "<title>&#x1b;[1m&#9;&#10;a</title>": "[1m a",
    f"<title>&#{'0' * 5000}65;&#{'9' * 5000};</title>": "A\ufffd",
    "<title>a<!--b</title>c-->": "a<!--b",
    "<title><b>a</b></title>": "<b>a</b>",
    "<title><p></title>": "<p>",
    "<title>a</b</title>": "a</b",
    "<title><![CDATA[a]]></title>": "<![CDATA[a]]>",
    "<title>a<title>b</title>c</title>": "a<title>b",
    # tags and what looks like them
    "<p title='<title>a</title>'><title>b</title>": "b",
    "<p title=<title>a</title><title>b</title>": "b",
    "<p title=\"<title>a</title>": "",
    "<p a=b'<title>'c><title>d</title>": "d",
    "<p =><title>a</title>": "a",
    "<p/=\"><title>a</title>": "a",
    "< title>a</title><title>b</title>": "b",
    "a < b <title>c</title>": "c",
    "<<title>a</title>": "a",
    "<><title>a</title>": "a",
    "</><title>a</title>": "a",
    "</title><title>a</title>": "a",
    "</ title><title>a</title>": "a",
    "</p title='>'><title>a</title>": "a",
    "<p <title>a</title><title>b</title>": "b",
    "<p><title>a</title>": "a",
    "<body><table><tr><title>a</title>": "a",
    "</html><title>a</title>": "a",
    "<!DOCTYPE html><title>a</title>": "a",
    "<!DOCTYPE html '>'><title>a</title>": "a",
    "<!doctype><title>a</title>": "a",
    "<?xml version='1.0'?><title>a</title>": "a",
    "<?<title>a</title>": "",
    "<!a><title>b</title>": "b",
    "<![CDATA[><title>a</title>]]><title>b</title>": "a",
    # comments
    "<!--<title>a</title>--><title>b</title>": "b",
    "<!--><title>a</title>": "a",
    "<!---><title>a</title>": "a",
    "<!----><title>a</title>": "a",
    "<!-----><title>a</title>": "a",
    "<!----!><title>a</title>": "a",
    "<!--a--!><title>b</title>": "b",
    "<!--!><title>a</title>-->": "",
    "<!---!><title>a</title>-->": "",
    "<!--<!--><title>a</title>": "a",
    "<!--a-- ><title>b</title>--><title>c</title>": "c",
    "<!-- -- <title>a</title>": "",
    "<!-<title>a</title>": "",
    # elements that hold text
    "<script><title>a</title></script><title>b</title>": "b",
    "<script></script x><title>a</title>": "a",
    "<script></scripts><title>a</title></script>": "",
    "<script>'</SCRIPT\n><title>a</title>": "a",
    "<script><!--</script><title>a</title>": "a",
    "<script><!--<script></script><title>a</title>--></script>": "",
    "<script><!--<script></script></script><title>a</title>": "a",
    "<script><!--<script>--></script><title>a</title>": "a",
    "<script><!--><script></script><title>a</title>": "a",
    "<script><!--<script-></script><title>a</title>": "a",
    "<script/><title>a</title></script><title>b</title>": "b",
    "<style><!--</style><title>a</title>--></style>": "a",
    "<style><title>a</title></style><title>b</title>": "b",
    "<textarea><title>a</title></textarea><title>b</title>": "b",
    "<xmp><title>a</title></xmp><title>b</title>": "b",
    "<iframe><title>a</title></iframe><title>b</title>": "b",
    "<noembed><title>a</title></noembed><title>b</title>": "b",
    "<noframes><title>a</title></noframes><title>b</title>": "b",
    "<noscript><title>a</title></noscript><title>b</title>": "b",
    "<noscript></noscript><style></style><title>a": "a",
    "<plaintext><title>a</title></plaintext><title>b</title>": "",
    # <svg>, <math> and <template> have titles of their own
    "<svg><title>a</title></svg><title>b</title>": "b",
    "<svg/><title>a</title>": "a",
    "<svg><title>a</title>": "",
    "<svg><g/><title>a</title></g></svg><title>b</title>": "b",
    "<svg a=b/><title>a</title></svg><title>b</title>": "b",
    "<svg><style><title>a</style></svg><title>b</title>": "b",
    "<svg><script/></svg><title>a</title>": "a",
    "<svg><title><title>a</title></title></svg>": "a",
    "<svg><desc><title>a</title></desc></svg>": "a",
    "<svg><foreignObject><p><title>a</title></svg>": "a",
    "<svg><desc><br></desc><title>a</title></svg><title>b</title>": "b",
    "<svg><p><title>a</title></svg>": "a",
    "<svg></p><title>a</title>": "a",
    "<svg><desc><svg></p><title>a</title>": "a",
    "<p><svg><desc><math></p><title>a</title>": "a",
    "<div><svg><desc><math></div><title>a</title></math><title>b": "b",
    "<div><math><annotation-xml></div><title>a</title></math><title>b": "b",
    "<table><td><svg><desc><math></table><title>a</title>": "a",
    "<form><svg></form><title>a</title></svg><title>b</title>": "b",
    "<select><option><title>a</title>": "a",
    "<svg><font><title>a</title></svg><title>b</title>": "b",
    "<font><svg></font><title>a</title>": "a",
    "<svg><font color=red><title>a</title></svg>": "a",
    "<div><svg></div><title>a</title>": "a",
    "<svg></path><title>a</title></svg><title>b</title>": "b",
    "<svg><![CDATA[><title>a</title>]]></svg><title>b</title>": "b",
    "<svg><g></svg><title>a</title>": "a",
    "<math><title>a</title></math><title>b</title>": "b",
    "<math><mi><title>a</title></mi></math>": "a",
    "<math><mi><mglyph><title>a</title></math><title>b</title>": "b",
    "<math><annotation-xml><title>a</title></math><title>b</title>": "b",
    "<math><annotation-xml encoding=Text/HTML><title>a</title>": "a",
    "<math><annotation-xml><svg><desc><title>a</title>": "a",
    "<template><title>a</title></template><title>b</title>": "b",
    "<template><p></div></template><title>a</title>": "a",
    "<template><template></template><title>a</title></template>": "",
    "<template><![CDATA[></template><title>a</title>": "a",
    "<template><svg></template><title>a</title>": "a",
    "<template><svg><desc></template><title>a</title>": "a",
    "</template><title>a</title>": "a",
    "<svg><template><desc><title>a</title></svg>": "a",
}

# page, Content-Type: title
ENCODINGS: list[tuple[bytes, str, str]] = [
    (b"<title>\xc3\xa9", "", "\u00e9"),
    (b"<title>\xe9", "", "\ufffd"),
    (b"<title>\xe2\x82\xac\xff", "", "\u20ac\ufffd"),
    (b"<title>\xe9\x80", "text/html; charset=iso-8859-1", "\u00e9\u20ac"),
    (b"<title>\xe9", 'text/html; a=b; CharSet= "us-ascii"; c', "\u00e9"),
    (b"<title>\xe9", "text/html;charset=latin1,text/html", "\u00e9"),
    (b"<title>\xe9", 'text/html;charset="lat\\in1', "\u00e9"),
    (b"<title>\xe9", 'text/html;a=";charset=big5";charset=latin1', "\u00e9"),
    (b"<title>\xc3\xa9", "text/html;charset='latin1'", "\u00e9"),
    (b"<title>\xc3\xa9", "text/html;charset =latin1", "\u00e9"),
    (b"<title>\xc3\xa9", "text/html;x-charset=latin1", "\u00e9"),
    (b"<title>\xc3\xa9", "text/html charset=latin1", "\u00e9"),
    (b"<title>\xc3\xa9", "text/html; charset=nonsense", "\u00e9"),
    (b"<title>\xc3\xa9", "text/html; charset=" + "x" * 9999, "\u00e9"),
    (b"<title>&AOk-", "text/html; charset=utf-7", "&AOk-"),
    (b"<title>gvgyr", "text/html; charset=rot13", "gvgyr"),
    (b"<title>\\x41", "text/html; charset=unicode_escape", "\\x41"),
    (b"<title>\xe2\x80\x9d", "text/html; charset=latin1", "\u00e2\u20ac"),
    (b"<title>\xaa\x90", "text/html; charset=windows-1253", "\ufffd"),
    (b"<title>\xc4\xe3", "text/html; charset=gb2312", "\u4f60"),
    (b"<title>\x83\x65\x87\x40", "text/html; charset=x-sjis", "\u30c6\u2460"),
    (b"<title>\xb0\xa1", "text/html; charset=ks_c_5601-1987", "\uac00"),
    (b"<title>\xa4\xa4", "text/html; charset=big5", "\u4e2d"),
    (b"<title>\x1b$B$\"", "text/html; charset=iso-2022-jp", "\u3042"),
    (b"<title>\xd6", "text/html; charset=KOI8", "\u0436"),
    (b"<title>\xe1", "text/html; charset=iso88597", "\u03b1"),
    (b"<title>\xe0", "text/html; charset=logical", "\u05d0"),
    (b"<title>\x8e", "text/html; charset=macintosh", "\u00e9"),
    (b"<meta charset=latin1><title>\xe9", "", "\u00e9"),
    (b"<meta charset=latin1><title>\xc3\xa9", "text/html; charset=utf-8",
     "\u00e9"),
    (b"<title>\xe9</title><META\nCharset='Latin1'>", "", "\u00e9"),
    (b"<meta charset=latin1 charset=utf-8><title>\xe9", "", "\u00e9"),
    (b"<meta http-equiv=Content-Type content='text/html; charset=latin1'>"
     b"<title>\xe9", "", "\u00e9"),
    (b"<meta content='text/html; charset=latin1'><title>\xc3\xa9", "",
     "\u00e9"),
    (b"<meta charset=nonsense><meta charset=latin1><title>\xe9", "",
     "\u00e9"),
    (b"<!--<meta charset=latin1>--><title>\xc3\xa9", "", "\u00e9"),
    (b"<title>\xc3\xa9</title><!--><!-- > <meta charset=latin1>", "",
     "\u00e9"),
    (b"<p a='<meta charset=latin1>'><title>\xc3\xa9", "", "\u00e9"),
    (b"<metal charset=latin1><title>\xc3\xa9", "", "\u00e9"),
    (b"<meta charset=utf-16><title>\xc3\xa9", "", "\u00e9"),
    (b" " * 990 + b"<meta charset=latin1><title>\xe9", "", "\u00e9"),
    (b" " * 1024 + b"<meta charset=latin1><title>\xe9", "", "\u00e9"),
    (b"<title>\xe9</title>" + b" " * 60_000 + b"<meta charset=latin1>", "",
     "\u00e9"),
    (b"</head>" + b" " * 1024 + b"<meta charset=latin1><title>\xc3\xa9", "",
     "\u00e9"),
    (b"<title>\xc3\xa9</title><meta a='<meta charset=latin1>", "", "\u00e9"),
    (b"<?xml version='1.0' encoding='latin1'?><title>\xe9", "", "\u00e9"),
    (codecs.BOM_UTF8 + b"<title>\xc3\xa9",
     "text/html; charset=latin1", "\u00e9"),
    (codecs.BOM_UTF16_LE + "<title>\u00e9".encode("utf-16-le"),
     "text/html; charset=latin1", "\u00e9"),
    (codecs.BOM_UTF16_BE + "<title>\U0001f600".encode("utf-16-be"), "",
     "\U0001f600"),
    # of the row that NEC added, and of none
    (b"<title>\xad\xea\xa5\xc6\xad\xa1\xad\xfe", "text/html; charset=euc-jp",
     "\u3231\u30c6\u2460\ufffd"),
    ("<title>\u00e9".encode("utf-16-le"), "", "\u00e9"),
    ("<title>\u00e9".encode("utf-16-be"), "", "\u00e9"),
    ("<title>\u00e9".encode("utf-16-le"), "text/html; charset=utf-16",
     "\u00e9"),
    ("<title>\u00e9".encode("utf-16-be"), "text/html; charset=utf-16be",
     "\u00e9"),
]


def title_of(page: bytes, content_type: str = "", size: int = 0) -> str:
    """The title of a page that comes in pieces of this size."""
    cuts = range(0, len(page), size or len(page) or 1)
    return find_title(page_title.decode(
        (page[i:i + (size or len(page))] for i in cuts), content_type))


class TitleTest(unittest.TestCase):

    def test_titles(self) -> None:
        for page, title in TITLES.items():
            with self.subTest(page=page[:200]):
                self.assertEqual(find_title([page]), title)
                for size in (1, 2, 5) if len(page) < 500 else ():
                    pieces = (page[i:i + size]
                              for i in range(0, len(page), size))
                    self.assertEqual(find_title(pieces), title, size)

    def test_encodings(self) -> None:
        for page, content_type, title in ENCODINGS:
            with self.subTest(page=page[:200], content_type=content_type):
                self.assertEqual(title_of(page, content_type), title)
                self.assertEqual(title_of(page, content_type, 1), title)

    def test_wrong_escape_sequences(self) -> None:
        """They are too much for the codec, but do not end the page."""
        page = b"\x1b)0-" * 9 + b"\x1b(B<title>a</title>"
        for size in range(1, len(page) + 1):
            self.assertEqual(title_of(
                page, "text/html; charset=iso-2022-jp", size), "a", size)

    def test_unpacked_to_the_end_whatever_the_length(self) -> None:
        for size in range(pages.PIECE - 300, pages.PIECE + 300, 7):
            packer = zlib.compressobj(wbits=-15)
            packed = packer.compress(bytes(size)) + packer.flush()
            self.assertEqual(
                len(b"".join(pages.unpack([packed], "deflate"))), size)

    def test_no_more_is_read_than_needed(self) -> None:
        pieces = iter(["<p><tit", "le>a</title>", "more"])
        self.assertEqual(find_title(pieces), "a")
        self.assertEqual(list(pieces), ["more"])

    def test_time_is_linear(self) -> None:
        """What costs HTMLParser quadratic time is done in no time."""
        many = 50_000
        for page in ("<p a='" + "<" * many, "<a " * many, "<!--" * many,
                     "<script>" + "<!--<script>" * many, "<![" * many,
                     "<title>" + "</titl" * many, "<p a" + "=" * many,
                     "<p " + "a " * many, "<svg>" + "<g></x>" * 5000,
                     "<svg>" + "<g>" * 5000 + "</x>" * 5000,
                     "<p></p>" * many, "<svg><g a" + " =" * many + ">",
                     "<p" + " /" * many, "<title>" + "&" * many, "<" * many):
            with self.subTest(page=page[:30]):
                start = time.process_time()
                pieces = (page[i:i + 9000] for i in range(0, len(page), 9000))
                find_title(pieces)
                # seconds; it takes a tenth of this, or else far more
                self.assertLess(time.process_time() - start, 1.25)

    def test_one_byte_at_a_time(self) -> None:
        start = time.process_time()
        for page in ("<title>" + "a" * 100_000, "<p " + "a" * 100_000):
            find_title(page)
        self.assertLess(time.process_time() - start, 1.25)

    def test_deep_nesting(self) -> None:
        for tag in ("g", "desc", "svg", "template"):
            page = (f"<svg>{f'<{tag}>' * 9999}{f'</{tag}>' * 9999}</svg>"
                    "<title>a</title>")
            self.assertEqual(find_title([page]), "a")

    def test_tags_on_this_python(self) -> None:
        """No whole tag is overlooked, whatever HTMLParser makes of it."""
        chance = random.Random(3)
        for _ in range(20_000):
            odd = chance.choices("ab'\"= /\t\n\f\v<\ufffd",
                                 k=chance.randrange(12))
            text = f"<a{''.join(odd)}>"
            if found := page_title.TAG.fullmatch(text):
                name = page_title.StartTag(text).name
                self.assertEqual(name, found[2], text)

    def test_long_title_is_cut(self) -> None:
        page = "<title>" + "a" * (2 * page_title.MAX_TITLE)
        self.assertEqual(len(find_title([page])), page_title.MAX_TITLE)


def random_page(chance: random.Random) -> bytes:
    """Bytes that have much in common with a page."""
    parts = [b"<title>", b"</title>", b"<", b">", b"</", b"<!--", b"-->", b"'",
             b'"', b"=", b"<svg>", b"</svg>", b"<script>", b"</script>",
             b"<p a=", b"&", b"&#", b"\xff\xfe", b"\0", b"<![CDATA[", b"]]>",
             b"<meta charset=", b"utf-16", b"latin1", b"idna", b" ", b"/",
             b"<template>", b"<math>", b"<mi>", b"<desc>", b"\xc3\xa9"]
    parts += [chance.randbytes(chance.randrange(9)) for _ in range(9)]
    return b"".join(chance.choices(parts, k=chance.randrange(40)))


def fuzz_titles(seconds: float, seed: int) -> int:
    """The number of random pages whose title could be read.

    To run it for longer than the suite does:
    python -c "from tests.test_pages import *; print(fuzz_titles(900, 1))"
    """
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    done = 0
    while time.monotonic() < end:
        page = random_page(chance)
        content_type = chance.choice(["", "", "text/html; charset="])
        if content_type:
            content_type += random_page(chance).decode("latin-1")
        try:
            title = title_of(page, content_type)
            for size in (1, 2, chance.randrange(3, 50)):
                assert title_of(page, content_type, size) == title, size
            assert title == " ".join(title.split(" ")) and (
                not page_title.CONTROLS.search(title)), title
            title_of(page[:chance.randrange(len(page) + 1)])
            for coding in ("gzip", "deflate"):
                packed = gzip.compress(page) if done % 2 else page
                cut = packed[:chance.randrange(len(packed) + 1)]
                try:
                    find_title(page_title.decode(pages.unpack([cut], coding)))
                except (OSError, ValueError, IncompleteRead):
                    pass
        except Exception as error:
            error.add_note(f"seed {seed}, page {page!r}, {content_type!r}")
            raise
        done += 1
    return done


class FuzzTest(unittest.TestCase):

    def test_random_pages(self) -> None:
        self.assertGreater(fuzz_titles(1.5, 1), 10)

    def test_random_servers(self) -> None:
        """Whatever a server sends, the error is one for a user."""
        chance = random.Random(2)
        whole = [page for page in hostile_site.PAGES.values()
                 if isinstance(page, bytes) and len(page) < 5000]
        with HostileSite() as site:
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                page = bytearray(chance.choice(whole))
                for _ in range(chance.randrange(1, 4)):
                    if page:
                        at = chance.randrange(len(page))
                        page[at:at + chance.randrange(3)] = (
                            chance.randbytes(chance.randrange(3)))
                site.pages["/random"] = bytes(page)
                try:
                    fetch_title(site.url + "/random", SHORT)
                except (OSError, ValueError) as error:
                    check_message(self, error)


def check_message(test: unittest.TestCase, error: BaseException) -> None:
    """The message of error is one that a user may see."""
    message = str(error)
    test.assertEqual(len(message.splitlines()), 1, message)
    test.assertTrue(message.isprintable(), ascii(message))
    for word in ("Errno", "urlopen", "Error:", "Error(", "b'", "object at",
                 "secret", "codec", "ssl.c"):
        test.assertNotIn(word, message)


class SiteTest(unittest.TestCase):
    """One site for all tests of a class."""
    secure = False
    site: HostileSite

    @classmethod
    def setUpClass(cls) -> None:
        cls.site = cls.enterClassContext(HostileSite(cls.secure))
        # no proxy stands between this machine and itself
        cls.enterClassContext(mock.patch.dict(os.environ, no_proxy="*"))
        pages.opener.cache_clear()
        cls.addClassCleanup(pages.opener.cache_clear)

    def refused(self, url: str, message: str, kind: type[Exception] = OSError,
                timeout: float = LONG) -> None:
        """fetch_title(url) raises this kind of error with this message."""
        with self.subTest(url=url):
            with self.assertRaises((OSError, ValueError)) as caught:
                fetch_title(url, timeout)
            self.assertRegex(str(caught.exception), message)
            self.assertIsInstance(caught.exception, kind)
            check_message(self, caught.exception)


class AnswerTest(SiteTest):

    def test_titles(self) -> None:
        for path, title in {
                "/hello": "Hello",
                "/hello?a=b c#d": "",
                "/hello#part": "Hello",
                "/no-type": "Hello",
                "/xhtml": "Hello",
                "/xhtml-script": "Hello",
                "/two-types": "\u00e9",
                "/any-type": "Hello",
                "/no-semicolon": "Hello",
                "/interim": "Hello",
                "/early-hints": "Hello",
                "/204": "",
                "/empty": "",
                "/empty-image": "",
                "/empty-chunks": "",
                "/gzip": "Hello",
                "/x-gzip": "Hello",
                "/gzip-chunks": "Hello",
                "/twice-packed": "Hello",
                "/folded-gzip": "Hello",
                "/packed-as-nothing": "Hello",
                "/junk": "Hello",
                "/deflate": "Hello",
                "/bare-deflate": "Hello",
                "/chunks": "Hello",
                "/late": "Hello",
                "/late-attribute": "Hello",
                "/reset-after-title": "Hello",
                "/short-after-title": "Hello",
                "/title-then-silence": "Hello",
                "/moved": "Hello",
                "/see-other": "Hello",
                "/to-spaces": "Hello",
                "/to-tabs": "Hello",
                "/moved-for-good": "Hello",
                "/endless-redirect": "Hello",
                "/to-unicode": "caf\u00e9 au lait",
                "/caf\u00e9 au lait": "caf\u00e9 au lait",
                "/control": "a]0;evilb c d31m[1m ef"}.items():
            with self.subTest(path=path):
                if path == "/hello?a=b c#d":
                    self.site.pages["/hello?a=b%20c"] = answer("")
                self.assertEqual(fetch_title(self.site.url + path, LONG),
                                 title)

    def test_errors(self) -> None:
        for path, message in {
                "/404": "^HTTP 404 Not Found$",
                "/500": "^HTTP 500 Internal Server Error$",
                "/599": r"^HTTP 599 \[31mred light$",
                "/304": "^HTTP 304 Not Modified$",
                "/to-nowhere": "^HTTP 302 Found$",
                "/nosuch": "^HTTP 404 Not Found$",
                "/loop": "redirected 20 times",
                "/loop-1": "redirected 20 times",
                "/endless-header": "headers",
                "/endless-headers": "headers",
                "/endless-status": "not valid HTTP|headers",
                "/not-http": "not valid HTTP",
                "/binary": "not valid HTTP",
                "/old-http": "not valid HTTP",
                "/gzip-after-junk": "headers are not valid HTTP",
                "/close": "broke the connection",
                "/reset": "broke the connection",
                "/reset-in-headers": "broke the connection",
                "/reset-in-body": "broke the connection",
                "/short": "half-way",
                "/short-chunk": "half-way",
                "/no-chunk": "half-way",
                "/half-gzip": "half-way",
                "/not-gzip": "packed wrongly"}.items():
            self.refused(self.site.url + path, message)

    def test_what_is_no_web_page(self) -> None:
        for path, message in {
                "/image": "^not a web page but image/png$",
                "/json": "^not a web page but application/json$",
                "/odd-type": "^not a web page but",
                "/brotli": "packed as br,",
                "/bomb": "no title in the first 16 MiB",
                "/endless-body": "no title in the first 16 MiB",
                "/endless-comment": "no title in the first 16 MiB",
                "/to-file": "redirected, but only http.* not file:$",
                "/to-ftp": "redirected, but only http.* not ftp:$",
                "/to-data": "redirected, but only http.* not data:$",
                "/to-script": "redirected, but only http.* not javascript:$",
                "/to-bad": "redirected, but not a valid address",
                }.items():
            self.refused(self.site.url + path, message, ValueError)

    def test_the_whole_fetch_has_one_deadline(self) -> None:
        def late(path: str) -> tuple[BaseException, float]:
            start = time.monotonic()
            with self.assertRaises(TimeoutError) as caught:
                fetch_title(self.site.url + path, SHORT)
            return caught.exception, time.monotonic() - start

        awaited = {"/silent": "answer", "/half-headers": "answer",
                   "/headers-then-silence": "title", "/drip": "answer"}
        for path, (error, seconds) in at_once(late, awaited, workers=4):
            with self.subTest(path=path):
                self.assertEqual(
                    str(error), f"no {awaited[path]} within 0.4 s")
                self.assertLess(seconds, SHORT + 2)

    def test_endless_interim_answers(self) -> None:
        """Some Pythons give up after so many, the others in time."""
        for path in ("/endless-continue", "/endless-hints"):
            self.refused(self.site.url + path,
                         "headers|^no answer within 0.4 s$", timeout=SHORT)

    def test_a_piece_that_is_hard_to_parse_outlasts_no_deadline(self) -> None:
        deadline = pages.Deadline(LONG)
        pieces = pages.limit([bytes(pages.PIECE)], deadline)
        next(pieces)
        deadline.end = 0.0
        with self.assertRaises(TimeoutError):
            next(pieces)

    def test_redirects_share_the_deadline(self) -> None:
        def slow(visit: hostile_site.Visit) -> None:
            time.sleep(SHORT / 3)
            visit.send(hostile_site.redirect("/slow"))
        self.site.pages["/slow"] = slow
        self.refused(self.site.url + "/slow", "^no answer within 0.4 s$",
                     TimeoutError, SHORT)

    def test_page_that_takes_long_to_read(self) -> None:
        """The deadline holds for our own work too."""
        self.site.pages["/busy"] = answer(
            gzip.compress(b"<svg>" + b"<g a=b></g>" * 300_000),
            "Content-Encoding: gzip")   # a few KB
        self.refused(self.site.url + "/busy", "within 0.4 s", TimeoutError,
                     SHORT)

    def test_body_begins_before_the_title_is_there(self) -> None:
        self.site.pages["/slow-title"] = stop_after(
            hostile_site.OK + b"\r\n<title>Hello</title>")
        self.assertEqual(
            fetch_title(self.site.url + "/slow-title", SHORT), "Hello")

    def test_memory_is_bounded(self) -> None:
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for path in ("/endless-body", "/endless-comment", "/bomb"):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            with self.assertRaises((ValueError, TimeoutError)):
                fetch_title(self.site.url + path, 2.0)
            peak = tracemalloc.get_traced_memory()[1]
            self.assertLess(peak - before, 4 * 2**20, path)

    def test_a_long_tag_takes_not_much_memory(self) -> None:
        self.site.pages["/long-tag"] = answer(
            "<title" + " a" * 10**6 + ">Hello</title>")
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertEqual(
            fetch_title(self.site.url + "/long-tag", LONG), "Hello")
        self.assertLess(tracemalloc.get_traced_memory()[1], 20 * 2**20)

    def test_password(self) -> None:
        host = self.site.host
        url = f"http://me:secret@{host}"
        self.assertEqual(fetch_title(f"{url}/login", LONG), "welcome")
        self.assertEqual(fetch_title(f"{url}/to-login", LONG), "welcome")
        self.assertEqual(fetch_title(f"http://m%65:s%65cret@{host}/login"),
                         "welcome")
        self.assertNotIn("Authorization",
                         fetch_title(f"{url}/to-elsewhere", LONG))
        self.assertIn("Authorization", fetch_title(f"{url}/echo", LONG))
        self.refused(f"{url}/404", "404")
        self.refused(f"http://me:secret@{host}x/", "host and port",
                     ValueError)

    def test_at_once(self) -> None:
        """50 threads fetch at the same moment, each its own page."""
        ready = threading.Barrier(50)

        def page(visit: hostile_site.Visit) -> None:
            ready.wait(LONG)
            visit.send(answer(titled(visit.request.split()[1].decode())))
        titles: list[str] = []

        def fetch(path: str) -> None:
            titles.append(fetch_title(self.site.url + path, LONG))
        threads = []
        for i in range(50):
            self.site.pages[f"/{i}"] = page
            threads.append(threading.Thread(target=fetch, args=[f"/{i}"]))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * LONG)
        self.assertEqual(sorted(titles), sorted(f"/{i}" for i in range(50)))


class ConnectionTest(SiteTest):

    def test_refused(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as door:
            port = door.getsockname()[1]
        self.refused(f"http://127.0.0.1:{port}", "^connection refused$",
                     ConnectionRefusedError)

    def test_unknown_host(self) -> None:
        self.refused("http://nosuch.invalid/", "^unknown host")

    def test_each_address_of_a_host_is_tried(self) -> None:
        """localhost is ::1 too on many machines, where no one answers.

        This also fails if http.client no longer connects by the
        attribute that HttpConnection sets.
        """
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address)
                 for address in (("127.0.0.1", 1),
                                 ("127.0.0.1", self.site.port))]
        with mock.patch.object(socket, "getaddrinfo",
                               return_value=found) as look_up:
            self.assertEqual(fetch_title("http://many.test/hello", LONG),
                             "Hello")
        look_up.assert_called_once_with("many.test", 80, type=mock.ANY)

    def test_non_ascii_host(self) -> None:
        real = socket.getaddrinfo

        def look_up(host: str, *args: Any, **options: Any) -> Any:
            self.assertEqual(host, "xn--mnchen-3ya.test")
            return real("127.0.0.1", *args, **options)
        with mock.patch.object(socket, "getaddrinfo", look_up):
            self.assertEqual(fetch_title(
                f"http://m\u00fcnchen.test:{self.site.port}/hello", LONG),
                "Hello")

    def test_never_accepted(self) -> None:
        with contextlib.ExitStack() as held, \
                socket.create_server(("127.0.0.1", 0), backlog=0) as door:
            for _ in range(4):  # then there is no place in its queue
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(door.getsockname())
            if sys.platform == "linux":
                with self.assertRaises(TimeoutError):
                    socket.create_connection(door.getsockname(), 0.1)
            self.refused("http://127.0.0.1:%d" % door.getsockname()[1],
                         "^no answer within 0.4 s$", TimeoutError, SHORT)

    def test_silent_handshake(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as door:
            self.refused("https://127.0.0.1:%d" % door.getsockname()[1],
                         "^no answer within 0.4 s$", TimeoutError, SHORT)

    def test_proxy(self) -> None:
        """As with urlopen, the environment may name a proxy."""
        self.site.pages["http://far.test/x"] = answer(titled("by proxy"))
        with mock.patch.dict(os.environ, http_proxy=self.site.url,
                             no_proxy="none.test"):
            pages.opener.cache_clear()
            self.assertEqual(fetch_title("http://far.test/x", LONG),
                             "by proxy")
        pages.opener.cache_clear()

    def test_a_proxy_that_cannot_be(self) -> None:
        for proxy in ("http:/me:secret@h", "http://h:port", "http://a b",
                      "http://h:" + "9" * 30, "http://a..b", "socks5://h"):
            with mock.patch.dict(os.environ, http_proxy=proxy,
                                 no_proxy="none.test"):
                pages.opener.cache_clear()
                self.refused("http://far.test/", "^the proxy's address")
        pages.opener.cache_clear()

    def test_no_thread_for_the_look_up(self) -> None:
        refusal = RuntimeError("can't start new thread")
        with mock.patch.object(threading.Thread, "start",
                               side_effect=refusal):
            self.refused("http://localhost",
                         "cannot be looked up: can't start")

    def test_a_number_needs_no_thread(self) -> None:
        no_thread = mock.Mock(spec=["Lock"], Lock=threading.Lock)
        with mock.patch.object(pages, "threading", no_thread):
            self.assertEqual(fetch_title(self.site.url + "/hello", LONG),
                             "Hello")

    def test_a_number_is_looked_up_once(self) -> None:
        with mock.patch.object(socket, "getaddrinfo",
                               side_effect=ValueError("odd")) as look_up:
            self.refused("http://127.0.0.1/", "^odd$", ValueError)
        look_up.assert_called_once()

    def test_no_time(self) -> None:
        for timeout in (0, -1, float("nan")):
            self.refused(self.site.url, "time-out", ValueError, timeout)
        self.assertEqual(fetch_title(self.site.url + "/hello", 1e300),
                         "Hello")


class SecureTest(SiteTest):
    secure = True

    def test_certificate_that_does_not_verify(self) -> None:
        self.refused(self.site.url + "/hello",
                     "^the certificate does not verify: self.signed")

    def test_certificate_that_does(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "ca.pem")
            path.write_text(hostile_site.CERTIFICATE)
            context = ssl.create_default_context(cafile=path)
        with mock.patch.object(ssl, "create_default_context",
                               lambda: context):
            pages.opener.cache_clear()
            for host in ("127.0.0.1", "localhost"):
                url = f"https://{host}:{self.site.port}"
                self.assertEqual(fetch_title(f"{url}/hello", LONG), "Hello")
            self.refused(f"{url}/silent", "^no answer within 0.4 s$",
                         TimeoutError, SHORT)
        pages.opener.cache_clear()

    def test_plain_answer(self) -> None:
        """A server that speaks HTTP where TLS is asked for."""
        with socket.create_server(("127.0.0.1", 0)) as door:
            def serve() -> None:
                link, _ = door.accept()
                with link:
                    link.settimeout(LONG)
                    link.recv(1000)
                    link.sendall(hostile_site.OK + b"\r\n")
            door.settimeout(LONG)
            thread = threading.Thread(target=serve)
            thread.start()
            self.refused("https://127.0.0.1:%d" % door.getsockname()[1],
                         "^no secure connection: ")
            thread.join(LONG)


class AddressTest(unittest.TestCase):

    def test_what_cannot_be_fetched(self) -> None:
        for url, message in {
                "": "begins with http",
                "example.org/x": "begins with http",
                "localhost:8000": "begins with http",
                "me:secret@host": "begins with http",
                "/etc/passwd": "begins with http",
                "//example.org": "begins with http",
                "file:///etc/passwd": "only http.* not file:",
                "FTP://example.org": "only http.* not ftp:",
                "data:text/html,x": "only http.* not data:",
                "htp://x": "only http.* not htp:",
                "http:": "host name",
                "http:/x": "host name",
                "http:///x": "host name",
                "http://a..b/": "host name",
                "http://exa mple/": "host name",
                "http://a%2Fb/": "host name",
                "http://" + "a" * 64 + ".org": "host name",
                "http://" + "\u00e9" * 99999: "host name",
                "http://[::1/": "host and port",
                "http://[::1]x:1/": "host and port",
                "http://[v1.a]/": "host and port",
                "http://h:x/": "host and port",
                "http://h:99999/": "host and port",
                "http://me:se/secret@h/": "host and port",
                "http://h/\x1b[1m": "control characters",
                "http://h/a\nb": "control characters",
                "http://h/\ud800": "control characters"}.items():
            with self.subTest(url=url[:50]):
                with self.assertRaisesRegex(ValueError, message) as caught:
                    fetch_title(url)
                self.assertIs(type(caught.exception), ValueError)
                check_message(self, caught.exception)

    def test_addresses(self) -> None:
        for url, sent in {
                " HTTP://Example.ORG ": "http://example.org/",
                "https://h:8/a b?c d#e": "https://h:8/a%20b?c%20d",
                "http://h/%C3%A9\u00e9?\u20ac": "http://h/%C3%A9%C3%A9?"
                                                "%E2%82%AC",
                "http://m\u00fcnchen.de?x": "http://xn--mnchen-3ya.de/?x",
                "http://u:p@h/": "http://h/",
                "http://[::1]:8/": "http://[::1]:8/",
                "http://h:/": "http://h/",
                "http://h//a/../b;c": "http://h//a/../b;c"}.items():
            self.assertEqual("".join(pages.parse_address(url)[:2]), sent)

    def test_without_password(self) -> None:
        for url, shown in {
                "http://me:secret@h/x": "http://h/x",
                "http://token@h:8/": "http://h:8/",
                "http://me:se/c#r?t@h/": "http://h/",
                "http://me:sec@ret@h/": "http://h/",
                "me:secret@h/": "h/",
                "http:me:secret@h/": "http:h/",
                "ftp://me:secret@h/": "ftp://h/",
                "http://h/@you": "http://h/@you",
                "http://h:80/a:b@c": "http://h:80/a:b@c",
                "http://h?a:b@c": "http://h?a:b@c",
                "http://[::1]:80/@x": "http://[::1]:80/@x",
                "http://CORP\\me:secret@h/": "http://h/",
                "http://me@corp.example:se/cret@h/": "http://h/",
                "url=http://me:secret@h/": "h/",
                "\ufeffhttp://me:secret@h/": "h/",
                "http ://me:secret@h/": "h/",
                "http//me:secret@h/": "h/",
                "http://me:secret\uff20h/": "http://h/",
                "ftp://h/@you": "ftp://h/@you",
                "": ""}.items():
            self.assertEqual(without_password(url), shown)


if __name__ == "__main__":
    unittest.main()
