"""The service in the mail world: how it starts, stops, reloads, and whom it blames."""

import asyncio
import re
import sqlite3
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from exporter.demo.behaviours import ServerBehaviour, WorldBehaviour
from exporter.demo.faults import Fault, find
from exporter.demo.world import MailWorld
from exporter.ledger.reader import reading
from exporter.service import health
from probes.canary.lifecycle import IN_FLIGHT, Event, Outcome, State
from probes.result import Owner
from tests.servers.streams import conversing
from tests.support.demo_clients import PATIENCE, count
from tests.support.pages import fetch
from tests.support.ports import closed_udp_port
from tests.support.service_rig import Running, record_of, running, write_config
from tests.support.waiting import answered, until

pytestmark = pytest.mark.slow("a service runs until its canaries are settled")


# Starting


async def test_it_watches_first_and_sends_nothing_before_it_is_told_to(
    world: MailWorld, tmp_path: Path
) -> None:
    async with running(write_config(world, tmp_path)) as run:
        await run.ready()
        assert run.service.arrivals.not_ready() == []
        assert await fetch(run.port, "/-/ready") == "the schedule does not run\n"
        assert run.heard.changes == []
        assert await count(world.access) == 0
        run.go()
        await answered(lambda: is_ready(run), within=PATIENCE)
        assert await run.heard.outcome("direct") is Outcome.ARRIVED


async def test_it_is_not_ready_before_each_mailbox_has_been_looked_at_or_has_failed(
    world: MailWorld, tmp_path: Path
) -> None:
    greeted = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.set()
        await reader.read()

    async with conversing(say_nothing) as port:
        old, new = f"port: {world.access.imap_port}", f"port: {port}\n    timeout: 400ms"
        async with running(write_config(world, tmp_path, (old, new))) as run:
            await greeted.wait()
            run.go(is_scheduled=True)
            await until(lambda: len(run.service.not_ready()) == 1)
            assert await fetch(run.port, "/-/ready") == "mailbox inbox has not been looked at yet\n"
            await run.ready()
            assert await fetch(run.port, "/-/ready") == "ready\n"
            assert await run.metric('mailcanary_mailbox_up{mailbox="inbox"}') == 0


async def is_ready(run: Running) -> bool:
    return await fetch(run.port, "/-/ready") == "ready\n"


# A ledger that refuses


async def test_a_sighting_that_the_ledger_refuses_shows_as_down_and_is_seen_again(
    world: MailWorld, tmp_path: Path
) -> None:
    """The watch used to end for ever, silently, with the mailbox still shown as up."""
    async with running(write_config(world, tmp_path, paths=["direct"])) as run:
        await run.ready()
        (watcher,) = run.service.arrivals.watchers.values()
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as other:
            refusal = "select raise(abort, 'no room for it')"
            when = "before update on canaries when new.state = 'arrived'"
            other.execute(f"create trigger refuse {when} begin {refusal}; end")
            other.commit()
            run.go()
            await until(lambda: not watcher.state.is_up)
            assert await run.metric('mailcanary_mailbox_up{mailbox="inbox"}') == 0
            assert await run.metric("mailcanary_ledger_errors_total") >= 1
            assert run.heard.outcomes("direct") == []
            other.execute("drop trigger refuse")
            other.commit()
        assert await run.heard.outcome("direct") is Outcome.ARRIVED
        await until(lambda: watcher.state.is_up)
        assert await run.metric('mailcanary_mailbox_up{mailbox="inbox"}') == 1


async def refused_twice(run: Running) -> bool:
    return await run.metric("mailcanary_ledger_errors_total") >= 2


async def test_a_ledger_that_refuses_mailbox_states_is_counted_and_the_health_task_goes_on(
    world: MailWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MAILBOX_STATE_SECONDS", 0.01)
    ledger = tmp_path / "ledger.sqlite"
    async with running(write_config(world, tmp_path, paths=["direct"])) as run:
        await run.ready()
        with closing(sqlite3.connect(ledger)) as other, reading(str(ledger)) as reader:
            refusal = "select raise(abort, 'no room for it')"
            when = "before insert on mailbox_states"
            other.execute(f"create trigger refuse {when} begin {refusal}; end")
            other.commit()
            run.go()
            await answered(partial(refused_twice, run))
            assert reader.mailbox_state("inbox") is None
            other.execute("drop trigger refuse")
            other.commit()
            await until(lambda: reader.mailbox_state("inbox") is not None)
            state = reader.mailbox_state("inbox")
            assert state is not None
            assert state.is_up
        assert "mailcanary_task_restarts_total{" not in await fetch(run.port, "/metrics")


async def test_a_task_of_the_service_that_ends_untold_is_counted_and_begun_anew(
    world: MailWorld, tmp_path: Path
) -> None:
    async with running(write_config(world, tmp_path, paths=["direct"])) as run:
        await run.ready()
        run.go()
        assert await run.heard.outcome("direct") is Outcome.ARRIVED
        (watch,) = [task for task in asyncio.all_tasks() if task.get_name() == "watch inbox"]
        (watcher,) = run.service.arrivals.watchers.values()
        watch.cancel()
        await until(lambda: not watcher.state.is_up)
        assert await run.metric('mailcanary_mailbox_up{mailbox="inbox"}') == 0
        assert await run.metric('mailcanary_task_restarts_total{task="watch inbox"}') == 1
        await until(lambda: watcher.state.is_up)
        assert await run.metric('mailcanary_mailbox_up{mailbox="inbox"}') == 1


# Stopping


async def test_what_is_in_flight_at_the_end_is_settled_once_by_the_next_service(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, paths=["slow"])
    async with running(file) as run:
        await run.ready()
        run.go()
        await run.heard.until(lambda: last_event(run) is Event.HANDED_OVER)
        await run.end()
        assert (await record_of(run.ledger, "slow")).state is State.ACCEPTED
        assert run.heard.outcomes("slow") == []
    async with running(file) as run:
        assert await run.metric('mailcanary_canaries_in_flight{path="slow"}') == 1
        run.go(at_once=False)
        assert await run.heard.outcome("slow") is Outcome.LATE
        assert run.heard.outcomes("slow") == [Outcome.LATE]
        assert await run.metric('mailcanary_canaries_total{path="slow",outcome="late"}') == 1
        assert await run.metric('mailcanary_canaries_in_flight{path="slow"}') == 0


async def test_a_sending_under_way_may_end_before_the_service_does(
    world: MailWorld, tmp_path: Path
) -> None:
    slow = WorldBehaviour(mx=ServerBehaviour(reply_delay=0.1))
    await world.apply(Fault("slow", "each reply takes a tenth of a second", slow, {}))
    each_second = ("every: 20s", "every: 1s")
    async with running(write_config(world, tmp_path, each_second, paths=["direct"])) as run:
        await run.ready()
        run.go(is_scheduled=True)
        await run.heard.until(lambda: run.heard.changes)
        await run.end()
        record = await record_of(run.ledger, "direct")
        assert record.state in IN_FLIGHT | {State.ARRIVED}


# Reloading


SECOND = """mailboxes:
  second:
    type: imap
    host: imap.receiver.test
    port: {access.imap_port}
    username: {access.username}
    password: '{access.password}'
    poll: 15s
"""


def with_second(world: MailWorld, folder: Path, poll: str = "15s") -> Path:
    text = SECOND.format(access=world.access).replace("15s", poll)
    return write_config(world, folder, ("mailboxes:\n", text), paths=["direct"])


async def test_a_changed_mailbox_is_watched_anew_and_the_others_are_left_alone(
    world: MailWorld, tmp_path: Path
) -> None:
    async with running(with_second(world, tmp_path)) as run:
        await run.ready()
        inbox, second = (run.service.arrivals.watchers[name] for name in ("inbox", "second"))
        with_second(world, tmp_path, poll="20s")
        assert await run.service.reload() is None
        assert run.service.arrivals.watchers["inbox"] is inbox
        assert run.service.arrivals.watchers["second"] is not second
        write_config(world, tmp_path, paths=["direct"])
        assert await run.service.reload() is None
        assert set(run.service.arrivals.watchers) == {"inbox"}
        assert await run.metric("mailcanary_config_last_reload_successful") == 1


async def test_reloads_that_come_together_watch_each_mailbox_once(
    world: MailWorld, tmp_path: Path
) -> None:
    async with running(write_config(world, tmp_path, paths=["direct"])) as run:
        with_second(world, tmp_path)
        assert await asyncio.gather(*(run.service.reload() for _ in range(3))) == [None] * 3
        names = Counter(task.get_name() for task in asyncio.all_tasks())
        assert (names["watch inbox"], names["watch second"]) == (1, 1)


async def test_a_broken_file_changes_nothing_and_the_metric_says_so(
    world: MailWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_config(world, tmp_path, paths=["direct"])
    good = file.read_text()
    async with running(file) as run:
        await run.ready()
        before, watcher = run.service.config, run.service.arrivals.watchers["inbox"]
        for broken in ("paths: [", good.replace("every: 20s", "every: soon"), ""):
            file.write_text(broken)
            assert await run.service.reload() is not None
            assert await run.metric("mailcanary_config_last_reload_successful") == 0
        file.unlink()
        assert await run.service.reload() is not None
        assert "configuration not reloaded" in caplog.text
        assert (run.service.config, run.service.arrivals.watchers["inbox"]) == (before, watcher)
        file.write_text(good)
        assert await run.service.reload() is None
        assert await run.metric("mailcanary_config_last_reload_successful") == 1
        run.go()
        assert await run.heard.outcome("direct") is Outcome.ARRIVED


async def test_what_the_ledger_took_from_a_watch_that_ends_is_published_all_the_same(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, paths=["slow"])
    async with running(file) as run:
        await run.ready()
        run.go()
        await run.heard.until(lambda: last_event(run) is Event.HANDED_OVER)
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as person:
            await until(lambda: world_delays_a_delivery(world))
            person.execute("begin immediate")
            await until(lambda: run.service.arrivals._publishing)
            watch = run.service.arrivals._watching["inbox"]
            ending = asyncio.create_task(run.service.arrivals.watch({}))
            await until(watch.done)
            person.execute("rollback")
        await ending
        assert await run.heard.outcome("slow") is Outcome.LATE
        assert run.heard.outcomes("slow") == [Outcome.LATE]
        assert await run.metric('mailcanary_canaries_in_flight{path="slow"}') == 0


# Whose fault it is


HURRY = [("lost_after: 20s", "lost_after: 1500ms"), ("deadline: 18s", "deadline: 1s")]
HURRY += [("late_after: 5s", "late_after: 1s")]


async def test_a_mailbox_that_does_not_let_us_in_is_our_trouble_and_nothing_is_lost(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, *HURRY, paths=["direct"])
    secret = f"password: '{world.access.password}'"
    before, mailbox, behind = file.read_text().partition("mailboxes:\n")
    file.write_text(before + mailbox + behind.replace(secret, "password: 'wrong'", 1))
    async with running(file) as run:
        await run.ready()
        run.go()
        assert await run.heard.outcome("direct") is Outcome.UNTESTABLE
        state = run.service.arrivals.watchers["inbox"].state
        assert state.failure is not None
        assert state.failure.owner is Owner.CONFIGURATION
        assert await run.metric('mailcanary_mailbox_up{mailbox="inbox"}') == 0
        assert await run.metric('mailcanary_canaries_total{path="direct",outcome="lost"}') == 0


async def test_a_canary_given_up_while_the_mailbox_was_unreadable_is_recovered_later(
    world: MailWorld, tmp_path: Path
) -> None:
    async with running(write_config(world, tmp_path, *HURRY, paths=["direct"])) as run:
        await run.ready()
        await world.apply(find("imap-down"))
        run.go()
        assert await run.heard.outcome("direct") is Outcome.UNTESTABLE
        await world.heal()
        await run.heard.until(lambda: len(run.heard.outcomes("direct")) == 2)
        assert run.heard.outcomes("direct") == [Outcome.UNTESTABLE, Outcome.RECOVERED]


async def test_a_resolver_that_does_not_answer_is_our_trouble_and_nothing_fails(
    world: MailWorld, tmp_path: Path
) -> None:
    with closed_udp_port() as port:
        to_nobody = (f"127.0.0.1:{world.access.dns_port}", f"127.0.0.1:{port}")
        async with running(write_config(world, tmp_path, to_nobody, paths=["direct"])) as run:
            run.go()
            assert await run.heard.outcome("direct") is Outcome.UNTESTABLE
            record = await record_of(run.ledger, "direct")
            assert record.failure is not None
            assert record.failure.owner in (Owner.RESOLVER, Owner.MONITOR)
            sample = 'mailcanary_canaries_total{path="direct",outcome="send_failed"}'
            assert await run.metric(sample) == 0


@pytest.mark.parametrize(
    ("path", "owner"), [("direct", Owner.RECEIVER_MX), ("healthy", Owner.RELAY)]
)
async def test_a_lost_canary_is_the_loss_of_the_server_that_took_it(
    world: MailWorld, tmp_path: Path, path: str, owner: Owner
) -> None:
    await world.apply(find("loss"))
    async with running(write_config(world, tmp_path, *HURRY, paths=[path])) as run:
        run.go()
        assert await run.heard.outcome(path) is Outcome.LOST
        failure = (await record_of(run.ledger, path)).failure
        assert failure is not None
        assert failure.owner is owner
        assert re.search(r"\S+ \(127\.0\.0\.1\) accepted it under queue id \w+;", failure.detail)
        labels = f'path="{path}",phase="transit",reason="lost",owner="{owner}"'
        assert await run.metric(f"mailcanary_failures_total{{{labels}}}") == 1


def world_delays_a_delivery(world: MailWorld) -> bool:
    """Whether the MX host has a message whose delivery it delays."""
    return bool(world._mx.handler._delayed)  # type: ignore[attr-defined]


def last_event(run: Running) -> Event | None:
    return run.heard.changes[-1].event if run.heard.changes else None
