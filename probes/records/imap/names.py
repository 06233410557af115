"""Mailbox names in modified UTF-7, RFC 3501 §5.1.3.

A name that another encoding of the same text would not give back is kept as it is on the wire,
behind AS_SENT. So the folder that is opened is always the folder that the server listed.
"""

import base64
import binascii
import re

from probes.records import RecordError

AS_SENT = "wire:"
"""Marks a name whose octets go to the server as they are; `%E9` stands for the octet E9."""

_SHIFTED = re.compile(r"&([^&-]*)-")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")


def name_of(octets: bytes) -> str:
    """Return the name of a mailbox; `octets_of` gives these octets back for any of them."""
    try:
        name = decode_name(octets.decode("ascii"))
    except (RecordError, UnicodeDecodeError):
        return _as_sent(octets)
    is_reversible = not name.startswith(AS_SENT) and octets_of(name) == octets
    return name if is_reversible else _as_sent(octets)


def octets_of(name: str) -> bytes:
    """Return the octets that name a mailbox to the server."""
    if not name.startswith(AS_SENT):
        return encode_name(name).encode("ascii")
    sent = name.removeprefix(AS_SENT).encode("utf-8", "replace")
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), sent)


def readable_name(name: str) -> str:
    """Return the name for comparison by its words: without AS_SENT, decoded where possible."""
    if not name.startswith(AS_SENT):
        return name
    text = octets_of(name).decode("utf-8", "replace")
    try:
        return decode_name(text)
    except RecordError:
        return text


def decode_name(wire: str) -> str:
    """Decode a mailbox name to Unicode. Raises RecordError if it is not modified UTF-7."""
    if not wire.isascii():
        raise RecordError("a mailbox name with octets above 127")
    if "&" in _SHIFTED.sub("", wire):
        raise RecordError("a mailbox name with an open base64 shift")
    return _SHIFTED.sub(lambda match: _unshifted(match[1]), wire)


def encode_name(name: str) -> str:
    """Encode a mailbox name for sending: printable US-ASCII."""
    return _UNPRINTABLE.sub(lambda match: _shifted(match[0]), name.replace("&", "&-"))


def _as_sent(octets: bytes) -> str:
    """The octets behind AS_SENT: UTF-8 as it is, other octets above 127 and `%` escaped."""
    text = octets.replace(b"%", b"%25").decode("utf-8", "surrogateescape")
    return AS_SENT + re.sub(
        "[\x00-\x1f\x7f\udc80-\udcff]", lambda match: f"%{ord(match[0]) & 0xFF:02X}", text
    )


def _unshifted(text: str) -> str:
    if not text:
        return "&"
    padded = text.replace(",", "/") + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded, validate=True).decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        raise RecordError("a mailbox name with a broken base64 shift") from None


def _shifted(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    return f"&{base64.b64encode(units).decode('ascii').rstrip('=').replace('/', ',')}-"
