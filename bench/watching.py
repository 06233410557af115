"""Our side of a mailbox: ledger, watcher and metrics wired as in the service, nothing is sent."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count

from bench.worker import Answer, main, serve
from exporter.config import parse
from exporter.ledger.ledger import Ledger
from exporter.metrics.metrics import Metrics
from exporter.model import Change, Config
from exporter.network import build_net
from exporter.service.mailbox_watcher import MailboxWatcher, WatchState
from probes.canary.lifecycle import Event, sending_ended
from probes.canary.message import compose, new_token
from probes.clock import SYSTEM_CLOCK
from probes.mailboxes.interface import Cursor, Look, News, Report, Sighting
from probes.registry.rows import MAILBOXES
from probes.result import Handover, HandoverState, ProbeResult

SETTLED_WITHIN = 60.0
TOGETHER = 10
"""Canaries that are handed over at a time."""


def configuration(port: int, ca: str, user: str, password: str) -> str:
    """One path into one mailbox."""
    return f"""
ehlo_name: probe.test
ca_file: {ca}
routes:
  unused: {{type: submission, host: 127.0.0.1}}
mailboxes:
  inbox: {{type: imap, host: 127.0.0.1, port: {port}, tls: implicit, username: {user},
    password: {password}, verify: false, insecure: true}}
paths:
  path: {{route: unused, mailbox: inbox, mail_from: a@sender.test, rcpt_to: {user}@imap.test}}
"""


_TAKEN = Handover(HandoverState.HANDED_OVER)


class Watching:
    """One mailbox under watch, and canaries that somebody else delivers."""

    def __init__(self, config: Config, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._net = build_net(config)
        self._metrics = Metrics("0", SYSTEM_CLOCK)
        self._metrics.configure(config)
        self._ticks = count()
        self._seen: dict[str, float] = {}
        self._settled = asyncio.Semaphore(0)
        mailbox = config.mailboxes["inbox"]

        async def watch(
            watcher: MailboxWatcher, cursors: Mapping[str, Cursor], report: Report
        ) -> None:
            kind = MAILBOXES[mailbox.kind]
            await kind.watch(self._net, mailbox.target, watcher, cursors, report)

        self.watcher = MailboxWatcher(
            "inbox",
            watch,
            SYSTEM_CLOCK,
            report=self._on_report,
            changed_state=self._on_state,
            cursors={},
        )

    def compose(self, number: int) -> Answer:
        """So many fresh canaries: token -> content."""
        options, now = self._config.paths["path"].message, datetime.now(UTC)
        tokens = (new_token() for _ in range(number))
        return {token: compose(options, token, now).content.decode() for token in tokens}

    async def hand_over(self, tokens: list[str]) -> Answer:
        """Hand the canaries over, to nobody; CPU seconds of the process before and after it."""
        began = time.process_time()
        left = iter(tokens)

        async def lane() -> None:
            for token in left:
                await self._hand_over(token)

        await asyncio.gather(*(lane() for _ in range(TOGETHER)))
        return {"cpu": began, "handed_over": time.process_time()}

    async def settled(self, tokens: list[str]) -> Answer:
        """Wait until all are seen; CPU seconds of the process then, token -> when it was seen."""
        async with asyncio.timeout(SETTLED_WITHIN):
            for _ in tokens:
                await self._settled.acquire()
        return {"cpu": time.process_time(), "seen": {t: self._seen[t] for t in tokens}}

    async def _hand_over(self, token: str) -> None:
        path = self._config.paths["path"]
        tick = next(self._ticks)
        await self._ledger.claim(path.name, "inbox", tick, token, path.late_after, path.lost_after)
        started = SYSTEM_CLOCK.now()
        self._on_change(await self._ledger.record(token, Event.SEND_STARTED, started))
        result = ProbeResult("submission", started.utc, 0.01, (), None, handover=_TAKEN)
        ended = SYSTEM_CLOCK.now()
        self._on_change(
            await self._ledger.record(token, sending_ended(result), ended, result=result)
        )

    def _on_change(self, change: Change | None) -> None:
        if change is None:
            raise AssertionError("a canary that the ledger does not know")
        self._metrics.canary_changed(change)
        if change.record.outcome is None and change.record.sending_at is not None:
            self.watcher.expect(change.record.token, change.record.sending_at)
        else:
            self.watcher.forget(change.record.token)
        if change.outcome is not None:
            self._settled.release()

    async def _on_report(self, report: News) -> None:
        if isinstance(report, Look):
            self._metrics.looked("inbox", report.began.utc)
        elif isinstance(report, Cursor):
            await self._ledger.save_cursor("inbox", report)
        elif isinstance(report, Sighting):
            self._seen[report.token] = report.seen.monotonic
            self._on_change(
                await self._ledger.record(report.token, Event.SEEN, report.seen, sighting=report)
            )

    def _on_state(self, state: WatchState) -> None:
        self._metrics.mailbox_watch("inbox", is_up=state.is_up, failure=state.failure)
        if state.failure is not None:
            raise AssertionError(f"the mailbox cannot be read: {state.failure}")


async def run(folder: str, port: int, ca: str, user: str, password: str) -> None:
    """Answer {compose: N} with canaries, {tokens} and {settled: tokens} with the CPU so far."""
    config = parse(configuration(port, ca, user, password), "bench")
    ledger = await Ledger.open(f"{folder}/canaries.sqlite", SYSTEM_CLOCK)
    watching = Watching(config, ledger)
    task = asyncio.create_task(watching.watcher.run())
    async with asyncio.timeout(SETTLED_WITHIN):
        await watching.watcher.settled.wait()

    async def handle(request: Answer) -> Answer:
        if "compose" in request:
            return watching.compose(request["compose"])
        if "settled" in request:
            return await watching.settled(request["settled"])
        return await watching.hand_over(request["tokens"])

    await serve(handle, {"ready": True})
    task.cancel()
    await ledger.close()


if __name__ == "__main__":
    main(run)
