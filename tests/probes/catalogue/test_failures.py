"""What ends a run: a text for whatever phase and reason a failure can have."""

import itertools
import re

import pytest

from probes.catalogue import ENTRIES
from probes.catalogue.entry import PLACEHOLDERS, placeholders
from probes.catalogue.failures import ALIKE, ENDINGS, FAILURES, failure_entry
from probes.result import Owner, Phase, Reason, Status, owner_of

EVERY = tuple(itertools.product(Phase, Reason))


@pytest.mark.parametrize("entries", ALIKE, ids=lambda entries: entries[0].code if entries else "")
def test_every_ending_speaks_of_something_no_other_does(entries: tuple[object, ...]) -> None:
    assert entries


def test_every_phase_and_reason_has_texts_and_an_owner() -> None:
    for phase, reason in EVERY:
        entry = failure_entry(phase, reason)
        assert entry.code == f"{phase}.{reason}"
        assert entry.owner is owner_of(phase, reason)
        assert entry.summary[0].isupper()
        assert not entry.summary.endswith(".")
        assert entry.why.endswith(".")
        assert entry.remedy.endswith(".")
        assert "<step>" not in entry.summary + entry.why + entry.remedy
        assert not entry.reference or re.fullmatch(r"RFC \d+( §\S+)?", entry.reference)
        assert placeholders(entry.remedy + entry.verify) <= PLACEHOLDERS


def test_what_is_common_has_a_text_of_its_own_phase_and_not_that_of_another() -> None:
    """Every reason that the network layer, a dialogue or a look-up raises, where it does."""
    dialogue = (Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.MAIL, Phase.RCPT)
    wire = (Reason.CONNECTION_RESET, Reason.CONNECTION_CLOSED, Reason.UNREACHABLE, Reason.TIMEOUT)
    replies = (
        *(Reason.REJECTED, Reason.DEFERRED, Reason.GREYLISTED, Reason.SERVICE_CLOSING),
        *(Reason.MALFORMED_REPLY, Reason.UNEXPECTED_REPLY),
    )
    dns = (
        *(Reason.NXDOMAIN, Reason.NO_DATA, Reason.SERVFAIL, Reason.REFUSED, Reason.DNSSEC_BOGUS),
        *(Reason.TIMEOUT, Reason.UNREACHABLE, Reason.MALFORMED_REPLY),
    )
    wanted = (
        *itertools.product(dialogue, (*wire, *replies)),
        *itertools.product((Phase.DNS_MX, Phase.DNS_ADDRESS, Phase.EVALUATE), dns),
        *itertools.product((Phase.CONNECT,), (Reason.CONNECTION_REFUSED, *wire)),
        *itertools.product(Phase, (Reason.UNTESTABLE, Reason.UNEXPECTED)),
    )
    assert [pair for pair in wanted if "{}.{}".format(*pair) not in FAILURES] == []


def test_a_code_of_a_failure_is_no_code_of_a_finding() -> None:
    assert set(FAILURES).isdisjoint(ENTRIES)
    assert {ending.reason for ending in ENDINGS} == set(Reason)


def test_what_our_resolver_or_this_machine_did_is_untestable() -> None:
    assert failure_entry(Phase.DNS_MX, Reason.TIMEOUT).owner is Owner.RESOLVER
    assert set(failure_entry(Phase.DNS_MX, Reason.TIMEOUT).severity) == {Status.UNTESTABLE}
    assert Status.FAILURE in failure_entry(Phase.CONNECT, Reason.TIMEOUT).severity
