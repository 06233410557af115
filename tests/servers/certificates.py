"""Certificates for test servers, and a trust store that believes in their authority alone."""

from pathlib import Path

from exporter.testbed.servers import certificates
from exporter.testbed.servers.certificates import foreign, self_signed
from probes.net.tls import TrustStore

__all__ = ["Authority", "foreign", "self_signed"]


class Authority(certificates.Authority):
    """An authority with the trust store that knows it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.trust = TrustStore(str(self.file))
