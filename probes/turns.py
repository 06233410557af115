"""A turn at an address, before anything is timed there: the waiting is ours, not the server's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes.net import Net
from probes.net.gate import Turn
from probes.result import Phase
from probes.trace import Trace


@asynccontextmanager
async def turn_at(net: Net, address: str, port: int, trace: Trace) -> AsyncIterator[Turn]:
    """The turn, which ends with the block unless a connection keeps it for itself."""
    if net.gate.is_free(address, port):
        turn = await net.gate.enter(address, port)
    else:
        awaited = f"an earlier session of ours with {address} port {port}"
        with trace.waiting(Phase.CONNECT, awaited):
            turn = await net.gate.enter(address, port)
    try:
        yield turn
    finally:
        if not turn.is_kept:
            turn.end()
