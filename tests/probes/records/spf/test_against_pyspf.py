"""The SPF corpus once more, judged by pyspf: where it differs, the corpus says by which section.

A case without a word about pyspf is one in which both agree.
"""

import re
import warnings
from collections.abc import Iterator

import pytest

from tests.probes.records.spf.spf_corpus import Case, cases, found

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own, about how it is written
    import spf as pyspf

CASES = list(cases())
REFERENCE = re.compile(r"RFC 7208 section \d")


def answers(case: Case, name: str, rdtype: str) -> Iterator[tuple[tuple[str, str], object]]:
    """The zone in the form in which pyspf's own look-up gives it."""
    outcome = found(case.zone, name, rdtype)
    if outcome.failed:
        raise pyspf.TempError(f"DNS {name}")
    for record in outcome.records:
        value = record
        if rdtype == "MX":
            value = (record.preference, record.exchange)
        elif rdtype == "TXT":
            value = (record,)
        yield (name, rdtype), value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pyspf_agrees_or_the_section_says_why_not(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pyspf,
        "DNSLookup",
        lambda name, rdtype, _strict=True, _timeout=30: list(answers(case, name, rdtype)),
    )
    query = pyspf.query(case.ip, case.mail_from, case.helo, receiver="rx.test", strict=True)
    result, _, explanation = query.check()
    disagreement = case.expected.get("pyspf")
    if disagreement is not None:
        assert result == disagreement["result"]
        assert result != case.expected["result"]
        assert REFERENCE.search(disagreement["because"])
        return
    assert result == case.expected["result"], explanation
    if case.expected.get("explanation"):
        assert explanation == case.expected["explanation"]
