"""What comes back to the service, and where: bounces in another mailbox, notices, forgeries."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.demo.faults import find
from exporter.demo.world import MailWorld
from probes.canary.lifecycle import Outcome
from tests.exporter.service_rig import record_of, running, write_config
from tests.servers.imap import ImapPeer

ELSEWHERE = """mailboxes:
  elsewhere:
    type: imap
    host: 127.0.0.1
    port: {port}
    tls: none
    username: us
    password: secret
"""


@pytest.fixture
async def world() -> AsyncIterator[MailWorld]:
    async with MailWorld(retry_after=0.2) as world:
        yield world


async def test_a_bounce_in_another_mailbox_than_the_paths_settles_the_canary(
    world: MailWorld, tmp_path: Path
) -> None:
    await world.apply(find("reject"))
    async with ImapPeer() as empty:
        changes = (
            ("mailboxes:\n", ELSEWHERE.format(port=empty.port)),
            ("mailbox: inbox", "mailbox: elsewhere"),
        )
        async with running(write_config(world, tmp_path, *changes, paths=["healthy"])) as run:
            await run.ready()
            assert not run.service.arrivals.watchers["inbox"].tokens()
            run.go()
            assert await run.heard.outcome("healthy") is Outcome.BOUNCED
            record = await record_of(run.ledger, "healthy")
            assert record.mailbox == "elsewhere"
            assert record.failure is not None
            assert "access denied by policy" in record.failure.detail
            assert not run.service.arrivals.watchers["inbox"].tokens()
