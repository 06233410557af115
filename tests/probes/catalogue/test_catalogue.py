"""The catalogue against the program: every code it can produce is in it, and no other."""

import re

import pytest

from probes.catalogue import AREAS, ENTRIES, PLACEHOLDERS, Entry, filled, nearest, placeholders
from probes.catalogue import owner_of_finding as owner_of
from probes.result import Finding, Owner, Status
from tests.probes.catalogue.codes import CODE, produced

each_entry = pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.code)


def test_every_code_that_is_produced_is_in_the_catalogue() -> None:
    literals = {code: where for code, where in produced().literals.items() if CODE.fullmatch(code)}
    assert {code: where for code, where in literals.items() if code not in ENTRIES} == {}


def test_every_pattern_of_codes_matches_codes_of_the_catalogue() -> None:
    dotted = {p: where for p, where in produced().patterns.items() if r"\." in p.pattern}
    assert len(dotted) > 1
    for pattern, where in dotted.items():
        assert any(pattern.fullmatch(code) for code in ENTRIES), f"{where}: {pattern.pattern}"


def test_the_source_of_every_code_could_be_read() -> None:
    assert produced().unread == []


@each_entry
def test_every_code_of_the_catalogue_is_produced(entry: Entry) -> None:
    made = entry.code in produced().literals
    assert made or any(pattern.fullmatch(entry.code) for pattern in produced().patterns)


@each_entry
def test_an_entry_says_everything_that_is_asked(entry: Entry) -> None:
    assert CODE.fullmatch(entry.code)
    assert entry.summary
    assert not entry.summary.endswith(".")
    assert entry.why.endswith(".")
    assert entry.remedy.endswith(".")
    assert entry.severity
    assert Status.OK not in entry.severity
    assert not entry.reference or re.fullmatch(r"RFC \d+( §\S+)?", entry.reference)
    assert placeholders(entry.remedy + entry.verify) <= PLACEHOLDERS


def test_no_code_stands_in_two_areas() -> None:
    assert len(ENTRIES) == sum(map(len, AREAS.values()))
    assert len({entry.anchor for entry in ENTRIES.values()}) == len(ENTRIES)


def test_a_text_is_filled_with_what_is_known_and_says_the_rest_in_capitals() -> None:
    assert filled("dig MX {domain} @{resolver}", {"domain": "a.test"}) == "dig MX a.test @RESOLVER"


def test_a_code_that_is_mistyped_finds_its_neighbours() -> None:
    assert nearest("mx.adress_unusable")[0] == "mx.address_unusable"
    assert "smtp.quit.failed" in nearest("QUIT")
    assert nearest("") == ()
    assert nearest("x" * 10_000) == ()


def test_what_we_could_not_test_is_ours_and_everything_else_its_owners() -> None:
    def finding(code: str, status: Status) -> Finding:
        return Finding(code, status, "mx", "", "")

    assert owner_of(finding("mx.address_unusable", Status.WARNING)) is Owner.THEIR_MX
    assert owner_of(finding("mx.address_unusable", Status.UNTESTABLE)) is Owner.MONITOR
    assert owner_of(finding("spf.lookup_failed", Status.FAILURE)) is Owner.THEIR_DNS
    assert owner_of(finding("spf.lookup_failed", Status.UNTESTABLE)) is Owner.OUR_DNS
    assert owner_of(finding("nobody.knows", Status.WARNING)) is Owner.MONITOR
    assert owner_of(finding("spf.lookup_failed", Status.WARNING)) is Owner.THEIR_DNS
    assert owner_of(finding("spf.lookup_failed", Status.UNTESTABLE)) is Owner.OUR_DNS
    assert owner_of(finding("ehlo.lookup_failed", Status.UNTESTABLE)) is Owner.OUR_DNS


def test_a_finding_that_says_its_owner_is_that_owners() -> None:
    of_the_network = Finding("mx.address_unusable", Status.WARNING, "mx", "", "", Owner.NETWORK)
    assert owner_of(of_the_network) is Owner.NETWORK


@each_entry
def test_what_our_own_resolver_did_is_told_to_be_its(entry: Entry) -> None:
    when = entry.severity.get(Status.UNTESTABLE, "")
    if when.startswith("our own resolver failed"):
        assert entry.owner_of(Status.UNTESTABLE) is Owner.OUR_DNS
