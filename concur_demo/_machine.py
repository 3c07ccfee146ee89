"""What a run is measured on: interpreter, GIL, usable cores, memory, files."""

import contextlib
import os
import pathlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from ._text import count


class Machine(NamedTuple):
    """The interpreter and the machine under it."""

    python: str           # "3.13.0"
    implementation: str   # "CPython"
    gil: bool             # whether one thread at a time runs Python code
    cores: float          # that this process may use, not those installed
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


def usable_cores(root: str = "/") -> float:
    """Return how many cores this process may use at once: those it is bound
    to, or fewer if its control groups (a container) allow no more, such as
    1.5 or 0.5. `root` is where /proc and /sys are mounted."""
    cores = (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity")
             else os.cpu_count() or 1)
    with contextlib.suppress(ValueError, ArithmeticError):  # files of nonsense
        limit = round(min([cores, *cgroup_limits(root)]), 2)
        return int(limit) if limit == int(limit) >= 1 else max(0.01, limit)
    return cores


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


@contextlib.contextmanager
def files_allowed(number: int) -> Iterator[None]:
    """Meanwhile let this process, and those it starts, open so many files at
    once. Raises OSError if the system allows fewer."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        raise OSError(f"only {hard} files may be open at once here, and "
                      f"{number} are needed: take fewer --workers")
    if soft != resource.RLIM_INFINITY and soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Memory:
    """Watches, while entered, how much memory this process and those that it
    has started take up."""

    def __enter__(self) -> "Memory":
        self.before, self.most = memory_used(), 0.0
        self.ended = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.watcher.join()

    def watch(self) -> None:
        """Look at it a hundred times a second, or in a fifth of the time:
        a look at many threads takes long, and would hold them up."""
        pause = 0.01
        while not self.ended.wait(pause):
            start = time.perf_counter()
            self.most = max(self.most, memory_used())
            pause = max(0.01, 4 * (time.perf_counter() - start))

    def grown(self) -> dict[str, float]:
        """Return, as a figure, by how many MB it grew at most; none where
        the system does not tell."""
        return {"MB more": round(max(0.0, self.most - self.before) / 1e6, 1)
                } if self.before else {}


def memory_used() -> float:
    """Return how many bytes this process and all that it has started take
    up, where what several share counts once; 0 where Linux does not tell:
    https://docs.kernel.org/filesystems/proc.html"""
    used, pids = 0, ["self"]
    for pid in pids:  # to which it adds
        rollup = contents("/proc", pid, "smaps_rollup")
        used += sum(1024 * int(line.split()[1]) for line
                    in rollup.splitlines() if line.startswith("Pss:"))
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                pids += contents(
                    "/proc", pid, "task", thread, "children").split()
    return used
