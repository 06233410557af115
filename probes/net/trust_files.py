"""The files with the certificates of the authorities that are trusted."""

import re
import ssl
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning

from probes.catalogue.exhaustion import exhausted
from probes.result import Owner, ProbeFailure, Reason

UNREADABLE = (
    *(ValueError, UnsupportedAlgorithm, x509.DuplicateExtension),
    *(x509.InvalidVersion, x509.UnsupportedGeneralNameType),
)
"""The errors that the library raises for a certificate that it cannot read, now or later."""

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def read_anchors(ca_file: str | None) -> dict[bytes, x509.Certificate]:
    """Trusted certificates by their DER; the system's where `ca_file` is None."""
    anchors: dict[bytes, x509.Certificate] = {}
    for path in [Path(ca_file)] if ca_file is not None else _system_files():
        try:
            found = dict(_read_bundle(path.read_bytes()))
        except (OSError, ValueError) as error:
            if ca_file is not None or exhausted(error) is not None:
                raise unusable_file(str(path), error) from error
            continue
        anchors.update(found)
    return anchors


def _read_bundle(pem: bytes) -> Iterator[tuple[bytes, x509.Certificate]]:
    """The certificates of a PEM file with their DER; ValueError when there is not one."""
    blocks = _PEM.findall(pem)
    if not blocks:
        raise ValueError("it holds no certificate")
    for block in blocks:
        with suppress(*UNREADABLE):  # one that cannot be read is one that is not trusted
            der = ssl.PEM_cert_to_DER_cert(block.decode("ascii"))
            yield der, load_certificate(der)


def load_certificate(der: bytes) -> x509.Certificate:
    """Read a certificate; one that only bends RFC 5280 (a serial number of 0) is no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der)


def _system_files() -> list[Path]:
    """The files in which OpenSSL looks for authorities: one bundle, else a directory of them."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return [Path(paths.cafile)]
    return sorted(Path(paths.capath).glob("*.0")) if paths.capath else []


def unusable_file(ca_file: str, error: Exception) -> ProbeFailure:
    """The failure for a file that cannot be read: ours, or that of a machine out of resources."""
    failure = exhausted(error)
    if failure is not None:
        return failure
    why = getattr(error, "strerror", None) or error
    return ProbeFailure(Reason.UNTESTABLE, f"CA file {ca_file}: {why}", owner=Owner.CONFIGURATION)
