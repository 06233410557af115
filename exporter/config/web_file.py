"""The web configuration file that Prometheus exporters share, as far as this server can do it.

https://prometheus.io/docs/prometheus/latest/configuration/https/ has the format. A key that we
cannot do is refused with the reason: a protection that is silently missing is worse than none.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporter.config.problems import ConfigError, Report, Where, suggestion
from exporter.config.yaml_reader import MAX_BYTES, Node, read_yaml

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-9])\$[./A-Za-z0-9]{53}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,8192}")
_HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_UNCHECKED = "OpenSSL takes no client certificate without checking it"
_CANNOT = {
    "cert": "is not done here; name a file in cert_file",
    "key": "is not done here; name a file in key_file",
    "client_ca": "is not done here; name a file in client_ca_file",
    "client_allowed_sans": "is not done here; use a client_ca_file that signs these clients only",
    "cipher_suites": "is not done here; min_version: TLS13 leaves only strong ones",
    "curve_preferences": "is not done here; OpenSSL's choice is used",
    "rate_limit": "is not done here; connections are bounded already",
}


@dataclass(frozen=True, slots=True)
class WebTls:
    """How TLS is spoken with the clients of the pages."""

    cert_file: str
    key_file: str
    client_ca_file: str | None = None
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3

    def context(self) -> ssl.SSLContext:
        """A context for new connections. Raises OSError, of which ssl.SSLError is one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = self.min_version, self.max_version
        context.load_cert_chain(self.cert_file, self.key_file, _no_pass_phrase)
        if self.client_ca_file is not None:
            context.load_verify_locations(self.client_ca_file)
        context.verify_mode = self.client_auth
        return context


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The web configuration in force; `users` are bcrypt hashes by name."""

    tls: WebTls | None = None
    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    headers: tuple[tuple[str, str], ...] = ()


def load_web_config(path: Path) -> WebConfig:
    """Read the file and the files that it names. Raises ConfigError with every mistake."""
    report = Report(str(path))
    text = _text(path, report)
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return WebConfig()
    root = read_yaml(text, report)
    config = WebConfig() if root.value is None else _Reader(path.parent, report).config(root)
    if report.problems:
        raise ConfigError(report.problems)
    return config


def _text(path: Path, report: Report) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES).decode()
    except OSError as error:
        raise report.refuse(None, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise report.refuse(None, "is not UTF-8 text") from None


def _no_pass_phrase() -> str:
    """Called for a key with a pass phrase; without it OpenSSL would ask the terminal."""
    raise ValueError("the key has a pass phrase")


class _Reader:
    """Reads the sections; every mistake goes to the report."""

    def __init__(self, folder: Path, report: Report) -> None:
        self._folder = folder
        self._report = report

    def config(self, root: Node) -> WebConfig:
        sections = ("tls_server_config", "http_server_config", "basic_auth_users")
        found = self._mapping(root, (), sections)
        tls = found.get("tls_server_config")
        http = found.get("http_server_config")
        users = found.get("basic_auth_users")
        return WebConfig(
            None if tls is None or tls.value is None else self._tls(tls),
            {} if users is None or users.value is None else self._users(users),
            () if http is None or http.value is None else self._headers(http),
        )

    def _mapping(self, node: Node, where: Where, known: tuple[str, ...] | None) -> dict[str, Node]:
        """Return the entries; without `known` any key may stand there."""
        if not isinstance(node.value, dict):
            self._report.add(node.line, where, "must be a mapping")
            return {}
        for key, child in node.value.items():
            if known is not None and key not in known:
                message = _CANNOT.get(key)
                remedy = "" if message else suggestion(key, known)
                self._report.add(child.line, (*where, key), message or "unknown key", remedy)
        return node.value

    def _tls(self, node: Node) -> WebTls | None:
        where: Where = ("tls_server_config",)
        names = ("cert_file", "key_file", "client_ca_file")
        words = ("client_auth_type", "min_version", "max_version", "prefer_server_cipher_suites")
        before = len(self._report.problems)
        found = self._mapping(node, where, names + words)
        files = {name: self._file(found, where, name) for name in names}
        for name in names[:2]:
            if name not in found:
                self._report.add(node.line, (*where, name), "is required")
        tls = WebTls(
            files["cert_file"] or "",
            files["key_file"] or "",
            files["client_ca_file"],
            self._word(found, where, "client_auth_type", _CLIENT_AUTH, ssl.CERT_NONE),
            self._word(found, where, "min_version", _VERSIONS, ssl.TLSVersion.TLSv1_2),
            self._word(found, where, "max_version", _VERSIONS, ssl.TLSVersion.TLSv1_3),
        )
        self._consistent(tls, node)
        if len(self._report.problems) == before:
            self._usable(tls, node, found)
        return tls

    def _consistent(self, tls: WebTls, node: Node) -> None:
        where: Where = ("tls_server_config", "client_ca_file")
        if tls.client_auth != ssl.CERT_NONE and tls.client_ca_file is None:
            self._report.add(node.line, where, "is required where client certificates are checked")
        if tls.client_auth == ssl.CERT_NONE and tls.client_ca_file is not None:
            remedy = "write client_auth_type: RequireAndVerifyClientCert"
            self._report.add(node.line, where, "is of no use without client_auth_type", remedy)
        if tls.min_version > tls.max_version:
            place = ("tls_server_config", "min_version")
            self._report.add(node.line, place, "is above max_version")

    def _usable(self, tls: WebTls, node: Node, found: Mapping[str, Node]) -> None:
        """Report files that OpenSSL does not take."""
        try:
            tls.context()
        except (OSError, ValueError) as error:
            said = str(error) if type(error) is ValueError else ""
            reason = said or getattr(error, "reason", None) or getattr(error, "strerror", "")
            line = found["cert_file"].line if "cert_file" in found else node.line
            message = f"certificate, key or client_ca_file cannot be used: {reason}"
            self._report.add(line, ("tls_server_config",), message)

    def _file(self, found: Mapping[str, Node], where: Where, name: str) -> str | None:
        node = found.get(name)
        if node is None:
            return None
        if not isinstance(node.value, str) or not node.value or "\0" in node.value:
            self._report.add(node.line, (*where, name), "must be the name of a file")
            return None
        file = self._folder / node.value
        try:
            file.open("rb").close()
        except OSError as error:
            self._report.add(node.line, (*where, name), f"cannot be read: {error.strerror}")
        return str(file)

    def _word(
        self,
        found: Mapping[str, Node],
        where: Where,
        name: str,
        words: Mapping[str, Any],
        unset: Any,
    ) -> Any:
        node = found.get(name)
        if node is None:
            return unset
        if isinstance(node.value, str) and node.value in words:
            return words[node.value]
        is_unchecked = node.value in ("RequestClientCert", "RequireAnyClientCert")
        message = _UNCHECKED if is_unchecked else "has a word that is not known"
        self._report.add(node.line, (*where, name), message, f"write {' or '.join(words)}")
        return unset

    def _users(self, node: Node) -> dict[str, bytes]:
        users: dict[str, bytes] = {}
        for name, child in self._mapping(node, ("basic_auth_users",), None).items():
            where: Where = ("basic_auth_users", name)
            if not name or ":" in name:
                self._report.add(child.line, where, "a user name is not empty and has no colon")
            elif not isinstance(child.value, str) or not _BCRYPT.fullmatch(child.value):
                remedy = "make one with: htpasswd -nBC 10 USER"
                self._report.add(child.line, where, "must be a bcrypt hash of cost 4 to 19", remedy)
            else:
                users[name] = child.value.encode()
        return users

    def _headers(self, node: Node) -> tuple[tuple[str, str], ...]:
        where: Where = ("http_server_config",)
        found = self._mapping(node, where, ("http2", "headers"))
        http2, headers = found.get("http2"), found.get("headers")
        if http2 is not None and type(http2.value) is not bool:
            self._report.add(http2.line, (*where, "http2"), "must be true or false")
        if headers is None or headers.value is None:
            return ()
        entries = self._mapping(headers, (*where, "headers"), _HEADERS)
        return tuple(self._header(name, one) for name, one in entries.items())

    def _header(self, name: str, node: Node) -> tuple[str, str]:
        if not isinstance(node.value, str) or not _HEADER_VALUE.fullmatch(node.value):
            where: Where = ("http_server_config", "headers", name)
            self._report.add(node.line, where, "must be one line of ASCII text")
            return name, ""
        return name, node.value
