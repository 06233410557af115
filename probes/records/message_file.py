"""A message as people have it in a file: with the marks that editors, exports and mboxes add.

Everything that is skipped or changed to read it is said. Nothing is dropped silently.
"""

import codecs
import re
from dataclasses import dataclass

from probes.records import RecordError
from probes.records.raw_message import MAX_MESSAGE, read_message

_SHOWN = 60
_FROM_LINE = re.compile(rb">?From [^\r\n]*(?:\r\n|\r|\n)")
_NEXT = re.compile(rb"\n\r?\nFrom [^\n]{1,200}\d{4}\r?\n[!-9;-~]{1,998}[ \t]*:")
_FIELD = re.compile(rb"[!-9;-~]{1,998}[ \t]*:")
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins alike
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class MessageFile:
    """The octets of the message, and in words what was skipped or changed on the way to them."""

    message: bytes
    notes: tuple[str, ...]


def read_message_file(data: bytes) -> MessageFile:
    """Find the message in a file. Raises RecordError where there is no header: it is no message."""
    notes: list[str] = []
    if len(data) > MAX_MESSAGE:
        notes.append(f"only the first {MAX_MESSAGE // 1024 // 1024} MiB are read")
    message = _ended(_unmarked(data, notes), notes)
    message = _begun(message, notes)
    if not message.strip():
        raise RecordError("this is no message: it is empty")
    fields = read_message(message).fields
    if not any(field.name for field in fields) or not _opens_header(message):
        raise RecordError(f"this is no message: it begins with {_shown(message)}, no header field")
    strange = [field for field in fields if not field.name]
    if strange:
        shown = _shown(strange[0].raw)
        notes.append(f"{len(strange)} lines of the header are no fields, the first is {shown}")
    if _NEXT.search(message):
        notes.append("the file has several messages; only the first is explained")
        message = message[: _first_end(message)]
    return MessageFile(message, tuple(notes))


def _unmarked(data: bytes, notes: list[str]) -> bytes:
    """Without a byte order mark; a file of wide characters as UTF-8."""
    if data.startswith(codecs.BOM_UTF8):
        notes.append("a byte order mark (EF BB BF) stands before the message and is skipped")
        return _unmarked(data.removeprefix(codecs.BOM_UTF8), [])
    for mark, encoding in _WIDE:
        if data.startswith(mark):
            notes.append(f"the file is in {encoding.upper()}; it is read as text")
            return data.decode(encoding, "replace").encode("utf-8")
    return data


def _ended(data: bytes, notes: list[str]) -> bytes:
    """With line ends where an old system wrote CR alone."""
    head = data[:65536]
    if b"\n" in head or b"\r" not in head:
        return data
    notes.append("the lines end with CR alone; they are read as lines")
    return data.replace(b"\r", b"\r\n")


def _begun(data: bytes, notes: list[str]) -> bytes:
    """From the first line of the header on, behind empty lines and an mbox `From ` line."""
    message = data.lstrip(b" \t\r\n") if _FIELD.match(data.lstrip()) else data.lstrip(b"\r\n")
    if len(message) < len(data):
        notes.append("empty lines stand before the message and are skipped")
    separator = _FROM_LINE.match(message)
    if separator is not None:
        notes.append(f"the line {_shown(separator[0])} of an mbox is skipped")
        return _begun(message[separator.end() :], [])
    return message


def _opens_header(message: bytes) -> bool:
    """True if a field stands before the first empty line, and prose does not stand before it."""
    first = message.partition(b"\n")[0]
    return _FIELD.match(first) is not None or first[:1] in (b" ", b"\t")


def _first_end(message: bytes) -> int:
    found = _NEXT.search(message)
    return len(message) if found is None else found.start() + 1


def _shown(octets: bytes) -> str:
    return repr(octets.strip()[:_SHOWN].decode("utf-8", "backslashreplace"))
