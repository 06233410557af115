"""What is weak about a TLS session that was accepted on purpose: version, cipher, key exchange.

A relay takes weak TLS because the other choice is clear text (RFC 7435 §3). It is told all the
same. Python shows the version and the cipher; the size of a Diffie-Hellman group stands in the
server's own message only.
"""

import re
import ssl
from typing import Any

LEAST_GROUP = 2048
"""Bits of a Diffie-Hellman group, RFC 9325 §4.1 and §4.4."""

_DEPRECATED = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"})
_WEAK_CIPHER = re.compile(r"RC4|(?:^|[-_])3?DES(?:$|[-_])|RC2|IDEA|NULL|EXP|ADH|AECDH|anon|MD5")
_SERVER_KEY_EXCHANGE = 12
_GROUP_BITS = "mailcanary_group_bits"


class SessionObserver:
    """Notes the Diffie-Hellman group of every handshake of a context that had one."""

    def watch(self, context: ssl.SSLContext) -> None:
        """Have OpenSSL show the handshakes of this context."""
        context._msg_callback = self._shown  # type: ignore[attr-defined]

    def _shown(
        self,
        connection: Any,
        direction: str,
        version: Any,  # noqa: ARG002 - as OpenSSL calls it
        content_type: Any,  # noqa: ARG002
        message_type: Any,
        data: bytes,
    ) -> None:
        if direction == "read" and message_type == _SERVER_KEY_EXCHANGE and len(data) > 8:
            length = int.from_bytes(data[4:6], "big")
            prime = int.from_bytes(data[6 : 6 + length], "big")
            setattr(connection, _GROUP_BITS, prime.bit_length())


def weaknesses(ssl_object: Any) -> tuple[str, ...]:
    """Return what is weak about a finished handshake, in words; () where nothing is."""
    cipher, *_ = ssl_object.cipher() or ("",)
    group = getattr(ssl_object, _GROUP_BITS, 0) if _is_finite_field(cipher) else 0
    return weak_points(ssl_object.version() or "", cipher, group)


def weak_points(version: str, cipher: str, group_bits: int) -> tuple[str, ...]:
    """Return what is weak about a session; `group_bits` is 0 where there is no such group."""
    found = []
    if version in _DEPRECATED:  # RFC 8996 §4, §5
        found.append(f"{version} is deprecated")
    if 0 < group_bits < LEAST_GROUP:
        found.append(f"the Diffie-Hellman group has {group_bits} bits")
    if _WEAK_CIPHER.search(cipher):
        found.append(f"the cipher {cipher} is weak")
    return tuple(found)


def _is_finite_field(cipher: str) -> bool:
    return cipher.startswith(("DHE-", "EDH-", "ADH-"))
