"""Text fit for a terminal: one line a thing, and nothing that controls it.

And for XML and HTML: nothing that is markup.
"""

import os
import re
import sys
from typing import TextIO

# Controls, marks that turn the direction of text around, separators, and
# the surrogates that stand for the undecodable bytes of a file name.
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Formats, but harmless, and everyday spelling: Persian words and emoji hold
# these two, which keep apart or join what is beside them.
JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    """Return the text with every character that could move the cursor,
    break the line or reorder it written as its escape.

    >>> printable("two" + chr(10) + "lines, " + chr(27) + "[31mred")
    'two\\\\nlines, \\\\x1b[31mred'
    """
    if text.isprintable():
        return text
    import unicodedata  # here, as it is rarely needed, to start sooner
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in UNSAFE and char not in JOINERS
        else char
        for char in text)


def safe(string: str) -> str:
    """Return the string as text for XML, which forbids some characters
    even as references: https://www.w3.org/TR/xml/#charsets."""
    import html  # here, as it is rarely needed, to start sooner
    return html.escape(re.sub(
        "[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]",
        lambda found: found[0].encode("unicode_escape").decode(),
        printable(string)))


def describe(error: BaseException) -> str:
    """Return what went wrong, in one printable line, for a user."""
    if isinstance(error, OSError) and error.strerror:
        names = (error.filename, error.filename2)
        text = ": ".join([error.strerror, *(
            os.fsdecode(name) if isinstance(name, bytes) else str(name)
            for name in names if name is not None)])
    else:
        text = str(error) or type(error).__name__
    return printable(text)


def say(line: str, end: str = "\n") -> None:
    """Write a line to standard error, whole, in a single write.

    So lines of several threads and processes never mix. Where standard
    error is closed or full, nobody is there to be told.
    """
    if sys.stderr is not None:
        try:
            sys.stderr.write(f"{line}{end}")
            sys.stderr.flush()
        except OSError:
            discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Lose what is written to a stream that has failed.

    What is still in its buffer would fail once more when Python ends.
    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def plural(thing: str) -> str:
    """Return the word for several of a thing.

    >>> plural("thread"), plural("process"), plural("child")
    ('threads', 'processes', 'children')
    """
    if thing.endswith("child"):
        return f"{thing}ren"
    return f"{thing}es" if thing.endswith("s") else f"{thing}s"


def count(number: int, thing: str) -> str:
    """Return a number of things in words.

    >>> count(1, "process"), count(2, "process"), count(3, "thread")
    ('1 process', '2 processes', '3 threads')
    """
    return f"{number} {thing if number == 1 else plural(thing)}"
