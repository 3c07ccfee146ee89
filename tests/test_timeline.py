"""Who worked on what, when, as text and as SVG."""

import contextlib
import html.parser
import re
import threading
import unittest
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from concur_demo import _timeline
from concur_demo._machine import Machine
from concur_demo._measure import Run, Span, trace, with_speed_ups
from concur_demo._report import HOLDS, Report, Verdict
from concur_demo.worker_threads import map_threads

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = Machine("3.13.0", "CPython", True, 2, "Linux x86_64")

# Terminal control, a line break, markup, a byte that was no UTF-8 in a
# file name, a noncharacter, and a mark that turns the text around.
HOSTILE = "\x1b[2J\n]]><b a=\"'&amp;\udcff\ufffe\x00\u202e\U0001f40d"


def a_run(
    variant: str, workers: int, durations: Sequence[float],
    failed: Sequence[int] = (), overhead: float = 0.0,
) -> Run:
    """Return the run of such tasks, each by the first worker to be free."""
    free = [0.0] * workers
    spans = []
    for number, seconds in enumerate(durations):
        worker = free.index(min(free))
        spans.append(Span(
            f"task {number}", f"ForkPoolWorker-{worker + 7} (pid 4242)",
            free[worker], seconds, seconds / 2,
            "no such file" if number in failed else None))
        free[worker] += seconds
    return Run(
        variant, workers, max(free) + overhead, tasks=len(spans),
        failed=len(failed), task_seconds=sum(durations),
        cpu_seconds=sum(durations) / 2,
        spans=sorted(spans, key=lambda span: span.start))


def a_report(*runs: Run, lesson: str = "primes_pool") -> Report:
    return Report(
        lesson, "Processes use <all> cores.", Verdict(HOLDS, "So it is."),
        MACHINE, with_speed_ups(runs), [], "process")


def picture(report: Report) -> ET.Element:
    """Return the report's SVG, parsed; that alone rejects bad XML."""
    return ET.fromstring(report.svg().encode())


def bars_of(root: ET.Element) -> list[ET.Element]:
    """Return the rectangles that have a tooltip."""
    return [rect for rect in root.iter(f"{SVG}rect")
            if rect.find(f"{SVG}title") is not None]


def tips_of(root: ET.Element) -> list[str]:
    return [rect.findtext(f"{SVG}title", "") for rect in bars_of(root)]


def texts_of(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def lanes_of(text: str) -> list[str]:
    """Return the lanes of a timeline as text, without their labels."""
    return [line[3:] for line in text.splitlines()
            if re.match(r" *\d+ [^ \d]", line)]


WHOLE = [
    a_run("whole tasks", workers, [1.0, 3.0, 6.0]) for workers in (1, 2, 3)]
PIECES = [
    a_run("equal pieces", workers, [0.5] * 20) for workers in (1, 2)]


class Text(unittest.TestCase):

    def test_lanes_tell_one_worker_from_several(self) -> None:
        text = _timeline.text(WHOLE[:2], 43)
        self.assertEqual(text.splitlines(), [
            "whole tasks, 1 worker: 10.000 s",
            " 1 " + 4 * "█" + 12 * "▒" + 24 * "█",
            "whole tasks, 2 workers: 7.000 s",
            " 1 " + 4 * "█" + 24 * "▒",
            " 2 " + 12 * "█" + 16 * "·",
            "   |0 s                |5 s",
            "█▒ neighbouring tasks   · idle"])

    def test_axis_is_common_so_the_faster_run_is_shorter(self) -> None:
        one, two_a, two_b = lanes_of(_timeline.text(PIECES, 83))
        self.assertEqual((len(one), len(two_a), len(two_b)), (80, 40, 40))

    def test_marks_of_the_axis_stand_at_their_time(self) -> None:
        for seconds in (1e-9, 0.00015, 0.9, 1.0, 8.1, 59.9, 86400.0):
            for width in range(20, 121):
                run = a_run("x", 1, [seconds])
                axis = next(
                    line for line in _timeline.text([run], width).split("\n")
                    if "|" in line)[3:]
                scale = _timeline.common_scale([run], width - 3)
                marks = list(re.finditer(r"\|(\S+) s", axis))
                self.assertEqual(marks[0][1], "0")
                for mark in marks:
                    self.assertEqual(
                        mark.start(), scale.column(float(mark[1])))

    def test_no_line_is_wider_than_the_terminal(self) -> None:
        runs = [*WHOLE, *PIECES, a_run("pages", 64, [0.1] * 200, [3, 190]),
                a_run("a variant of a somewhat long name " * 3, 2, [1, 2])]
        for encoding in ("ascii", "latin-1", "utf-8"):
            for width in range(20, 121):
                text = _timeline.text(runs, width, encoding)
                self.assertLessEqual(
                    max(map(len, text.splitlines())), width)
                text.encode(encoding)

    def test_below_20_columns_it_is_as_at_20(self) -> None:
        self.assertEqual(
            _timeline.text(WHOLE, 1), _timeline.text(WHOLE, 20))

    def test_plain_ascii_where_the_encoding_has_no_blocks(self) -> None:
        # In the east Asian ones a block would be two columns wide.
        for encoding in ("ascii", "latin-1", "cp1252", "koi8-t", "cp932",
                         "gbk", "big5", "cp949", "no such encoding"):
            with self.subTest(encoding):
                text = _timeline.text(WHOLE, 43, encoding)
                self.assertTrue(text.isascii())
                self.assertEqual(lanes_of(text), [
                    4 * "#" + 12 * "=" + 24 * "#", 4 * "#" + 24 * "=",
                    12 * "#" + 16 * ".", 4 * "#" + 20 * ".",
                    12 * "#" + 12 * ".", 24 * "#"])
        for encoding in ("utf-8", "cp437", "cp850", "koi8-r"):
            with self.subTest(encoding), contextlib.suppress(LookupError):
                text = _timeline.text(PIECES[:1], 23, encoding)
                self.assertIn("▌" if encoding != "cp850" else "|", text)

    def test_a_failed_task_is_marked_at_its_end(self) -> None:
        text = _timeline.text([a_run("x", 1, [1, 1, 2], [0, 2])], 43)
        self.assertEqual(
            lanes_of(text), [9 * "█" + "!" + 10 * "▒" + 19 * "█" + "!"])
        self.assertIn("! failed", text)
        self.assertNotIn("!", _timeline.text(WHOLE))

    def test_a_failure_shows_among_a_thousand_tasks(self) -> None:
        text = _timeline.text([a_run("x", 1, [0.01] * 1000, [499])], 43)
        self.assertEqual(lanes_of(text), [19 * "▌" + "!" + 20 * "▌"])

    def test_tasks_too_short_to_show_apart_are_folded(self) -> None:
        short = a_run("x", 1, [*[0.01] * 100, 4.0])
        text = _timeline.text([short], 43)
        self.assertEqual(lanes_of(text), [8 * "▌" + 32 * "▒"])
        self.assertIn(
            "▌ tasks too short to show apart", text.replace("\n", " "))

    def test_a_short_task_between_long_ones_is_seen(self) -> None:
        lane, = lanes_of(
            _timeline.text([a_run("x", 1, [5.0, 0.001, 5.0])], 43))
        self.assertEqual(lane, 20 * "█" + "▒" + 19 * "█")

    def test_lanes_beyond_16_are_counted(self) -> None:
        run = a_run("x", 64, [1.0] * 70, [69])
        text = _timeline.text([run], 60)
        self.assertEqual(len(lanes_of(text)), 16)
        self.assertIn("+ 48 more workers: 48 tasks", text)
        text = _timeline.text([a_run("x", 17, [1.0] * 17, [16])], 60)
        self.assertIn("+ 1 more worker: 1 task, 1 failed", text)

    def test_workers_without_a_task_have_empty_lanes(self) -> None:
        text = _timeline.text([a_run("x", 4, [1.0, 2.0])], 43)
        self.assertEqual(lanes_of(text)[2:], [40 * "·"] * 2)
        text = _timeline.text([a_run("x", 1000, [1.0])], 43)
        self.assertIn("+ 984 more workers: 0 tasks", text)

    def test_workers_are_called_what_they_are(self) -> None:
        text = _timeline.text(WHOLE, worker="process")
        self.assertIn("whole tasks, 2 processes: 7.000 s", text)

    def test_runs_without_spans_are_left_out(self) -> None:
        bare = WHOLE[0]._replace(spans=())
        self.assertEqual(_timeline.text([]), "")
        self.assertEqual(_timeline.text([bare]), "")
        self.assertEqual(
            _timeline.text([bare, WHOLE[1]]), _timeline.text(WHOLE[1:2]))

    def test_hostile_names_do_not_reach_the_terminal(self) -> None:
        run = a_run(HOSTILE, 1, [1.0])
        for encoding in ("ascii", "utf-8"):
            text = _timeline.text([run], 80, encoding)
            self.assertEqual(len(lanes_of(text)), 1)
            self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\u202e]")
            self.assertIn(r"\x1b[2J\n]]>", text)

    def test_letters_are_kept_where_the_encoding_has_them(self) -> None:
        run = a_run("gleiche Stücke", 1, [1.0])
        self.assertIn("gleiche Stücke,", _timeline.text([run], 80, "latin-1"))
        self.assertIn(r"gleiche St\xfccke,",
                      _timeline.text([run], 80, "ascii"))

    def test_a_real_run_of_threads_that_overlap(self) -> None:
        together = threading.Barrier(3, timeout=10)
        run, _ = trace("barrier", map_threads, lambda _: together.wait(),
                       range(3), 3)
        self.assertEqual(len(lanes_of(_timeline.text([run], 60))), 3)
        scale = _timeline.common_scale([run], 57)
        bars = [bar for lane in _timeline.panel(run, scale).lanes
                for bar in lane]
        # Each waited for the others: none ended before all had begun.
        self.assertEqual(len(bars), 3)
        self.assertLessEqual(max(bar.left for bar in bars),
                             min(bar.right for bar in bars))


class Bars(unittest.TestCase):

    def test_each_has_a_place_of_its_own_in_its_run(self) -> None:
        scale = _timeline.Scale(10.0, 50)
        for durations in ([0.0] * 50, [0.2, 0.02] * 20, [0.4, 0.02] * 20,
                          [0.01] * 999, [9.9, 0.0], [0.0, 0.0, 9.0]):
            run = a_run("x", 1, durations, overhead=1e-9)
            panel = _timeline.panel(run, scale)
            edge = 0
            for bar in panel.lanes[0]:
                self.assertGreaterEqual(bar.left, min(edge, panel.end - 1))
                self.assertLess(bar.left, bar.right)
                edge = bar.right
            self.assertLessEqual(edge, panel.end)
            self.assertEqual(
                [span for bar in panel.lanes[0] for span in bar.spans],
                list(run.spans))

    def test_spans_outside_their_run_are_cut_off(self) -> None:
        # As another machine's clock may have it.
        spans = [Span("early", "a", -5.0, 6.0, 0.0),
                 Span("late", "b", 3.0, 99.0, 0.0),
                 Span("before", "c", -9.0, 1.0, 0.0),
                 Span("again", "c", -8.0, 1.0, 0.0),
                 Span("after", "d", 50.0, 1.0, 0.0),
                 Span("again", "d", 60.0, 1.0, 0.0)]
        run = Run("x", 4, 4.0, 6, 0, 109.0, 0.0, spans)
        drawn = {}
        for bar, in _timeline.panel(run, _timeline.Scale(8.0, 80)).lanes:
            drawn[bar.spans[0].task] = bar.left, bar.right
        self.assertEqual(drawn, {"early": (0, 10), "late": (30, 40),
                                 "before": (0, 1), "after": (39, 40)})

    def test_lanes_are_in_order_of_first_start(self) -> None:
        spans = [Span("1", "z", 0.0, 1.0, 0.0), Span("2", "a", 0.5, 1.0, 0.0),
                 Span("3", "z", 1.0, 1.0, 0.0)]
        run = Run("x", 2, 2.0, 3, 0, 3.0, 0.0, spans[::-1])
        panel = _timeline.panel(run, _timeline.Scale(2.0, 80))
        self.assertEqual(
            [[span.task for bar in lane for span in bar.spans]
             for lane in panel.lanes], [["1", "3"], ["2"]])

    def test_tiny_and_empty_runs_can_be_drawn(self) -> None:
        for seconds in (1e-300, 1e-9, 1e9):
            run = Run("x", 1, seconds, 1, 0, 0.0, 0.0,
                      [Span("t", "w", 0.0, 0.0, 0.0)])
            self.assertEqual(len(lanes_of(_timeline.text([run]))), 1)
            self.assertEqual(len(bars_of(picture(a_report(run)))), 1)


class Svg(unittest.TestCase):

    def test_each_task_is_a_bar_with_its_times(self) -> None:
        root = picture(a_report(WHOLE[1]))
        self.assertEqual(sorted(tips_of(root)), [
            "task 0: start 0.000 s, took 1.000 s, CPU 0.500 s",
            "task 1: start 0.000 s, took 3.000 s, CPU 1.500 s",
            "task 2: start 1.000 s, took 6.000 s, CPU 3.000 s"])

    def test_the_axis_is_common(self) -> None:
        root = picture(a_report(WHOLE[0], WHOLE[2]))
        # 1 + 3 + 6 s by one worker; by three, each task at time 0.
        places: dict[str, list[float]] = {}
        for bar, tip in zip(bars_of(root), tips_of(root)):
            places.setdefault(tip[:6], []).append(float(bar.get("width", "")))
        self.assertEqual(sorted(places), ["task 0", "task 1", "task 2"])
        for task, (width, again) in places.items():
            self.assertAlmostEqual(width, again, delta=1, msg=task)
        self.assertEqual(
            sum(width for width, _ in places.values()), _timeline.COLUMNS)

    def test_panels_have_heading_lanes_and_the_reports_figures(self) -> None:
        report = a_report(*WHOLE)
        texts = texts_of(picture(report))
        for row in report.table()[1:]:
            for figure in row[3:6]:
                self.assertIn(figure, texts)
        for words in ("whole tasks, 1 process: 10.000 s",
                      "whole tasks, 3 processes: 6.000 s", "process 3",
                      "in flight", "cores busy", "speed-up", "seconds"):
            self.assertIn(words, texts)
        self.assertEqual(texts.count("process 1"), 3)
        self.assertEqual(texts.count("in flight"), 3)

    def test_a_speed_up_that_was_not_measured_is_a_dash(self) -> None:
        self.assertIn("-", texts_of(picture(a_report(WHOLE[1]))))

    def test_neighbours_differ_in_colour(self) -> None:
        fills = [bar.get("fill") for bar in bars_of(
            picture(a_report(PIECES[0])))]
        self.assertEqual(len(fills), 20)
        self.assertTrue(all(a != b for a, b in zip(fills, fills[1:])))

    def test_a_failed_task_is_marked_in_words_too(self) -> None:
        root = picture(a_report(a_run("x", 1, [1.0, 1.0], [1])))
        self.assertTrue(tips_of(root)[1].endswith("failed: no such file"))
        self.assertIn("! task 1", texts_of(root))
        self.assertIn("! failed", " ".join(texts_of(root)))

    def test_a_short_failed_task_is_drawn_over_its_neighbours(self) -> None:
        root = picture(a_report(a_run("x", 1, [5.0, 0.001, 5.0], [1])))
        self.assertIn("failed", tips_of(root)[-1])
        self.assertGreaterEqual(float(bars_of(root)[-1].get("width", "")), 8)

    def test_ten_thousand_tasks_make_a_small_picture(self) -> None:
        report = a_report(
            *(a_run("x", workers, [0.01] * 10_000, [4000])
              for workers in (1, 8, 100, 1000)))
        self.assertLess(len(report.svg()), 60_000)
        root = picture(report)
        self.assertIn("10000 tasks, 1 failed, too short to show apart, "
                      "from 0.000 s to 100.000 s", tips_of(root))
        self.assertIn("+ 984 more processes: 9840 tasks",
                      texts_of(root))
        self.assertIn("stripes: tasks too short", " ".join(texts_of(root)))

    def test_runs_without_spans_still_have_their_figures(self) -> None:
        root = picture(a_report(WHOLE[0]._replace(spans=())))
        self.assertEqual(bars_of(root), [])
        self.assertIn("(tasks not recorded)", texts_of(root))
        self.assertIn("0.50", texts_of(root))
        self.assertEqual(bars_of(picture(a_report())), [])

    def test_hostile_names_stay_text(self) -> None:
        span = Span(HOSTILE, HOSTILE, 0.0, 1.0, 0.5, HOSTILE)
        run = Run(HOSTILE, 1, 1.0, 1, 1, 1.0, 0.5, [span])
        report = a_report(run, lesson=HOSTILE)
        text = report.svg()
        self.assertNotRegex(text, "[^\n -\ud7ff\ue000-\ufffd\U00010000-"
                            "\U0010ffff]")
        tip, = tips_of(ET.fromstring(text.encode()))
        shown = (r"""\x1b[2J\n]]><b a="'&amp;\udcff\ufffe\x00\u202e"""
                 "\U0001f40d")
        self.assertEqual(tip, f"{shown}: start 0.000 s, took 1.000 s, "
                         f"CPU 0.500 s, failed: {shown}")

    def test_very_long_names_are_cut(self) -> None:
        span = Span("x" * 10_000, "w" * 10_000, 0.0, 1.0, 0.5, "y" * 10_000)
        run = Run("z" * 10_000, 1, 1.0, 1, 1, 1.0, 0.5, [span])
        text = a_report(run).svg()
        root = ET.fromstring(text)
        self.assertLess(len(tips_of(root)[0]), 500)
        self.assertLess(max(map(len, texts_of(root))), 80)

    def test_it_stands_alone_and_fits_any_page(self) -> None:
        report = a_report(*WHOLE, a_run("x", 1, [0.01] * 100, [7]))
        text, root = report.svg(), picture(report)
        self.assertEqual(root.tag, f"{SVG}svg")
        self.assertEqual(root.get("role"), "img")
        self.assertRegex(root.get("viewBox", ""), r"^0 0 \d+ \d+$")
        self.assertEqual([child.tag for child in root][:2],
                         [f"{SVG}title", f"{SVG}desc"])
        self.assertEqual(root.findtext(f"{SVG}title"),
                         "primes_pool: Processes use <all> cores.")
        for child in root.iter():
            self.assertNotIn("id", child.attrib)
            self.assertNotIn(child.tag, {f"{SVG}script", f"{SVG}image"})
        self.assertEqual(re.findall(r"https?:[^\"]*", text),
                         ["http://www.w3.org/2000/svg"])
        self.assertNotIn("url(", text)
        self.assertNotIn("href", text)
        for selector in re.findall(r"([.#\w-]+) \{fill|\{stroke", text):
            if selector:
                self.assertTrue(selector.startswith(".concur-"), selector)

    def test_nothing_is_drawn_outside_the_picture(self) -> None:
        root = picture(a_report(
            *WHOLE, a_run("x", 64, [0.01] * 500, range(0, 500, 3))))
        _, _, width, height = map(float, root.get("viewBox", "").split())
        groups = list(root.iter(f"{SVG}g"))
        self.assertEqual(len(groups), 4)
        for group in groups:
            down = float(re.findall(r"[\d.]+", group.get("transform", ""))[1])
            for part in [*group.iter(f"{SVG}rect"),
                         *group.iter(f"{SVG}text")]:
                x, y = float(part.get("x", "")), float(part.get("y", ""))
                self.assertGreaterEqual(x, 0)
                self.assertLess(
                    x + float(part.get("width", "0")), width)
                self.assertLess(down + y, height)

    def test_two_pictures_can_stand_in_one_html_page(self) -> None:
        class Tags(html.parser.HTMLParser):
            def __init__(self) -> None:
                super().__init__()
                self.open: list[str] = []
                self.svgs = 0

            def handle_starttag(
                self, tag: str, attrs: list[tuple[str, str | None]]
            ) -> None:
                self.open.append(tag)
                self.svgs += tag == "svg"

            def handle_startendtag(
                self, tag: str, attrs: list[tuple[str, str | None]]
            ) -> None:
                pass

            def handle_endtag(self, tag: str) -> None:
                assert self.open.pop() == tag

        tags = Tags()
        one = a_report(a_run("<x>", 2, [1, 2, 3], [1])).svg()
        tags.feed(f"<body>{one}{one}</body>")
        tags.close()
        self.assertEqual((tags.open, tags.svgs), ([], 2))


if __name__ == "__main__":
    unittest.main()
