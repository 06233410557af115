"""Records judged by checkdmarc as well; where we differ, the section says why.

Both either read a record without complaint or refuse (a part of) it.
"""

import re
import warnings
from dataclasses import dataclass

import dns.resolver
import pytest

from probes.records import RecordError
from probes.records.dmarc import parse_dmarc
from probes.records.spf import parse_spf

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own and its dependencies', about how they are written
    from checkdmarc.dmarc import DMARCError, parse_dmarc_record
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
