"""More resolvers inside the chain, each in some way unlike the first one."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.integration.chain.layout import Layout
from tests.servers.real import program

READY_WITHIN = 20
CURT = {"ede: yes": "ede: no"}
"""As older resolvers: of what is bogus it says SERVFAIL and not a word more."""
GULLIBLE = {'module-config: "validator iterator"': 'module-config: "iterator"'}
"""Validates nothing."""


@asynccontextmanager
async def unbound(
    place: Layout, server: tuple[str, int], changes: Mapping[str, str]
) -> AsyncIterator[None]:
    """An unbound configured as the chain's, apart from `changes`, that listens at `server`."""
    text = (place.root / "unbound" / "unbound.conf").read_text()
    own = {"port: 53\n": f"port: {server[1]}\n    do-not-query-localhost: no\n", **changes}
    for old, new in own.items():
        assert old in text, old
        text = text.replace(old, new)
    file = place.root / "unbound" / f"{server[1]}.conf"
    file.write_text(text)
    command = (program("unbound"), "-d", "-c", str(file))
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(READY_WITHIN):
            while not await _listens(server):  # noqa: ASYNC110 - it tells nobody that it is ready
                await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        await process.wait()


async def _listens(server: tuple[str, int]) -> bool:
    try:
        _, writer = await asyncio.open_connection(*server)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
