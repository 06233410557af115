"""The first address that connects: in their order, and with the failure that tells most."""

import asyncio
import socket

import pytest

from probes.net.dial import Dialer
from probes.result import Owner, ProbeFailure, Reason
from probes.sessions.connecting import first_that_connects, is_address, source_for
from tests.servers.streams import conversing

NOBODY = "127.0.0.2"
ELSEWHERE = "::1"
SERVER = "127.0.0.1"


async def _serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_the_first_address_that_takes_a_connection_is_used_and_no_other() -> None:
    tried: list[str] = []

    async def connect(address: str) -> socket.socket:
        tried.append(address)
        return await Dialer().connect(address, port)

    async with asyncio.timeout(20), conversing(_serve) as port:
        found = await first_that_connects((NOBODY, SERVER, "127.0.0.3"), connect)
        with found.session as sock:
            assert sock.getpeername() == (SERVER, port)
    assert found.address == SERVER
    assert tried == [NOBODY, SERVER]
    assert [failure.reason for failure in found.failures] == [Reason.CONNECTION_REFUSED]


async def test_where_none_connects_the_first_failure_of_a_peer_is_raised() -> None:
    dialer = Dialer(source_v6="127.0.0.1")  # of another family: this machine's mistake

    async def connect(address: str) -> socket.socket:
        return await dialer.connect(address, port)

    with socket.socket() as nobody:  # bound and not listening: the port is refused and stays ours
        nobody.bind((SERVER, 0))
        port = nobody.getsockname()[1]
        with pytest.raises(ProbeFailure) as caught:
            await first_that_connects((ELSEWHERE, SERVER, NOBODY), connect)
        assert caught.value.reason is Reason.CONNECTION_REFUSED
        assert SERVER in caught.value.detail
        with pytest.raises(ProbeFailure) as ours:
            await first_that_connects((ELSEWHERE,), connect)
        assert ours.value.owner is Owner.CONFIGURATION


async def test_anything_but_a_failure_of_the_probe_is_not_swallowed() -> None:
    async def connect(address: str) -> socket.socket:
        raise ValueError(address)

    with pytest.raises(ValueError, match=SERVER):
        await first_that_connects((SERVER, NOBODY), connect)


@pytest.mark.parametrize(
    ("host", "expected"), [("192.0.2.1", True), ("2001:db8::1", True), ("mx.example.test", False)]
)
def test_an_address_is_told_from_a_name(host: str, expected: bool) -> None:  # noqa: FBT001
    assert is_address(host) is expected


@pytest.mark.parametrize(
    ("source", "address", "expected"),
    [
        ("192.0.2.9", "192.0.2.1", "192.0.2.9"),
        ("192.0.2.9", "2001:db8::1", None),
        ("2001:db8::9", "192.0.2.1", None),
        (None, "192.0.2.1", None),
    ],
)
def test_a_source_is_used_for_addresses_of_its_family(
    source: str | None, address: str, expected: str | None
) -> None:
    assert source_for(source, address) == expected
