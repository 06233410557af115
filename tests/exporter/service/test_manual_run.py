"""`mailcanary run` beside the service, without it, and interrupted: no canary is left behind."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from exporter.config import load
from exporter.demo.faults import find
from exporter.demo.world import MailWorld
from exporter.ledger.ledger import Ledger
from exporter.model import CanaryRecord
from exporter.network import build_net
from exporter.service.manual_run import Progress, Waiting, run_path
from exporter.service.publisher import Publisher
from exporter.service.runs import send
from probes.canary.lifecycle import BESIDE, SETTLING, Outcome, State
from probes.clock import SYSTEM_CLOCK
from probes.trace import Step
from tests.support.processes import MAILCANARY, PATIENCE, started
from tests.support.service_rig import Running, running, write_config
from tests.support.waiting import answered

pytestmark = pytest.mark.slow("starts the program as a process")

LOST_SOON = [("lost_after: 20s", "lost_after: 1500ms"), ("deadline: 18s", "deadline: 1s")]
LOST_SOON += [("late_after: 5s", "late_after: 1s")]


def ignore(_step: Step) -> None:
    """Nobody looks at the steps here."""


def manual_run(config: Path, path: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """`mailcanary run PATH` as a process."""
    quiet = asyncio.subprocess.DEVNULL
    command = (*MAILCANARY, "run", path, "--config", str(config))
    return started(*command, stdout=quiet, stderr=quiet, environ={"PYTHONUNBUFFERED": "1"})


async def in_state(ledger: Ledger, path: str, *states: State) -> CanaryRecord:
    """The path's newest canary, once it is in one of these states."""

    async def found() -> CanaryRecord | None:
        newest = await ledger.recent(path, 1)
        return next((record for record in newest if record.state in states), None)

    record = await answered(found, within=PATIENCE)
    assert record is not None
    return record


async def nothing_is_counted(run: Running, path: str) -> None:
    samples = [
        *(f'mailcanary_canaries_total{{path="{path}",outcome="{one}"}}' for one in SETTLING),
        *(f'mailcanary_canary_events_total{{path="{path}",event="{one}"}}' for one in BESIDE),
    ]
    assert [await run.metric(sample) for sample in samples] == [0] * len(samples)
    assert await run.metric('mailcanary_forged_canaries_total{mailbox="inbox"}') == 0


async def test_a_manual_run_beside_the_service_is_settled_once_and_not_counted(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, paths=["direct"])
    async with running(file) as run:
        await run.ready()
        run.go(at_once=False)
        story = await run_path(load(file), "direct", ignore)
        assert story.record is not None
        assert story.record.outcome is Outcome.ARRIVED
        assert story.record.tick < 0
        await nothing_is_counted(run, "direct")


async def test_whoever_first_finds_that_it_is_lost_tells_the_other(
    world: MailWorld, tmp_path: Path
) -> None:
    await world.apply(find("loss"))
    file = write_config(world, tmp_path, *LOST_SOON, paths=["direct"])
    async with running(file) as run:
        await run.ready()
        run.go(at_once=False)
        stories = await asyncio.gather(*(run_path(load(file), "direct", ignore) for _ in range(4)))
        outcomes = [story.record.outcome for story in stories if story.record is not None]
        assert outcomes == [Outcome.LOST] * 4
        await nothing_is_counted(run, "direct")


async def test_a_manual_run_that_is_killed_is_settled_by_the_service_that_runs(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, paths=["slow"])
    async with running(file) as run:
        await run.ready()
        run.go(at_once=False)
        async with manual_run(file, "slow") as process:
            await in_state(run.ledger, "slow", State.ACCEPTED)
            process.kill()
            await process.wait()
        record = await in_state(run.ledger, "slow", State.ARRIVED)
        assert record.outcome is Outcome.LATE
        assert run.heard.outcomes("slow") == [Outcome.LATE]
        await nothing_is_counted(run, "slow")


async def test_a_manual_run_that_is_killed_is_settled_by_the_next_service(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, paths=["slow"])
    ledger = await Ledger.open(str(tmp_path / "ledger.sqlite"), SYSTEM_CLOCK, exclusive=False)
    async with manual_run(file, "slow") as process:
        await in_state(ledger, "slow", State.ACCEPTED)
        process.kill()
        await process.wait()
    await ledger.close()
    async with running(file) as run:
        run.go(at_once=False)
        record = await in_state(run.ledger, "slow", State.ARRIVED)
        assert record.outcome is Outcome.LATE
        await nothing_is_counted(run, "slow")


async def test_a_manual_run_killed_in_mid_sending_is_untestable_and_never_lost(
    world: MailWorld, tmp_path: Path
) -> None:
    await world.apply(find("tarpit"))
    file = write_config(
        world,
        tmp_path,
        *LOST_SOON[:1],
        ("deadline: 18s", "deadline: 1500ms"),
        ("late_after: 5s", "late_after: 1s"),
        paths=["direct"],
    )
    async with running(file) as run:
        await run.ready()
        run.go(at_once=False)
        async with manual_run(file, "direct") as process:
            await in_state(run.ledger, "direct", State.SENDING)
            process.kill()
            await process.wait()
        record = await in_state(run.ledger, "direct", State.UNVERIFIED)
        assert record.outcome is Outcome.UNTESTABLE
        await nothing_is_counted(run, "direct")


async def test_a_hand_run_leaves_canaries_of_a_service_to_the_service(
    world: MailWorld, tmp_path: Path
) -> None:
    """Its copy lies in the mailbox, and its time is over: the hand run neither sees nor settles."""
    file = write_config(world, tmp_path, *LOST_SOON, paths=["direct"])
    config = load(file)
    ledger = await Ledger.open(config.service.ledger, SYSTEM_CLOCK, exclusive=False)
    token = await send(config.paths["direct"], 7, build_net(config), ledger, Publisher())
    assert token is not None
    await world.apply(find("loss"))
    story = await run_path(config, "direct", ignore)
    assert story.record is not None
    assert story.record.outcome is Outcome.LOST
    theirs = await ledger.find(token)
    assert theirs is not None
    assert (theirs.state, theirs.outcome) == (State.ACCEPTED, None)
    assert await ledger.cursors("inbox") == {}
    await ledger.close()
    async with running(file) as run:
        await run.heard.outcome("direct")
        assert [c.record.token for c in run.heard.changes if c.outcome is not None] == [token]
        assert run.heard.outcomes("direct")[0] in (Outcome.ARRIVED, Outcome.LATE)


class Waits(Progress):
    """Every state of the wait that was shown."""

    def __init__(self) -> None:
        self.shown: list[Waiting] = []

    def waiting(self, waiting: Waiting) -> None:
        self.shown.append(waiting)


async def test_it_says_in_which_folders_it_waits_and_for_how_long(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, paths=["slow"])
    waits = Waits()
    await run_path(load(file), "slow", ignore, waits)
    last = waits.shown[-1]
    assert (last.mailbox, last.folders) == ("inbox", ("INBOX", "Junk"))
    assert last.can_be_read
    assert 0 < last.seconds < last.longest == 25.0
    assert waits.record is not None
    assert waits.record.outcome is Outcome.LATE


async def test_a_bounce_is_found_in_whichever_mailbox_the_sender_has(
    world: MailWorld, tmp_path: Path
) -> None:
    """The canary's mailbox is in another world: only the other mailbox ever gets the bounce."""
    await world.apply(find("reject"))
    async with MailWorld() as other:
        text = write_config(other, tmp_path, paths=["healthy"]).read_text()
        block = text[text.index("mailboxes:\n  inbox:") : text.index("jobs:")]
        ca_file = next(line for line in text.splitlines() if line.startswith("ca_file"))
        elsewhere = block.removeprefix("mailboxes:\n").replace("inbox:", "elsewhere:")
        elsewhere += f"    {ca_file}\n    host: 127.0.0.1\n    verify: false\n    insecure: true\n"
        elsewhere = elsewhere.replace("    host: imap.receiver.test\n", "")
        file = write_config(
            world,
            tmp_path,
            ("mailboxes:\n", f"mailboxes:\n{elsewhere}"),
            ("mailbox: inbox", "mailbox: elsewhere"),
            paths=["healthy"],
        )
        story = await run_path(load(file), "healthy", ignore)
    assert story.mailbox_failure is None
    assert story.record is not None
    assert story.record.outcome is Outcome.BOUNCED


@pytest.fixture
def heeding_ctrl_c() -> Iterator[None]:
    """Children heed SIGINT, also where a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_ctrl_c")
async def test_ctrl_c_says_what_is_in_flight_and_how_to_look(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, paths=["slow"])
    ledger = await Ledger.open(str(tmp_path / "ledger.sqlite"), SYSTEM_CLOCK, exclusive=False)
    async with started(*MAILCANARY, "run", "slow", str(file)) as process:
        record = await in_state(ledger, "slow", State.ACCEPTED)
        process.send_signal(signal.SIGINT)
        _, complaints = await process.communicate()
    await ledger.close()
    told = complaints.decode()
    assert process.returncode == 130
    assert "waiting in INBOX, Junk: " in told
    assert "interrupted; the canary is in flight, sent " in told
    assert "No service runs: the next one that starts settles it" in told
    assert f"mailcanary show {record.token} -c {file}" in told
    assert "Traceback" not in told


async def test_two_monitors_at_one_mailbox_do_not_call_each_other_forged(
    world: MailWorld, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    files = []
    for folder in folders:
        folder.mkdir()
        site = ("ehlo_name:", f"site: {folder.name}\nehlo_name:")
        files.append(write_config(world, folder, site, paths=["direct"]))
    async with running(files[0]) as one, running(files[1]) as two:
        for run in (one, two):
            await run.ready()
            run.go()
        for run in (one, two):
            assert await run.heard.outcome("direct") is Outcome.ARRIVED
        sample = 'mailcanary_forged_canaries_total{mailbox="inbox"}'
        assert [await run.metric(sample) for run in (one, two)] == [0, 0]


async def test_a_token_of_our_own_site_that_was_never_issued_is_still_forged(
    world: MailWorld, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    files = []
    for folder in folders:
        folder.mkdir()
        site = ("ehlo_name:", "site: same\nehlo_name:")
        files.append(write_config(world, folder, site, paths=["direct"]))
    async with running(files[0]) as one:
        await one.ready()
        await run_path(load(files[1]), "direct", ignore)
        sample = 'mailcanary_forged_canaries_total{mailbox="inbox"}'

        async def counted() -> bool:
            return await one.metric(sample) == 1

        assert await answered(counted, within=PATIENCE)
