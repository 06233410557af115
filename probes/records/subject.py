"""The subject of a finding: the host, address, name, record or list it is about."""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

MAX_NAME = 255
"""Characters of a name; what is longer is words."""


class SubjectKind(StrEnum):
    """What a subject is made of, and how it is written."""

    ADDRESS = "address"
    NAME = "name"
    PLACE = "place"
    RECORDS = "records"
    LISTING = "listing"
    SIGNATURE = "signature"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject; its text is what people, JSON and the ledger have of it.

    The constructors below say which fields a kind has; the others are "".
    """

    kind: SubjectKind
    name: str = ""
    host: str = ""
    address: str = ""
    list: str = ""
    rdtype: str = ""
    selector: str = ""

    @classmethod
    def of(cls, text: str) -> "Subject":
        """Return an address or a name, or words where `text` is neither."""
        if is_address(text):
            return cls(SubjectKind.ADDRESS, address=text)
        is_name = 0 < len(text) <= MAX_NAME and not any(map(str.isspace, text))
        return cls(SubjectKind.NAME if is_name else SubjectKind.WORDS, text)

    @classmethod
    def place(cls, host: str, address: str | None) -> "Subject":
        """Return one address of a host, or the host where it has none: `host [address]`."""
        if address is None:
            return cls.of(host)
        return cls(SubjectKind.PLACE, host=host, address=address)

    @classmethod
    def records(cls, rdtype: str, name: str) -> "Subject":
        """Return the records of one type at a name: `TXT of name`."""
        return cls(SubjectKind.RECORDS, name, rdtype=rdtype)

    @classmethod
    def listing(cls, name: str, at: str) -> "Subject":
        """Return an address or a domain on a block list: `name at list`."""
        return cls(SubjectKind.LISTING, name, list=at)

    @classmethod
    def signature(cls, domain: str, selector: str) -> "Subject":
        """Return a DKIM signature: `d=domain s=selector`."""
        return cls(SubjectKind.SIGNATURE, domain, selector=selector)

    def __str__(self) -> str:
        match self.kind:
            case SubjectKind.ADDRESS:
                return self.address
            case SubjectKind.PLACE:
                return f"{self.host} [{self.address}]"
            case SubjectKind.RECORDS:
                return f"{self.rdtype} of {self.name}"
            case SubjectKind.LISTING:
                return f"{self.name} at {self.list}"
            case SubjectKind.SIGNATURE:
                return f"d={self.name} s={self.selector}"
            case SubjectKind.NAME | SubjectKind.WORDS:
                return self.name


_PLACE = re.compile(r"(\S{1,255}) \[([0-9A-Fa-f:.]{2,45})\]")
_RECORDS = re.compile(r"([A-Z]{1,10}) of (\S{1,255})")
_LISTING = re.compile(r"(\S{1,255}) at (\S{1,255})")
_SIGNATURE = re.compile(r"d=(\S{1,255}) s=(\S{1,255})")


def read_subject(text: str) -> Subject:
    """Return the subject of a stored text. Nothing else reads one."""
    if found := _PLACE.fullmatch(text):
        return Subject.place(found[1], found[2])
    if found := _RECORDS.fullmatch(text):
        return Subject.records(found[1], found[2])
    if found := _LISTING.fullmatch(text):
        return Subject.listing(found[1], found[2])
    if found := _SIGNATURE.fullmatch(text):
        return Subject.signature(found[1], found[2])
    return Subject.of(text)


def is_address(text: str) -> bool:
    """True for an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
