"""The examples in the docstrings, run with all other tests."""

import doctest
import importlib
import pkgutil
import unittest

import concur_demo

from . import side_by_side


def load_tests(
    loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: object
) -> unittest.TestSuite:
    """Add the examples of every module of the package, and ours."""
    tests.addTests(doctest.DocTestSuite(side_by_side))
    for module in pkgutil.iter_modules(concur_demo.__path__):
        name = f"{concur_demo.__name__}.{module.name}"
        tests.addTests(doctest.DocTestSuite(importlib.import_module(name)))
    return tests
