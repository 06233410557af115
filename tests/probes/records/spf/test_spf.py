"""SPF against its own corpus, and what no policy may do to us."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.looked_up import LookedUp, LookupStatus
from probes.records.mx import MxRecord
from probes.records.spf.check_host import check_host
from probes.records.spf.cost import worst_case
from probes.records.spf.lint import lint
from probes.records.spf.macros import parse_macro_string, shortened
from probes.records.spf.record import SpfResult, is_spf, parse_spf
from probes.records.spf.verdict import SpfLimits, StepOutcome
from tests.probes.records.spf.spf_corpus import AT, Case, ZoneLookup, cases

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_session_has_the_result_of_the_corpus(case: Case) -> None:
    verdict = await check_host(
        case.ip,
        case.mail_from,
        case.helo,
        ZoneLookup(case.zone),
        receiver="rx.test",
        at=AT,
    )
    assert verdict.result == case.expected["result"], verdict
    for key, value in (
        ("explanation", verdict.explanation),
        ("matched", verdict.matched),
        ("lookups", verdict.lookups),
        ("voids", verdict.void_lookups),
    ):
        if key in case.expected:
            assert value == case.expected[key], verdict
    is_error = verdict.result in (SpfResult.NONE, SpfResult.TEMPERROR, SpfResult.PERMERROR)
    assert bool(verdict.problem) is is_error


def zone(**domains: str) -> ZoneLookup:
    return ZoneLookup({f"{name}.test": {"TXT": [text]} for name, text in domains.items()})


async def test_the_tree_tells_what_was_tried_and_what_matched() -> None:
    lookup = zone(
        a="v=spf1 include:b.test a:absent.test redirect=c.test",
        b="v=spf1 ip4:198.51.100.1 -all",
        c="v=spf1 ip4:192.0.2.0/24 -all",
    )
    verdict = await check_host("192.0.2.1", "x@a.test", "h.test", lookup)
    assert verdict.result is SpfResult.PASS
    assert verdict.matched == "ip4:192.0.2.0/24"
    assert verdict.path == ("a.test: redirect=c.test", "c.test: ip4:192.0.2.0/24")
    assert (verdict.lookups, verdict.void_lookups, verdict.questions) == (3, 1, 4)
    assert verdict.tree is not None
    include, absent, redirect = verdict.tree.steps
    assert [step.outcome for step in verdict.tree.steps] == [
        StepOutcome.NO_MATCH,
        StepOutcome.NO_MATCH,
        StepOutcome.FOLLOWED,
    ]
    assert include.inner is not None
    assert include.inner.result is SpfResult.FAIL
    assert absent.questions == ("A absent.test: nxdomain",)
    assert redirect.inner is not None
    assert redirect.inner.domain == "c.test"
    assert "    b.test: v=spf1 ip4:198.51.100.1 -all" in list(verdict.tree.lines())


async def test_an_include_that_matches_leads_to_its_own_term() -> None:
    lookup = zone(a="v=spf1 include:b.test -all", b="v=spf1 include:c.test", c="v=spf1 +all")
    verdict = await check_host("192.0.2.1", "x@a.test", "h.test", lookup)
    assert verdict.matched == "include:b.test"
    assert verdict.path == (
        "a.test: include:b.test",
        "b.test: include:c.test",
        "c.test: +all",
    )


async def test_an_error_keeps_the_tree_up_to_the_term_that_made_it() -> None:
    lookup = zone(a="v=spf1 ip4:198.51.100.1 include:b.test -all", b="v=spf1 nonsense")
    verdict = await check_host("192.0.2.1", "x@a.test", "h.test", lookup)
    assert verdict.result is SpfResult.PERMERROR
    assert "nonsense" in verdict.problem
    assert verdict.matched is None
    assert verdict.tree is not None
    assert [step.outcome for step in verdict.tree.steps] == [
        StepOutcome.NO_MATCH,
        StepOutcome.ERROR,
    ]


async def test_our_own_resolvers_failure_is_told_from_theirs() -> None:
    async def dead(_name: str, _rdtype: str) -> LookedUp:
        return LookedUp(LookupStatus.FAILED, detail="timeout", is_ours=True)

    verdict = await check_host("192.0.2.1", "x@a.test", "h.test", dead)
    assert (verdict.result, verdict.is_ours) == (SpfResult.TEMPERROR, True)


async def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(RecordError):
        await check_host("192.0.2", "x@a.test", "h.test", zone())


async def test_a_name_that_grew_too_long_loses_labels_from_the_left() -> None:
    local = ".".join(["abcdefghi"] * 6)
    lookup = zone(a="v=spf1 exists:%{l}.%{l}.%{l}.%{l}.%{l}.x.a.test -all")
    await check_host("192.0.2.1", f"{local}@a.test", "h.test", lookup)
    (name,) = [name for name, rdtype in lookup.asked if rdtype == "A"]
    assert len(name) <= 253
    assert len("abcdefghi." + name) > 253
    assert name.startswith("abcdefghi.")
    assert name.endswith(".x.a.test")


async def test_a_bomb_costs_at_most_ten_terms_of_eleven_questions_each() -> None:
    names = [f"h{number}.test" for number in range(10)]
    asked = 0

    async def bomb(name: str, rdtype: str) -> LookedUp:
        nonlocal asked
        asked += 1
        if rdtype == "TXT":
            text = " ".join(["v=spf1", *["mx:m.test"] * 400, "include:again.test"])
            return LookedUp(LookupStatus.FOUND, (text.encode(),))
        if rdtype == "MX":
            return LookedUp(LookupStatus.FOUND, tuple(MxRecord(1, host) for host in names))
        return LookedUp(LookupStatus.FOUND, ("203.0.113.1",))

    verdict = await check_host("192.0.2.1", "x@a.test", "h.test", bomb)
    assert verdict.result is SpfResult.PERMERROR
    assert verdict.questions == asked == 1 + 10 * 11


async def test_an_explanation_of_any_length_is_cut() -> None:
    lookup = zone(a="v=spf1 -all exp=b.test", b="%{s}" * 10_000)
    verdict = await check_host("192.0.2.1", f"{'l' * 300}@a.test", "h.test", lookup)
    assert verdict.explanation is not None
    assert len(verdict.explanation) == 4096


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 " + "ip4:192.0.2.1 " * 80_000,
        "v=spf1 a:" + "/" * 65_000,
        "v=spf1 a:" + "%{d}" * 16_000 + ".test",
        "v=spf1 a:" + "%{" * 32_000,
        "v=spf1 " + "x" * 65_000 + "=",
        "v=spf1 exists:" + "%{d1r-.+,/_=}" * 5_000,
        "v=spf1 a:" + "a." * 32_000 + "test/24//64",
    ],
    ids=lambda text: text[:20],
)
async def test_a_record_of_any_length_is_read_in_linear_time(text: str) -> None:
    lookup = zone(a=text)
    began = time.process_time()
    verdict = await check_host("192.0.2.1", f"{'l' * 300}@a.test", "h.test", lookup)
    assert time.process_time() - began < 5
    assert verdict.result in (SpfResult.PERMERROR, SpfResult.NEUTRAL)


@given(st.binary(max_size=200))
def test_any_record_is_read_or_refused(octets: bytes) -> None:
    text = "v=spf1 " + octets.decode("latin-1")
    try:
        record = parse_spf(text)
    except RecordError:
        return
    assert record.text == text
    assert text.isascii()
    list(lint(record))


TERMS = st.lists(
    st.sampled_from(
        [
            *(
                "a",
                "mx",
                "ptr",
                "-all",
                "?all",
                "a/24",
                "mx//64",
                "include:b.test",
                "exists:%{ir}.b.test",
            ),
            *(
                "redirect=b.test",
                "exp=b.test",
                "ip4:192.0.2.0/24",
                "ip6:::/0",
                "a:%{p}",
                "x=%{d2r}",
            ),
        ]
    ),
    max_size=14,
)


@given(TERMS, TERMS, st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]))
async def test_any_policy_has_a_result_within_its_limits(
    ours: list[str], theirs: list[str], ip: str
) -> None:
    lookup = zone(a=" ".join(["v=spf1", *ours]), b=" ".join(["v=spf1", *theirs]))
    verdict = await check_host(ip, "x@a.test", "h.test", lookup)
    assert verdict.lookups <= 11
    assert verdict.void_lookups <= 3
    assert len(lookup.asked) == verdict.questions
    assert (verdict.matched is not None) == bool(verdict.path)


@given(st.text(max_size=60), st.booleans())
def test_any_macro_string_is_read_or_refused(text: str, is_explanation: bool) -> None:  # noqa: FBT001
    try:
        parsed = parse_macro_string(text, is_explanation=is_explanation)
    except RecordError:
        return
    values = dict.fromkeys("slodiphvcrt", "a.b-c")
    assert len(shortened(parsed.expand(values))) <= 4 * 253


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("v=spf1 ip4:192.0.2.1 -all", set()),
        ("v=spf1 redirect=b.test", set()),
        ("v=spf1 ip4:192.0.2.1", {"spf.all_missing"}),
        ("v=spf1 +all", {"spf.all_permissive"}),
        ("v=spf1 ?all", {"spf.all_neutral"}),
        ("v=spf1 -all mx", {"spf.terms_after_all"}),
        ("v=spf1 -all redirect=b.test", {"spf.redirect_ignored"}),
        ("v=spf1 ptr -all", {"spf.ptr_used"}),
        ("v=spf1 ip4:10.0.0.0/7 -all", {"spf.network_wide"}),
        ("v=spf1 -ip4:10.0.0.0/7 -all", set()),
        ("v=spf1 ip6:2000::/3 -all", {"spf.network_wide"}),
        ("v=spf1 mx MX -all", {"spf.term_repeated"}),
        ("v=spf1 ip4=192.0.2.1 -all", {"spf.modifier_unknown"}),
        (
            "v=spf1 " + "ip4:192.0.2.1/32 " * 1 + "a:" + "x" * 450 + ".test -all",
            {"spf.record_long"},
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_unwise_is_said(text: str, codes: set[str]) -> None:
    assert {f"spf.{remark.flaw}" for remark in lint(parse_spf(text))} == codes


async def test_the_worst_case_counts_every_term_of_every_policy() -> None:
    lookup = zone(
        a="v=spf1 a mx include:b.test exists:%{i}.a.test redirect=c.test",
        b="v=spf1 a mx -all",
        c="v=spf1 ptr ip4:192.0.2.1 -all a",
    )
    cost = await worst_case("a.test", parse_spf(lookup.zone["a.test"]["TXT"][0]), lookup)
    assert cost.lookups == 2 + 3 + 1 + 2
    assert cost.domains == ("a.test", "b.test", "c.test")
    assert cost.is_complete
    assert not cost.loops


async def test_a_policy_that_leads_to_itself_is_found_out_and_ends() -> None:
    lookup = zone(a="v=spf1 include:b.test -all", b="v=spf1 include:a.test -all")
    cost = await worst_case("a.test", parse_spf("v=spf1 include:b.test -all"), lookup)
    assert cost.loops == "a.test"
    assert cost.lookups == 2


async def test_the_worst_case_of_policies_without_end_is_bounded() -> None:
    asked = 0

    async def endless(name: str, _rdtype: str) -> LookedUp:
        nonlocal asked
        asked += 1
        text = f"v=spf1 include:a{asked}.test include:b{asked}.test -all"
        return LookedUp(LookupStatus.FOUND, (text.encode(),))

    cost = await worst_case("a.test", parse_spf("v=spf1 include:x.test"), endless)
    assert asked < 50
    assert cost.lookups > 10
    assert not cost.is_complete


async def test_a_policy_named_by_a_macro_leaves_the_worst_case_open() -> None:
    record = parse_spf("v=spf1 include:%{i}.test -all")
    cost = await worst_case("a.test", record, zone())
    assert (cost.lookups, cost.is_complete) == (1, False)


def test_only_the_version_and_a_space_make_a_record() -> None:
    assert is_spf("v=spf1")
    assert is_spf("V=SPF1 -all")
    assert not is_spf("v=spf1-all")
    assert not is_spf(" v=spf1")
    assert replace(parse_spf("v=spf1"), text="") == replace(parse_spf("V=SPF1"), text="")


@pytest.mark.parametrize("family", [4, 6])
async def test_the_worst_case_finds_nothing_as_often_as_an_evaluation_does(family: int) -> None:
    mx = {"MX": [(1, "one.test"), (2, "absent.test")]}
    lookup = ZoneLookup(
        {
            "a.test": {"TXT": ["v=spf1 a:one.test mx:two.test a:three.test include:b.test -all"]},
            "b.test": {"TXT": ["v=spf1 exists:no.test mx:no.test a:one.test -all"]},
            "one.test": {"A": ["203.0.113.1"]},
            "two.test": mx,
            "three.test": {"AAAA": ["2001:db8::7"]},
        }
    )
    cost = await worst_case("a.test", parse_spf(lookup.zone["a.test"]["TXT"][0]), lookup)
    ip = "192.0.2.1" if family == 4 else "2001:db8::1"
    limits = SpfLimits(lookups=100, voids=100)
    verdict = await check_host(ip, "x@a.test", "h.test", lookup, limits=limits)
    assert cost.voids[family == 6] == verdict.void_lookups
    assert cost.lookups == verdict.lookups
