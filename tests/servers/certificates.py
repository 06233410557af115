"""Certificates for test servers: good, and wrong in every way that has a name."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from probes.net.tls import TrustStore


class Authority:
    """A certification authority, and a trust store that believes in it alone."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))
        self.trust = TrustStore(str(self.file))

    def context(
        self, *names: str, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> ssl.SSLContext:
        """A server's context with a certificate for `names` (host names or addresses)."""
        certificate = self._ca.issue_cert(*names, not_before=not_before, not_after=not_after)
        return _configured(certificate)

    def pem(self, *names: str) -> bytes:
        """A private key and its certificate's chain for `names`, for servers that read a file."""
        return self._ca.issue_cert(*names).private_key_and_cert_chain_pem.bytes()

    def expired(self, *names: str) -> ssl.SSLContext:
        """The same, with a certificate that ended yesterday."""
        now = datetime.now(UTC)
        return self.context(
            *names, not_before=now - timedelta(days=30), not_after=now - timedelta(days=1)
        )


def foreign(*names: str) -> ssl.SSLContext:
    """A server's context with a certificate of an authority nobody knows."""
    return _configured(trustme.CA().issue_cert(*names))


def self_signed(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context with a certificate that vouches for itself; kept in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "self-signed.pem"
    file.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _configured(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
