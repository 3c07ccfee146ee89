"""What a run was measured on: cores that may be used, and the GIL."""

import os
import sys
import types
from unittest import mock

from concur_demo._machine import this_machine, usable_cores

from .support import TestCase

V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu"


class Cores(TestCase):

    def cores(self, groups: str, files: dict[str, str]) -> int:
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

    def test_the_limit_of_a_group_is_rounded_up(self) -> None:
        for quota, cores in (("50000", 1), ("110000", 2), ("150000", 2),
                             ("300000", 3), ("9900000", 8), ("max", 8)):
            self.assertEqual(cores, self.cores(
                "0::/one\n", {f"{V2}/one/cpu.max": f"{quota} 100000\n"}))
            self.assertEqual(cores, self.cores("4:cpu,cpuacct:/one\n", {
                f"{V1}/one/cpu.cfs_quota_us": quota.replace("max", "-1"),
                f"{V1}/one/cpu.cfs_period_us": "100000\n"}))

    def test_the_narrowest_of_nested_groups_limits(self) -> None:
        groups = "12:memory:/x\n1:name=systemd:/y\n0::/one/two\n"
        for limits, cores in (
                ({"": "max", "one/": "max", "one/two/": "250000"}, 3),
                ({"one/": "150000", "one/two/": "400000"}, 2),
                ({"": "100000", "one/two/": "max"}, 1),
                ({"three/": "100000"}, 8)):
            self.assertEqual(cores, self.cores(groups, {
                f"{V2}/{name}cpu.max": f"{quota} 100000"
                for name, quota in limits.items()}))
        # A container sees its own group as the top, under the host's name.
        for groups, cores in ("3:cpu:/docker/1", 1), ("3:cpuset:/", 8):
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
