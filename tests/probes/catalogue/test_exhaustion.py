"""A machine out of resources: never a bug, never the peer's fault."""

import errno
import os
import resource
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from probes.catalogue.exhaustion import ERRORS, exhausted, is_exhaustion
from probes.clock import SYSTEM_CLOCK
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from probes.result import Owner, ProbeFailure, ProbeResult, Reason
from probes.run import run_once
from probes.tasks import TaskSet
from probes.trace import Trace
from tests.support.places import ROOT

LOOPBACK = "127.0.0.1"


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Take all descriptors that this process may have; few, so that it does not take long."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def run(work: Callable[[Trace], Awaitable[None]]) -> tuple[ProbeResult, list[BaseException]]:
    bugs: list[BaseException] = []
    result = await run_once("x", work, clock=SYSTEM_CLOCK, deadline=10, on_bug=bugs.append)
    return result, bugs


def is_ours(result: ProbeResult) -> bool:
    failure = result.failure
    assert failure is not None
    return (
        failure.is_untestable
        and (failure.reason, failure.owner) == (Reason.UNTESTABLE, Owner.MONITOR)
        and "this machine is out of resources" in failure.detail
    )


async def _resolves(trace: Trace) -> None:
    (await Resolver(((LOOPBACK, 9),)).mx("example.test")).require()


async def _asks_over_tcp(trace: Trace) -> None:
    await Resolver(((LOOPBACK, 9),)).ask((LOOPBACK, 9), "example.test", "MX", over_tcp=True)


async def _dials(trace: Trace) -> None:
    await Dialer().connect(LOOPBACK, 9)


async def _reads_a_file(trace: Trace) -> None:
    (ROOT / "README.md").read_text("utf-8")


async def _reads_the_authorities(trace: Trace) -> None:
    TrustStore(str(ROOT / "README.md"), SYSTEM_CLOCK)


async def _does_much_at_once(trace: Trace) -> None:
    async with TaskSet() as group:
        for work in (_resolves, _reads_a_file, _dials):
            group.start(work(trace))


@pytest.mark.parametrize(
    "work",
    [
        *(_resolves, _asks_over_tcp, _dials, _reads_a_file),
        *(_reads_the_authorities, _does_much_at_once),
    ],
)
async def test_a_run_without_descriptors_is_untestable_and_ours_and_no_bug(
    work: Callable[[Trace], Awaitable[None]],
) -> None:
    with no_descriptor_left():
        result, bugs = await run(work)
    assert is_ours(result), result.failure
    assert bugs == []


@pytest.mark.parametrize(
    "error",
    [
        *(OSError(number, os.strerror(number)) for number in sorted(ERRORS)),
        MemoryError(),
        RuntimeError("can't start new thread"),
    ],
)
async def test_each_such_error_is_ours_even_where_another_was_raised_from_it(
    error: Exception,
) -> None:
    async def fails(trace: Trace) -> None:
        raise error

    async def wraps(trace: Trace) -> None:
        raise ValueError("cannot go on") from error

    for work in (fails, wraps):
        result, bugs = await run(work)
        assert is_ours(result), result.failure
        assert bugs == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOENT, "No such file or directory"),
        RuntimeError("anything else"),
        ProbeFailure(Reason.REJECTED, "no"),
        FileNotFoundError(),
    ],
)
def test_another_error_is_none_of_them(error: Exception) -> None:
    assert not is_exhaustion(error)
    assert exhausted(error) is None


def test_system_authorities_that_cannot_be_read_for_want_of_descriptors_are_not_left_out() -> None:
    with (
        no_descriptor_left(),
        pytest.raises(ProbeFailure, match="this machine is out of resources"),
    ):
        TrustStore(None, SYSTEM_CLOCK)
