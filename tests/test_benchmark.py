"""The benchmark's command line; what it measures is not judged here."""

import contextlib
import io
import json
import multiprocessing
import os
import signal
import sys
import unittest
from unittest import mock

from . import benchmark, side_by_side

NAMES = {
    "efficiency", "pieces", "executor", "sum", "overhead", "memory",
    "tracing", "titles-wait", "titles-cpu", "titles-large", "titles-scale",
    "copy-one", "copy-two", "copy-small", "pipe", "start", "overview"}


def run(*argv: str) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = side_by_side.main(argv)
        except SystemExit as ended:
            status = int(ended.code or 0)
    return status, out.getvalue(), err.getvalue()


def keep(number: int) -> None:
    """Keep so many bytes for a moment, in objects of a kilobyte."""
    len([bytes(1000) for _ in range(number // 1000)])


def fail(number: int) -> None:
    raise OSError(number, "of no use")


def row(name: str, pairs: side_by_side.Pairs, limit: float = 1.0,
        at_least: bool = False) -> side_by_side.Cells:
    return side_by_side.Row(name, "", limit, pairs, at_least).cells()


class BenchmarkTest(unittest.TestCase):
    def test_has_every_row(self) -> None:
        self.assertLessEqual(NAMES, set(side_by_side.MEASURES))
        self.assertEqual(
            side_by_side.MEASURES["titles-cpu"], benchmark.titles_cpu)

    def test_only_as_table(self) -> None:
        with mock.patch.object(benchmark, "draw", lambda tasks: None):
            status, out, err = run("--only", "report-scale")
        machine, headings, line = out.splitlines()
        self.assertIn("Python", machine)
        self.assertEqual(headings.split()[:3], ["name", "ours", "against"])
        self.assertTrue(line.startswith("report-scale "))
        self.assertEqual((status, err), (int("missed" in line), ""))

    def test_only_as_json(self) -> None:
        def quick() -> list[side_by_side.Row]:
            return [side_by_side.Row("quick", "", 1.0, [(0.5, 1.0)])]

        with mock.patch.dict(side_by_side.MEASURES, quick=quick):
            _, out, _ = run("--json", "--only", "quick,quick")
        found = json.loads(out)
        self.assertIn("cores", found["machine"])
        [one] = found["rows"]
        self.assertEqual(one["name"], "quick")
        self.assertGreater(one["ours"], 0)
        self.assertIn(one["outcome"], ("met", "within noise", "missed"))

    def test_unknown_row(self) -> None:
        status, out, err = run("--only", "sum,sun")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("no row 'sun'", err)
        self.assertEqual(err.count("\n"), 1)

    def test_outcomes(self) -> None:
        for outcome, pairs, at_least in [
                ("met", [(1.0, 1.0)], False),
                ("met", [(9.0, 1.0), (0.9, 1.0), (0.8, 1.0)], False),
                ("missed", [(1.1, 1.0)], False),
                ("within noise", [(0.9, 1.0), (1.1, 1.0), (1.5, 1.0)], False),
                ("met", [(0.9, 1.0)], True),
                ("missed", [(1.1, 1.0)], True)]:
            with self.subTest(pairs=pairs, at_least=at_least):
                self.assertEqual(
                    row("a", pairs, at_least=at_least)["outcome"], outcome)

    def test_growth(self) -> None:
        for tenth, growth in [(0.5, 4.0), (0.0, None)]:
            [one] = side_by_side.compare(
                "a", "", 1.0, 1, (float, 2.0), (float, 2.0), (float, tenth))
            self.assertEqual(one.growth, growth)
            self.assertIn(" 1.00 ", side_by_side.line(one.cells()))

    def test_a_row_that_fails_leaves_the_others(self) -> None:
        def fails() -> list[side_by_side.Row]:
            raise OSError("no room")

        def skips() -> list[side_by_side.Row]:
            raise side_by_side.Skipped("one core")

        before = dict(side_by_side.MEASURES)
        try:
            side_by_side.MEASURES.update(fails=fails, skips=skips)
            status, out, _ = run("--only", "fails,skips")
            skipped, _, _ = run("--only", "skips")
        finally:
            side_by_side.MEASURES.clear()
            side_by_side.MEASURES.update(before)
        self.assertEqual((status, skipped), (1, 0))
        self.assertIn("failed: OSError: no room", out)
        self.assertIn("skipped: one core", out)

    def test_rows_without_figures_have_the_same_cells(self) -> None:
        self.assertEqual(
            list(side_by_side.unmeasured("a", "skipped", "one core")),
            list(row("a", [(1.0, 1.0)])))

    def test_costs_in_a_child(self) -> None:
        try:
            costs = side_by_side.costs_in_child(keep, 2_000_000)
        except side_by_side.Skipped as reason:
            self.skipTest(str(reason))
        self.assertGreater(costs.growth, 1_500_000)
        self.assertLess(costs.growth, 3_000_000)
        with self.assertRaisesRegex(OSError, "of no use"):
            side_by_side.costs_in_child(fail, 5)

    @unittest.skipIf(sys.platform == "win32", "no signal for one process")
    def test_the_site_leaves_ctrl_c_to_us(self) -> None:
        """A terminal sends it to all processes."""
        with benchmark.site():
            [process] = multiprocessing.active_children()
            os.kill(process.pid or 0, signal.SIGINT)
            process.join(0.5)  # which it would have ended by then
            self.assertTrue(process.is_alive())


if __name__ == "__main__":
    unittest.main()
