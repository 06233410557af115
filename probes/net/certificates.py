"""Certificates as they were served: their fields, their weaknesses, and their issuers.

No handshake and no trust store: `net/tls.py` decides whether public authorities vouch for them.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import (
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from probes.net.tls import AUTHORITIES
from probes.net.trust_files import UNREADABLE

MAX_CHAIN = 16
"""Certificates of a chain that are read."""

_RSA_BITS = 2048  # RFC 9325 §4.5
_EC_BITS = 224
_OLD_HASHES = (hashes.MD5, hashes.SHA1)  # RFC 9155 §2


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of a served chain.

    `names` are the subjectAltName DNS names. `key` is in words ("RSA 2048"), `signature` is the
    name of its hash. `sha256` is its fingerprint and `key_sha256` that of its public key (the data
    of a TLSA record `3 1 1`), both in hexadecimal. `weaknesses` are sentences.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str
    signature: str
    sha256: str
    key_sha256: str
    der: bytes
    public_key: bytes
    weaknesses: tuple[str, ...]

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires, or, negative, since it has."""
        return int((self.not_after - now) / timedelta(days=1))


def read_chain(chain: Sequence[bytes]) -> tuple[Certificate, ...]:
    """The certificates (DER, leaf first) up to the first that cannot be read; never raises."""
    found: list[Certificate] = []
    for der in chain[:MAX_CHAIN]:
        try:
            found.append(_read(der))
        except UNREADABLE:
            break
    return tuple(found)


def vouched_by(chain: Sequence[bytes], anchor: bytes, now: datetime) -> str | None:
    """Why the leaf of `chain` does not lead to `anchor` (all DER); None where it does.

    Signatures, dates and the right to sign are looked at, RFC 5280 §6.1; names are not.
    """
    try:
        root, leaf, *others = (_load(der) for der in (anchor, *chain[:MAX_CHAIN]))
    except UNREADABLE as error:
        return f"a certificate cannot be read ({error})"
    builder = PolicyBuilder().store(Store([root])).time(now)
    verifier = builder.extension_policies(
        ca_policy=AUTHORITIES, ee_policy=ExtensionPolicy.permit_all()
    ).build_client_verifier()
    try:
        verifier.verify(leaf, [other for other in others if other != root])
    except VerificationError as error:
        return str(error)
    return None


def _read(der: bytes) -> Certificate:
    certificate = _load(der)
    key = certificate.public_key()
    public_key = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    algorithm = certificate.signature_hash_algorithm
    words, weak_key = _key(key)
    weaknesses = [weak_key] if weak_key else []
    # Nobody checks the signature a root gave itself.
    if isinstance(algorithm, _OLD_HASHES) and certificate.issuer != certificate.subject:
        weaknesses.append(f"it is signed with {algorithm.name}")
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=_names(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=words,
        signature=algorithm.name if algorithm is not None else "none",
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        key_sha256=_sha256(public_key),
        der=der,
        public_key=public_key,
        weaknesses=tuple(weaknesses),
    )


def _key(key: object) -> tuple[str, str | None]:
    """Return a public key in words, and its weakness or None."""
    if isinstance(key, rsa.RSAPublicKey):
        words = f"RSA {key.key_size}"
        return words, f"its key is {words}" if key.key_size < _RSA_BITS else None
    if isinstance(key, ec.EllipticCurvePublicKey):
        words = f"EC {key.curve.name}"
        return words, f"its key is {words}" if key.key_size < _EC_BITS else None
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return type(key).__name__.removesuffix("PublicKey"), None
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", "its key is DSA"
    return "unknown", None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def _sha256(octets: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(octets)
    return digest.finalize().hex()


def _load(der: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der)


def weaknesses_of(chain: Iterable[Certificate]) -> tuple[str, ...]:
    """Return every weakness of a chain, each with the subject of its certificate."""
    return tuple(f"{one.subject}: {weakness}" for one in chain for weakness in one.weaknesses)
