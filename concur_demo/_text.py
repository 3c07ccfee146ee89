"""Text fit for a terminal, one line a thing, and for XML and HTML."""

import contextlib
import os
import re
import sys

# Controls, marks that turn the direction of text around, separators, and
# the surrogates that stand for the undecodable bytes of a file name.
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = "\u200c\u200d"  # harmless ones, which Persian words and emoji hold


def printable(text: str) -> str:
    """Return the text with every character that could move the cursor,
    break the line or reorder it written as its escape."""
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
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):  # as urllib wraps it
        return describe(reason)
    if isinstance(error, OSError) and error.strerror:
        names = (error.filename, error.filename2)
        text = ": ".join([error.strerror, *(
            os.fsdecode(name) if isinstance(name, bytes) else str(name)
            for name in names if name is not None)])
    else:
        text = " ".join(str(error).split())
        if not text or not isinstance(error, (OSError, ValueError)):
            text = f"{type(error).__name__}: {text}".rstrip(": ")
    return printable(text)


def say(line: str, end: str = "\n") -> None:
    """Write a line to standard error in a single write, so that lines of
    several threads and processes never mix; if it is closed, do nothing."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{line}{end}")
            sys.stderr.flush()


def count(number: float, thing: str) -> str:
    """Return a number of things in words, as "2 processes"."""
    plural = "" if number == 1 else "es" if thing.endswith("s") else "s"
    return f"{number} {thing}{plural}"
