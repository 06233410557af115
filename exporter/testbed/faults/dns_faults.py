"""Faults of DNS servers, met by the kind `mx`."""

from collections.abc import Iterator

from exporter.testbed.faults.fault import (
    DOMAIN,
    MX_HOST,
    Fault,
    ProbeUnderTest,
    Verdict,
    broken,
    fine,
)
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from probes.result import Owner, Phase, Reason

_MX, _ADDRESS = Phase.DNS_MX, Phase.DNS_ADDRESS
_THEIRS, _OURS = Owner.RECEIVER_DNS, Owner.RESOLVER
_SILENT = broken(_MX, Reason.TIMEOUT, _OURS)
_MALFORMED = broken(_MX, Reason.MALFORMED_REPLY, _OURS)

_MX_ANSWERS: tuple[tuple[str, Misbehaviour, Verdict], ...] = (
    ("the domain does not exist", Misbehaviour.NXDOMAIN, broken(_MX, Reason.NXDOMAIN, _THEIRS)),
    ("the servers fail", Misbehaviour.SERVFAIL, broken(_MX, Reason.SERVFAIL, _THEIRS)),
    ("the resolver refuses", Misbehaviour.REFUSED, broken(_MX, Reason.REFUSED, _OURS)),
    ("the resolver knows no queries", Misbehaviour.NOTIMP, _MALFORMED),
    ("the resolver answers FORMERR to EDNS", Misbehaviour.NO_EDNS_FORMERR, fine()),
    ("the resolver answers NOTIMP to EDNS", Misbehaviour.NO_EDNS_NOTIMP, fine()),
    ("the resolver answers BADVERS to EDNS", Misbehaviour.NO_EDNS_BADVERS, fine()),
    ("the resolver takes no notice of EDNS", Misbehaviour.NO_EDNS_IGNORED, fine()),
    ("no signature is valid", Misbehaviour.BOGUS, broken(_MX, Reason.DNSSEC_BOGUS, _THEIRS)),
    (
        "no signature is valid, and nobody says so",
        Misbehaviour.BOGUS_UNSAID,
        broken(_MX, Reason.DNSSEC_BOGUS, _THEIRS),
    ),
    ("a lame server refers", Misbehaviour.LAME, broken(_MX, Reason.REFUSED, _OURS)),
    ("nothing comes", Misbehaviour.SILENCE, _SILENT),
    ("an empty datagram comes", Misbehaviour.EMPTY, _SILENT),
    ("binary comes", Misbehaviour.GARBAGE, _SILENT),
    ("garbage follows the question", Misbehaviour.SCRAMBLED, _MALFORMED),
    ("a compression pointer points to itself", Misbehaviour.POINTER_LOOP, _MALFORMED),
    ("the query comes back", Misbehaviour.ECHO, _SILENT),
    ("the id is wrong", Misbehaviour.WRONG_ID, _SILENT),
    ("another question is answered", Misbehaviour.WRONG_QUESTION, _SILENT),
    ("another port answers", Misbehaviour.WRONG_SOURCE, _SILENT),
    ("forgeries come before the answer", Misbehaviour.FORGERIES, fine()),
    ("the answer is truncated", Misbehaviour.TRUNCATED, fine()),
    (
        "the answer is truncated and TCP is closed",
        Misbehaviour.TRUNCATED_FOR_EVER,
        broken(_MX, Reason.UNREACHABLE, _OURS),
    ),
    ("nothing comes over TCP", Misbehaviour.TCP_SILENCE, _SILENT),
    ("TCP drips", Misbehaviour.TCP_DRIP, _SILENT),
    (
        "TCP is cut in the middle",
        Misbehaviour.TCP_CUT,
        broken(_MX, Reason.UNREACHABLE, _OURS),
    ),
    ("TCP promises more than it sends", Misbehaviour.TCP_LONG, _SILENT),
    ("the answer has 61 KiB", Misbehaviour.HUGE, _MALFORMED),
)


def dns_faults() -> Iterator[Fault]:
    """Every one of them."""
    for name, misbehaviour, verdict in _MX_ANSWERS:
        yield Fault(
            f"DNS: {name}",
            ProbeUnderTest.MX,
            verdict,
            dns={(DOMAIN, "MX"): DnsFault(misbehaviour)},
        )
    yield Fault(
        "DNS: the answer comes when nobody waits any more",
        ProbeUnderTest.MX,
        _SILENT,
        dns={(DOMAIN, "MX"): DnsFault(delay=0.8)},
    )
    yield from _zones()
    yield from _addresses()


def _zones() -> Iterator[Fault]:
    """Records that are served as they stand and mean nothing good."""
    chain = "".join(f"c{n} CNAME c{n + 1}\n" for n in range(40))
    cases = (
        ("the domain takes no mail", "@ MX 0 .", broken(_MX, Reason.NULL_MX, _THEIRS)),
        (
            "the host does not exist",
            "@ MX 10 ghost",
            broken(_ADDRESS, Reason.NXDOMAIN, _THEIRS),
        ),
        (
            "the host is an address",
            "@ MX 10 192.0.2.1.",
            broken(_ADDRESS, Reason.REFUSED, _OURS),
        ),
        (
            "two CNAMEs lead to each other",
            "@ MX 10 mx\nmx CNAME other\nother CNAME mx",
            broken(_ADDRESS, Reason.SERVFAIL, _THEIRS),
        ),
        (
            "a CNAME leads to itself",
            "@ MX 10 mx\nmx CNAME mx",
            broken(_ADDRESS, Reason.SERVFAIL, _THEIRS),
        ),
        (
            "forty CNAMEs lead on",
            f"@ MX 10 c0\n{chain}c40 A 192.0.2.1",
            broken(_ADDRESS, Reason.SERVFAIL, _THEIRS),
        ),
        (
            "the host's name is binary",
            "@ MX 10 \\000\\027[31m\\255\nmx A 192.0.2.1",
            broken(_ADDRESS, Reason.NXDOMAIN, _THEIRS),
        ),
        (
            "three hundred hosts",
            "@ MX 5 mx\nmx A 192.0.2.1\n" + "".join(f"@ MX 10 h{n}\n" for n in range(300)),
            fine("mx.hosts_left_out"),
        ),
    )
    for name, zone, verdict in cases:
        yield Fault(f"DNS: {name}", ProbeUnderTest.MX, verdict, zone=zone)


def _addresses() -> Iterator[Fault]:
    """Yield faults in one of the two address look-ups of a host (AAAA)."""
    for misbehaviour in (Misbehaviour.SERVFAIL, Misbehaviour.SILENCE, Misbehaviour.SCRAMBLED):
        yield Fault(
            f"DNS: IPv6 addresses are asked for and {misbehaviour} is the answer",
            ProbeUnderTest.MX,
            fine("mx.address_lookup_failed"),
            dns={(MX_HOST, "AAAA"): DnsFault(misbehaviour)},
        )
