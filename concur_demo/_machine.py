"""What a run was measured on: interpreter, GIL, usable cores."""

import math
import os
import sys
from typing import NamedTuple


class Machine(NamedTuple):
    """The interpreter and the machine under it."""

    python: str           # "3.13.0"
    implementation: str   # "CPython"
    gil: bool             # whether one thread at a time runs Python code
    cores: int            # cores this process may use, not those installed
    platform: str         # "Linux x86_64"

    def __str__(self) -> str:
        gil = "with the GIL" if self.gil else "without the GIL"
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        return (f"{self.implementation} {self.python} {gil}, "
                f"{cores}, {self.platform}")


def this_machine() -> Machine:
    """Return the Machine that this process runs on."""
    import platform  # here, as it is slow to import
    return Machine(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        gil=gil_enabled(),
        cores=usable_cores(),
        platform=f"{platform.system()} {platform.machine()}")


def gil_enabled() -> bool:
    """Return whether the GIL is on; only 3.13 and later can be without."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def usable_cores(root: str = "/") -> int:
    """Return how many cores this process may use at once, at least 1.

    That is the fewest of: the cores installed, those it is bound to
    (affinity), and what its control groups allow (a container's limit,
    rounded up). `root` is where /proc and /sys are mounted.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min([cores, *map(math.ceil, _cgroup_limits(root))]))


def _cgroup_limits(root: str) -> list[float]:
    """Return the CPU limits, in cores, of this process's control groups.

    Version 2 keeps "quota period" or "max period" in cpu.max of the group
    and of every group above it; version 1 keeps the two in a file each.
    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    limits = []
    for line in _read(root, "proc/self/cgroup").splitlines():
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
            words = " ".join(
                _read(root, top, *folders[1:depth], name)
                for name in names).split()
            if len(words) == 2 and words[0].isdigit() and int(words[1]):
                limits.append(int(words[0]) / int(words[1]))
    return limits


def _read(*path: str) -> str:
    try:
        with open(os.path.join(*path)) as file:
            return file.read()
    except OSError:
        return ""
