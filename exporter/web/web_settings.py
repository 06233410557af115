"""The web configuration in force: read at the start, and again at each reload, all or nothing."""

import logging
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path

from exporter.config.web_file import WebConfig, WebTls, load_web_config

LOG = logging.getLogger("mailcanary")


@dataclass(slots=True)
class WebSettings:
    """How the pages are served. Without a file: plain HTTP and no login."""

    file: Path | None = None
    config: WebConfig = field(default_factory=WebConfig)
    context: ssl.SSLContext | None = None

    @classmethod
    def of(cls, file: Path) -> "WebSettings":
        """Read the file. Raises ConfigError."""
        config = load_web_config(file)
        return cls(file, config, None if config.tls is None else config.tls.context())

    def read(self) -> WebConfig:
        """Read the file again; nothing changes by it. Raises ConfigError."""
        return self.config if self.file is None else load_web_config(self.file)

    def adopt(self, config: WebConfig) -> None:
        """Use this from now on: new connections get the new certificate, old ones go on."""
        if _others(config.tls) != _others(self.config.tls):
            LOG.warning("tls_server_config changed: it takes effect after a restart")
            config = replace(config, tls=self.config.tls)
        if config.tls is not None and self.context is not None:
            self.context.load_cert_chain(config.tls.cert_file, config.tls.key_file)
        self.config = config


def _others(tls: WebTls | None) -> WebTls | None:
    """Return what a live context cannot change: all but the certificate and its key."""
    return None if tls is None else replace(tls, cert_file="", key_file="")
