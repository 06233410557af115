"""`POST /-/reload` of a service on a real socket: off unless asked for, and all or nothing."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from exporter.app import serving
from exporter.config import load
from exporter.ledger.ledger import Ledger
from exporter.service.service import LEDGER_REFUSED, Service
from exporter.web.reloading import FOREIGN, OFF
from probes.clock import SYSTEM_CLOCK
from tests.support.serving import QUIET
from tests.support.waiting import until

ON = "enable_lifecycle: true\n"


@dataclass
class Rig:
    """A service that looks at nobody, and a client of its pages."""

    file: Path
    text: str
    service: Service
    ledger: Ledger
    client: httpx.AsyncClient

    async def post(self, **headers: str) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.post("/-/reload", headers=named)
        return answer.status_code, answer.text

    async def metric(self, name: str) -> float:
        text = (await self.client.get("/metrics")).text
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(line.rpartition(" ")[2])


@asynccontextmanager
async def rig(
    folder: Path, more: str = "", *, enable_lifecycle: bool = False
) -> AsyncIterator[Rig]:
    file = folder / "mailcanary.yaml"
    text = QUIET.format(port=0, ledger=folder / "ledger.sqlite")
    file.write_text(text + more)
    ledger = await Ledger.open(str(folder / "ledger.sqlite"), SYSTEM_CLOCK)
    service, stop = Service(load(file), ledger), asyncio.Event()
    pages = serving(service, "127.0.0.1", 0, enable_lifecycle=enable_lifecycle)
    async with pages as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        work = asyncio.create_task(service.run(stop))
        try:
            yield Rig(file, text, service, ledger, client)
        finally:
            stop.set()
            await work
    await ledger.close()


async def test_it_is_refused_unless_it_was_enabled(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        one.file.write_text(one.text + "keep_runs: 3d\n")
        assert await one.post() == (403, OFF)
        assert one.service.config.service.keep_runs == 14 * 86400


async def test_the_command_line_enables_it_whatever_the_file_says(tmp_path: Path) -> None:
    async with rig(tmp_path, "enable_lifecycle: false\n", enable_lifecycle=True) as one:
        one.file.write_text(one.text + "keep_runs: 3d\n")
        assert await one.post() == (200, "configuration reloaded\n")
        assert one.service.config.service.keep_runs == 3 * 86400


async def test_the_option_of_the_file_in_force_decides(tmp_path: Path) -> None:
    async with rig(tmp_path, ON) as one:
        one.file.write_text(one.text)
        assert (await one.post())[0] == 200
        assert (await one.post())[0] == 403


@pytest.mark.parametrize("broken", ["jobs: [", "", "keep_runs: soon\n", "no_such: 1\n"])
async def test_a_bad_file_changes_nothing_and_the_answer_says_why(
    tmp_path: Path, broken: str
) -> None:
    async with rig(tmp_path, ON) as one:
        before = one.service.config
        one.file.write_text(one.text + ON + broken if broken else "")
        status, text = await one.post()
        assert status == 400
        assert text.startswith(f"configuration not reloaded:\n{one.file}:")
        assert one.service.config is before
        assert await one.metric("mailcanary_config_last_reload_successful") == 0
        one.file.write_text(one.text + ON)
        assert (await one.post())[0] == 200
        assert await one.metric("mailcanary_config_last_reload_successful") == 1


async def test_a_file_that_is_gone_is_a_bad_file(tmp_path: Path) -> None:
    async with rig(tmp_path, ON) as one:
        one.file.unlink()
        status, text = await one.post()
        assert (status, "cannot be read" in text) == (400, True)


async def test_no_secret_of_a_bad_file_is_in_the_answer(tmp_path: Path) -> None:
    async with rig(tmp_path, ON) as one:
        mailbox = "{type: imap, host: imap.test, user: u, password: hunter2, tls: perhaps}"
        one.file.write_text(f"{one.text}mailboxes: {{box: {mailbox}}}\n")
        status, text = await one.post()
        assert (status, "hunter2" in text) == (400, False)


async def test_a_ledger_that_refuses_leaves_the_old_configuration_whole(tmp_path: Path) -> None:
    async with rig(tmp_path, ON) as one:
        await until(lambda: one.service.not_ready() == [])
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as person:
            person.execute("alter table canaries rename to taken_away")
            before = one.service.config
            one.file.write_text(one.text + ON + "keep_runs: 3d\n")
            assert await one.post() == (500, f"{LEDGER_REFUSED}\n")
            assert one.service.config is before
            person.execute("alter table taken_away rename to canaries")
        assert (await one.post())[0] == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_the_page_of_another_site_cannot_make_a_browser_reload(
    tmp_path: Path, site: str
) -> None:
    async with rig(tmp_path, ON) as one:
        assert await one.post(sec_fetch_site=site) == (403, FOREIGN)
        assert (await one.post(sec_fetch_site="same-origin"))[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_looking_at_the_address_reloads_nothing(tmp_path: Path, method: str) -> None:
    async with rig(tmp_path, ON) as one:
        answer = await one.client.request(method, "/-/reload")
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == {"POST", "PUT"}


async def test_requests_that_come_together_are_all_answered(tmp_path: Path) -> None:
    async with rig(tmp_path, ON) as one:
        answers = await asyncio.gather(*(one.post() for _ in range(10)))
        assert {status for status, _ in answers} == {200}


async def test_it_is_ready_while_the_schedule_runs(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await until(lambda: one.service.not_ready() == [])
        assert (await one.client.get("/-/ready")).text == "ready\n"
    assert one.service.not_ready() == ["the schedule does not run"]
