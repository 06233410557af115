"""The subject of a finding: a value that is written as one text and read back from it."""

import json

import pytest

from probes.catalogue.subjects import subject_values
from probes.documents import json_default, to_json
from probes.records.subject import Subject, SubjectKind, read_subject

EVERY = (
    (Subject.of("mx.example.test"), SubjectKind.NAME, "mx.example.test"),
    (Subject.of("192.0.2.1"), SubjectKind.ADDRESS, "192.0.2.1"),
    (Subject.of("2001:db8::1"), SubjectKind.ADDRESS, "2001:db8::1"),
    (Subject.of("event loop"), SubjectKind.WORDS, "event loop"),
    (Subject.of(""), SubjectKind.WORDS, ""),
    (Subject.of("a" * 256), SubjectKind.WORDS, "a" * 256),
    (Subject.place("mx.test", "2001:db8::1"), SubjectKind.PLACE, "mx.test [2001:db8::1]"),
    (Subject.place("mx.test", None), SubjectKind.NAME, "mx.test"),
    (Subject.records("TXT", "a.test"), SubjectKind.RECORDS, "TXT of a.test"),
    (Subject.listing("192.0.2.1", "l.test"), SubjectKind.LISTING, "192.0.2.1 at l.test"),
    (Subject.signature("a.test", "s1"), SubjectKind.SIGNATURE, "d=a.test s=s1"),
)

each = pytest.mark.parametrize(("subject", "kind", "text"), EVERY, ids=lambda one: str(one)[:40])


@each
def test_a_subject_is_written_as_one_text_and_read_back(
    subject: Subject, kind: SubjectKind, text: str
) -> None:
    assert (subject.kind, str(subject), f"{subject}") == (kind, text, text)
    assert read_subject(text) == subject
    assert to_json(subject) == text
    assert json.loads(json.dumps([subject], default=json_default)) == [text]


def test_every_kind_is_written() -> None:
    assert {kind for _, kind, _ in EVERY} == set(SubjectKind)


@pytest.mark.parametrize(
    ("subject", "values"),
    [
        (
            Subject.place("mx.test", "192.0.2.1"),
            {"name": "mx.test", "host": "mx.test", "address": "192.0.2.1"},
        ),
        (
            Subject.records("TLSA", "_25._tcp.mx.test"),
            {"rdtype": "TLSA", "name": "_25._tcp.mx.test", "host": "mx.test"},
        ),
        (
            Subject.listing("192.0.2.1", "l.test"),
            {
                "name": "192.0.2.1",
                "address": "192.0.2.1",
                "list": "l.test",
                "entry": "1.2.0.192.l.test",
            },
        ),
        (
            Subject.listing("a.test", "l.test"),
            {"name": "a.test", "host": "a.test", "list": "l.test", "entry": "a.test.l.test"},
        ),
        (
            Subject.signature("a.test", "s1"),
            {"name": "s1._domainkey.a.test", "host": "a.test"},
        ),
        (
            Subject.of("_25._tcp.mx.test"),
            {
                "name": "_25._tcp.mx.test",
                "host": "mx.test",
                "list": "_25._tcp.mx.test",
                "tlsa_name": "_25._tcp.mx.test",
            },
        ),
        (Subject.of("event loop"), {}),
    ],
    ids=lambda one: str(one)[:30],
)
def test_a_subject_fills_the_words_it_knows(subject: Subject, values: dict[str, str]) -> None:
    assert subject_values(subject) == {"subject": str(subject), **values}


def test_a_word_that_only_looks_like_a_part_of_a_place_is_words() -> None:
    assert read_subject("mx.test [not an address]").kind is SubjectKind.WORDS
    assert read_subject("a b at list.test").kind is SubjectKind.WORDS
