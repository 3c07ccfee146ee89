"""Who worked on what, when: as text, as SVG and as trace events."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

from concur_demo import _timeline
from concur_demo._measure import Run, Span

from .support import TestCase
from .test_report import HOSTILE, controls_in

SVG = "{http://www.w3.org/2000/svg}"


def a_run(workers: int, durations: Sequence[float], share: float = 1.0,
          failed: Sequence[int] = ()) -> Run:
    """Return the run of such tasks, each by the first worker to be free."""
    free = [0.0] * workers
    spans = []
    for number, seconds in enumerate(durations):
        worker = free.index(min(free))
        spans.append(Span(
            f"task {number}", f"ForkPoolWorker-{worker + 7} (pid 4242)",
            free[worker], seconds, seconds * share,
            "no such file" if number in failed else None))
        free[worker] += seconds
    return Run("sums", workers, max(free) + 1e-9, spans)


def run_of(seconds: float, *spans: tuple[str, float, float]) -> Run:
    """Return the run of spans that are given as (worker, start, seconds)."""
    return Run("spans", 1, seconds, [
        Span(f"task {number}", worker, start, took, 0.0)
        for number, (worker, start, took) in enumerate(spans)])


def lanes_of(*runs: Run, encoding: str = "utf-8") -> list[str]:
    """Return the lanes of the text, 40 columns, without their numbers."""
    return [line[3:] for line in _timeline.text(
        runs, 43, encoding).splitlines() if re.match(r" *\d+ [^ \d]", line)]


def svg_of(*runs: Run) -> str:
    return _timeline.svg(runs, "process", "Use <all> cores.", "on 2 cores")


def texts_of(svg: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(svg).iter(f"{SVG}text")]


def bars_of(run: Run) -> list[tuple[str, dict[str, str]]]:
    """Return (tooltip, attributes) of each bar in the picture."""
    return [(group.findtext(f"{SVG}title", ""), next(
        rect.attrib for rect in group if "fill-opacity" in rect.attrib))
        for group in ET.fromstring(svg_of(run)).iter(f"{SVG}g")
        if group.find(f"{SVG}title") is not None]


def events_of(*runs: Run) -> list[dict[str, Any]]:
    text = _timeline.trace_events(runs, "primes_pool")
    assert "\\u" not in text.replace(r"\\", ""), "Perfetto may reject it"
    events: list[dict[str, Any]] = json.loads(text.encode())["traceEvents"]
    return events


class Text(TestCase):

    def test_lanes_tell_one_worker_from_several(self) -> None:
        text = _timeline.text([a_run(1, [1, 3, 6]), a_run(2, [1, 3, 6])], 43)
        self.assertEqual(text.partition("\n█▓▒░ ")[0], """\
sums, 1 worker: 10.000 s
 1 ████│███████████│███████████████████████
sums, 2 workers: 7.000 s
 1 ████│███████████████████████
 2 ████████████················
   |0 s                |5 s""")

    def test_ascii_and_20_columns(self) -> None:
        run = a_run(2, [1, 1, 2], 0.5)
        # In the east Asian encodings a block would be two columns wide.
        for encoding in ("ascii", "cp1252", "cp932", "gbk", "big5", "cp949",
                         "no such encoding"):
            lines = _timeline.text([run], 1, encoding).splitlines()
            self.assertTrue("".join(lines).isascii(), encoding)
            self.assertLessEqual(max(map(len, lines)), 20)
            self.assertEqual(lines[2:5], [
                " 1 ++++++|++++++++++", " 2 ++++++...........",
                "   |0 s  |1 s |2 s"])
        self.assertIn("▒│▒", _timeline.text([run], 20, "cp437"))

    def test_lines_fit_and_marks_stand_at_their_time(self) -> None:
        for seconds in (1e-6, 0.00015, 0.9, 1.0, 8.1, 59.9, 86400.0):
            run = a_run(64, [seconds / 9] * 570, 0.3, [3, 190])
            for width in range(20, 121, 7):
                lines = _timeline.text([run], width).splitlines()
                self.assertLessEqual(max(map(len, lines)), width)
                axis = next(line for line in lines if "|0 s" in line)[3:]
                for mark in re.finditer(r"\|(\S+) s", axis):
                    place = float(mark[1]) / run.seconds * (width - 3)
                    self.assertAlmostEqual(place, mark.start(), delta=0.51)

    def test_a_shade_is_a_share_of_a_core(self) -> None:
        for share, block, sign in (
                (1.3, "█", "#"), (0.9, "█", "#"), (0.75, "▓", "*"),
                (0.5, "▒", "+"), (0.25, "░", "="), (0.05, "─", "-"),
                (0.0, "─", "-"), (-0.1, "─", "-")):
            run = a_run(1, [2.0], share)
            self.assertEqual(lanes_of(run), [40 * block])
            self.assertEqual(lanes_of(run, encoding="ascii"), [40 * sign])
            opacity = float(bars_of(run)[0][1]["fill-opacity"])
            self.assertAlmostEqual(opacity, min(max(share, 0), 1), delta=0.01)
        # Tasks too short to show apart have the shade of them all.
        run = a_run(1, [0.01] * 400)
        [lane] = lanes_of(run._replace(spans=[
            span._replace(cpu_seconds=0.0) if number % 2 else span
            for number, span in enumerate(run.spans)]))
        self.assertLessEqual(set(lane), set("▒│"))

    def test_failed_tasks_are_marked_at_their_ends(self) -> None:
        run = a_run(1, [1, 1, 2], 0, [0, 2])
        self.assertEqual(lanes_of(run), [
            9 * "─" + "!│" + 9 * "─" + "│" + 18 * "─" + "!"])
        self.assertIn("! failed", _timeline.text([run]))
        self.assertNotIn("failed", _timeline.text([a_run(1, [1])]))
        for durations in ([0.01] * 1000, [5.0, 0.001, 5.0]):
            run = a_run(1, durations, 1, [1])
            self.assertIn("!", lanes_of(run)[0])
            self.assertIn("!", texts_of(svg_of(run)))
            self.assertIn("failed: no such file", str(bars_of(run)))


class Lanes(TestCase):

    def test_more_than_16_are_counted(self) -> None:
        for workers, more in (17, "+ 1 more"), (1000, "+ 984 more"):
            run = a_run(workers, [1.0] * 17)
            self.assertEqual(len(lanes_of(run)), 16)
            self.assertIn(more, _timeline.text([run]))
            self.assertIn(more, svg_of(run))

    def test_tasks_of_one_worker_at_once_get_several(self) -> None:
        run = run_of(4.0, ("loop", 0, 2), ("loop", 0.5, 3), ("loop", 2, 2))
        self.assertEqual(lanes_of(run), [
            20 * "─" + "│" + 19 * "─", 5 * "·" + 30 * "─" + 5 * "·"])

    def test_another_clock_draws_nothing_outside_the_run(self) -> None:
        run = run_of(4.0, ("a", -5, 6), ("b", 3, 99), ("c", -9, 1),
                     ("c", -8, 1), ("d", 50, 1), ("d", 60, 1))
        self.assertEqual(lanes_of(run, a_run(1, [8.0])), [
            5 * "─" + 15 * "·", 15 * "·" + 5 * "─",
            "─" + 19 * "·", 19 * "·" + "─", 40 * "█"])
        run = run_of(1e-300, ("w", 0.0, 0.0))  # a clock that stands still
        self.assertEqual((len(lanes_of(run)), len(bars_of(run))), (1, 1))

    def test_thousands_of_tasks_take_no_more_room(self) -> None:
        run = a_run(4, [0.001] * 5_000, 0.5, range(0, 5_000, 3))
        self.assertLess(len(_timeline.text([run]) + svg_of(run)), 60_000)
        self.assertGreater(len(events_of(run)), 5_000)


class Svg(TestCase):

    def test_each_bar_has_a_place_of_its_own(self) -> None:
        for durations in ([0.0] * 50, [0.5] * 20, [0.2, 0.02] * 20,
                          [0.01] * 999, [0.0, 0.0, 9.0]):
            edge, tasks = 0.0, 0
            for tip, bar in bars_of(a_run(1, durations)):
                # With a gap to see between it and the one before.
                self.assertGreater(float(bar["x"]), edge)
                edge = float(bar["x"]) + float(bar["width"])
                several = re.match(r"(\d+) tasks", tip)
                tasks += int(several[1]) if several else 1
            self.assertEqual(tasks, len(durations))

    def test_tooltips_tell_times_and_the_share_of_a_core(self) -> None:
        self.assertEqual([tip for tip, _ in bars_of(a_run(
            2, [1, 3], 0.5, [1]))], [
            "task 0: start 0.000 s, took 1.000 s, CPU 0.500 s, 50% of a core",
            "task 1: start 0.000 s, took 3.000 s, CPU 1.500 s, 50% of a core,"
            " failed: no such file"])

    def test_all_figures_are_shown_with_and_without_spans(self) -> None:
        own = {f"a somewhat long figure {number}": number + 0.5
               for number in range(9)}
        for run in (a_run(2, [4])._replace(figures=own),
                    Run("sums", 2, 4.0, figures=own)):
            text = " ".join(texts_of(svg_of(run)))
            _, *figures = [" ".join(pair) for pair in run.shown().items()]
            for part in ("sums, 2 processes: 4.000 s", *figures,
                         "share of a core", "idle", "on 2 cores"):
                self.assertIn(part, text)

    def test_it_stands_alone_and_many_fit_one_page(self) -> None:
        text = svg_of(a_run(64, [0.01] * 500, 1, [3]))
        self.assertIn("<title>Use &lt;all&gt; cores.</title>", text)
        self.assertNotRegex(text, " id=|href|url[(]|<script|<image")
        self.assertEqual(re.findall(r"https?:[^\"]*", text), [SVG[1:-1]])
        for selector in re.findall(r"(\S+) \{(?:fill|stroke)", text):
            self.assertRegex(selector, "^[.]concur-")

    def test_no_part_lies_outside_or_over_a_text(self) -> None:
        for seconds in 1.0, 8.0, 0.08, 0.4, 100.0, 0.0099:
            root = ET.fromstring(svg_of(
                a_run(20, [seconds] * 20), a_run(1, [seconds / 9] * 9)))
            width, height = map(float, root.attrib["viewBox"].split()[2:])
            ends: dict[float, float] = {}
            for part in root.findall(".//*[@y]"):
                x, y = float(part.attrib["x"]), float(part.attrib["y"])
                wide = float(part.get("width", 6 * len(part.text or "")))
                if part.get("text-anchor") == "middle":
                    x -= wide / 2
                self.assertTrue(0 <= x <= x + wide <= width, part.text)
                self.assertTrue(0 <= y <= height)
                if part.tag == f"{SVG}text":
                    self.assertLess(ends.get(y, 0), x, part.text)
                    ends[y] = x + wide


class TraceEvents(TestCase):
    """The rules of the Trace Event Format, and what Perfetto adds."""

    def test_complete_events_are_the_spans(self) -> None:
        *_, first, second = events_of(Run("x", 1, 1.0, [
            Span("a", "w", 0.25, 0.5, 0.125),
            Span("b", "w", 0.75, 0.125, 0.125, "no such file")]))
        self.assertEqual(first, {
            "ph": "X", "name": "a", "cat": "primes_pool", "pid": 1, "tid": 2,
            "ts": 250_000, "dur": 500_000,
            "args": {"cpu_seconds": 0.125, "share_of_a_core": 0.25}})
        self.assertEqual((second["ts"], second["args"]["error"]),
                         (750_000, "no such file"))

    def test_every_event_keeps_the_rules(self) -> None:
        names, ends = {}, dict[tuple[int, int], int]()
        for event in events_of(
                a_run(1, [1 / 3] * 99), a_run(20, [0.1] * 60),
                run_of(1.0, ("loop", 0.0, 0.5), ("loop", 0.1, 0.5))):
            thread = event["pid"], event["tid"]
            if event["ph"] == "M":
                names[event["name"], *thread] = event["args"].get("name")
                continue
            start, took = event["ts"], event["dur"]
            self.assertEqual({type(number) for number in (
                *thread, start, took)}, {int})
            # Perfetto drops what overlaps: one thread, one task at a time.
            self.assertLessEqual(ends.get(thread, 0), start)
            self.assertGreaterEqual(took, 0)
            ends[thread] = start + took
            self.assertTrue(names["thread_name", *thread])
        # No thread of one run is taken for a thread of another.
        self.assertEqual(len({tid for _, tid in ends}), 1 + 20 + 2)
        self.assertEqual([name for (kind, *_), name in names.items()
                          if kind == "process_name"], [
            "sums, 1 worker: 33.000 s", "sums, 20 workers: 0.300 s",
            "spans, 1 worker: 1.000 s"])


class EveryForm(TestCase):

    def test_hostile_names_stay_text(self) -> None:
        for name in HOSTILE:
            run = Run("x", 1, 1.0, [Span(name, name, 0.0, 1.0, 0.5, name)])
            svg = svg_of(run)
            self.assertEqual(controls_in(
                svg + _timeline.text([run])
                + "".join(event["name"] for event in events_of(run))), "")
            self.assertLess(max(map(len, texts_of(svg))), 140)
        [(tip, _)] = bars_of(Run("x", 1, 1.0, [
            Span("\x1b]]><b a='\"&amp;\udcff\ufffe", "w", 0, 1, 0)]))
        self.assertIn(r"""\x1b]]><b a='"&amp;\udcff\ufffe: """, tip)
