"""Mailbox names in modified UTF-7, RFC 3501 §5.1.3."""

import base64
import binascii
import re

from probes.records import RecordError

_SHIFTED = re.compile(r"&([^&-]*)-")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


def decode_name(wire: str) -> str:
    """Decode a mailbox name to Unicode. Raises RecordError if it is not modified UTF-7."""
    if not wire.isascii():
        raise RecordError("a mailbox name with octets above 127")
    if "&" in _SHIFTED.sub("", wire):
        raise RecordError("a mailbox name with an open base64 shift")
    return _SHIFTED.sub(lambda match: _unshifted(match[1]), wire)


def encode_name(name: str) -> str:
    """The mailbox name as it is sent: printable US-ASCII."""
    return _UNPRINTABLE.sub(lambda match: _shifted(match[0]), name.replace("&", "&-"))


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
