"""Kind `submission`: what a log-in shows, and whom it blames."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.testbed.servers.certificates import foreign, self_signed
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.script import Close, Send, Wait
from exporter.testbed.servers.smtp import Script
from probes.catalogue import owner_of_finding
from probes.clock import SYSTEM_CLOCK
from probes.kinds.submission import SubmissionTarget, host, probe
from probes.net.tls import TrustStore
from probes.options import FilePath, Host, IpAddress, Port, Secret
from probes.result import Owner, Phase, ProbeResult, Reason, Status
from probes.run import run_once
from tests.servers.certificates import Authority
from tests.support.mail_world import MailWorld, mail_world

NAME = "submit.example.test"
ADDRESS = "192.0.2.10"
ZONE = f"submit A {ADDRESS}"
USERS = {"probe": "s3cret"}
TARGET = SubmissionTarget(Host(NAME), username="probe", password=Secret("s3cret"))


@pytest.fixture
def good(authority: Authority) -> Script:
    """A submission server as it should be."""
    return Script(tls=authority.context(NAME), extensions=("AUTH PLAIN",), users=USERS)


async def run(
    world: MailWorld, target: SubmissionTarget = TARGET, deadline: float = 20
) -> ProbeResult:
    """One run of the kind."""
    return await run_once(
        "submission",
        lambda trace: probe(world.net, target, trace),
        clock=SYSTEM_CLOCK,
        deadline=deadline,
    )


def phases(result: ProbeResult) -> list[Phase]:
    """The phases in the order in which they were timed."""
    return [timing.phase for timing in result.timings]


async def test_a_log_in_over_starttls_is_timed_step_by_step(
    good: Script, trust: TrustStore
) -> None:
    async with mail_world(ZONE, {ADDRESS: good}, trust=trust) as world:
        result = await run(world)
    assert result.ok, result.failure
    assert not result.findings
    assert phases(result) == [
        Phase.DNS_ADDRESS,
        Phase.CONNECT,
        Phase.GREETING,
        Phase.EHLO,
        Phase.STARTTLS,
        Phase.TLS,
        Phase.EHLO,
        Phase.AUTH,
        Phase.QUIT,
    ]
    assert world.verbs(ADDRESS) == [["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"]]
    assert result.facts["address"] == ADDRESS
    assert result.facts["ehlo.name"] == "peer.test"
    assert result.facts["ehlo.auth_mechanisms"] == ("PLAIN",)
    assert result.facts["tls.trusted"] is True


async def test_implicit_tls_begins_at_once(good: Script, trust: TrustStore) -> None:
    script = replace(good, implicit_tls=True)
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await run(world, replace(TARGET, tls="implicit", port=Port(465)))
    assert result.ok, result.failure
    assert phases(result)[1:4] == [Phase.CONNECT, Phase.TLS, Phase.GREETING]


async def test_without_a_user_nobody_logs_in(good: Script, trust: TrustStore) -> None:
    async with mail_world(ZONE, {ADDRESS: good}, trust=trust) as world:
        result = await run(world, replace(TARGET, username=None, password=None))
    assert result.ok
    assert Phase.AUTH not in phases(result)


async def test_an_address_is_not_looked_up_and_tls_can_be_left_out(
    good: Script, trust: TrustStore
) -> None:
    target = replace(TARGET, host=Host(ADDRESS), tls="none")
    async with mail_world(ZONE, {ADDRESS: good}, trust=trust) as world:
        result = await run(world, target)
    assert result.ok, result.failure
    assert Phase.DNS_ADDRESS not in phases(result)
    assert world.verbs(ADDRESS) == [["EHLO", "AUTH", "QUIT"]]


async def test_the_next_address_is_tried_and_the_first_is_a_finding(
    good: Script, trust: TrustStore
) -> None:
    zone = f"submit A 192.0.2.9\nsubmit A {ADDRESS}"
    async with mail_world(zone, {ADDRESS: good}, trust=trust) as world:
        results = [await run(world) for _ in range(2)]
    for result in results:
        assert result.ok, result.failure
        assert result.facts["address"] == ADDRESS
    findings = [finding for result in results for finding in result.findings]
    assert {(finding.code, finding.status) for finding in findings} <= {
        ("smtp.address_unusable", Status.WARNING)
    }
    assert all("192.0.2.9" in finding.evidence for finding in findings)


async def test_an_address_we_cannot_reach_ourselves_is_not_whom_we_blame(
    good: Script, trust: TrustStore
) -> None:
    zone = "submit A 192.0.2.9\nsubmit AAAA 2001:db8::9"
    async with mail_world(zone, {}, trust=trust, source_v6="2001:db8::beef") as world:
        result = await run(world)
    assert result.failure is not None
    assert result.failure.reason is Reason.CONNECTION_REFUSED
    assert result.failure.owner is Owner.RELAY
    assert phases(result)[1:] == [Phase.CONNECT, Phase.CONNECT]


async def test_where_we_can_reach_nothing_it_is_untestable(trust: TrustStore) -> None:
    zone = "submit AAAA 2001:db8::9"
    async with mail_world(zone, {}, trust=trust, source_v6="2001:db8::beef") as world:
        result = await run(world)
    assert result.failure is not None
    assert result.failure.is_untestable


async def test_a_server_name_that_does_not_exist_is_a_mistake_in_our_configuration(
    trust: TrustStore,
) -> None:
    async with mail_world("other A 192.0.2.1", {}, trust=trust) as world:
        result = await run(world)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.DNS_ADDRESS, Reason.NXDOMAIN)
    assert result.failure.owner is Owner.CONFIGURATION
    assert result.failure.is_untestable
    assert result.failure.detail.endswith(f"check the spelling of `host: {NAME}`")


@pytest.mark.parametrize("misbehaviour", [Misbehaviour.BOGUS, Misbehaviour.BOGUS_UNSAID])
async def test_a_name_that_does_not_validate_is_called_bogus(
    trust: TrustStore, misbehaviour: Misbehaviour
) -> None:
    faults = {(NAME, kind): DnsFault(misbehaviour) for kind in ("A", "AAAA")}
    async with mail_world(ZONE, {}, trust=trust, faults=faults) as world:
        result = await run(world)
    assert result.failure is not None
    assert (result.failure.reason, result.failure.owner) == (
        Reason.DNSSEC_BOGUS,
        Owner.RELAY,
    )


async def test_a_resolver_that_says_nothing_is_our_dns(trust: TrustStore) -> None:
    faults = {(NAME, kind): DnsFault(Misbehaviour.SILENCE) for kind in ("A", "AAAA")}
    async with mail_world(ZONE, {}, trust=trust, faults=faults) as world:
        result = await run(world)
    assert result.failure is not None
    assert (result.failure.reason, result.failure.owner) == (Reason.TIMEOUT, Owner.RESOLVER)


async def test_a_wrong_password_is_ours(good: Script, trust: TrustStore) -> None:
    async with mail_world(ZONE, {ADDRESS: good}, trust=trust) as world:
        result = await run(world, replace(TARGET, password=Secret("wrong")))
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason, result.failure.owner) == (
        Phase.AUTH,
        Reason.AUTHENTICATION_FAILED,
        Owner.CONFIGURATION,
    )
    assert result.failure.is_untestable
    assert world.verbs(ADDRESS) == [["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"]]


async def test_a_bad_certificate_fails_in_tls_with_its_reason(
    good: Script, authority: Authority, trust: TrustStore
) -> None:
    cases = [
        (authority.expired(NAME), Reason.CERTIFICATE_EXPIRED),
        (authority.context("other.test"), Reason.CERTIFICATE_HOST_MISMATCH),
        (foreign(NAME), Reason.CERTIFICATE_NOT_TRUSTED),
        (self_signed(NAME), Reason.CERTIFICATE_NOT_TRUSTED),
    ]
    for context, reason in cases:
        async with mail_world(ZONE, {ADDRESS: replace(good, tls=context)}, trust=trust) as world:
            result = await run(world)
        assert result.failure is not None
        assert (result.failure.phase, result.failure.reason) == (Phase.TLS, reason)
        assert world.verbs(ADDRESS) == [["EHLO", "STARTTLS"]]


async def test_a_bad_certificate_is_a_finding_where_it_need_not_be_good(
    good: Script, trust: TrustStore
) -> None:
    script = replace(good, tls=foreign(NAME))
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await run(world, replace(TARGET, verify=False, insecure=True))
    assert result.ok, result.failure
    assert [finding.code for finding in result.findings] == [
        "smtp.starttls.certificate_not_trusted"
    ]
    assert owner_of_finding(result.findings[0]) is Owner.RELAY


async def test_a_target_can_have_an_authority_of_its_own(good: Script, tmp_path: Path) -> None:
    own = Authority(tmp_path)
    script = replace(good, tls=own.context(NAME))
    async with mail_world(ZONE, {ADDRESS: script}, trust=TrustStore()) as world:
        result = await run(world, replace(TARGET, ca_file=FilePath(str(own.file))))
    assert result.ok, result.failure


async def test_a_ca_file_that_is_gone_is_ours(good: Script, trust: TrustStore) -> None:
    async with mail_world(ZONE, {ADDRESS: good}, trust=trust) as world:
        result = await run(world, replace(TARGET, ca_file=FilePath("/nonexistent/ca.pem")))
    assert result.failure is not None
    assert (result.failure.phase, result.failure.owner) == (Phase.TLS, Owner.CONFIGURATION)


async def test_starttls_that_is_not_offered_is_a_failure(good: Script, trust: TrustStore) -> None:
    async with mail_world(ZONE, {ADDRESS: replace(good, tls=None)}, trust=trust) as world:
        result = await run(world)
    assert result.failure is not None
    assert result.failure.reason is Reason.STARTTLS_NOT_SUPPORTED
    assert world.verbs(ADDRESS) == [["EHLO", "QUIT"]]


async def test_a_server_that_cannot_take_leave_is_a_finding(
    good: Script, trust: TrustStore
) -> None:
    script = replace(good, on={"QUIT": (Close(),)})
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await run(world)
    assert result.ok
    assert [finding.code for finding in result.findings] == ["smtp.quit.failed"]
    assert str(result.findings[0].subject) == ADDRESS


async def test_injected_plaintext_is_a_failure_and_a_finding(
    good: Script, trust: TrustStore
) -> None:
    injected = Send(b"220 go\r\n250 AUTH PLAIN\r\n")
    script = replace(good, on={"STARTTLS": (injected, Wait())})
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await run(world)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (
        Phase.STARTTLS,
        Reason.VALIDATION_FAILURE,
    )
    assert [finding.code for finding in result.findings] == ["smtp.starttls.plaintext_injected"]


async def test_a_silent_server_is_a_timeout_of_the_phase_it_was_silent_in(
    good: Script, trust: TrustStore
) -> None:
    script = replace(good, on={"tls EHLO": (Wait(),)})
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await run(world, deadline=0.5)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.EHLO, Reason.TIMEOUT)
    assert result.facts["tls.trusted"] is True


async def test_a_source_address_serves_its_own_family_only(good: Script, trust: TrustStore) -> None:
    async with mail_world(ZONE, {ADDRESS: good}, trust=trust) as world:
        for source in ("127.0.0.7", "2001:db8::7"):
            result = await run(world, replace(TARGET, source_address=IpAddress(source)))
            assert result.ok, result.failure


def test_a_run_loads_the_server() -> None:
    assert host(TARGET) == NAME
