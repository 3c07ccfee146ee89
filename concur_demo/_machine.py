"""What a run was measured on: interpreter, GIL, usable cores."""

import contextlib
import math
import os
import pathlib
import sys
from typing import NamedTuple

from ._text import count


class Machine(NamedTuple):
    """The interpreter and the machine under it."""

    python: str           # "3.13.0"
    implementation: str   # "CPython"
    gil: bool             # whether one thread at a time runs Python code
    cores: int            # cores this process may use, not those installed
    platform: str         # "Linux x86_64"

    def __str__(self) -> str:
        return (f"{self.implementation} {self.python} "
                f"{'with' if self.gil else 'without'} the GIL, "
                f"{count(self.cores, 'core')}, {self.platform}")


def this_machine() -> Machine:
    """Return the Machine that this process runs on."""
    import platform  # here, as it is slow to import
    return Machine(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        gil=getattr(sys, "_is_gil_enabled", lambda: True)(),  # from 3.13 on
        cores=usable_cores(),
        platform=f"{platform.system()} {platform.machine()}")


def usable_cores(root: str = "/") -> int:
    """Return how many cores this process may use at once: those it is bound
    to, or fewer if its control groups (a container) allow no more, rounded
    up. `root` is where /proc and /sys are mounted."""
    cores = (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity")
             else os.cpu_count() or 1)
    with contextlib.suppress(ValueError):  # files that make no sense
        cores = min([cores, *map(math.ceil, cgroup_limits(root))])
    return max(1, cores)


def cgroup_limits(root: str) -> list[float]:
    """Return the CPU limits, in cores, of this process's control groups.
    Version 2 keeps "quota period" or "max period" in cpu.max of the group
    and of every group above it; version 1 keeps the two in a file each:
    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    limits = []
    for line in contents(root, "proc/self/cgroup").splitlines():
        number, controllers, group = line.split(":", 2)
        if number == "0":
            top, names = "sys/fs/cgroup", ["cpu.max"]
        elif "cpu" in controllers.split(","):
            top = "sys/fs/cgroup/cpu"
            names = ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        folders = group.split("/")
        for depth in range(1, len(folders) + 1):
            words = " ".join(contents(root, top, *folders[1:depth], name)
                             for name in names).split()
            if len(words) == 2 and words[0].isdigit() and int(words[1]):
                limits.append(int(words[0]) / int(words[1]))
    return limits


def contents(*path: str) -> str:
    """Return what a file holds, "" if there is none."""
    with contextlib.suppress(OSError):
        return pathlib.Path(*path).read_text()
    return ""
