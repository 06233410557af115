"""Certificates for liars: good ones, and wrong in every way that has a name."""

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_YEAR = timedelta(days=365)
_FILLER = x509.ObjectIdentifier("1.3.6.1.4.1.32473.1")  # RFC 5612: a number for examples


class Authority:
    """A certification authority whose keys live in memory; `file` (PEM) is what to trust."""

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
        return _context(draft.sign(self._key, hashes.SHA256()), key)

    def pem(self, *names: str) -> bytes:
        """A private key and its certificate for `names`, for servers that read a file."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        since, until = now - timedelta(days=1), now + _YEAR / 2
        draft = _draft(_name(names[0]), self._name, key, since, until)
        draft = draft.add_extension(_alternatives(names), critical=False)
        return _pem(draft.sign(self._key, hashes.SHA256()), key)

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
    return _context(draft.sign(key, hashes.SHA256()), key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternatives(names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative(name) for name in names])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _draft(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
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


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key first, as Postfix wants it."""
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + certificate.public_bytes(Encoding.PEM)


def _context(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    """OpenSSL reads certificate and key from a file only, which is gone when it has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(prefix="mailcanary-liars-") as file:
        file.write(_pem(certificate, key))
        file.flush()
        context.load_cert_chain(file.name)
    return context
