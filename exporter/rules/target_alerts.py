"""The alerts about MX hosts, records of a domain, lists and parts under suspicion."""

from exporter.rules.queries import HOST, PROBE, constant, gauge
from exporter.rules.recordings import PROBE_BLAME
from exporter.rules.rule import Alert, Board, Severity
from exporter.rules.words import owner_sentence, who

_DAY = 86400
_ON = f"on ({PROBE})"
_WHY = who(PROBE_BLAME, "probe")
_STATE = gauge("mailcanary_probe_state", f"{PROBE}, state")
_SUSPECT_OWNERS = {
    "route": "relay",
    "mailbox": "receiver_mailbox",
    "mx_host": "receiver_mx",
    "address_family": "network",
}


def target_alerts() -> tuple[Alert, ...]:
    """Every alert about a target of a job, and the one about suspects."""
    return (
        _suspect(),
        _domain_down(),
        _mx_down(),
        _expires(3, Severity.CRITICAL),
        _expires(14, Severity.WARNING),
        _starttls_gone(),
        _failing("PolicyBroken", "policy", "receiver_dns", "MTA-STS or DANE is broken."),
        _failing("SenderBroken", "sender", "sender", "SPF, DKIM or DMARC of a domain is broken."),
        _failing(
            "NameserversBroken", "nameservers", "receiver_dns", "Name servers of a domain fail."
        ),
        _changed("Listed", "listing", Severity.WARNING, "sender", "A block list entry changed."),
        _changed(
            "SelectorChanged",
            "dkim",
            Severity.WARNING,
            "sender",
            "A DKIM key changed or is gone.",
        ),
        _changed(
            "TargetChanged",
            "mx|certificate|capabilities|sts_record|sts_policy|tlsrpt|tlsa|spf|dmarc|nameservers",
            Severity.INFO,
            "receiver_dns",
            "A target is not the same as before.",
        ),
    )


def _suspect() -> Alert:
    value = gauge("mailcanary_suspect", "vantage, part, name")
    owned = "\nor ".join(
        constant(value.replace("suspect[", f'suspect{{part="{part}"}}['), {"owner": owner})
        for part, owner in _SUSPECT_OWNERS.items()
    )
    return Alert(
        "MailcanarySuspect",
        f"(\n{owned}\n) > 1.5",
        "5m",
        Severity.WARNING,
        "Failing paths have one part in common.",
        "{{ $value }} failures speak against the {{ $labels.part }} {{ $labels.name }}, and "
        f"nothing else failed beside it. `mailcanary status` shows both sides.{owner_sentence()}",
        (),
        Board.OVERVIEW,
    )


def _domain_down() -> Alert:
    last = gauge("mailcanary_probe_last_success_timestamp_seconds", PROBE)
    interval = gauge("mailcanary_probe_interval_seconds", PROBE)
    return Alert(
        "MailcanaryDomainDown",
        (
            f"max by ({PROBE}) ({gauge('mailcanary_mx_up', HOST)}) == 0\n"
            f"and {_ON} (time() - ({last} > 0) > {_ON} 1.5 * {interval})"
        ),
        "2m",
        Severity.CRITICAL,
        "No MX host of a domain takes mail.",
        f"All MX hosts of the job {{{{ $labels.probe }}}} failed in two runs or more.{_WHY}",
        ("probe",),
        Board.MX,
        owner="receiver_mx",
    )


def _mx_down() -> Alert:
    return Alert(
        "MailcanaryMxDown",
        f"{gauge('mailcanary_mx_up', HOST)} == 0",
        "10m",
        Severity.WARNING,
        "An MX host takes no mail.",
        f"The MX host {{{{ $labels.host }}}} of the job {{{{ $labels.probe }}}} fails.{_WHY}",
        ("probe", "host"),
        Board.MX,
        owner="receiver_mx",
    )


def _expires(days: int, severity: Severity) -> Alert:
    name = "mailcanary_mx_certificate_expiry_timestamp_seconds"
    return Alert(
        "MailcanaryCertificateExpires",
        f"{gauge(name, HOST, 'min')} - time() < {days * _DAY}",
        "10m",
        severity,
        "The certificate of an MX host expires soon.",
        "The certificate of {{ $labels.host }} expires in {{ $value | humanizeDuration }}; a "
        "negative time says that it has expired.",
        ("probe", "host"),
        Board.MX,
        owner="receiver_mx",
        labels={"within": f"{days}d"},
    )


def _starttls_gone() -> Alert:
    handshake = 'mailcanary_mx_phase_seconds{phase="tls"}'
    return Alert(
        "MailcanaryStarttlsGone",
        (
            f"{gauge('mailcanary_mx_up', HOST)} == 1\n"
            f"and on ({HOST}) max by ({HOST}) (max_over_time({handshake}[1d]))\n"
            f"unless on ({HOST}) {gauge(handshake, HOST)}"
        ),
        "10m",
        Severity.WARNING,
        "An MX host no longer offers STARTTLS.",
        "The MX host {{ $labels.host }} took TLS within the last day. It takes mail in clear now.",
        ("probe", "host"),
        Board.MX,
        owner="receiver_mx",
    )


def _failing(name: str, kind: str, owner: str, summary: str) -> Alert:
    info = gauge(f'mailcanary_probe_info{{kind="{kind}"}}', PROBE)
    return Alert(
        f"Mailcanary{name}",
        f"max by ({PROBE}) (({_STATE.replace('probe_state', _BAD)}) == 1)\nand {_ON} {info}",
        "10m",
        Severity.WARNING,
        summary,
        f"The job {{{{ $labels.probe }}}} is failing. `mailcanary history` shows the "
        f"findings.{_WHY}",
        ("probe",),
        Board.SENDER if kind == "sender" else Board.MX,
        owner=owner,
    )


_BAD = 'probe_state{state="failing"}'


def _changed(name: str, aspects: str, severity: Severity, owner: str, summary: str) -> Alert:
    selector = f'mailcanary_probe_target_changes_total{{aspect=~"{aspects}"}}'
    by = f"{PROBE}, aspect"
    return Alert(
        f"Mailcanary{name}",
        f"max by ({by}) (increase({selector}[1h])) > 0",
        "",
        severity,
        summary,
        "The job {{ $labels.probe }} found a change of {{ $labels.aspect }} within the last hour. "
        "`mailcanary history` tells the value before and now.",
        ("probe",),
        Board.SENDER if owner == "sender" else Board.MX,
        owner=owner,
    )
