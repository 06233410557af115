"""Consistency of options with each other; each mistake as (option, message, remedy)."""

import ssl
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from exporter.config.keys import PathKeys, ServiceKeys
from exporter.config.values import show_seconds
from probes.canary.envelope import tagged_sender
from probes.canary.message import MAX_MESSAGE_BYTES, MessageOptions, compose, new_token
from probes.options import Secret

Mistake = tuple[str, str, str]
"""The option it stands at ("" for the whole entry), the message and the remedy."""

_NO_CERTIFICATE = "holds no certificate in PEM"
# RFC 8314 §7.3 for 465 and 993; RFC 3207 and RFC 3501 §6.2.1 for the others
_USUAL_TLS = {465: "implicit", 993: "implicit", 25: "starttls", 587: "starttls", 143: "starttls"}
_NEVER_AT = {"implicit": ("starttls", "none"), "starttls": ("implicit",)}
_WAYS = {"implicit": "TLS from the first octet", "starttls": "STARTTLS"}
_MAX_LOCAL_PART = 64  # RFC 5321 §4.5.3.1.1
_DKIM = ("dkim_domain", "dkim_selector", "dkim_key")


def service_mistakes(keys: ServiceKeys) -> Iterator[Mistake]:
    """Yield the mistakes that would keep the service from starting."""
    if keys.resolvers == ():
        yield "resolvers", "must name at least one server", ""
    if keys.ca_file is not None and not _holds_certificates(keys.ca_file):
        yield "ca_file", _NO_CERTIFICATE, ""


def target_mistakes(target: Any) -> Iterator[Mistake]:
    """Log-in, TLS and EHLO options of any kind, route or mailbox that has them."""
    yield from _login_mistakes(target)
    ca_file = getattr(target, "ca_file", None)
    if ca_file is not None and not _holds_certificates(ca_file):
        yield "ca_file", _NO_CERTIFICATE, ""
    ehlo_name = getattr(target, "ehlo_name", None)
    if ehlo_name is not None and (_is_address(ehlo_name) or "." not in ehlo_name):
        # RFC 5321 §4.1.1.1
        yield "ehlo_name", "must be a fully qualified domain name", ""
    if _is_clear_text_login(target):
        remedy = "use TLS, or say insecure: true"
        yield "tls", "would send the password in clear to another machine", remedy


def target_warnings(target: Any) -> Iterator[Mistake]:
    """Yield options that are allowed but hardly meant: ports, and secrets with odd ends."""
    port, tls = getattr(target, "port", None), getattr(target, "tls", None)
    usual = _USUAL_TLS.get(port or 0, "")
    if tls in _NEVER_AT.get(usual, ()):
        yield "tls", f"port {port} is usually for {_WAYS[usual]}", f"write tls: {usual}"
    for name in ("password", "token", "api_key"):
        secret = getattr(target, name, None)
        if isinstance(secret, Secret) and (odd := _oddity(secret.reveal())):
            yield name, f"the secret {odd}", "look at the variable or file that it is read from"


def _oddity(secret: str) -> str:
    """Return what about a password looks like an accident; empty for a usual one."""
    if secret != secret.strip() or secret[:1] == "\ufeff":
        return "begins or ends with a blank"
    if any(unicodedata.category(char) in ("Cc", "Cf") for char in secret):
        return "holds a control character or a line end"
    if len(secret) > 2 and secret[0] == secret[-1] and secret[0] in "\"'":
        return "stands in quotation marks, which are sent with it"
    return ""


def path_mistakes(keys: PathKeys) -> Iterator[Mistake]:
    """Times that contradict each other."""
    lost = show_seconds(keys.lost_after)
    if keys.late_after >= keys.lost_after:
        late = show_seconds(keys.late_after)
        yield "late_after", f"{late} is not below lost_after, {lost}", ""
    if keys.deadline > keys.lost_after:
        deadline = show_seconds(keys.deadline)
        yield "deadline", f"{deadline} is above lost_after, {lost}", ""


def message_mistakes(message: MessageOptions, site: str = "") -> Iterator[Mistake]:
    """A message that cannot be composed."""
    if message.size > MAX_MESSAGE_BYTES:
        yield "size", f"must be at most {MAX_MESSAGE_BYTES}", ""
    if message.verp:
        yield from _tag_mistakes(message, site)
    missing = [name for name in _DKIM if not getattr(message, name)]
    if missing and len(missing) < len(_DKIM):
        yield missing[0], f"is required: signing takes {', '.join(_DKIM)}", ""
    elif message.dkim_key is not None and not message.dkim_key.reveal():
        return  # secrets are not read
    elif not missing and not _signs(message):
        yield "dkim_key", "is not an RSA private key in PEM that can sign", ""


def _tag_mistakes(message: MessageOptions, site: str) -> Iterator[Mistake]:
    token = new_token(site)
    try:
        tagged_sender(message.mail_from, token)
    except ValueError as error:
        most = _MAX_LOCAL_PART - len(f"+{token}")
        yield "verp", str(error), f"take another mail_from, of at most {most} octets before the @"


def _holds_certificates(file: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError:  # SSLError is one, too
        return False
    return True


def _signs(message: MessageOptions) -> bool:
    try:
        compose(replace(message, size=0), new_token(), datetime.now(UTC))
    except ValueError:
        return False
    return True


def _login_mistakes(target: Any) -> Iterator[Mistake]:
    if not hasattr(target, "username") or not hasattr(target, "password"):
        return
    if target.username is not None and target.password is None:
        yield "password", "is required beside a username", ""
    if target.password is not None and target.username is None:
        yield "username", "is required beside a password", ""


def _is_clear_text_login(target: Any) -> bool:
    if getattr(target, "tls", None) != "none" or getattr(target, "password", None) is None:
        return False
    return not getattr(target, "insecure", False) and not _is_loopback(str(target.host))


def _is_loopback(host: str) -> bool:
    if _is_address(host):
        return ip_address(host).is_loopback
    # RFC 6761 §6.3
    return host == "localhost" or host.endswith(".localhost")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
