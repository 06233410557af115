"""What copies prove that came through a real Postfix, Exim, postgrey, rspamd and Dovecot."""

import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from probes.canary.bounce import bounced_token
from probes.canary.clocks import Interval
from probes.canary.evidence import Evidence, ExaminationContext, examine
from probes.canary.hops import OurTimes
from probes.canary.message import recognise_body
from probes.canary.mutation import MutationKind
from probes.records.bounces.reason import BounceReason
from probes.records.signatures.dkim_verification import DkimStatus
from tests.integration.chain import layout
from tests.integration.chain.canaries import Came, Copy, Order, send_all
from tests.integration.chain.chain import Chain

pytestmark = pytest.mark.timeout(180)

GREYLISTED = "probe+slow@example.test"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
ORDERS = {
    "greylisted": Order(GREYLISTED),
    "by exim": Order(layout.BY_EXIM),
    "footed": Order(layout.FOOTED),
    "twice": Order(layout.TWICE, copies=2),
    "by skewed": Order(layout.BY_SKEWED),
    "refused": Order(layout.BY_EXIM, f"A test for the filter.\n\n{GTUBE}", layout.SENDER),
}
SIGNATURE = "d=sender.test s=s1"


@dataclass(frozen=True, slots=True)
class Arrived:
    """Canaries that went through the chain, and how to examine what came of them."""

    chain: Chain
    key: str
    came: dict[str, Came]

    def copies(self, name: str) -> tuple[Copy, ...]:
        """As many as were ordered."""
        copies = self.came[name].copies
        assert len(copies) == ORDERS[name].copies, (name, self.chain.log("exim")[-3000:])
        return copies

    def evidence(self, name: str, number: int = 0) -> Evidence:
        """What a copy proves together with what we saw and sent ourselves."""
        came, copy = self.came[name], self.copies(name)[number]
        times = (came.began, came.accepted, copy.missed, copy.seen)
        saw = OurTimes(*(datetime.fromtimestamp(at, UTC) for at in times))
        known = ExaminationContext(
            datetime.fromtimestamp(copy.seen, UTC),
            saw,
            lambda name: [self.key] if name == "s1._domainkey.sender.test" else [],
            placement=copy.folder,
        )
        return examine(copy.content, came.sent, known)


@pytest.fixture(scope="module")
def arrived(chain: Chain) -> Arrived:
    """Sent side by side, once for all tests."""
    came = send_all(chain, list(ORDERS.values()))
    printed = chain.run(["dig", "+short", "s1._domainkey.sender.test", "TXT"]).stdout
    key = "".join(shlex.split(printed))
    return Arrived(chain, key, dict(zip(ORDERS, came, strict=True)))


def codes(evidence: Evidence) -> set[str]:
    return {finding.code for finding in evidence.findings}


def verdicts(evidence: Evidence) -> dict[str, str]:
    """Method -> result, of those the receiver's own header gives."""
    return {
        one.result.method: one.result.result for one in evidence.authentication if one.is_trusted
    }


def contains(interval: Interval | None, low: float, high: float) -> bool:
    """Whether some truth between `low` and `high` is possible by the interval."""
    assert interval is not None
    return interval.min <= high and (interval.max is None or interval.max >= low)


def test_greylisting_is_the_delay_of_the_hop_that_was_greylisted(arrived: Arrived) -> None:
    """The sender's own log tells the truth: the MX stamped within the last of the attempts."""
    evidence = arrived.evidence("greylisted")
    sent = re.search(
        rf"to=<{re.escape(GREYLISTED)}>.* delay=([\d.]+), delays=[\d.]+/[\d.]+/([\d.]+)/([\d.]+),"
        r".* status=sent",
        arrived.chain.log("out"),
    )
    assert sent is not None
    whole, connecting, transmitting = map(float, sent.groups())
    assert whole > 2
    first, mx, store = evidence.chain.hops
    assert [hop.by for hop in evidence.chain.hops] == [
        *(layout.OUT_HOST, layout.MX_HOST, layout.IMAP_HOST)
    ]
    # The log rounds to two digits, and counts from a moment after the stamp.
    assert contains(mx.delay, whole - connecting - transmitting - 0.1, whole + 0.1)
    assert contains(mx.certain_delay, whole - connecting - transmitting - 0.1, whole + 0.1)
    assert mx.delay is not None
    assert mx.delay.min > 0
    assert evidence.chain.slowest == mx.position
    assert (first.is_skewed, mx.is_skewed, store.is_skewed) == (False, False, False)
    assert codes(evidence) == set()


def test_a_copy_by_exim_is_whole_and_every_hop_is_told(arrived: Arrived) -> None:
    evidence = arrived.evidence("by exim")
    hops = evidence.chain.hops
    assert [hop.by for hop in hops] == [
        *(layout.OUT_HOST, layout.EXIM_HOST, layout.MX_HOST, layout.IMAP_HOST)
    ]
    assert [hop.with_ for hop in hops] == ["ESMTPSA", "ESMTPS", "ESMTPS", "LMTP"]
    exim = hops[1]
    assert (exim.from_, exim.for_) == (layout.OUT_HOST, layout.BY_EXIM)
    assert exim.tls is not None
    assert exim.tls.startswith("TLSv1.3 ")
    assert exim.id_ is not None
    assert exim.id_ in arrived.chain.log("exim")
    assert evidence.mutations == ()
    assert verdicts(evidence) == {"dkim": "pass", "spf": "fail", "dmarc": "pass"}
    assert evidence.dkim is not None
    assert [one.status for one in evidence.dkim] == [DkimStatus.PASS]
    assert evidence.alignment.is_aligned


def test_a_footer_is_named_with_the_signature_that_it_broke_and_where(arrived: Arrived) -> None:
    evidence = arrived.evidence("footed")
    (change,) = evidence.mutations
    assert change.kind is MutationKind.FOOTER_ADDED
    assert layout.FOOTER in change.detail
    assert change.broke == (SIGNATURE,)
    # The first relay signed it, so it was whole there; who opened it next was Exim.
    assert change.between is not None
    after, until = change.between
    assert after == 1
    assert until >= 3
    assert evidence.dkim is not None
    (verdict,) = evidence.dkim
    assert verdict.status is DkimStatus.BODY_CHANGED
    assert (verdict.is_body_intact, verdict.is_header_intact) == (False, True)
    assert verdicts(evidence) == {"dkim": "fail", "spf": "fail", "dmarc": "fail"}
    assert not evidence.alignment.is_aligned
    assert {"arrival.dkim.broken", "arrival.altered.footer_added"} <= codes(evidence)


def test_a_clock_that_is_ahead_is_skewed_and_delays_nothing(arrived: Arrived) -> None:
    came, (copy,) = arrived.came["by skewed"], arrived.copies("by skewed")
    evidence = arrived.evidence("by skewed")
    hops = evidence.chain.hops
    assert [hop.is_skewed for hop in hops] == [False, True, False, False]
    skewed = hops[1]
    assert skewed.by == layout.SKEWED_HOST
    assert skewed.clock_offset is not None
    assert contains(skewed.clock_offset, layout.AHEAD, layout.AHEAD)
    underway = copy.seen - came.began + 0.002  # an interval is rounded outwards
    for hop in hops[1:]:
        for delay in (hop.delay, hop.certain_delay):
            assert delay is not None
            assert delay.max is not None
            assert delay.max <= underway
    assert codes(evidence) == {"arrival.clock.skewed"}
    assert evidence.chain.is_consistent


def test_the_headers_alone_tell_the_skew_too(arrived: Arrived) -> None:
    (copy,) = arrived.copies("by skewed")
    evidence = examine(
        copy.content, None, ExaminationContext(datetime.fromtimestamp(copy.seen, UTC))
    )
    assert [hop.is_skewed for hop in evidence.chain.hops] == [False, True, False, False]
    for hop in evidence.chain.hops[1:]:
        assert hop.delay is not None
        assert hop.delay.min == 0
        assert hop.delay.max is not None
        assert hop.delay.max < layout.AHEAD / 2


def test_a_relay_that_sends_twice_makes_two_whole_copies_of_one_canary(arrived: Arrived) -> None:
    token = arrived.came["twice"].token
    tokens = [recognise_body(copy.content) for copy in arrived.copies("twice")]
    assert tokens == [token, token]
    pieces = [arrived.evidence("twice", number) for number in range(2)]
    assert all(one.mutations == () and one.alignment.is_aligned for one in pieces)
    ids = [[hop.id_ for hop in one.chain.hops] for one in pieces]
    assert ids[0][:2] == ids[1][:2]
    assert ids[0][2] != ids[1][2]


def test_what_exim_could_not_pass_on_comes_back_and_names_its_canary(arrived: Arrived) -> None:
    (copy,) = arrived.copies("refused")
    assert b"(Exim " in copy.content
    found = bounced_token(copy.content)
    assert found is not None
    assert found.token == arrived.came["refused"].token
    (one,) = found.bounce.failed
    assert (one.recipient, one.status, one.reply_code) == (layout.BY_EXIM, (5, 7, 1), 554)
    assert one.remote_mta == layout.MX_HOST
    assert found.bounce.reporting_mta == layout.EXIM_HOST
    assert one.reason is BounceReason.CONTENT
