"""Lesson 2: network I/O on threads.

A thread that waits for an answer has released the GIL, so others can send
their requests meanwhile. What to look for: five threads fetch five slow
pages in about the time of one, with hardly any core busy.
"""

import functools
import html.parser
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence

from . import _cli
from ._machine import this_machine
from ._measure import Run, Show, best_of, trace, with_speed_ups
from ._report import (
    DOES_NOT_HOLD, FASTER, HOLDS, OWN_TASKS, Report, Verdict, compared)
from ._text import count, describe
from .pages import fetch_title, without_password
from .slow_site import slow_site
from .worker_threads import map_few, map_threads

CLAIM = "Threads overlap network I/O: they wait for their pages together."
PAGES = 5
DELAY = 0.2        # seconds, for every page
QUICK_DELAY = 0.1
MAX_LINE = 2**20   # bytes of an address on standard input, and no end of it


class TitleParser(html.parser.HTMLParser):
    """Collects the text of a page's title."""

    title = ""
    inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside = tag == "title"

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.title += data


def title_of(url: str) -> str:
    """Return the title of a page, if its HTML is in order."""
    parser = TitleParser()
    with urllib.request.urlopen(url, timeout=10) as page:
        parser.feed(page.read().decode("utf-8", "replace"))
    return " ".join(parser.title.split())


def example() -> None:
    """Fetch five slow pages on five threads; print their titles."""
    with slow_site(DELAY) as site:
        urls = [f"{site}{number}" for number in range(1, PAGES + 1)]
        for url, title in map_few(title_of, urls, workers=5):
            print(title, url, sep="\t")


def measure(
    urls: Iterable[str] = (), *,
    workers: Sequence[int] = (1, 2, 5), quick: bool = False,
    repeat: int = 1, verbose: bool = False,
    progress: Callable[[str], None] | None = None,
    timeout: float = 10.0, show: Show | None = None, keep: bool = True,
) -> Report:
    """Return the Report of five slow pages on each number of threads.

    If there are `urls` (they may be endless), those are fetched instead,
    once, on the last number of threads. `timeout`, in seconds, is that of
    each fetch. `show` and `keep` are those of trace().
    """
    traced = functools.partial(
        trace, "pages", map_threads,
        functools.partial(fetch_title, timeout=timeout),
        name=without_password, verbose=verbose, show=show, keep=keep)
    if urls:
        run, titles = traced(urls, workers[-1])
        runs = [run]
        verdict = OWN_TASKS
    else:
        runs = []
        with slow_site(QUICK_DELAY if quick else DELAY) as site:
            urls = [f"{site}{number}" for number in range(1, PAGES + 1)]
            for number in workers:
                if progress:
                    progress(count(number, "thread"))
                run, titles = best_of(repeat, lambda: traced(urls, number))
                titles.sort()
                runs.append(run)
        verdict = compared(runs, this_machine(), judge, needed_cores=1)
    return Report(
        "titles_threads", CLAIM, verdict, this_machine(),
        with_speed_ups(runs),
        [(without_password(url), title) for url, title in titles])


def judge(alone: Run, best: Run) -> Verdict:
    """Return the verdict on CLAIM from one thread and from several."""
    figures = (
        f"{best.workers} threads fetched {best.tasks} pages in "
        f"{best.seconds:.2f} s, where one took {alone.seconds:.2f} s, with "
        f"{best.in_flight:.1f} pages in flight and {best.cores_busy:.2f} "
        "cores busy.")
    if alone.seconds / best.seconds < FASTER:
        return Verdict(DOES_NOT_HOLD, figures)
    return Verdict(
        HOLDS, figures, f"On average {best.in_flight:.1f} pages were in "
        f"flight, with {best.cores_busy:.2f} cores busy: waiting needs no "
        "core, so threads can wait together even under the GIL.")


def with_standard_input(urls: Iterable[str]) -> Iterator[str]:
    """Yield the urls; in place of "-", the lines of standard input."""
    for url in urls:
        if url == "-":
            yield from lines_of_standard_input()
        else:
            yield url


def lines_of_standard_input() -> Iterator[str]:
    """Yield the lines that are not empty, as they come."""
    if sys.stdin is None:
        raise OSError("standard input is closed")
    try:
        while line := sys.stdin.buffer.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise OSError(f"a line has {MAX_LINE} bytes or more")
            # Some editors put a byte-order mark before the first.
            if text := line.decode(errors="replace").strip("\ufeff \t\r\n"):
                yield text
    except OSError as error:
        raise OSError(f"standard input: {describe(error)}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lesson's command line; return its exit status."""
    parser = _cli.lesson_parser(
        "titles_threads", CLAIM, "--workers 1,5 --repeat 3",
        (1, 2, 5), "[URL...]")
    parser.add_argument(
        "urls", nargs="*", metavar="URL",
        help="print the titles of these pages instead, fetched on the last "
        "worker count; - reads them from standard input, one a line")
    parser.add_argument(
        "--timeout", type=_cli.seconds, default=10.0, metavar="SECONDS",
        help="how long a page may take (default 10)")
    return _cli.run(
        parser, measure, argv, own="urls", expand=with_standard_input,
        line=lambda url, title: (title, without_password(url)))


if __name__ == "__main__":
    _cli.start(main)
