"""Text fit for a terminal, and for XML."""

import os
import socket
import subprocess
import unicodedata
import xml.etree.ElementTree as ET
from urllib.error import URLError

from concur_demo._text import count, describe, printable, safe

from .support import DEADLINE, PYTHON, ROOT, TestCase, run

EVERY = "".join(map(chr, [*range(0x20000), *range(0xe0000, 0xe1000)]))
SPEAKERS = """if True:
    import os, sys, threading
    from concur_demo._text import say
    def speak(name):
        for line in range(200):
            say(f"{os.getpid()} {name} {line} " + 300 * name)
    sys.setswitchinterval(1e-6)
    for name in "abcd":
        threading.Thread(target=speak, args=[name]).start()
"""


class Text(TestCase):

    def test_nothing_moves_the_cursor_or_turns_the_text_around(self) -> None:
        for char in set(printable(EVERY)) - set("\u200c\u200d"):
            self.assertNotIn(unicodedata.category(char),
                             {"Cc", "Cf", "Cs", "Zl", "Zp"}, ascii(char))
        for text, shown in (
                ("a\nb\tc\r", r"a\nb\tc\r"), ("\x1b[31m", r"\x1b[31m"),
                ("\x9b1m\x7f", r"\x9b1m\x7f"), ("\udcff", r"\udcff"),
                ("\u202e\u2028", r"\u202e\u2028"),
                ("\U000e0041", r"\U000e0041")):
            self.assertEqual(printable(text), shown)
        for text in ("", "K\u00e4se \u732b", "\u0645\u06cc\u200c\u062e",
                     "\U0001f468\u200d\U0001f467", "C:\\new"):
            self.assertEqual(printable(text), text)

    def test_any_text_is_text_in_xml(self) -> None:
        text = safe(EVERY)
        root = ET.fromstring(f'<a b="{text}">{text}</a>')
        self.assertEqual((len(root), root.attrib["b"]), (0, root.text))
        text = "<b>&amp; ]]> \u732b"
        self.assertEqual(ET.fromstring(f"<a>{safe(text)}</a>").text, text)
        self.assertEqual(safe("\ufffe\x00"), r"\ufffe\x00")

    def test_errors_in_one_line(self) -> None:
        refused = ConnectionRefusedError(111, "Connection refused")
        as_bytes = os.fsencode("caf\u00e9")
        for error, line in (
                (FileNotFoundError(2, "No such file", "a\nb"),
                 r"No such file: a\nb"),
                (OSError(18, "Cross-device link", "a", None, "b"),
                 "Cross-device link: a: b"),
                (PermissionError(13, "Denied", as_bytes),
                 "Denied: caf\u00e9"),
                (OSError(2, "Gone", "\udcff"), r"Gone: \udcff"),
                (OSError(24, "Too many open files"), "Too many open files"),
                (OSError("a pipe,\n  not a file"), "a pipe, not a file"),
                (URLError(refused), "Connection refused"),
                (URLError(socket.gaierror(-2, "Name not known")),
                 "Name not known"),
                (TimeoutError("timed out"), "timed out"),
                (ValueError("not an\x1b address"), r"not an\x1b address"),
                (ValueError(), "ValueError"), (OSError(), "OSError"),
                (KeyError("x"), "KeyError: 'x'"),
                (MemoryError(), "MemoryError"),
                (RuntimeError("one\n two"), "RuntimeError: one two")):
            self.assertEqual(describe(error), line)

    def test_things_in_words(self) -> None:
        self.assertEqual(
            [count(0, "task"), count(1, "process"), count(2, "process")],
            ["0 tasks", "1 process", "2 processes"])


class Say(TestCase):

    def test_lines_of_threads_and_processes_never_mix(self) -> None:
        reader, writer = os.pipe()
        speakers = [subprocess.Popen([*PYTHON, "-c", SPEAKERS], cwd=ROOT,
                                     stderr=writer) for _ in range(2)]
        os.close(writer)
        with open(reader, encoding="utf-8") as told:
            lines = told.read().splitlines()
        for speaker in speakers:
            self.assertEqual(speaker.wait(DEADLINE), 0)
        self.assertCountEqual(lines, [
            f"{speaker.pid} {name} {line} " + 300 * name
            for speaker in speakers for name in "abcd" for line in range(200)])

    def test_where_nobody_is_told_the_program_goes_on(self) -> None:
        for stderr in ("sys.stderr = None",
                       "r, w = os.pipe(); os.close(r); os.dup2(w, 2)",
                       "os.path.exists('/dev/full') and os.dup2("
                       "os.open('/dev/full', os.O_WRONLY), 2)"):
            ended = run([*PYTHON, "-c", f"import os, sys; {stderr}\n"
                         "from concur_demo._text import say\n"
                         "say('one'); say('two'); print('on')"])
            self.assertEqual(ended[:2], (0, "on\n"), stderr)
