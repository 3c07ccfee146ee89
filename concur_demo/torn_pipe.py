"""Two writers at one end of a pipe.

Claim: Two processes that send through the same end of a pipe tear each
    other's messages; with a lock every message arrives whole.
Notice: A large message goes into the pipe in parts: first its length, then as
    many bytes as there is room for. Among the parts of one writer come those
    of the other, and soon letters are read as a length: all is lost then.
Try: Make SIZE 1000. Are messages torn now, and does anybody promise that?
"""
import contextlib
import functools
import multiprocessing
import time

MESSAGES = 1000  # of each letter
SIZE = 100_000  # bytes of each


def send(pipe, lock, letter):
    """Send messages of that letter; return how many were sent."""
    message = letter.encode() * SIZE
    for sent in range(MESSAGES):
        try:
            with lock:
                pipe.send_bytes(message)
        except ConnectionError:  # the reader has given up
            return sent
    return MESSAGES


def write(work, letters, readers_end, done):
    """What a writer process does: its work on each of the letters."""
    readers_end.close()  # else it would not notice that the reader gives up
    for letter in letters:
        done.put((letter, work(letter)))


def receive(pipe, letters):
    """Return how many messages arrive whole, before one has a bad length."""
    whole, messages = 0, {letter.encode() * SIZE for letter in letters}
    try:
        while True:  # a torn length may promise gigabytes: so set a limit
            whole += pipe.recv_bytes(SIZE) in messages
    except (EOFError, OSError):
        return whole


def map_writers(work, letters, workers, pipe, writers_end):
    """Return the (letter, work(letter)) pairs of that many processes, and
    how many messages arrived whole."""
    done = multiprocessing.SimpleQueue()
    for number in range(workers):
        multiprocessing.Process(
            target=write, daemon=True,
            args=(work, letters[number::workers], pipe, done)).start()
    writers_end.close()  # so that the pipe ends when the writers do
    whole = receive(pipe, letters)
    pipe.close()         # so that they do end
    return [done.get() for _ in letters], whole


def main():
    for name, lock in [("no lock", contextlib.nullcontext()),
                       ("a lock", multiprocessing.Lock())]:
        for workers in 1, 2:
            pipe, writers_end = multiprocessing.Pipe()
            work = functools.partial(send, writers_end, lock)
            start = time.perf_counter()
            _, whole = map_writers(work, "ab", workers, pipe, writers_end)
            seconds = time.perf_counter() - start
            print(f"{name}, {whole} of {2 * MESSAGES} messages whole, "
                  f"writers: {workers}, seconds: {seconds:.2f}")


if __name__ == "__main__":
    if multiprocessing.get_start_method() != "fork":
        assert "__file__" in dir(), "save this to a file: workers import it"
    if __package__:  # python -m concur_demo.torn_pipe: measured
        from ._run import main
    main()
