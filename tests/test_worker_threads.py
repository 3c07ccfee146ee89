"""map_threads under everything that tasks, sources and callers can do."""

import contextlib
import gc
import itertools
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import unittest
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from concur_demo import worker_threads
from concur_demo.worker_threads import AHEAD, map_threads

from .command import PYTHON, ROOT

DEADLINE = 30.0  # seconds, for whatever could hang


def told(error: BaseException) -> str:
    """Return all that Python shows of an error, notes and causes too."""
    return "".join(traceback.format_exception(error))


class Broken(BaseException):
    """An exception that is no Exception."""


class Threads(unittest.TestCase):

    def setUp(self) -> None:
        self.before = set(threading.enumerate())
        self.addCleanup(self.assert_no_thread_left)

    def assert_no_thread_left(self) -> None:
        self.assertEqual(set(threading.enumerate()) - self.before, set())

    def in_time(self, work: Callable[[], object]) -> None:
        """Do the work on a thread, which must end by itself; raise what
        it raises."""
        errors: list[BaseException] = []

        def watched() -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)
        thread = threading.Thread(target=watched, daemon=True)
        thread.start()
        thread.join(DEADLINE)
        self.assertFalse(thread.is_alive(), "it hangs")
        if errors:
            raise errors[0]


class Results(Threads):

    def test_every_task_once_with_its_result(self) -> None:
        pairs = list(map_threads(lambda n: n * n, range(1000), 7))
        self.assertEqual(sorted(pairs), [(n, n * n) for n in range(1000)])

    def test_100_000_tasks_through_100_threads(self) -> None:
        done = bytearray(100_000)
        for task, result in map_threads(lambda n: -n, range(100_000), 100):
            self.assertEqual(result, -task)
            done[task] += 1
        self.assertEqual(done, bytes([1]) * 100_000)

    def test_workers_tasks_are_in_flight_at_once(self) -> None:
        for workers in (2, 5, 40):
            rendezvous = threading.Barrier(workers)

            def meet(task: int) -> int:
                return rendezvous.wait(DEADLINE)
            met = [place for _, place in
                   map_threads(meet, range(2 * workers), workers)]
            self.assertEqual(sorted(met), sorted([*range(workers)] * 2))

    def test_never_more_than_workers_tasks_in_flight(self) -> None:
        lock, in_flight, most = threading.Lock(), 0, 0

        def work(task: int) -> None:
            nonlocal in_flight, most
            with lock:
                in_flight += 1
                most = max(most, in_flight)
            time.sleep(0.0001)
            with lock:
                in_flight -= 1
        list(map_threads(work, range(500), 3))
        self.assertLessEqual(most, 3)

    def test_one_worker_keeps_the_order(self) -> None:
        self.assertEqual(list(map_threads(str, range(300), 1)),
                         [(n, str(n)) for n in range(300)])

    def test_order_is_that_of_completion(self) -> None:
        first_may_end = threading.Event()

        def work(task: int) -> bool:
            return task > 0 or first_may_end.wait(DEADLINE)
        results = map_threads(work, range(3), 2)
        self.assertEqual([next(results), next(results)],
                         [(1, True), (2, True)])
        first_may_end.set()
        self.assertEqual(list(results), [(0, True)])

    def test_no_tasks(self) -> None:
        self.assertEqual(list(map_threads(abs, [], 3)), [])

    def test_none_and_exceptions_are_ordinary_tasks_and_results(
        self
    ) -> None:
        error = ValueError("as a result")
        tasks = [None, error, (), StopIteration()]
        pairs = list(map_threads(lambda task: task, tasks, 1))
        self.assertEqual(pairs, [(task, task) for task in tasks])

    def test_tasks_of_equal_value_are_each_done(self) -> None:
        self.assertEqual(list(map_threads(abs, [5] * 10, 3)), [(5, 5)] * 10)

    def test_no_more_threads_than_tasks(self) -> None:
        most = 0

        def work(task: int) -> None:
            nonlocal most
            most = max(most, threading.active_count())
        list(map_threads(work, range(3), 10**9))
        self.assertLessEqual(most, len(self.before) + 3)

    def test_nothing_starts_before_the_first_next(self) -> None:
        taken: list[int] = []

        def source() -> Iterator[int]:
            taken.append(1)
            yield 1
        map_threads(abs, source(), 2)
        self.assertEqual(taken, [])

    def test_iterators_within_tasks(self) -> None:
        def work(task: int) -> int:
            return sum(n for n, _ in map_threads(abs, range(task), 3))
        self.assertEqual(dict(map_threads(work, range(20), 4)),
                         {n: sum(range(n)) for n in range(20)})

    def test_callers_on_several_threads_do_not_mix(self) -> None:
        def caller(task: int) -> bool:
            tasks = range(task * 1000, task * 1000 + 500)
            return sorted(map_threads(abs, tasks, 3)) == [
                (n, n) for n in tasks]
        self.assertTrue(all(
            right for _, right in map_threads(caller, range(8), 4)))

    def test_workers_below_one_are_refused_at_once(self) -> None:
        for workers in (0, -1, -(10**20)):
            with self.assertRaisesRegex(ValueError, f"not {workers}$"):
                map_threads(abs, [1], workers)


class Endless(Threads):
    """Sources without an end, and callers that take their time."""

    def test_only_so_many_are_taken_ahead(self) -> None:
        taken = 0

        def source() -> Iterator[int]:
            nonlocal taken
            for taken in itertools.count(1):
                yield taken
        for workers in (1, 3, 20):
            taken = 0
            with contextlib.closing(
                    map_threads(abs, source(), workers)) as results:
                for yielded in range(1, 2000):
                    next(results)
                    # One that is done is yielded before one is taken.
                    self.assertLessEqual(
                        taken, yielded + workers + AHEAD)

    def test_a_slow_caller_is_waited_for(self) -> None:
        begun = itertools.count()

        def work(task: int) -> int:
            return next(begun)
        with contextlib.closing(
                map_threads(work, itertools.count(), 2)) as results:
            next(results)
            time.sleep(0.05)  # in which ten thousands could be done
            self.assertLessEqual(next(begun), 2 + AHEAD)

    def test_stuck_tasks_do_not_make_it_take_more(self) -> None:
        free, taken = threading.Event(), 0

        def source() -> Iterator[int]:
            nonlocal taken
            for taken in itertools.count(1):
                yield taken

        def work(task: int) -> None:
            free.wait(DEADLINE)
        timer = threading.Timer(0.1, free.set)
        timer.start()
        with contextlib.closing(map_threads(work, source(), 4)) as results:
            next(results)
            self.assertLessEqual(taken, 4 + AHEAD)
        timer.join()


class Failures(Threads):

    def failing(self, failure: BaseException, workers: int) -> BaseException:
        """Return what reaches the caller when task 7 of 100 so fails."""
        def work(task: int) -> int:
            if task == 7:
                raise failure
            return task
        try:
            for task, _ in map_threads(work, range(100), workers):
                self.assertNotEqual(task, 7)
        except BaseException as error:
            self.assert_no_thread_left()
            return error
        self.fail("nothing was raised")

    def test_whatever_a_task_raises_reaches_the_caller(self) -> None:
        for failure in (ValueError("no"), KeyboardInterrupt(), SystemExit(3),
                        GeneratorExit(), Broken(), MemoryError(),
                        OSError(2, "gone", "file")):
            for workers in (1, 2, 9):
                with self.subTest(failure=failure, workers=workers):
                    failure.__notes__ = []
                    self.assertIs(self.failing(failure, workers), failure)
                    self.assertEqual(failure.__notes__, ["task: 7"])
                    self.assertIn("in work", told(failure))

    def test_stop_iteration_is_no_end_of_the_tasks(self) -> None:
        # A generator may not raise it: Python makes it a RuntimeError.
        # https://peps.python.org/pep-0479/
        for workers in (1, 4):
            error = self.failing(StopIteration("early"), workers)
            self.assertIsInstance(error, RuntimeError)
            self.assertIsInstance(error.__cause__, StopIteration)
            self.assertIn("task: 7", told(error))

    def test_a_note_does_not_grow_with_the_task(self) -> None:
        with self.assertRaises(ZeroDivisionError) as caught:
            list(map_threads(lambda task: 1 / 0, ["x" * 10**6], 1))
        self.assertLess(len(told(caught.exception)), 10_000)

    def test_a_task_that_cannot_be_shown_hides_no_error(self) -> None:
        class Shy:
            def __repr__(self) -> str:
                raise TypeError("no repr")
        with self.assertRaises(ZeroDivisionError):
            list(map_threads(lambda task: 1 / 0, [Shy()], 1))

    def test_an_error_that_takes_no_note(self) -> None:
        class Proud(Exception):
            def add_note(self, note: str) -> None:
                raise TypeError("no notes")

        def fail(task: int) -> None:
            raise Proud

        def source() -> Iterator[int]:
            yield 1
            raise Proud
        with self.assertRaises(Proud):
            list(map_threads(fail, [1], 1))
        with self.assertRaises(Proud):
            list(map_threads(str, source(), 1))

    def test_tasks_under_way_are_finished_others_are_not_begun(
        self
    ) -> None:
        both, ended, begun = threading.Barrier(2), [], []

        def work(task: int) -> None:
            begun.append(task)
            if task < 2:
                both.wait(DEADLINE)
            if task == 0:
                raise ValueError
            time.sleep(0.05)
            ended.append(task)
        with self.assertRaises(ValueError):
            list(map_threads(work, range(100), 2))
        self.assertIn(1, ended)
        self.assertEqual(sorted({*begun} - {*ended}), [0])
        self.assertLess(len(begun), 10)

    def test_source_fails_half_way(self) -> None:
        def source() -> Iterator[int]:
            yield from range(50)
            raise failure
        for failure in (ValueError("no"), OSError(5, "disk"),
                        RecursionError()):
            for workers in (1, 3, 60):
                with self.subTest(failure=failure, workers=workers):
                    failure.__notes__ = []
                    done = []
                    with self.assertRaises(type(failure)) as caught:
                        for pair in map_threads(str, source(), workers):
                            done.append(pair)
                    self.assert_no_thread_left()
                    self.assertIs(caught.exception, failure)
                    self.assertEqual(
                        failure.__notes__,
                        ["task 51 could not be taken, after 49"])
                    self.assertEqual(
                        sorted(done), [(n, str(n)) for n in range(50)])

    def test_source_fails_at_once(self) -> None:
        with self.assertRaises(ZeroDivisionError) as caught:
            list(map_threads(abs, (1 // n for n in range(3)), 2))
        self.assertEqual(caught.exception.__notes__,
                         ["task 1 could not be taken"])

    def test_source_cannot_be_iterated(self) -> None:
        with self.assertRaises(TypeError):
            list(map_threads(abs, 7, 2))  # type: ignore[arg-type]

    def test_source_is_interrupted(self) -> None:
        for failure in (KeyboardInterrupt(), SystemExit(3), Broken()):
            def source() -> Iterator[int]:
                yield from range(5)
                raise failure
            with self.assertRaises(type(failure)) as caught:
                list(map_threads(abs, source(), 2))
            self.assertIs(caught.exception, failure)
            self.assert_no_thread_left()

    def test_source_and_a_task_fail(self) -> None:
        def source() -> Iterator[int]:
            yield 0
            raise OSError("source")
        with self.assertRaises(ZeroDivisionError):
            list(map_threads(lambda n: 1 // n, source(), 1))

    def test_it_is_over_after_an_error(self) -> None:
        results = map_threads(lambda n: 1 // n, [0, 1], 1)
        with self.assertRaises(ZeroDivisionError):
            next(results)
        self.assertEqual(list(results), [])


class EarlyEnds(Threads):

    def test_close(self) -> None:
        for taken in (0, 1, 5):
            results = map_threads(abs, itertools.count(), 5)
            for _ in range(taken):
                next(results)
            results.close()
            self.assert_no_thread_left()
            self.assertEqual(list(results), [])

    def test_break_and_garbage_collection(self) -> None:
        for _ in map_threads(abs, itertools.count(), 5):
            break
        gc.collect()  # for a Python that does not count references
        self.assert_no_thread_left()

    def test_error_of_the_caller(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            with contextlib.closing(
                    map_threads(abs, itertools.count(), 5)) as results:
                for task, _ in results:
                    1 // (task - 20)
        self.assert_no_thread_left()

    def test_error_thrown_in(self) -> None:
        results = map_threads(abs, itertools.count(), 5)
        next(results)
        with self.assertRaises(Broken):
            results.throw(Broken())
        self.assert_no_thread_left()

    def test_close_waits_for_tasks_under_way(self) -> None:
        ended = []

        def work(task: int) -> None:
            if task:
                time.sleep(0.05)
                ended.append(task)
        results = map_threads(work, range(3), 3)
        next(results)
        results.close()
        self.assertLessEqual(len(ended), 2)
        self.assert_no_thread_left()

    def test_source_is_closed_too(self) -> None:
        closed = []

        def source() -> Iterator[int]:
            try:
                yield from itertools.count()
            finally:
                closed.append(True)
        results = map_threads(abs, source(), 2)
        next(results)
        results.close()
        gc.collect()
        self.assertEqual(closed, [True])

    def test_collected_by_one_of_its_own_threads(self) -> None:
        # In a cycle it is found by the garbage collector, which runs on
        # any thread: a thread that then waits for itself never ends.
        def drop_in_a_cycle() -> None:
            both, abandoned = threading.Barrier(2), threading.Event()
            collected = threading.Event()

            def work(task: int) -> None:
                if task < 2:
                    both.wait(DEADLINE)
                if task == 1:
                    abandoned.wait(DEADLINE)
                    gc.collect()
                    collected.set()
            results = map_threads(work, itertools.count(), 2)
            next(results)
            cycle: list[Any] = [results]
            cycle.append(cycle)
            gc.disable()
            try:
                del results, cycle
                abandoned.set()
                self.assertTrue(collected.wait(DEADLINE), "it hangs")
            finally:
                gc.enable()

        unraisable: list[Any] = []
        hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
        try:
            self.in_time(drop_in_a_cycle)
        finally:
            sys.unraisablehook = hook
        self.assertEqual([each.exc_value for each in unraisable], [])
        deadline = time.monotonic() + DEADLINE
        while set(threading.enumerate()) - self.before:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)


def child(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PYTHON, "-c", textwrap.dedent(code)], cwd=ROOT, text=True,
        capture_output=True, timeout=2 * DEADLINE)


class Interrupted(Threads):

    @unittest.skipIf(sys.platform == "win32", "cannot send itself a signal")
    def test_no_thread_outlives_ctrl_c(self) -> None:
        # Each round is interrupted somewhere else, also within stop().
        ended = child("""
            import itertools, os, random, signal, threading, time
            from concur_demo.worker_threads import map_threads
            moment = random.Random(4)
            def once():
                timer = threading.Timer(
                    moment.uniform(0.001, 0.01), os.kill,
                    [os.getpid(), signal.SIGINT])
                try:
                    timer.start()
                    for _ in map_threads(lambda n: time.sleep(0.002),
                                         itertools.count(), 5):
                        pass
                except KeyboardInterrupt:
                    timer.join()
                    return threading.active_count()
            print([once() for _ in range(30)])
            """)
        self.assertEqual((ended.stdout.strip(), ended.stderr),
                         (str([1] * 30), ""))

    def test_at_every_line(self) -> None:
        def interrupted_at(number: int) -> bool:
            """Interrupt before this line; return whether it was reached."""
            lines = itertools.count()

            def trace(frame: Any, event: str, _: object) -> Any:
                if frame.f_code.co_filename != worker_threads.__file__:
                    return None
                if event == "line" and next(lines) == number:
                    sys.settrace(None)
                    raise KeyboardInterrupt
                return trace
            results = map_threads(abs, range(3), 2)
            next(results)
            before = sys.gettrace()  # that of coverage
            sys.settrace(trace)
            try:
                list(results)
            except KeyboardInterrupt:
                return True
            finally:
                sys.settrace(before)
            return False
        number = 0
        with mock.patch.object(worker_threads, "BEGIN_SECONDS", 0.1):
            while interrupted_at(number):
                self.assert_no_thread_left()
                number += 1
        self.assertGreater(number, 30)

    @unittest.skipIf(sys.platform == "win32", "cannot send itself a signal")
    def test_a_signal_that_interrupts_no_wait(self) -> None:
        # As one does that comes just before a wait: here, as it interrupts
        # another thread than the one that waits.
        released = threading.Event()
        in_time = []

        def release(*_: object) -> None:
            released.set()
            raise Broken

        def work(task: object) -> None:
            time.sleep(0.2)  # until the caller waits
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            in_time.append(released.wait(10))
        before = signal.signal(signal.SIGUSR1, release)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        with self.assertRaises(Broken):
            list(map_threads(work, [1], 1))
        self.assertEqual(in_time, [True])


class NoMoreThreads(Threads):

    def refused(self, code: str) -> str:
        """Return what a child prints that may start few threads only."""
        ended = child(textwrap.dedent("""
            import itertools, os, sys, threading
            from concur_demo.worker_threads import map_threads
            """) + textwrap.dedent(code) + textwrap.dedent("""
            free = threading.Event()
            def source():
                for number in itertools.count():
                    if number == 200:
                        free.set()
                    yield number

            try:
                for _ in map_threads(lambda n: free.wait(0.5), source(), 500):
                    pass
            except RuntimeError as error:
                print(error, threading.active_count(), sep=": ")
            """))
        if ended.returncode == 77:
            self.skipTest(ended.stdout.strip())
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        return ended.stdout

    def assert_refused(self, printed: str) -> None:
        self.assertRegex(
            printed, r"^thread \d+ of 500 cannot start: "
            r"can't start new thread: 1\n$")

    @unittest.skipUnless(sys.platform == "linux", "counts as Linux does")
    def test_the_system_allows_no_more(self) -> None:
        self.assert_refused(self.refused("""
            import resource
            if os.getuid() == 0:  # whom no such limit binds
                os.setgid(65534)
                os.setuid(65534)
            resource.setrlimit(resource.RLIMIT_NPROC, (20, 20))
            """))

    @unittest.skipUnless(sys.platform == "linux", "counts as Linux does")
    def test_no_memory_for_more_stacks(self) -> None:
        self.assert_refused(self.refused("""
            import resource
            threading.stack_size(2**26)
            resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
            """))


def fuzz(seconds: float, seed: int) -> int:
    """Run map_threads with tasks, sources and callers that fail at random
    until the time is up; return how many times it ran.

    Raises AssertionError, with the number of the case, where a result is
    lost, doubled or wrong, an error is swallowed, too much is taken ahead,
    or a thread is left.
    """
    end = time.monotonic() + seconds
    case = 0
    while time.monotonic() < end:
        try:
            fuzz_once(random.Random(f"{seed}/{case}"))
        except AssertionError as error:
            error.add_note(f"fuzz({seed=}), {case=}")
            raise
        case += 1
    return case


class Planned(Exception):
    """A failure that the fuzzer asked for."""


def fuzz_once(choice: random.Random) -> None:
    """Run map_threads once, with such failures as choice picks."""
    workers = choice.choice([1, 2, 3, 7, 30])
    size = choice.choice([0, 1, 5, 70, 400])
    bad_tasks = set(choice.sample(range(size), choice.choice(
        [0, 0, 1, 2]) if size > 2 else 0))
    source_ends = choice.choice([None, None, choice.randint(0, size)])
    closes_after = choice.choice([None, None, choice.randint(0, size)])
    naps = choice.choice([0.0, 0.0, 0.0005])
    nap_of = [choice.random() * naps for _ in range(size)]
    caller_nap = choice.choice([0.0, 0.0, 0.0002])
    before = threading.active_count()
    taken = 0

    def source() -> Iterator[int]:
        nonlocal taken
        for task in range(size):
            if task == source_ends:
                raise Planned("source")
            taken += 1
            yield task
        if source_ends == size:
            raise Planned("source")

    def work(task: int) -> int:
        if nap_of[task]:
            time.sleep(nap_of[task])
        if task in bad_tasks:
            raise Planned(task)
        return -task

    done: list[int] = []
    error: Planned | None = None
    results = map_threads(work, source(), workers)
    try:
        for task, result in results:
            assert result == -task, "wrong result"
            done.append(task)
            assert taken <= len(done) + workers + AHEAD, "taken ahead"
            if len(done) == closes_after:
                results.close()
            if caller_nap:
                time.sleep(caller_nap)
    except Planned as planned:
        error = planned
    finally:
        results.close()
    assert threading.active_count() == before, "threads left"
    assert len(set(done)) == len(done), "a task was done twice"
    assert not bad_tasks & set(done), "a failed task has a result"
    if closes_after and len(done) == closes_after:
        return
    reached = {task for task in bad_tasks if task < taken}
    if error is None:
        assert not reached and source_ends is None, "an error is swallowed"
        assert sorted(done) == list(range(size)), "tasks are lost"
    elif error.args == ("source",):
        assert not reached, "the error of a task is swallowed"
        assert sorted(done) == list(range(taken)), "tasks are lost"
    else:
        assert error.args[0] in bad_tasks
        assert error.__notes__ == [f"task: {error.args[0]}"]


class Fuzz(Threads):

    def test_random_failures_and_early_ends(self) -> None:
        self.in_time(lambda: fuzz(2.0, seed=20))


if __name__ == "__main__":  # python -m tests.test_worker_threads 180 7
    print(fuzz(float(sys.argv[1]), int(sys.argv[2])), "cases, all well")
