"""Two processes and a pipe.

Claim: Two processes talk through one pipe, in both directions.
Notice: The child has a pid of its own. It greets its parent and is
    answered through the same pipe. Both are under way all the time, but
    while one works on a message the other waits: they take turns.
Try: Leave out childs_end.close(), and let the child begin with raise
    SystemExit. What does the parent do, and why? Ctrl-C ends it.
"""
import multiprocessing
import os
import time

MESSAGES = 10_000


def echo(pipe):
    """Send back every message until one is None; return how many."""
    messages = 0
    while (message := pipe.recv()) is not None:
        pipe.send(message)
        messages += 1
    return messages


def child(pipe, parents_end, work):
    """What the child does: greet, be answered, confirm that, then work."""
    parents_end.close()  # else it would wait for a parent that has gone
    name = multiprocessing.current_process().name
    try:
        pipe.send([name, multiprocessing.parent_process().pid, os.getpid()])
        pipe.send(f"{name} was told: {pipe.recv()}")
        pipe.send(work(pipe))
    except (EOFError, ConnectionError):
        pass  # the parent has gone


def talk(messages, work=echo):
    """Talk with a new child; return what was said, and how many seconds
    the messages took, there and back."""
    pipe, childs_end = multiprocessing.Pipe()
    process = multiprocessing.Process(
        target=child, args=(childs_end, pipe, work), daemon=True)
    process.start()
    # A pipe ends when nobody holds its other end any more. Then recv()
    # raises EOFError, and we do not wait for a child that has died.
    childs_end.close()
    name, ppid, pid = pipe.recv()
    pipe.send(f"Hello {name}, this is {os.getpid()}")
    confirmation = pipe.recv()
    start = time.perf_counter()
    for number in range(messages):
        pipe.send(number)
        pipe.recv()
    seconds = time.perf_counter() - start
    pipe.send(None)
    echoed = pipe.recv()
    process.join()
    return name, ppid, pid, confirmation, echoed, seconds


def main():
    name, ppid, pid, confirmation, echoed, seconds = talk(MESSAGES)
    print("the parent's pid is", os.getpid())
    print(f"{name}: my pid is {pid}, and my parent's is {ppid}")
    print(confirmation)
    print(f"{echoed} messages there and back, seconds: {seconds:.3f}")


if __name__ == "__main__":
    if multiprocessing.get_start_method() != "fork":
        assert "__file__" in dir(), "save this to a file: workers import it"
    if __package__:  # python -m concur_demo.hello_pipe: measured
        from ._run import main
    main()
