"""The benchmark's table and command; what it measures is not judged here."""

import contextlib
import io
import json
import os
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

from . import benchmark, side_by_side
from .side_by_side import Costs, Row, Skipped, command, elapsed, measured
from .support import TestCase

NAMES = {
    "tutorial", "efficiency", "executor", "sum", "sieve", "runner",
    "titles-wait", "titles-many", "asyncio-many", "titles-cpu",
    "titles-large", "copy-one", "copy-two", "pipe", "queue", "interpreters",
    "start", "overview", "report-scale"}


def row_of(*pairs: tuple[float, float], name: str = "a",
           at_least: bool = False, tenth: float = 0) -> Row:
    """Return a row whose costs are these, in turn, with a target of 1."""
    ours, theirs = map(iter, zip(*pairs))

    @contextlib.contextmanager
    def costs() -> Iterator[Costs]:
        both = lambda: next(ours), lambda: next(theirs)  # noqa: E731
        yield (*both, lambda: tenth) if tenth else both

    return Row(name, "ours; theirs", 1.0, at_least, len(pairs) - 1 or 1, "s",
               costs)


def failing_row(name: str, error: Exception) -> Row:
    return row_of((1, 1), name=name)._replace(
        costs=mock.Mock(side_effect=error))


def run(rows: list[Row], *argv: str) -> tuple[int, str]:
    """Return exit status and standard output of the command."""
    with (mock.patch.object(side_by_side, "ROWS", rows),
          contextlib.redirect_stdout(io.StringIO()) as out):
        return command(argv), out.getvalue()


class Benchmark(TestCase):

    def test_it_has_every_row(self) -> None:
        self.assertEqual(NAMES, {row.name for row in side_by_side.ROWS})

    def test_outcomes(self) -> None:
        cases: list[tuple[str, list[tuple[float, float]], bool]] = [
            ("met", [(1, 1)], False),
            ("met", [(1, 1), (9, 1), (0.9, 1), (0.8, 1)], False),
            ("missed", [(1.1, 1)], False),
            ("within noise", [(1, 1), (0.9, 1), (1.1, 1), (1.5, 1)], False),
            ("met", [(0.9, 1)], True), ("missed", [(1.1, 1)], True)]
        for outcome, pairs, at_least in cases:
            with self.subTest(pairs=pairs, at_least=at_least):
                row = row_of(*pairs, at_least=at_least)
                self.assertEqual(measured(row)["outcome"], outcome)

    def test_the_first_pair_only_warms_up(self) -> None:
        cells = measured(row_of((9, 9), (2, 4), (2, 4), (2, 4)))
        self.assertEqual([cells[name] for name in (
            "ours", "against", "ratio", "noise")], [2, 4, 0.5, 0])

    def test_growth(self) -> None:
        row = row_of((9, 9), (2, 2), (2, 2), tenth=0.5)
        self.assertEqual(measured(row)["growth"], 4)
        self.assertIsNone(measured(row_of((1, 1)))["growth"])

    def test_a_table_of_the_rows_asked_for(self) -> None:
        rows = [row_of((1, 2), name="b"), row_of((2, 1), name="a")]
        status, out = run(rows, "--only", "a")
        machine, headings, line = out.splitlines()
        self.assertIn("Python", machine)
        self.assertEqual(headings.split()[:3], ["name", "ours", "against"])
        self.assertTrue(line.startswith("a  "), line)
        self.assertIn("missed", line)
        self.assertEqual(status, 1)

    def test_json(self) -> None:
        status, out = run([row_of((1, 2)), failing_row("b", OSError("no"))],
                          "--json")
        self.assertEqual(status, 1)
        report: Any = json.loads(out)
        self.assertIn("cores", report["machine"])
        first, second = report["rows"]
        self.assertEqual((first["name"], first["ours"], first["outcome"]),
                         ("a", 1, "met"))
        self.assertEqual(list(first), list(second))
        self.assertEqual((second["name"], second["ours"], second["what"]),
                         ("b", None, "no"))

    def test_a_row_that_fails_leaves_the_others(self) -> None:
        rows = [failing_row("skips", Skipped("one core")), row_of((1, 1))]
        status, out = run(rows)
        self.assertEqual(status, 0)
        self.assertRegex(out, r"(?m)^skips .* skipped +one core$")
        self.assertRegex(out, r"(?m)^a .* met ")
        status, out = run([failing_row("fails", OSError("no room"))])
        self.assertEqual(status, 1)
        self.assertRegex(out, r"(?m)^fails .* failed +no room$")

    def test_an_unknown_row(self) -> None:
        with self.assertRaisesRegex(ValueError, "no row 'sun'; there are "):
            command(["--only", "sum,sun"])

    def test_amounts(self) -> None:
        for value, unit, text in [(0.0123, "s", "12.3 ms"), (0, "s", "0 ns"),
                                  (1_730_000_000, "B", "1.73 GB")]:
            self.assertEqual(side_by_side.amount(value, unit), text)

    def test_what_a_generator_yields_is_waited_for(self) -> None:
        taken = []

        def work(*tasks: int) -> Iterator[int]:
            for task in tasks:
                taken.append(task)
                yield task

        self.assertGreater(elapsed(work, 1, 2), 0)
        self.assertEqual(taken, [1, 2])

    def test_the_tutorials_sums_are_ours(self) -> None:
        self.assertEqual(benchmark.sum_by_loop(1000), 76127)

    def test_titles_of_the_rival(self) -> None:
        with (mock.patch.dict(os.environ, no_proxy="*"),
              benchmark.site(benchmark.serve_pages) as address):
            benchmark.fetch(benchmark.title_of_all, f"{address}/20000")


if __name__ == "__main__":
    unittest.main()
