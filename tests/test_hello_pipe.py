"""Pipes: whatever one side does, the other comes to an end."""

import contextlib
import multiprocessing
import os
import random
import signal
import time
import unittest
from collections.abc import Callable, Iterator

from concur_demo.hello_pipe import (
    Child, child_program, echo, exchange_greetings, greet, measure,
    round_trips, talk)

from . import programs
from .command import PYTHON, at_once
from .test_worker_pool import (
    METHODS, POSIX, Commands, Deadline, possessions)


@contextlib.contextmanager
def start_method(method: str) -> Iterator[None]:
    """Have child processes start so."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(method, force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(before, force=True)


class PipeTest(Deadline):
    """What holds with every start method."""

    def each_method(self) -> Iterator[str]:
        for method in METHODS:
            with self.subTest(method), start_method(method):
                yield method

    def test_greet(self) -> None:
        for _ in self.each_method():
            greeting = greet()
            self.assertIn("Process-", greeting.name)
            self.assertEqual(greeting.ppid, os.getpid())
            self.assertNotEqual(greeting.pid, os.getpid())

    def test_nothing_is_left(self) -> None:
        for _ in self.each_method():
            greet()  # starts helper processes, which stay
            before = possessions()
            greet()
            with self.assertRaises(ChildProcessError), \
                    Child(program=programs.die_in_the_middle) as child:
                exchange_greetings(child)
            del child
            self.assertEqual(possessions(), before)

    def test_talk(self) -> None:
        report = measure(workers=[1, 2], messages=50)
        self.assertEqual(report.verdict.word, "holds")
        self.assertEqual(report.failed, 0)

    def assert_dies(self, program: Callable[..., None], words: str) -> None:
        began = time.monotonic()
        with self.assertRaisesRegex(
                ChildProcessError, rf"Process-\S+ \(pid \d+\) {words}"), \
                Child(program=program) as child:
            exchange_greetings(child)
        self.assertLess(time.monotonic() - began, 5)

    @unittest.skipUnless(POSIX, "signals are of POSIX")
    def test_a_child_that_dies_before_a_message(self) -> None:
        for _ in self.each_method():
            self.assert_dies(programs.die_at_once, "was killed by SIGKILL")

    @unittest.skipUnless(POSIX, "writes to a pipe as POSIX does")
    def test_a_child_that_dies_in_the_middle_of_a_message(self) -> None:
        for _ in self.each_method():
            self.assert_dies(programs.die_in_the_middle,
                             "ended with exit status 3")

    @unittest.skipUnless(POSIX, "signals are of POSIX")
    def test_a_child_that_dies_between_messages(self) -> None:
        for _ in self.each_method():
            with self.assertRaisesRegex(ChildProcessError, "SIGKILL"), \
                    Child(programs.echo_twice_then_die) as child:
                talk(child, 10)

    def test_a_child_that_hangs_up(self) -> None:
        self.assert_dies(programs.hang_up, "hung up")

    def test_a_child_that_never_answers(self) -> None:
        for _ in self.each_method():
            began = time.monotonic()
            with self.assertRaisesRegex(
                    TimeoutError,
                    r"Process-\S+ \(pid \d+\) gave no answer within 0.3 s"), \
                    Child(program=programs.say_nothing,
                          timeout=0.3) as child:
                exchange_greetings(child)
            self.assertLess(time.monotonic() - began, 5)

    @unittest.skipUnless(POSIX, "forks")
    def test_a_child_that_leaves_the_pipe_to_another(self) -> None:
        for _ in self.each_method():
            with self.assertRaises(TimeoutError), \
                    Child(program=programs.leave_the_pipe_to_another,
                          timeout=0.3) as child:
                exchange_greetings(child)

    @unittest.skipUnless(POSIX, "signals are of POSIX")
    def test_a_child_that_stops_in_the_middle_of_a_message(self) -> None:
        with self.assertRaises(TimeoutError), \
                Child(program=programs.stop_in_the_middle,
                      timeout=0.3) as child:
            exchange_greetings(child)

    def test_100_megabytes_both_ways(self) -> None:
        with Child(echo, child_program, timeout=30) as child:
            exchange_greetings(child)
            with child.answering():
                child.connection.send(bytes(10**8))
                self.assertEqual(len(child.connection.recv()), 10**8)
                round_trips(child.connection, 2)
                child.connection.send(None)
                self.assertEqual(child.connection.recv(), 3)

    def test_both_sides_send_much_at_once(self) -> None:
        # Neither reads until the other has, so that both wait; not for ever.
        with self.assertRaises(TimeoutError), \
                Child(programs.send_much_first, timeout=5) as child:
            exchange_greetings(child)
            child.timeout = 0.3
            with child.answering():
                child.connection.send(bytes(10**8))

    def test_a_parent_that_leaves_a_child_which_sends(self) -> None:
        for _ in self.each_method():
            with Child(programs.send_for_ever) as child:
                exchange_greetings(child)
                with child.answering():
                    child.connection.recv()
                child.connection.close()
                child.process.join(5)
                self.assertEqual(child.process.exitcode, 0)


class PipeCommandsTest(Commands):
    """Commands with a pipe."""

    def test_the_parent_goes_away(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *self.program(method, "chat")) as (process, mark):
                time.sleep(random.uniform(0, 0.1))
                process.kill()
                process.communicate(timeout=5)
                self.assert_all_gone(mark)
        at_once(check, METHODS)

    def test_a_child_is_killed(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *self.program(method, "chat"),
                    wait=False) as (process, _):
                assert process.stdout
                pids = [int(process.stdout.readline()) for _ in range(2)]
                os.kill(pids[0], signal.SIGKILL)
                self.assert_killed(process, pids)
        at_once(check, METHODS)

    def test_interrupted_as_by_a_terminal(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *self.program(method, "chat")) as (process, _):
                os.killpg(process.pid, signal.SIGINT)
                self.assert_interrupted(process, "chat", 130)
        at_once(check, METHODS)

    def test_quiet_without_faults(self) -> None:
        def check(method: str) -> None:
            with self.running(
                    *PYTHON, "-W", "error::DeprecationWarning",
                    *self.program(method, "hello_pipe")[len(PYTHON):],
                    "--messages", "5", "--workers", "1,2",
                    wait=False) as (process, _):
                output, errors = process.communicate(timeout=30)
                self.assertEqual((process.returncode, errors), (0, ""))
                self.assertIn(f"{process.pid}", output)
        at_once(check, METHODS)


if __name__ == "__main__":
    unittest.main()
