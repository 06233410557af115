"""ARC sets: grouped by instance, gaps and duplicates told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.signatures.arc import MAX_ARC_FIELDS, arc_sets, parse_arc_signature

SEAL = (
    "i={}; a=rsa-sha256; t=1730628672; cv={};\r\n d=Google.test; s=arc-20240605;\r\n b=ab+c\r\n /d="
)
SIGNATURE = "i={}; a=rsa-sha256; d=google.test; s=arc; h=To : From:\r\n Subject; bh=x; b=y"
RESULTS = "i={}; mx.google.test; spf=pass smtp.mailfrom=sender.test"
NAMES = ("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results")


def _set(instance: object, verdict: str = "none") -> list[tuple[str, str]]:
    values = (SEAL.format(instance, verdict), SIGNATURE.format(instance), RESULTS.format(instance))
    return list(zip(NAMES, values, strict=True))


def test_a_sound_chain_is_read_from_the_first_handler_on() -> None:
    chain = arc_sets([("From", "i=9; x"), *_set(2, "pass"), ("Received", "x"), *_set(1)])
    assert [arc_set.instance for arc_set in chain.sets] == [1, 2]
    assert [arc_set.seals[0].chain_validation for arc_set in chain.sets] == ["none", "pass"]
    assert chain.sets[0].results[0].authserv_id == "mx.google.test"
    assert chain.is_complete


def test_the_signer_and_what_he_signed_are_read() -> None:
    seal = parse_arc_signature(SEAL.format(1, "FAIL"))
    assert (seal.instance, seal.domain, seal.selector) == (1, "Google.test", "arc-20240605")
    assert (seal.algorithm, seal.chain_validation, seal.timestamp) == (
        "rsa-sha256",
        "fail",
        1730628672,
    )
    assert seal.tags.compact("b") == "ab+c/d="
    signature = parse_arc_signature(SIGNATURE.format(1))
    assert signature.signed_fields == ("to", "from", "subject")
    assert signature.chain_validation is None


def test_a_gap_is_told() -> None:
    chain = arc_sets([*_set(4), *_set(1)])
    assert chain.missing == (2, 3)
    assert not chain.is_complete


def test_a_field_that_stands_twice_is_told() -> None:
    chain = arc_sets([*_set(1), _set(1)[0]])
    assert chain.sets[0].is_duplicated
    assert not chain.sets[0].is_complete
    assert len(chain.sets[0].seals) == 2


@pytest.mark.parametrize("left_out", range(3))
def test_a_set_without_one_of_its_fields_is_not_complete(left_out: int) -> None:
    fields = _set(1)
    del fields[left_out]
    chain = arc_sets(fields)
    assert not chain.is_complete
    assert not chain.sets[0].is_duplicated


@pytest.mark.parametrize("instance", ["0", "51", "x", "", "-1", "1" * 5000, "²"])
def test_a_field_without_a_usable_instance_is_kept_apart(instance: str) -> None:
    chain = arc_sets([*_set(1), *_set(instance)])
    assert [arc_set.instance for arc_set in chain.sets] == [1]
    assert chain.unplaced == tuple(value for _, value in _set(instance))


def test_a_header_without_arc_has_no_chain() -> None:
    chain = arc_sets([("Subject", "ARC-Seal: i=1")])
    assert (chain.sets, chain.is_complete) == ((), False)


def test_fields_beyond_what_the_standard_allows_are_counted_and_not_read() -> None:
    chain = arc_sets([("ARC-Seal", SEAL.format(1, "none"))] * (MAX_ARC_FIELDS + 7))
    assert chain.ignored == 7
    assert len(chain.sets[0].seals) == MAX_ARC_FIELDS


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text())))
def test_any_texts_give_a_chain(fields: list[tuple[str, str]]) -> None:
    chain = arc_sets(fields)
    placed = sum(len(s.results) + len(s.signatures) + len(s.seals) for s in chain.sets)
    assert placed + len(chain.unplaced) == len(fields)
