"""Deadlock: two locks on threads.

Claim: Two locks taken in opposite order can stop threads for ever; taken in
    one order they never do.
Notice: One thread moves coins from a to b, the other from b to a. Each holds
    the lock of its source and waits for the other's: a deadlock. Here they
    meet first, so it always comes; elsewhere it is a matter of luck. Only the
    time-out, which most programs lack, ends it.
Try: Lock the target first and the source second. Will that help, and why?
"""
import functools
import queue
import threading
import time

TRANSFERS = 20_000  # on each thread
PATIENCE = 0.5      # seconds to wait for a lock before giving up

coins = {"a": TRANSFERS, "b": TRANSFERS}
locks = {"a": threading.Lock(), "b": threading.Lock()}


def transfer(in_one_order, meeting, task):
    """Move coins from a source to a target, one by one, with both locked;
    return how many, and the seconds it waited in vain, or 0."""
    source, target = task
    first, second = sorted(task) if in_one_order else task
    for done in range(TRANSFERS):
        with locks[first]:
            if not done:
                meeting.wait()  # till each thread holds its first lock
            start = time.perf_counter()
            if not locks[second].acquire(timeout=PATIENCE):
                meeting.wait()  # and till the others give up as well
                return done, time.perf_counter() - start
            coins[source] -= 1
            coins[target] += 1
            locks[second].release()
    return TRANSFERS, 0


def map_threads(work, tasks, workers):
    """Yield (task, work(task)) as that many threads get them done."""
    todo, done, tasks = queue.Queue(), queue.Queue(), list(tasks)
    for task in tasks + [None] * workers:  # None: the end
        todo.put(task)

    def serve():
        while (task := todo.get()) is not None:
            try:
                done.put((task, work(task)))
            except BaseException as error:  # else we would wait for ever
                done.put(error)

    for _ in range(workers):
        threading.Thread(target=serve, daemon=True).start()
    for _ in tasks:
        if isinstance(pair := done.get(), BaseException):
            raise pair
        yield pair


def main():
    for in_one_order in False, True:
        for workers in 1, 2:
            # In one order all want the same lock first, so they cannot meet.
            meeting = threading.Barrier(1 if in_one_order else workers)
            work = functools.partial(transfer, in_one_order, meeting)
            start = time.perf_counter()
            done = sum(done for _, (done, _) in map_threads(
                work, [("a", "b"), ("b", "a")], workers))
            seconds = time.perf_counter() - start
            print(f"in one order: {in_one_order}, transfers: {done}, coins: "
                  f"{coins}, threads: {workers}, seconds: {seconds:.2f}")


if __name__ == "__main__":
    if __package__:  # python -m concur_demo.transfer_threads: measured
        from ._run import main
    main()
