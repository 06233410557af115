"""TLSA records, RFC 6698, as SMTP uses them: RFC 7672 and RFC 7671."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum

from probes.records import RecordError

MAX_TEXT = 128 * 1024
"""Characters of a record in presentation format: 64 KiB of data in hexadecimal."""


class Usage(IntEnum):
    """The certificate usage, RFC 7218 §2.1."""

    PKIX_TA = 0
    PKIX_EE = 1
    DANE_TA = 2
    DANE_EE = 3


_DIGESTS = {1: ("sha256", 32), 2: ("sha512", 64)}


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """One record; its numbers are kept as received, unknown ones included."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def problem(self) -> str | None:
        """The reason to treat it as unusable; None for a usable record."""
        if self.usage in (Usage.PKIX_TA, Usage.PKIX_EE):
            # RFC 7672 §3.1.3: usages 0 and 1 are not for SMTP
            return f"usage {self.usage} is not for SMTP"
        if self.usage not in (Usage.DANE_TA, Usage.DANE_EE):
            return f"usage {self.usage} is unknown"
        if self.selector not in (0, 1):
            return f"selector {self.selector} is unknown"
        if self.matching not in (0, *_DIGESTS):
            return f"matching type {self.matching} is unknown"
        wanted = _DIGESTS.get(self.matching, ("", len(self.data)))[1]
        if not self.data or len(self.data) != wanted:
            return f"{len(self.data)} octets of data where matching type {self.matching} has others"
        return None

    def speaks_of(self, certificate: bytes, public_key: bytes) -> bool:
        """True if its data matches a certificate (DER) or its SubjectPublicKeyInfo (DER)."""
        selected = certificate if self.selector == 0 else public_key
        if self.matching == 0:
            return self.data == selected  # RFC 6698 §2.1.3
        digest = _DIGESTS.get(self.matching)
        return digest is not None and hashlib.new(digest[0], selected).digest() == self.data

    def __str__(self) -> str:
        shown = self.data.hex()
        shown = shown if len(shown) <= 128 else shown[:125] + "..."
        return f"{self.usage} {self.selector} {self.matching} {shown}"


def parse_tlsa(text: str) -> TlsaRecord:
    """Read the presentation format, RFC 6698 §2.2. Raises RecordError."""
    if len(text) > MAX_TEXT:
        raise RecordError(f"a TLSA record of more than {MAX_TEXT} characters")
    words = text.split()
    numbers = words[:3]
    if len(words) < 3 or not all(word.isascii() and word.isdigit() for word in numbers):
        raise RecordError(f"not a TLSA record: {text[:80]!r}")
    if any(len(word) > 3 or int(word) > 255 for word in numbers):
        raise RecordError(f"a number above 255 in a TLSA record: {text[:80]!r}")
    try:
        data = bytes.fromhex("".join(words[3:]))
    except ValueError as error:
        raise RecordError(f"no hexadecimal data in a TLSA record: {text[:80]!r}") from error
    usage, selector, matching = map(int, numbers)
    return TlsaRecord(usage, selector, matching, data)
