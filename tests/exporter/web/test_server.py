"""The HTTP server on a real socket, with httpx and with clients that misbehave."""

import asyncio
import gzip
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from exporter.metrics.exposition import CHUNK_BYTES, Format
from exporter.metrics.metrics import Metrics
from exporter.service.loop_monitor import LoopMonitor
from exporter.web.application import HttpState
from exporter.web.connections import Drop, connection_limit
from exporter.web.log_limit import MAX_LINES
from exporter.web.server import ListenError, serve
from probes.canary.lifecycle import Event, Outcome, State
from tests.support.clock import FakeClock
from tests.support.metric_rig import TOKEN, Reader, change, config, read_openmetrics
from tests.support.waiting import counting_turns

LOOPBACK = "127.0.0.1"
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
PLAIN = {"Accept-Encoding": "identity"}
REQUESTS = 20


@dataclass
class World:
    """A server on loopback and everything it answers from."""

    time: FakeClock = field(default_factory=FakeClock)
    waiting: list[str] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self.metrics = Metrics("1.2.3", self.time.clock)
        self.metrics.configure(config("a"))
        self.monitor = LoopMonitor(self.metrics.loop_lag, self.time.clock)
        self.state = HttpState(self.metrics, self.monitor, lambda: self.waiting)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{self.port}", trust_env=False)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(LOOPBACK, self.port)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    async with world.monitor, serve(world.state, LOOPBACK, 0) as world.port:
        yield world


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client() as client:
        yield client


async def test_metrics_are_plain_text_unless_asked_otherwise(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers=PLAIN)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == Format.TEXT
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert "Content-Encoding" not in answer.headers
    assert 'mailcanary_canaries_total{path="a",outcome="lost",vantage="main"} 0\n' in answer.text
    assert "process_cpu_seconds_total" in answer.text


async def test_openmetrics_comes_whole_and_with_exemplars(
    world: World, client: httpx.AsyncClient
) -> None:
    arrived = change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, round_trip=2.0)
    world.metrics.canary_changed(arrived)
    answer = await client.get("/metrics", headers=OPENMETRICS)
    assert answer.headers["Content-Type"] == Format.OPENMETRICS
    assert f'{{token="{TOKEN}"}} 2.0 ' in answer.text
    assert "mailcanary_canaries" in {family.name for family in read_openmetrics(answer.text)}


async def test_gzip_holds_the_same_text(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/metrics", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        packed = b"".join([piece async for piece in answer.aiter_raw()])
    plain = await client.get("/metrics", headers=PLAIN)

    def names(text: str) -> list[str]:
        return [line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#"]

    assert names(gzip.decompress(packed).decode()) == names(plain.text)
    assert len(packed) < len(plain.content) / 4


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready", "/"])
async def test_head_is_answered_with_the_headers_alone(
    client: httpx.AsyncClient, path: str
) -> None:
    head, get = await client.head(path), await client.get(path)
    assert head.status_code == get.status_code == 200
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.content == b""
    assert get.content


async def test_the_loop_does_other_work_between_the_pieces_of_a_large_exposition(
    world: World,
) -> None:
    paths = (f"path-{index}" for index in range(300))
    world.metrics.configure(config(*paths, phase_histograms=True))
    async with (
        world.client() as client,
        counting_turns() as turns,
        client.stream("GET", "/metrics", headers=PLAIN) as answer,
    ):
        before = turns.count
        size = sum([len(piece) async for piece in answer.aiter_raw()])
    assert size > 50 * CHUNK_BYTES
    assert turns.count - before > size / CHUNK_BYTES / 2


async def test_many_scrapes_at_the_same_time_take_turns(world: World) -> None:
    paths = (f"path-{index}" for index in range(60))
    world.metrics.configure(config(*paths, phase_histograms=True))

    async def scrape() -> int:
        async with world.client() as client:
            return len((await client.get("/metrics", headers=PLAIN)).content)

    async with counting_turns() as turns:
        before = turns.count
        sizes = await asyncio.gather(*(scrape() for _ in range(10)))
    assert min(sizes) > 10 * CHUNK_BYTES
    assert turns.count - before > sum(sizes) / CHUNK_BYTES


async def test_healthy_follows_the_event_loop(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.get("/-/healthy")
    assert (answer.status_code, answer.text) == (200, "healthy\n")
    world.time.elapse(8.02)
    answer = await client.get("/-/healthy")
    assert answer.status_code == 503
    assert answer.text == "the event loop was blocked for 8.0 s\n"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_ready_names_everything_that_is_waited_for(
    world: World, client: httpx.AsyncClient
) -> None:
    world.waiting = ["mailbox box has not been looked at yet", "one more thing"]
    answer = await client.get("/-/ready")
    assert answer.status_code == 503
    assert answer.text == "mailbox box has not been looked at yet\none more thing\n"
    world.waiting = []
    answer = await client.get("/-/ready")
    assert (answer.status_code, answer.text) == (200, "ready\n")


async def test_the_index_leads_to_every_page(client: httpx.AsyncClient) -> None:
    index = await client.get("/")
    assert index.headers["Content-Type"] == "text/html; charset=utf-8"
    for page in ("metrics", "-/healthy", "-/ready"):
        assert f'href="{page}"' in index.text
        assert (await client.get(f"/{page}")).status_code == 200


@pytest.mark.parametrize("path", ["/metric", "/metrics/", "/-/", "/../etc/passwd", "/%00"])
async def test_what_is_not_there_is_404(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
async def test_only_reading_is_allowed(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/metrics", content=b"x" * 100_000)
    assert answer.status_code == 405
    assert {word.strip() for word in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}


async def test_a_request_that_is_not_http_is_refused(world: World) -> None:
    reader, writer = await world.connect()
    writer.write(b"EHLO client.test\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_an_occupied_port_is_named() -> None:
    world = World()
    with socket.create_server((LOOPBACK, 0)) as occupant:
        port = occupant.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: .*in use"):
            async with serve(world.state, LOOPBACK, port):
                pass


async def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0: "):
        async with serve(World().state, "192.0.2.1", 0):
            pass


async def test_ipv6_is_served_too() -> None:
    server, client = serve(World().state, "::1", 0), httpx.AsyncClient(trust_env=False)
    async with server as port, client:
        assert (await client.get(f"http://[::1]:{port}/")).status_code == 200


async def test_signals_stay_with_the_process() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serve(World().state, LOOPBACK, 0):
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert during == before


async def test_the_port_is_free_again_afterwards() -> None:
    async with serve(World().state, LOOPBACK, 0) as port:
        pass
    async with serve(World().state, LOOPBACK, port) as again:
        assert again == port


async def test_an_error_in_the_block_comes_out_of_it() -> None:
    with pytest.raises(KeyError):
        async with serve(World().state, LOOPBACK, 0):
            raise KeyError("ours")


def silent(writer: asyncio.StreamWriter) -> None:
    """Sends nothing."""


def half_a_request(writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")


def half_a_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx")


@pytest.mark.slow("waits for what never comes")
@pytest.mark.parametrize("misbehave", [silent, half_a_request, half_a_body])
async def test_a_client_that_is_slow_to_ask_is_dropped(
    misbehave: Callable[[asyncio.StreamWriter], None],
) -> None:
    world = World()
    async with serve(world.state, LOOPBACK, 0, request_deadline=0.5) as world.port:
        reader, writer = await world.connect()
        misbehave(writer)
        async with asyncio.timeout(20):
            answer = await reader.read()
        assert answer.count(b"HTTP/1.1 ") == (1 if misbehave is half_a_body else 0)
        writer.close()


def ask_for_more_than_any_buffer_holds(world: World, writer: asyncio.StreamWriter) -> None:
    paths = (f"path-{index}" for index in range(300))
    world.metrics.configure(config(*paths, phase_histograms=True))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * REQUESTS)


@pytest.mark.slow("waits for what never comes")
async def test_a_client_that_is_slow_to_read_is_dropped() -> None:
    world = World()
    async with serve(world.state, LOOPBACK, 0, request_deadline=0.5) as world.port:
        reader, writer = await world.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        ask_for_more_than_any_buffer_holds(world, writer)
        await asyncio.sleep(2)  # this is the misbehaviour: four deadlines without a read
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        whole = 0
        with suppress(ConnectionError):
            async with asyncio.timeout(20):
                while piece := await reader.read(CHUNK_BYTES):
                    whole += piece.count(b"\r\n0\r\n\r\n")
        assert whole < REQUESTS
        writer.close()


def dropped(world: World, reason: Drop) -> float:
    return Reader(world.metrics)("http_connections_dropped_total", reason) or 0


async def test_clients_that_only_wait_leave_their_places_to_those_who_ask() -> None:
    world, limit = World(), connection_limit()
    async with serve(world.state, LOOPBACK, 0) as world.port, AsyncExitStack() as stack:
        waiting = [await world.connect() for _ in range(limit + 20)]
        for _, writer in waiting:
            stack.callback(writer.close)
        async with world.client() as client:
            for _ in range(3):
                assert (await client.get("/", headers={"Connection": "close"})).status_code == 200
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                assert await waiting[0][0].read() == b""
        assert dropped(world, Drop.NO_REQUEST) >= 20


async def test_an_answer_under_way_is_not_cut_short_for_one_client_more() -> None:
    world, limit = World(), 3
    server = serve(world.state, LOOPBACK, 0, connections=limit)
    async with server as world.port, AsyncExitStack() as stack:
        world.metrics.configure(config(*(f"p{n}" for n in range(600)), phase_histograms=True))
        readers = []
        for _ in range(limit):
            reader, writer = await world.connect()
            stack.callback(writer.close)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            readers.append((reader, writer))
        crowd, writer = await world.connect()
        stack.callback(writer.close)
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                assert await crowd.read() == b""
        assert dropped(world, Drop.CROWDED) == 1
        reader, writer = readers[0]
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(60):
            text = b""
            while not text.endswith(b"\r\n0\r\n\r\n"):
                text += await reader.read(CHUNK_BYTES)
        assert b"process_cpu_seconds_total" in text


@pytest.mark.slow("reads for longer than a deadline")
async def test_a_large_answer_may_take_longer_than_the_deadline_while_it_goes_on() -> None:
    world, deadline = World(), 2.0
    paths = (f"p{n}" for n in range(500))
    world.metrics.configure(config(*paths, phase_histograms=True))
    async with serve(world.state, LOOPBACK, 0, request_deadline=deadline) as world.port:
        reader, writer = await world.connect()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b""
        for _ in range(15):
            await asyncio.sleep(deadline / 5)  # this is the slowness: three deadlines in all
            text += await reader.readexactly(CHUNK_BYTES * 8)
        text += await reader.read()
        writer.close()
    assert text.endswith(b"\r\n0\r\n\r\n")
    assert dropped(world, Drop.SLOW_READER) == 0


async def test_clients_that_speak_no_http_are_counted_and_cannot_flood_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [
        b"EHLO client.test\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ]
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    for request in (*bad, upgrade) * 5:
        reader, writer = await world.connect()
        writer.write(request)
        async with asyncio.timeout(5):
            assert await reader.readline()
        writer.close()
    assert dropped(world, Drop.MALFORMED) == len(bad) * 5
    assert 0 < len(caplog.records) <= MAX_LINES


@pytest.mark.slow("waits for what never comes")
async def test_stopping_does_not_wait_for_ever_for_a_client_that_does_not_read() -> None:
    world = World()
    async with asyncio.timeout(20):
        async with serve(world.state, LOOPBACK, 0) as world.port:
            _, writer = await world.connect()
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            ask_for_more_than_any_buffer_holds(world, writer)
            async with world.client() as client:
                assert (await client.get("/")).status_code == 200
    writer.close()
