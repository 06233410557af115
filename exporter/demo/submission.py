"""The submission server's logic: its users, and the way of their mail."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

import dkim
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from exporter.demo.behaviours import AfterData, ServerBehaviour
from exporter.demo.relay import QueueFull, Relay
from exporter.demo.smtp_servers import (
    MAX_RECIPIENTS,
    SmtpConnection,
    envelope_sender,
    message_content,
    new_queue_id,
    received_field,
)

_KEY_BITS = 2048  # RFC 8301 §3.2: "Signers SHOULD use RSA keys of at least 2048 bits"


class Signer:
    """Signs outgoing mail with a key made for this world, RFC 6376."""

    def __init__(self, domain: str, selector: str) -> None:
        self.record_name = f"{selector}._domainkey.{domain}"
        self._domain = domain.encode("ascii")
        self._selector = selector.encode("ascii")
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        self._key = key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        public = "".join(pem.decode("ascii").splitlines()[1:-1])
        self.record = f"v=DKIM1; k=rsa; p={public}"
        """The text that has to stand in the DNS under `record_name`."""

    def sign(self, content: bytes) -> bytes:
        """The message under its signature. Raises dkim.DKIMException when it is no message."""
        signature: bytes = dkim.sign(
            content, self._selector, self._domain, self._key, canonicalize=(b"relaxed", b"relaxed")
        )
        return signature + content


class SubmissionHandler:
    """Takes mail from clients that have logged in, signs it and queues it for the relay."""

    def __init__(
        self,
        relay: Relay,
        behaviour: Callable[[], ServerBehaviour],
        host_name: str,
        signer: Signer,
        passwords: Mapping[str, str],
    ) -> None:
        self._relay = relay
        self._behaviour = behaviour
        self._host_name = host_name
        self._signer = signer
        self._passwords = passwords

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        """Compare a user's password, for PLAIN (RFC 4616) and LOGIN alike."""
        assert isinstance(data, LoginPassword)  # noqa: S101 - what both mechanisms give
        expected = self._passwords.get(data.login.decode("utf-8", "replace"), "").encode("utf-8")
        is_right = bool(expected) and hmac.compare_digest(expected, data.password)
        return AuthResult(success=is_right, handled=False, auth_data=data)

    async def handle_RCPT(  # noqa: N802
        self,
        _server: SmtpConnection,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take any recipient with a domain."""
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        if "@" not in address:
            return "501 5.1.3 A recipient needs a domain"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802
        self, server: SmtpConnection, _session: Session, envelope: Envelope
    ) -> str:
        """Queue the message, or treat the client as the behaviour says."""
        after_data = self._behaviour().after_data
        if after_data is AfterData.RESET_LOST:
            await server.reset()
        recipients, queue_id = list(envelope.rcpt_tos), new_queue_id()
        try:
            signed = self._signer.sign(message_content(envelope))
        except dkim.DKIMException as error:
            return f"554 5.6.0 Not a message: {error}"
        content = received_field(server, self._host_name, queue_id, recipients) + signed
        try:
            self._relay.enqueue(envelope_sender(envelope), recipients, content, queue_id)
        except QueueFull:
            return "452 4.3.1 The queue is full"
        if after_data is AfterData.RESET_KEPT:
            await server.reset()
        return f"250 2.0.0 Ok: queued as {queue_id}"
