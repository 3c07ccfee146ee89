"""What the options of lessons take: each function returns the value of an
argument, or tells argparse, or the user, what is wrong with it."""

import argparse
import contextlib
import glob
import importlib
import os
import sys
from typing import Any

from ._text import describe


def positive(text: str, most: int = 10**12) -> int:
    """Return the whole number in the text, from 1 to `most`."""
    with contextlib.suppress(ValueError):
        if 1 <= int(text) <= most:
            return int(text)
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a whole number from 1 to {most}")


def size(text: str) -> int:
    """Return the number of bytes in the text, such as 4096 or 250M."""
    unit = {"K": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:].upper(), 1)
    return unit * positive(text if unit == 1 else text[:-1], 10**12 // unit)


def pool_class(text: str) -> Any:
    """Return the class, or whatever makes pools, at MODULE:CLASS."""
    module, _, name = text.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # importing runs any code
        raise argparse.ArgumentTypeError(
            f"{text!r} is not MODULE:CLASS of a pool: {describe(error)}")


def with_standard_input(urls: list[str]) -> list[str]:
    """Return the addresses; in place of "-", those on standard input."""
    if "-" not in urls:
        return urls
    try:
        text = sys.stdin.read(10**7) if sys.stdin else ""
    except OSError as error:
        raise OSError(f"standard input: {describe(error)}") from None
    lines = text.lstrip("\ufeff").split("\n")  # the mark of some editors
    found = [line.strip() for url in urls
             for line in (lines if url == "-" else [url]) if line.strip()]
    if not found:
        raise ValueError("no addresses on standard input")
    return found


def with_wildcards(names: list[str]) -> list[str]:
    """Return the names; on Windows, which leaves that to programs, with the
    files in place of patterns such as *.jpg."""
    return [found for name in names for found in (
        os.name == "nt" and sorted(glob.glob(name)) or [name])]
