"""The tests' own house rules: who is alone is alone, and a kept port is nobody else's."""

import asyncio
import fcntl
import os
import socket
from pathlib import Path
from threading import Thread

import pytest

from tests.parallel import TOGETHER, Hall, unit
from tests.support.places import ROOT
from tests.support.ports import LOOPBACK, reserved_port, reserving


def is_held(file: Path) -> bool:
    """True if somebody has locked it."""
    with file.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_tests_of_two_workers_run_side_by_side(tmp_path: Path) -> None:
    one, other = Hall(tmp_path), Hall(tmp_path)
    with one.entered(alone=False), other.entered(alone=False):
        assert is_held(tmp_path / "hall.lock")
    assert not is_held(tmp_path / "hall.lock")
    one.close()
    other.close()


def test_who_has_to_be_alone_waits_for_the_others_and_they_for_it(tmp_path: Path) -> None:
    one, other, third = Hall(tmp_path), Hall(tmp_path), Hall(tmp_path)
    order: list[str] = []

    def stay(hall: Hall, name: str, *, alone: bool) -> None:
        with hall.entered(alone=alone):
            order.append(name)

    with one.entered(alone=False):
        waiting = Thread(target=stay, args=(other, "alone"), kwargs={"alone": True})
        waiting.start()
        while not is_held(tmp_path / "door.lock"):
            os.sched_yield()
        later = Thread(target=stay, args=(third, "later"), kwargs={"alone": False})
        later.start()
        order.append("first")
    waiting.join()
    later.join()
    assert order == ["first", "alone", "later"]
    for hall in (one, other, third):
        hall.close()


def test_a_file_is_one_unit_and_so_is_a_folder_that_shares_its_servers() -> None:
    assert unit("tests/probes/test_run.py::test_a[x::y]") == "tests/probes/test_run.py"
    for folder in TOGETHER:
        assert (ROOT / folder).is_dir()
        assert unit(f"{folder}test_a.py::test_b") == unit(f"{folder}test_c.py::test_d") == folder


async def test_a_kept_port_is_refused_until_a_server_takes_it_and_again_after_it() -> None:
    with reserved_port() as port:
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(LOOPBACK, port)
            server = await asyncio.start_server(lambda _, writer: writer.close(), LOOPBACK, port)
            async with server:
                reader, writer = await asyncio.open_connection(LOOPBACK, port)
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((LOOPBACK, port))


def test_no_port_is_kept_twice() -> None:
    with reserving() as reserve:
        ports = [reserve() for _ in range(200)]
        assert len(set(ports)) == 200
