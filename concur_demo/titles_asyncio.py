"""Network I/O with asyncio.

Claim: One thread can wait for all pages at once, with asyncio.
Notice: Five pages are in flight, but there is one thread: each worker is a
    coroutine. While it awaits an answer, the event loop goes on with others.
    They switch only at an await, and so need no locks between two of them;
    but one that computes for long holds up all.
Try: In answer(), put time.sleep(delay) in place of asyncio.sleep(delay), and
    drop its await. How long will five pages take now, and why?
"""
import asyncio
import functools
import html
import queue
import re
import threading
import time
import urllib.parse

PAGES = 5
DELAY = 0.2        # seconds, for each page of the slow site
TIMEOUT = 10       # seconds, for each page
LIMIT = 1_000_000  # bytes of a page, to look through for its title
TITLE = re.compile(r"(?is)<title[^<>]*>([^<]*)</title")


async def get_title(url):
    """Return the title of the page at url, or "" if it has none. A real
    client adds redirects, HTTPS, proxies, chunked and compressed bodies,
    charsets other than UTF-8; and it reuses its connections."""
    parts = urllib.parse.urlsplit(url)
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or 80)
        try:
            writer.write(f"GET {parts.path or '/'} HTTP/1.1\r\n"
                         f"Host: {parts.netloc}\r\n"
                         "Connection: close\r\n\r\n".encode())
            page = b""
            while len(page) < LIMIT and (data := await reader.read(4096)):
                page += data
        finally:
            writer.close()
    head, _, body = page.decode(errors="replace").partition("\r\n\r\n")
    if not re.match(r"HTTP/1\.\d 200 ", head):
        raise OSError(f"not a page but {head[:40]!r}")
    title = TITLE.search(body)
    return " ".join(html.unescape(title[1]).split()) if title else ""


async def do_all(work, tasks, workers):
    """Return a list of (task, result of work(task)), in the order in which
    they got done, with as many of them in flight as there are workers."""
    todo, done = iter(tasks), []

    async def serve():
        for task in todo:  # all take from the same iterator
            done.append((task, await work(task)))

    await asyncio.gather(*[serve() for _ in range(workers)])
    return done


def map_asyncio(work, tasks, workers):
    """Return the same, in an event loop of its own."""
    return asyncio.run(do_all(work, tasks, workers))


async def answer(delay, reader, writer):
    """Send a page of the slow site: the one at /7 has the title Page 7."""
    request = await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(delay)
    title = request.split()[1].decode()[1:]
    writer.write("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
                 f"<title>Page {title}</title>".encode())
    writer.close()
    await writer.wait_closed()


async def serve_site(tell, delay):
    """Be the slow site for ever; tell its port."""
    site = await asyncio.start_server(
        functools.partial(answer, delay), "127.0.0.1", backlog=1000)
    tell(site.sockets[0].getsockname()[1])
    await site.serve_forever()


def slow_site(tell, delay=DELAY):
    """Run the slow site, in a thread or in a process of its own."""
    asyncio.run(serve_site(tell, delay))


def main():
    ports = queue.Queue()
    threading.Thread(target=slow_site, args=[ports.put], daemon=True).start()
    home = f"http://127.0.0.1:{ports.get()}"
    urls = [f"{home}/{page + 1}" for page in range(PAGES)]
    for workers in 1, 2, 5:
        start = time.perf_counter()
        for url, title in map_asyncio(get_title, urls, workers):
            print(title, url)
        seconds = time.perf_counter() - start
        print(f"in flight: {workers}, seconds: {seconds:.2f}")


if __name__ == "__main__":
    if __package__:  # python -m concur_demo.titles_asyncio: measured
        from ._run import main
    main()
