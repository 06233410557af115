"""Outcome of mail to a domain now for each kind of sender, with the rule that decides it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Sender(StrEnum):
    """Which rules a sending server follows."""

    OPPORTUNISTIC = "opportunistic"
    MTA_STS = "mta_sts"
    DANE = "dane"
    REQUIRETLS = "requiretls"


class Outcome(StrEnum):
    """Outcome of a message sent now."""

    AUTHENTICATED = "delivered_authenticated"
    ENCRYPTED = "delivered_encrypted"
    IN_CLEAR = "delivered_in_clear"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    UNTESTABLE = "untestable"

    @property
    def is_delivery(self) -> bool:
        """Whether the message arrives, well protected or not."""
        return self.value.startswith("delivered")


class MxState(StrEnum):
    """Result of the look-up of the domain's hosts."""

    FOUND = "found"
    NO_DOMAIN = "no_domain"
    NONE = "none"
    """Null MX."""
    FAILED = "failed"
    """Bogus, or the domain's servers fail."""
    UNTESTABLE = "untestable"


class TlsState(StrEnum):
    """How far a sender comes with one address, STARTTLS being the end of it."""

    WORKS = "works"
    FAILED = "failed"
    NOT_OFFERED = "not_offered"
    UNREACHABLE = "unreachable"
    """No session comes about."""
    UNRESOLVED = "unresolved"
    """The look-up of its addresses fails; senders ask again."""
    NO_ADDRESS = "no_address"
    REFUSED = "refused"
    """It answers 5yz before a sender can ask for anything."""
    REFUSED_FOR_NOW = "refused_for_now"
    """The same with 4yz."""
    TOO_SLOW = "too_slow"
    """We ended the wait; senders wait longer."""
    UNTESTABLE = "untestable"


class StsState(StrEnum):
    """The policy a sender without an older copy finds."""

    ABSENT = "absent"
    """None, mode none, or one that cannot be had or read."""
    TESTING = "testing"
    ENFORCE = "enforce"
    UNTESTABLE = "untestable"


class DaneState(StrEnum):
    """State of the TLSA records for one address."""

    ABSENT = "absent"
    MATCH = "match"
    MISMATCH = "mismatch"
    """Usable records of which none matches, or there is no TLS to match them with."""
    UNUSABLE = "unusable"
    LOOKUP_FAILED = "lookup_failed"
    UNTESTABLE = "untestable"


@dataclass(frozen=True, slots=True)
class HostView:
    """One address of one host, as a sender would meet it.

    `is_trusted`: the certificate is valid for the host's name (PKIX). `sts_covers`: the policy
    names the host. `requiretls`: the extension is offered under TLS. `trouble` is the obstacle to
    our session there, for people. `dane_why` is the reason why no TLSA record counts or is known.
    """

    name: str
    tls: TlsState
    is_trusted: bool = False
    sts_covers: bool = False
    dane: DaneState = DaneState.ABSENT
    requiretls: bool = False
    trouble: str = ""
    weak: str = ""
    """What is weak about its TLS, for people."""
    dane_why: str = "no TLSA record"


@dataclass(frozen=True, slots=True)
class DomainView:
    """A domain; `hosts` in the order of preference.

    `mx_secure` says that the MX records are signed and valid; None: not to be known from here, and
    `mx_doubt` says why. `sts_why` says why there is no policy to honour, and `sts_may_be_kept` that
    there was one, or is one that cannot be had: an older copy counts as long as it lasts.
    """

    mx: MxState
    mx_secure: bool | None = None
    sts: StsState = StsState.ABSENT
    hosts: tuple[HostView, ...] = ()
    mx_doubt: str = "our resolver does not validate"
    sts_why: str = "no record"
    sts_may_be_kept: bool = False


@dataclass(frozen=True, slots=True)
class Consequence:
    """Outcome for one sender: `host` takes the mail (None: no host), `rule` is an RFC section."""

    sender: Sender
    outcome: Outcome
    host: str | None
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class _Step:
    """Outcome for a sender at one address; after anything but a delivery it tries the next."""

    outcome: Outcome
    rule: str
    why: str


_Judge = Callable[[DomainView, HostView], _Step]


def consequences(view: DomainView) -> tuple[Consequence, ...]:
    """One row per kind of sender, in the order of Sender."""
    return tuple(_consequence(sender, view) for sender in Sender)


def _consequence(sender: Sender, view: DomainView) -> Consequence:
    early = _BEFORE_HOSTS.get(view.mx)
    if early is not None:
        return Consequence(sender, early.outcome, None, early.rule, early.why)
    judge = _JUDGES[sender]
    refused: list[tuple[HostView, _Step]] = []
    for host in view.hosts:
        step = judge(view, host)
        # RFC 5321 §5.1: hosts are tried in their order; one that is unknown to us leaves it open
        if step.outcome.is_delivery or step.outcome is Outcome.UNTESTABLE:
            why = step.why + _weakly(sender, host, step.outcome)
            return Consequence(sender, step.outcome, host.name, step.rule, why)
        refused.append((host, step))
    if not refused:
        return Consequence(sender, Outcome.DEFERRED, None, "RFC 5321 §4.5.4.1", "no host was found")
    host, worst = min(refused, key=lambda pair: pair[1].outcome is not Outcome.DEFERRED)
    return Consequence(sender, worst.outcome, None, worst.rule, f"{host.name}: {worst.why}")


def _weakly(sender: Sender, host: HostView, outcome: Outcome) -> str:
    """What senders do that refuse the host's weak TLS, RFC 9325 §3.1; "" where it is not weak."""
    if not host.weak or outcome not in (Outcome.AUTHENTICATED, Outcome.ENCRYPTED):
        return ""
    is_bound = outcome is Outcome.AUTHENTICATED or sender is Sender.DANE
    do = "do not deliver" if is_bound else "send in clear"
    return f"; TLS is weak ({host.weak}): senders that refuse it {do}"


_BEFORE_HOSTS = {
    MxState.NO_DOMAIN: _Step(Outcome.BOUNCED, "RFC 5321 §5.1", "the domain does not exist"),
    MxState.NONE: _Step(Outcome.BOUNCED, "RFC 5321 §5.1", "the domain takes no mail"),
    MxState.FAILED: _Step(
        Outcome.DEFERRED, "RFC 5321 §5.1", "the domain's hosts cannot be looked up"
    ),
    MxState.UNTESTABLE: _Step(Outcome.UNTESTABLE, "RFC 5321 §5.1", "our resolver has no answer"),
}


def _without_session(host: HostView) -> _Step | None:
    """Return the step of every sender at a host without an EHLO; None where EHLO is reached."""
    outcome, rule, why = _WITHOUT_SESSION.get(host.tls, _SESSION)
    if outcome is None:
        return None
    return _Step(outcome, rule, f"{why}: {host.trouble}" if host.trouble else why)


_SESSION = (None, "", "")
_WITHOUT_SESSION: Mapping[TlsState, tuple[Outcome | None, str, str]] = {
    TlsState.UNREACHABLE: (Outcome.DEFERRED, "RFC 5321 §4.5.4.1", "no session comes about"),
    TlsState.UNRESOLVED: (Outcome.DEFERRED, "RFC 5321 §5.1", "its addresses cannot be looked up"),
    TlsState.NO_ADDRESS: (Outcome.BOUNCED, "RFC 5321 §5.1", "it has no address"),
    # RFC 5321 §4.2.1: what was answered 5yz is not to be tried again as it is
    TlsState.REFUSED: (Outcome.BOUNCED, "RFC 5321 §4.2.1", "it refuses for good"),
    TlsState.REFUSED_FOR_NOW: (Outcome.DEFERRED, "RFC 5321 §4.2.1", "it refuses for now"),
    TlsState.TOO_SLOW: (
        *(Outcome.UNTESTABLE, "RFC 5321 §4.5.3.2"),
        "we ended the wait, and senders wait for minutes",
    ),
    TlsState.UNTESTABLE: (Outcome.UNTESTABLE, "RFC 5321 §5.1", "it could not be tried from here"),
}


def _opportunistic(_: DomainView, host: HostView) -> _Step:
    # RFC 7435 §3: encrypt where that can be had, authenticate nobody, else send in clear
    early = _without_session(host)
    if early is not None:
        return early
    if host.tls is TlsState.WORKS:
        return _Step(Outcome.ENCRYPTED, "RFC 7435 §3", "STARTTLS works; nobody looks at the name")
    why = "STARTTLS is not offered" if host.tls is TlsState.NOT_OFFERED else "STARTTLS fails"
    return _Step(Outcome.IN_CLEAR, "RFC 7435 §3", f"{why}: the mail goes in clear")


def _as_if_none(view: DomainView, host: HostView, because: str) -> _Step:
    """Return the step of a sender without anything to enforce on the host."""
    step = _opportunistic(view, host)
    return _Step(step.outcome, step.rule, f"{because}: {step.why}")


def _mta_sts(view: DomainView, host: HostView) -> _Step:
    if view.sts is StsState.ENFORCE and not host.sts_covers:
        return _Step(Outcome.DEFERRED, "RFC 8461 §5.1", "the policy does not name it")
    early = _without_session(host)
    if early is not None:
        return early
    if view.sts is StsState.UNTESTABLE:
        why = f"whether there is a policy is not known: {view.sts_why}"
        return _Step(Outcome.UNTESTABLE, "RFC 8461 §5", why)
    if view.sts is StsState.ABSENT:
        kept = "; a sender with an older copy uses that" if view.sts_may_be_kept else ""
        return _as_if_none(view, host, f"no policy ({view.sts_why}{kept})")
    if view.sts is StsState.TESTING:
        # RFC 8461 §5: a policy in testing stops no delivery
        return _as_if_none(view, host, "the policy is in testing, failures are reported")
    if host.tls is not TlsState.WORKS:
        return _Step(Outcome.DEFERRED, "RFC 8461 §5.1", "it has no working STARTTLS")
    if not host.is_trusted:
        return _Step(Outcome.DEFERRED, "RFC 8461 §4.2", "its certificate is not valid for its name")
    return _Step(Outcome.AUTHENTICATED, "RFC 8461 §4.2", "its certificate satisfies the policy")


def _dane(view: DomainView, host: HostView) -> _Step:
    is_found = host.tls not in (TlsState.UNRESOLVED, TlsState.NO_ADDRESS)
    if view.mx_secure and is_found and host.dane is DaneState.LOOKUP_FAILED:
        why = "its TLSA records cannot be looked up, which might be an attack"
        return _Step(Outcome.DEFERRED, "RFC 7672 §2.1.2", why)
    early = _without_session(host)
    if early is not None:
        return early
    if view.mx_secure is None:
        return _Step(Outcome.UNTESTABLE, "RFC 7672 §2.1", view.mx_doubt)
    if not view.mx_secure:  # RFC 7672 §2.2.1: without DNSSEC there is no DANE
        return _as_if_none(view, host, "no DANE (the MX records are not signed)")
    if host.dane is DaneState.UNTESTABLE:
        return _Step(Outcome.UNTESTABLE, "RFC 7672 §2.1", host.dane_why)
    if host.dane is DaneState.ABSENT:
        return _as_if_none(view, host, f"no DANE ({host.dane_why})")
    return _held_to_dane(host)


def _held_to_dane(host: HostView) -> _Step:
    """Return the step of a sender with TLSA records for a host that it can speak with."""
    if host.tls is not TlsState.WORKS:
        return _Step(Outcome.DEFERRED, "RFC 7672 §2.2", "TLSA records exist and STARTTLS does not")
    if host.dane is DaneState.UNUSABLE:
        why = "no TLSA record is usable: TLS is compulsory, the name is not looked at"
        return _Step(Outcome.ENCRYPTED, "RFC 7672 §2.2", why)
    if host.dane is DaneState.MISMATCH:
        return _Step(Outcome.DEFERRED, "RFC 7672 §2.2", "no TLSA record matches its certificate")
    return _Step(Outcome.AUTHENTICATED, "RFC 7672 §3.1", "a TLSA record matches its certificate")


def _requiretls(view: DomainView, host: HostView) -> _Step:
    """RFC 8689 §4.2.1: a known host, an authenticated peer, and its promise to pass it on so."""
    rule = "RFC 8689 §4.2.1"
    early = _without_session(host)
    if early is not None:
        return early
    if host.tls is not TlsState.WORKS:
        return _Step(Outcome.BOUNCED, rule, "it has no working STARTTLS")
    if not host.requiretls:
        return _Step(Outcome.BOUNCED, rule, "it does not offer REQUIRETLS")
    is_named_by_policy = view.sts is StsState.ENFORCE and host.sts_covers
    if not is_named_by_policy and not view.mx_secure:
        if view.mx_secure is None or view.sts is StsState.UNTESTABLE:
            why = view.mx_doubt if view.mx_secure is None else view.sts_why
            return _Step(Outcome.UNTESTABLE, rule, why)
        return _Step(Outcome.BOUNCED, rule, "neither DNSSEC nor MTA-STS vouches for its name")
    if host.is_trusted or (view.mx_secure and host.dane is DaneState.MATCH):
        return _Step(Outcome.AUTHENTICATED, rule, "known host, valid certificate, REQUIRETLS")
    return _Step(Outcome.BOUNCED, rule, "its certificate is not valid for its name")


_JUDGES: dict[Sender, _Judge] = {
    Sender.OPPORTUNISTIC: _opportunistic,
    Sender.MTA_STS: _mta_sts,
    Sender.DANE: _dane,
    Sender.REQUIRETLS: _requiretls,
}
