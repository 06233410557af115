"""`python -m tests.integration.nothing_lost.world LOG`: the mail world in a process of its own.

Says where it is in one line of JSON on standard output and ends with its standard input. Every
message a server was given up to the final dot and every delivery becomes a line of LOG, written
before the client can hear of it: `submission TOKEN`, `mx TOKEN`, `delivered TOKEN`.
"""

import asyncio
import json
import os
import re
import sys
from dataclasses import asdict
from typing import Any

from aiosmtpd.smtp import Envelope

from exporter.demo.behaviours import AfterData, Treatment, WorldBehaviour
from exporter.demo.faults import Fault
from exporter.demo.world import MailWorld
from probes.mailboxes.interface import Placement
from tests.integration.nothing_lost.plan import DISCARDED, RESET_KEPT, RESET_LOST, SLOW

SLOW_SECONDS = 8.0
TREATMENTS = {
    SLOW: Treatment(delivery_delay=SLOW_SECONDS),
    DISCARDED: Treatment(discard=True),
    RESET_KEPT: Treatment(after_data=AfterData.RESET_KEPT),
    RESET_LOST: Treatment(after_data=AfterData.RESET_LOST),
}
TOKEN = re.compile(rb"^X-Mailcanary: (\S+)", re.MULTILINE | re.IGNORECASE)


class LoggedWorld(MailWorld):
    """A mail world that keeps a book of its own about what it was given and what it delivered."""

    def __init__(self, log: int) -> None:
        change = WorldBehaviour(recipients=TREATMENTS)
        super().__init__([Fault("mixed", "each recipient another fate", change, {})])
        self._log = log

    async def __aenter__(self) -> "LoggedWorld":
        await super().__aenter__()
        self._keep_book("submission", self._submission.handler)
        self._keep_book("mx", self._mx.handler)
        return self

    def _keep_book(self, where: str, handler: Any) -> None:
        take = handler.handle_DATA

        async def booked(server: Any, session: Any, envelope: Envelope) -> str:
            self._write(where, envelope.original_content or b"")
            reply: str = await take(server, session, envelope)
            return reply

        handler.handle_DATA = booked

    async def _deliver(self, account: str, placement: Placement, content: bytes) -> None:
        self._write("delivered", content)
        await super()._deliver(account, placement, content)

    def _write(self, where: str, content: bytes) -> None:
        token = TOKEN.search(content)
        name = token[1].decode("ascii") if token else "foreign"
        os.write(self._log, f"{where} {name}\n".encode())


async def serve(log: int) -> None:
    """Run the world until standard input ends."""
    async with LoggedWorld(log) as world:
        access = asdict(world.access) | {"ca_file": str(world.access.ca_file)}
        sys.stdout.write(json.dumps(access) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    asyncio.run(serve(log))


if __name__ == "__main__":
    main()
