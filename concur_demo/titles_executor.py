"""Network I/O on an executor.

Claim: ThreadPoolExecutor.map does in a line what threads and a queue did.
Notice: It takes as long as titles_threads. An executor adds the order of the
    tasks, and futures: what a page raises is raised where its result is asked
    for. But Python waits for its threads, so that after Ctrl-C the pages
    under way are finished; and map() takes all tasks at once, however many.
Try: Use executor.submit() and concurrent.futures.as_completed() in place of
    map(). In what order will the titles come, and what if an address is wrong?
"""
import concurrent.futures
import contextlib
import html.parser
import http.server
import os
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


def map_executor(work, tasks, workers):
    """Yield (task, work(task)) from so many threads, in order of the tasks."""
    tasks = list(tasks)
    with concurrent.futures.ThreadPoolExecutor(workers) as executor:
        yield from zip(tasks, executor.map(work, tasks))


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
            for url, title in map_executor(fetch_title, urls, workers):
                print(title, url)
            seconds = time.perf_counter() - start
            print(f"threads: {workers}, seconds: {seconds:.2f}")
        site.shutdown()


if __name__ == "__main__":
    if __package__:  # python -m concur_demo.titles_executor: measured
        from ._run import main
    main()
