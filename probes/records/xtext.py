"""The encodings of addresses and envelope identifiers in DSNs.

They are xtext (RFC 3461 §4) and the forms of the `utf-8` address type (RFC 6533 §3).
"""

import re

from probes.records import RecordError

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_PLAIN = frozenset(range(0x21, 0x7F)) - frozenset(b"+=")
_MAX_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
_NO_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")

MAX_ORCPT = 500
"""Characters of an ORCPT value, RFC 3461 §4.2."""


def encode_xtext(text: str) -> str:
    """Encode `text` as an ENVID or ORCPT value; non-ASCII text as its UTF-8 octets."""
    return "".join(chr(octet) if octet in _PLAIN else f"+{octet:02X}" for octet in text.encode())


def original_recipient(address: str) -> str | None:
    """`type;address` for the ORCPT parameter; None if that is longer than MAX_ORCPT.

    An address beyond ASCII is of the type `utf-8`, in the form any server can pass on
    (utf-8-addr-xtext, RFC 6533 §3).
    """
    if address.isascii():
        value = f"rfc822;{encode_xtext(address)}"
    else:
        value = "utf-8;" + _NO_QCHAR.sub(lambda char: f"\\x{{{ord(char[0]):02X}}}", address)
    return value if len(value) <= MAX_ORCPT else None


def decode_xtext(text: str) -> str:
    """Decode an ENVID or ORCPT value.

    Raises RecordError if it is not xtext (RFC 3461 §4) or its octets are not UTF-8.
    """
    if _XTEXT.match(text) is None:
        raise RecordError(f"not xtext: {text[:80]!r}")
    try:
        return _decoded(text)
    except UnicodeDecodeError as error:
        raise RecordError(f"not UTF-8 within xtext: {text[:80]!r}") from error


def undo_xtext(text: str) -> str:
    """Decode `text` if it can only be xtext; otherwise return it unchanged.

    A report has the decoded value, but some relays write the encoded one. `+2B` alone may also be a
    literal plus and two digits. So the text is decoded only if two conditions hold. Every plus sign
    encodes an octet that requires it, and the result is printable.
    """
    octets = [int(pair, 16) for pair in _HEX.findall(text)]
    if not octets or len(octets) != text.count("+") or _PLAIN.intersection(octets):
        return text
    try:
        decoded = _decoded(text)
    except UnicodeDecodeError:
        return text
    return decoded if decoded.isprintable() and " " not in decoded else text


def decode_utf8_address(text: str) -> str:
    """Decode an address of type `utf-8`, RFC 6533 §3.

    `\\x{HEX}` stands for one code point; an invalid one stays as written.
    """
    return _UNICODE.sub(_character, text)


def _decoded(text: str) -> str:
    raw = re.sub(
        rb"\+([0-9A-F]{2})",
        lambda match: bytes([int(match[1], 16)]),
        text.encode("utf-8", "backslashreplace"),
    )
    return raw.decode("utf-8")


def _character(match: re.Match[str]) -> str:
    point = int(match[1], 16)
    if point > _MAX_CODE_POINT or point in _SURROGATES or not chr(point).isprintable():
        return match[0]
    return chr(point)
