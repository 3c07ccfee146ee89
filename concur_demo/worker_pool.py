"""Worker processes in a pool, fed one task at a time.

map_pool is the idea. The rest makes sure that it ends: Pool by itself
waits for ever when a worker is killed (CPython issue 96062) or when an
exception cannot be unpickled (103061), and its workers go on working when
their parent is killed.
"""

import contextlib
import functools
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.context import BaseContext
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeVar

from .worker_threads import AHEAD, in_completion_order, shown

Task = TypeVar("Task")
Result = TypeVar("Result")

LOOK_SECONDS = 0.2  # how often to look whether a worker has died
START_SECONDS = 30.0  # how long a pool may take until a worker answers
STOP_SECONDS = 1.0  # how long it may take to stop its workers
RETIRED = 113  # exit status of a worker that has done as many tasks as it may

# Signals that ask a process to end; that of a closed terminal comes to all.
TERMINATIONS = [number for number in signal.Signals
                if number.name in ("SIGTERM", "SIGHUP")]  # Windows has one


def map_pool(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int,
    pool_factory: Callable[..., Any] = multiprocessing.Pool,
) -> Generator[tuple[Task, Result], None, None]:
    """Yield (task, work(task)) for every task, in order of completion.

    As map_threads, but on processes: work, tasks and results must be what
    pickle can send to another process. `pool_factory` is the class of the
    pool, multiprocessing.Pool or one with its interface. Raises what work
    and tasks raise, with a note that names the task; ChildProcessError if
    a worker process ends before the work is done; ValueError if workers is
    less than 1. When the iterator ends or is closed, so do the processes.

    >>> from multiprocessing.pool import ThreadPool
    >>> sorted(map_pool(abs, [-1, 2, -3], 2, pool_factory=ThreadPool))
    [(-3, 3), (-1, 1), (2, 2)]
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    return _map_pool(work, tasks, workers, pool_factory)


def _map_pool(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int,
    pool_factory: Callable[..., Any],
) -> Generator[tuple[Task, Result], None, None]:
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def submit(task: Task) -> None:
        pool.apply_async(
            run_task, [Sealed((work, task))],
            callback=lambda answer: done.put((task, answer)),
            error_callback=lambda error: done.put(
                (task, Sealed((None, error)))))

    def next_done() -> tuple[Task, Any, BaseException | None]:
        while True:
            if death := team.death():
                done.put(death)  # what was done before it comes first
            with contextlib.suppress(queue.Empty):
                answer = done.get(timeout=LOOK_SECONDS)
                if isinstance(answer, str):
                    raise ChildProcessError(answer)
                task, sealed = answer
                return task, *opened(sealed)

    processes: list[Any] = []
    with started(remembering(pool_factory, processes), workers) as pool:
        team = Team(pool, processes)
        yield from in_completion_order(
            tasks, submit, next_done, done.empty, workers + AHEAD)


class Sealed:
    """A value on its way to another process, where open() returns it.

    What cannot be pickled or unpickled is then an error of its task. Bare,
    it would end the pool's worker or the thread that reads the results.
    """

    def __init__(self, value: Any = None, data: bytes = b"") -> None:
        self.value = value
        self.data = data

    def __repr__(self) -> str:
        return shown(self.value)  # told by Pool if it cannot be pickled

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            # As Pool does it, which knows how to send a pipe or a socket.
            return Sealed, (
                None, self.data or bytes(ForkingPickler.dumps(self.value)))
        except Exception:
            raise
        except BaseException as error:  # Pool would not survive it
            raise RuntimeError(f"cannot be pickled: {error!r}") from error

    def open(self) -> Any:
        return pickle.loads(self.data) if self.data else self.value


def run_task(call: Sealed) -> Sealed:
    """Run work(task) in a worker; return (result, error), sealed."""
    try:
        work, task = call.open()
        return Sealed((work(task), None))
    except BaseException as error:  # even SystemExit: the worker lives on
        return Sealed((None, sendable(error)))


def sendable(error: BaseException) -> BaseException:
    """Return the error; if pickle cannot send it, one that tells it."""
    with contextlib.suppress(Exception):
        # an exception may say that something else is to be made of it
        if isinstance(pickle.loads(pickle.dumps(error)), BaseException):
            return error
    import traceback  # here, to start sooner
    text = traceback.format_exception_only(error)
    return RuntimeError("".join(text).strip())


def opened(answer: Sealed) -> Any:
    """Return the (result, error) that a worker has sent."""
    try:
        return answer.open()
    except Exception as error:  # of any kind: unpickling runs any code
        return None, error


def remembering(
    pool_factory: Callable[..., Any], processes: list[Any]
) -> Callable[..., Any]:
    """Return a factory of the same pools, whose workers run_worker runs,
    and which puts every worker process on that list as well. If they are
    not multiprocessing's, their workers are only made to serve_parent.

    Pool forgets a process that ends. Without this, one that is killed while
    the others are started would be forgotten before we knew of it.
    """
    if isinstance(pool_factory, functools.partial):
        return functools.partial(
            remembering(pool_factory.func, processes),
            *pool_factory.args, **pool_factory.keywords)
    from multiprocessing.pool import Pool, ThreadPool  # to start sooner
    options: dict[str, Any] = {}
    kind: Any = pool_factory
    context = getattr(pool_factory, "__self__", None)
    if isinstance(context, BaseContext):
        kind, options = Pool, {"context": context.get_context()}
    elif not isinstance(kind, type) or not issubclass(
            kind, Pool) or issubclass(kind, ThreadPool):
        return functools.partial(pool_factory, initializer=serve_parent)

    class RememberingPool(kind):  # type: ignore[misc]
        def Process(
            self, *args: Any, target: Callable[..., Any], **options: Any
        ) -> Any:
            process = super().Process(
                *args, target=functools.partial(run_worker, target),
                **options)
            processes.append(process)
            return process

    return functools.partial(RememberingPool, **options)


def run_worker(target: Callable[..., Any], *args: Any) -> None:
    """Be a worker process of a pool; exit with RETIRED in the end."""
    serve_parent()
    target(*args)
    sys.exit(RETIRED)  # and not 0, with which a task may have ended us


class Team:
    """The worker processes of a pool, watched."""

    def __init__(self, pool: Any, processes: list[Any]) -> None:
        self.pool = pool
        self.processes = processes  # more may be put on the list
        self.add(worker_processes(pool))
        # These three are private as well. Without one of its own threads,
        # as when there is no memory for a result, Pool waits for ever.
        handlers = [getattr(pool, f"_{name}_handler", None)
                    for name in ("worker", "task", "result")]
        self.threads = [one for one in handlers
                        if isinstance(one, threading.Thread)]
        self.workers_retire = bool(getattr(pool, "_maxtasksperchild", None))
        self.looked = self.started = time.monotonic()
        if self.processes:
            # A process of which we know nothing may have died with a lock
            # of the pool in its hands. Then this is never answered.
            self.first_task = pool.apply_async(os.getpid)

    def add(self, processes: Iterable[Any]) -> None:
        """Watch these too."""
        self.processes += [
            one for one in processes if one not in self.processes]

    def death(self) -> str | None:
        """Return what to tell if a process has died, or none has begun."""
        now = time.monotonic()
        if now < self.looked + LOOK_SECONDS or not self.processes:
            return None
        self.looked = now
        alive = worker_processes(self.pool)
        for process in list(self.processes):
            if process not in alive and process.exitcode is not None:
                if process.exitcode != RETIRED or not self.workers_retire:
                    return obituary(process)
                self.processes.remove(process)
        self.add(alive)
        for thread in self.threads:
            if not thread.is_alive():
                return f"the pool cannot go on: its {thread.name} died"
        if now < self.started + START_SECONDS or self.first_task.ready():
            return None
        return f"no worker process answered for {START_SECONDS:g} s"


def worker_processes(pool: Any) -> list[Any]:
    """Return the processes of a pool that are alive, as far as it knows.

    The list is empty where its workers are threads, or on a cluster.
    """
    # Private, but nothing public will do. active_children() is of all the
    # program's processes; and it must not be called, nor an exitcode be
    # read, while the pool's own thread may be doing so: under forkserver
    # only one of them would get it, the other 255. The pool drops a
    # process from this list once it has seen its end.
    return [worker for worker in list(getattr(pool, "_pool", ()))
            if hasattr(worker, "sentinel")]


def obituary(process: Any) -> str:
    """Return in a sentence how a process left us."""
    code = process.exitcode
    if code is None:
        end = "hung up"
    elif code >= 0:
        end = f"ended with exit status {code}"
    else:
        names = {number.value: number.name for number in signal.Signals}
        end = f"was killed by {names.get(-code, f'signal {-code}')}"
    return (f"process {process.name} (pid {process.pid}) {end} "
            "before its work was done")


@contextlib.contextmanager
def started(pool_factory: Callable[..., Any], workers: int) -> Iterator[Any]:
    """Start a pool; in the end, however that comes, stop its workers."""
    pool = None
    try:
        with starting():
            pool = pool_factory(workers)
        yield pool
    finally:
        # At Python's own end the pool has been stopped already, and no
        # thread can be started or waited for.
        if pool is not None and not sys.is_finalizing():
            with workers_signals():  # a second Ctrl-C must wait
                stop(pool)


def stop(pool: Any) -> None:
    """End the workers of a pool, whatever they are doing."""
    def end() -> None:
        pool.terminate()
        pool.join()  # of its own, terminate() waits for no thread

    # A worker that is killed may take a lock of the pool with it;
    # terminate() then waits for ever (CPython issue 73945).
    stopping = threading.Thread(target=end, daemon=True)
    try:
        stopping.start()
        stopping.join(STOP_SECONDS)
    except RuntimeError:  # the system allows no more threads
        end()
    finally:  # also where an interrupted command has waited long enough
        for process in worker_processes(pool):
            process.kill()
            process.join()


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Start processes meanwhile; raise ChildProcessError if one dies
    before it was told what to do, OSError if the system allows no more."""
    try:
        if hasattr(signal, "pthread_sigmask"):  # not on Windows
            start_resource_tracker()
        with workers_signals():
            yield
    except (BrokenPipeError, EOFError) as error:
        raise ChildProcessError(stillborn(error)) from None
    except OSError as error:
        if error.strerror is None:
            raise
        why = f"processes cannot start: {error.strerror}"
        if sys.platform == "linux" and not os.access("/dev/shm", os.W_OK):
            why += " (their locks are in /dev/shm, which must be writable)"
        raise OSError(error.errno, why, error.filename) from None


def stillborn(error: BaseException) -> str:
    """Return in a sentence how the process left us whose start() raised
    the error."""
    import traceback  # here, to start sooner
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "_launch":
            # Private, but start() forgets it. A fork server, which has
            # forked it, sends its pid, and in the end its exit code.
            process = frame.f_locals["process_obj"]
            popen = frame.f_locals["self"]
            # neither is there if the server itself died
            with contextlib.suppress(EOFError, AttributeError):
                if not hasattr(popen, "pid"):
                    from multiprocessing import forkserver
                    popen.pid = forkserver.read_signed(popen.sentinel)
                process._popen = popen
                process.join(STOP_SECONDS)
                return obituary(process)
    return "a process died at its start"


@contextlib.contextmanager
def workers_signals() -> Iterator[None]:
    """Hold Ctrl-C, SIGTERM and SIGHUP back until the end. Processes that
    start meanwhile ignore Ctrl-C, which a terminal sends to them too."""
    with interrupts_blocked(), terminations_held():
        yield


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C, here and for good in processes that start meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:  # blocking it may raise it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_resource_tracker() -> None:
    """Start the process that removes our locks if we are killed, so that it
    does so without a warning, and outlives the terminal as we do."""
    # If not before we block Ctrl-C, its start lets that through again, until
    # Python 3.13.2 (CPython issue 127586).
    from multiprocessing import resource_tracker
    name = "PYTHONWARNINGS"
    before = os.environ.get(name)
    ignore = "ignore::UserWarning:multiprocessing.resource_tracker"
    os.environ[name] = f"{before},{ignore}" if before else ignore
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def heeded() -> list[int]:
    """Return those of TERMINATIONS that this process does not ignore, as it
    does SIGHUP under nohup."""
    return [number for number in TERMINATIONS
            if signal.getsignal(number) is not signal.SIG_IGN]


@contextlib.contextmanager
def terminations_held() -> Iterator[None]:
    """Hold these back, here; processes that fork meanwhile end by them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set a handler
        return
    # Not blocked as well: if Pool starts the fork server now, what that
    # starts, ever after, could not be terminated.
    here = os.getpid()
    held = []

    def hold(number: int, frame: Any) -> None:
        if os.getpid() == here:
            held.append(number)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    before = {number: signal.signal(number, hold) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in held[:1]:
            signal.raise_signal(number)


def serve_parent() -> None:
    """Make a worker process ignore Ctrl-C and end when its parent does."""
    parent = multiprocessing.parent_process()
    if (parent is None  # a worker on a cluster, or a thread
            or threading.current_thread() is not threading.main_thread()):
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in [signal.SIGTERM, *heeded()]:
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(ImportError, AttributeError, OSError):
        # The pipe that ends with the parent kills us by a signal, SIGIO,
        # whatever we are doing, such as C code that keeps the GIL.
        import fcntl
        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, os.O_ASYNC | fcntl.fcntl(
            parent.sentinel, fcntl.F_GETFL))
    starter = os.getppid()

    def end_with_parent() -> None:
        # The pipe lives on in a process that the parent forked later.
        while parent.is_alive() and os.getppid() == starter:
            parent.join(LOOK_SECONDS)
        os._exit(1)
    with contextlib.suppress(RuntimeError):  # the system allows no more
        threading.Thread(target=end_with_parent, daemon=True).start()
