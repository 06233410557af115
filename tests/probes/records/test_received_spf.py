"""Received-SPF as receivers really write it."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.received_spf import MAX_PROPERTIES, ReceivedSpf, parse_received_spf
from tests.probes.records.header_corpus import Entry, entries

CORPUS = [entry for entry in entries("authentication") if entry.name == "Received-SPF"]
KEPT_APART = {"raw", "comments", "properties"}


def _told(field: ReceivedSpf) -> dict[str, str]:
    values = {f.name: getattr(field, f.name) for f in fields(field) if f.name not in KEPT_APART}
    unparsed = " ".join(values.pop("unparsed"))
    told = {name: value for name, value in values.items() if value is not None}
    return told | ({"unparsed": unparsed} if unparsed else {})


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.where)
def test_every_receivers_way_of_writing_is_read(entry: Entry) -> None:
    assert _told(parse_received_spf(entry.value)) == dict(entry.expected)


def test_keys_that_nobody_registered_are_kept_in_order() -> None:
    field = parse_received_spf('Pass (x) pr=C; X-Sender="a b"; pr=D')
    assert field.properties == (("pr", "C"), ("x-sender", "a b"), ("pr", "D"))
    assert field.comments == ("x",)


def test_a_field_without_a_result_keeps_its_properties() -> None:
    field = parse_received_spf("client-ip=nowhere; helo=x")
    assert (field.result, field.client_ip, field.helo) == (None, "nowhere", "x")


def test_more_properties_than_anyone_writes_are_kept_unread() -> None:
    field = parse_received_spf("pass " + "a=b;" * (MAX_PROPERTIES + 1))
    assert (len(field.properties), field.unparsed) == (MAX_PROPERTIES, ("a=b",))


_PIECES = st.sampled_from(["pass ", "=", ";", "client-ip=", "::1", '"', "(", ")", "\\", "\n ", "²"])


@given(st.text() | st.lists(_PIECES).map("".join))
def test_any_text_gives_a_value(text: str) -> None:
    assert parse_received_spf(text).raw == text
