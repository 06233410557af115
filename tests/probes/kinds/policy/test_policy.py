"""Kind `policy` against scripted servers: who could still deliver, and what is wrong."""

from collections.abc import Sequence

import pytest

from exporter.testbed.servers.certificates import Identity, foreign, identity
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, Faults
from exporter.testbed.servers.https import page, sts_policy
from exporter.testbed.servers.script import Close, Flood, Say, Send, Steps, Wait
from exporter.testbed.servers.smtp import Script
from probes.kinds.policy.probe import PolicyTarget, host
from probes.net.tls import TrustStore
from probes.options import Count, Domain, Seconds
from probes.options import Host as HostName
from probes.result import Owner, Phase, Reason, Status
from tests.servers.certificates import Authority
from tests.support.policy_world import (
    DOMAIN,
    MX,
    MX_ADDRESS,
    PATH,
    POLICY,
    STS_RECORD,
    ZONE,
    found,
    outcomes,
    policy_world,
    run,
)

CLEAR, ENCRYPTED = "delivered_in_clear", "delivered_encrypted"
PROVEN, DEFERRED, BOUNCED = "delivered_authenticated", "deferred", "bounced"
UNKNOWN = "untestable"


@pytest.fixture(scope="module")
def mx(authority: Authority) -> Identity:
    return identity(authority.pem(MX), authority.file.read_bytes())


def serving(who: Identity, *extensions: str) -> dict[str, Script]:
    return {MX_ADDRESS: Script(tls=who.context, extensions=extensions or ("SIZE 1000",))}


async def test_a_domain_that_does_everything_is_delivered_to_by_everybody(
    authority: Authority, trust: TrustStore, mx: Identity
) -> None:
    zone = ZONE + STS_RECORD + mx.tlsa() + '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:t@example.test"'
    async with policy_world(
        zone,
        trust=trust,
        hosts=serving(mx, "REQUIRETLS"),
        pages={PATH: page(sts_policy())},
        policy_context=authority.context(POLICY),
    ) as net:
        result = await run(net)
    assert result.ok, result
    assert outcomes(result) == [ENCRYPTED, PROVEN, PROVEN, PROVEN]
    assert not result.findings
    assert result.facts["sts.mode"] == "enforce"
    assert result.facts["sts.id"] == "20261123"
    assert result.facts["tlsrpt.rua"] == ("mailto:t@example.test",)
    assert result.facts["dnssec.mx"] == "secure"
    (part,) = [part for part in result.parts if part.address == MX_ADDRESS]
    assert part.facts["dane.state"] == "match"
    assert part.facts["tls.days_left"][0] > 100


async def test_a_domain_that_publishes_nothing_is_delivered_to_without_proof(
    trust: TrustStore, mx: Identity
) -> None:
    async with policy_world(ZONE, trust=trust, hosts=serving(mx)) as net:
        result = await run(net)
    assert result.ok
    assert outcomes(result) == [ENCRYPTED, ENCRYPTED, ENCRYPTED, BOUNCED]
    assert {f.code for f in result.findings} == {"sts.absent", "tlsrpt.absent", "dane.absent"}
    assert all(finding.status is Status.INFO for finding in result.findings)


async def test_without_starttls_mail_goes_in_clear_and_who_insists_does_not_deliver(
    authority: Authority, trust: TrustStore, mx: Identity
) -> None:
    async with policy_world(
        ZONE + STS_RECORD + mx.tlsa(),
        trust=trust,
        hosts={MX_ADDRESS: Script()},
        pages={PATH: page(sts_policy())},
        policy_context=authority.context(POLICY),
    ) as net:
        result = await run(net)
    assert outcomes(result) == [CLEAR, DEFERRED, DEFERRED, BOUNCED]
    assert result.failure is not None
    assert result.failure.reason is Reason.STARTTLS_NOT_SUPPORTED
    assert (result.failure.phase, result.failure.owner) == (Phase.EVALUATE, Owner.RECEIVER_MX)
    assert found(result, "dane.no_starttls")
    assert found(result, "sts.host_untrusted")


# -- DANE


@pytest.mark.parametrize(
    ("usage", "selector", "depth"), [(3, 1, 0), (3, 0, 0), (2, 0, 1), (2, 1, 1)]
)
async def test_every_usable_kind_of_tlsa_record_matches_what_it_was_made_of(
    trust: TrustStore, mx: Identity, usage: int, selector: int, depth: int
) -> None:
    zone = ZONE + mx.tlsa(usage, selector, depth)
    async with policy_world(zone, trust=trust, hosts=serving(mx)) as net:
        result = await run(net)
    assert result.ok, result.failure
    assert outcomes(result)[2] == PROVEN
    assert bool(found(result, "dane.unusual")) == ((usage, selector) == (3, 0))


async def test_an_authority_vouches_for_names_and_an_own_key_does_not_need_one(
    authority: Authority, trust: TrustStore
) -> None:
    other = identity(authority.pem("other.test"), authority.file.read_bytes())
    async with policy_world(ZONE + other.tlsa(2, 0, 1), trust=trust, hosts=serving(other)) as net:
        by_authority = await run(net)
    async with policy_world(ZONE + other.tlsa(3, 1), trust=trust, hosts=serving(other)) as net:
        by_key = await run(net)
    assert outcomes(by_authority)[2] == DEFERRED
    assert "names none of" in found(by_authority, "dane.mismatch")[0].evidence
    assert outcomes(by_key)[2] == PROVEN


async def test_a_certificate_that_no_record_matches_keeps_dane_senders_away(
    authority: Authority, trust: TrustStore, mx: Identity
) -> None:
    other = identity(authority.pem(MX))
    async with policy_world(ZONE + other.tlsa(), trust=trust, hosts=serving(mx)) as net:
        result = await run(net)
    assert result.failure is not None
    assert result.failure.reason is Reason.VALIDATION_FAILURE
    assert outcomes(result) == [ENCRYPTED, ENCRYPTED, DEFERRED, BOUNCED]
    assert found(result, "dane.mismatch")[0].status is Status.FAILURE


async def test_a_second_record_is_a_rollover(
    authority: Authority, trust: TrustStore, mx: Identity
) -> None:
    following = identity(authority.pem(MX))
    zone = ZONE + mx.tlsa() + following.tlsa()
    async with policy_world(zone, trust=trust, hosts=serving(mx)) as net:
        result = await run(net)
    assert result.ok
    assert found(result, "dane.rollover")[0].status is Status.INFO


@pytest.mark.parametrize(
    "record", ["1 1 1 " + "00" * 32, "9 1 1 " + "00" * 32, "3 7 1 " + "00" * 32]
)
async def test_records_that_nobody_can_use_make_tls_compulsory_and_prove_nothing(
    trust: TrustStore, mx: Identity, record: str
) -> None:
    zone = f"{ZONE}_25._tcp.mx TLSA {record}"
    async with policy_world(zone, trust=trust, hosts=serving(mx)) as net:
        result = await run(net)
    assert result.ok
    assert outcomes(result)[2] == ENCRYPTED
    assert found(result, "dane.unusable")[0].status is Status.WARNING


async def test_a_digest_that_is_too_short_is_the_domains_mistake_and_not_our_resolvers(
    trust: TrustStore, mx: Identity
) -> None:
    faults = {(f"_25._tcp.{MX}", "TLSA"): DnsFault(Misbehaviour.SHORT_TLSA)}
    async with policy_world(ZONE, trust=trust, hosts=serving(mx), faults=faults) as net:
        result = await run(net)
    assert outcomes(result)[2] == ENCRYPTED
    assert "2 octets" in found(result, "dane.unusable")[0].evidence


async def test_records_in_an_unsigned_zone_are_heeded_by_nobody(
    trust: TrustStore, mx: Identity
) -> None:
    zone = f"{ZONE}_25._tcp.mx TLSA 3 1 1 " + "00" * 32
    async with policy_world(zone, trust=trust, hosts=serving(mx), signed=(".",)) as net:
        result = await run(net)
    assert result.ok
    assert outcomes(result)[2] == ENCRYPTED
    assert found(result, "dane.not_signed")
    assert found(result, "dnssec.insecure")


@pytest.mark.parametrize("misbehaviour", [Misbehaviour.BOGUS, Misbehaviour.SERVFAIL])
async def test_records_that_cannot_be_looked_up_defer_the_mail_of_dane_senders(
    trust: TrustStore, mx: Identity, misbehaviour: Misbehaviour
) -> None:
    faults = {(f"_25._tcp.{MX}", "TLSA"): DnsFault(misbehaviour)}
    async with policy_world(ZONE, trust=trust, hosts=serving(mx), faults=faults) as net:
        result = await run(net)
    assert result.failure is not None
    assert (result.failure.reason, result.failure.owner) == (
        Reason.DNSSEC_INVALID,
        Owner.RECEIVER_DNS,
    )
    assert outcomes(result) == [ENCRYPTED, ENCRYPTED, DEFERRED, BOUNCED]
    assert found(result, "dane.lookup_failed")[0].status is Status.FAILURE


@pytest.mark.parametrize("is_root_known", [True, False])
async def test_silence_about_the_records_is_theirs_where_our_resolver_works_and_else_left_open(
    trust: TrustStore, mx: Identity, *, is_root_known: bool
) -> None:
    silence = DnsFault(Misbehaviour.SILENCE)
    faults = {(f"_25._tcp.{MX}", "TLSA"): silence}
    if not is_root_known:
        faults[".", "NS"] = silence
    async with policy_world(ZONE, trust=trust, hosts=serving(mx), faults=faults) as net:
        result = await run(net)
    assert outcomes(result)[2] == (DEFERRED if is_root_known else UNKNOWN)
    status = Status.FAILURE if is_root_known else Status.UNTESTABLE
    assert found(result, "dane.lookup_failed")[0].status is status


async def test_of_an_alias_the_records_under_its_target_count(
    trust: TrustStore, mx: Identity
) -> None:
    zone = f"@ MX 10 alias\nalias CNAME mx\nmx A {MX_ADDRESS}\n{mx.tlsa()}"
    async with policy_world(zone, trust=trust, hosts=serving(mx)) as net:
        result = await run(net)
    (part,) = [part for part in result.parts if part.address == MX_ADDRESS]
    assert part.facts["dane.tlsa_name"] == f"_25._tcp.{MX}"
    assert outcomes(result)[2] == PROVEN


async def test_an_alias_that_leads_out_of_the_signed_zone_is_protected_under_its_own_name(
    trust: TrustStore, mx: Identity
) -> None:
    record = mx.tlsa().replace("_25._tcp.mx", "_25._tcp.alias")
    zone = f"@ MX 10 alias\nalias CNAME mx.other.test.\n{record}"
    zones = {"other.test": f"mx A {MX_ADDRESS}\n_25._tcp.mx TLSA 3 1 1 " + "00" * 32}
    async with policy_world(zone, trust=trust, hosts=serving(mx), zones=zones) as net:
        result = await run(net)
    (part,) = [part for part in result.parts if part.address == MX_ADDRESS]
    assert part.facts["dane.tlsa_name"] == f"_25._tcp.alias.{DOMAIN}"
    assert outcomes(result)[2] == PROVEN


async def test_one_host_with_records_beside_one_without_is_told(
    trust: TrustStore, mx: Identity
) -> None:
    zone = ZONE + "@ MX 20 second\nsecond A 192.0.2.2\n" + mx.tlsa()
    hosts = {**serving(mx), "192.0.2.2": Script(tls=mx.context)}
    async with policy_world(zone, trust=trust, hosts=hosts) as net:
        result = await run(net)
    assert str(found(result, "dane.partial")[0].subject) == "second.example.test"


@pytest.mark.parametrize(
    ("greeting", "outcome", "says"),
    [
        ("521 5.3.2 no mail here", "bounced", "it refuses for good: the greeting was 521"),
        ("554 5.7.1 not you", "bounced", "it refuses for good: the greeting was 554"),
        ("421 4.3.2 stopping", "deferred", "it refuses for now: the greeting was 421"),
    ],
)
async def test_a_host_that_refuses_is_not_called_unreachable(
    trust: TrustStore, greeting: str, outcome: str, says: str
) -> None:
    hosts = {MX_ADDRESS: Script(on={"connect": (Say(greeting), Close())})}
    async with policy_world(ZONE, trust=trust, hosts=hosts) as net:
        result = await run(net)
    assert outcomes(result) == [outcome] * 4
    assert says in result.facts["consequence.opportunistic.why"]


@pytest.mark.parametrize(
    ("records", "faults", "outcome", "says"),
    [
        (
            "mx A 192.0.2.1\n",
            {(MX, "A"): DnsFault(Misbehaviour.BOGUS)},
            "deferred",
            "its addresses cannot be looked up",
        ),
        ("mx CNAME loop\nloop CNAME mx\n", {}, "deferred", "its addresses cannot be looked up"),
        ("mx TXT nothing\n", {}, "bounced", "it has no address"),
    ],
    ids=["bogus", "loop", "none"],
)
async def test_a_host_without_an_address_to_go_to_is_not_called_unreachable(
    trust: TrustStore, records: str, faults: Faults, outcome: str, says: str
) -> None:
    zone = f"@ MX 10 mx\n{records}"
    async with policy_world(zone, trust=trust, faults=faults) as net:
        result = await run(net)
    assert result.facts["dnssec.resolver_validates"] is True
    assert outcomes(result) == [outcome] * 4
    for sender in ("opportunistic", "mta_sts", "dane", "requiretls"):
        assert says in result.facts[f"consequence.{sender}.why"]


# -- our own resolver, and DNSSEC


async def test_a_resolver_that_does_not_validate_makes_dane_untestable_and_nothing_else(
    trust: TrustStore, mx: Identity
) -> None:
    async with policy_world(ZONE + mx.tlsa(), trust=trust, hosts=serving(mx), signed=()) as net:
        result = await run(net)
    assert outcomes(result)[:3] == [ENCRYPTED, ENCRYPTED, UNKNOWN]
    (finding,) = found(result, "dnssec.resolver_not_validating")
    assert finding.status is Status.UNTESTABLE
    assert result.facts["dnssec.mx"] == "untestable"


@pytest.mark.parametrize(("is_refused", "state"), [(True, "secure"), (False, "untestable")])
async def test_a_name_with_broken_signatures_tests_the_resolver(
    trust: TrustStore, mx: Identity, *, is_refused: bool, state: str
) -> None:
    target = PolicyTarget(Domain(DOMAIN), broken_name=HostName("broken.example.test"))
    zone = ZONE + "broken A 192.0.2.99\n"
    fault = DnsFault(Misbehaviour.BOGUS) if is_refused else DnsFault()
    faults = {("broken.example.test", "A"): fault}
    async with policy_world(zone, trust=trust, hosts=serving(mx), faults=faults) as net:
        result = await run(net, target)
    assert result.facts["dnssec.mx"] == state
    assert bool(found(result, "dnssec.resolver_not_validating")) == (not is_refused)


async def test_a_resolver_that_invents_addresses_is_told(trust: TrustStore, mx: Identity) -> None:
    hosts = {"192.0.2.77": Script(tls=mx.context)}
    faults = {("*", "A"): DnsFault(Misbehaviour.INVENTED)}
    async with policy_world(ZONE, trust=trust, hosts=hosts, faults=faults) as net:
        result = await run(net)
    assert found(result, "dnssec.resolver_rewrites")


@pytest.mark.parametrize("misbehaviour", [Misbehaviour.BOGUS, Misbehaviour.BOGUS_UNSAID])
async def test_a_bogus_domain_is_deferred_by_everybody(
    trust: TrustStore, misbehaviour: Misbehaviour
) -> None:
    faults = {(DOMAIN, "MX"): DnsFault(misbehaviour)}
    async with policy_world(ZONE, trust=trust, faults=faults) as net:
        result = await run(net)
    assert result.failure is not None
    assert result.failure.reason is Reason.DNSSEC_BOGUS
    assert outcomes(result) == [DEFERRED] * 4
    assert found(result, "dnssec.bogus")


async def test_a_domain_that_takes_no_mail_bounces_it(trust: TrustStore) -> None:
    async with policy_world("@ MX 0 .", trust=trust) as net:
        result = await run(net)
    assert result.failure is not None
    assert result.failure.reason is Reason.NULL_MX
    assert outcomes(result) == [BOUNCED] * 4


async def test_a_host_without_an_address_is_passed_over(trust: TrustStore, mx: Identity) -> None:
    zone = "@ MX 5 ghost\n" + ZONE + mx.tlsa()
    async with policy_world(zone, trust=trust, hosts=serving(mx)) as net:
        result = await run(net)
    assert result.ok
    assert outcomes(result)[2] == PROVEN
    (part,) = [part for part in result.parts if part.host == "ghost.example.test"]
    assert part.failure is not None
    assert part.failure.reason is Reason.NXDOMAIN


async def test_hosts_and_addresses_that_are_left_out_are_told(
    trust: TrustStore, mx: Identity
) -> None:
    zone = ZONE + "".join(f"mx A 198.51.100.{n}\n" for n in range(1, 80)) + "@ MX 20 other\n"
    target = PolicyTarget(Domain(DOMAIN), max_hosts=Count(1))
    async with policy_world(zone, trust=trust, hosts=serving(mx)) as net:
        result = await run(net, target)
    assert {finding.evidence for finding in found(result, "mx.hosts_left_out")} == {
        "1 hosts were not probed",
        "20 addresses were not probed",
    }


async def test_a_host_nobody_reaches_defers_the_mail(trust: TrustStore) -> None:
    async with policy_world(ZONE, trust=trust) as net:
        result = await run(net)
    assert result.failure is not None
    assert result.failure.reason is Reason.CONNECTION_REFUSED
    assert outcomes(result) == [DEFERRED] * 4


# -- MTA-STS


async def test_hosts_and_patterns_are_compared_both_ways(
    authority: Authority, trust: TrustStore, mx: Identity
) -> None:
    text = sts_policy(mx=("*.elsewhere.test",))
    async with policy_world(
        ZONE + STS_RECORD,
        trust=trust,
        hosts=serving(mx),
        pages={PATH: page(text)},
        policy_context=authority.context(POLICY),
    ) as net:
        result = await run(net)
    assert outcomes(result)[1] == DEFERRED
    assert result.failure is not None
    assert result.failure.reason is Reason.STS_POLICY_INVALID
    assert str(found(result, "sts.host_not_covered")[0].subject) == MX
    assert str(found(result, "sts.pattern_unused")[0].subject) == "*.elsewhere.test"


@pytest.mark.parametrize(("mode", "outcome"), [("enforce", DEFERRED), ("testing", ENCRYPTED)])
async def test_a_certificate_nobody_trusts_matters_as_the_mode_says(
    authority: Authority, trust: TrustStore, mode: str, outcome: str
) -> None:
    async with policy_world(
        ZONE + STS_RECORD,
        trust=trust,
        hosts={MX_ADDRESS: Script(tls=foreign(MX))},
        pages={PATH: page(sts_policy(mode))},
        policy_context=authority.context(POLICY),
    ) as net:
        result = await run(net)
    assert outcomes(result)[1] == outcome
    status = Status.FAILURE if mode == "enforce" else Status.WARNING
    assert found(result, "sts.host_untrusted")[0].status is status
    assert result.ok == (mode == "testing")


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ('_mta-sts TXT "v=STSv1; id=1"\n_mta-sts TXT "v=STSv1; id=2"', "sts.record_multiple"),
        ('_mta-sts TXT "v=STSv1; id=not-letters"', "sts.record_syntax"),
        ('_mta-sts TXT "v=STSv1; key=value"', "sts.record_syntax"),
        ('_mta-sts TXT "hello"', "sts.absent"),
        ('_mta-sts TXT "v=spf1 -all"', "sts.absent"),
        ('_mta-sts TXT "v=STSv1 id=20"', "sts.record_ignored"),
        ('_mta-sts TXT " v=STSv1; id=20"', "sts.record_ignored"),
        ('_mta-sts TXT "v=stsv1; id=20"', "sts.record_ignored"),
        ('_mta-sts TXT "id=20; v=STSv1"', "sts.record_ignored"),
        ('_smtp._tls TXT "v=TLSRPTv1 rua=mailto:a@x.test"', "tlsrpt.record_ignored"),
        ('_smtp._tls TXT "v=tlsrptv1; rua=mailto:a@x.test"', "tlsrpt.record_ignored"),
        ('_smtp._tls TXT "v=TLSRPT; rua=mailto:a@x.test"', "tlsrpt.record_ignored"),
        ('_smtp._tls TXT "v=TLSRPTv1; rua=ftp://x"', "tlsrpt.record_syntax"),
        (
            '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:a@b"\n_smtp._tls TXT "v=TLSRPTv1; rua=x"',
            "tlsrpt.record_multiple",
        ),
    ],
)
async def test_a_record_that_senders_do_not_take_is_told(
    trust: TrustStore, mx: Identity, records: str, code: str
) -> None:
    async with policy_world(ZONE + records, trust=trust, hosts=serving(mx)) as net:
        result = await run(net)
    assert found(result, code)
    assert outcomes(result)[1] == ENCRYPTED


@pytest.mark.slow("waits for what never comes")
@pytest.mark.parametrize("area", ["sts", "tlsrpt"])
@pytest.mark.parametrize("misbehaviour", [Misbehaviour.SERVFAIL, Misbehaviour.SILENCE])
async def test_a_record_that_cannot_be_looked_up_is_not_a_missing_one(
    trust: TrustStore, mx: Identity, area: str, misbehaviour: Misbehaviour
) -> None:
    name = f"_mta-sts.{DOMAIN}" if area == "sts" else f"_smtp._tls.{DOMAIN}"
    faults = {(name, "TXT"): DnsFault(misbehaviour)}
    async with policy_world(ZONE, trust=trust, hosts=serving(mx), faults=faults) as net:
        result = await run(net)
    assert found(result, f"{area}.lookup_failed")[0].status is Status.WARNING
    assert not found(result, f"{area}.absent")
    if area == "sts":
        assert outcomes(result)[1] == ENCRYPTED


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
_METADATA = "Location: http://169.254.169.254/latest/meta-data/\r\n"
HOSTILE: Sequence[tuple[str, Steps, str]] = (
    (
        "redirect to metadata",
        page(b"", status="302 Found", head=_METADATA),
        "redirects are not followed",
    ),
    ("not found", page(b"x", status="404 Not Found"), "404"),
    ("no content", page(b"", status="204 No Content"), "204"),
    (
        "media type",
        (Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx"),),
        "text/html",
    ),
    ("huge", (Send(_HEAD + b"\r\n"), Flood(b"mx: a.test\n" * 500)), "more than 65536 octets"),
    (
        "slow loris",
        (Send(_HEAD + b"Content-Length: 999\r\n\r\n"), Send(b"x" * 999, 0.1)),
        "timeout",
    ),
    ("silence", (Wait(),), "timeout"),
    ("binary", (Send(bytes(range(256)) * 9), Wait()), "malformed_reply"),
)


@pytest.mark.slow("waits for what never comes")
@pytest.mark.parametrize(
    ("steps", "said"), [row[1:] for row in HOSTILE], ids=[r[0] for r in HOSTILE]
)
async def test_a_policy_that_cannot_be_had_is_no_policy(
    authority: Authority, trust: TrustStore, mx: Identity, steps: Steps, said: str
) -> None:
    target = PolicyTarget(Domain(DOMAIN), policy_timeout=Seconds(0.8))
    async with policy_world(
        ZONE + STS_RECORD,
        trust=trust,
        hosts=serving(mx),
        pages={PATH: steps},
        policy_context=authority.context(POLICY),
    ) as net:
        result = await run(net, target)
    (finding,) = found(result, "sts.policy_fetch")
    assert said in finding.evidence
    assert outcomes(result)[:2] == [ENCRYPTED, ENCRYPTED]
    assert result.ok


async def test_a_policy_host_needs_a_certificate_for_its_own_name(
    authority: Authority, trust: TrustStore, mx: Identity
) -> None:
    async with policy_world(
        ZONE + STS_RECORD,
        trust=trust,
        hosts=serving(mx),
        pages={PATH: page(sts_policy())},
        policy_context=authority.context(MX),
    ) as net:
        result = await run(net)
    assert "certificate_host_mismatch" in found(result, "sts.policy_fetch")[0].evidence


async def test_a_policy_host_at_a_metadata_address_is_never_asked(
    authority: Authority, trust: TrustStore, mx: Identity
) -> None:
    zone = f"@ MX 10 mx\nmx A {MX_ADDRESS}\nmta-sts A 169.254.169.254\n{STS_RECORD}"
    async with policy_world(zone, trust=trust, hosts=serving(mx)) as net:
        result = await run(net)
    (part,) = [part for part in result.parts if part.host == POLICY]
    assert Phase.CONNECT not in {timing.phase for timing in part.timings}
    assert "169.254.169.254" in found(result, "sts.policy_fetch")[0].evidence


@pytest.mark.parametrize(
    "body",
    [b"", b"version: STSv1\nmode: enforce\nmax_age: 99\n", b"mode: enforce\n", b"\xff\xfe"],
)
async def test_a_policy_that_is_none_is_told(
    authority: Authority, trust: TrustStore, mx: Identity, body: bytes
) -> None:
    async with policy_world(
        ZONE + STS_RECORD,
        trust=trust,
        hosts=serving(mx),
        pages={PATH: page(body)},
        policy_context=authority.context(POLICY),
    ) as net:
        result = await run(net)
    assert found(result, "sts.policy_invalid")
    assert outcomes(result)[1] == ENCRYPTED


async def test_a_policy_that_is_kept_too_briefly_is_told(
    authority: Authority, trust: TrustStore, mx: Identity
) -> None:
    async with policy_world(
        ZONE + STS_RECORD,
        trust=trust,
        hosts=serving(mx),
        pages={PATH: page(sts_policy(max_age=3600))},
        policy_context=authority.context(POLICY),
    ) as net:
        result = await run(net)
    assert "less than a week" in found(result, "sts.policy_lint")[0].evidence


# -- certificates


async def test_a_certificate_that_ends_soon_is_told_with_its_address(
    authority: Authority, trust: TrustStore, mx: Identity
) -> None:
    zone = ZONE + "mx A 192.0.2.2\n"
    hosts = {**serving(mx), "192.0.2.2": Script(tls=authority.expired(MX))}
    async with policy_world(zone, trust=trust, hosts=hosts) as net:
        result = await run(net)
    (finding,) = found(result, "tls.certificate_expires")
    assert str(finding.subject) == f"{MX} [192.0.2.2]"


def test_a_run_loads_its_domain() -> None:
    assert host(PolicyTarget(Domain(DOMAIN))) == DOMAIN
