"""Certificates for the testbed: good ones, and wrong in every way that has a name."""

import base64
import ssl
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtensionOID, NameOID

from probes.net.certificates import read_chain

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_YEAR = timedelta(days=365)
_FILLER = x509.ObjectIdentifier("1.3.6.1.4.1.32473.1")  # RFC 5612: a number for examples


_X400_ADDRESS = bytes.fromhex("3004a3020500")
_VERSION, _UNKNOWN_VERSION = bytes.fromhex("a003020102"), bytes.fromhex("a003020105")


@dataclass(frozen=True, slots=True)
class Identity:
    """A server's context and the chain it serves (DER, leaf first)."""

    context: ssl.SSLContext
    chain: tuple[bytes, ...]

    def tlsa(self, usage: int = 3, selector: int = 1, depth: int = 0) -> str:
        """A record for the host `mx` of a zone, about a certificate of the chain, by SHA-256."""
        one = read_chain(self.chain)[depth]
        digest = one.key_sha256 if selector else one.sha256
        return f"_25._tcp.mx TLSA {usage} {selector} 1 {digest}\n"


def identity(pem: bytes, extra: bytes = b"") -> Identity:
    """From a key with its certificate, and further certificates to serve."""
    blocks = (pem + extra).decode().split("-----BEGIN CERTIFICATE-----")[1:]
    chain = (ssl.PEM_cert_to_DER_cert("-----BEGIN CERTIFICATE-----" + block) for block in blocks)
    return Identity(_context(pem + extra), tuple(chain))


class Authority:
    """A certification authority with its keys in memory; `file` (PEM) is the trust anchor."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("an authority for tests")
        now = datetime.now(UTC)
        draft = _draft(self._name, self._name, self._key, now - _YEAR, now + _YEAR)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self._root = draft.add_extension(constraints, critical=True).sign(
            self._key, hashes.SHA256()
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._root.public_bytes(Encoding.PEM))

    def context(
        self,
        *names: str,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        filler: int = 0,
    ) -> ssl.SSLContext:
        """A server's context with a certificate for `names` (host names or addresses).

        `filler` octets make the certificate as long as wanted.
        """
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        since, until = not_before or now - timedelta(days=1), not_after or now + _YEAR / 2
        draft = _draft(_name(names[0]), self._name, key, since, until)
        draft = draft.add_extension(_alternatives(names), critical=False)
        if filler:
            stuffing = x509.UnrecognizedExtension(_FILLER, b"\0" * filler)
            draft = draft.add_extension(stuffing, critical=False)
        return _context(_pem(draft.sign(self._key, hashes.SHA256()), key))

    def pem(self, *names: str) -> bytes:
        """A private key and its certificate for `names`, for servers that read a file."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _pem(self._issued(names, key).sign(self._key, hashes.SHA256()), key)

    def weak(self, *names: str) -> ssl.SSLContext:
        """A server's context with a key of 1024 bits, RSA."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - it is to be weak
        leaf = self._issued(names, key).sign(self._key, hashes.SHA256())
        return _context(_pem(leaf, key), ciphers="DEFAULT:@SECLEVEL=0")

    def of_version(self, version: ssl.TLSVersion, *names: str) -> ssl.SSLContext:
        """A server's context that speaks this version of TLS and no other."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._issued(names, key).sign(self._key, hashes.SHA256())
        context = _context(_pem(leaf, key), ciphers="DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        return context

    def with_group(self, bits: int, *names: str) -> ssl.SSLContext:
        """A server's context whose only key exchange is Diffie-Hellman in a group of 1024 or 2048
        bits.
        """
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        leaf = self._issued(names, key).sign(self._key, hashes.SHA256())
        context = _context(_pem(leaf, key), ciphers="DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with tempfile.NamedTemporaryFile("w", prefix="mailcanary-group-") as file:
            file.write(_group_pem(bytes.fromhex(_PRIMES[bits])))
            file.flush()
            context.load_dh_params(file.name)
        return context

    def unreadable(self, *names: str) -> Identity:
        """A server with a certificate for an X.400 address: OpenSSL reads it, our library not."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        draft = _draft(_name(names[0]), self._name, key, now - timedelta(days=1), now + _YEAR / 2)
        given = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, _X400_ADDRESS)
        leaf = draft.add_extension(given, critical=False).sign(self._key, hashes.SHA256())
        return identity(_pem(leaf, key))

    def through_intermediate(self, *names: str, days: int) -> ssl.SSLContext:
        """Return a context with a certificate by an intermediate authority, valid for `days`."""
        now = datetime.now(UTC)
        between_key, name = ec.generate_private_key(ec.SECP256R1()), _name("an authority between")
        until = now + timedelta(days=days)
        between = _draft(name, self._name, between_key, now - _YEAR / 2, until)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        between_pem = (
            between.add_extension(constraints, critical=True)
            .sign(self._key, hashes.SHA256())
            .public_bytes(Encoding.PEM)
        )
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._issued(names, key, issuer=name).sign(between_key, hashes.SHA256())
        return _context(_pem(leaf, key) + between_pem)

    def of_unknown_version(self) -> bytes:
        """The root in PEM as a version of X.509 that does not exist, which OpenSSL minds not."""
        der = self._root.public_bytes(Encoding.DER).replace(_VERSION, _UNKNOWN_VERSION)
        return ssl.DER_cert_to_PEM_cert(der).encode()

    def _issued(
        self, names: tuple[str, ...], key: Key, *, issuer: x509.Name | None = None
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        since, until = now - timedelta(days=1), now + _YEAR / 2
        draft = _draft(_name(names[0]), issuer or self._name, key, since, until)
        return draft.add_extension(_alternatives(names), critical=False)

    def expired(self, *names: str) -> ssl.SSLContext:
        """The same, with a certificate that ended yesterday."""
        now = datetime.now(UTC)
        return self.context(
            *names, not_before=now - timedelta(days=30), not_after=now - timedelta(days=1)
        )

    def premature(self, *names: str) -> ssl.SSLContext:
        """The same, with a certificate that begins tomorrow."""
        return self.context(*names, not_before=datetime.now(UTC) + timedelta(days=1))


def foreign(*names: str) -> ssl.SSLContext:
    """A server's context with a certificate of an authority nobody knows."""
    with tempfile.TemporaryDirectory(prefix="mailcanary-liars-") as folder:
        return Authority(Path(folder)).context(*names)


def self_signed(*names: str) -> ssl.SSLContext:
    """A server's context with a certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = _name(names[0])
    draft = _draft(name, name, key, now - timedelta(days=1), now + timedelta(days=1))
    draft = draft.add_extension(_alternatives(names), critical=False)
    return _context(_pem(draft.sign(key, hashes.SHA256()), key))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternatives(names: Iterable[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative(name) for name in names])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _draft(
    subject: x509.Name,
    issuer: x509.Name,
    key: Key,
    since: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )


def _pem(certificate: x509.Certificate, key: Key) -> bytes:
    """The key first, as Postfix wants it."""
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + certificate.public_bytes(Encoding.PEM)


_PRIMES = {
    1024: (
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A0879"
        "8E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B"
        "0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
    ),
    2048: (
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A0879"
        "8E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B"
        "0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA4836"
        "1C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804"
        "F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6"
        "955817183995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF"
    ),
}
"""The groups of Oakley of 1024 and 2048 bits, by which servers go that choose none."""


def _group_pem(prime: bytes) -> str:
    """A file of Diffie-Hellman parameters, PKCS #3: a sequence of the prime and of 2."""
    number = b"\0" + prime
    content = b"\x02\x82" + len(number).to_bytes(2, "big") + number + b"\x02\x01\x02"
    der = b"\x30\x82" + len(content).to_bytes(2, "big") + content
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN DH PARAMETERS-----\n{text}-----END DH PARAMETERS-----\n"


def _context(pem: bytes, *, ciphers: str | None = None) -> ssl.SSLContext:
    """OpenSSL reads certificate and key from a file only, which is gone when it has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers is not None:
        context.set_ciphers(ciphers)
    with tempfile.NamedTemporaryFile(prefix="mailcanary-liars-") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context
