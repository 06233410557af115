"""A DKIM signature, RFC 6376 §5, over the canonical forms by which others are verified."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from probes.records.raw_message import RawField, read_message
from probes.records.signatures.canonicalisation import canonical_body, signed_fields

_NAME = "dkim-signature"
_FORM = "relaxed"
_FOLD = "\r\n\t"
_WIDTH = 72
"""Octets of base64 in one line of the field."""


def sign(
    message: bytes, names: Sequence[str], *, domain: str, selector: str, key_pem: str, at: datetime
) -> bytes:
    """The DKIM-Signature field to put above `message`, with its line end.

    `message` has CRLF line ends. `names` are the fields to sign, in lower case. The algorithm is
    rsa-sha256, both canonical forms are `relaxed`. Raises ValueError for a key that cannot sign and
    for a name that is not ASCII.
    """
    key = _private_key(key_pem)
    header, _, body = message.partition(b"\r\n\r\n")
    digest = hashlib.sha256(canonical_body(body, _FORM)).digest()
    unsigned = _field(
        ("v", "1"),
        ("a", "rsa-sha256"),
        ("c", f"{_FORM}/{_FORM}"),
        ("d", domain),
        ("i", f"@{domain}"),
        ("q", "dns/txt"),
        ("s", selector),
        ("t", str(int(at.timestamp()))),
        ("h", f"{_FOLD}:".join(_grouped(names))),
        ("bh", b64encode(digest).decode("ascii")),
        ("b", ""),
    )
    own = RawField(_NAME, unsigned)
    signed = signed_fields(read_message(header).fields, own, names, _FORM)
    value = b64encode(key.sign(signed, PKCS1v15(), SHA256())).decode("ascii")
    return unsigned + _folded(value).encode("ascii") + b"\r\n"


def _field(*tags: tuple[str, str]) -> bytes:
    """One tag a line: no line gets too long, and people can read it."""
    return f"DKIM-Signature: {f';{_FOLD}'.join(map('='.join, tags))}".encode("ascii")


def _grouped(names: Sequence[str]) -> list[str]:
    """The names of h=, a few to a line."""
    return [":".join(names[start : start + 4]) for start in range(0, len(names), 4)]


def _folded(value: str) -> str:
    return "".join(_FOLD + value[at : at + _WIDTH] for at in range(0, len(value), _WIDTH))


@lru_cache(maxsize=64)
def _private_key(pem: str) -> RSAPrivateKey:
    """The key. Reading one checks its primes, which costs as much as many signatures."""
    try:
        key = load_pem_private_key(pem.encode("ascii"), password=None)
    except (TypeError, UnsupportedAlgorithm, UnicodeEncodeError) as error:  # TypeError: encrypted
        raise ValueError("not a private key in PEM that can be read without a password") from error
    if isinstance(key, RSAPrivateKey):
        return key
    raise ValueError("not an RSA key")
