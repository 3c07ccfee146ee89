"""A lesson's own file: what its docstring says, and the file to copy."""

import pathlib
import re
from typing import NamedTuple

# By these lines a lesson, run with -m, is measured; a copy is without them.
MEASURED = re.compile(
    r"    if __package__:.*\n        from \._run import main\n")


class Lesson(NamedTuple):
    """A lesson as its file has it."""

    name: str     # "primes_pool"
    title: str    # "CPU-bound work on a pool of processes"
    claim: str
    notice: str   # what to look for in a run
    try_: str     # a change to make, and a question to answer first
    source: str   # the whole file

    @property
    def snippet(self) -> str:
        """The file as a program of its own, ready to copy."""
        return MEASURED.sub("", self.source)


def read_lesson(name: str) -> Lesson:
    """Return a lesson from its file, not from its __doc__, which Python
    drops under -OO."""
    path = pathlib.Path(__file__).with_name(f"{name}.py")
    source = path.read_text(encoding="utf-8")
    docstring = source.split('"""', 2)[1]
    title, *paragraphs = re.split(
        r"^(?:Claim|Notice|Try):", docstring, flags=re.MULTILINE)
    title, claim, notice, try_ = (
        " ".join(text.split()) for text in [title, *paragraphs])
    return Lesson(name, title.rstrip("."), claim, notice, try_, source)
