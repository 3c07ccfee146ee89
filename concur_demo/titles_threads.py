"""Network I/O on threads.

Claim: Threads overlap network I/O: five pages in the time of one.
Notice: Each page of the slow site below takes 0.2 seconds. A thread that
    waits releases the GIL: all five wait together, and no core has much to do.
Try: Ten threads for the five pages. How long will that take, and why?
"""
import contextlib
import html.parser
import http.server
import os
import queue
import re
import socketserver
import threading
import time
import urllib.request

PAGES = 5
DELAY = 0.2        # seconds, for each page of the slow site
TIMEOUT = 10       # seconds, for each page
LIMIT = 1_000_000  # bytes of a page, to look through for its title
META = re.compile(r"(?i)<meta[^<>]*charset\s*=[\"'\s]*([\w-]+)")


class TitleParser(html.parser.HTMLParser):
    """Collects the text of a page's first title."""

    CDATA_CONTENT_ELEMENTS = "script", "style", "title"  # text, no tags
    title, inside, found = "", False, False

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "title" and not self.found

    def handle_data(self, data):
        self.title += data if self.inside else ""

    def handle_endtag(self, tag):
        self.found |= self.inside
        self.inside = False


def fetch_title(url):
    """Return the title of the page at url, or "" if it has none."""
    end = time.perf_counter() + TIMEOUT
    parser, page = TitleParser(), ""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        while (not parser.found and len(page) < LIMIT and
               (text := answer.read1(4096).decode("latin-1"))):
            page += text  # latin-1 keeps every byte, until we know the charset
            parser.feed(text)
            if time.perf_counter() > end:  # each byte restarts the other one
                raise TimeoutError(f"no title within {TIMEOUT} seconds")
    parser.feed(" " * len(page))  # some hold back text until more comes
    title = parser.title + (parser.rawdata if parser.inside else "")
    for charset in [answer.headers.get_content_charset(""),
                    *META.findall(page), "utf-8", "cp1252", "latin-1"]:
        with contextlib.suppress(LookupError, ValueError):  # if not that one
            title = title.encode("latin-1").decode(charset)
            break
    return " ".join(html.unescape(title).split())


def map_threads(work, tasks, workers):
    """Yield (task, work(task)) as that many threads get them done."""
    todo, done, tasks = queue.Queue(), queue.Queue(), list(tasks)
    for task in tasks + [None] * workers:  # None: the end
        todo.put(task)

    def serve():
        while (task := todo.get()) is not None:
            try:
                done.put((task, work(task)))
            except BaseException as error:  # else we would wait for ever
                done.put(error)

    for _ in range(workers):
        threading.Thread(target=serve, daemon=True).start()
    for _ in tasks:
        if isinstance(pair := done.get(), BaseException):
            raise pair
        yield pair


class SlowPage(http.server.BaseHTTPRequestHandler):
    """A page of the slow site: the one at /7 has the title Page 7."""
    def do_GET(self):
        time.sleep(DELAY)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"<title>Page {self.path[1:]}</title>".encode())

    def log_message(self, *words):
        pass


class SlowSite(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1000  # connections that may wait


def main():
    os.environ["no_proxy"] = "127.0.0.1"  # no proxy leads to this machine
    with SlowSite(("127.0.0.1", 0), SlowPage) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{site.server_address[1]}"
        urls = [f"{home}/{page + 1}" for page in range(PAGES)]
        for workers in 1, 2, 5:
            start = time.perf_counter()
            for url, title in map_threads(fetch_title, urls, workers):
                print(title, url)
            seconds = time.perf_counter() - start
            print(f"threads: {workers}, seconds: {seconds:.2f}")
        site.shutdown()


if __name__ == "__main__":
    if __package__:  # python -m concur_demo.titles_threads: measured
        from ._run import main
    main()
