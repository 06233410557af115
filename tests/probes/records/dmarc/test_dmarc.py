"""DMARC records tag by tag, the tree walk, and who may receive reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.dmarc.discovery import (
    MOST_QUESTIONS,
    Source,
    discover,
    older_readers_differ,
    walk_up,
)
from probes.records.dmarc.record import Policy, is_dmarc, parse_dmarc
from probes.records.dmarc.reports import Authorisation, authorisation
from tests.probes.records.spf.spf_corpus import ZoneLookup


def zone(records: dict[str, object], **names: dict[str, object]) -> ZoneLookup:
    """DMARC records by domain; `failed` in the place of a text is a failing server."""
    entries: dict[str, dict[str, object]] = {
        f"_dmarc.{domain}": {"TXT": [text] if isinstance(text, str) and text != "failed" else text}
        for domain, text in records.items()
    }
    return ZoneLookup({**entries, **{name.replace("_", "."): one for name, one in names.items()}})


def test_every_tag_is_read() -> None:
    record = parse_dmarc(
        "v=DMARC1; p=reject; sp=quarantine; np=none; psd=n; t=y; adkim=s; aspf=s; fo=d:s;"
        " rua=mailto:a@x.test,mailto:b%2Bc@y.test!10m; ruf=mailto:f@x.test"
    )
    assert (record.policy, record.subdomain_policy) == (Policy.REJECT, Policy.QUARANTINE)
    assert record.nonexistent_policy is Policy.NONE
    assert (record.psd, record.is_testing, record.failure_options) == ("n", True, "d:s")
    assert record.is_dkim_strict
    assert record.is_spf_strict
    assert [(uri.domain, uri.size) for uri in record.aggregate] == [
        ("x.test", None),
        ("y.test", "10m"),
    ]
    assert [uri.domain for uri in record.failure] == ["x.test"]
    assert (record.problems, record.retired, record.unknown) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("v=DMARC1", True),
        ("v=DMARC1;p=none", True),
        ("V = DMARC1 ; p=none", True),
        ("v=dmarc1; p=none", False),
        ("v=DMARC1 p=none", False),
        ("v=DMARC10; p=none", False),
        ("p=none; v=DMARC1", False),
        (" v=DMARC1; p=none", False),
    ],
)
def test_the_version_stands_first_in_exactly_its_letters(text: str, is_one: bool) -> None:  # noqa: FBT001
    assert is_dmarc(text) is is_one
    if not is_one:
        with pytest.raises(RecordError):
            parse_dmarc(text)


@pytest.mark.parametrize(
    ("tags", "policy", "is_applied", "older"),
    [
        ("p=none", Policy.NONE, True, True),
        ("P=Reject", Policy.REJECT, True, True),
        ("", Policy.NONE, True, False),
        ("rua=mailto:a@x.test", Policy.NONE, True, True),
        ("p=rejekt", Policy.NONE, False, False),
        ("p=rejekt; rua=mailto:a@x.test", Policy.NONE, True, True),
        ("p=reject; sp=nonsense", Policy.NONE, False, False),
        ("p=reject; np=nonsense; rua=mailto:a@x.test", Policy.NONE, True, True),
        ("p=reject; adkim=x", Policy.REJECT, True, True),
    ],
)
def test_a_broken_policy_is_none_or_no_record(
    tags: str,
    policy: Policy,
    is_applied: bool,  # noqa: FBT001
    older: bool,  # noqa: FBT001
) -> None:
    record = parse_dmarc(f"v=DMARC1; {tags}")
    assert record.policy_for(is_own=True)[0] is policy
    assert record.is_applied is is_applied
    assert record.is_seen_by_older_readers is older


def test_names_below_have_the_policy_that_fits_them_best() -> None:
    full = parse_dmarc("v=DMARC1; p=reject; sp=quarantine; np=none")
    assert full.policy_for(is_own=True) == (Policy.REJECT, "p")
    assert full.policy_for(is_own=False) == (Policy.QUARANTINE, "sp")
    assert full.policy_for(is_own=False, exists=False) == (Policy.NONE, "np")
    plain = parse_dmarc("v=DMARC1; p=reject")
    assert plain.policy_for(is_own=False, exists=False) == (Policy.REJECT, "p")
    without_np = parse_dmarc("v=DMARC1; p=reject; sp=none")
    assert without_np.policy_for(is_own=False, exists=False) == (Policy.NONE, "sp")


def test_what_is_broken_retired_or_unknown_is_told_and_left_out() -> None:
    record = parse_dmarc(
        "v=DMARC1; p=none; p=reject; pct=50; rf=afrf; ri=3600; foo=bar; t=maybe; novalue;"
        " rua=https://x.test/,mailto:nobody,mailto:a@[192.0.2.1]"
    )
    assert record.policy is Policy.NONE
    assert record.retired == (("pct", "50"), ("rf", "afrf"), ("ri", "3600"))
    assert record.unknown == ("foo",)
    assert [tag for tag, _ in record.problems] == ["", "", "t", "rua", "rua", "rua"]
    assert [uri.domain for uri in record.aggregate] == [None, None, None]


def test_tags_and_addresses_without_number_are_cut() -> None:
    many = ",".join(["mailto:a@x.test"] * 1000)
    record = parse_dmarc(f"v=DMARC1; p=none; rua={many};" + "x=y;" * 1000)
    assert len(record.aggregate) == 20
    assert len(record.problems) < 200
    with pytest.raises(RecordError):
        parse_dmarc("v=DMARC1;" + " " * 70_000)


@given(st.text(max_size=200))
def test_any_text_behind_the_version_is_a_record(text: str) -> None:
    record = parse_dmarc(f"v=DMARC1;{text}")
    assert record.policy_for(is_own=True)[0] in Policy


@given(st.text(max_size=60))
def test_any_text_is_a_record_or_refused(text: str) -> None:
    try:
        parse_dmarc(text)
    except RecordError:
        assert not is_dmarc(text)


async def test_the_walk_asks_no_more_than_eight_names() -> None:
    lookup = zone({})
    walk = await walk_up("a.b.c.d.e.f.g.h.i.j.mail.example.com", lookup)
    assert [name for name, _ in lookup.asked] == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    ]
    assert len(walk.steps) == MOST_QUESTIONS
    assert walk.organisational_domain == "a.b.c.d.e.f.g.h.i.j.mail.example.com"


@pytest.mark.parametrize(
    ("domain", "records", "organisation"),
    [
        (
            "a.mail.example.com",
            {"mail.example.com": "v=DMARC1", "example.com": "v=DMARC1"},
            "example.com",
        ),
        ("a.mail.example.com", {"com": "v=DMARC1; psd=y"}, "example.com"),
        ("a.mail.example.com", {"com": "v=DMARC1"}, "com"),
        (
            "a.b.example.com",
            {"b.example.com": "v=DMARC1; psd=n", "example.com": "v=DMARC1"},
            "b.example.com",
        ),
        (
            "a.b.example.com",
            {"b.example.com": "v=DMARC1; psd=y", "example.com": "v=DMARC1"},
            "a.b.example.com",
        ),
        (
            "example.com",
            {"example.com": "v=DMARC1; psd=y", "com": "v=DMARC1; psd=y"},
            "example.com",
        ),
        ("bank", {"bank": "v=DMARC1; psd=y"}, "bank"),
        ("x.example.co.uk", {"example.co.uk": "v=DMARC1"}, "example.co.uk"),
        (
            "x.example.com",
            {"x.example.com": "v=DMARC1; p=none", "example.com": ["v=DMARC1", "v=DMARC1"]},
            "x.example.com",
        ),
    ],
)
async def test_the_organisation_is_where_the_walk_finds_it(
    domain: str, records: dict[str, object], organisation: str
) -> None:
    assert (await walk_up(domain, zone(records))).organisational_domain == organisation


async def test_the_policy_is_the_domains_the_organisations_or_the_suffixs() -> None:
    records: dict[str, object] = {
        "own.example.com": "v=DMARC1; p=quarantine",
        "mid.example.com": "v=DMARC1; p=reject",
        "example.com": "v=DMARC1; p=reject; sp=none; np=quarantine",
        "bank": "v=DMARC1; p=reject; psd=y",
    }
    lookup = zone(records, there_example_com={"A": ["192.0.2.1"]})
    own = await discover("own.example.com", lookup)
    assert (own.source, own.policy, own.tag) == (Source.DOMAIN, Policy.QUARANTINE, "p")
    assert own.organisational_domain == "example.com"
    there = await discover("there.example.com", lookup)
    assert (there.source, there.policy, there.tag) == (Source.ORGANISATION, Policy.NONE, "sp")
    assert there.exists is True
    absent = await discover("absent.example.com", lookup)
    assert (absent.policy, absent.tag, absent.exists) == (Policy.QUARANTINE, "np", False)
    # What stands in between is neither the domain's nor the organisation's.
    deep = await discover("x.mid.example.com", lookup)
    assert deep.found_at == "example.com"
    suffix = await discover("my.bank", lookup)
    assert (suffix.source, suffix.found_at) == (Source.PUBLIC_SUFFIX, "bank")
    assert any("public suffix" in sentence for sentence in older_readers_differ(suffix))
    nothing = await discover("example.org", lookup)
    assert (nothing.record, nothing.policy, nothing.walk.failed) == (None, None, None)


async def test_a_failed_look_up_is_never_taken_for_no_record() -> None:
    lost = await discover(
        "a.example.com", zone({"a.example.com": "failed", "example.com": "v=DMARC1; p=reject"})
    )
    assert lost.record is None
    assert lost.walk.failed is not None
    assert lost.walk.failed.domain == "a.example.com"
    above = await discover(
        "a.example.com", zone({"a.example.com": "v=DMARC1; p=none", "example.com": "failed"})
    )
    assert above.policy is Policy.NONE


async def test_what_older_readers_do_otherwise_is_said() -> None:
    text = "v=DMARC1; t=y; np=reject; pct=20; psd=n"
    found = await discover("example.com", zone({"example.com": text}))
    told = " ".join(older_readers_differ(found))
    for word in ("pct=20", "t=y", "np=", "psd=n", "without p="):
        assert word in told
    plain = await discover("example.com", zone({"example.com": "v=DMARC1; p=reject"}))
    assert not list(older_readers_differ(plain))


@pytest.mark.parametrize(
    ("destination", "agreement", "status"),
    [
        ("example.com", None, Authorisation.SAME_ORGANISATION),
        ("reports.example.com", None, Authorisation.SAME_ORGANISATION),
        ("other.test", None, Authorisation.REFUSED),
        ("other.test", ["v=spf1 -all"], Authorisation.REFUSED),
        ("other.test", ["hello", "v=DMARC1"], Authorisation.AUTHORISED),
        ("other.test", ["v=DMARC1; rua=mailto:x@other.test"], Authorisation.AUTHORISED),
        ("other.test", "failed", Authorisation.UNKNOWN),
    ],
)
async def test_reports_go_to_another_organisation_only_where_it_agrees(
    destination: str, agreement: object, status: Authorisation
) -> None:
    lookup = zone({"example.com": "v=DMARC1; p=none"})
    name = f"example.com._report._dmarc.{destination}"
    if agreement is not None:
        lookup = ZoneLookup({**lookup.zone, name: {"TXT": agreement}})
    agreed = await authorisation("example.com", destination, lookup)
    assert agreed.status is status
    assert agreed.name == ("" if status is Authorisation.SAME_ORGANISATION else name)


@pytest.mark.parametrize("failing", ["_dmarc.example.com", "_dmarc.reports.example.com"])
async def test_nobody_refuses_where_the_organisation_is_not_known(failing: str) -> None:
    lookup = ZoneLookup({failing: {"TXT": "failed"}})
    agreed = await authorisation("example.com", "reports.example.com", lookup)
    assert (agreed.status, agreed.name) == (Authorisation.UNKNOWN, failing)


async def test_a_report_address_too_long_to_ask_about_is_refused() -> None:
    long = ".".join(["a" * 60] * 4)
    agreed = await authorisation("example.com", long, zone({}))
    assert agreed.status is Authorisation.REFUSED
