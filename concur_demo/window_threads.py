"""A window, and work in a thread.

Claim: A window freezes while its event loop works, not while a thread does.
Notice: The window counts ticks, 50 a second. While its event loop sums primes,
    it neither counts nor draws. A thread has to give up the GIL every few
    milliseconds, so the window goes on; but the sums take no less time.
Try: Call sys.setswitchinterval(0.5) in main(). How long a freeze, and why?
"""
import math
import queue
import threading
import time

LIMITS = 600_000, 700_000, 800_000
TICK = 20  # milliseconds
windows = []  # kept: Tk crashes if another thread frees one


def is_prime(n):
    """Tell whether n is prime, by trial division with 2, 3, 6k - 1, 6k + 1."""
    if n < 4:
        return n > 1
    if n % 2 == 0 or n % 3 == 0:
        return False
    for divisor in range(5, math.isqrt(n) + 1, 6):
        if n % divisor == 0 or n % (divisor + 2) == 0:
            return False
    return True


def sum_primes(numbers):
    """Return the sum of those numbers that are prime."""
    return sum(filter(is_prime, numbers))


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


def map_here(work, tasks, workers):
    """Return (task, work(task)) pairs, done one by one in this thread."""
    return zip(tasks, map(work, tasks))


def map_in_window(map_tasks, work, tasks, workers):
    """Show a window while map_here (in its event loop) or map_threads does
    the tasks. Return the (task, result) pairs, fewer if the window is closed,
    and its longest freeze: the most seconds between two ticks."""
    import tkinter  # here, as not every Python has it
    windows.append(window := tkinter.Tk())
    label = tkinter.Label(window, font=("", 30), width=24, height=3)
    label.pack()
    pairs, errors, ticks, finished = [], [], [], threading.Event()

    def work_on():
        try:
            pairs.extend(map_tasks(work, tasks, workers))
        except BaseException as error:  # else the window would stay for ever
            errors.append(error)
        finished.set()

    def begin():
        ticks[:] = [time.perf_counter()]  # count from here
        if map_tasks is map_here:
            work_on()
        else:
            threading.Thread(target=work_on, daemon=True).start()

    def tick():
        ticks.append(time.perf_counter())
        label["text"] = f"{map_tasks.__name__}: {len(ticks)} ticks"
        if finished.is_set():
            window.destroy()
        else:
            window.after(TICK, tick)

    window.protocol("WM_DELETE_WINDOW", finished.set)  # closed by its user
    tick()
    window.after(10 * TICK, begin)  # when it has been drawn
    window.mainloop()
    if errors:
        raise errors[0]
    return pairs[:], max((b - a for a, b in zip(ticks, ticks[1:])), default=0)


def main():
    tasks = [range(1, limit + 1) for limit in LIMITS]
    for map_tasks in map_here, map_threads:
        start = time.perf_counter()
        pairs, freeze = map_in_window(map_tasks, sum_primes, tasks, 1)
        seconds = time.perf_counter() - start
        if len(pairs) < len(tasks):
            break  # the window was closed
        for numbers, total in pairs:
            print("primes up to", numbers[-1], "add up to", total)
        print(f"{map_tasks.__name__}, longest freeze: {freeze:.3f}, "
              f"seconds: {seconds:.2f}")


if __name__ == "__main__":
    if __package__:  # python -m concur_demo.window_threads: measured
        from ._run import main
    main()
