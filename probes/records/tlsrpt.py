"""TLS reporting, RFC 8460: the TXT record with the addresses for reports of failed TLS."""

import re
from dataclasses import dataclass

from probes.records import RecordError

MAX_URIS = 100
"""Destinations of one record that are read."""

_MAX_RECORD = 16 * 1024
_VERSION = "v=TLSRPTv1"
_NEARLY = re.compile(rb"v\s*=\s*tls-?rpt|tlsrptv\s*1", re.IGNORECASE)
_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+\Z")
_MAILTO = re.compile(r"mailto:[^@\s,;!]+@[^@\s,;!?]+(?:\?[^\s,;!]*)?\Z", re.IGNORECASE)
_HTTPS = re.compile(r"https://[^\s,;!/]+(?:/[^\s,;!]*)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TlsRptRecord:
    """A TLSRPT record: the `mailto:` and `https:` URIs for reports, as written."""

    rua: tuple[str, ...]
    extensions: tuple[str, ...] = ()


def is_tlsrpt_record(text: bytes) -> bool:
    """True if a TXT record is a TLSRPT record; all others are discarded."""
    # RFC 8460 §3: records that do not begin with "v=TLSRPTv1;" are discarded
    return re.match(rb"v=TLSRPTv1[ \t]*;", text) is not None


def is_nearly_tlsrpt_record(text: bytes) -> bool:
    """True if a TXT record resembles a TLSRPT record but is none: senders discard it."""
    return not is_tlsrpt_record(text) and _NEARLY.search(text) is not None


def parse_tlsrpt_record(text: bytes) -> TlsRptRecord:
    """Read one TXT record (its strings joined). Raises RecordError."""
    fields = [field.strip(" \t") for field in _ascii(text).split(";")]
    if fields[0] != _VERSION:
        raise RecordError(f"it does not begin with {_VERSION}; but with {fields[0][:80]!r}")
    if len(fields) > 1 and not fields[-1]:
        fields.pop()
    # RFC 8460 §3: rua may stand anywhere behind the version, and more than once
    ruas = [field.removeprefix("rua=") for field in fields[1:] if field.startswith("rua=")]
    others = tuple(field for field in fields[1:] if not field.startswith("rua="))
    wrong = next((field for field in others if not _EXTENSION.match(field)), None)
    if wrong is not None:
        raise RecordError(f"not a field: {wrong[:80]!r}")
    if not ruas:
        raise RecordError("no rua behind the version")
    return TlsRptRecord(_uris(",".join(ruas)), others)


def _uris(text: str) -> tuple[str, ...]:
    uris = tuple(uri.strip(" \t") for uri in text.split(","))
    if len(uris) > MAX_URIS:
        raise RecordError(f"more than {MAX_URIS} destinations")
    for uri in uris:
        # RFC 8460 §3: only mailto and https; "!", "," and ";" stand encoded in them
        if not _MAILTO.match(uri) and not _HTTPS.match(uri):
            raise RecordError(f"neither a mailto: nor an https: URI: {uri[:80]!r}")
    return uris


def _ascii(text: bytes) -> str:
    if len(text) > _MAX_RECORD:
        raise RecordError(f"a record of more than {_MAX_RECORD} octets")
    try:
        return text.decode("ascii")
    except UnicodeDecodeError as error:
        raise RecordError(f"not ASCII: {text[:80]!r}") from error
