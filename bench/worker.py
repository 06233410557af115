"""A process of its own for whatever is measured: one line of JSON in, one line of JSON out."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

ROOT = Path(__file__).resolve().parents[1]
ANSWER_WITHIN = 120.0
MAX_LINE = 64 * 1024 * 1024

Answer = dict[str, Any]
Handler = Callable[[dict[str, Any]], Awaitable[Answer]]


class WorkerError(Exception):
    """A worker that ended or did not answer."""


class Worker:
    """The parent's side of a worker; `first` is what it said when it was ready."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.first: Answer = {}

    async def ask(self, **request: Any) -> Answer:
        """Send one request and wait for its answer. Raises WorkerError."""
        stdin = self._process.stdin
        if stdin is None:
            raise WorkerError("a worker without a pipe")
        stdin.write(json.dumps(request).encode() + b"\n")
        return await self.read()

    async def read(self) -> Answer:
        """The next answer."""
        stdout = self._process.stdout
        if stdout is None:
            raise WorkerError("a worker without a pipe")
        async with asyncio.timeout(ANSWER_WITHIN):
            line = await stdout.readline()
        if not line:
            raise WorkerError(f"a worker ended with {await self._process.wait()}")
        answer: Answer = json.loads(line)
        return answer


@asynccontextmanager
async def worker(name: str, **options: Any) -> AsyncIterator[Worker]:
    """`python -m bench.NAME` with its options, ended at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", f"bench.{name}", json.dumps(options)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        limit=MAX_LINE,
    )
    try:
        running = Worker(process)
        running.first = await running.read()
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def say(answer: Answer) -> None:
    """The worker's side: one answer to the parent."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def serve(handler: Handler, first: Answer) -> None:
    """The worker's side: say `first`, then answer every request until the parent is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE)
    stdin = os.fdopen(sys.stdin.fileno(), "rb", closefd=False)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stdin)
    say(first)
    while line := await reader.readline():
        say(await handler(json.loads(line)))


def main(run: Callable[..., Awaitable[None]]) -> None:
    """The worker's side: `run` with the options of the command line, on uvloop as the service."""

    async def work() -> None:
        await run(**json.loads(sys.argv[1]))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
