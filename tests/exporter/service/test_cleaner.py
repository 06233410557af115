"""Our canaries leave the mailbox again, or it is said that they do not."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from exporter.metrics.exposition import Format
from exporter.metrics.metrics import Metrics
from exporter.model import Mailbox
from exporter.service.cleaner import FIRST_PAUSE, LONGEST_PAUSE, Cleaner
from exporter.service.publisher import Publisher
from exporter.service.subscribers import MetricsSubscriber
from exporter.testbed.servers.imap import OK, Answers, ImapPeer
from exporter.testbed.servers.script import Say
from probes.canary.message import new_token
from probes.mailboxes.imap.watch import ImapMailbox
from probes.mailboxes.interface import Place
from probes.net.tls import TrustStore
from probes.options import Host, Port, Seconds, Secret
from tests.servers.imap import Raw
from tests.support.ledger_rig import Rig, opened, sighting
from tests.support.metric_rig import config
from tests.support.network import net
from tests.support.watching import canary

NO_UIDPLUS: Answers = {"CAPABILITY": (Say("* CAPABILITY IMAP4rev1 IDLE", "{tag} OK done"),)}
KEEP = 60.0


@dataclass
class Cleaning:
    """A cleaner, what it works with, and the one canary it has to remove."""

    cleaner: Cleaner
    metrics: Metrics
    rig: Rig
    peer: ImapPeer
    mailbox: Mailbox

    def successful(self) -> str | None:
        """What the metric says."""
        text = b"".join(self.metrics.chunks(Format.TEXT)).decode()
        name = 'mailcanary_mailbox_cleaning_successful{mailbox="box",vantage="main"} '
        found = [line for line in text.splitlines() if line.startswith(name)]
        return found[0].removeprefix(name) if found else None


@asynccontextmanager
async def cleaning(path: Path, answers: Answers) -> AsyncIterator[Cleaning]:
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(opened(path))
        peer = await stack.enter_async_context(ImapPeer(answers))
        the_net, clock = net(TrustStore()), rig.time.clock
        metrics = Metrics("test", clock)
        target = ImapMailbox(
            Host(peer.address),
            "us",
            Secret("secret"),
            port=Port(peer.port),
            tls="none",
            keep=Seconds(KEEP),
        )
        mailbox = Mailbox("box", "imap", target)
        metrics.configure(replace(config("p"), mailboxes={"box": mailbox}))
        cleaner = Cleaner(lambda: the_net, rig.ledger, Publisher(MetricsSubscriber(metrics)), clock)
        yield Cleaning(cleaner, metrics, rig, peer, mailbox)


async def settle(rig: Rig, token: str) -> None:
    await rig.send(token, mailbox="box")
    await rig.see(sighting(token, rig.time.elapse(1.0), epoch=7, position=1))


def removing(token: str, message: bytes) -> Answers:
    header = message.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    fetched = Raw(b"* 1 FETCH (UID 1 BODY[HEADER]<0> {%d}\r\n%s)\r\n" % (len(header), header))
    return {
        "SELECT": (Say("* 1 EXISTS", "* OK [UIDVALIDITY 7] v", "{tag} OK [READ-WRITE] open"),),
        "UID FETCH": (fetched, OK),
    }


async def test_a_canary_whose_time_is_over_is_removed_once(tmp_path: Path) -> None:
    token, message = canary()
    async with cleaning(tmp_path / "ledger.sqlite", removing(token, message)) as it:
        await settle(it.rig, token)
        await it.cleaner.clean(it.mailbox)
        assert (it.peer.sessions, it.successful()) == (0, None), "its time is not over"
        it.rig.time.elapse(KEEP + 1)
        await it.cleaner.clean(it.mailbox)
        assert it.successful() == "1"
        assert [line.split(" ", 1)[1] for line in it.peer.heard if "EXPUNGE" in line] == [
            "UID EXPUNGE 1"
        ]
        await it.cleaner.clean(it.mailbox)
        assert it.peer.sessions == 1


async def test_without_uidplus_canaries_stay_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mailcanary")
    async with cleaning(tmp_path / "ledger.sqlite", NO_UIDPLUS) as it:
        await settle(it.rig, new_token())
        it.rig.time.elapse(KEEP + 1)
        for _ in range(20):
            await it.cleaner.clean(it.mailbox)
            it.rig.time.elapse(30.0)
        assert it.successful() == "0"
        assert it.peer.count("UID STORE") == it.peer.count("UID EXPUNGE") == 0
        assert it.peer.count("SELECT") == it.peer.count("EXPUNGE") == 0
        said = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert len(said) == 1
        assert said[0].startswith("mailbox box: our canaries stay in it: extension_missing: ")
        # after 0, 60, 180 and 420 of these 600 seconds
        assert it.peer.sessions == 4
        (still_there,) = await it.rig.ledger.removable("box", it.rig.time.utc)
        assert still_there.place == Place("INBOX", "7", "1")


async def test_it_is_tried_again_each_hour_and_at_once_when_the_mailbox_was_reconfigured(
    tmp_path: Path,
) -> None:
    async with cleaning(tmp_path / "ledger.sqlite", NO_UIDPLUS) as it:
        await settle(it.rig, new_token())
        it.rig.time.elapse(KEEP + 1)
        for _ in range(10):
            await it.cleaner.clean(it.mailbox)
            it.rig.time.elapse(LONGEST_PAUSE)
        assert it.peer.sessions == 10
        await it.cleaner.clean(it.mailbox)
        it.rig.time.elapse(FIRST_PAUSE)
        await it.cleaner.clean(it.mailbox)
        assert it.peer.sessions == 11
        changed = replace(it.mailbox, target=replace(it.mailbox.target, timeout=Seconds(5)))
        await it.cleaner.clean(changed)
        assert it.peer.sessions == 12
