"""Every module of the package: its examples, and what it imports."""

import ast
import doctest
import importlib
import pathlib
import sys
import unittest

import concur_demo

from .support import LESSONS, TestCase

FILES = sorted(pathlib.Path(concur_demo.__path__[0]).glob("*.py"))
# Where one of these is wanted, the program is for one kind of system.
SPECIAL = set("""fcntl grp posix pty pwd readline resource syslog termios tty
    msvcrt winreg winsound _winapi _posixsubprocess _posixshmem""".split())


def load_tests(
    loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: object
) -> unittest.TestSuite:
    """Add the examples of every module of the package."""
    for file in FILES:
        try:
            tests.addTests(doctest.DocTestSuite(importlib.import_module(
                f"concur_demo.{file.stem}".removesuffix(".__init__"))))
        except ModuleNotFoundError as error:
            # A lesson may need what this Python does not have.
            if file.stem not in LESSONS or "concur_demo" in str(error.name):
                raise
    return tests


class Imports(TestCase):

    def test_the_standard_library_as_every_system_has_it(self) -> None:
        for file in FILES:
            names = set()
            tree = ast.parse(file.read_bytes())
            optional = {
                part for node in ast.walk(tree) if isinstance(node, ast.Try)
                for part in node.body}
            for node in set(ast.walk(tree)) - optional:
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names.add(str(node.module))
            names = {name.partition(".")[0] for name in names}
            self.assertLessEqual(names, sys.stdlib_module_names - SPECIAL)
