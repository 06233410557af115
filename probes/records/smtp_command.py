"""SMTP client text: paths, parameters and content, RFC 5321 §4.1.1 and §4.5.2."""

import re
from collections.abc import Iterable

from probes.records import RecordError

_LINE_END = re.compile(rb"\r\n|\r|\n")

MAX_COMMAND = 512
"""Octets of a command line with its CRLF, RFC 5321 §4.5.3.1.4."""


def path(address: str) -> bytes:
    """`<address>` for MAIL and RCPT; "" is the null reverse-path, RFC 5321 §4.5.5.

    Raises RecordError for a control character, and for an address that would end its own path.
    """
    if any(c < " " or c == "\x7f" for c in address):
        raise RecordError(f"a control character in the address {address!r}")
    local, at, _ = address.rpartition("@")
    is_quoted = at and local.startswith('"') and local.endswith('"')
    if not is_quoted and any(c in "<> " for c in address):
        raise RecordError(f"not an address: {address!r}")
    return b"<" + address.encode("utf-8", "strict") + b">"


def parameters(pairs: Iterable[tuple[str, str | int | None]]) -> tuple[bytes, ...]:
    """`KEYWORD=value` for every pair; a bare `KEYWORD` where the value is ""; none where None."""
    return tuple(
        f"{keyword}={value}".encode("ascii") if value != "" else keyword.encode("ascii")
        for keyword, value in pairs
        if value is not None
    )


def stuffed(content: bytes) -> bytes:
    """The content as sent, the final dot included.

    Every line ends in CRLF, and there is no other CR or LF: servers differ on the end of data after
    a bare one (RFC 5321 §2.3.8). A leading dot is doubled (§4.5.2).
    """
    crlf = content.count(b"\r\n")
    if content.count(b"\n") != crlf or content.count(b"\r") != crlf:
        content = _LINE_END.sub(b"\r\n", content)
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
