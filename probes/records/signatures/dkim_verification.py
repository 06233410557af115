"""Our own verdict on every DKIM signature of a message, RFC 6376 §6, RFC 8301, RFC 8463.

This module makes no look-ups: a callable supplies the keys. They may have been fetched before, or
be the keys of the time when the message was made.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from probes.records import RecordError
from probes.records.raw_message import RawField, RawMessage, read_message
from probes.records.signatures.canonicalisation import canonical_body, signed_fields
from probes.records.signatures.dkim_records import (
    KeyRecord,
    Signature,
    parse_key_record,
    parse_signature,
)

SIGNATURE_FIELD = "dkim-signature"

MAX_SIGNATURES = 16
"""Signatures of one message that are verified, from the top; RFC 6376 §6.1 allows a limit."""

WEAK_RSA_BITS = 1024
"""RFC 8301 §3.2: shorter keys are not accepted."""

_MAX_RSA_BITS = 8192


class DkimStatus(StrEnum):
    """The status of one signature."""

    PASS = "pass"  # noqa: S105 - a verdict
    BODY_CHANGED = "body_changed"
    HEADER_CHANGED = "header_changed"
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_EXPIRED = "signature_expired"
    ALGORITHM_OBSOLETE = "algorithm_obsolete"
    ALGORITHM_UNKNOWN = "algorithm_unknown"
    KEY_MISSING = "key_missing"
    KEY_REVOKED = "key_revoked"
    KEY_MALFORMED = "key_malformed"
    KEY_UNSUITABLE = "key_unsuitable"
    KEY_WEAK = "key_weak"
    KEY_UNAVAILABLE = "key_unavailable"


class KeyUnavailable(Exception):
    """The key could not be looked up just now; its existence is not known."""


KeyLookup = Callable[[str], Sequence[str]]
"""Returns the TXT records at a name as texts, none without any; may raise KeyUnavailable."""


@dataclass(frozen=True, slots=True)
class DkimVerdict:
    """Our own verdict on one signature.

    `position` counts the message's DKIM-Signature fields from the top, 0 first. `fields_above` is
    the number of header fields above it. `is_body_intact` and `is_header_intact` are None if they
    were not checked. Both may be False: the status then names the body.
    """

    status: DkimStatus
    detail: str
    position: int
    fields_above: int
    signature: Signature | None = None
    key_bits: int | None = None
    is_body_intact: bool | None = None
    is_header_intact: bool | None = None
    is_testing: bool = False

    @property
    def is_pass(self) -> bool:
        """True if the signature is valid."""
        return self.status is DkimStatus.PASS

    @property
    def label(self) -> str:
        """`d=example.test s=2026` for people; d=? for an unreadable signature."""
        signature = self.signature
        return "d=?" if signature is None else f"d={signature.domain} s={signature.selector}"

    @property
    def result(self) -> str:
        """The result as a word of RFC 8601 §2.7.1."""
        if self.status in (DkimStatus.BODY_CHANGED, DkimStatus.HEADER_CHANGED):
            return "fail"
        if self.status is DkimStatus.KEY_UNAVAILABLE:
            return "temperror"
        if self.status in (DkimStatus.ALGORITHM_OBSOLETE, DkimStatus.KEY_WEAK):
            return "policy"
        return "pass" if self.is_pass else "permerror"


def key_names(message: bytes) -> tuple[str, ...]:
    """The names of the TXT records that `verify` needs, each once, in order."""
    names: dict[str, None] = {}
    for field in read_message(message).all(SIGNATURE_FIELD)[:MAX_SIGNATURES]:
        try:
            names[parse_signature(field.value).key_name] = None
        except RecordError:
            continue
    return tuple(names)


def verify(message: bytes, lookup: KeyLookup, at: datetime) -> tuple[DkimVerdict, ...]:
    """Verify every signature, from the top down; `at` is the time of the check against x=.

    No content of the message or of a record raises an exception, RFC 6376 §6.1.
    """
    return verify_raw(read_message(message), lookup, at)


def verify_raw(message: RawMessage, lookup: KeyLookup, at: datetime) -> tuple[DkimVerdict, ...]:
    """Verify the signatures of a message that was read already."""
    found = [(i, one) for i, one in enumerate(message.fields) if one.name == SIGNATURE_FIELD]
    bodies: dict[str, bytes] = {}
    return tuple(
        _Verifier(message, field, position, above, bodies).verdict(lookup, at)
        for position, (above, field) in enumerate(found[:MAX_SIGNATURES])
    )


class _Stopped(Exception):
    """A verdict that is clear without trying the signature."""

    def __init__(self, status: DkimStatus, detail: str, key_bits: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.key_bits = key_bits


_PublicKey = RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class _Verifier:
    """One signature of one message; `bodies` are the canonical forms so far, shared by all."""

    message: RawMessage
    field: RawField
    position: int
    above: int
    bodies: dict[str, bytes]

    def verdict(self, lookup: KeyLookup, at: datetime) -> DkimVerdict:
        try:
            signature = parse_signature(self.field.value)
        except RecordError as error:
            return DkimVerdict(
                DkimStatus.SIGNATURE_MALFORMED, str(error), self.position, self.above
            )
        try:
            _refuse_algorithm(signature)
            _refuse_expired(signature, at)
            record = _key_record(signature, lookup)
            key, bits = _public_key(record)
            _refuse_unsuitable(signature, record, bits)
        except _Stopped as stop:
            return DkimVerdict(
                stop.status, stop.detail, self.position, self.above, signature, stop.key_bits
            )
        return self._tried(signature, key, bits, is_testing="y" in record.flags)

    def _tried(
        self, signature: Signature, key: _PublicKey, bits: int, *, is_testing: bool
    ) -> DkimVerdict:
        body_intact = self._is_body_intact(signature)
        header_intact = _is_signed(key, signature.value, self._header(signature))
        status, detail = DkimStatus.PASS, "the signature is good"
        if not body_intact:
            status = DkimStatus.BODY_CHANGED
            detail = "the body is not the one that was signed"
            detail += "" if header_intact else ", nor is the header"
        elif not header_intact:
            status, detail = DkimStatus.HEADER_CHANGED, "a signed header field is not what it was"
        return DkimVerdict(
            status,
            detail,
            self.position,
            self.above,
            signature,
            bits,
            body_intact,
            header_intact,
            is_testing,
        )

    def _is_body_intact(self, signature: Signature) -> bool:
        form = signature.body_form
        if form not in self.bodies:
            self.bodies[form] = canonical_body(self.message.body, form)
        body = self.bodies[form]
        if signature.body_length is not None:
            if signature.body_length > len(body):
                return False
            body = body[: signature.body_length]  # RFC 6376 §3.7
        return hashlib.sha256(body).digest() == signature.body_hash

    def _header(self, signature: Signature) -> bytes:
        """The signed header octets, with one more From: RFC 6376 §8.15.

        An added From that is not signed then breaks the signature. Readers may show that field.
        """
        names = (*signature.signed_names, "from")
        return signed_fields(self.message.fields, self.field, names, signature.header_form)


def _refuse_algorithm(signature: Signature) -> None:
    if signature.algorithm == "rsa-sha1":
        # RFC 8301 §3.1: must not be used, valid or not
        raise _Stopped(DkimStatus.ALGORITHM_OBSOLETE, "rsa-sha1 proves nothing any more")
    if signature.algorithm not in ("rsa-sha256", "ed25519-sha256"):
        detail = f"a={signature.algorithm[:40]} is no algorithm we know"
        raise _Stopped(DkimStatus.ALGORITHM_UNKNOWN, detail)


def _refuse_expired(signature: Signature, at: datetime) -> None:
    if signature.expires_at is not None and at > signature.expires_at:
        detail = f"it expired at {signature.expires_at.isoformat()}"
        raise _Stopped(DkimStatus.SIGNATURE_EXPIRED, detail)


def _key_record(signature: Signature, lookup: KeyLookup) -> KeyRecord:
    """The record at the key's name; of several the first readable one, RFC 6376 §3.6.2.2."""
    try:
        texts = lookup(signature.key_name)
    except KeyUnavailable as error:
        raise _Stopped(DkimStatus.KEY_UNAVAILABLE, str(error)) from error
    problem = ""
    for text in texts:
        try:
            return parse_key_record(text)
        except RecordError as error:
            problem = problem or str(error)
    if problem:
        raise _Stopped(DkimStatus.KEY_MALFORMED, f"{signature.key_name}: {problem}")
    raise _Stopped(DkimStatus.KEY_MISSING, f"{signature.key_name} has no TXT record")


def _public_key(record: KeyRecord) -> tuple[_PublicKey, int]:
    """The key and its size in bits."""
    if record.is_revoked:
        raise _Stopped(DkimStatus.KEY_REVOKED, "p= is empty: the key was revoked")
    try:
        if record.key_type == "ed25519":  # RFC 8463 §4
            return Ed25519PublicKey.from_public_bytes(record.key), 256
        key = load_der_public_key(record.key)
    except (ValueError, UnsupportedAlgorithm) as error:
        detail = f"p= is no {record.key_type[:20]} key: {str(error)[:100]}"
        raise _Stopped(DkimStatus.KEY_MALFORMED, detail) from error
    if record.key_type != "rsa" or not isinstance(key, RSAPublicKey):
        raise _Stopped(DkimStatus.KEY_UNSUITABLE, f"k={record.key_type[:20]} is not known")
    return key, key.key_size


def key_bits(record: KeyRecord) -> int:
    """The size of a record's key in bits. Raises RecordError if the key is unusable."""
    try:
        return _public_key(record)[1]
    except _Stopped as stop:
        raise RecordError(stop.detail) from stop


def _refuse_unsuitable(signature: Signature, record: KeyRecord, bits: int) -> None:
    """Stop if the key record does not permit the signature, RFC 6376 §6.1.2."""
    problem = ""
    if signature.algorithm != f"{record.key_type}-sha256":
        problem = f"the key is for {record.key_type}, the signature is {signature.algorithm}"
    elif record.hashes and "sha256" not in record.hashes:
        problem = "h= does not permit sha256"
    elif not {"*", "email"} & set(record.services):
        problem = "s= does not permit email"
    elif "s" in record.flags and not _is_exactly(signature):
        problem = "t=s wants the domain of i= to be d= itself"
    if problem:
        raise _Stopped(DkimStatus.KEY_UNSUITABLE, problem, bits)
    if record.key_type == "rsa" and not WEAK_RSA_BITS <= bits <= _MAX_RSA_BITS:
        what = "weak" if bits < WEAK_RSA_BITS else "large"
        raise _Stopped(DkimStatus.KEY_WEAK, f"an RSA key of {bits} bits is too {what}", bits)


def _is_signed(key: _PublicKey, value: bytes, header: bytes) -> bool:
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(value, header, PKCS1v15(), SHA256())
        else:
            key.verify(value, hashlib.sha256(header).digest())  # RFC 8463 §3
    except InvalidSignature:
        return False
    return True


def _is_exactly(signature: Signature) -> bool:
    domain = signature.identity.rpartition("@")[2].lower()
    return not signature.identity or domain == signature.domain
