"""A turn at an address, before anything is timed there: the waiting is ours, not the server's."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from probes.net import Net
from probes.net.address_limiter import Slot
from probes.result import Phase, ProbeFailure
from probes.trace import Trace


@asynccontextmanager
async def session_slot(
    net: Net, address: str, port: int, trace: Trace, *, is_again: bool = False
) -> AsyncIterator[Slot]:
    """The turn, which ends with the block unless a connection keeps it for itself.

    With `is_again` it is the run's own session before that is waited for, which is no news.
    """
    if net.limiter.is_free(address, port):
        slot = await net.limiter.enter(address, port)
    else:
        awaited = f"an earlier session of ours with {address} port {port}"
        with trace.waiting(Phase.CONNECT, awaited, is_told=not is_again and net.sessions is None):
            slot = await net.limiter.enter(address, port)
    try:
        yield slot
    finally:
        if not slot.is_kept:
            slot.end()


@asynccontextmanager
async def exclusive_visit(net: Net, address: str, port: int, trace: Trace) -> AsyncIterator[None]:
    """Keep other probes of the same purpose away from this address meanwhile.

    The outcome of an earlier visit is known when this one begins. The wait is not reported: it is
    how a diagnosis makes do with one visit.
    """
    if net.sessions is None:
        yield
        return
    visit = net.sessions.visit(address, port)
    if visit.locked():
        awaited = f"another probe's visit to {address} port {port}"
        with trace.waiting(Phase.CONNECT, awaited, is_told=False):
            await visit.acquire()
    else:
        await visit.acquire()
    try:
        yield
    finally:
        visit.release()


@contextmanager
def sharing_failure(net: Net, host: str, address: str, port: int, trace: Trace) -> Iterator[None]:
    """Record the failure of the session inside, so that probes of the same purpose do not repeat
    it.
    """
    try:
        yield
    except ProbeFailure as failure:
        if net.sessions is not None:
            net.sessions.failed(host, address, port, failure.to_failure(trace.current))
        raise
