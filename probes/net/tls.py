"""TLS as a client sees it: contexts built once, and the peer's identity after a handshake.

A handshake under `TrustStore.verifying` fails when the certificate fails. One under
`TrustStore.recording` never does, and the chain is verified afterwards. So a certificate that would
have been refused can be shown with the reason.
"""

import asyncio
import hashlib
import ssl
from _ssl import ENCODING_DER
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from probes.clock import SYSTEM_CLOCK, Clock
from probes.net.tls_strength import SessionObserver, weaknesses
from probes.net.trust_files import UNREADABLE, load_certificate, read_anchors, unusable_file
from probes.result import ProbeFailure, Reason

HANDSHAKE_TIMEOUT = 86_400.0
"""Seconds; the event loop insists on a bound of its own, the caller's deadline is the real one."""

SHUTDOWN_TIMEOUT = 1.0
"""Seconds a closed TLS connection waits for the peer's close_notify before it is dropped."""

_MAX_CHAIN = 16
_MAX_REMEMBERED = 4096
"""Chains, mostly of some 5 kB: those of as many hosts as one process may visit on schedule."""

_LONGEST_REMEMBERED = 16 * 1024
"""Octets of a chain that is remembered: a peer that serves others each time cannot fill us up."""

_MAX_STORES = 32
_REMEMBERED_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """The results of one handshake.

    `names` are the certificate's subjectAltName DNS names and addresses, `issuer` its issuer's
    distinguished name (RFC 4514), `chain_der` the chain as served, leaf first. `trusted` is True if
    the chain, the time and the name all hold. Otherwise `untrusted_reason` is the first of
    certificate_not_trusted, certificate_expired, certificate_host_mismatch that applies
    (validation_failure: unreadable; untestable: this machine knows no certification authority).
    `detail` names all of them. The instants are None where the certificate cannot be read.
    """

    version: str
    cipher: str
    server_name: str
    not_before: datetime | None
    not_after: datetime | None
    names: tuple[str, ...]
    issuer: str
    chain_der: tuple[bytes, ...]
    trusted: bool
    untrusted_reason: Reason | None
    detail: str
    weaknesses: tuple[str, ...] = ()
    """What is weak about the session, in words, apart from the certificate."""

    @property
    def fingerprint(self) -> str | None:
        """The SHA-256 of the server's certificate in lower-case hexadecimal; None without one."""
        return hashlib.sha256(self.chain_der[0]).hexdigest() if self.chain_der else None

    @property
    def summary(self) -> str:
        """The server's certificate in a line: its fingerprint, its last day and its issuer."""
        until = "an unreadable date" if self.not_after is None else f"{self.not_after:%Y-%m-%d}"
        return f"{(self.fingerprint or 'none')[:16]} until {until} by {self.issuer}"

    def as_facts(self) -> dict[str, Any]:
        """The documented `tls.*` facts of a result."""
        return {
            "tls.version": self.version,
            "tls.cipher": self.cipher,
            "tls.server_name": self.server_name,
            "tls.certificate_sha256": self.fingerprint,
            "tls.certificate_not_before": self.not_before.isoformat() if self.not_before else None,
            "tls.certificate_not_after": self.not_after.isoformat() if self.not_after else None,
            "tls.names": self.names,
            "tls.issuer": self.issuer,
            "tls.trusted": self.trusted,
            "tls.untrusted_reason": self.untrusted_reason,
            "tls.weaknesses": self.weaknesses,
        }


class ClientContext(ssl.SSLContext):
    """An SSLContext that knows the trust store its handshakes are judged by."""

    store: "TrustStore"


@dataclass(frozen=True, slots=True)
class _Chain:
    """The facts of a chain that hold for any name of its peer.

    `problems` are the reasons not to trust it, true for every instant from `since` to before
    `until`. The instants are None where it cannot be read.
    """

    der: tuple[bytes, ...]
    not_before: datetime | None
    not_after: datetime | None
    names: tuple[str, ...]
    issuer: str
    problems: tuple[tuple[Reason, str], ...]
    since: datetime
    until: datetime

    def facts(
        self, server_name: str, version: str = "", cipher: str = "", *, is_proven: bool = False
    ) -> TlsFacts:
        """Of a handshake with `server_name`; with `is_proven` OpenSSL has verified all of it."""
        reason, detail = (None, "") if is_proven else self._problem_with(server_name)
        return TlsFacts(
            version=version,
            cipher=cipher,
            server_name=server_name,
            not_before=self.not_before,
            not_after=self.not_after,
            names=self.names,
            issuer=self.issuer,
            chain_der=self.der,
            trusted=reason is None,
            untrusted_reason=reason,
            detail=detail,
        )

    def _problem_with(self, server_name: str) -> tuple[Reason | None, str]:
        """The first of all problems, and all in words; a name that does not match comes last."""
        found = list(self.problems)
        is_read = self.not_before is not None
        if is_read and not any(matches_name(name, server_name) for name in self.names):
            spoken = ", ".join(self.names[:8]) or "no name"
            mismatch = f"it names {spoken}, not {server_name}"
            found.append((Reason.CERTIFICATE_HOST_MISMATCH, mismatch))
        return (found[0][0] if found else None), "; ".join(detail for _, detail in found)


class TrustStore:
    """The certification authorities we believe, and the two contexts that use them.

    `ca_file` (PEM) replaces the system's authorities. Building one costs some 20 ms: once per
    process, not per probe. Raises ProbeFailure (untestable, owner configuration) for
    an unreadable `ca_file`.
    """

    def __init__(self, ca_file: str | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._chains: OrderedDict[tuple[bytes, ...], _Chain] = OrderedDict()
        self._others: OrderedDict[tuple[str, int], TrustStore] = OrderedDict()
        self._anchors = read_anchors(ca_file)
        self._store = Store(list(self._anchors.values())) if self._anchors else None
        self.verifying = self._verifying(ca_file)
        self.recording = self._recording()

    def with_ca(self, ca_file: str | None) -> "TrustStore":
        """This store, or the one for `ca_file`, which is read again when the file has changed."""
        if ca_file is None:
            return self
        try:
            key = (ca_file, Path(ca_file).stat().st_mtime_ns)
        except OSError as error:
            raise unusable_file(ca_file, error) from error
        if key not in self._others:
            self._others[key] = TrustStore(ca_file, self._clock)
            if len(self._others) > _MAX_STORES:
                self._others.popitem(last=False)
        return self._others[key]

    def judge(self, ssl_object: ssl.SSLObject | ssl.SSLSocket, server_name: str) -> TlsFacts:
        """Return the facts proved by the finished handshake of `ssl_object` with `server_name`.

        Never raises.
        """
        known = self._recall(served_chain(ssl_object))
        cipher, *_ = ssl_object.cipher() or ("",)
        version = ssl_object.version() or ""
        is_proven = ssl_object.context.verify_mode is ssl.CERT_REQUIRED
        facts = known.facts(server_name, version, cipher, is_proven=is_proven)
        return replace(facts, weaknesses=weak) if (weak := weaknesses(ssl_object)) else facts

    def verify(self, chain: tuple[bytes, ...], server_name: str) -> TlsFacts:
        """Judge a chain (DER, leaf first) now; version and cipher are left empty. Never raises."""
        return self._read(chain, self._clock.utc()).facts(server_name)

    def _recall(self, chain: tuple[bytes, ...]) -> _Chain:
        """`_read`, paid once per chain as long as time does not change the answer."""
        now = self._clock.utc()
        known = self._chains.get(chain)
        if known is None or not known.since <= now < known.until:
            known = self._read(chain, now)
            if sum(map(len, chain)) > _LONGEST_REMEMBERED:
                return known
            self._chains[chain] = known
            if len(self._chains) > _MAX_REMEMBERED:
                self._chains.popitem(last=False)
        return known

    def _read(self, chain: tuple[bytes, ...], now: datetime) -> _Chain:
        try:
            certificates = [load_certificate(der) for der in chain[:_MAX_CHAIN]]
            leaf = certificates[0]
            names = _names(leaf)
            problems = tuple(self._problems(certificates, now))
        except (IndexError, *UNREADABLE) as error:
            return _unreadable(chain, now, error)
        since, until = _steady_span(certificates, now)
        return _Chain(
            der=chain,
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            names=names,
            issuer=leaf.issuer.rfc4514_string(),
            problems=problems,
            since=since,
            until=until,
        )

    def _problems(
        self, certificates: list[x509.Certificate], now: datetime
    ) -> Iterable[tuple[Reason, str]]:
        """Every reason not to believe the chain, the gravest first."""
        leaf = certificates[0]
        broken = self._chain_problem(certificates, _within_validity(leaf, now))
        if broken is not None:
            yield broken
        if now > leaf.not_valid_after_utc:
            yield (
                Reason.CERTIFICATE_EXPIRED,
                f"expired on {leaf.not_valid_after_utc:%F %H:%M}Z",
            )
        elif now < leaf.not_valid_before_utc:
            begins = f"not valid before {leaf.not_valid_before_utc:%F %H:%M}Z"
            yield Reason.CERTIFICATE_NOT_TRUSTED, begins

    def _chain_problem(
        self, certificates: list[x509.Certificate], at: datetime
    ) -> tuple[Reason, str] | None:
        """Why the chain does not lead to an authority of ours at the instant `at`."""
        leaf, *intermediates = certificates
        if leaf.public_bytes(Encoding.DER) in self._anchors:
            return None
        if self._store is None:
            return Reason.UNTESTABLE, "this machine knows no certification authority"
        builder = PolicyBuilder().store(self._store).time(at)
        verifier = builder.extension_policies(
            ca_policy=AUTHORITIES, ee_policy=ExtensionPolicy.permit_all()
        ).build_client_verifier()  # names are compared by us; the verifier for servers would insist
        try:
            verifier.verify(leaf, intermediates)
        except VerificationError as error:
            if leaf.issuer == leaf.subject:
                return Reason.CERTIFICATE_NOT_TRUSTED, "self-signed"
            return Reason.CERTIFICATE_NOT_TRUSTED, f"no chain to a trusted authority{_inner(error)}"
        return None

    def _verifying(self, ca_file: str | None) -> ClientContext:
        context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
        context.store = self
        if ca_file is None:
            context.load_default_certs()
            return context
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise unusable_file(ca_file, error) from error
        return context

    def _recording(self) -> ClientContext:
        """Takes any peer, as opportunistic TLS does (RFC 7435 §3): better weak than in clear."""
        context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
        context.store = self
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        # all that OpenSSL still has; ciphers without a certificate or without encryption never
        context.set_ciphers("DEFAULT:ALL:!aNULL:!eNULL:@SECLEVEL=0")
        SessionObserver().watch(context)
        return context


def finished_handshake(transport: asyncio.BaseTransport | None) -> Any:
    """Return the SSL object after a complete handshake; else raise ConnectionError.

    The event loops report a handshake as ended also when the peer closed the connection.
    """
    ssl_object = transport.get_extra_info("ssl_object") if transport is not None else None
    if ssl_object is None or ssl_object.cipher() is None:
        raise ConnectionError("the connection went while the handshake ended")
    return ssl_object


def require_trusted(facts: TlsFacts) -> None:
    """Raise ProbeFailure with the reason of RFC 8460 §4.3 unless the peer was proven."""
    if facts.untrusted_reason is not None:
        raise ProbeFailure(
            facts.untrusted_reason, f"the certificate of {facts.server_name}: {facts.detail}"
        )


def served_chain(ssl_object: Any) -> tuple[bytes, ...]:
    """The peer's chain in DER as it was sent, leaf first; () where there was none.

    `get_unverified_chain` is public from Python 3.13 on and sits on a private object before.
    """
    if hasattr(ssl_object, "get_unverified_chain"):
        return tuple(ssl_object.get_unverified_chain() or ())
    chain = ssl_object._sslobj.get_unverified_chain() or ()
    return tuple(certificate.public_bytes(ENCODING_DER) for certificate in chain)


def matches_name(pattern: str, name: str) -> bool:
    """Whether a certificate's DNS name or address covers `name`, RFC 6125 §6.4."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern == name:
        return True
    first, dot, rest = pattern.partition(".")
    # RFC 6125 §6.4.3: a wildcard is the whole left-most label and stands for exactly one
    return first == "*" and bool(dot) and "." in rest and name.partition(".")[2] == rest


def _is_authority(_: Policy, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("an issuer that is no certification authority")


def _may_sign(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an issuer that may not sign certificates")


AUTHORITIES = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
)
"""RFC 5280 §6.1.4 (k) and (n), without the browsers' further wishes that private CAs ignore."""


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses))


def _inner(error: VerificationError) -> str:
    """The verifier's own word, unless all it says is that it found no issuer."""
    words = str(error).removeprefix("validation failed: ").removeprefix("candidates exhausted: ")
    return "" if "no interior errors" in words else f" ({words})"


def _within_validity(leaf: x509.Certificate, now: datetime) -> datetime:
    """The instant nearest to now at which the leaf was valid: the chain is judged apart from it."""
    return max(leaf.not_valid_before_utc, min(now, leaf.not_valid_after_utc))


def _steady_span(certificates: list[x509.Certificate], now: datetime) -> tuple[datetime, datetime]:
    """From when until when no certificate of the chain begins or ends, an hour at most."""
    edges = [
        edge
        for certificate in certificates
        for edge in (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    ]
    since = max((edge for edge in edges if edge <= now), default=now)
    until = min((edge for edge in edges if edge > now), default=now + _REMEMBERED_FOR)
    return since, min(until, now + _REMEMBERED_FOR)


def _unreadable(chain: tuple[bytes, ...], now: datetime, error: Exception) -> _Chain:
    detail = f"the certificate cannot be read ({error})" if chain else "no certificate was sent"
    problems = ((Reason.VALIDATION_FAILURE, detail),)
    return _Chain(chain, None, None, (), "", problems, now, now + _REMEMBERED_FOR)
