"""The title of a web page, found in its bytes as a browser finds it.

In reading order: how bytes become text, and where in the text the title
is. Both follow the standards of https://whatwg.org.
"""

import codecs
import html
import html.parser
import http.client
import io
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_TITLE = 2**20   # characters; what is longer is cut
MAX_DEPTH = 512     # of nested elements, as in Chromium
# Characters; the attributes of a longer tag are not read, as HTMLParser
# takes a hundred times their memory for them.
MAX_TAG = 2**16

# What no address holds and no terminal should get.
CONTROLS = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f-\x9f\u2028\u2029"
                      "\ud800-\udfff]")


# From bytes to text ---------------------------------------------------

def decode(pieces: Iterable[bytes], content_type: str = "") -> Iterator[str]:
    """Yield the text of a page, decoded as browsers do."""
    label = header_encoding(content_type)
    pieces = filter(None, pieces)
    head, failure = b"", None
    try:
        for size in LOOK_AT:
            while len(head) < size and (more := next(pieces, None)):
                head += more
            name, mark = guess_encoding(head[:size], label)
            if name or END_OF_HEAD.search(head[:size]):
                break
    except (OSError, http.client.HTTPException) as error:
        failure = error     # the title may have come before it
        name, mark = guess_encoding(head, label)
    decoder = codecs.getincrementaldecoder(name or "utf-8")(REPLACE)
    yield decoded(decoder, head[mark:])
    if failure:
        raise failure
    for piece in pieces:
        yield decoded(decoder, piece)
    yield decoder.decode(b"", True)


def decoded(decoder: codecs.IncrementalDecoder, piece: bytes) -> str:
    """Return the text of the next piece of a page."""
    before = decoder.getstate()
    try:
        return decoder.decode(piece)
    except UnicodeError:
        # ISO-2022-JP has no room to keep half of a wrong escape sequence
        decoder.setstate(before)
        return decoder.decode(piece, True)


def replace(error: UnicodeError) -> tuple[str, int]:
    """Return what is read for bytes that mean nothing, and where it goes on.

    The codecs of Windows do not know some bytes that browsers take for
    control characters, as in a curly quote of UTF-8 that is read so.
    """
    assert isinstance(error, UnicodeDecodeError)
    byte = error.object[error.start]
    if error.encoding == "charmap" and byte < 0xA0:
        return chr(byte), error.end
    pair = error.object[error.start:error.start + 2]
    if error.encoding == "euc_jp" and re.fullmatch(b"[\xa1-\xfe]{2}", pair):
        text = shift_jis(*pair).decode("cp932", "replace")
        return text[:1], error.start + 2
    return "\ufffd", error.end


def shift_jis(first: int, second: int) -> bytes:
    """Return the character of these two bytes of EUC-JP in Shift_JIS.

    Python's EUC-JP lacks those that NEC and IBM added; its cp932 has them.
    https://encoding.spec.whatwg.org/#shift_jis-encoder
    """
    row, cell = first - 0xA1, second - 0xA1
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + (0x9F if row % 2 else 0x40 + (cell > 62))
    return bytes([lead, trail])


REPLACE = "concur_demo.replace"
codecs.register_error(REPLACE, replace)

# How many bytes to have before looking for the encoding: a byte order mark
# is in 4, <meta> mostly in 1024, or else further down, but in the <head>.
LOOK_AT = 4, 1024, 2**13, 2**16
END_OF_HEAD = re.compile(rb"<(?:/head|body)[\t\n\f\r />]", re.IGNORECASE)


def guess_encoding(head: bytes, label: str) -> tuple[str, int]:
    """Return the codec that a page so begun tells, and its mark's length."""
    for mark, name in ((codecs.BOM_UTF8, "utf-8"),
                       (codecs.BOM_UTF16_BE, "utf-16-be"),
                       (codecs.BOM_UTF16_LE, "utf-16-le")):
        if head.startswith(mark):
            return name, len(mark)
    if label:
        return label, 0
    if head[:2] in (b"<\0", b"\0<"):
        return "utf-16-le" if head[0] else "utf-16-be", 0
    return meta_encoding(head.decode("latin-1")), 0


def meta_encoding(text: str) -> str:
    """Return the codec that the <meta> elements of a page name, "" if none."""
    declared = re.match(r"<\?xml[^>]*encoding\s*=\s*[\"']([\w.:-]+)", text)
    names = []
    for meta in filter(None, PRESCAN.findall(text)):
        found = StartTag(meta).attributes
        if "charset" in found:
            names.append(codec_of(found["charset"]))
        elif found.get("http-equiv", "").lower() == "content-type":
            names.append(encoding_label(found.get("content", "")))
    names.append(codec_of(declared[1]) if declared else "")
    name = next(filter(None, names), "")
    return "utf-8" if name.startswith("utf-16") else name


def header_encoding(content_type: str) -> str:
    """Return the codec that a Content-Type header names, "" if none."""
    for name, quoted, plain in PARAMETER.findall(content_type):
        if name.lower() == "charset" and (quoted or plain):
            return codec_of(quoted.replace("\\", "") or plain)
    return ""


PARAMETER = re.compile(r"""; [\t\r\n ]* ([^\t\r\n ;=]*) = [\t\r\n ]*
    (?: "((?: [^"\\] | \\. )*) | ([^;,]*) )""", re.VERBOSE)


def encoding_label(content_type: str) -> str:
    """Return the codec that a <meta> with this content names, "" if none."""
    found = re.search(r"charset[\t\n\f\r ]*=[\t\n\f\r ]*"
                      r"""(?:"([^"]*)"|'([^']*)'|([^"'\t\n\f\r ;]+))""",
                      content_type, re.I)
    return codec_of("".join(found.groups(""))) if found else ""


# The encodings of the web and the codecs that read them, from
# https://encoding.spec.whatwg.org/: some names promise less than pages
# hold, and what is not here (utf-7, say) is ignored.
SUPERSETS = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254",
    "iso8859-11": "cp874", "tis-620": "cp874", "shift_jis": "cp932",
    "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs",
    "euc_kr": "cp949", "utf-16": "utf-16-le"}
CODECS = {
    *SUPERSETS.values(), "utf-8", "utf-16-be", "cp866", "euc_jp",
    "iso2022_jp", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic",
    *(f"iso8859-{i}" for i in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
    *(f"cp125{i}" for i in range(9))}
OTHER_LABELS = {label: codec for codec, labels in {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8",
    "utf-16-le": "unicode ucs-2 csunicode iso-10646-ucs-2 unicodefeff",
    "utf-16-be": "unicodefffe", "iso8859-7": "sun_eu_greek",
    "iso8859-8": "visual logical", "iso8859-15": "csisolatin9",
    "koi8-r": "koi koi8", "koi8-u": "koi8-ru", "cp1252": "user-defined",
    "mac-roman": "mac csmacintosh", "mac-cyrillic": "mac-ukrainian",
    "cp874": "dos-874 windows-874", "gb18030": "gb_2312 gb_2312-80 csgb2312",
    "big5hkscs": "cn-big5 x-big5", "cp932": "windows-31j",
    "euc_jp": "cseucpkdfmtjapanese", "cp949": "windows-949 cseuckr "
    "csksc56011987 iso-ir-149 ksc_5601 ks_c_5601-1989",
}.items() for label in labels.split()}


def codec_of(label: str) -> str:
    """Return the codec for what browsers know as label, "" if none.

    >>> codec_of("Latin1"), codec_of("GB2312"), codec_of("utf-7")
    ('cp1252', 'gb18030', '')
    """
    label = label.strip("\t\n\f\r ").lower()
    if not re.fullmatch(r"[a-z0-9_.:-]{1,40}", label):
        return ""
    label = label.removeprefix("x-")
    label = re.sub(r"^(?:cs)?(iso-?8859-?\d+)-?[ei]?$", r"\1", label)
    label = re.sub(r"^iso8859(\d)", r"iso8859-\1", label)
    try:
        name = OTHER_LABELS.get(label) or codecs.lookup(label).name
    except LookupError:
        return ""
    name = SUPERSETS.get(name, name)
    return name if name in CODECS else ""


# From text to the title ----------------------------------------------

def find_title(texts: Iterable[str], xhtml: bool = False) -> str:
    """Return the title of the page in these pieces, "" if none.

    In XHTML, tags such as <script src="a.js"/> have no end tag; comments
    and CDATA in a title are taken for text, though.
    """
    finder = TitleFinder(xhtml)
    for text in texts:
        finder.feed(text)
        if finder.title is not None:
            break
    else:
        finder.feed("", last=True)
    return tidy(unescape((finder.title or "")[:MAX_TITLE]))


def tidy(text: str) -> str:
    """Return text in one line: control characters dropped, spaces folded."""
    return re.sub(r"[\t\n\f\r ]+", " ", CONTROLS.sub("", text)).strip(" ")


def unescape(text: str) -> str:
    """Return text with its character references decoded."""
    # int() refuses a number of more digits than sys.set_int_max_str_digits
    return html.unescape(re.sub(r"&#0*([0-9]{1,8})[0-9]*", r"&#\1", text))


class StartTag(html.parser.HTMLParser):
    """A start tag: its name, its attributes, whether it ends in />."""

    def __init__(self, text: str) -> None:
        super().__init__()
        # older ones take some tags with odd attributes for text
        self.name = re.split("[\t\n\f\r />]", text[1:], maxsplit=1)[0].lower()
        self.attributes: dict[str, str] = {}
        self.self_closing = False
        if len(text) <= MAX_TAG:
            self.feed(text)

    def handle_starttag(self, tag: str,
                        attrs: list[tuple[str, str | None]]) -> None:
        for name, value in reversed(attrs):     # the first one counts
            self.attributes[name] = value or ""

    def handle_startendtag(self, tag: str,
                           attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.self_closing = True


# A whole tag, after its name. "*+" keeps the time linear: what was once
# matched is not tried again in another way. A group that it repeats is
# atomic, "(?>", or Python before 3.11.5 matches it wrongly (CPython issue
# 106052).
REST_OF_TAG = r"""(?> [\t\n\f\r /]++ | [^\t\n\f\r />][^\t\n\f\r />=]*+
    (?: [\t\n\f\r ]*+ = [\t\n\f\r ]*+
        (?: "[^"]*+" | '[^']*+' | [^\t\n\f\r >"'][^\t\n\f\r >]*+ | (?=>) )
      | (?! [\t\n\f\r ]*+ = ) ) )*+ >"""
FLAGS = re.IGNORECASE | re.ASCII | re.VERBOSE
TAG = re.compile(r"<(/?)([a-z][^\t\n\f\r />]*+)" + REST_OF_TAG, FLAGS)
# The <meta> tags of a page, as group 1, and what may hide such a tag.
PRESCAN = re.compile(
    rf"""<!--(?: -?> | .*?(?:-->|\Z)) | (<meta(?=[\t\n\f\r /]){REST_OF_TAG})
      | </?[a-z][^\t\n\f\r />]*+ (?: {REST_OF_TAG} | .* ) | <[!/?][^>]*""",
    FLAGS | re.DOTALL)

# Elements whose content is text, tags and all.
TEXT_ELEMENTS = ("title", "textarea", "script", "style", "xmp", "iframe",
                 "noembed", "noframes", "noscript", "plaintext")

# Whatever comes before a tag that matters.
DULL = re.compile(r"""(?> [^<]++ | < (?: (?=[^a-z/!?])
    | (?! /? (?: template | svg | math | %s ) [\t\n\f\r />] )
      /? [a-z] [^\t\n\f\r />]*+ %s ) )*+"""
                  % (" | ".join(TEXT_ELEMENTS), REST_OF_TAG), FLAGS)
TEXT = re.compile(r"(?> [^<]++ | < (?=[^a-z/!?]) )*+", FLAGS)

OPEN_TAG = re.compile(r"</?[a-z]", FLAGS)
COMMENT = re.compile(r"<!--(-?>)?")

# What ends that which is no tag and no plain text.
ENDS = {name: re.compile(rf"</{name}(?=[\t\n\f\r />])", FLAGS)
        for name in TEXT_ELEMENTS}
ENDS |= {
    "plaintext": re.compile(r"(?!)"),
    "comment": re.compile(r"--!?>"),
    "bogus comment": re.compile(r">"),
    "cdata": re.compile(r"\]\]>"),
    # a script may hold a comment, which may hold scripts
    "script": re.compile(r"<!-- | </script(?=[\t\n\f\r />])", FLAGS),
    "script comment": re.compile(r"--> | </?script(?=[\t\n\f\r />])", FLAGS),
    "script in script": re.compile(r"--> | </script(?=[\t\n\f\r />])", FLAGS)}
SCRIPT = {("script", "<!--"): "script comment",
          ("script comment", "-->"): "script",
          ("script comment", "<script"): "script in script",
          ("script in script", "-->"): "script",
          ("script in script", "</script"): "script comment"}

VOID = frozenset(
    "area base basefont bgsound br col embed frame hr img input keygen link "
    "meta param source track wbr".split())

# Elements of HTML: their tags end the <svg> or <math> they are in.
BREAKOUT = frozenset(
    "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 "
    "h5 h6 head hr i img li listing menu meta nobr ol p pre ruby s small "
    "span strong strike sub sup table tt u ul var".split())
TABLE_PARTS = frozenset("caption table tbody td tfoot th thead tr".split())
# Those that likely hold an <svg> or <math> when their end tag is in it.
PARENTS = BREAKOUT - {"body", "head"} | TABLE_PARTS | set(
    "a address article aside button details dialog fieldset figcaption "
    "figure font footer header label main nav section summary".split())
HTML_IN_MATH = ("mi", "mo", "mn", "ms", "mtext")


def holds_html(kind: str, tag: StartTag) -> bool:
    """Return whether a start tag within the element is one of HTML."""
    if kind == "svg":
        return tag.name in ("foreignobject", "desc", "title")
    if kind == "math":
        return tag.name in HTML_IN_MATH or (
            tag.name == "annotation-xml"
            and tag.attributes.get("encoding", "").lower()
            in ("text/html", "application/xhtml+xml"))
    return True


class Element(NamedTuple):
    """An open element in or below <svg>, <math> or <template>."""
    kind: str           # "svg", "math", "template" or "html"
    name: str
    holds_html: bool


class TitleFinder:
    """Finds the title in a page that is fed to it piece by piece.

    HTML's rules, as far as they decide what is a title of the page:
    https://html.spec.whatwg.org/multipage/parsing.html. Not left to
    HTMLParser, as the older ones take tags in a title for tags (CPython
    issues 118350, 137836), and unclosed tags cost them quadratic time
    (135462, 153030); it gets whole tags only. One rule is left out: the
    tag <frameset> can do away with every title that is after or in <body>.
    One is guessed, as open elements of HTML are not kept: which end tags
    end an <svg> or <math> that has no end tag of its own.
    """

    def __init__(self, xhtml: bool = False) -> None:
        self.xhtml = xhtml
        self.title: str | None = None       # None until it is known
        self.parts: io.StringIO | None = None   # what there is of it
        self.waiting: list[str] = []        # text not looked at
        self.size = 0                       # how much it is
        self.enough = 0                     # look when it is so much
        self.inside = ""            # a name of ENDS: skip until its end
        self.open: list[Element] = []

    def feed(self, text: str, last: bool = False) -> None:
        """Look through the next piece; last says that it is the end."""
        self.waiting.append(text.replace("\0", "\ufffd"))
        self.size += len(text)
        if self.size >= self.enough or last:
            text, at = "".join(self.waiting), 0
            after: int | None = 0
            while after is not None and self.title is None:
                at, after = after, self.step(text, after, last)
            self.waiting, self.size = [text[at:]], len(text) - at
            # so that a long tag is not looked at again for each piece
            self.enough = 2 * self.size // 4096 * 4096
        if last and self.title is None and self.parts is not None:
            self.title = self.parts.getvalue()

    def step(self, text: str, at: int, last: bool) -> int | None:
        """Take one thing at text[at]; return its end, None if not there."""
        if at == len(text):
            return None
        if self.inside:
            return self.skip(text, at, last)
        top = self.open[-1].kind if self.open else "template"
        plain = DULL if top == "template" else TEXT
        if (found := plain.match(text, at)) and found.end() > at:
            return found.end()
        if found := TAG.match(text, at):
            if found[1]:
                self.end_tag(found[2].lower())
            else:
                self.start_tag(StartTag(found[0]))
            return found.end()
        if OPEN_TAG.match(text, at) or len(text) < at + 9 and not last:
            return None
        if found := COMMENT.match(text, at):
            self.inside = "" if found[1] else "comment"
            return found.end()
        foreign = top in ("svg", "math")
        self.inside = ("cdata" if foreign and text.startswith("<![CDATA[", at)
                       else "bogus comment")
        return at + 2

    def skip(self, text: str, at: int, last: bool) -> int | None:
        """Take the rest of what we are inside, as step() does."""
        found = ENDS[self.inside].search(text, at)
        # an end may lie across the pieces
        end = (found.start() if found else
               len(text) if last else max(at, len(text) - 16))
        if self.parts is not None:
            self.parts.write(text[at:end])
            if found or self.parts.tell() > MAX_TITLE:
                self.title = self.parts.getvalue()
        if not found:
            return end if end > at else None
        mark = found[0].lower()
        self.inside = SCRIPT.get((self.inside, mark), "")
        if self.inside:     # <!--> is a comment, already over
            return found.end() - 2 * (mark == "<!--")
        return end if mark[0] == "<" else found.end()

    def start_tag(self, tag: StartTag) -> None:
        """Enter what the start tag opens, if it can matter to us."""
        name, kind = tag.name, self.kind_of(tag)
        if kind == "html" and name in ("svg", "math", "template"):
            kind = name
        if kind == "html" and name in TEXT_ELEMENTS and not (
                self.xhtml and tag.self_closing):
            self.inside = name
            if name == "title" and all(
                    e.kind != "template" for e in self.open):
                self.parts = io.StringIO()
        if kind in ("svg", "math"):
            closed = tag.self_closing
        else:   # only what is within <svg> or <math> can end them
            closed = kind == "html" and (name in VOID or not self.open or
                                         self.open[-1].kind == "template")
        if not closed and len(self.open) < MAX_DEPTH:
            self.open.append(Element(kind, name, holds_html(kind, tag)))

    def kind_of(self, tag: StartTag) -> str:
        """Return what the start tag is of: HTML, or what it stands in."""
        if not self.open:
            return "html"
        top = self.open[-1]
        if top.holds_html and not (
                top.kind == "math" and tag.name in ("mglyph", "malignmark")
                and top.name in HTML_IN_MATH):
            return "html"
        if top.name == "annotation-xml" and tag.name == "svg":
            return "html"
        if tag.name in BREAKOUT or tag.name == "font" and (
                tag.attributes.keys() & {"color", "face", "size"}):
            self.break_out()
            return "html"
        return top.kind

    def break_out(self) -> None:
        """Leave <svg> or <math>, up to where HTML can be."""
        while self.open and not self.open[-1].holds_html:
            self.open.pop()

    def end_tag(self, name: str) -> None:
        """Leave what the end tag closes."""
        if name in ("br", "p"):
            self.break_out()
        foreign = True      # until an element of HTML is met
        fenced = False      # beyond what is foreign and holds HTML
        for i in reversed(range(len(self.open))):
            kind, opened, fence = self.open[i]
            foreign = foreign and kind in ("svg", "math")
            if name == opened and (foreign or kind == "template" or
                                   kind == "html" and not fenced):
                del self.open[i:]
                return
            if kind in ("svg", "math"):
                fenced = fenced or name not in TABLE_PARTS and (
                    fence or opened == "annotation-xml")
            elif name != "template" and (fenced or kind == "template"):
                return
        if foreign and not fenced and name in PARENTS:
            self.open.clear()
