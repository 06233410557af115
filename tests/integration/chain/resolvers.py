"""More resolvers inside the chain, each in some way unlike the first one."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.integration.chain.layout import Layout
from tests.servers.real import program
from tests.support.waiting import answered, listens

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
        host, port = server
        await answered(lambda: listens(port, host), within=READY_WITHIN)
        yield
    finally:
        process.terminate()
        await process.wait()
