"""The world's own certificate authority and the certificates of its servers."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


class Authority:
    """A throw-away certificate authority; its keys are ECDSA and live in memory only."""

    def __init__(self) -> None:
        self._ca = trustme.CA(organization_name="mailcanary demo")

    def write_ca_file(self, path: Path) -> None:
        """Write the certificate (not the key) that clients of the world have to trust, as PEM."""
        path.write_bytes(self._ca.cert_pem.bytes())

    def issue(self, host: str) -> "ServerCertificate":
        """A certificate for `host`, which its servers show until they are told otherwise."""
        now = datetime.now(UTC)
        return ServerCertificate(
            valid=self._leaf(host, now - timedelta(days=1), now + timedelta(days=89)),
            expired=self._leaf(host, now - timedelta(days=91), now - timedelta(days=1)),
        )

    def _leaf(self, host: str, not_before: datetime, not_after: datetime) -> trustme.LeafCert:
        return self._ca.issue_cert(host, not_before=not_before, not_after=not_after)


class ServerCertificate:
    """One host's TLS context, with a valid certificate and an expired one to choose from."""

    def __init__(self, valid: trustme.LeafCert, expired: trustme.LeafCert) -> None:
        self._leaves = {False: valid, True: expired}
        self._is_expired = False
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        valid.configure_cert(self.context)

    def show(self, *, is_expired: bool) -> None:
        """Choose the certificate that every handshake from now on shows."""
        if is_expired is not self._is_expired:
            self._leaves[is_expired].configure_cert(self.context)
            self._is_expired = is_expired
