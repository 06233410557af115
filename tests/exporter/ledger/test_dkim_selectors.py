"""What the ledger learns from signatures: which selectors sign for a domain, and when last."""

from datetime import timedelta
from pathlib import Path

import pytest

from exporter.ledger.dkim_selectors import ALL_SELECTORS_KEPT, SELECTORS_KEPT, SelectorStore
from exporter.ledger.reader import reading
from exporter.ledger.store import Store
from probes.canary.dkim_selectors import KNOWN_FOR, LearntSelector, UsedSelector
from probes.canary.evidence import Evidence, ExaminationContext, examine
from probes.canary.lifecycle import Event
from probes.mailboxes import Place
from tests.support.ledger_rig import BEGIN, LATE, LOST, Rig, opened, sighting

HOUR = timedelta(hours=1)


def signature(selector: str, domain: str = "example.test") -> str:
    return (
        f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s={selector}; h=From; bh=AAAA; b=AAAA\r\n"
    )


def proof(*signatures: str, author: str = "a@example.test") -> Evidence:
    """The evidence of a copy with these signatures, of which no key is to be found."""
    message = f"{''.join(signatures)}From: {author}\r\nSubject: x [t]\r\n\r\nbody\r\n".encode()
    return examine(message, None, ExaminationContext(BEGIN, lookup=lambda _: ()))


async def arrive(rig: Rig, token: str, evidence: Evidence, tick: int = 1) -> None:
    """A canary is sent now, seen a second later and examined."""
    assert await rig.ledger.claim("p", "m", tick, token, LATE, LOST, b"")
    await rig.happen(token, Event.SEND_STARTED)
    place = Place(token, "INBOX", 1, tick)
    await rig.see(sighting(token, rig.time.elapse(1.0), uid=tick))
    copy = await rig.ledger.copy_at(place)
    assert copy is not None
    await rig.ledger.add_evidence(copy, evidence)


async def test_the_selectors_of_a_copy_are_known_with_the_moment_it_was_sent(path: Path) -> None:
    async with opened(path) as rig:
        await arrive(rig, "t", proof(signature("s1"), signature("ED", "Example.TEST")))
        known = (
            LearntSelector("ed", "example.test", BEGIN),
            LearntSelector("s1", "example.test", BEGIN),
        )
        assert await rig.ledger.selectors("example.test", rig.time.utc) == known
        assert await rig.ledger.selectors("EXAMPLE.test", rig.time.utc) == known
        assert await rig.ledger.selectors("other.test", rig.time.utc) == ()
        with reading(str(path)) as reader:  # as a command does, beside the service
            assert reader.selectors("example.test", rig.time.utc) == known
    async with opened(path) as rig:
        assert await rig.ledger.selectors("example.test", BEGIN) == known


async def test_the_newest_come_first_and_an_older_copy_turns_no_moment_back(path: Path) -> None:
    async with opened(path) as rig:
        await arrive(rig, "t", proof(signature("s1")))
        rig.time.elapse(3600)
        later = rig.time.utc
        await arrive(rig, "u", proof(signature("s2")), 2)
        learnt = await rig.ledger.selectors("example.test", rig.time.utc)
        assert [(one.selector, one.last_seen) for one in learnt] == [("s2", later), ("s1", BEGIN)]
        copy = await rig.ledger.copy_at(Place("t", "INBOX", 1, 1))
        assert copy is not None
        await rig.ledger.add_evidence(copy, proof(signature("s2")))
        learnt = await rig.ledger.selectors("example.test", rig.time.utc)
        assert [(one.selector, one.last_seen) for one in learnt] == [("s2", later), ("s1", BEGIN)]


async def test_what_signed_nothing_for_days_is_forgotten(path: Path) -> None:
    async with opened(path) as rig:
        await arrive(rig, "t", proof(signature("s1")))
        assert await rig.ledger.selectors("example.test", BEGIN + KNOWN_FOR) != ()
        assert await rig.ledger.selectors("example.test", BEGIN + KNOWN_FOR + HOUR) == ()


async def test_a_bounce_teaches_nothing(path: Path) -> None:
    async with opened(path) as rig:
        assert await rig.ledger.claim("p", "m", 1, "t", LATE, LOST, b"")
        await rig.happen("t", Event.SEND_STARTED)
        now = rig.time.elapse(1.0)
        await rig.ledger.record("t", Event.BOUNCE_SEEN, now, sighting=sighting("t", now, uid=9))
        copy = await rig.ledger.copy_at(Place("t", "INBOX", 1, 9))
        assert copy is not None
        assert copy.is_bounce
        await rig.ledger.add_evidence(copy, proof(signature("s1")))
        assert await rig.ledger.selectors("example.test", rig.time.utc) == ()


@pytest.mark.slow("writes thousands of rows")
def test_of_one_domain_and_of_all_only_the_newest_are_kept(path: Path) -> None:
    store = Store(path)
    selectors: SelectorStore = store.evidence.selectors
    with store.transaction():
        for number in range(SELECTORS_KEPT + 5):
            used = [UsedSelector(f"s{number}", "a.test")]
            selectors.learn("a.test", used, BEGIN + number * HOUR)
        kept = [one.selector for one in selectors.known("a.test", BEGIN)]
        assert kept == [f"s{number}" for number in range(SELECTORS_KEPT + 4, 4, -1)]
        for number in range(ALL_SELECTORS_KEPT):
            author = f"{number}.test"
            selectors.learn(author, [UsedSelector("s", author)], BEGIN + 50 * HOUR)
        assert selectors.known("a.test", BEGIN) == ()
        assert len(selectors.known("7.test", BEGIN)) == 1
    store.close()
