"""DKIM signatures and key records as text, RFC 6376, RFC 8463.

`dkim_verification` judges them.
"""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime

from probes.records import RecordError

_MAX_TAGS = 100
_MAX_RECORD = 64 * 1024
_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]{0,63})\s*=(.*)", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,20}")
_HOST = re.compile(r"[^\s.;@]{1,63}(?:\.[^\s.;@]{1,63})*\.?")
_ALGORITHMS = ("simple", "relaxed")


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM-Signature, RFC 6376 §3.5; domain and selector are in lower case, `identity` is i=.

    `signed_names` is h= in order and lower case. `body_length` is l=, the number of covered octets
    of the canonical body, None for all of them. `signed_at` and `expires_at` are aware UTC.
    """

    algorithm: str
    domain: str
    selector: str
    signed_names: tuple[str, ...]
    body_hash: bytes
    value: bytes
    header_form: str = "simple"
    body_form: str = "simple"
    identity: str = ""
    body_length: int | None = None
    signed_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def key_name(self) -> str:
        """The name of the key record, RFC 6376 §3.6.2.1."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key record, RFC 6376 §3.6.1; `key` is p= decoded, empty for a revoked key.

    `hashes` are the permitted ones, empty for any; `flags` those of t= (`y` testing, `s` strict).
    """

    key: bytes
    key_type: str = "rsa"
    hashes: tuple[str, ...] = ()
    services: tuple[str, ...] = ("*",)
    flags: tuple[str, ...] = ()
    notes: str = ""

    @property
    def is_revoked(self) -> bool:
        """True for an empty p=: the owner has revoked the key."""
        return not self.key


def parse_tags(text: str) -> dict[str, str]:
    """Read a tag list, RFC 6376 §3.2: names to values without the space around them.

    Raises RecordError for an invalid tag and for a repeated one.
    """
    tags: dict[str, str] = {}
    pieces = text[:_MAX_RECORD].split(";")
    if len(text) > _MAX_RECORD or len(pieces) > _MAX_TAGS:
        raise RecordError("a tag list that long is none")
    for index, piece in enumerate(pieces):
        if not piece.strip() and index == len(pieces) - 1:
            continue
        match = _TAG.fullmatch(piece)
        if match is None:
            raise RecordError(f"no tag: {piece.strip()[:60]!r}")
        if match[1] in tags:
            raise RecordError(f"{match[1]}= is there twice")
        tags[match[1]] = match[2].strip()
    return tags


def parse_signature(value: str) -> Signature:
    """Read the value of a DKIM-Signature field. Raises RecordError, RFC 6376 §6.1.1."""
    tags = parse_tags(value)
    for name in ("v", "a", "b", "bh", "d", "h", "s"):
        if not tags.get(name):
            raise RecordError(f"{name}= is missing")
    if tags["v"] != "1":
        raise RecordError(f"v={tags['v'][:20]} is not 1")
    domain, selector = _host(tags, "d"), _host(tags, "s")
    names = tuple(name.strip().lower() for name in tags["h"].split(":"))
    if "from" not in names:
        raise RecordError("h= does not cover From")  # RFC 6376 §5.4
    if not _is_within(tags.get("i", ""), domain):
        raise RecordError("the domain of i= is not within d=")
    methods = [method.strip() for method in tags.get("q", "dns/txt").split(":")]
    if "dns/txt" not in methods:
        raise RecordError(f"q={tags['q'][:40]} is not dns/txt")
    signed_at, expires_at = _instant(tags, "t"), _instant(tags, "x")
    if signed_at is not None and expires_at is not None and expires_at <= signed_at:
        raise RecordError("x= is not after t=")
    header_form, body_form = _forms(tags.get("c", "simple"))
    return Signature(
        algorithm=tags["a"].lower(),
        domain=domain,
        selector=selector,
        signed_names=names,
        body_hash=_octets(tags["bh"], "bh"),
        value=_octets(tags["b"], "b"),
        header_form=header_form,
        body_form=body_form,
        identity=tags.get("i", ""),
        body_length=_number(tags, "l"),
        signed_at=signed_at,
        expires_at=expires_at,
    )


def parse_key_record(text: str) -> KeyRecord:
    """Read the text of one TXT record. Raises RecordError, RFC 6376 §3.6.1, §6.1.2."""
    tags = parse_tags(text)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise RecordError("v= is not DKIM1, or not the first tag")
    if "p" not in tags:
        raise RecordError("p= is missing")
    return KeyRecord(
        key=_octets(tags["p"], "p"),
        key_type=tags.get("k", "rsa").lower(),
        hashes=_words(tags.get("h", "")),
        services=_words(tags.get("s", "*")),
        flags=_words(tags.get("t", "")),
        notes=tags.get("n", ""),
    )


def _is_within(identity: str, domain: str) -> bool:
    own = identity.rpartition("@")[2].lower().rstrip(".")
    return not identity or own == domain or own.endswith("." + domain)


def _host(tags: dict[str, str], name: str) -> str:
    if _HOST.fullmatch(tags[name]) is None or len(tags[name]) > 253:
        raise RecordError(f"{name}= is no domain name")
    return tags[name].rstrip(".").lower()


def _forms(text: str) -> tuple[str, str]:
    """The canonical forms of c=: the header's, then the body's, `simple` if it is not given."""
    header_form, _, body_form = text.lower().partition("/")
    forms = (header_form.strip(), body_form.strip() or "simple")
    if forms[0] not in _ALGORITHMS or forms[1] not in _ALGORITHMS:
        raise RecordError(f"c={text[:40]} is no canonicalisation")
    return forms


def _octets(text: str, name: str) -> bytes:
    try:
        return b64decode("".join(text.split()).encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise RecordError(f"{name}= is not base64") from None


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip().lower() for word in text.split(":") if word.strip())


def _number(tags: dict[str, str], name: str) -> int | None:
    text = tags.get(name)
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise RecordError(f"{name}= is no number")
    return int(text)


def _instant(tags: dict[str, str], name: str) -> datetime | None:
    """The time of a tag in seconds since 1970; one beyond the calendar becomes its last day."""
    seconds = _number(tags, name)
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)
