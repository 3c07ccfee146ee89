"""titles_threads on the user's own pages, and among them the worst."""

import base64
import concurrent.futures
import contextlib
import json
import os
import re
import socket
import time
import unittest
import urllib.request
import warnings
from typing import Any
from unittest import mock

import concur_demo

from .hostile_site import (
    HELLO, HostileSite, SiteTest, answer, chunked, redirect)
from .support import PYTHON, Ended, at_once, run, run_lesson

# The lesson's command, but with less patience.
IMPATIENT = [*PYTHON, "-X", "dev", "-c", """
import sys
from concur_demo import _run, titles_threads
titles_threads.TIMEOUT = 2
sys.argv[0] = titles_threads.__file__
_run.main()
"""]
LATE = r"timed out|no page within 2\.2 seconds|no title within 2 seconds"
# What is told of the pages of the site that are none.
BAD = {
    "/silent": LATE,
    "/silent-headers": LATE,
    "/silent-body": LATE,
    "/drip-status": LATE,
    "/drip-headers": LATE,
    "/drip-body": LATE,
    "/endless-status": "more than 65536 bytes",
    "/endless-header": "more than 65536 bytes",
    "/endless-headers": "more than 100 headers",
    "/hung-up": "closed|reset|aborted",
}
BAD_PAGES = {
    answer("<title>Oh no", status="404 Not Found"): "^HTTP 404 Not Found$",
    answer("", status="500 \x1b[31mOh\tno"): r"^HTTP 500 \\x1b\[31mOh no$",
    answer("", status="302 Found"): "^HTTP 302 Found$",
    redirect("/bad-3"): "infinite loop",
    redirect("file:///etc/passwd"): "'file:///etc/passwd' is not allowed",
    redirect("ftp://127.0.0.1:1/"): r"\w",
    redirect("data:text/html,<title>x"): "is not allowed",
    redirect("http://[::1/"): r"\w",
    b"SSH-2.0-OpenSSH_9.9\r\n": "BadStatusLine.*SSH",
    answer(b"\x89PNG\r\n", kind="image/png"): "^not a web page but image/png$",
    answer("{}", kind="application/json"): "^not a web page but application/",
    answer(b"\x1f\x8b", "Content-Encoding: gzip"): "^packed as gzip",
    answer(b"\x1f\x8b", "Content-Encoding: x", kind=""): "^packed as x",
}
NO_ADDRESS = dict.fromkeys((
    "http://" + "a" * 64 + ".org/", "http://a..b/", "http://[::1/",
    "http://127.0.0.1:port/", "http://127.0.0.1:99999/", "http:///path",
    "file:///etc/passwd", "ftp://127.0.0.1/", "data:text/html,<title>x",
    "127.0.0.1", "nonsense", ""), "not an address such as https://")


def refused() -> str:
    """Return an address where nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return "127.0.0.1:%d" % server.getsockname()[1]


def results(ended: Ended) -> list[tuple[str, str]]:
    """Return the (address, title) pairs that a command gives as JSON."""
    return [(row["task"], row["result"])
            for row in json.loads(ended.stdout)["results"]]


class Pages(SiteTest):
    def test_good_ones_among_bad_ones(self) -> None:
        site = self.site
        site.pages |= {"/caf%C3%A9%20au%20lait": HELLO, "/moved": redirect(
            "hello"), "/no-type": answer("<title>Hello", kind=""),
            "/to-cafe": redirect("/caf\u00c3\u00a9 au lait"),
            "/xhtml": answer("<title>Hello", kind="Application/XHTML+XML")}
        good = [site.url + path for path in (
            "/hello", "/hello?a b=\u00e9&c", "/hello#part", "/no-type",
            "/xhtml", "/moved", "/to-cafe", "/endless-redirect",
            "/silent-title", "/caf\u00e9 au lait", "/caf%C3%A9%20au%20lait")]
        good.append(f"HTTP://LOCALHOST:{site.port}/hello")
        endless = [f"{site.url}/endless-{part}"
                   for part in ("body", "comment", "title")]
        bad = {site.url + path: message for path, message in BAD.items()}
        for number, (page, message) in enumerate(BAD_PAGES.items()):
            bad[self.page(page, f"/bad-{number}")] = message
        bad |= NO_ADDRESS
        bad |= dict.fromkeys([f"http://{refused()}/", f"https://{site.host}/",
                              "http://no-such-host.invalid/",
                              "http://caf\u00e9.invalid/"], r"\w")
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # there may be no IPv6
                six = stack.enter_context(HostileSite("::1"))
                good.append(f"{six.url}/hello")
            urls = [*bad, *good, *endless]
            ended = run([*IMPATIENT, "--json", "--workers", str(len(urls)),
                         *urls])
        self.assertEqual(ended.status, 1)
        lines = ended.stderr.splitlines()
        for url, message in bad.items():
            start = f"titles_threads: {url or repr(url)}: "
            with self.subTest(url):
                line, = [line for line in lines if line.startswith(start)]
                self.assertRegex(line.removeprefix(start), message)
        self.assertEqual(len(lines), len(bad), ended.stderr)
        titles = dict(results(ended))
        self.assertEqual(set(titles), {*good, *endless})
        self.assertEqual({titles[url] for url in good}, {"Hello"})
        self.assertEqual([titles[url] for url in endless[:2]], 2 * ["(none)"])
        self.assertRegex(titles[endless[2]], "^all work .{1,200}$")

    def test_compared_on_every_worker_count(self) -> None:
        def slow(link: socket.socket, request: bytes) -> None:
            time.sleep(0.1)
            link.sendall(HELLO)
        url = self.page(slow)
        ended = run_lesson("titles_threads", "--json", *[url] * 5)
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        self.assertEqual(results(ended), 5 * [(url, "Hello")])
        report = json.loads(ended.stdout)
        self.assertEqual([(run["workers"], len(run["tasks"]))
                          for run in report["runs"]], [(1, 5), (2, 5), (5, 5)])
        self.assertEqual(report["verdict"], "holds")
        self.assertGreater(report["runs"][2]["in_flight"], 1.5)

    def test_utf_16_by_its_mark(self) -> None:
        page = "<meta charset=utf-16><title>Caf\u00e9 \u65e5 \U0001f600"
        urls = [self.page(answer(data, kind=kind), f"/{len(data)}{kind[-2:]}")
                for data in (b"\xff\xfe" + page.encode("utf-16-le"),
                             b"\xfe\xff" + page.encode("utf-16-be") + b"!")
                for kind in ("", "text/html", "text/html; charset=utf-16")]
        urls.append(self.page(redirect(urls[0])))
        late = "\ufeff" + "<p>filler</p>" * 10_000 + page[20:]
        urls.append(self.page(chunked(
            *re.findall(b"(?s).{1,999}", late.encode("utf-16-le"))), "/late"))
        report = concur_demo.measure("titles_threads", urls, workers=[1])
        self.assertEqual(report.results, [
            (url, "Caf\u00e9 \u65e5 \U0001f600") for url in urls])

    def test_each_is_given_its_cookie_before_it_is_shown(self) -> None:
        def page(link: socket.socket, request: bytes) -> None:
            known.append(b"seen=1" in request)
            link.sendall(HELLO if known[-1] else answer(
                "", "Set-Cookie: seen=1", "Location: /page",
                status="302 Found"))
        known: list[bool] = []
        url = self.page(page)
        report = concur_demo.measure(
            "titles_threads", [url, url], workers=[1], repeat=2)
        self.assertEqual(report.results, 2 * [(url, "Hello")])
        self.assertEqual(known, 4 * [False, True])

    def test_cookie_that_makes_no_sense(self) -> None:
        url = self.page(answer("<title>Hello", "Set-Cookie: a=b; Max-Age"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            report = concur_demo.measure("titles_threads", [url], workers=[1])
        self.assertEqual(report.results, [(url, "Hello")])

    def test_host_in_any_alphabet(self) -> None:
        real = socket.getaddrinfo

        def look_up(host: Any, *rest: Any, **options: Any) -> Any:
            asked.add(host)
            return real("127.0.0.1", *rest, **options)
        asked: set[Any] = set()
        url = f"http://m\u00fcnchen.test:{self.site.port}/hello"
        with mock.patch.object(socket, "getaddrinfo", look_up):
            report = concur_demo.measure("titles_threads", [url], workers=[1])
        self.assertEqual(report.results, [(url, "Hello")])
        self.assertEqual(asked, {"xn--mnchen-3ya.test"})

    def test_next_address_of_a_host_if_the_first_is_dead(self) -> None:
        real, dead = socket.getaddrinfo, refused().rpartition(":")[2]

        def look_up(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
            return [found for one in (dead, port) for found in real(
                "127.0.0.1", one, *rest, **options)]
        url = f"http://two.test:{self.site.port}/hello"
        with mock.patch.object(socket, "getaddrinfo", look_up):
            report = concur_demo.measure("titles_threads", [url], workers=[1])
        self.assertEqual(report.results, [(url, "Hello")])

    def test_servers_that_know_only_browsers_are_told_who_asks(self) -> None:
        def page(link: socket.socket, request: bytes) -> None:
            known = re.search(
                rb"\r\nUser-Agent: Mozilla/.*concur_demo.*\r\n", request)
            link.sendall(HELLO if known else answer(status="403 Forbidden"))
        urls = [self.page(page), self.page(redirect("/page"), "/moved")]
        report = concur_demo.measure("titles_threads", urls, workers=[1])
        self.assertEqual(report.results, [(url, "Hello") for url in urls])

    def test_what_controls_a_terminal(self) -> None:
        url = self.page(answer(
            "<title>evil\x1b]0;\x07 \u202e\x9b31m&#27;[1m&#x2028;\x00"))
        text = run_lesson("titles_threads", "--verbose", "--workers", 1, url)
        self.assertIn(f"{url}  evil\\x1b]0;", text.stdout)
        for line in (text.stdout + text.stderr).split("\n"):
            self.assertTrue(line.isprintable(), ascii(line))
        ended = run_lesson("titles_threads", "--json", "--workers", 1, url)
        self.assertEqual(results(ended)[0][1][:5], "evil\x1b")


class Passwords(SiteTest):
    def test_never_shown(self) -> None:
        def login(link: socket.socket, request: bytes) -> None:
            known = base64.b64encode(b"me:secret") in request
            link.sendall(HELLO if known else answer("<title>who?"))
        self.page(login, "/login")
        self.page(redirect(f"http://localhost:{self.site.port}/login"),
                  "/elsewhere")
        self.page(answer(status="404 Not Found"), "/404")
        host = self.site.host
        good = [f"http://me:secret@{host}/login",
                f"http://m%65:s%65cret@{host}/login",
                f"http://me:secret@{host}/elsewhere"]
        bad = [
            f"http://me:secret@{host}/404", f"http://secret@{host}/404",
            f"http://secret:@{host}/hung-up", f"http://me:secret@{refused()}/",
            "http://me:secret@no-such-host.invalid/",
            "http://me:secret@[::1/", "http://me:secret@h:port/",
            "http://me:secret@h:99999/", "http://me:secret\uff20h/",
            "http://me:secret/x@h/", "http://me:se/secret@h:80/",
            "http://me:se#secret@h/", "http://me:se?secret@h/",
            "http://me:sec@secret@h..x/", "http://me@h.org:se/secret@h..x/",
            "http://CORP\\me:secret@h..x/", "http://me: secret@h..x/",
            "http:me:secret@h/", "http:/me:secret@h/", "http//me:secret@h/",
            "http ://me:secret@h/", "htp://me:secret@h/", "//me:secret@h/",
            "ftp://me:secret@h/", "url=http://me:secret@h/",
            "\ufeffhttp://me:secret@h/", "me:secret@h/", "me:secret@h",
            "http://me:secret\n@h..x/", "http://me:secret@"]
        folder = self.folder()
        files = [folder / "svg", folder / "trace"]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            text, markdown, as_json = pool.map(lambda form: run_lesson(
                "titles_threads", "--workers", 9, *form, "--", *good, *bad), [
                    ["--verbose"], ["--markdown"],
                    ["--json", "--svg", files[0], "--trace", files[1]]])
        shown = "\n".join([file.read_text("utf-8") for file in files] + [
            part for ended in (text, markdown, as_json)
            for part in (ended.stdout, ended.stderr)])
        self.assertEqual([line for line in shown.splitlines()
                          if "secret" in line or "s%65cret" in line], [])
        self.assertEqual(results(as_json), [
            (f"http://{host}/login", "Hello"),
            (f"http://{host}/login", "Hello"),
            (f"http://{host}/elsewhere", "who?")])


class StandardInput(SiteTest):
    def test_addresses_to_its_end(self) -> None:
        url = self.site.url + "/hello"
        ended = run_lesson(
            "titles_threads", "--json", "--workers", 5, "-", f"{url}?last",
            stdin=f"\ufeff{url}\r\n\r\n  \n {url}?2 \n\n{url}?3")
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        self.assertEqual(results(ended), [(one, "Hello") for one in (
            url, f"{url}?2", f"{url}?3", f"{url}?last")])

    def test_bytes_that_are_no_text(self) -> None:
        url = self.site.url + "/hello"
        data = b"%s\nhttp://\xff.invalid/\n" % url.encode()
        for encoding in "utf-8", "utf-8:surrogateescape":
            with self.subTest(encoding):
                ended = run_lesson("titles_threads", "--json", "--workers", 2,
                                   "-", stdin=data, PYTHONIOENCODING=encoding)
                self.assertEqual(ended.status, 1)
                self.assertRegex(ended.stderr, r"\A.*http://.*invalid.*\n\Z")
                self.assertEqual(results(ended), [(url, "Hello")])

    def test_nothing(self) -> None:
        closed = ["import os; os.close(0)"] * (os.name == "posix")
        for before, data in ("", ""), ("", "\r\n \n"), *zip(closed, [""]):
            with self.subTest(before, data=data):
                ended = run_lesson("titles_threads", "-", stdin=data,
                                   before=before)
                # Not the lesson's own pages: nobody has asked for them.
                self.assertEqual(ended.stdout, "")
                self.assertRegex(ended.stderr, r"\A.*standard input.*\n\Z")
                self.assertIn(ended.status, (1, 2))


class Openers(SiteTest):
    def test_a_dead_proxy_does_not_disturb_the_lessons_own_pages(self) -> None:
        ended = run_lesson(
            "titles_threads", "--json", "--workers", 5, no_proxy="",
            http_proxy=f"http://{refused()}")
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        self.assertEqual([title for _, title in results(ended)],
                         [f"Page {number}" for number in range(1, 6)])

    def test_a_dead_proxy_does_not_disturb_a_bare_lesson(self) -> None:
        for _, ended in at_once(lambda name: run(
                [*PYTHON, "-c", f"from concur_demo import {name} as lesson\n"
                 "lesson.DELAY = 0\nlesson.main()"],
                no_proxy="", http_proxy=f"http://{refused()}"),
                ["titles_threads", "titles_executor"]):
            self.assertEqual((ended.status, ended.stderr), (0, ""))

    def test_far_pages_come_by_the_proxy_those_of_this_machine_do_not(
            self) -> None:
        far = ["http://far.test/", "http://127.far.test/"]
        for url in far:
            self.page(answer("<title>by the proxy"), url)
        near = [f"http://{host}:{self.site.port}/hello"
                for host in ("127.0.0.1", "LocalHost")]
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # there may be no IPv6
                six = stack.enter_context(HostileSite("::1"))
                near.append(f"{six.url}/hello")
            ended = run_lesson(
                "titles_threads", "--json", "--workers", 1, *far, *near,
                no_proxy="", http_proxy=self.site.url)
        self.assertEqual(ended.stderr, "")
        self.assertEqual(dict(results(ended)), {
            **dict.fromkeys(far, "by the proxy"),
            **dict.fromkeys(near, "Hello")})

    def test_the_programs_opener_is_as_before(self) -> None:
        class Mine(urllib.request.OpenerDirector):
            def open(self, *rest: Any, **options: Any) -> Any:
                return "mine"
        self.addCleanup(urllib.request.install_opener, None)
        urllib.request.install_opener(Mine())
        for path in "/hello", "/hung-up":
            report = concur_demo.measure(
                "titles_threads", [self.site.url + path], workers=[1])
            self.assertEqual(len(report.results), path == "/hello")
            self.assertEqual(urllib.request.urlopen("http://h/"), "mine")


if __name__ == "__main__":
    unittest.main()
