"""The party at the other end decides whose a failure is."""

import pytest

from probes.catalogue import owner_of_finding, smtp
from probes.catalogue.parties import MAILBOX, RECEIVER, RELAY, SENDER, Party
from probes.clock import SYSTEM_CLOCK
from probes.net import Net
from probes.net.errors import NetError
from probes.net.tls import TrustStore
from probes.result import OURS, Owner, Phase, ProbeFailure, ProbeResult, Reason, Status
from probes.run import run_once
from probes.sessions.connecting import looked_up
from probes.trace import Trace
from tests.support.mail_world import mail_world

PARTIES = (RECEIVER, RELAY, MAILBOX, SENDER)
each_party = pytest.mark.parametrize("party", PARTIES, ids=lambda party: party.server)


async def ended(party: Party, failure: ProbeFailure, *, in_phase: bool) -> ProbeResult:
    """A run with this party that a failure ends, inside a phase or between two."""

    async def work(trace: Trace) -> None:
        trace.party = party
        with trace.part("host.test", None) as part:
            part.current = Phase.EHLO
            raise ProbeFailure(Reason.CONNECTION_CLOSED, "gone")
        if in_phase:
            with trace.phase(Phase.EHLO):
                raise failure
        trace.current = Phase.EHLO
        raise failure

    return await run_once("test", work, clock=SYSTEM_CLOCK, deadline=5)


@pytest.mark.parametrize("in_phase", [True, False])
@each_party
async def test_a_server_that_breaks_off_is_its_partys_wherever_that_is_raised(
    party: Party,
    in_phase: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    result = await ended(party, ProbeFailure(Reason.CONNECTION_CLOSED, "gone"), in_phase=in_phase)
    assert result.failure is not None
    assert result.failure.owner is party.server
    assert result.parts[0].failure is not None
    assert result.parts[0].failure.owner is party.server


@each_party
async def test_a_deadline_that_passes_in_a_dialogue_is_the_partys(party: Party) -> None:
    trace = Trace(SYSTEM_CLOCK)
    trace.party, trace.current = party, Phase.GREETING
    assert trace.deadline_passed().owner is party.server


@each_party
@pytest.mark.parametrize("owner", [*sorted(OURS), Owner.NETWORK, Owner.RECEIVER_MAILBOX], ids=str)
def test_an_owner_that_is_no_role_of_the_peer_stays(party: Party, owner: Owner) -> None:
    assert party.owner(owner, Reason.REJECTED) is owner


@each_party
def test_a_party_keeps_the_owners_it_names(party: Party) -> None:
    for reason in Reason:
        for owner in Owner:
            once = party.owner(owner, reason)
            assert party.owner(once, reason) is once


@each_party
async def test_a_finding_about_the_session_is_the_partys(party: Party) -> None:
    trace = Trace(SYSTEM_CLOCK)
    trace.party = party
    trace.findings.append(smtp.QUIT_FAILED.found(Status.NOTICE, "host.test", "gone"))
    assert owner_of_finding(trace.told[0]) is party.server
    is_of_the_network = smtp.QUIT_FAILED.found(
        Status.NOTICE, "host.test", "gone", owner=Owner.NETWORK
    )
    trace.findings[:] = [is_of_the_network]
    assert trace.told == (is_of_the_network,)


@pytest.mark.parametrize(
    ("party", "owner"),
    [
        (RECEIVER, Owner.RECEIVER_DNS),
        (RELAY, Owner.CONFIGURATION),
        (MAILBOX, Owner.CONFIGURATION),
    ],
)
@pytest.mark.parametrize("zone", ["other A 192.0.2.1", 'host TXT "no address"'])
async def test_a_name_without_an_address_is_a_mistake_of_the_one_who_wrote_it(
    trust: TrustStore, party: Party, owner: Owner, zone: str
) -> None:
    async with mail_world(zone, {}, trust=trust) as world:
        net: Net = world.net
        with pytest.raises(NetError) as raised:
            await looked_up(net, "host.example.test", party)
    assert raised.value.owner is owner
    is_hinted = raised.value.detail.endswith("check the spelling of `host: host.example.test`")
    assert is_hinted is (owner is Owner.CONFIGURATION)
