"""Kind `sender` and texts that were meant as records: they are there, and nobody takes them."""

import pytest

from probes.result import Finding, Reason, Status
from tests.probes.kinds.sender.test_sender import DMARC, NAMES, SPF, World, all_findings, told


def only(findings: list[Finding], code: str) -> Finding:
    (finding,) = (one for one in findings if one.code == code)
    return finding


@pytest.mark.parametrize(
    "text",
    [
        *("v=DMARC1 p=reject", "p=reject; v=DMARC1", "v=dmarc1; p=none", " v=DMARC1; p=none"),
        *("v=DMARC; p=none", "v=DMARC2; p=none", "DMARC1; p=none", "p=quarantine"),
    ],
)
async def test_a_dmarc_record_that_receivers_ignore_is_not_called_missing(text: str) -> None:
    result = await World(f'{SPF}\n{NAMES}\n_dmarc TXT "{text}"').run()
    assert told(result) == {"dmarc.record_ignored": Status.FAILURE}
    finding = only(all_findings(result), "dmarc.record_ignored")
    assert str(finding.subject) == "_dmarc.example.test"
    assert repr(text) in finding.evidence
    assert result.failure is not None
    assert result.failure.reason is Reason.RECORD_SYNTAX


async def test_an_ignored_record_below_one_that_holds_is_a_warning() -> None:
    others = {"test": '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@example.test"'}
    zone = f'{SPF}\n{NAMES}\n_dmarc TXT "v=DMARC1 p=reject"'
    result = await World(zone, others=others).run()
    assert told(result)["dmarc.record_ignored"] is Status.WARNING


@pytest.mark.parametrize("text", ["v=spf1 -all", "hello", "some-verification=abc"])
async def test_another_text_at_the_name_is_no_dmarc_record_at_all(text: str) -> None:
    result = await World(f'{SPF}\n{NAMES}\n_dmarc TXT "{text}"').run()
    assert told(result) == {"dmarc.record_missing": Status.FAILURE}


async def test_a_dmarc_record_at_the_domain_itself_is_told_to_be_in_the_wrong_place() -> None:
    result = await World(f'{SPF}\n{NAMES}\n@ TXT "v=DMARC1; p=reject"').run()
    assert told(result) == {"dmarc.record_misplaced": Status.FAILURE}


@pytest.mark.parametrize(
    "text",
    [
        *("v=spf1;ip4:192.0.2.25 -all", "v=spf10 -all", " v=spf1 -all", "v=spf 1 -all"),
        *("spf1 ip4:192.0.2.25 -all", "v=spf-1 -all", "v:spf1 -all", "v=spf1-all"),
        r"\226\128\156v=spf1 -all",  # a quotation mark of a word processor
    ],
)
async def test_an_spf_record_that_receivers_ignore_is_not_called_missing(text: str) -> None:
    result = await World(f'@ TXT "{text}"\n{DMARC}\n{NAMES}').run()
    assert told(result) == {"spf.record_ignored": Status.FAILURE}
    assert {part.failure.reason for part in result.parts if part.failure} == {Reason.RECORD_SYNTAX}


@pytest.mark.parametrize(
    "text", ["spf2.0/pra -all", "google-site-verification=spf1x", "v=spf2", "spf-1234", "spf12"]
)
async def test_another_text_at_the_domain_is_no_spf_record_at_all(text: str) -> None:
    result = await World(f'@ TXT "{text}"\n{DMARC}\n{NAMES}').run()
    assert told(result) == {"spf.record_missing": Status.FAILURE}
