"""map_pool: nothing hangs, nothing is lost, whatever the workers do."""

import contextlib
import functools
import gc
import itertools
import multiprocessing
import multiprocessing.pool
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

from concur_demo import worker_pool
from concur_demo.worker_pool import map_pool
from concur_demo.worker_threads import AHEAD

from . import programs
from .command import PYTHON, ROOT, at_once, command, environment, mounted

METHODS = multiprocessing.get_all_start_methods()
POSIX = os.name == "posix"
LINUX = os.path.isdir("/proc/self/fd")
KILLED = (r"\A\w+: process \S+ \(pid \d+\) was killed by SIGKILL "
          r"before its work was done\n\Z")
DEADLINE = 60.0  # seconds, for a test


class Deadline(unittest.TestCase):
    """A test that may not take for ever."""

    def setUp(self) -> None:
        def too_late(*_: object) -> None:
            raise AssertionError(f"not over within {DEADLINE:g} s")
        if POSIX:  # and not faulthandler, which needs a thread for it
            before = signal.signal(signal.SIGALRM, too_late)
            signal.setitimer(signal.ITIMER_REAL, DEADLINE)
            self.addCleanup(signal.signal, signal.SIGALRM, before)
            self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        # The thread of a pool that replaces a dead worker forks.
        self.enterContext(warnings.catch_warnings())
        warnings.filterwarnings("ignore", ".* multi-threaded, use of fork")


def pool_of(method: str) -> Callable[..., Any]:
    """Return the Pool that starts its workers so."""
    return multiprocessing.get_context(method).Pool


def endless(*first: int) -> Iterator[int]:
    """Yield these numbers, then others for ever."""
    return itertools.chain(first, itertools.count())


def possessions() -> tuple[int, int, int]:
    """Return how many children, threads and open files this process has."""
    gc.collect()
    return (len(multiprocessing.active_children()), threading.active_count(),
            len(os.listdir("/proc/self/fd")) if LINUX else 0)


class MapPoolTest(Deadline):
    """What holds with every start method."""

    def run_all(
        self, work: Callable[[Any], Any], tasks: Iterable[Any],
        method: str, workers: int = 1,
    ) -> list[Any]:
        return list(map_pool(work, tasks, workers, pool_of(method)))

    def test_every_task_once(self) -> None:
        for method in METHODS:
            with self.subTest(method):
                done = self.run_all(
                    programs.square_or_die, range(200), method, 2)
                self.assertEqual(sorted(done), [(n, n * n)
                                                for n in range(200)])

    def test_two_processes_at_once(self) -> None:
        for method in METHODS:
            with self.subTest(method), \
                    tempfile.TemporaryDirectory() as place:
                done = self.run_all(
                    programs.meet, [pathlib.Path(place)] * 2, method, 2)
                self.assertEqual([came for _, came in done], [2, 2])

    def test_what_is_raised_reaches_the_caller(self) -> None:
        expected: list[tuple[Any, type[BaseException], str]] = [
            (programs.raise_value_error, ValueError, "wrong value"),
            (sys.exit, SystemExit, "task 1"),
            (programs.raise_keyboard_interrupt, KeyboardInterrupt, ""),
            (programs.lock, Exception, "cannot pickle"),
            (programs.trap, ValueError, "not a number"),
            (programs.raise_unsendable, RuntimeError,
             "Unsendable: cannot be pickled"),
            (programs.raise_nothing, RuntimeError, "Nothing: became None"),
            (programs.raise_one_way, RuntimeError,
             "OneWay: cannot be unpickled"),
            (programs.raise_stop_iteration, RuntimeError, "StopIteration"),
            (lambda task: task, Exception, "lambda"),
        ]
        for method in METHODS:
            for work, kind, text in expected:
                with self.subTest(method, work=work):
                    with self.assertRaisesRegex(kind, text) as raised:
                        self.run_all(work, ["task 1"], method)
                    self.assertIn("task: 'task 1'",
                                  raised.exception.__notes__)

    def test_work_that_a_worker_cannot_import(self) -> None:
        def vanishing(task: object) -> None:
            """Known to this process only."""
        vanishing.__qualname__ = vanishing.__name__
        vanishing.__module__ = programs.__name__
        with mock.patch.object(
                programs, "vanishing", vanishing, create=True):
            for method in {"spawn", "forkserver"} & set(METHODS):
                with self.subTest(method), self.assertRaisesRegex(
                        AttributeError, "vanishing") as raised:
                    self.run_all(vanishing, [1], method)
                self.assertIn("task: 1", raised.exception.__notes__)

    def test_tasks_that_exit_where_they_are_pickled(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "SystemExit") as raised:
            self.run_all(id, [programs.Exit()], METHODS[0])
        self.assertIn("programs.Exit", raised.exception.__notes__[-1])

    def test_a_pipe_for_a_task(self) -> None:
        for method in METHODS:
            with self.subTest(method):
                mine, theirs = multiprocessing.Pipe()
                with mine, theirs:
                    self.run_all(programs.greet, [theirs], method)
                    self.assertTrue(mine.poll(10))
                    self.assertEqual(mine.recv(), "hello")

    def test_100_megabytes(self) -> None:
        for method in METHODS:
            with self.subTest(method):
                [(_, data)] = self.run_all(programs.make, [10**8], method)
                self.assertEqual(len(data), 10**8)

    @unittest.skipUnless(sys.platform == "linux", "needs RLIMIT_AS")
    def test_a_worker_without_memory(self) -> None:
        for method in METHODS:
            with self.subTest(method), self.assertRaises(MemoryError):
                self.run_all(programs.make_too_much, [2 * 10**9], method)

    def test_a_worker_that_exits(self) -> None:
        for method in METHODS:
            for status in (0, 3, worker_pool.RETIRED):
                with self.subTest(method, status=status), \
                        self.assertRaisesRegex(
                            ChildProcessError,
                            rf"PoolWorker-\d+ \(pid \d+\) ended with "
                            rf"exit status {status} before"):
                    self.run_all(programs.exits, [status], method)

    @unittest.skipUnless(POSIX, "signals are of POSIX")
    def test_a_worker_that_is_killed_while_others_go_on(self) -> None:
        for method in METHODS:
            with self.subTest(method):
                began = time.monotonic()
                done = 0
                with self.assertRaisesRegex(
                        ChildProcessError,
                        r"PoolWorker-\d+ \(pid \d+\) was killed by SIGKILL"):
                    for _ in map_pool(programs.square_or_die,
                                      endless(*range(9), -9), 2,
                                      pool_of(method)):
                        done += 1
                self.assertLess(time.monotonic() - began, 5)
                # The other worker may not be done with the last of them.
                self.assertGreaterEqual(done, 8)

    def test_tasks_that_raise_half_way(self) -> None:
        def tasks() -> Iterator[int]:
            yield from (1, 2)
            raise LookupError("no more")
        for method in METHODS:
            with self.subTest(method):
                done = []
                with self.assertRaisesRegex(
                        LookupError, "no more") as raised:
                    for pair in map_pool(programs.square_or_die, tasks(), 2,
                                         pool_of(method)):
                        done.append(pair)
                self.assertEqual(sorted(done), [(1, 1), (2, 4)])
                self.assertEqual(raised.exception.__notes__,
                                 ["task 3 could not be taken, after 2"])

    def test_endless_tasks_closed_early_leave_nothing(self) -> None:
        for method in METHODS:
            with self.subTest(method):
                self.run_all(programs.square_or_die, [1], method)
                before = possessions()  # helper processes included
                taken = 0

                def tasks() -> Iterator[int]:
                    nonlocal taken
                    for taken in itertools.count(1):
                        yield taken

                with contextlib.closing(map_pool(
                        programs.square_or_die, tasks(), 2,
                        pool_of(method))) as results:
                    for _ in range(10):
                        next(results)
                self.assertLessEqual(taken, 10 + 2 + AHEAD)
                self.assertEqual(possessions(), before)

    def test_a_busy_worker_is_stopped_by_an_early_close(self) -> None:
        for method in METHODS:
            with self.subTest(method):
                began = time.monotonic()
                results = map_pool(
                    programs.pid_after, [0, 50], 2, pool_of(method))
                next(results)
                results.close()
                self.assertLess(time.monotonic() - began, 10)
                self.assertEqual(multiprocessing.active_children(), [])

    @unittest.skipUnless(POSIX, "signals are of POSIX")
    def test_signals_of_workers_and_of_this_process(self) -> None:
        def mine() -> list[object]:
            return [signal.getsignal(signal.SIGINT),
                    signal.getsignal(signal.SIGTERM),
                    signal.pthread_sigmask(signal.SIG_BLOCK, [])]
        before = mine()
        for method in METHODS:
            with self.subTest(method):
                for _, signals in map_pool(
                        programs.ignored_signals, [1], 1, pool_of(method)):
                    self.assertEqual(signals, (True, False))
                    self.assertEqual(mine(), before)
                self.assertEqual(mine(), before)

    def test_two_pools_at_once_and_children_of_the_caller(self) -> None:
        # Each must stop its own processes only.
        mine = multiprocessing.get_context("spawn").Process(
            target=time.sleep, args=(50,))
        first = map_pool(programs.square_or_die, endless(), 1,
                         pool_of("spawn"))
        second = map_pool(programs.square_or_die, endless(), 1,
                          pool_of("spawn"))
        next(first)
        next(second)
        mine.start()
        first.close()
        self.assertTrue(mine.is_alive())
        self.assertEqual(next(second), (1, 1))
        second.close()
        self.assertTrue(mine.is_alive())
        mine.kill()
        mine.join()
        mine.close()


class PoolFactoryTest(Deadline):
    """Pools of other kinds."""

    def setUp(self) -> None:
        super().setUp()
        # How long a pool whose lock is lost is waited for.
        self.enterContext(
            mock.patch.object(worker_pool, "STOP_SECONDS", 0.3))

    def test_workers_must_be_one_or_more(self) -> None:
        for workers in (0, -1):
            with self.assertRaisesRegex(ValueError, "1 or more"):
                map_pool(abs, [1], workers)

    def test_threads_take_work_that_cannot_be_pickled(self) -> None:
        barrier = threading.Barrier(2)
        before = possessions()
        done = list(map_pool(
            lambda task: barrier.wait(10), [1, 2], 2,
            multiprocessing.pool.ThreadPool))
        self.assertEqual(sorted(place for _, place in done), [0, 1])
        self.assertEqual(possessions()[1:], before[1:])

    def test_threads_tell_an_exception_as_processes_do(self) -> None:
        error = programs.OneWay("an", "error")

        def fail(task: int) -> None:
            raise error
        with self.assertRaises(RuntimeError) as raised:
            list(map_pool(fail, [1], 1, multiprocessing.pool.ThreadPool))
        self.assertIn("task: 1", raised.exception.__notes__)

    def test_workers_that_retire(self) -> None:
        factory = functools.partial(multiprocessing.Pool, maxtasksperchild=2)
        for workers in (1, 2):
            pids = [pid for _, pid in map_pool(
                programs.pid_after, [0.01] * 40, workers, factory)]
            self.assertEqual(len(pids), 40)
            self.assertGreaterEqual(len(set(pids)), 20)

    def test_every_way_to_name_a_pool_whose_workers_retire(self) -> None:
        class Retiring(multiprocessing.pool.Pool):
            def __init__(self, workers: int) -> None:
                super().__init__(workers, maxtasksperchild=1)

            # As many do, though Pool's own is a static method.
            def Process(  # type: ignore[override]
                self, *args: Any, **options: Any
            ) -> Any:
                return super().Process(*args, **options)
        for factory in (
                functools.partial(
                    multiprocessing.pool.Pool, maxtasksperchild=1),
                functools.partial(functools.partial(
                    pool_of("spawn"), maxtasksperchild=1)),
                Retiring):
            with self.subTest(factory):
                pids = [pid for _, pid in map_pool(
                    programs.pid_after, [0.01] * 9, 2, factory)]
                self.assertEqual(len(set(pids)), 9)

    def test_a_worker_that_exits_where_others_retire(self) -> None:
        factory = functools.partial(multiprocessing.Pool, maxtasksperchild=5)
        with self.assertRaisesRegex(ChildProcessError, "exit status 0"):
            list(map_pool(programs.exits, [0], 1, factory))

    def test_the_initializer_of_the_pool(self) -> None:
        for method in METHODS:
            factory = functools.partial(
                pool_of(method), initializer=os.chdir, initargs=("/",))
            with self.subTest(method):
                [(_, place)] = map_pool(
                    programs.working_directory, [1], 1, factory)
                self.assertEqual(place, os.path.abspath("/"))

    def test_a_worker_that_dies_while_others_retire(self) -> None:
        factory = functools.partial(multiprocessing.Pool, maxtasksperchild=2)
        with self.assertRaisesRegex(ChildProcessError, "SIGKILL"):
            list(map_pool(programs.square_or_die, endless(
                *range(10), -signal.SIGKILL), 2, factory))

    def test_a_worker_that_cannot_be_replaced(self) -> None:
        class Poor(multiprocessing.pool.Pool):
            started = itertools.count(1)

            @staticmethod
            def Process(*args: Any, **options: Any) -> Any:
                if next(Poor.started) > 2:
                    raise OSError("Too many open files")
                return multiprocessing.pool.Pool.Process(*args, **options)
        factory = functools.partial(Poor, maxtasksperchild=1)
        with mock.patch.object(threading, "excepthook") as told, \
                self.assertRaisesRegex(ChildProcessError, "cannot go on: its "
                                       r"Thread-\d+ \(_handle_workers\) died"):
            for _ in map_pool(programs.square_or_die, endless(), 2, factory):
                pass
        self.assertEqual(told.call_args[0][0].exc_type, OSError)

    def test_workers_that_retire_unseen_are_an_error_but_no_hang(
            self) -> None:
        # They cannot be told from workers that exited in mid-task.
        def factory(*args: Any, **options: Any) -> Any:
            options["maxtasksperchild"] = 1
            return multiprocessing.Pool(*args, **options)
        with self.assertRaisesRegex(ChildProcessError, "exit status 0"):
            for _ in map_pool(programs.square_or_die, endless(), 1, factory):
                pass

    def test_a_worker_forgotten_by_the_pool_before_we_look(self) -> None:
        look = worker_pool.Team

        def look_late(pool: Any, processes: list[Any]) -> worker_pool.Team:
            dead = pool._pool[0]
            dead.kill()
            while dead in pool._pool or not pool._pool:
                time.sleep(0.01)
            return look(pool, processes)
        for method in METHODS:
            with self.subTest(method), mock.patch.object(
                    worker_pool, "Team", look_late), self.assertRaisesRegex(
                        ChildProcessError, "PoolWorker-.*SIGKILL"):
                list(map_pool(
                    programs.pid_after, [0.5], 1, pool_of(method)))

    def test_a_lock_lost_before_we_knew_of_the_worker(self) -> None:
        # The pool has put another in its place, which waits for the lock.
        def factory(*args: Any, **options: Any) -> Any:  # none we know of
            pool: Any = pool_of("spawn")(*args, **options)
            pool.apply(os.getpid)
            time.sleep(0.1)  # it is idle now, and has the lock
            dead = pool._pool[0]
            dead.kill()
            while dead in pool._pool or not pool._pool:
                time.sleep(0.01)
            return pool
        with mock.patch.object(worker_pool, "START_SECONDS", 0.3), \
                self.assertRaisesRegex(ChildProcessError, "no worker"):
            list(map_pool(abs, [1], 1, factory))

    @unittest.skipUnless(LINUX, "finds processes in /proc")
    def test_a_worker_killed_before_it_was_told_what_to_do(self) -> None:
        from multiprocessing import forkserver
        connect = forkserver.connect_to_new_process

        def forked() -> set[int]:
            """Return the pids of what the fork server has started."""
            server: Any = forkserver
            server.ensure_running()
            pid = server._forkserver._forkserver_pid
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
            return set(map(int, children.read_text().split()))

        def connect_and_kill(fds: Any) -> Any:
            before = forked()
            ends = connect(fds)
            while not (new := forked() - before):
                time.sleep(0.001)
            for pid in new:
                os.kill(pid, signal.SIGKILL)
            while new & forked():
                time.sleep(0.001)
            return ends

        forked()
        before = possessions()  # the helper processes' pipes included
        with mock.patch.object(
                forkserver, "connect_to_new_process", connect_and_kill):
            with self.assertRaisesRegex(
                    ChildProcessError,
                    r"PoolWorker-\d+ \(pid \d+\) was killed by SIGKILL"):
                list(map_pool(abs, [1], 2, pool_of("forkserver")))
        self.assertEqual(possessions(), before)

    def test_the_fork_server_dies(self) -> None:
        from multiprocessing import forkserver
        with mock.patch.object(
                forkserver, "connect_to_new_process",
                side_effect=BrokenPipeError), self.assertRaisesRegex(
                    ChildProcessError, "a process died at its start"):
            list(map_pool(abs, [1], 2, pool_of("forkserver")))

    def test_a_factory_that_fails(self) -> None:
        def factory(*args: Any, **options: Any) -> Any:
            raise OSError("no more processes")
        with self.assertRaisesRegex(OSError, "no more processes"):
            list(map_pool(abs, [1], 1, factory))

    def test_private_names_of_pool(self) -> None:
        # worker_processes, remembering and Team rely on them.
        processes: list[Any] = []
        factory = worker_pool.remembering(multiprocessing.Pool, processes)
        with factory(2) as pool:
            self.assertEqual(set(worker_pool.worker_processes(pool)),
                             set(multiprocessing.active_children()))
            self.assertEqual(set(worker_pool.worker_processes(pool)),
                             set(processes))


def family(mark: str) -> dict[int, str]:
    """Return pid and command of all processes with this mark in their
    environment, which a process has from the one that starts it."""
    found = {}
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (place / "environ").read_bytes():
                words = (place / "cmdline").read_bytes().split(b"\0")
                if words != [b""]:  # which is that of a zombie
                    found[int(place.name)] = b" ".join(words).decode()
    return found


@unittest.skipUnless(LINUX, "finds processes in /proc")
class Commands(Deadline):
    """Real commands, to which the worst is done from outside."""

    marks = itertools.count()

    @contextlib.contextmanager
    def running(
        self, *words: str, wait: bool = True
    ) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """Run a command; yield it, after its first line, and its mark."""
        mark = f"CONCUR_DEMO_TEST_{os.getpid()}_{next(self.marks)}"
        # What is killed leaves its temporary directory, as of a fork server.
        with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
                words, cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                env=environment(**{mark: "1", "TMPDIR": folder}),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True) as process:
            try:
                if wait and process.stdout:
                    process.stdout.readline()
                yield process, mark
                self.assert_all_gone(mark)
            finally:
                for pid in family(mark):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)

    def program(self, method: str, name: str) -> list[str]:
        return [*PYTHON, "-m", "tests.programs", method, name]

    def assert_all_gone(self, mark: str) -> None:
        until = time.monotonic() + 5
        while (left := family(mark)) and time.monotonic() < until:
            time.sleep(0.02)
        self.assertEqual(left, {})

    def assert_killed(
        self, process: subprocess.Popen[str], pids: Iterable[int]
    ) -> None:
        _, errors = process.communicate(timeout=5)
        self.assertEqual(process.returncode, 1, errors)
        self.assertRegex(errors, KILLED)
        self.assertIn(int(re.findall(r"pid (\d+)", errors)[0]), pids)

    def assert_interrupted(self, process: subprocess.Popen[str],
                           name: str, status: int) -> None:
        _, errors = process.communicate(timeout=5)
        self.assertEqual((process.returncode, errors),
                         (status, f"{name}: interrupted\n"))


class PoolCommandsTest(Commands):
    """Commands with a pool."""

    def setUp(self) -> None:
        super().setUp()
        before = set(os.listdir("/dev/shm"))  # where semaphores are
        self.addCleanup(lambda: self.assertLessEqual(
            set(os.listdir("/dev/shm")), before))

    def test_an_idle_worker_is_killed(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *self.program(method, "kill_idle"),
                    wait=False) as (process, _):
                output, errors = process.communicate(timeout=10)
                self.assertEqual(
                    errors.partition("-")[2].partition(" ")[2],
                    f"(pid {output.strip()}) was killed by SIGKILL before "
                    "its work was done\n")
                self.assertEqual(process.returncode, 1)
        at_once(check, METHODS)

    def test_all_workers_are_killed(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *self.program(method, "pool")) as (process, _):
                assert process.stdout
                pids: set[int] = set()
                while len(pids) < 2:
                    pids.add(int(process.stdout.readline()))
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
                self.assert_killed(process, pids)
        at_once(check, METHODS)

    def test_a_worker_is_killed_at_its_start(self) -> None:
        # It has no task yet. The lesson may be over before anybody looks.
        def check(method: str) -> None:
            with self.running(
                    *command("primes_pool", "--workers", 2, "--start-method",
                             method, 200_000),
                    wait=False) as (process, mark):
                old: set[tuple[int, str]] = set()
                new: set[tuple[int, str]] = set()
                while not old & new:  # not one about to become another
                    old = new
                    new = {(pid, words) for pid, words
                           in family(mark).items() if pid != process.pid
                           and "resource_tracker" not in words}
                pids = [pid for pid, _ in old & new]
                os.kill(pids[0], signal.SIGKILL)
                output, errors = process.communicate(timeout=10)
                if process.returncode:
                    self.assertRegex(errors, KILLED)
                else:
                    self.assertIn("1709600813", output)
        at_once(check, {"fork", "spawn"} & set(METHODS))

    def test_the_parent_is_killed(self) -> None:
        def check(case: tuple[str, str]) -> None:
            with self.running(*self.program(*case)) as (process, mark):
                self.assertGreater(len(family(mark)), 2)
                process.kill()
                _, errors = process.communicate(timeout=5)
                # Only a worker that was just sending a result may complain.
                self.assertNotIn("resource_tracker", errors)
        at_once(check, itertools.product(METHODS, ("pool", "hog")))

    def test_the_parent_is_terminated(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *self.program(method, "pool")) as (process, _):
                process.terminate()
                self.assert_interrupted(process, "pool", 143)
        at_once(check, METHODS)

    def test_interrupted_as_by_a_terminal(self) -> None:
        def check(case: tuple[str, int]) -> None:
            method, times = case
            with self.running(
                    *self.program(method, "pool")) as (process, _):
                os.killpg(process.pid, signal.SIGINT)
                if times == 2:
                    time.sleep(0.02)
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGINT)
                self.assert_interrupted(process, "pool", 130)
        at_once(check, itertools.product(METHODS, (1, 2)))

    def test_interrupted_while_a_worker_cannot_end(self) -> None:
        def check(case: tuple[str, int]) -> None:
            method, number = case
            with self.running(
                    *self.program(method, "pool")) as (process, _):
                assert process.stdout
                os.kill(int(process.stdout.readline()), signal.SIGSTOP)
                process.send_signal(number)
                self.assert_interrupted(process, "pool", 128 + number)
        at_once(check, itertools.product(
            METHODS, (signal.SIGINT, signal.SIGTERM)))

    def test_the_terminal_is_closed(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *self.program(method, "pool")) as (process, _):
                os.killpg(process.pid, signal.SIGHUP)
                _, errors = process.communicate(timeout=5)
                self.assertEqual(process.returncode, 128 + signal.SIGHUP)
                self.assertNotIn("resource_tracker", errors)
        at_once(check, METHODS)

    def test_a_worker_is_killed_where_ends_of_children_are_ignored(
            self) -> None:
        ignoring = ("import os, signal, sys\n"
                    "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
                    "os.execv(sys.argv[1], sys.argv[1:])")
        with self.running(
                *PYTHON, "-c", ignoring,
                *self.program(METHODS[0], "pool")) as (process, _):
            assert process.stdout
            pid = int(process.stdout.readline())
            os.kill(pid, signal.SIGKILL)
            self.assert_killed(process, [pid])

    def test_interrupted_while_workers_start(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *self.program(method, "pool"),
                    wait=False) as (process, mark):
                while len(family(mark)) < 2:
                    time.sleep(0.001)
                os.killpg(process.pid, signal.SIGINT)
                self.assert_interrupted(process, "pool", 130)
        at_once(check, METHODS)

    def test_no_place_for_locks(self) -> None:
        with self.running(
                *mounted("-t", "tmpfs", "-o", "ro", "none", "/dev/shm"),
                *command("primes_pool", "--quick"),
                wait=False) as (process, _):
            _, errors = process.communicate(timeout=10)
            self.assertRegex(
                errors, r"\Aprimes_pool: processes cannot start: [^\n]+"
                r"/dev/shm[^\n]+\n\Z")
            self.assertEqual(process.returncode, 1)

    def test_its_iterator_is_left_to_the_end_of_python(self) -> None:
        for mechanism in ("map_pool", "map_threads"):
            with self.subTest(mechanism):
                program = textwrap.dedent(f"""
                    import itertools
                    from concur_demo.worker_pool import map_pool
                    from concur_demo.worker_threads import map_threads
                    from tests.programs import pid_after

                    def main():
                        results = {mechanism}(
                            pid_after, itertools.repeat(0.01), 2)
                        for task, result in results:
                            raise ValueError("of the caller")
                    main()
                    """)
                ended = subprocess.run(
                    [*PYTHON, "-c", program], cwd=ROOT, text=True,
                    capture_output=True, timeout=DEADLINE)
                self.assertEqual(ended.returncode, 1)
                self.assertEqual(
                    ended.stderr.count("Traceback"), 1, ended.stderr)
                self.assertIn("of the caller", ended.stderr)

    def test_all_is_quiet_without_faults(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *PYTHON, "-W", "error::DeprecationWarning",
                    *command("primes_pool", "--workers", "1,2",
                             "--start-method", method, 9)[len(PYTHON):],
                    wait=False) as (process, _):
                output, errors = process.communicate(timeout=30)
                self.assertEqual((process.returncode, errors), (0, ""))
                self.assertIn("17", output)
        at_once(check, METHODS)


if __name__ == "__main__":
    unittest.main()
