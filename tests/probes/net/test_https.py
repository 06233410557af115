"""The HTTPS session against scripted servers: bounded, honest, and gone when it is over."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import pytest
import uvloop

from exporter.testbed.servers.certificates import foreign
from exporter.testbed.servers.https import HttpsPeer, page
from exporter.testbed.servers.script import (
    Close,
    Flood,
    HalfClose,
    Line,
    Repeat,
    Send,
    Signal,
    Step,
    Wait,
)
from probes.net.dial import Dialer
from probes.net.errors import NetError, net_error
from probes.net.https import HTTP_ROWS, MAX_BODY, MAX_INTERIM, HttpsSession
from probes.net.tls import TrustStore
from probes.records.https_response import HttpsResponse
from probes.result import Reason
from tests.servers.certificates import Authority
from tests.servers.streams import conversing
from tests.support.waiting import counting_turns

EVENT_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

NAME = "www.example.test"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def secured(peer: HttpsPeer, trust: TrustStore) -> AsyncIterator[HttpsSession]:
    async with (
        asyncio.timeout(20),
        await HttpsSession.connect(Dialer(), peer.address, peer.port) as session,
    ):
        await session.handshake(trust.verifying, NAME)
        yield session


async def ask(authority: Authority, *steps: Step, max_body: int = MAX_BODY) -> HttpsResponse:
    """What a client gets from a server that answers by `steps`."""
    async with (
        HttpsPeer({"/": steps}, context=authority.context(NAME)) as peer,
        secured(peer, authority.trust) as session,
    ):
        return await session.get(NAME, "/", max_body=max_body)


async def test_an_answer_is_status_headers_and_body(authority: Authority) -> None:
    response = await ask(authority, *page(b"version: STSv1\n", head="X-Two: a\r\nX-Two: b\r\n"))
    assert response.status == 200
    assert response.header("content-type") == "text/plain"
    assert [value for name, value in response.headers if name == "x-two"] == ["a", "b"]
    assert response.header("x-three") is None
    assert response.body == b"version: STSv1\n"
    assert response.is_whole


async def test_the_request_names_the_host_and_asks_for_plain_text(authority: Authority) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK + b"\r\n")
        writer.close()

    tls = authority.context(NAME)
    async with (
        asyncio.timeout(10),
        conversing(serve, tls=tls) as port,
        await HttpsSession.connect(Dialer(), "127.0.0.1", port) as session,
    ):
        await session.handshake(authority.trust.verifying, NAME)
        await session.get(NAME, "/.well-known/mta-sts.txt?a=b")
    lines = heard[0].decode().split("\r\n")
    assert lines[0] == "GET /.well-known/mta-sts.txt?a=b HTTP/1.1"
    assert "Host: www.example.test" in lines
    assert "Accept-Encoding: identity" in lines
    assert "Connection: close" in lines


async def test_a_redirect_is_an_answer_like_any_other(authority: Authority) -> None:
    head = "Location: https://elsewhere.test/\r\n"
    response = await ask(authority, *page(b"", status="301 Moved", head=head))
    assert response.status == 301
    assert response.header("location") == "https://elsewhere.test/"


@pytest.mark.parametrize("size", [MAX_BODY - 1, MAX_BODY, MAX_BODY + 1])
async def test_a_body_is_kept_up_to_the_bound_and_said_to_be_cut_above(
    authority: Authority, size: int
) -> None:
    response = await ask(authority, *page(b"x" * size))
    assert len(response.body) == min(size, MAX_BODY)
    assert response.is_whole is (size <= MAX_BODY)


async def test_a_body_without_end_is_broken_off_at_the_bound(authority: Authority) -> None:
    response = await ask(authority, Send(OK + b"\r\n"), Flood(b"x" * 4096), max_body=10_000)
    assert len(response.body) == 10_000
    assert not response.is_whole


async def test_a_chunked_body_is_put_together(authority: Authority) -> None:
    response = await ask(authority, Send(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
    assert response.body == b"abcde"


async def test_a_body_may_end_with_the_connection(authority: Authority) -> None:
    response = await ask(authority, Send(OK + b"\r\nabc"), Close())
    assert response.body == b"abc"
    assert response.is_whole


async def test_interim_responses_are_passed_over(authority: Authority) -> None:
    early = Send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * MAX_INTERIM)
    assert (await ask(authority, early, *page(b"late"))).body == b"late"


BROKEN: dict[str, tuple[tuple[Step, ...], Reason]] = {
    "nothing": ((Close(),), Reason.CONNECTION_CLOSED),
    "nothing but a reset": ((Close(reset=True),), Reason.CONNECTION_RESET),
    "half a status line": ((Send(b"HTTP/1.1 20"), Close()), Reason.CONNECTION_CLOSED),
    "half a header": ((Send(OK + b"Content-Le"), Close()), Reason.CONNECTION_CLOSED),
    "half a body": (
        (Send(OK + b"Content-Length: 9\r\n\r\nabc"), Close()),
        Reason.CONNECTION_CLOSED,
    ),
    "half a body, then the end of one direction": (
        (Send(OK + b"Content-Length: 9\r\n\r\nabc"), HalfClose(), Wait()),
        Reason.CONNECTION_CLOSED,
    ),
    "half a chunk": ((Send(CHUNKED + b"9\r\nabc"), Close()), Reason.CONNECTION_CLOSED),
    "a chunk of no size": ((Send(CHUNKED + b"x\r\nabc\r\n"), Wait()), Reason.MALFORMED_REPLY),
    "binary": ((Send(bytes(range(256)) * 4), Wait()), Reason.MALFORMED_REPLY),
    "SMTP": ((Send(b"220 www.example.test ESMTP\r\n\r\n"), Wait()), Reason.MALFORMED_REPLY),
    "a header without end": ((Send(OK), Flood(b"X: " + b"y" * 1000)), Reason.MALFORMED_REPLY),
    "headers without end": ((Send(OK), Flood(b"X: y\r\n")), Reason.MALFORMED_REPLY),
    "interim responses without end": (
        (Flood(b"HTTP/1.1 100 Continue\r\n\r\n"),),
        Reason.MALFORMED_REPLY,
    ),
    "two lengths": (
        (Send(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), Wait()),
        Reason.MALFORMED_REPLY,
    ),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_no_whole_answer_has_its_reason(authority: Authority, what: str) -> None:
    steps, reason = BROKEN[what]
    with pytest.raises(NetError) as raised:
        await ask(authority, *steps)
    assert raised.value.reason is reason


async def test_chunks_of_one_octet_take_turns_with_everybody_else(authority: Authority) -> None:
    steps = (Send(CHUNKED), Repeat("1\r\nx", 40_000), Send(b"0\r\n\r\n"))
    async with counting_turns() as turns:
        response = await ask(authority, *steps)
    assert len(response.body) == 40_000
    assert turns.count > 200  # 240,000 octets, 512 at a time


async def test_what_is_said_in_clear_is_no_answer(authority: Authority) -> None:
    async with HttpsPeer(greeting=(*page(b"in clear"), Wait())) as peer:
        with pytest.raises(NetError) as raised:
            async with secured(peer, authority.trust):
                pytest.fail("there is no TLS")
    assert raised.value.reason is Reason.VALIDATION_FAILURE


async def test_a_connection_that_ended_before_tls_began_is_closed(authority: Authority) -> None:
    async with (
        HttpsPeer(greeting=(Signal("here"), Close())) as peer,
        await HttpsSession.connect(Dialer(), peer.address, peer.port) as session,
    ):
        await peer.told("here")
        await peer.idle()
        with pytest.raises(NetError) as raised:
            await session.handshake(authority.trust.verifying, NAME)
    assert raised.value.reason is Reason.CONNECTION_CLOSED


async def test_a_foreign_certificate_ends_it_before_anything_is_asked(
    authority: Authority,
) -> None:
    async with HttpsPeer(context=foreign(NAME)) as peer:
        with pytest.raises(NetError) as raised:
            async with secured(peer, authority.trust):
                pytest.fail("nobody trusts this")
        assert not peer.requests
    assert raised.value.reason is Reason.CERTIFICATE_NOT_TRUSTED


async def test_a_request_that_is_none_is_ours(authority: Authority) -> None:
    async with (
        HttpsPeer(context=authority.context(NAME)) as peer,
        secured(peer, authority.trust) as session,
    ):
        with pytest.raises(NetError) as raised:
            await session.get(NAME, "/a b\r\nX: y")
    assert raised.value.reason is Reason.UNTESTABLE


async def test_a_waiting_session_can_be_cancelled_and_leaves_no_connection(
    authority: Authority,
) -> None:
    async with HttpsPeer({"/": (Signal("asked"), Wait())}, context=authority.context(NAME)) as peer:

        async def wait_for_ever() -> None:
            async with secured(peer, authority.trust) as session:
                await session.get(NAME, "/")

        task = asyncio.create_task(wait_for_ever())
        async with asyncio.timeout(10):
            await peer.told("asked")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await peer.idle()


async def test_an_answer_in_pieces_is_an_answer(authority: Authority) -> None:
    peer = HttpsPeer(
        {"/": page(b"slowly")}, context=authority.context(NAME), line=Line(piece=1, gap=0.001)
    )
    async with peer, secured(peer, authority.trust) as session:
        assert (await session.get(NAME, "/")).body == b"slowly"


@pytest.mark.parametrize("error", [h11.RemoteProtocolError("x"), h11.LocalProtocolError("x")])
def test_everything_h11_raises_has_a_reason(error: h11.ProtocolError) -> None:
    assert net_error(error, "a server", HTTP_ROWS) is not None


def test_every_exception_of_h11_is_one_of_the_two() -> None:
    raised = {
        value
        for value in vars(h11).values()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert raised == {h11.ProtocolError, h11.RemoteProtocolError, h11.LocalProtocolError}


async def test_a_refused_connection_is_refused() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(NetError) as raised:
            await HttpsSession.connect(Dialer(), *nobody.getsockname())
    assert raised.value.reason is Reason.CONNECTION_REFUSED
