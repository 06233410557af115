"""Records judged by checkdmarc as well; where we differ, the section says why.

Both either read a record without complaint or refuse (a part of) it.
"""

import re
import warnings
from dataclasses import dataclass

import dns.resolver
import pytest

from probes.records import RecordError
from probes.records.dmarc.record import parse_dmarc
from probes.records.mta_sts import is_sts_record, matches_mx, parse_sts_policy, parse_sts_record
from probes.records.spf.record import parse_spf
from probes.records.tlsrpt import is_tlsrpt_record, parse_tlsrpt_record

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own and its dependencies', about how they are written
    from checkdmarc.dmarc import DMARCError, parse_dmarc_record
    from checkdmarc.mta_sts import (
        MTASTSError,
        mx_in_mta_sts_patterns,
        parse_mta_sts_policy,
        parse_mta_sts_record,
    )
    from checkdmarc.smtp_tls_reporting import (
        SMTPTLSReportingError,
        parse_smtp_tls_reporting_record,
    )
    from checkdmarc.spf import SPFError, parse_spf_record

REFERENCE = re.compile(r"RFC \d{4} section \d")


class Nowhere(dns.resolver.Resolver):
    """Asks nobody: no name exists."""

    def __init__(self) -> None:
        super().__init__(configure=False)
        self.nameservers = ["127.0.0.1"]

    def resolve(self, *_arguments: object, **_options: object) -> dns.resolver.Answer:
        raise dns.resolver.NXDOMAIN


@dataclass(frozen=True)
class Case:
    """`ours` is whether we read all of the text; `because` stands where checkdmarc disagrees."""

    text: str
    ours: bool
    because: str = ""


READ_ON = "RFC 9989 section 4.7: a syntax error behind the version is left out, not the record"

DMARC = (
    Case("v=DMARC1; p=none", True),
    Case("v=DMARC1", True),
    Case("v=DMARC1; p=reject; sp=quarantine; np=none; t=y; psd=n", True),
    Case("v=DMARC1; sp=none; p=reject", True),
    Case("V=DMARC1; P=NONE", True),
    Case("v=DMARC1; p = none ;adkim = s", True),
    Case("v=DMARC1; p=none; fo=d:s", True),
    Case("v=DMARC1; p=none; fo=1:d", True),
    Case("v=DMARC1; p=none; fo=x", False),
    Case("v=DMARC1; p=none; foo=bar", True),
    Case("v=DMARC1; p=none; pct=50", True),
    Case("v=DMARC1; p=none; rua=mailto:a@example.test!10m", True),
    Case("v=DMARC1; p=rejct", False),
    Case("v=DMARC1; p=none; p=reject", False),
    Case("v=DMARC1; p=none; t=x", False),
    Case("v=DMARC1; p=none; rua=a@example.test", False),
    Case("v=DMARC1; p=none; rua=mailto:a@example.test,,mailto:b@example.test", False),
    Case("v=DMARC1; p=none; rua=", False),
    Case("v=dmarc1; p=none", False),
    Case("v=DMARC1 p=none", False),
    Case("p=none; v=DMARC1", False),
    Case("v=DMARC1; p=none; adkim=x", False, f"{READ_ON}; checkdmarc only warns here"),
    Case("v=DMARC1; p=none;;", True, f"{READ_ON}; an empty tag says nothing"),
)

SPF = (
    Case("v=spf1 -all", True),
    Case("v=spf1  ip4:192.0.2.1  ~all ", True),
    Case("v=spf1 ip4:10.0.0.0/7 -all", True),
    Case("v=spf1 -all ra=postmaster", True),
    Case("v=spf1 ip4=192.0.2.1 -all", True),
    Case("v=spf1 foo -all", False),
    Case("v=spf1 ip4:192.0.2.1/33 -all", False),
    Case("v=spf1 ip4:192.0.2.256 -all", False),
    Case("v=spf1 ip6:192.0.2.1 -all", False),
    Case("v=spf1 a: -all", False),
    Case("v=spf1 a/033 -all", False),
    Case("v=spf1 all:x", False),
    Case("v=spf1 all/8", False),
    Case("v=spf1 exp=x.test exp=y.test -all", False),
    Case("v=spf1 exists:%{z}.test -all", False),
    Case("v=spf1 exists:%{d0}.test -all", False),
    Case("v=spf1 include:%{i.test -all", False),
    Case("v=spf10 -all", False),
    Case(
        "v=spf1 moo=%{z} -all",
        False,
        "RFC 7208 section 6: the value of an unknown modifier is a macro-string as well",
    ),
    Case(
        "v=spf1 a:museum -all",
        False,
        "RFC 7208 section 7.1: a domain-spec ends in a dot and a top label, else in a macro",
    ),
    Case(
        "v=spf1 a:host.test- -all",
        False,
        "RFC 7208 section 7.1: a top label ends in a letter or digit",
    ),
)

STS_RECORDS = (
    Case("v=STSv1; id=20260101", True),
    Case("v=STSv1;id=1;", True),
    Case("v=STSv1; id=1; a=b", True),
    Case("v=STSv1; a=b; id=1", True),
    Case("v=STSv1 ; id=1", True),
    Case("v=STSv1 id=1", False),
    Case("v=stsv1; id=1", False),
    Case("id=1; v=STSv1", False),
    Case("v=STSv1;", False),
    Case("v=STSv1; id=", False),
    Case("v=STSv1; id=a-b", False),
    Case(f"v=STSv1; id={'1' * 32}", True),
    Case(f"v=STSv1; id={'1' * 33}", False),
    Case("v=STSv1; ID=1", False),
    Case("v=STSv1; id=1; nonsense", False),
    Case("v=STSv1; id=1; -a=b", False),
    Case("v=STSv1; id=1; a=b=c", False),
    Case("v=STSv1; id=1;;", False),
    Case(
        " v=STSv1; id=1",
        False,
        "RFC 8461 section 3.1: what does not begin with v=STSv1; is discarded",
    ),
    Case(
        "v=STSv1; id=1; id=2",
        False,
        "RFC 8461 section 3.1 has one id; that the first of several counts is for policies, 3.2",
    ),
    Case("v=STSv2; id=1", False),
    Case("v=spf1 -all", False),
)

STS_POLICIES = (
    Case("version: STSv1\nmode: enforce\nmx: mx.example.test\nmax_age: 604800\n", True),
    Case("version: STSv1\r\nmode: testing\r\nmx: *.example.test\r\nmax_age: 1\r\n", True),
    Case("version: STSv1\nmode: none\nmax_age: 0", True),
    Case("mode: enforce\nversion: STSv1\nmax_age: 1\nmx: mx.example.test\n", True),
    Case("version:STSv1\nmode:enforce\nmx:mx.example.test\nmax_age:1", True),
    Case("version: STSv1\nmode: enforce\nmax_age: 1\n", False),
    Case("version: STSv2\nmode: none\nmax_age: 1\n", False),
    Case("version: STSv1\nmode: report\nmx: a.test\nmax_age: 1\n", False),
    Case("version: STSv1\nmode: none\n", False),
    Case("mode: none\nmax_age: 1\n", False),
    Case("version: STSv1\nmax_age: 1\n", False),
    Case("version: STSv1\nmode: none\nmax_age: many\n", False),
    Case("version: STSv1\nmode: none\nmax_age: 1_0\n", False),
    Case("version: STSv1\nmode: none\nmax_age: -1\n", False),
    Case("version: STSv1\nmode: none\nmax_age: 12345678901\n", False),
    Case("version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1\n", False),
    Case("version: STSv1\nmode: enforce\nmx: mx.*.test\nmax_age: 1\n", False),
    Case("version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n", False),
    Case("version: STSv1\nmode: none\nmax_age: 1\nnonsense\n", False),
    Case("version : STSv1\nmode: none\nmax_age: 1\n", False),
    Case("version: STSv1\nmode: none\nmax_age: 1\nfoo: bar\n", True),
    Case("version: STSv1\nmode: none\nmode: enforce\nmax_age: 1\n", True),
    Case("version: STSv1\nmode: none\nmax_age: 1\r\r\n", False),
    Case(
        "version: STSv1\nmode: enforce\nmx: mx.example.test\nmx: mx.example.test\nmax_age: 1", True
    ),
    Case(
        "version: STSv1\nmode: none\nmax_age: 31557601\n",
        True,
        "RFC 8461 section 3.2: ten digits are read; that a year is the most is a remark of ours",
    ),
    Case(
        "version: STSv1\n\nmode: none\nmax_age: 1\n",
        False,
        "RFC 8461 section 3.2: a policy has no empty line but behind its end",
    ),
    Case(
        "version: STSv1\nmode: none\nmax_age: 1\n\n",
        False,
        "RFC 8461 section 3.2: a policy ends with one line end, not with two",
    ),
    Case("", False),
    Case("<html></html>", False),
)

PATTERNS = (
    ("mx.example.test", "mx.example.test"),
    ("MX.example.test", "mx.EXAMPLE.test"),
    ("*.example.test", "mx.example.test"),
    ("*.example.test", "a.mx.example.test"),
    ("*.example.test", "example.test"),
    ("example.test", "mx.example.test"),
    ("mx.example.test", "amx.example.test"),
    ("mx.example.test", "mx.example.test.other.test"),
)

TLSRPT = (
    Case("v=TLSRPTv1; rua=mailto:a@example.test", True),
    Case("v=TLSRPTv1;rua=https://example.test/report;", True),
    Case("v=TLSRPTv1; rua=mailto:a@example.test,https://example.test/r", True),
    Case("v=TLSRPTv1; rua=mailto:a@example.test , mailto:b@example.test", True),
    Case("v=TLSRPTv1; rua=mailto:a@example.test; ext=1", True),
    Case("v=TLSRPTv1 ; rua=mailto:a@example.test", True),
    Case("v=TLSRPTv1; ext=1; rua=mailto:a@example.test", True),
    Case("v=TLSRPTv1; rua=mailto:a@example.test; rua=mailto:b@example.test", True),
    Case("v=TLSRPTv1; ext=1", False),
    Case("v=TLSRPTv1; rua=mailto:a@example.test!10m", False),
    Case("v=TLSRPTv1; rua=mailto:a@example.test; ext=a=b", False),
    Case("v=TLSRPTv1; rua=mailto:a@example.test;;", False),
    Case("v=TLSRPTv1; rua=HTTPS://example.test/r", True),
    Case("v=TLSRPTv1 rua=mailto:a@example.test", False),
    Case("v=tlsrptv1; rua=mailto:a@example.test", False),
    Case("v=TLSRPTv1;", False),
    Case("v=TLSRPTv1; rua=", False),
    Case("v=TLSRPTv1; rua=a@example.test", False),
    Case("v=TLSRPTv1; rua=ftp://example.test", False),
    Case("v=TLSRPTv1; rua=mailto:nobody", False),
    Case("v=TLSRPTv1; rua=mailto:a@example.test; nonsense", False),
    Case("v=TLSRPTv1; RUA=mailto:a@example.test", False),
    Case("rua=mailto:a@example.test; v=TLSRPTv1", False),
    Case("v=spf1 -all", False),
)


def agreement(case: Case, *, theirs: bool) -> None:
    if case.because:
        assert theirs is not case.ours
        assert REFERENCE.search(case.because)
    else:
        assert theirs is case.ours


@pytest.mark.parametrize("case", DMARC, ids=lambda case: case.text)
def test_dmarc_records_are_read_by_both_or_by_neither(case: Case) -> None:
    try:
        ours = not parse_dmarc(case.text).problems
    except RecordError:
        ours = False
    assert ours is case.ours
    try:
        parse_dmarc_record(case.text, "example.test", resolver=Nowhere())
        theirs = True
    except DMARCError:
        theirs = False
    agreement(case, theirs=theirs)


@pytest.mark.parametrize("case", SPF, ids=lambda case: case.text)
def test_spf_records_are_read_by_both_or_by_neither(case: Case) -> None:
    try:
        parse_spf(case.text)
        ours = True
    except RecordError:
        ours = False
    assert ours is case.ours
    try:
        parse_spf_record(case.text, "example.test", resolver=Nowhere())
        theirs = True
    except SPFError:
        theirs = False
    agreement(case, theirs=theirs)


@pytest.mark.parametrize("case", STS_RECORDS, ids=lambda case: case.text)
def test_sts_records_are_read_by_both_or_by_neither(case: Case) -> None:
    ours, extensions = is_sts_record(case.text.encode()), 0
    try:
        extensions = len(parse_sts_record(case.text.encode()).extensions)
    except RecordError:
        ours = False
    assert ours is case.ours
    try:
        parsed = parse_mta_sts_record(case.text)
        theirs = True
        ignored = [one for one in parsed["warnings"] if "Unknown" in one]
        assert not ours or len(ignored) == extensions
    except MTASTSError:
        theirs = False
    agreement(case, theirs=theirs)


@pytest.mark.parametrize("case", STS_POLICIES, ids=lambda case: case.text)
def test_sts_policies_are_read_by_both_or_by_neither(case: Case) -> None:
    try:
        policy = parse_sts_policy(case.text.encode())
    except RecordError:
        policy = None
    assert (policy is not None) is case.ours
    try:
        parsed = parse_mta_sts_policy(case.text)
    except MTASTSError:
        parsed = None
    agreement(case, theirs=parsed is not None)
    if policy is not None and parsed is not None:
        read = parsed["policy"]
        assert (policy.mode, policy.max_age) == (read["mode"], read["max_age"])
        assert policy.mx == tuple(dict.fromkeys(read["mx"]))
        assert len(policy.repeated + policy.unknown) == len(parsed["warnings"])


@pytest.mark.parametrize(("pattern", "host"), PATTERNS)
def test_a_pattern_covers_the_same_hosts_for_both(pattern: str, host: str) -> None:
    assert matches_mx(pattern, host) is mx_in_mta_sts_patterns(host, [pattern])


@pytest.mark.parametrize("case", TLSRPT, ids=lambda case: case.text)
def test_tls_reporting_records_are_read_by_both_or_by_neither(case: Case) -> None:
    rua: tuple[str, ...] = ()
    ours = is_tlsrpt_record(case.text.encode())
    try:
        rua = parse_tlsrpt_record(case.text.encode()).rua
    except RecordError:
        ours = False
    assert ours is case.ours
    try:
        parsed = parse_smtp_tls_reporting_record(case.text)
        theirs = True
        assert not ours or parsed["tags"]["rua"]["value"] == list(rua)
    except SMTPTLSReportingError:
        theirs = False
    agreement(case, theirs=theirs)
