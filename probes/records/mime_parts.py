"""The parts of a MIME message (RFC 2045, RFC 2046), within limits; any bytes give parts.

The standard library's parser follows any depth of nesting and keeps every part. Reports come from
strangers, so this reader stops at MAX_DEPTH, MAX_PARTS and MAX_MESSAGE.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import unescape
from itertools import islice, pairwise
from urllib.parse import unquote_to_bytes

MAX_MESSAGE = 16 * 1024 * 1024
"""Octets of a message that are read; the rest is ignored."""

MAX_PARTS = 100
MAX_DEPTH = 8
MAX_HEADER = 256 * 1024
MAX_FIELDS = 1000
MAX_TEXT = 256 * 1024
"""Octets of one part that are read as text for people."""

_HEADER_END = re.compile(rb"\n[ \t]*\r?\n")
_FIELD = re.compile(r"([!-9;-~]{1,200})[ \t]*:(.*)", re.DOTALL)
_MBOX_LINE = re.compile(rb"\A\s*(?:>?From [^\n]{0,500}\n)?\s*")
_MEDIA_TYPE = re.compile(r"\s*([!-.0-:<-~]{1,64})/([!-:<-~]{1,128})")
_PARAMETER = re.compile(r';\s*([^\s=;"]{1,64})\s*=\s*("(?:[^"\\]|\\.){0,1000}"|[^;\s"]{1,1000})')
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,64})\?([bBqQ])\?([^?\r\n]{0,1000})\?=(\s+(?==\?))?")
_BOUNDARY_LINE = re.compile(rb"\s{0,200}--([^\r\n]*)\r?\n")
_MAX_BOUNDARY = 200
_MAX_EXTENDED = 20
_MAX_PIECES = 50
_NOT_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)
_CHARSET = re.compile(
    r"(us-)?ascii|utf-?(7|8|16|16le|16be|32)|iso-?8859-\d{1,2}|latin-?1|(windows-|cp)\d{3,4}"
    r"|koi8-[rut]|iso-2022-(jp|jp-\d|kr)|shift_?jis|sjis|euc-?(jp|kr)|gb(2312|k|18030)|big5"
    r"|hz-gb-2312|tis-620|macintosh|mac-roman"
)
_BREAKING_TAGS = frozenset(
    ("br", "p", "div", "tr", "li", "td", "th", "h1", "h2", "h3", "h4", "pre", "table", "ul", "hr")
)
_NO_CHARACTER = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9A-Fa-f]{8,});?")
"""A numeric reference with more digits than any character has; int() refuses very long ones."""

_HIDING_TAGS = frozenset(("style", "script", "title"))


@dataclass(frozen=True, slots=True)
class Header:
    """Header fields in order: names in lower case, values on one line, undecoded."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """The first value of a field, "" if there is none; `name` in lower case."""
        return next((value for known, value in self.fields if known == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a field in order; `name` in lower case."""
        return [value for known, value in self.fields if known == name]


@dataclass(frozen=True, slots=True)
class Part:
    """One entity; `body` is as transferred. A multipart has an empty body, and its parts follow it.

    `media_type` is in lower case; parameters have lower-case names.
    """

    header: Header
    media_type: str
    parameters: dict[str, str] = field(hash=False)
    body: bytes
    depth: int

    @property
    def is_text(self) -> bool:
        """True for text meant for people; a returned header is not."""
        return self.media_type.startswith("text/") and not self.media_type.endswith("-headers")

    def content(self) -> bytes:
        """The body with its transfer encoding (RFC 2045 §6) undone as far as possible."""
        encoding = self.header.get("content-transfer-encoding").strip().lower()
        if encoding == "base64":
            return _base64(self.body)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        return self.body

    def text(self) -> str:
        """The first MAX_TEXT octets as text with LF line ends, HTML without its tags."""
        content = self.content()[:MAX_TEXT]
        text = decode_charset(content, self.parameters.get("charset", "utf-8"))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return _without_tags(text) if self.media_type == "text/html" else text


def read_parts(message: bytes) -> tuple[Part, ...]:
    """The message itself, then its parts, each before its own parts.

    A message inside a message (message/rfc822) is one part and is not entered.
    """
    data = message[:MAX_MESSAGE]
    lead = _MBOX_LINE.match(data[:4096])
    start = lead.end() if lead is not None else 0
    return tuple(islice(_parts(data, start, len(data), 0), MAX_PARTS))


def split_header(data: bytes) -> tuple[Header, bytes]:
    """Split header and body at the empty line; without a field at the start all of it is body."""
    header, begin = _header(data, 0, len(data))
    return header, data[begin:]


def parse_fields(text: str) -> Header:
    """Read the lines of a header; lines that are neither field nor continuation are dropped."""
    lines: list[list[str]] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1].append(line.strip())
        elif len(lines) < MAX_FIELDS:
            lines.append([line])
    matches = (_FIELD.match(" ".join(pieces)) for pieces in lines)
    return Header(tuple((m[1].lower(), m[2].strip()) for m in matches if m is not None))


def media_type(value: str) -> tuple[str, dict[str, str]]:
    """Type and parameters of a Content-Type value, RFC 2045 §5; text/plain for an invalid one."""
    match = _MEDIA_TYPE.match(value)
    if match is None:
        return "text/plain", {}
    parameters: dict[str, str] = {}
    for name, text in _PARAMETER.findall(value[match.end() :][:8192]):
        unquoted = re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
        parameters.setdefault(name.lower(), unquoted)
    return f"{match[1]}/{match[2]}".lower(), {**_extended(parameters), **parameters}


def _extended(parameters: dict[str, str]) -> dict[str, str]:
    """The parameters that RFC 2231 §3, §4 splits or encodes, under their plain names.

    They are decoded after the parameters were told apart, so no value begins another parameter.
    """
    found: dict[str, str] = {}
    for name in parameters:
        plain = name.partition("*")[0]
        if "*" in name and plain not in found and len(found) < _MAX_EXTENDED:
            found[plain] = _joined(parameters, plain)
    return found


def _joined(parameters: dict[str, str], name: str) -> str:
    if f"{name}*" in parameters:
        charset, _, rest = parameters[f"{name}*"].partition("'")
        return decode_charset(unquote_to_bytes(rest.partition("'")[2]), charset)
    pieces: list[bytes] = []
    charset = ""
    for number in range(_MAX_PIECES):
        encoded, plain = parameters.get(f"{name}*{number}*"), parameters.get(f"{name}*{number}")
        if encoded is not None and number == 0:
            charset, _, rest = encoded.partition("'")
            encoded = rest.partition("'")[2]
        if encoded is None and plain is None:
            break
        octets = (plain or "").encode("utf-8", "replace")
        pieces.append(octets if encoded is None else unquote_to_bytes(encoded))
    return decode_charset(b"".join(pieces), charset)


def decode_words(value: str) -> str:
    """A header value with its encoded words (RFC 2047 §2) decoded if possible."""
    return _ENCODED_WORD.sub(_word, value)


def decode_charset(data: bytes, name: str) -> str:
    """Decode `data` from the charset `name`; UTF-8 with replacements for an unknown one."""
    known = _CHARSET.fullmatch(name.strip().lower())
    if known is None:
        return data.decode("utf-8", "replace")
    try:
        return data.decode(known[0], "replace")
    except (LookupError, UnicodeError):
        return data.decode("utf-8", "replace")


def _parts(data: bytes, start: int, end: int, depth: int) -> Iterator[Part]:
    """The entity between two offsets and its parts; a multipart is not copied."""
    header, begin = _header(data, start, end)
    kind, parameters = media_type(header.get("content-type"))
    spans: list[tuple[int, int]] = []
    if kind.startswith("multipart/") and depth < MAX_DEPTH:
        spans = _spans(data, begin, end, parameters.get("boundary", ""))
    if not spans:
        yield Part(header, kind, parameters, data[begin:end], depth)
        return
    yield Part(header, kind, parameters, b"", depth)
    for span_start, span_end in spans:
        yield from _parts(data, span_start, span_end, depth + 1)


def _header(data: bytes, start: int, end: int) -> tuple[Header, int]:
    """The header that begins at `start`, and the offset of the body."""
    limit = min(end, start + MAX_HEADER)
    if data[start : start + 1] == b"\n" or data[start : start + 2] == b"\r\n":
        return Header(), data.find(b"\n", start) + 1
    match = _HEADER_END.search(data, start, limit)
    stop = match.start() if match is not None else limit
    header = parse_fields(data[start:stop].decode("utf-8", "replace"))
    if not header.fields:
        return header, start
    return header, match.end() if match is not None else limit


def _spans(data: bytes, start: int, end: int, boundary: str) -> list[tuple[int, int]]:
    """The spans of the parts of a multipart, RFC 2046 §5.1.1; the last delimiter may be missing.

    Some relays name a boundary that never occurs: then the first line decides, if it looks like a
    delimiter.
    """
    mark = boundary.rstrip().encode("utf-8", "replace")
    found = _spans_at(data, start, end, mark) if mark else []
    if found:
        return found
    mark = _first_delimiter(data, start, end)
    return _spans_at(data, start, end, mark) if mark else []


def _spans_at(data: bytes, start: int, end: int, mark: bytes) -> list[tuple[int, int]]:
    delimiter = re.compile(rb"--" + re.escape(mark) + rb"(--)?[ \t]*(?:\r?\n|\r?\Z)")
    found: list[tuple[int, int]] = []
    for match in islice(delimiter.finditer(data, start, end), MAX_PARTS * 2):
        if match.start() == start or data[match.start() - 1] == 0x0A:
            found.append(match.span())
            if match[1]:
                break
    else:
        found.append((end, end))
    return [(a[1], max(a[1], _before_line_end(data, b[0], end))) for a, b in pairwise(found)]


def _before_line_end(data: bytes, position: int, end: int) -> int:
    """The offset before the line end that belongs to the delimiter, RFC 2046 §5.1.1."""
    if position >= end:
        return position
    return position - (2 if data[position - 2 : position] == b"\r\n" else 1)


def _first_delimiter(data: bytes, start: int, end: int) -> bytes:
    """The delimiter of a multipart without a boundary: its first line, if it looks like one."""
    match = _BOUNDARY_LINE.match(data, start, min(end, start + 4096))
    mark = b"" if match is None else match[1].rstrip(b" \t")
    return mark if len(mark) <= _MAX_BOUNDARY else b""


def _base64(body: bytes) -> bytes:
    clean = body.translate(None, _NOT_BASE64)
    if len(clean) % 4 == 1:
        clean = clean[:-1]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def _word(match: re.Match[str]) -> str:
    raw = match[3].encode("utf-8", "replace")
    data = _base64(raw) if match[2] in "bB" else binascii.a2b_qp(raw, header=True)
    return decode_charset(data, match[1].partition("*")[0])


def _without_tags(html: str) -> str:
    text = "".join(_visible(html.split("<")))
    return unescape(_NO_CHARACTER.sub("\ufffd", text))


def _visible(pieces: Iterable[str]) -> Iterator[str]:
    """The text between tags, with a line break for every block tag."""
    hidden_in = ""
    for index, piece in enumerate(pieces):
        tag, closed, text = piece.partition(">") if index else ("", ">", piece)
        name = tag[:12].lower().split(maxsplit=1)[0].rstrip("/") if tag.strip() else ""
        if hidden_in:
            hidden_in = "" if name == f"/{hidden_in}" else hidden_in
        elif name in _HIDING_TAGS:
            hidden_in = name
        if hidden_in or not closed:
            continue
        yield ("\n" if name.lstrip("/") in _BREAKING_TAGS else "") + _address_in(tag) + text


def _address_in(tag: str) -> str:
    """The address in angle brackets that were not escaped: it is no tag."""
    return f"<{tag}>" if "@" in tag and " " not in tag and "=" not in tag else ""
