"""What a run was measured on: cores that may be used, the GIL, memory; and
how many files may be open."""

import multiprocessing
import os
import re
import sys
import time
import types
import warnings
from unittest import mock

from concur_demo._machine import (
    Memory, files_allowed, this_machine, usable_cores)

from .support import METHODS, TestCase, on_linux, on_posix, run_lesson

V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu"


class Cores(TestCase):

    def cores(self, groups: str, files: dict[str, str]) -> float:
        """Return how many of 8 cores may be used in these control groups,
        whose files hold this."""
        root = self.folder()
        for name, text in {"proc/self/cgroup": groups, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with mock.patch.object(os, "sched_getaffinity", create=True,
                               new=lambda pid: set(range(8))):
            return usable_cores(str(root))

    def test_the_limit_of_a_group(self) -> None:
        for quota, cores in (("50000", "0.5"), ("110000", "1.1"),
                             ("150000", "1.5"), ("33333", "0.33"),
                             ("300000", "3"), ("9900000", "8"), ("max", "8")):
            self.assertEqual(cores, str(self.cores(
                "0::/one\n", {f"{V2}/one/cpu.max": f"{quota} 100000\n"})))
            self.assertEqual(cores, str(self.cores("4:cpu,cpuacct:/one\n", {
                f"{V1}/one/cpu.cfs_quota_us": quota.replace("max", "-1"),
                f"{V1}/one/cpu.cfs_period_us": "100000\n"})))

    def test_the_narrowest_of_nested_groups_limits(self) -> None:
        groups = "12:memory:/x\n1:name=systemd:/y\n0::/one/two\n"
        for limits, cores in (
                ({"": "max", "one/": "max", "one/two/": "250000"}, 2.5),
                ({"one/": "150000", "one/two/": "400000"}, 1.5),
                ({"": "100000", "one/two/": "max"}, 1),
                ({"three/": "100000"}, 8)):
            self.assertEqual(cores, self.cores(groups, {
                f"{V2}/{name}cpu.max": f"{quota} 100000"
                for name, quota in limits.items()}))
        # A container sees its own group as the top, under the host's name.
        for groups, cores in ("3:cpu:/docker/1", 0.6), ("3:cpuset:/", 8):
            self.assertEqual(cores, self.cores(groups, {
                f"{V1}/cpu.cfs_quota_us": "60000",
                f"{V1}/cpu.cfs_period_us": "100000"}))

    def test_what_makes_no_sense_limits_nothing(self) -> None:
        for groups in "", "0::/\n", "nonsense\n", "0::/\udcff\u2028b\n":
            for limit in ("", "100000", "100000 0", "-1 100000", "a b",
                          "1 b", "100000 100000 1", "\udcff \udcff"):
                self.assertEqual(8, self.cores(groups, {
                    f"{V2}/cpu.max": limit}))

    def test_affinity_and_systems_without_it(self) -> None:
        root = str(self.folder())
        with mock.patch.object(os, "sched_getaffinity", create=True,
                               new=lambda pid: {5}):
            self.assertEqual(usable_cores(root), 1)
        for installed, cores in (3, 3), (None, 1):
            with mock.patch("concur_demo._machine.os", types.SimpleNamespace(
                    cpu_count=lambda: installed, path=os.path)):
                self.assertEqual(usable_cores(root), cores)


class ThisMachine(TestCase):

    def test_the_gil_of_builds_old_and_new(self) -> None:
        for functions, gil in (
                ({}, True), ({"_is_gil_enabled": lambda: True}, True),
                ({"_is_gil_enabled": lambda: False}, False)):
            with mock.patch("concur_demo._machine.sys",
                            types.SimpleNamespace(**functions)):
                self.assertIs(this_machine().gil, gil)

    def test_in_a_line(self) -> None:
        line = str(this_machine()._replace(gil=False, cores=1))
        self.assertIn(f" {sys.version.split()[0]} without the GIL, 1 core, ",
                      line)


def hold(size: int) -> int:
    """Have so many bytes for a moment."""
    held = b"\1" * size
    time.sleep(0.3)  # until somebody has looked
    return len(held)


@on_linux
class Grown(TestCase):
    """How many MB of memory a run takes."""

    def test_what_this_process_and_those_it_started_take_at_most(self) -> None:
        # A thread of the last pool may be alive when the next one forks.
        self.enterContext(warnings.catch_warnings(action="ignore"))
        for method in METHODS:
            with self.subTest(method), multiprocessing.get_context(
                    method).Pool(1) as pool:
                with Memory() as memory:
                    pool.apply(hold, [50_000_000])
                [(name, grown)] = memory.grown().items()
                self.assertEqual(name, "MB more")
                self.assertGreaterEqual(grown, 49)
                self.assertLess(grown, 90)
        with Memory() as memory:
            hold(60_000_000)
        self.assertGreaterEqual(memory.grown()["MB more"], 59)

    def test_where_the_system_does_not_tell(self) -> None:
        with mock.patch("concur_demo._machine.contents", return_value=""):
            with Memory() as memory:
                hold(1)
            self.assertEqual(memory.grown(), {})


@on_posix
class Files(TestCase):

    def test_the_limit_is_as_before(self) -> None:
        import resource
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        low = (64, before[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, low)
        with files_allowed(100):
            self.assertEqual(
                resource.getrlimit(resource.RLIMIT_NOFILE)[0], 100)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), low)

    def test_more_may_be_open_or_it_is_told(self) -> None:
        limit = ("import resource; resource.setrlimit("
                 "resource.RLIMIT_NOFILE, (100, {}))")
        words = ("titles_asyncio", "--pages=300", "--json")
        ended = run_lesson(*words, before=limit.format(1000))
        self.assertEqual((ended.status, ended.stderr), (0, ""))
        ended = run_lesson(*words, before=limit.format(350))
        self.assertEqual((ended.status, ended.stdout), (1, ""))
        self.assertTrue(re.fullmatch(
            r"titles_asyncio: only 350 files may be open at once here, and "
            r"\d+ are needed: [^\n]+\n", ended.stderr), ended)
